/*
** spawn.h: what all programs that the host starts have in common: they begin with default
** signals, and inherit no other descriptors than their first three. Any thread.
*/
#ifndef ALTINN_EVENTS_HOST_SPAWN_H
#define ALTINN_EVENTS_HOST_SPAWN_H

#include <spawn.h>
#include <sys/types.h>

/* The first descriptor that a program does not inherit. */
#define AE_SPAWN_FIRST_OTHER 3

/* Makes the two empty; ae_spawn_free frees them. Returns 0 or an errno: then there is nothing
** to free. */
int ae_spawn_init (posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes);
/* Frees what ae_spawn_init made. */
void ae_spawn_free (posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes);

/* Gives the program the signal mask and actions of a newly started one; `flags`: more flags
** of posix_spawnattr_setflags, or 0. Returns 0 or an errno. */
int ae_spawn_signals (posix_spawnattr_t *attributes, short flags);

/* Closes the program's descriptors from AE_SPAWN_FIRST_OTHER on, where the C library can;
** elsewhere those with FD_CLOEXEC alone are closed. Returns 0 or an errno. */
int ae_spawn_close_others (posix_spawn_file_actions_t *files);

/* Waits for the end of a program; its status as waitpid gives it, or -1 with errno. */
int ae_spawn_wait (pid_t child);

#endif
