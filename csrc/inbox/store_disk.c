/*
** store_disk.c: the files of the simulated disk, and its power; see store_disk.h.
**
** A file is a list of blocks. A block that was written since the last flush keeps its
** bytes of before, so that a flush costs what was written, and a cut puts them back:
**
**     write    block.bytes changes, block.kept = the bytes of before, file.dirty += block
**     flush    kept is dropped
**     cut      bytes = kept
*/
#include "inbox/store_disk_private.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK AE_DISK_BLOCK

/* Bytes of a block that nobody uses. */
typedef struct spare {
  struct spare *next;
} spare;

static struct {
  pthread_mutex_t lock;
  disk_volume *volumes;
  spare *spares;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

void ae_disk_lock (void) {
  pthread_mutex_lock(&disk.lock);
}

void ae_disk_unlock (void) {
  pthread_mutex_unlock(&disk.lock);
}

bool ae_disk_holds (const char *path) {
  return strncmp(path, AE_DISK_PREFIX, sizeof AE_DISK_PREFIX - 1) == 0;
}

/* Volumes and files. All static functions run with the lock held. */

/* The length of the volume's path at the beginning of a file's name. */
static size_t volume_length (const char *name) {
  static const char *const endings[] = {"-wal", "-journal"};
  size_t length = strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    size_t size = strlen(endings[i]);
    if (length > size && strcmp(name + length - size, endings[i]) == 0) return length - size;
  }
  return length;
}

disk_volume *ae_disk_find_volume (const char *name) {
  size_t length = volume_length(name);
  for (disk_volume *one = disk.volumes; one != NULL; one = one->next)
    if (strlen(one->path) == length && memcmp(one->path, name, length) == 0) return one;
  return NULL;
}

disk_volume *ae_disk_make_volume (const char *name) {
  size_t length = volume_length(name);
  disk_volume *one = ae_disk_find_volume(name);
  if (one != NULL) return one;
  one = calloc(1, sizeof *one + length + 1);
  if (one == NULL) return NULL;
  memcpy(one->path, name, length);
  one->next = disk.volumes;
  disk.volumes = one;
  return one;
}

disk_file *ae_disk_find_file (const disk_volume *volume, const char *name) {
  if (volume == NULL) return NULL;
  for (disk_file *one = volume->files; one != NULL; one = one->next)
    if (one->exists && strcmp(one->name, name) == 0) return one;
  return NULL;
}

disk_file *ae_disk_make_file (disk_volume *volume, const char *name) {
  size_t size = strlen(name) + 1;
  disk_file *one = calloc(1, sizeof *one + size);
  if (one == NULL) return NULL;
  memcpy(one->name, name, size);
  one->volume = volume;
  one->exists = true;
  one->next = volume->files;
  volume->files = one;
  return one;
}

/* Gives back the bytes that a block has kept. They are used again, for there is a copy for
** each block of each flush. */
static void drop_kept (disk_block *block) {
  spare *one = (spare *)(void *)block->kept;
  if (one != NULL) {
    one->next = disk.spares;
    disk.spares = one;
  }
  block->kept = NULL;
}

static unsigned char *take_spare (void) {
  spare *one = disk.spares;
  if (one == NULL) return malloc(BLOCK);
  disk.spares = one->next;
  return (unsigned char *)one;
}

static void free_spares (void) {
  while (disk.spares != NULL) {
    spare *next = disk.spares->next;
    free(disk.spares);
    disk.spares = next;
  }
}

static void drop_dirty (disk_file *file) {
  for (size_t i = 0; i < file->dirty_count; i++) {
    disk_block *block = file->blocks[file->dirty[i]];
    drop_kept(block);
    block->dirty = false;
  }
  file->dirty_count = 0;
}

static void free_file (disk_file *file) {
  drop_dirty(file);
  for (size_t i = 0; i < file->capacity; i++) free(file->blocks[i]);
  free(file->blocks);
  free(file->dirty);
  free(file);
}

/* Frees the files that are gone and that nobody has open, and the volume when it is
** removed and empty. */
void ae_disk_sweep (disk_volume *volume) {
  struct disk_volume **at = &disk.volumes;
  for (disk_file **link = &volume->files; *link != NULL;) {
    disk_file *one = *link;
    if (one->exists || one->handles > 0) {
      link = &one->next;
      continue;
    }
    *link = one->next;
    free_file(one);
  }
  if (!volume->removed || volume->files != NULL) return;
  while (*at != volume) at = &(*at)->next;
  *at = volume->next;
  free(volume);
  if (disk.volumes == NULL) free_spares();
}

/* Blocks. */

static bool grow (void *list, size_t *capacity, size_t wanted, size_t size) {
  size_t more = *capacity < 16 ? 16 : *capacity;
  void *old, *bigger;
  if (wanted <= *capacity) return true;
  while (more < wanted) more *= 2; /* the sizes of files in memory: no overflow */
  memcpy(&old, list, sizeof old);
  bigger = realloc(old, more * size);
  if (bigger == NULL) return false;
  memset((unsigned char *)bigger + *capacity * size, 0, (more - *capacity) * size);
  memcpy(list, &bigger, sizeof bigger);
  *capacity = more;
  return true;
}

