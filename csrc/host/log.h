/*
** log.h: the lines of the log on their way to standard error, which may be
** a pipe that nobody reads, a full disk, or closed. Lines go through a
** bounded buffer and a thread of its own, so that nobody waits for them:
**
**     any thread --line--> buffer (1 MiB) --writer's thread--> descriptor 2
**                            |                    |
**                          full: dropped        cannot write: dropped
**
** Lines that are dropped are counted; a line tells how many as soon as the
** descriptor takes one again. There is one log in a process.
*/
#ifndef ALTINN_EVENTS_HOST_LOG_H
#define ALTINN_EVENTS_HOST_LOG_H

#include "host/log_line.h"

/* Opens those of the descriptors 0, 1 and 2 that are closed on /dev/null, so
** that no socket or database gets their numbers. Before anything is opened. */
void ae_log_descriptors (void);

/* Lines that C writes are JSON from now on, or logfmt (at the beginning). */
void ae_log_json (bool json);

/* Hands over a finished line, without its line feed. Never waits for the
** descriptor. False: it was dropped. Any thread. */
bool ae_log_line (ae_slice line);

/* Makes a line of a fact, with the time, and hands it over. Identity numbers
** are masked, control characters escaped. Any thread. */
void ae_log_fact (ae_level level, const char *message, const ae_log_field *fields,
                  size_t count);

/* The commonest fact: one reason. */
void ae_log_reason (ae_level level, const char *message, const char *reason);

/* Lines dropped since the process began. */
uint64_t ae_log_dropped (void);

/* Waits until all lines are written, or no line more for half a second.
** False: some are not. The end of the process does the same. */
bool ae_log_flush (void);

#endif
