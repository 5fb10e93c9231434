/*
** child.h: child processes under supervision. Each leads a process group of its own, so
** that whatever it starts ends with it, and has three pipes to its parent: standard output,
** standard error, and a report. Its standard input holds a text, or nothing. The functions
** are for one thread of the parent.
*/
#ifndef ALTINN_EVENTS_HOST_CHILD_H
#define ALTINN_EVENTS_HOST_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/slice.h"

/* The descriptor at which a child writes its report. */
#define AE_CHILD_REPORT 3

/* The parent's ends of the pipes of a child. */
#define AE_CHILD_STREAMS(X) \
  X(AE_CHILD_OUT, "output") X(AE_CHILD_ERR, "errors") X(AE_CHILD_TOLD, "report")
#define AE_CHILD_ENUM(name, text) name,
typedef enum ae_child_stream {
  AE_CHILD_STREAMS(AE_CHILD_ENUM) AE_CHILD_STREAM_COUNT
} ae_child_stream;
#undef AE_CHILD_ENUM

typedef struct ae_child {
  pid_t pid;                       /* -1: there is none */
  pid_t owner;                     /* the process whose child it is */
  int ends[AE_CHILD_STREAM_COUNT]; /* -1: closed */
  bool ended;                      /* and waited for */
  int status;                      /* as waitpid gives it; when it has ended */
} ae_child;

/* Forks. In the child *inside is true: its first four descriptors are those above, no other
** is open, its signals are the default ones, and its group ends with its parent. For processes of
** one thread. Returns 0 or an errno. */
int ae_child_fork (ae_child *child, bool *inside);

/* Starts a program, which has no report. `arguments` ends with NULL; `input` is its standard
** input. Returns 0 or an errno. */
int ae_child_spawn (ae_child *child, char *const arguments[], ae_slice input);

/* Reads what there is, without waiting. The bytes read; 0: nothing just now; -1: the end. */
ssize_t ae_child_read (ae_child *child, ae_child_stream stream, char *bytes, size_t size);

/* Whether the child has ended; its group is ended then too. */
bool ae_child_has_ended (ae_child *child);

/* Sends a signal to the child, or to its group. */
void ae_child_signal (const ae_child *child, int number, bool group);

/* Ends the group by SIGKILL, waits for the child, and closes the pipes. In another process
** than the owner's: does nothing. May be called again. */
void ae_child_close (ae_child *child);

/* Takes SIGINT, SIGTERM and SIGHUP for ae_child_attend, ignores SIGPIPE, and becomes the
** parent of those whose parents end, unless the process has children already. Once in a
** process, before it has children of its own. */
void ae_child_take_signals (void);

/* Waits until a child has something to read or has ended, a signal has come, or so many
** milliseconds have passed. The number of the signal, or 0. */
int ae_child_attend (ae_child *const children[], size_t count, int milliseconds);

/* Ends the processes that outlived a child of this process. To be called when there is no
** other child. Does nothing in a process that had children before ae_child_take_signals. */
void ae_child_end_orphans (void);

/* Sends SIGTERM to this process when its parent ends. */
void ae_child_end_with_parent (void);

#endif
