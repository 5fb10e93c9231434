/*
** log_line.h: formats a fact as a line of the log, in logfmt or JSON.
*/
#ifndef ALTINN_EVENTS_HOST_LOG_LINE_H
#define ALTINN_EVENTS_HOST_LOG_LINE_H

#include "core/slice.h"

#define AE_LOG_LINE_BYTES 4096

#define AE_LEVELS(X) \
  X(AE_DEBUG, "debug") \
  X(AE_INFO, "info") \
  X(AE_WARN, "warn") \
  X(AE_ERROR, "error")

#define AE_LEVEL_ENUM(level, name) level,
typedef enum ae_level { AE_LEVELS(AE_LEVEL_ENUM) AE_LEVEL_COUNT } ae_level;
#undef AE_LEVEL_ENUM

typedef struct ae_log_field {
  const char *name;
  ae_slice text; /* absent: the field is left out */
} ae_log_field;

/* Writes the line, without a line feed, into `line`, which has room for
** AE_LOG_LINE_BYTES. Returns the length. Fields that do not fit are left out. */
size_t ae_log_make (char *line, bool json, ae_level level, const char *message,
                    const ae_log_field *fields, size_t count);

#endif
