/*
** store_disk_vfs.c: the simulated disk as a VFS of SQLite
** (https://sqlite.org/vfs.html); see store_disk.h.
**
** A handle belongs to one power-up of its volume; after a cut it gets errors.
*/
#include "inbox/store_disk_private.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define VFS_NAME "altinn-events-simulated"
#define MOST_NAME 512

_Static_assert(AE_DISK_LOCKS == SQLITE_SHM_NLOCK, "the locks of the index of the log");

struct disk_handle {
  sqlite3_file base;
  disk_file *file;
  disk_shared *shared;
  uint64_t power;
  int level;              /* SQLITE_LOCK_NONE … EXCLUSIVE */
  unsigned reads, writes; /* bits: the locks of `shared` that it holds */
  bool delete_at_close;
};

static bool is_off (const disk_handle *handle) {
  return handle->power != handle->file->volume->power || handle->file->volume->removed;
}

/* The methods of a file. */

static disk_handle *handle_of (sqlite3_file *base) {
  return (disk_handle *)(void *)base;
}

static void lock (void) {
  ae_disk_lock();
}

static int unlock (int result) {
  ae_disk_unlock();
  return result;
}

static void let_go (disk_handle *handle) {
  disk_file *file = handle->file;
  if (is_off(handle)) return;
  if (handle->level >= SQLITE_LOCK_SHARED) file->readers--;
  if (file->reserved == handle) file->reserved = NULL;
  if (file->exclusive == handle) file->exclusive = NULL;
}

static int file_close (sqlite3_file *base) {
  disk_handle *handle = handle_of(base);
  disk_file *file = handle->file;
  lock();
  let_go(handle);
  file->handles--;
  if (handle->delete_at_close) file->exists = false;
  ae_disk_sweep(file->volume);
  return unlock(SQLITE_OK);
}

static int file_read (sqlite3_file *base, void *to, int length, sqlite3_int64 at) {
  const disk_handle *handle = handle_of(base);
  uint64_t size;
  lock();
  if (is_off(handle)) return unlock(SQLITE_IOERR_READ);
  size = handle->file->size;
  ae_disk_read(handle->file, to, (size_t)length, (uint64_t)at);
  return unlock((uint64_t)at + (uint64_t)length > size ? SQLITE_IOERR_SHORT_READ : SQLITE_OK);
}

static int file_write (sqlite3_file *base, const void *from, int length, sqlite3_int64 at) {
  const disk_handle *handle = handle_of(base);
  bool fine;
  lock();
  if (is_off(handle)) return unlock(SQLITE_IOERR_WRITE);
  fine = ae_disk_write(handle->file, from, (size_t)length, (uint64_t)at);
  return unlock(fine ? SQLITE_OK : SQLITE_IOERR_NOMEM);
}

static int file_truncate (sqlite3_file *base, sqlite3_int64 size) {
  const disk_handle *handle = handle_of(base);
  lock();
  if (is_off(handle)) return unlock(SQLITE_IOERR_TRUNCATE);
  return unlock(ae_disk_shorten(handle->file, (uint64_t)size) ? SQLITE_OK
                                                              : SQLITE_IOERR_NOMEM);
}

/* Asks the watcher without the lock: it may look at other volumes. */
static bool is_let (const disk_volume *volume, const char *name) {
  ae_disk_watcher watcher = volume->watcher;
  void *context = volume->context;
  bool let;
  if (watcher == NULL) return true;
  (void)unlock(0);
  let = watcher(context, name);
  lock();
  return let;
}

static int file_sync (sqlite3_file *base, int flags) {
  disk_handle *handle = handle_of(base);
  disk_file *file = handle->file;
  (void)flags;
  lock();
  if (is_off(handle)) return unlock(SQLITE_IOERR_FSYNC);
  if (!is_let(file->volume, file->name) && !is_off(handle))
    ae_disk_cut_volume(file->volume, 0);
  if (is_off(handle)) return unlock(SQLITE_IOERR_FSYNC);
  ae_disk_flush(file);
  return unlock(SQLITE_OK);
}

