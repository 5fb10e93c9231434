/*
** store_disk.h: the simulated disk: files in memory that survive a cut of the power
** exactly as far as they were flushed. An inbox whose path begins with
** AE_DISK_PREFIX lies on it. For tests of rules and of the host itself: nothing on
** it outlives the process.
**
** A volume is what belongs to one inbox: the database, its log, its journal. All
** functions may be called from any thread.
*/
#ifndef ALTINN_EVENTS_STORE_DISK_H
#define ALTINN_EVENTS_STORE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#define AE_DISK_PREFIX "simulated:"

/* Whether the path of an inbox names a volume of the simulated disk. */
bool ae_disk_holds (const char *path);

/* The name of the SQLite VFS for a path; NULL: the system's, or no memory. */
const char *ae_disk_vfs (const char *path);

/* Called before each flush of a file of the volume, with the file's name, in the
** flushing thread. False: the power fails in its place. The function must not open,
** read or write files of the disk. */
typedef bool (*ae_disk_watcher)(void *context, const char *name);

/* Sets the watcher of a volume; NULL: none. False: no memory. */
bool ae_disk_watch (const char *path, ae_disk_watcher watcher, void *context);

/* Cuts the power: the files are again as at their last flush, and whoever has them open
** gets errors until he opens them anew. With a chance other than 0 each block of 4 KiB
** that was written since then survives or not, as the chance has it; the same chance,
** the same blocks. */
void ae_disk_cut (const char *path, uint64_t chance);

/* Removes a volume with its files. Whoever has them open gets errors. */
void ae_disk_remove (const char *path);

#endif
