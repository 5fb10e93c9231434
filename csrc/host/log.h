/*
** log.h: writes the lines of the log to standard error, which may be a pipe that
** nobody reads, a full disk, or closed. The lines go through a bounded buffer and
** the log's own thread, so that no other thread waits for them:
**
**     any thread --line--> buffer (1 MiB) --writer's thread--> descriptor 2
**                            |                    |
**                          full: dropped        cannot write: dropped
**
** Dropped lines are counted; a line reports their number as soon as the descriptor
** takes lines again. There is one log in a process.
*/
#ifndef ALTINN_EVENTS_HOST_LOG_H
#define ALTINN_EVENTS_HOST_LOG_H

#include "host/log_line.h"

/* Opens /dev/null for each of the descriptors 0, 1 and 2 that is closed, so that no
** socket or database gets its number. To be called before anything is opened. */
void ae_log_descriptors (void);

/* Sets the format of the lines that C writes: JSON or, at the beginning, logfmt. Any
** thread. */
void ae_log_json (bool json);

/* Hands over a finished line, without its line feed. Never waits for the
** descriptor. False: it was dropped. Any thread. */
bool ae_log_line (ae_slice line);

/* Makes a line of a fact, with the time, in the format asked for, and hands it over:
** see ae_log_make. False: it was dropped. Any thread. */
bool ae_log_write (bool json, ae_level level, ae_slice message, const ae_log_fields *fields);
/* The same in the format of the lines that C writes. Any thread. */
void ae_log_fact (ae_level level, const char *message, const ae_log_field *fields,
                  size_t count);

/* Logs a fact with one field, `reason`. Any thread. */
void ae_log_reason (ae_level level, const char *message, const char *reason);

/* What takes the facts that a thread logs in place of the log; `take` NULL: the log does.
** The fields live during the call only. */
typedef struct ae_log_diversion {
  void (*take)(void *context, ae_level level, ae_slice message, const ae_log_fields *fields);
  void *context;
} ae_log_diversion;

/* Sets what takes the facts that this thread logs. Returns what did before, for the caller
** to set again. */
ae_log_diversion ae_log_divert (ae_log_diversion to);

/* The number of lines dropped since the process began. Any thread. */
uint64_t ae_log_dropped (void);

/* Waits until all lines are written, or until nothing is written for half a second.
** False: some lines are not written. The end of the process calls it too. */
bool ae_log_flush (void);

#endif
