/*
** store_checkpoint.c: which thread checkpoints, and when.
**
** A commit appends pages to the log; a checkpoint copies them into the
** database. To copy thousands of pages takes tens of milliseconds, in which
** the writer could acknowledge nothing. So a companion, a thread with a
** connection of its own, copies them beside the writer (SQLite's PASSIVE
** checkpoint), and brings the database to stable storage:
**
**     writer       group  group  group  group  group  rest  group
**     companion          [ copies 4000 pages ][ syncs ]
**     log, pages   3990   4002   4010   4019   4031    0     9
**
** SQLite starts the log again at its beginning only when every page of it has been
** copied. The few pages that were appended meanwhile are the rest: the writer
** copies them itself, between two groups.
**
** A reader that does not end its transaction keeps SQLite from starting the log
** again: the log grows, and the host warns. Without a companion (no memory, no
** thread) the writer copies everything.
**
** When the database cannot be synced, the kernel may have dropped copied pages,
** and it reports that only once. The pages are still in the log. So no checkpoint
** is made any more, the log is kept, and the next start copies all of it again.
*/
#include "inbox/store_disk.h"
#include "inbox/store_private.h"

#include <sqlite3.h>
#include <stdint.h>
#include <unistd.h>

#define COPY_PAGES 4000  /* 16 MiB */
#define REST_PAGES 64    /* the writer copies this many itself, or fewer */
#define ROUNDS 4         /* of copying by the companion, at most */
#define LOUD_PAGES 16384 /* 64 MiB: warn */
#define PAGE_KIB 4       /* SQLite's usual page; for people */

static int on_commit (void *context, sqlite3 *db, const char *name, int pages) {
  ae_store *store = context;
  (void)db, (void)name;
  atomic_store(&store->checkpoint.pages, pages);
  return SQLITE_OK;
}

/* Whether closing the database checkpoints. It does not when the file is refused at
** the start, which leaves it as it was found, nor after a failed sync. */
static void empty_log_at_close (ae_store *store, bool wanted) {
  (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, wanted ? 0 : 1,
                          (int *)NULL);
}

/* Replaces SQLite's own checkpoint at the end of a commit (its WAL hook). */
void ae_checkpoint_begin (ae_store *store) {
  ae_checkpoint *c = &store->checkpoint;
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->more, NULL);
  c->ready = true;
  c->next = COPY_PAGES;
  c->loud = LOUD_PAGES;
  empty_log_at_close(store, false);
  (void)sqlite3_wal_hook(store->db, on_commit, store);
}

static int copy (sqlite3 *db, int *pages, int *copied) {
  *pages = *copied = -1;
  return sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, pages, copied);
}