static disk_block *block_of (disk_file *file, size_t number) {
  if (!grow(&file->blocks, &file->capacity, number + 1, sizeof *file->blocks)) return NULL;
  if (file->blocks[number] == NULL) file->blocks[number] = calloc(1, sizeof(disk_block));
  return file->blocks[number];
}

/* Makes a block ready to be changed: its bytes of before are kept. */
static disk_block *change (disk_file *file, size_t number) {
  bool is_new = number >= file->capacity || file->blocks[number] == NULL;
  disk_block *one = block_of(file, number);
  if (one == NULL || one->dirty) return one;
  if (!grow(&file->dirty, &file->dirty_capacity, file->dirty_count + 1, sizeof *file->dirty))
    return NULL;
  if (!is_new) {
    one->kept = take_spare();
    if (one->kept == NULL) return NULL;
    memcpy(one->kept, one->bytes, BLOCK);
  }
  one->dirty = true;
  file->dirty[file->dirty_count++] = number;
  return one;
}

bool ae_disk_write (disk_file *file, const unsigned char *from, size_t length, uint64_t at) {
  while (length > 0) {
    size_t inside = (size_t)(at % BLOCK), part = BLOCK - inside;
    disk_block *one = change(file, (size_t)(at / BLOCK));
    if (one == NULL) return false;
    if (part > length) part = length;
    memcpy(one->bytes + inside, from, part);
    from += part, at += part, length -= part;
  }
  if (at > file->size) file->size = at;
  return true;
}

void ae_disk_read (const disk_file *file, unsigned char *to, size_t length, uint64_t at) {
  while (length > 0) {
    size_t number = (size_t)(at / BLOCK), inside = (size_t)(at % BLOCK), part = BLOCK - inside;
    const disk_block *one = number < file->capacity ? file->blocks[number] : NULL;
    if (part > length) part = length;
    if (one == NULL) memset(to, 0, part);
    else memcpy(to, one->bytes + inside, part);
    to += part, at += part, length -= part;
  }
}

/* Makes a file shorter: what is beyond its end reads as zeros afterwards. */
bool ae_disk_shorten (disk_file *file, uint64_t size) {
  for (size_t i = (size_t)(size / BLOCK); i < file->capacity && i * BLOCK < file->size; i++) {
    size_t inside = i == size / BLOCK ? (size_t)(size % BLOCK) : 0;
    disk_block *one = file->blocks[i] == NULL ? NULL : change(file, i);
    if (file->blocks[i] != NULL && one == NULL) return false;
    if (one != NULL) memset(one->bytes + inside, 0, BLOCK - inside);
  }
  file->size = size;
  return true;
}

void ae_disk_flush (disk_file *file) {
  drop_dirty(file);
  file->flushed_size = file->size;
  file->durable = true;
}

/* The power. */

/* xorshift64*: https://doi.org/10.18637/jss.v008.i14 */
static bool survives (uint64_t *chance) {
  if (*chance == 0) return false;
  *chance ^= *chance << 13;
  *chance ^= *chance >> 7;
  *chance ^= *chance << 17;
  return (*chance >> 63) != 0;
}

static void put_back (disk_file *file, uint64_t *chance) {
  for (size_t i = 0; i < file->dirty_count; i++) {
    disk_block *one = file->blocks[file->dirty[i]];
    if (survives(chance)) continue;
    if (one->kept == NULL) memset(one->bytes, 0, BLOCK);
    else memcpy(one->bytes, one->kept, BLOCK);
  }
  drop_dirty(file);
  if (!survives(chance)) file->size = file->flushed_size;
  file->flushed_size = file->size;
}

void ae_disk_cut_volume (disk_volume *volume, uint64_t chance) {
  volume->power++;
  for (disk_file *one = volume->files; one != NULL; one = one->next) {
    one->exists = one->exists && one->durable;
    put_back(one, &chance);
    one->readers = 0;
    one->reserved = one->exclusive = NULL;
    one->shared = NULL; /* those who have it mapped keep it */
  }
}

/* The door. */

bool ae_disk_watch (const char *path, ae_disk_watcher watcher, void *context) {
  disk_volume *volume;
  ae_disk_lock();
  volume = watcher == NULL ? ae_disk_find_volume(path) : ae_disk_make_volume(path);
  if (volume != NULL) {
    volume->watcher = watcher;
    volume->context = context;
  }
  ae_disk_unlock();
  return volume != NULL || watcher == NULL;
}

void ae_disk_cut (const char *path, uint64_t chance) {
  disk_volume *volume;
  ae_disk_lock();
  volume = ae_disk_find_volume(path);
  if (volume != NULL) {
    ae_disk_cut_volume(volume, chance);
    ae_disk_sweep(volume);
  }
  ae_disk_unlock();
}

void ae_disk_remove (const char *path) {
  disk_volume *volume;
  ae_disk_lock();
  volume = ae_disk_find_volume(path);
  if (volume != NULL) {
    volume->removed = true;
    volume->watcher = NULL;
    for (disk_file *one = volume->files; one != NULL; one = one->next) one->exists = false;
    ae_disk_sweep(volume);
  }
  ae_disk_unlock();
}
