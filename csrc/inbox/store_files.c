/*
** store_files.c: the files of an inbox. A database is more than one file. The
** files of the inbox NAME are:
**
**   NAME          the database
**   NAME-wal      the write-ahead log: pages that are not in the database yet;
**                 after a kill the log may hold everything
**   NAME-shm      the index of the log, made anew when it is missing
**   NAME-journal  the rollback journal of the creation, before there is a log
**   NAME.lock     see store_check.c
**
** SQLite finds the log by the database's name. So a database apart from its log
** lacks the newest events, and SQLite deletes a log beside a new, empty database:
** the functions here refuse to open either.
*/
#include "inbox/store_disk.h"
#include "inbox/store_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

char *ae_store_beside (const ae_store *store, const char *ending) {
  size_t size = strlen(store->path) + strlen(ending) + 1;
  char *name = malloc(size);
  if (name != NULL) snprintf(name, size, "%s%s", store->path, ending);
  return name;
}

static bool has_content (const char *name) {
  struct stat info;
  return stat(name, &info) == 0 && info.st_size > 0;
}

/* *filled: whether the inbox's file with that ending has content. False: no
** memory. */
static bool look_beside (const ae_store *store, const char *ending, bool *filled) {
  char *name = ae_store_beside(store, ending);
  if (name == NULL) return false;
  *filled = has_content(name);
  free(name);
  return true;
}

static ae_code orphan (const ae_store *store, const char *ending, bool fresh,
                       ae_error *error) {
  return ae_fail(error, AE_STORAGE, 0,
                 "the inbox %.100s is %s, but its log (%s) is there and may hold events: put "
                 "the database back beside it, or move the log away too",
                 store->path, fresh ? "missing" : "empty", ending);
}

/* The other names (hard links) of the database in its folder. */
typedef struct others {
  nlink_t count;
  char name[256]; /* one that has a log, or "" */
} others;

/* Looks at one file of the folder. `folder` is the path up to its last slash. */
static void look_at (const ae_store *store, const char *folder, int length, const char *name,
                     others *found) {
  char path[4096], log[4096 + 8];
  struct stat info;
  int size = snprintf(path, sizeof path, "%.*s%s", length, folder, name);
  if (size < 0 || (size_t)size >= sizeof path || strcmp(path, store->path) == 0) return;
  if (lstat(path, &info) != 0 || info.st_dev != store->files[0].device ||
      info.st_ino != store->files[0].inode)
    return;
  found->count++;
  snprintf(log, sizeof log, "%s-wal", path);
  if (has_content(log)) snprintf(found->name, sizeof found->name, "%s", name);
}

static void find_others (const ae_store *store, others *found) {
  const char *slash = strrchr(store->path, '/');
  int length = slash == NULL ? 0 : (int)(slash - store->path) + 1;
  char *folder = strndup(store->path, (size_t)length);
  DIR *list = folder == NULL ? NULL : opendir(folder);
  const struct dirent *entry;
  memset(found, 0, sizeof *found);
  while (list != NULL && (entry = readdir(list)) != NULL)
    look_at(store, store->path, length, entry->d_name, found);
  if (list != NULL) closedir(list);
  free(folder);
}

/*
** A database with several names (hard links) has its log beside the name
** that was used last. It may be opened by the name that has the log, or when
** all names can be seen and none has one.
*/
static ae_code check_links (const ae_store *store, nlink_t links, bool logged,
                            ae_error *error) {
  others found;
  find_others(store, &found);
  if (found.name[0] != '\0')
    return ae_fail(error, AE_STORAGE, 0,
                   "the inbox %.90s is also named %.60s (a hard link), and its log is beside "
                   "that name: use that one, and remove the other",
                   store->path, found.name);
  if (logged || found.count + 1 >= links) return AE_OK;
  return ae_fail(
    error, AE_STORAGE, 0,
    "the inbox %.90s has another name elsewhere (a hard link), and its log may be "
    "there: look with find -samefile, and remove the name without log",
    store->path);
}