/* Opens the companion's connection, which only checkpoints. It has to read once
** before it knows of the log. */
static int connect (const ae_store *store, sqlite3 **db) {
  int result;
  if (*db != NULL) return SQLITE_OK;
  result = sqlite3_open_v2(store->path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                           ae_disk_vfs(store->path));
  if (result == SQLITE_OK) {
    (void)sqlite3_extended_result_codes(*db, 1);
    (void)sqlite3_db_config(*db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
    result = sqlite3_db_config(*db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
  }
  if (result == SQLITE_OK)
    result = sqlite3_exec(*db, "PRAGMA synchronous = FULL; PRAGMA user_version", NULL, NULL,
                          NULL);
  if (result == SQLITE_OK) return SQLITE_OK;
  sqlite3_close(*db);
  *db = NULL;
  return result;
}

/* Copies until at most REST_PAGES pages are left, or a reader is in the way. */
static int copy_beside (ae_store *store, sqlite3 *db) {
  int result = SQLITE_OK, pages, copied, before = -1;
  for (int round = 0; round < ROUNDS && result == SQLITE_OK; round++) {
    result = copy(db, &pages, &copied);
    if (result == SQLITE_OK && fdatasync(store->file) != 0) result = SQLITE_IOERR_FSYNC;
    if (copied == before) break;
    before = copied;
    if (atomic_load(&store->checkpoint.pages) - copied <= REST_PAGES) break;
  }
  return result;
}

/* Waits until the writer asks for a checkpoint. False: the store is being closed.
** With the lock held. */
static bool wait_for_writer (ae_checkpoint *c) {
  while (c->phase != AE_CHECKPOINT_ASKED && !c->closing) pthread_cond_wait(&c->more, &c->lock);
  return !c->closing;
}

static void *companion_main (void *argument) {
  ae_store *store = argument;
  ae_checkpoint *c = &store->checkpoint;
  sqlite3 *db = NULL;
  pthread_mutex_lock(&c->lock);
  while (wait_for_writer(c)) {
    int result;
    pthread_mutex_unlock(&c->lock);
    result = connect(store, &db);
    if (result == SQLITE_OK) result = copy_beside(store, db);
    pthread_mutex_lock(&c->lock);
    c->result = result;
    c->phase = AE_CHECKPOINT_REST;
  }
  pthread_mutex_unlock(&c->lock);
  sqlite3_close(db);
  return NULL;
}

/* Asks the companion for a checkpoint. False: there is no companion. */
static bool ask (ae_store *store) {
  ae_checkpoint *c = &store->checkpoint;
  if (c->alone) return false;
  if (!c->started)
    c->started = pthread_create(&c->companion, NULL, companion_main, store) == 0;
  if (!c->started) return false;
  pthread_mutex_lock(&c->lock);
  c->phase = AE_CHECKPOINT_ASKED;
  pthread_cond_signal(&c->more);
  pthread_mutex_unlock(&c->lock);
  return true;
}

void ae_checkpoint_end (ae_store *store) {
  ae_checkpoint *c = &store->checkpoint;
  if (!c->ready) return;
  pthread_mutex_lock(&c->lock);
  c->closing = true;
  pthread_cond_signal(&c->more);
  pthread_mutex_unlock(&c->lock);
  if (c->started) pthread_join(c->companion, NULL);
  pthread_cond_destroy(&c->more);
  pthread_mutex_destroy(&c->lock);
}

void ae_store_leave (ae_store *store) {
  empty_log_at_close(store, false);
}

/* Notes a failed checkpoint. True: *warning is new to the operator. */
static bool failed (ae_store *store, int result, ae_error *warning) {
  ae_checkpoint *c = &store->checkpoint;
  const bool known = c->failing;
  c->failing = true;
  if (result == SQLITE_IOERR_FSYNC) {
    c->untrusted = true;
    empty_log_at_close(store, false);
    (void)ae_fail(
      warning, AE_STORAGE, 0,
      "the inbox %.80s could not be brought to stable storage (%s): nothing is "
      "lost, but its log grows until the host is started again; see the system's log",
      store->path, sqlite3_errstr(result));
    return true;
  }
  (void)ae_fail(warning, AE_STORAGE, 0, "the log of the inbox %.80s grows (%s): %s",
                store->path, sqlite3_errstr(result), ae_store_advice(result));
  return !known;
}

static bool grown (ae_store *store, int pages, ae_error *warning) {
  ae_checkpoint *c = &store->checkpoint;
  if (pages < c->loud) return false;
  c->loud = pages <= INT32_MAX / 2 ? pages * 2 : INT32_MAX;
  (void)ae_fail(
    warning, AE_STORAGE, 0,
    "the log of the inbox %.100s has grown to %d MiB, for another program has been "
    "reading the inbox all the time: end that program",
    store->path, pages / 1024 * PAGE_KIB);
  return true;
}

/* Copies the pages that the companion left, or all. `result`: of the companion's
** turn. True: *warning tells the operator why the log grows. */
static bool copy_rest (ae_store *store, int result, ae_error *warning) {
  ae_checkpoint *c = &store->checkpoint;
  int pages, copied;
  if (result == SQLITE_IOERR_FSYNC) return failed(store, result, warning);
  result = copy(store->db, &pages, &copied);
  if (pages < 0) pages = atomic_load(&c->pages);
  c->next = pages <= INT32_MAX - COPY_PAGES ? pages + COPY_PAGES : INT32_MAX;
  if (result == SQLITE_BUSY) return false; /* another program is checkpointing */
  if (result != SQLITE_OK) return failed(store, result, warning);
  c->failing = false;
  if (copied < pages) return grown(store, pages, warning);
  c->next = COPY_PAGES;
  c->loud = LOUD_PAGES;
  return false;
}

bool ae_store_checkpoint (ae_store *store, ae_error *warning) {
  ae_checkpoint *c = &store->checkpoint;
  ae_checkpoint_phase phase;
  int result;
  if (!c->accepted) empty_log_at_close(store, true);
  c->accepted = true;
  pthread_mutex_lock(&c->lock);
  phase = c->phase;
  result = c->result;
  if (phase == AE_CHECKPOINT_REST) c->phase = AE_CHECKPOINT_IDLE;
  pthread_mutex_unlock(&c->lock);
  if (c->untrusted) return false;
  if (phase == AE_CHECKPOINT_REST) return copy_rest(store, result, warning);
  if (phase == AE_CHECKPOINT_ASKED || atomic_load(&c->pages) < c->next) return false;
  return !ask(store) && copy_rest(store, SQLITE_OK, warning);
}
