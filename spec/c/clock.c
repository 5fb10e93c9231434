/*
** clock.c: an LD_PRELOAD library that moves the clock of a process: the time
** since 1970 is that of the system and the seconds that stand in the file
** CLOCK_FILE, read at each look.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long ahead (void) {
  const char *name = getenv("CLOCK_FILE");
  char digits[24] = "";
  int file = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
  ssize_t size = file < 0 ? 0 : read(file, digits, sizeof digits - 1);
  if (file >= 0) close(file);
  return size > 0 ? atol(digits) : 0;
}

int clock_gettime (clockid_t clock, struct timespec *t) {
  static int (*real)(clockid_t, struct timespec *);
  int result;
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
  result = real(clock, t);
  if (result == 0 && clock == CLOCK_REALTIME) t->tv_sec += ahead();
  return result;
}
