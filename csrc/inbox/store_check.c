/*
** store_check.c: one inbox, one host. Prepares the inbox's file before SQLite
** opens it: resolves its name, creates it with the right mode, locks it, and
** refuses a file that no host may open, with a sentence.
**
** The lock is on the file itself, not on its name, so that a symbolic link,
** a hard link or another path leads to the same lock. A file NAME.lock
** beside it names the process for people, and keeps out hosts of earlier
** versions, which know that file alone.
**
** SQLite alone judges whether the content is whole: after a kill or a full disk
** the newest pages are in the log, and the database may be shorter than its
** header says.
*/
#include "inbox/ask.h"
#include "inbox/store_disk.h"
#include "inbox/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOKED_TIMES 5
#define LOOKED_MS 10      /* a look at the lock takes much less */
#define PRIVATE_MODE 0600 /* an inbox holds identity numbers in clear */

/* The folder that holds the file: malloc'ed. */
static char *folder_of (const char *path) {
  const char *slash = strrchr(path, '/');
  if (slash == NULL) return strdup(".");
  if (slash == path) return strdup("/");
  return strndup(path, (size_t)(slash - path));
}

static ae_code judge_folder (const char *folder, ae_error *error) {
  struct stat info;
  if (stat(folder, &info) != 0 && errno == ENOENT)
    return ae_fail(error, AE_STORAGE, 0,
                   "the inbox's folder %.120s does not "
                   "exist: create it, or name another file",
                   folder);
  if (stat(folder, &info) != 0)
    return ae_fail(error, AE_STORAGE, 0,
                   "cannot look into the inbox's folder "
                   "%.120s: %s",
                   folder, strerror(errno));
  if (!S_ISDIR(info.st_mode))
    return ae_fail(error, AE_STORAGE, 0,
                   "%.120s is not a folder: name another "
                   "file for the inbox",
                   folder);
  if (access(folder, W_OK | X_OK) != 0)
    return ae_fail(error, AE_STORAGE, 0,
                   "the inbox's folder %.120s cannot be "
                   "written (%s): give this user write access to it",
                   folder, strerror(errno));
  return AE_OK;
}

static ae_code check_folder (const char *path, ae_error *error) {
  char *folder = folder_of(path);
  ae_code code;
  if (folder == NULL) return ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox");
  code = judge_folder(folder, error);
  free(folder);
  return code;
}

static ae_code cannot_open (const ae_store *store, int why, ae_error *error) {
  if (why == EISDIR)
    return ae_fail(error, AE_STORAGE, 0,
                   "%.120s is a folder: name a file in it "
                   "for the inbox",
                   store->path);
  return ae_fail(error, AE_STORAGE, 0,
                 "cannot write the inbox %.120s (%s): "
                 "give this user write access to it",
                 store->path, strerror(why));
}

/* Opens the file, or creates it (*fresh) with PRIVATE_MODE, whatever the umask. */
static ae_code open_file (ae_store *store, bool *fresh, ae_error *error) {
  const int flags = O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  struct stat info;
  store->file = open(store->path, flags);
  *fresh = store->file < 0 && errno == ENOENT;
  if (*fresh) store->file = open(store->path, flags | O_CREAT, PRIVATE_MODE);
  if (store->file < 0) return cannot_open(store, errno, error);
  if (*fresh && fchmod(store->file, PRIVATE_MODE) != 0)
    return cannot_open(store, errno, error);
  if (fstat(store->file, &info) != 0 || !S_ISREG(info.st_mode))
    return ae_fail(error, AE_STORAGE, 0,
                   "%.120s is not a file: name another "
                   "one for the inbox",
                   store->path);
  store->files[0] = (ae_file){info.st_dev, info.st_ino};
  return AE_OK;
}

/* Resolves symbolic links in store->path: SQLite's log is beside the real file. */
static ae_code resolve (ae_store *store, ae_error *error) {
  char *resolved = realpath(store->path, NULL);
  if (resolved == NULL && errno == ENOMEM)
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox");
  if (resolved == NULL) return cannot_open(store, errno, error);
  free(store->path);
  store->path = resolved;
  return check_folder(store->path, error);
}

/* The number of the process that has the lock, from NAME.lock; 0 = unknown. */
static long owner_of (int lock) {
  char digits[24] = "";
  ssize_t size = pread(lock, digits, sizeof digits - 1, 0);
  return size > 0 ? strtol(digits, NULL, 10) : 0;
}

