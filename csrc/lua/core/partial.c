/*
** partial.c: see partial.h. A process locks the part file that it writes. The lock
** ends with the process, so a part file without a lock is a leftover.
*/
#include "lua/core/partial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PARTIAL "altinn.events.partial"
#define MARK ".part-"
#define DIGITS 16

typedef struct partial {
  int descriptor; /* -1: not open */
  size_t length;  /* of the path */
  char *part;     /* the part file's name; in the block, behind the path */
  char path[];
} partial;

static partial *check_partial (lua_State *L) {
  return luaL_checkudata(L, 1, PARTIAL);
}

/* Pushes nil and the reason; returns 2. */
static int fail (lua_State *L, const partial *file, int number) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", file->path, strerror(number));
  return 2;
}

static void discard (partial *file) {
  if (file->descriptor < 0) return;
  unlink(file->part);
  close(file->descriptor);
  file->descriptor = -1;
}

/* {====================================================================
** Leftovers
** ===================================================================== */

/* Whether `name` is the name of a part file of the file `base`. */
static bool is_part (const char *name, const char *base, size_t length) {
  if (strncmp(name, base, length) != 0) return false;
  name += length;
  if (strncmp(name, MARK, sizeof MARK - 1) != 0) return false;
  name += sizeof MARK - 1;
  return strlen(name) == DIGITS && strspn(name, "0123456789abcdef") == DIGITS;
}

/* Removes a part file unless a process writes it. Another process may remove it at
** the same time: then the name is gone, or it is the name of a new part file. */
static void remove_leftover (int folder, const char *name) {
  int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  int descriptor = openat(folder, name, flags);
  struct stat opened, named;
  if (descriptor < 0) return;
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0 && fstat(descriptor, &opened) == 0 &&
      S_ISREG(opened.st_mode) && fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
      named.st_ino == opened.st_ino && named.st_dev == opened.st_dev)
    unlinkat(folder, name, 0);
  close(descriptor);
}

/* The folder that holds the file; NULL when it cannot be read. */
static DIR *open_folder (const partial *file, const char **base) {
  const char *slash = strrchr(file->path, '/');
  char folder[PATH_MAX];
  size_t length = slash == NULL ? 0 : (size_t)(slash - file->path) + 1;
  *base = file->path + length;
  if (length >= sizeof folder) return NULL;
  memcpy(folder, file->path, length);
  folder[length] = '\0';
  return opendir(length > 0 ? folder : ".");
}

static void remove_leftovers (const partial *file) {
  const char *base;
  DIR *folder = open_folder(file, &base);
  const struct dirent *entry;
  if (folder == NULL) return;
  while ((entry = readdir(folder)) != NULL)
    if (is_part(entry->d_name, base, strlen(base)))
      remove_leftover(dirfd(folder), entry->d_name);
  closedir(folder);
}

/* }==================================================================== */

/* {====================================================================
** Methods
** ===================================================================== */

/* Chooses a name that is probably free. O_EXCL decides whether it is. */
static void choose_name (partial *file) {
  static _Thread_local uint32_t number;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t mixed = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  mixed = (mixed ^ ((uint64_t)getpid() << 40) ^ (uintptr_t)file) + ++number;
  snprintf(file->part, file->length + sizeof MARK + DIGITS, "%s" MARK "%016llx", file->path,
           (unsigned long long)mixed);
}

/* Opens and locks a new part file; an errno when it cannot. */
static int create (partial *file) {
  for (int tries = 0; tries < 100; tries++) {
    struct stat now;
    choose_name(file);
    file->descriptor = open(file->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file->descriptor < 0 && errno == EEXIST) continue;
    if (file->descriptor < 0) return errno;
    /* On a file system without locks no leftovers are removed either. */
    flock(file->descriptor, LOCK_EX | LOCK_NB);
    /* A process that removes leftovers may have removed it before the lock. */
    if (fstat(file->descriptor, &now) == 0 && now.st_nlink > 0) return 0;
    close(file->descriptor);
    file->descriptor = -1;
  }
  return EEXIST;
}

static int partial_restart (lua_State *L) {
  partial *file = check_partial(L);
  discard(file);
  remove_leftovers(file);
  int failure = create(file);
  if (failure != 0) return fail(L, file, failure);
  lua_pushboolean(L, 1);
  return 1;
}

static int partial_write (lua_State *L) {
  partial *file = check_partial(L);
  size_t length;
  const char *bytes = luaL_checklstring(L, 2, &length);
  if (file->descriptor < 0) return fail(L, file, EBADF);
  while (length > 0) {
    ssize_t written = write(file->descriptor, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(L, file, errno);
    bytes += written;
    length -= (size_t)written;
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* Brings the new name to stable storage. A folder that cannot be opened is not
** synced. */
static void sync_folder (const partial *file) {
  const char *base;
  DIR *folder = open_folder(file, &base);
  if (folder == NULL) return;
  fsync(dirfd(folder));
  closedir(folder);
}

static int partial_commit (lua_State *L) {
  partial *file = check_partial(L);
  if (file->descriptor < 0) return fail(L, file, EBADF);
  /* EINVAL: a file that cannot be synced. */
  if ((fsync(file->descriptor) != 0 && errno != EINVAL) ||
      rename(file->part, file->path) != 0) {
    int failure = errno;
    discard(file);
    return fail(L, file, failure);
  }
  int failure = close(file->descriptor) == 0 ? 0 : errno;
  file->descriptor = -1;
  if (failure != 0) return fail(L, file, failure);
  sync_folder(file);
  lua_pushboolean(L, 1);
  return 1;
}

static int partial_abort (lua_State *L) {
  discard(check_partial(L));
  return 0;
}

int ae_lua_partial_new (lua_State *L) {
  size_t length;
  const char *path = luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, length > 0 && strlen(path) == length, 1, "a path is wanted, without NUL");
  size_t room = length + 1 + length + sizeof MARK + DIGITS;
  partial *file = lua_newuserdata(L, sizeof *file + room);
  file->descriptor = -1;
  file->length = length;
  file->part = file->path + length + 1;
  memcpy(file->path, path, length + 1);
  file->part[0] = '\0';
  luaL_setmetatable(L, PARTIAL);
  return 1;
}

static const luaL_Reg methods[] = {{"restart", partial_restart},
                                   {"write", partial_write},
                                   {"commit", partial_commit},
                                   {"abort", partial_abort},
                                   {"__gc", partial_abort},
                                   {"__close", partial_abort},
                                   {NULL, NULL}};

void ae_lua_partial_open (lua_State *L) {
  if (luaL_newmetatable(L, PARTIAL)) {
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
}

/* }==================================================================== */
