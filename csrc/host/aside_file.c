/*
** aside_file.c: files in a folder, and lines at the end of a file; see aside.h.
*/
#include "host/aside_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inbox/hash.h"

/* The mode of new files, before the process's umask. */
#define MODE 0640
/* A line that may have been written before is looked for in the last bytes of the file. No
** line is longer: a recorded effect has 1 MiB at most. */
#define TAIL ((off_t)2 << 20)
/* The errno of a pipe or a device in the place of a file. */
#define NOT_PLAIN ESPIPE
/* Pause between two tries to get the lock of a file. */
#define LOCK_MS 10

void ae_aside_say (ae_action *action, ae_aside_outcome outcome, const char *format, ...) {
  va_list arguments;
  action->outcome = outcome;
  va_start(arguments, format);
  (void)vsnprintf(action->text, sizeof action->text, format, arguments);
  va_end(arguments);
}

void ae_aside_explain (char text[AE_ASIDE_TEXT], const char *place, int number) {
  const char *advice;
  switch (number) {
    case ENOENT:
      advice = "it is not there: make it, for the user that the host runs as";
      break;
    case ENOTDIR: advice = "it is, or lies in, no folder"; break;
    case EISDIR: advice = "it is a folder"; break;
    case NOT_PLAIN: advice = "it is no file, but a pipe, a socket or a device"; break;
    case EACCES:
    case EPERM: advice = "the user that the host runs as may not: chown or chmod it"; break;
    case EROFS:
      advice = "it cannot be written to: mounted read-only, or ReadWritePaths= of the systemd "
               "unit lacks it";
      break;
    case ENOSPC:
    case EDQUOT: advice = "no space is left: make some"; break;
    default: advice = strerror(number); break;
  }
  (void)snprintf(text, AE_ASIDE_TEXT, "%s: %s", place, advice);
}

/* The outcome of a failure of the system, of which errno tells. */
static void fail (ae_action *action, ae_aside_outcome outcome, const char *place) {
  ae_aside_explain(action->text, place, errno);
  action->outcome = outcome;
}

/* Writes all bytes. False, with errno: some are missing. */
static bool write_all (int file, ae_slice bytes) {
  while (bytes.length > 0) {
    ssize_t written = write(file, bytes.data, bytes.length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.data += written;
    bytes.length -= (size_t)written;
  }
  return true;
}

/* Files. */

static bool is_name (const char *name) {
  size_t length = strlen(name);
  return length > 0 && length <= AE_ASIDE_NAME && name[0] != '.' && strchr(name, '/') == NULL;
}

/* Writes the content to a temporary file of the folder, made anew: a kill may have left
** one. False, with errno: there is none. */
static bool write_temporary (const ae_action *action, int folder, const char *temporary) {
  bool written;
  int why, file;
  if (unlinkat(folder, temporary, 0) != 0 && errno != ENOENT) return false;
  file = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE);
  if (file < 0) return false;
  written = write_all(file, action->body) && fsync(file) == 0;
  why = errno;
  if (close(file) != 0 && written) {
    why = errno;
    written = false;
  }
  if (!written) (void)unlinkat(folder, temporary, 0);
  errno = why;
  return written;
}

/* One name for each key, so that the next attempt finds what a kill left behind. */
static void name_temporary (const ae_action *action, char *name, size_t size) {
  uint64_t h = ae_hash(AE_HASH_START, (ae_slice){action->key, strlen(action->key)});
  (void)snprintf(name, size, ".%s.tmp-%016" PRIx64, action->name, h);
}

static void write_into (ae_action *action, int folder) {
  char temporary[AE_ASIDE_NAME + 32];
  name_temporary(action, temporary, sizeof temporary);
  if (!write_temporary(action, folder, temporary)) {
    fail(action, AE_ASIDE_NOT_SENT, action->place);
    return;
  }
  if (renameat(folder, temporary, folder, action->name) != 0) {
    fail(action, AE_ASIDE_NOT_SENT, action->place);
    (void)unlinkat(folder, temporary, 0);
  } else if (fsync(folder) != 0) {
    fail(action, AE_ASIDE_UNKNOWN, action->place);
  } else {
    ae_aside_say(action, AE_ASIDE_SENT, "%s", "");
  }
}

void ae_aside_write (ae_action *action) {
  int folder;
  if (!is_name(action->name)) {
    ae_aside_say(action, AE_ASIDE_REFUSED, "the name is none of a file in the folder");
    return;
  }
  folder = open(action->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) {
    fail(action, AE_ASIDE_NOT_SENT, action->place);
    return;
  }
  write_into(action, folder);
  (void)close(folder);
}

/* Lines. */

/* The folder of a path, in `folder`. */
static void folder_of (const char *path, char folder[PATH_MAX]) {
  const char *slash = strrchr(path, '/');
  size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
  if (length >= PATH_MAX) length = PATH_MAX - 1;
  memcpy(folder, path, length);
  if (length == 0) folder[length++] = '.';
  folder[length] = '\0';
}