static void write_owner (int lock) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%ld\n", (long)getpid());
  if (ftruncate(lock, 0) != 0) return;
  /* For people only: a full disk is no reason not to start. */
  if (pwrite(lock, digits, (size_t)length, 0) < 0) return;
}

/* False: errno says why; EWOULDBLOCK: another process has the lock. */
static bool try_lock (int file) {
  int result;
  do result = flock(file, LOCK_EX | LOCK_NB);
  while (result != 0 && errno == EINTR);
  return result == 0;
}

/* The same, a few times: somebody may just look whether a host has the lock. */
static bool insist (int file) {
  const struct timespec moment = {0, LOOKED_MS * 1000000L};
  int times = 0;
  while (!try_lock(file)) {
    if (errno != EWOULDBLOCK || ++times == LOOKED_TIMES) return false;
    (void)nanosleep(&moment, NULL);
    errno = EWOULDBLOCK;
  }
  return true;
}

int ae_ask_attended (const char *path) {
  char *resolved, name[4096 + 8];
  int lock, result;
  if (ae_disk_holds(path)) return 1;
  resolved = realpath(path, NULL);
  if (resolved == NULL) return errno == ENOENT ? 0 : -1;
  result = snprintf(name, sizeof name, "%s.lock", resolved);
  free(resolved);
  if (result < 0 || (size_t)result >= sizeof name) return -1;
  lock = open(name, O_RDONLY | O_CLOEXEC);
  if (lock < 0) return errno == ENOENT ? 0 : -1;
  do result = flock(lock, LOCK_SH | LOCK_NB);
  while (result != 0 && errno == EINTR);
  if (result != 0) result = errno == EWOULDBLOCK ? 1 : -1;
  close(lock);
  return result;
}

static ae_code take_name (ae_store *store, ae_error *error) {
  char *name = ae_store_beside(store, ".lock");
  if (name == NULL) return ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox");
  store->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, PRIVATE_MODE);
  if (store->lock < 0)
    (void)ae_fail(error, AE_STORAGE, 0,
                  "cannot create %.120s (%s): give this "
                  "user write access to the folder",
                  name, strerror(errno));
  free(name);
  if (store->lock < 0) return AE_STORAGE;
  if (!insist(store->lock) && errno == EWOULDBLOCK)
    return ae_fail(error, AE_STORAGE, 0,
                   "the inbox %.120s is in use by another "
                   "host (process %ld): stop it, or name another file",
                   store->path, owner_of(store->lock));
  return AE_OK;
}

/* SQLite's own locks are of another kind (fcntl) and are not touched; but
** they would go when any descriptor of the file is closed, so this one stays
** open as long as the store. */
static ae_code take_file (ae_store *store, ae_error *error) {
  const bool locked = try_lock(store->file);
  if (!locked && errno == EWOULDBLOCK)
    return ae_fail(error, AE_STORAGE, 0,
                   "the inbox %.120s is in use by another "
                   "host, under another name of the file: stop it, or name another file",
                   store->path);
  if (!locked)
    return ae_fail(error, AE_STORAGE, 0,
                   "the inbox %.120s cannot be locked (%s): put it on a local disk",
                   store->path, strerror(errno));
  if (!ae_store_in_place(store))
    return ae_fail(error, AE_STORAGE, 0,
                   "the inbox %.120s was removed or replaced just now: start the host again",
                   store->path);
  write_owner(store->lock);
  return AE_OK;
}

/* Removes a file that was created here and is not used: it would be in the way of
** the database that the operator puts back. */
static void take_back (ae_store *store) {
  struct stat info;
  if (fstat(store->file, &info) == 0 && info.st_size == 0) (void)unlink(store->path);
}

/* First come the names that SQLite does not take for a file: "" and ":memory:". */
ae_code ae_store_check (ae_store *store, ae_error *error) {
  bool fresh = false;
  ae_code code;
  if (ae_disk_holds(store->path)) return AE_OK;
  if (store->path[0] == '\0' || store->path[0] == ':')
    return ae_fail(error, AE_STORAGE, 0, "'%.80s' names no file for the inbox", store->path);
  code = check_folder(store->path, error);
  if (code == AE_OK) code = open_file(store, &fresh, error);
  if (code == AE_OK) code = resolve(store, error);
  if (code == AE_OK) code = take_name(store, error);
  if (code == AE_OK) code = take_file(store, error);
  if (code != AE_OK) return code;
  code = ae_store_check_logs(store, fresh, error);
  if (code != AE_OK && fresh) take_back(store);
  else if (code == AE_OK) ae_store_make_private(store);
  return code;
}
