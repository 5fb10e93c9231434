/*
** log_line.h: a fact as a line of text, in the two formats of the log.
*/
#ifndef ALTINN_EVENTS_HOST_LOG_LINE_H
#define ALTINN_EVENTS_HOST_LOG_LINE_H

#include "host/log.h"

#define AE_LOG_LINE_BYTES 4096

/* Writes the line, without a line feed, into `line`, which has room for
** AE_LOG_LINE_BYTES; its length. What does not fit is left out. */
size_t ae_log_make (char *line, bool json, ae_level level, const char *message,
                    const ae_log_field *fields, size_t count);

#endif
