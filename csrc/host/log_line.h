/*
** log_line.h: formats a fact as a line of the log, in logfmt or JSON. The same lines as
** those of lua/altinn/events/support/logfmt.lua, which hosts without this library use.
*/
#ifndef ALTINN_EVENTS_HOST_LOG_LINE_H
#define ALTINN_EVENTS_HOST_LOG_LINE_H

#include "core/slice.h"

#define AE_LEVELS(X) \
  X(AE_DEBUG, "debug") \
  X(AE_INFO, "info") \
  X(AE_WARN, "warn") \
  X(AE_ERROR, "error")

#define AE_LEVEL_ENUM(level, name) level,
typedef enum ae_level { AE_LEVELS(AE_LEVEL_ENUM) AE_LEVEL_COUNT } ae_level;
#undef AE_LEVEL_ENUM

typedef enum ae_log_kind {
  AE_LOG_TEXT, /* a text from anywhere: masked, and cut when it is long */
  AE_LOG_WORD, /* a word of our own, or a checked name: neither masked nor cut */
  AE_LOG_VALUE /* a number, true or false: written as it is */
} ae_log_kind;

typedef struct ae_log_field {
  const char *name;
  ae_slice text; /* absent: the field is left out */
} ae_log_field;

/* The fields of a line, in their order. */
typedef struct ae_log_fields {
  const ae_log_field *list;
  const ae_log_kind *kinds; /* NULL: all are AE_LOG_TEXT */
  size_t count;
} ae_log_fields;

/* How many bytes the line takes at most. */
size_t ae_log_bound (ae_slice message, const ae_log_fields *fields);

/* Writes the line, without a line feed, into `line`, which has room for ae_log_bound
** bytes. Returns the length. Characters that could end the line, pass for another
** field or control a terminal are escaped; the line is UTF-8. */
size_t ae_log_make (char *line, bool json, ae_level level, ae_slice message,
                    const ae_log_fields *fields);

#endif
