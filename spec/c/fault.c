/*
** fault.c: an LD_PRELOAD library in which the n-th call on a file fails, or is the last one of the process.
**
**   FAULT_FILE    the end of the file's name: ".db" or ".db-wal"
**   FAULT_CALL    read, write, sync, truncate, unlink; or any: all but read
**   FAULT_AT      which call of these, from 1; 0 = none
**   FAULT_ACTION  kill (instead of the call), tear (half of a write, then
**                 kill), EIO, ENOSPC (this call), or EIO+, ENOSPC+ (this
**                 call and all after it)
**   FAULT_COUNT   a file that the number of calls so far is written to
**
** Only Linux: names of descriptors are read from /proc.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;

static const char *setting (const char *name) {
  const char *value = getenv(name);
  return value == NULL ? "" : value;
}

static int ends_with (const char *text, const char *end) {
  size_t length = strlen(text), size = strlen(end);
  return size > 0 && length >= size && strcmp(text + length - size, end) == 0;
}

static int is_named (int file) {
  char link[64], name[4096];
  ssize_t length;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  length = readlink(link, name, sizeof name - 1);
  if (length < 0) return 0;
  name[length] = '\0';
  return ends_with(name, setting("FAULT_FILE"));
}

static int is_meant (const char *call) {
  const char *wanted = setting("FAULT_CALL");
  if (strcmp(wanted, "any") == 0) return strcmp(call, "read") != 0;
  return strcmp(wanted, call) == 0;
}

static void write_count (long count) {
  static ssize_t (*real)(int, const void *, size_t, off_t);
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%ld", count);
  int file = open(setting("FAULT_COUNT"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "pwrite");
  if (file < 0) return;
  (void)!real(file, digits, (size_t)length, 0);
  close(file);
}

enum { GO_ON, FAIL, TEAR };

static void die (void) {
  raise(SIGKILL);
  for (;;) pause();
}

/* The fate of a call; sets errno for FAIL. */
static int fate (const char *call) {
  const char *action = setting("FAULT_ACTION");
  long at = atol(setting("FAULT_AT")), number;
  if (!is_meant(call)) return GO_ON;
  number = atomic_fetch_add(&calls, 1) + 1;
  if (*setting("FAULT_COUNT") != '\0') write_count(number);
  if (at == 0 || number < at || (number > at && !ends_with(action, "+"))) return GO_ON;
  if (strcmp(action, "kill") == 0) die();
  if (strcmp(action, "tear") == 0) return TEAR;
  errno = strncmp(action, "ENOSPC", 6) == 0 ? ENOSPC : EIO;
  return FAIL;
}

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, name)

#define WRITE(name, offset) \
  ssize_t name (int file, const void *bytes, size_t size, offset at) { \
    REAL(ssize_t, #name, int, const void *, size_t, offset); \
    int what = is_named(file) ? fate("write") : GO_ON; \
    if (what == FAIL) return -1; \
    if (what == TEAR) { \
      (void)!real(file, bytes, size / 2, at); \
      die(); \
    } \
    return real(file, bytes, size, at); \
  }

ssize_t write (int file, const void *bytes, size_t size) {
  REAL(ssize_t, "write", int, const void *, size_t);
  int what = is_named(file) ? fate("write") : GO_ON;
  if (what == FAIL) return -1;
  if (what == TEAR) {
    (void)!real(file, bytes, size / 2);
    die();
  }
  return real(file, bytes, size);
}

#define READ(name, offset) \
  ssize_t name (int file, void *bytes, size_t size, offset at) { \
    REAL(ssize_t, #name, int, void *, size_t, offset); \
    return is_named(file) && fate("read") == FAIL ? -1 : real(file, bytes, size, at); \
  }

#define SYNC(name) \
  int name (int file) { \
    REAL(int, #name, int); \
    return is_named(file) && fate("sync") == FAIL ? -1 : real(file); \
  }

#define TRUNCATE(name, offset) \
  int name (int file, offset size) { \
    REAL(int, #name, int, offset); \
    return is_named(file) && fate("truncate") == FAIL ? -1 : real(file, size); \
  }

READ(pread, off_t)
READ(pread64, off64_t)
WRITE(pwrite, off_t)
WRITE(pwrite64, off64_t)
SYNC(fsync)
SYNC(fdatasync)
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int unlink (const char *name) {
  REAL(int, "unlink", const char *);
  return ends_with(name, setting("FAULT_FILE")) && fate("unlink") == FAIL ? -1 : real(name);
}