/* Stores the name of a new file. */
static bool sync_folder (const char *path) {
  char name[PATH_MAX];
  int folder;
  bool fine;
  folder_of(path, name);
  folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return false;
  fine = fsync(folder) == 0;
  (void)close(folder);
  return fine;
}

/* Whether the open file still has its name: a rotation of logs may have moved it. */
static bool is_there (int file, const char *path) {
  struct stat open_one, named;
  return fstat(file, &open_one) == 0 && stat(path, &named) == 0 &&
         open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

/* Waits for the lock of the file. False, with errno: EWOULDBLOCK when others have had it
** until `until`. */
static bool lock (int file, int64_t until) {
  while (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return false;
    if (ae_aside_now() >= until) {
      errno = EWOULDBLOCK;
      return false;
    }
    ae_aside_pause(LOCK_MS);
  }
  return true;
}

static bool is_plain (int file) {
  struct stat about;
  if (fstat(file, &about) != 0) return false;
  if (S_ISREG(about.st_mode)) return true;
  errno = NOT_PLAIN;
  return false;
}

/* Opens and locks the file of lines. -1, with errno. Neither a pipe nor a device keeps what
** is written, and both may keep the thread: O_NONBLOCK opens them without waiting. */
static int open_lines (const ae_action *action) {
  int64_t until = ae_aside_now() + (int64_t)action->timeout * 1000000000;
  const int how = O_RDWR | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
  for (;;) {
    int why, file = open(action->place, how, MODE);
    if (file < 0) return -1;
    if (!is_plain(file) || !lock(file, until)) {
      why = errno;
      (void)close(file);
      errno = why;
      return -1;
    }
    if (is_there(file, action->place)) return file;
    (void)close(file);
  }
}

/* Reads the file from a place to its end. NULL, with errno. The caller frees the bytes. */
static char *read_from (int file, off_t from, off_t size, size_t *length) {
  char *bytes = malloc((size_t)(size - from) + 1);
  *length = 0;
  if (bytes == NULL) return NULL;
  while (from + (off_t)*length < size) {
    ssize_t got = pread(file, bytes + *length, (size_t)(size - from) - *length,
                        from + (off_t)*length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      free(bytes);
      return NULL;
    }
    if (got == 0) break;
    *length += (size_t)got;
  }
  return bytes;
}

/* What the end of a file says of a line. */
typedef struct ending {
  bool torn;   /* the last line has no newline */
  bool has;    /* the line stands among the last ones, whole */
  size_t part; /* the torn line is the beginning of the line: so many bytes of it */
} ending;

/* Looks at whole lines only: `cut` tells that the tail begins within one. */
static ending look_at (ae_slice tail, bool cut, ae_slice wanted) {
  ending end = {false, false, 0};
  const char *at = tail.data, *stop = tail.data + tail.length;
  while (at < stop) {
    const char *newline = memchr(at, '\n', (size_t)(stop - at));
    ae_slice one = {at, (size_t)((newline == NULL ? stop : newline) - at)};
    if (newline == NULL) {
      end.torn = true;
      if (!cut && ae_slice_starts(wanted, one)) end.part = one.length;
      break;
    }
    if (!cut && ae_slice_equal(one, wanted)) end.has = true;
    cut = false;
    at = newline + 1;
  }
  return end;
}

/* The end of the file of lines; of a line that was never tried the last byte tells enough.
** False, with errno. */
static bool read_ending (const ae_action *action, int file, off_t size, ending *end) {
  off_t most = action->again ? TAIL : 1, from = size > most ? size - most : 0;
  size_t length;
  char *tail = read_from(file, from, size, &length);
  if (tail == NULL) return false;
  *end = look_at((ae_slice){tail, length}, from > 0, action->body);
  free(tail);
  return true;
}

static char *put (char *at, ae_slice bytes) {
  if (bytes.length > 0) memcpy(at, bytes.data, bytes.length);
  return at + bytes.length;
}

/* The bytes to write: a header, or the end of a torn line, then the line. */
static char *make_bytes (const ae_action *action, off_t size, ending end, size_t *length) {
  ae_slice header = {action->header, action->header == NULL ? 0 : strlen(action->header)};
  ae_slice rest = action->body, newline = AE_LITERAL("\n");
  char *bytes = malloc(header.length + rest.length + 3), *at = bytes;
  if (bytes == NULL) return NULL;
  if (size == 0 && header.length > 0) at = put(put(at, header), newline);
  if (end.torn && action->again && end.part > 0) {
    rest.data += end.part;
    rest.length -= end.part;
  } else if (end.torn) {
    at = put(at, newline);
  }
  at = put(put(at, rest), newline);
  *length = (size_t)(at - bytes);
  return bytes;
}

/* Writes at the end of the file, in one write. What a full disk took of it is taken
** back. */
static void write_end (ae_action *action, int file, off_t size, ae_slice bytes) {
  ssize_t written;
  do written = write(file, bytes.data, bytes.length);
  while (written < 0 && errno == EINTR);
  if (written == (ssize_t)bytes.length) {
    if (fsync(file) != 0 || (size == 0 && !sync_folder(action->place)))
      fail(action, AE_ASIDE_UNKNOWN, action->place);
    else ae_aside_say(action, AE_ASIDE_SENT, "%s", "");
    return;
  }
  if (written >= 0) errno = ENOSPC;
  fail(action, AE_ASIDE_NOT_SENT, action->place);
  if (written > 0 && ftruncate(file, size) != 0) action->outcome = AE_ASIDE_UNKNOWN;
}

static void append_to (ae_action *action, int file) {
  struct stat about;
  char *bytes;
  size_t length = 0;
  ending end;
  if (fstat(file, &about) != 0 || !read_ending(action, file, about.st_size, &end)) {
    fail(action, AE_ASIDE_NOT_SENT, action->place);
    return;
  }
  if (action->again && end.has) { /* the kill may have come between the write and its fsync */
    if (fsync(file) == 0) ae_aside_say(action, AE_ASIDE_SENT, "%s", "");
    else fail(action, AE_ASIDE_UNKNOWN, action->place);
    return;
  }
  bytes = make_bytes(action, about.st_size, end, &length);
  if (bytes == NULL) fail(action, AE_ASIDE_NOT_SENT, action->place);
  else write_end(action, file, about.st_size, (ae_slice){bytes, length});
  free(bytes);
}

void ae_aside_append (ae_action *action) {
  int file = open_lines(action);
  if (file < 0 && errno == EWOULDBLOCK) {
    ae_aside_say(action, AE_ASIDE_NOT_SENT, "%s: another program has locked it",
                 action->place);
    return;
  }
  if (file < 0) {
    fail(action, AE_ASIDE_NOT_SENT, action->place);
    return;
  }
  append_to(action, file);
  (void)close(file);
}

/* Fitness. */

static bool may (char text[AE_ASIDE_TEXT], const char *place, int mode) {
  if (access(place, mode) == 0) return true;
  ae_aside_explain(text, place, errno);
  return false;
}

static bool is_of_kind (char text[AE_ASIDE_TEXT], const char *place, bool folder) {
  struct stat about;
  if (stat(place, &about) != 0) {
    ae_aside_explain(text, place, errno);
    return false;
  }
  if (folder ? S_ISDIR(about.st_mode) : S_ISREG(about.st_mode)) return true;
  ae_aside_explain(text, place,
                   folder                   ? ENOTDIR
                   : S_ISDIR(about.st_mode) ? EISDIR
                                            : NOT_PLAIN);
  return false;
}

static bool is_fit_folder (char text[AE_ASIDE_TEXT], const char *place) {
  return is_of_kind(text, place, true) && may(text, place, W_OK | X_OK);
}

static bool is_fit_file (char text[AE_ASIDE_TEXT], const char *place) {
  char folder[PATH_MAX];
  if (access(place, F_OK) == 0)
    return is_of_kind(text, place, false) && may(text, place, R_OK | W_OK);
  folder_of(place, folder);
  return is_fit_folder(text, folder);
}

/* Looks for a program as execvp does. */
static bool is_fit_program (char text[AE_ASIDE_TEXT], const char *name) {
  const char *path = getenv("PATH"), *at, *stop;
  char file[PATH_MAX];
  if (strchr(name, '/') != NULL && access(name, F_OK) == 0)
    return is_of_kind(text, name, false) && may(text, name, X_OK);
  if (strchr(name, '/') != NULL) {
    (void)snprintf(text, AE_ASIDE_TEXT, "%s: it is not there: install it, or correct its path",
                   name);
    return false;
  }
  for (at = path == NULL ? "/bin:/usr/bin" : path;; at = stop + 1) {
    int length;
    stop = strchr(at, ':');
    if (stop == NULL) stop = at + strlen(at);
    length = snprintf(file, sizeof file, "%.*s/%s", (int)(stop - at), at, name);
    if (length > 0 && (size_t)length < sizeof file && access(file, X_OK) == 0) return true;
    if (*stop == '\0') break;
  }
  (void)snprintf(text, AE_ASIDE_TEXT,
                 "%s: it is in no folder of PATH: install it, or write its path", name);
  return false;
}

bool ae_aside_is_fit (ae_aside_kind kind, const char *place, char text[AE_ASIDE_TEXT]) {
  text[0] = '\0';
  switch (kind) {
    case AE_ASIDE_FILE: return is_fit_folder(text, place);
    case AE_ASIDE_APPEND: return is_fit_file(text, place);
    default: return is_fit_program(text, place);
  }
}
