/*
** meanings.h: recognizes events that mean the same as an earlier one: Altinn publishes
** an event again under a new id. The meaning is the type, the thing and the subject,
** as `meaning` of ae_inbox_options tells them.
**
**     event --> fingerprint of its meaning, 8 bytes, keyed by the file's secret
**                   |
**                new: into the set in memory; with the group into the table `meant`
**                known: a row in the table `repeated`, from which the number of
**                       earlier events follows
**
** Of a million meanings two have the same fingerprint with a probability of 3e-8. The
** writer thread's.
*/
#ifndef ALTINN_EVENTS_INBOX_MEANINGS_H
#define ALTINN_EVENTS_INBOX_MEANINGS_H

#include "inbox/fingerprints.h"
#include "inbox/inbox.h"
#include "inbox/store.h"

/* All zero is empty. */
typedef struct ae_meanings {
  ae_fingerprints *set;  /* NULL: not loaded */
  ae_fingerprint *added; /* by the transaction in progress */
  size_t added_count, added_capacity;
  uint8_t key[AE_STORE_KEY_BYTES];
  bool repeated; /* the table `repeated` may have rows */
} ae_meanings;

/* Reads the key and all fingerprints from the file. AE_STORAGE, or AE_MEMORY. */
ae_code ae_meanings_load (ae_meanings *meanings, ae_store *store, ae_error *error);
void ae_meanings_free (ae_meanings *meanings);

/* Within a transaction: notes the meaning of the event `sequence`. *repeats: the number
** of earlier events of the same meaning. False: the store fails, or no memory. */
bool ae_meanings_note (ae_meanings *meanings, ae_store *store, int64_t sequence,
                       const ae_slice parts[AE_MEANING_PARTS], int64_t *repeats);
/* Before the commit: stores what the transaction has noted. False: the store fails. */
bool ae_meanings_store (ae_meanings *meanings, ae_store *store);
/* After the commit. */
void ae_meanings_committed (ae_meanings *meanings);
/* The transaction failed: forgets what it has noted. */
void ae_meanings_undo (ae_meanings *meanings);

/* Reads how many earlier events have the meaning of the event `sequence`.
** False: the store fails. */
bool ae_meanings_repeats (const ae_meanings *meanings, ae_store *store, int64_t sequence,
                          int64_t *repeats);

#endif