static int file_size (sqlite3_file *base, sqlite3_int64 *size) {
  const disk_handle *handle = handle_of(base);
  lock();
  *size = (sqlite3_int64)handle->file->size;
  return unlock(is_off(handle) ? SQLITE_IOERR_FSTAT : SQLITE_OK);
}

/* The locks of a database: many readers, of which one may have reserved it, or one
** alone. SQLite asks for one level after the other
** (https://sqlite.org/lockingv3.html §3). */
static int take_level (disk_handle *handle, int level) {
  disk_file *file = handle->file;
  if (file->exclusive != NULL && file->exclusive != handle) return SQLITE_BUSY;
  if (level >= SQLITE_LOCK_RESERVED && file->reserved != NULL && file->reserved != handle)
    return SQLITE_BUSY;
  if (level == SQLITE_LOCK_SHARED) file->readers++;
  if (level == SQLITE_LOCK_RESERVED) file->reserved = handle;
  if (level < SQLITE_LOCK_PENDING) return SQLITE_OK;
  file->exclusive = handle; /* no new readers while it waits for those that are there */
  return file->readers > 1 ? SQLITE_BUSY : SQLITE_OK;
}

static int file_lock (sqlite3_file *base, int level) {
  disk_handle *handle = handle_of(base);
  int result;
  lock();
  if (is_off(handle)) return unlock(SQLITE_IOERR_LOCK);
  if (handle->level >= level) return unlock(SQLITE_OK);
  result = take_level(handle, level);
  if (result == SQLITE_OK) handle->level = level;
  else if (handle->file->exclusive == handle) handle->level = SQLITE_LOCK_PENDING;
  return unlock(result);
}

static int file_unlock (sqlite3_file *base, int level) {
  disk_handle *handle = handle_of(base);
  disk_file *file = handle->file;
  lock();
  if (!is_off(handle) && handle->level > level) {
    if (file->exclusive == handle) file->exclusive = NULL;
    if (file->reserved == handle) file->reserved = NULL;
    if (level == SQLITE_LOCK_NONE) file->readers--;
  }
  if (handle->level > level) handle->level = level;
  return unlock(SQLITE_OK);
}

static int file_check_reserved (sqlite3_file *base, int *reserved) {
  const disk_file *file = handle_of(base)->file;
  lock();
  *reserved = file->reserved != NULL || file->exclusive != NULL;
  return unlock(SQLITE_OK);
}

static int file_control (sqlite3_file *base, int operation, void *argument) {
  (void)base, (void)operation, (void)argument;
  return SQLITE_NOTFOUND;
}

static int file_sector (sqlite3_file *base) {
  (void)base;
  return AE_DISK_BLOCK;
}

