/*
** store_disk_private.h: the files of the simulated disk, for store_disk.c and
** store_disk_vfs.c. All functions but ae_disk_lock are called with the lock held.
*/
#ifndef ALTINN_EVENTS_STORE_DISK_PRIVATE_H
#define ALTINN_EVENTS_STORE_DISK_PRIVATE_H

#include <stddef.h>

#include "inbox/store_disk.h"

#define AE_DISK_BLOCK 4096u
#define AE_DISK_LOCKS 8 /* SQLITE_SHM_NLOCK */

typedef struct disk_block {
  unsigned char *kept; /* the bytes as flushed; NULL: there were none */
  bool dirty;
  unsigned char bytes[AE_DISK_BLOCK];
} disk_block;

typedef struct disk_handle disk_handle;

/* The memory that SQLite's connections share for the index of the log; the handles that
** have it mapped keep it alive. */
typedef struct disk_shared {
  size_t users;
  void **regions;
  size_t count;
  unsigned readers[AE_DISK_LOCKS];
  const disk_handle *writer[AE_DISK_LOCKS];
} disk_shared;

typedef struct disk_volume disk_volume;

typedef struct disk_file {
  struct disk_file *next;
  disk_volume *volume;
  size_t handles;
  bool exists, durable; /* durable: the name survives a cut */
  disk_block **blocks;  /* NULL: a hole */
  size_t capacity;
  size_t *dirty; /* numbers of the dirty blocks */
  size_t dirty_count, dirty_capacity;
  uint64_t size, flushed_size;
  size_t readers; /* locks of the database: see lock_file */
  const disk_handle *reserved, *exclusive;
  disk_shared *shared;
  char name[];
} disk_file;

struct disk_volume {
  disk_volume *next;
  disk_file *files;
  uint64_t power; /* counts the cuts */
  bool removed;
  ae_disk_watcher watcher;
  void *context;
  char path[];
};

/* Takes the lock of the disk. */
void ae_disk_lock (void);
/* Gives the lock back. */
void ae_disk_unlock (void);

/* The volume of a file's name; NULL: there is none. */
disk_volume *ae_disk_find_volume (const char *name);
/* The same; makes the volume. NULL: no memory. */
disk_volume *ae_disk_make_volume (const char *name);
/* NULL: there is no such file; `volume` may be NULL. */
disk_file *ae_disk_find_file (const disk_volume *volume, const char *name);
/* NULL: no memory. */
disk_file *ae_disk_make_file (disk_volume *volume, const char *name);
/* Frees the files that are gone and that nobody has open, and the volume when it is
** removed and empty. */
void ae_disk_sweep (disk_volume *volume);

/* False: no memory. */
bool ae_disk_write (disk_file *file, const unsigned char *from, size_t length, uint64_t at);
/* What is beyond the end, or was never written, reads as zeros. */
void ae_disk_read (const disk_file *file, unsigned char *to, size_t length, uint64_t at);
/* Makes a file shorter. False: no memory. */
bool ae_disk_shorten (disk_file *file, uint64_t size);
/* What was written survives a cut from now on. */
void ae_disk_flush (disk_file *file);
/* See ae_disk_cut. */
void ae_disk_cut_volume (disk_volume *volume, uint64_t chance);

#endif
