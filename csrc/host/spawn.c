/*
** spawn.c: see spawn.h.
*/
#include "host/spawn.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

int ae_spawn_init (posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes) {
  int result = posix_spawn_file_actions_init(files);
  if (result != 0) return result;
  result = posix_spawnattr_init(attributes);
  if (result != 0) posix_spawn_file_actions_destroy(files);
  return result;
}

void ae_spawn_free (posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes) {
  posix_spawnattr_destroy(attributes);
  posix_spawn_file_actions_destroy(files);
}

int ae_spawn_signals (posix_spawnattr_t *attributes, short flags) {
  sigset_t none, all;
  int result;
  sigemptyset(&none);
  sigfillset(&all);
  sigdelset(&all, SIGKILL);
  sigdelset(&all, SIGSTOP);
  result = posix_spawnattr_setsigmask(attributes, &none);
  if (result == 0) result = posix_spawnattr_setsigdefault(attributes, &all);
  if (result != 0) return result;
  return posix_spawnattr_setflags(
    attributes, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | flags));
}

int ae_spawn_close_others (posix_spawn_file_actions_t *files) {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
  return posix_spawn_file_actions_addclosefrom_np(files, AE_SPAWN_FIRST_OTHER);
#else
  (void)files;
  return 0;
#endif
}

int ae_spawn_wait (pid_t child) {
  int status;
  pid_t ended;
  do ended = waitpid(child, &status, 0);
  while (ended < 0 && errno == EINTR);
  return ended < 0 ? -1 : status;
}