/* As SQLite assumes of any disk: a write leaves the bytes beside it alone. */
static int file_traits (sqlite3_file *base) {
  (void)base;
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* The shared memory (https://sqlite.org/walformat.html §2). */

static disk_shared *share (disk_file *file) {
  if (file->shared == NULL) file->shared = calloc(1, sizeof *file->shared);
  return file->shared;
}

static bool add_region (disk_shared *shared, size_t size) {
  void **regions = realloc(shared->regions, (shared->count + 1) * sizeof *regions);
  if (regions == NULL) return false;
  shared->regions = regions;
  regions[shared->count] = calloc(1, size);
  if (regions[shared->count] == NULL) return false;
  shared->count++;
  return true;
}

static int shm_map (sqlite3_file *base, int region, int size, int extend,
                    void volatile **memory) {
  disk_handle *handle = handle_of(base);
  *memory = NULL;
  lock();
  if (is_off(handle)) return unlock(SQLITE_IOERR_SHMMAP);
  if (handle->shared == NULL) {
    handle->shared = share(handle->file);
    if (handle->shared == NULL) return unlock(SQLITE_IOERR_NOMEM);
    handle->shared->users++;
  }
  while (extend && handle->shared->count <= (size_t)region)
    if (!add_region(handle->shared, (size_t)size)) return unlock(SQLITE_IOERR_NOMEM);
  if ((size_t)region < handle->shared->count) {
    assert(handle->shared->regions != NULL);
    *memory = handle->shared->regions[region];
  }
  return unlock(SQLITE_OK);
}

static void shm_release (disk_handle *handle, int at) {
  const unsigned bit = 1u << at;
  if (handle->reads & bit) handle->shared->readers[at]--;
  if (handle->writes & bit) handle->shared->writer[at] = NULL;
  handle->reads &= ~bit;
  handle->writes &= ~bit;
}

static bool shm_is_free (const disk_handle *handle, int at, bool alone) {
  const disk_shared *shared = handle->shared;
  unsigned own = handle->reads >> at & 1u;
  if (shared->writer[at] != NULL && shared->writer[at] != handle) return false;
  return !alone || shared->readers[at] == own;
}

static void shm_take (disk_handle *handle, int at, bool alone) {
  const unsigned bit = 1u << at;
  if (alone) {
    handle->shared->writer[at] = handle;
    handle->writes |= bit;
  } else if (!(handle->reads & bit)) {
    handle->shared->readers[at]++;
    handle->reads |= bit;
  }
}

static int shm_lock (sqlite3_file *base, int first, int count, int flags) {
  disk_handle *handle = handle_of(base);
  const bool alone = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  lock();
  assert(first >= 0 && count > 0 && first + count <= AE_DISK_LOCKS);
  if (is_off(handle) || handle->shared == NULL) return unlock(SQLITE_IOERR_SHMLOCK);
  for (int i = first; i < first + count; i++) {
    if (flags & SQLITE_SHM_UNLOCK) shm_release(handle, i);
    else if (!shm_is_free(handle, i, alone)) return unlock(SQLITE_BUSY);
  }
  for (int i = first; i < first + count && (flags & SQLITE_SHM_LOCK); i++)
    shm_take(handle, i, alone);
  return unlock(SQLITE_OK);
}

static void shm_barrier (sqlite3_file *base) {
  (void)base;
  lock();
  (void)unlock(0);
}

static void free_shared (disk_shared *shared) {
  for (size_t i = 0; i < shared->count; i++) free(shared->regions[i]);
  free(shared->regions);
  free(shared);
}

static int shm_unmap (sqlite3_file *base, int is_deleted) {
  disk_handle *handle = handle_of(base);
  disk_shared *shared = handle->shared;
  (void)is_deleted; /* the last one deletes it in any case: it can be made anew */
  lock();
  if (shared == NULL) return unlock(SQLITE_OK);
  for (int i = 0; i < AE_DISK_LOCKS; i++) shm_release(handle, i);
  handle->shared = NULL;
  if (--shared->users > 0) return unlock(SQLITE_OK);
  if (handle->file->shared == shared) handle->file->shared = NULL;
  free_shared(shared);
  return unlock(SQLITE_OK);
}

static const sqlite3_io_methods methods = {
  .iVersion = 2,
  .xClose = file_close,
  .xRead = file_read,
  .xWrite = file_write,
  .xTruncate = file_truncate,
  .xSync = file_sync,
  .xFileSize = file_size,
  .xLock = file_lock,
  .xUnlock = file_unlock,
  .xCheckReservedLock = file_check_reserved,
  .xFileControl = file_control,
  .xSectorSize = file_sector,
  .xDeviceCharacteristics = file_traits,
  .xShmMap = shm_map,
  .xShmLock = shm_lock,
  .xShmBarrier = shm_barrier,
  .xShmUnmap = shm_unmap,
};

/* The methods of the disk. */

/* NULL: there is no such file, or no memory. A file without a name is SQLite's own, for
** sorting: it is gone when it is closed. */
static disk_file *open_file (const char *name, int flags) {
  const bool make = name == NULL || (flags & SQLITE_OPEN_CREATE) != 0;
  const char *path = name == NULL ? AE_DISK_PREFIX : name;
  disk_volume *volume = make ? ae_disk_make_volume(path) : ae_disk_find_volume(path);
  disk_file *file = name == NULL ? NULL : ae_disk_find_file(volume, name);
  if (volume == NULL || volume->removed) return NULL;
  if (file == NULL && make) file = ae_disk_make_file(volume, path);
  if (file != NULL && name == NULL) file->exists = false;
  return file;
}

static int disk_open (sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags,
                      int *out) {
  disk_handle *handle = handle_of(base);
  (void)vfs;
  memset(handle, 0, sizeof *handle);
  lock();
  handle->file = open_file(name, flags);
  if (handle->file == NULL) return unlock(SQLITE_CANTOPEN);
  handle->file->handles++;
  handle->power = handle->file->volume->power;
  handle->delete_at_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  handle->base.pMethods = &methods;
  if (out != NULL) *out = flags;
  return unlock(SQLITE_OK);
}

static int disk_delete (sqlite3_vfs *vfs, const char *name, int is_durable) {
  disk_volume *volume;
  disk_file *one;
  (void)vfs, (void)is_durable;
  lock();
  volume = ae_disk_find_volume(name);
  one = ae_disk_find_file(volume, name);
  if (one == NULL) return unlock(SQLITE_IOERR_DELETE_NOENT);
  one->exists = false;
  ae_disk_sweep(volume);
  return unlock(SQLITE_OK);
}

static int disk_access (sqlite3_vfs *vfs, const char *name, int flags, int *result) {
  const disk_file *one;
  (void)vfs;
  lock();
  one = ae_disk_find_file(ae_disk_find_volume(name), name);
  *result = one != NULL && (flags != SQLITE_ACCESS_EXISTS || one->size > 0);
  return unlock(SQLITE_OK);
}

static int disk_path (sqlite3_vfs *vfs, const char *name, int size, char *path) {
  (void)vfs;
  if (strlen(name) >= (size_t)size) return SQLITE_CANTOPEN;
  memcpy(path, name, strlen(name) + 1);
  return SQLITE_OK;
}

/* Everything that is no file is the system's. */

static sqlite3_vfs *system_vfs (sqlite3_vfs *vfs) {
  return vfs->pAppData;
}

static int disk_random (sqlite3_vfs *vfs, int size, char *bytes) {
  return system_vfs(vfs)->xRandomness(system_vfs(vfs), size, bytes);
}

static int disk_sleep (sqlite3_vfs *vfs, int microseconds) {
  return system_vfs(vfs)->xSleep(system_vfs(vfs), microseconds);
}

static int disk_time (sqlite3_vfs *vfs, double *days) {
  return system_vfs(vfs)->xCurrentTime(system_vfs(vfs), days);
}

static int disk_error (sqlite3_vfs *vfs, int size, char *text) {
  (void)vfs, (void)size, (void)text;
  return 0;
}

static bool registered;

static sqlite3_vfs simulated = {
  .iVersion = 1,
  .szOsFile = sizeof(disk_handle),
  .mxPathname = MOST_NAME,
  .zName = VFS_NAME,
  .xOpen = disk_open,
  .xDelete = disk_delete,
  .xAccess = disk_access,
  .xFullPathname = disk_path,
  .xRandomness = disk_random,
  .xSleep = disk_sleep,
  .xCurrentTime = disk_time,
  .xGetLastError = disk_error,
};

const char *ae_disk_vfs (const char *path) {
  if (!ae_disk_holds(path)) return NULL;
  if (sqlite3_initialize() != SQLITE_OK) return NULL;
  lock();
  if (!registered) {
    simulated.pAppData = sqlite3_vfs_find(NULL);
    registered = simulated.pAppData != NULL &&
                 sqlite3_vfs_register(&simulated, 0) == SQLITE_OK;
  }
  (void)unlock(0);
  return VFS_NAME;
}