/* The mount that a file is on; false: the system does not tell. */
static bool find_mount (const char *name, uint64_t *mount) {
#ifdef STATX_MNT_ID
  struct statx info;
  if (statx(AT_FDCWD, name, AT_STATX_DONT_SYNC, STATX_MNT_ID, &info) != 0) return false;
  *mount = info.stx_mnt_id;
  return (info.stx_mask & STATX_MNT_ID) != 0;
#else
  (void)name;
  (void)mount;
  return false;
#endif
}

/* A file that is mounted without its folder has no log beside it: that of
** before stands beside its first name, and one that is made here goes with
** the container. */
static ae_code check_mount (const ae_store *store, ae_error *error) {
  const char *slash = strrchr(store->path, '/');
  char *folder = slash == NULL ? strdup(".")
                               : strndup(store->path, (size_t)(slash - store->path) + 1);
  uint64_t own = 0, around = 0;
  bool apart = folder != NULL && find_mount(store->path, &own) &&
               find_mount(folder, &around) && own != around;
  free(folder);
  if (!apart) return AE_OK;
  return ae_fail(error, AE_STORAGE, 0,
                 "the inbox %.100s is mounted without its folder, and its log would stand "
                 "elsewhere: mount the folder, not the file",
                 store->path);
}

ae_code ae_store_check_logs (const ae_store *store, bool fresh, ae_error *error) {
  struct stat info;
  bool log, journal;
  if (check_mount(store, error) != AE_OK) return error->code;
  if (stat(store->path, &info) != 0)
    return ae_fail(error, AE_STORAGE, 0, "cannot look at the inbox %.120s", store->path);
  if (!look_beside(store, "-wal", &log) || !look_beside(store, "-journal", &journal))
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox");
  if (log && info.st_size == 0) return orphan(store, "-wal", fresh, error);
  /* A kill while an inbox was made leaves an empty file and a journal. */
  if (journal && fresh) return orphan(store, "-journal", fresh, error);
  return info.st_nlink > 1 ? check_links(store, info.st_nlink, log, error) : AE_OK;
}

ae_code ae_store_check_path (const char *path, ae_error *error) {
  ae_store store = {.path = realpath(path, NULL)};
  struct stat info;
  ae_code code = AE_OK;
  if (store.path == NULL) return AE_OK; /* opening the file will say why */
  if (stat(store.path, &info) == 0) {
    store.files[0] = (ae_file){info.st_dev, info.st_ino};
    code = ae_store_check_logs(&store, false, error);
  }
  free(store.path);
  return code;
}

static void narrow (const char *name) {
  struct stat info;
  if (lstat(name, &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & 0077) != 0)
    (void)chmod(name, info.st_mode & 0700);
}

/* SQLite gives the files that it creates the mode of the database. */
void ae_store_make_private (const ae_store *store) {
  static const char *const endings[] = {"", "-wal", "-shm", "-journal", ".lock"};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    char *name = ae_store_beside(store, endings[i]);
    if (name != NULL) narrow(name);
    free(name);
  }
}

static bool elsewhere (const char *name, const ae_file *known) {
  struct stat info;
  return stat(name, &info) != 0 || info.st_ino != known->inode || info.st_dev != known->device;
}

bool ae_store_in_place (const ae_store *store) {
  return ae_disk_holds(store->path) || !elsewhere(store->path, &store->files[0]);
}

/* SQLite creates the log at its first use: the first log that is seen is ours. */
static bool log_moved (ae_store *store, const char *log) {
  ae_file *known = &store->files[1];
  struct stat info;
  if (known->inode != 0) return elsewhere(log, known);
  if (stat(log, &info) == 0) *known = (ae_file){info.st_dev, info.st_ino};
  return false;
}

bool ae_store_moved (ae_store *store) {
  char *log = ae_disk_holds(store->path) ? NULL : ae_store_beside(store, "-wal");
  store->moved = !ae_store_in_place(store) || (log != NULL && log_moved(store, log));
  free(log);
  return store->moved;
}
