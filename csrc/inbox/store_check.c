/*
** inbox_check.c: what can be said about the inbox's file before SQLite
** sees it, in sentences that say what to do; and the lock that keeps two
** hosts from one file.
*/
#include "inbox/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_SIZE 100

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

/* The process that has the lock, as it wrote there itself; 0 = unknown. */
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

static ae_code take_lock (ae_store *store, const char *name, ae_error *error) {
  store->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (store->lock < 0)
    return ae_fail(error, AE_STORAGE, 0,
                   "cannot create %.120s (%s): give this "
                   "user write access to the folder",
                   name, strerror(errno));
  if (flock(store->lock, LOCK_EX | LOCK_NB) != 0)
    return ae_fail(error, AE_STORAGE, 0,
                   "the inbox %.120s is in use by another "
                   "host (process %ld): stop it, or name another file",
                   store->path, owner_of(store->lock));
  write_owner(store->lock);
  return AE_OK;
}

static ae_code lock_file (ae_store *store, ae_error *error) {
  size_t size = strlen(store->path) + sizeof ".lock";
  char *name = malloc(size);
  ae_code code;
  if (name == NULL) return ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox");
  snprintf(name, size, "%s.lock", store->path);
  code = take_lock(store, name, error);
  free(name);
  return code;
}

static uint32_t big_endian (const unsigned char *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/*
** The first bytes of a database (https://sqlite.org/fileformat2.html#the_database_header):
** its name, the page size, and the number of pages, which counts when the
** two change counters agree.
*/
static bool header_fits (const unsigned char *header, ssize_t size, off_t length) {
  uint32_t page = (uint32_t)header[16] << 8 | header[17];
  if (size < HEADER_SIZE || memcmp(header, "SQLite format 3", 16) != 0) return false;
  if (page == 1) page = 65536;
  if (page < 512 || (page & (page - 1)) != 0) return false;
  if (big_endian(header + 24) != big_endian(header + 92)) return true;
  return (uint64_t)length >= (uint64_t)page * big_endian(header + 28);
}

static ae_code damaged (const ae_store *store, ae_error *error) {
  return ae_fail(error, AE_STORAGE, 0,
                 "%.120s is no inbox, or damaged: put it "
                 "aside, mend it with sqlite3 .recover, or name another file",
                 store->path);
}

static ae_code check_header (const ae_store *store, int file, ae_error *error) {
  unsigned char header[HEADER_SIZE];
  struct stat info;
  ssize_t size;
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
    return ae_fail(error, AE_STORAGE, 0,
                   "%.120s is not a file: name another "
                   "one for the inbox",
                   store->path);
  if (info.st_size == 0) return AE_OK;
  size = pread(file, header, sizeof header, 0);
  if (!header_fits(header, size, info.st_size)) return damaged(store, error);
  return AE_OK;
}

static ae_code check_file (const ae_store *store, ae_error *error) {
  int file = open(store->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  ae_code code;
  if (file < 0 && errno == ENOENT) return AE_OK;
  if (file < 0 && errno == EISDIR)
    return ae_fail(error, AE_STORAGE, 0,
                   "%.120s is a folder: name a file in it "
                   "for the inbox",
                   store->path);
  if (file < 0)
    return ae_fail(error, AE_STORAGE, 0,
                   "cannot write the inbox %.120s (%s): "
                   "give this user write access to it",
                   store->path, strerror(errno));
  code = check_header(store, file, error);
  close(file);
  return code;
}

static bool moved (const char *name, ino_t *known) {
  struct stat info;
  bool there = stat(name, &info) == 0;
  if (*known == 0 && there) *known = info.st_ino;
  return *known != 0 && (!there || info.st_ino != *known);
}

bool ae_store_moved (ae_store *store) {
  size_t size = strlen(store->path) + sizeof "-wal";
  char *log = malloc(size);
  store->moved = moved(store->path, &store->files[0]);
  if (log != NULL) {
    snprintf(log, size, "%s-wal", store->path);
    if (moved(log, &store->files[1])) store->moved = true;
  }
  free(log);
  return store->moved;
}

/* The lock comes before the look into the file: another host may be just
** writing there. */
ae_code ae_store_check (ae_store *store, ae_error *error) {
  ae_code code;
  if (store->path[0] == '\0' || store->path[0] == ':') /* SQLite's: no file at all */
    return ae_fail(error, AE_STORAGE, 0, "'%.80s' names no file for the inbox", store->path);
  code = check_folder(store->path, error);
  if (code == AE_OK) code = lock_file(store, error);
  if (code == AE_OK) code = check_file(store, error);
  return code;
}
