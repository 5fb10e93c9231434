/*
** inbox.h: the durable inbox. What it acknowledges is on stable storage.
**
** One writer thread owns the database. Everybody else hands it work in the
** form of `ae_work` and is told when the group that holds the work has been
** committed (group commit). The interface knows no SQL, so that another
** store can stand behind it.
*/
#ifndef ALTINN_EVENTS_INBOX_H
#define ALTINN_EVENTS_INBOX_H

#include "core/event.h"
#include "core/slice.h"
#include "inbox/clock.h"
#include "inbox/states.h"

typedef struct ae_inbox ae_inbox;

/* The length of the file's own secret key. */
#define AE_INBOX_KEY_BYTES 32

/* The largest body of an event that the inbox stores, in bytes. SQLite's limit
** for a whole row is 10^9 (https://sqlite.org/limits.html, SQLITE_MAX_LENGTH). */
#define AE_MOST_STORED 999000000u

typedef enum ae_work_kind {
  AE_WORK_APPEND,   /* a new event */
  AE_WORK_SETTLE,   /* what became of a run */
  AE_WORK_REMEMBER, /* what the rule remembers of a thing from now on; stored with the
                       SETTLE of the same run among the works of one transaction */
  AE_WORK_READING,  /* what Altinn answered to a read of the run; stored likewise */
  AE_WORK_RECORD,   /* an effect, before it is sent */
  AE_WORK_OUTCOME,  /* what became of an effect */
  AE_WORK_STEP,     /* the result of a step, before the run goes on */
  AE_WORK_RECALL,   /* reads what the file holds of a run */
  AE_WORK_VERSION,  /* a version of a rule that is about to be in force */
  AE_WORK_RELEASE   /* a worker let go of a run that was taken back */
} ae_work_kind;

typedef enum ae_work_result {
  AE_WORK_DONE,      /* committed */
  AE_WORK_DUPLICATE, /* APPEND: (source, id) is known */
  AE_WORK_FAILED     /* not stored: disk full, read-only, shutting down */
} ae_work_result;

/* RECORD: what the inbox found under the effect's key. STEP, RECALL: AE_PRIOR_OVER, or
** AE_PRIOR_NONE. */
typedef enum ae_prior {
  AE_PRIOR_NONE,   /* no effect, or one that certainly did not happen: recorded anew */
  AE_PRIOR_SENT,   /* the effect was sent: send nothing */
  AE_PRIOR_HELD,   /* the effect belongs to another run that is not over: send nothing */
  AE_PRIOR_OVER,   /* the run is over or was taken back: send nothing */
  AE_PRIOR_UNKNOWN /* the outcome is not known: send `earlier` */
} ae_prior;

/* What RECALL found, a list: steps in order; what the rule remembers of the thing;
** effects of the run whose outcome is not known, in order. */
typedef enum ae_recalled_kind {
  AE_RECALLED_STEP,   /* texts: name, result */
  AE_RECALLED_MEMORY, /* texts: name, value; the last of a name counts */
  AE_RECALLED_EFFECT  /* texts: key, target, request, state */
} ae_recalled_kind;

typedef struct ae_recalled ae_recalled;
struct ae_recalled {
  ae_recalled *next;
  ae_recalled_kind kind;
  ae_slice texts[4]; /* they point into `bytes` */
  char bytes[];
};

/* Frees the list; NULL is allowed. */
void ae_recalled_free (ae_recalled *list);

/*
** A piece of work. The caller allocates it and owns all memory in it. Work and
** memory must live until `done` is called. The writer thread calls `done` after
** the commit, or after the group failed; `done` must not block and may free
** the work. Works chained by `with` are committed in the same transaction; only
** the `done` of the first is called.
*/
typedef struct ae_work ae_work;
struct ae_work {
  ae_work_kind kind;
  ae_work_result result;
  size_t wanted; /* APPEND, out: number of rules that want the event */
  ae_work *with; /* same transaction */
  ae_work *next; /* the inbox's own */
  void (*done)(ae_work *work);
  void *owner; /* the caller's */

  int64_t sequence;             /* APPEND: out; otherwise in */
  int64_t time;                 /* ms since 1970: received, changed */
  ae_slice source, id;          /* APPEND: the key of de-duplication */
  ae_slice body;                /* APPEND: the event as structured JSON */
  const ae_event *event;        /* APPEND: `body` parsed; NULL: not parsed yet */
  ae_slice subscription;        /* APPEND: name after the secret, or absent */
  ae_slice rule;                /* all but APPEND */
  uint64_t claim;               /* SETTLE, RECORD, RELEASE: see ae_inbox_claim */
  ae_run_state run_state;       /* SETTLE */
  ae_effect_state effect_state; /* OUTCOME */
  ae_slice reason;              /* SETTLE, OUTCOME: masked text */
  int64_t attempt;              /* SETTLE, OUTCOME; READING: which one, from 1 */
  int64_t due;                  /* SETTLE with an open state: ms since 1970 */
  int64_t since;    /* SETTLE: ms since 1970: first failed attempt; 0: the inbox fills it in */
  int64_t aside;    /* SETTLE with state held: 1: the run stands in no line while it waits */
  uint64_t line;    /* the inbox's own: see lines.h */
  int64_t tries;    /* the inbox's own: attempts so far */
  int64_t repeats;  /* the inbox's own: APPEND: earlier events that mean the same */
  bool changed;     /* the inbox's own: the store wrote the new state */
  bool timed;       /* the inbox's own: the run has a new timer, and stands in no line */
  ae_slice key;     /* RECORD, OUTCOME: unique over all effects */
  ae_slice target;  /* RECORD */
  ae_slice request; /* RECORD: JSON, the whole effect as the rule made it */
  int64_t status;   /* OUTCOME, READING: HTTP status, 0 = none */
  ae_slice answer;  /* OUTCOME: how the target's answer began, masked */
  ae_prior prior;   /* RECORD: out */
  int64_t prior_event; /* RECORD, out: event of the run that owns the effect; 0 = none */
  char *earlier;       /* RECORD: out: the request as recorded, of malloc; the
                                   caller frees it. NULL unless AE_PRIOR_UNKNOWN */
  size_t earlier_length;

  int64_t version; /* SETTLE, RECORD, STEP, VERSION: of the rule, 48 bits; 0: not known */
  ae_slice cause;  /* SETTLE: why it failed, without ids; absent: it did not. READING: the
                      code of a failure */
  ae_slice entry;  /* SETTLE with a timer: the body that runs when due; absent: "run" */
  ae_slice timer;  /* SETTLE: JSON, of the timer that starts it; without entry and timer
                      the run keeps those that it has */
  ae_slice would;  /* SETTLE: JSON, the effects of a shadowed run */
  ae_slice thing;  /* SETTLE with a new timer, REMEMBER, RECALL: what the event is about;
                      READING: what Altinn was asked about */
  ae_slice timer_key, cancel; /* SETTLE with a new timer: a timer of the same thing, rule
                                 and key is replaced; full types, one a line, whose
                                 event about the thing ends it */
  ae_slice name;              /* REMEMBER, STEP; READING: the call; VERSION: the rule's
                                 file */
  ae_slice value;             /* REMEMBER: JSON, absent: forget; STEP: JSON; READING: the
                                 body; VERSION: JSON, path -> text */
  int64_t shadow;             /* REMEMBER, RECALL: 1: the rule is in the shadow */
  int64_t cut;                /* READING: 1: `value` is not the whole body */
  int64_t expires;            /* REMEMBER: ms since 1970, 0: never */
  int64_t place;              /* STEP, RECORD, READING: its place among the run's */
  ae_recalled *recalled;      /* RECALL, out: the caller frees it */
};

/* SETTLE: whether the run stands in no line while it waits: a new timer, or held
** aside. */
static inline bool ae_work_is_aside (const ae_work *work) {
  return work->timed || (work->run_state == AE_RUN_HELD && work->aside != 0);
}

/*
** One run to be carried out: an event and a rule that wants it. Slices live
** during the call only.
*/
typedef struct ae_run {
  int64_t sequence, received; /* received: ms since 1970 */
  ae_slice body;
  ae_slice subscription;
  ae_slice rule;
  int64_t attempt; /* attempts that failed, 0 = none */
  int64_t tries;   /* all attempts: failed ones, and those that asked for a later time */
  int64_t since;   /* ms since 1970: the first attempt; 0 = none yet */
  int64_t due;     /* ms since 1970: when the run was due; 0 = at once */
  int64_t repeats; /* earlier events that meant the same */
  ae_slice entry, timer, cause; /* of the last attempt: see ae_work; or absent */
  bool fresh;                   /* the file has nothing that RECALL would find */
  uint64_t line;                /* of its order key (see `line` below), 0 = no order */
  uint64_t claim;               /* see ae_inbox_claim */
} ae_run;

/* Places at which a process may end for good, besides those between two turns. */
typedef enum ae_inbox_place {
  AE_BEFORE_COMMIT, /* the works are carried out, and not durable */
  AE_AFTER_COMMIT   /* they are durable, and nobody has heard of it */
} ae_inbox_place;

/* `match` returns one of these in place of a number of rules: no memory; the
** event cannot be parsed. */
#define AE_MATCH_MEMORY SIZE_MAX
#define AE_MATCH_UNREADABLE (SIZE_MAX - 1)

/* `dispatch` returns this when there is no memory. */
#define AE_NO_WORKER SIZE_MAX

/* What an event means, in these texts: its type, the kind and the id of the thing that it
** is about, its subject. */
#define AE_MEANING_PARTS 4

/*
** The host's part: which rules want an event, and which worker gets a run. The
** writer thread calls all of these functions; none may block.
*/
typedef struct ae_inbox_options {
  const char *path;
  /* Writes the names of the rules that want the event to `rules`, at most
  ** `capacity` of them; the names live until `dispatched`. Returns how many rules
  ** want the event (with more than `capacity` the inbox calls again with more
  ** room), or one of the two values above. `event` is `body` parsed, or NULL. */
  size_t (*match)(void *context, ae_slice body, const ae_event *event, ae_slice *rules,
                  size_t capacity);
  /* Parses the body of an event; the event lives until the next call of a function of
  ** the host's. NULL: it cannot be read, or there is no memory. */
  const ae_event *(*parse)(void *context, ae_slice body);
  /* Whether a rule of that name is in force. */
  bool (*in_force)(void *context, ae_slice rule);
  /* A hash of the rule and the event's order key; 0: the run has no order. */
  uint64_t (*line)(void *context, ae_slice body, const ae_event *event, ae_slice rule);
  /* Writes what the event means. False: another event may mean the same without being
  ** this one published again. NULL: no event has a meaning. */
  bool (*meaning)(void *context, ae_slice body, const ae_event *event,
                  ae_slice parts[AE_MEANING_PARTS]);
  /* How many runs of the rule may be in flight; 0: as many as `runs_limit` allows. NULL:
  ** no rule has a limit of its own. Asked again after ae_inbox_rescan. */
  size_t (*at_once)(void *context, ae_slice rule);
  /* Dispatches a run to a worker; returns the worker's number, or AE_NO_WORKER:
  ** the inbox then dispatches the run again later. The event is durable. Runs of
  ** one line are dispatched one at a time, in order of arrival. */
  size_t (*dispatch)(void *context, const ae_run *run);
  /* A run was taken back: tells its worker to let go of it; the worker answers
  ** with RELEASE. False: no memory, the inbox calls again later. */
  bool (*cancel)(void *context, size_t worker, int64_t sequence, ae_slice rule,
                 uint64_t claim);
  /* `runs` runs of the rule were abandoned. `gone`: no rule of that name is in
  ** force; else the rule does not want the events any more. */
  void (*abandoned)(void *context, ae_slice rule, uint64_t runs, bool gone);
  /* A waiting event cannot be parsed; it goes on waiting. */
  void (*unreadable)(void *context, int64_t sequence);
  /* A rule was put in force, or into the shadow, by hand: see force.h. NULL: not wanted. */
  void (*forced)(void *context);
  /* A sentence for the operator; NULL: not wanted. */
  void (*warn)(void *context, const char *sentence);
  /* Ends each turn of the writer: the host wakes its workers, and the names that
  ** `match` gave need not live any longer. */
  void (*dispatched)(void *context);
  /* A group of works is at the place. False: the process ends there, as by a power
  ** failure: the inbox does nothing more, and is to be dropped. NULL: it goes on. */
  bool (*passes)(void *context, ae_inbox_place place, const ae_work *works);
  void *context;
  ae_clock *clock;          /* NULL: the system's clocks */
  bool manual;              /* there is no thread: see ae_inbox_turn */
  const unsigned char *key; /* of a new file, AE_INBOX_KEY_BYTES; NULL: a random one */
  uint32_t queue_limit;     /* works in the queue; further ones are refused. 0 = 65536 */
  uint32_t runs_limit;      /* runs of one rule in flight; 0 = 2048 */
  size_t bytes_limit;       /* bytes of the events of these runs; 0 = 64 MiB */
} ae_inbox_options;

/* Opens or creates the file, migrates a file of an earlier version, and starts
** the writer thread, which dispatches the runs that an earlier host left.
** AE_STORAGE with a sentence that says what to do (damaged, newer schema,
** read-only folder, in use), or AE_MEMORY; then *inbox is NULL. */
ae_code ae_inbox_open (const ae_inbox_options *options, ae_inbox **inbox, ae_error *error);

/* Hands over a work; never blocks on the disk. False: the queue is full or the
** inbox is closing; then `done` is not called. Any thread. */
bool ae_inbox_submit (ae_inbox *inbox, ae_work *work);
/* ae_inbox_submit in two steps, for works that are to be one group: queue each
** work, then wake the writer once, without delay. Any thread. */
bool ae_inbox_queue (ae_inbox *inbox, ae_work *work);
void ae_inbox_wake (ae_inbox *inbox);

/* Why the last group failed, if it did: AE_OK when all is well. Any thread. */
ae_code ae_inbox_health (ae_inbox *inbox, ae_error *error);

/* The rules have changed: waiting events are matched anew, in the background.
** A run whose rule is gone or does not want the event any more is abandoned, and
** rules that newly want the event take it over. Any thread. */
void ae_inbox_rescan (ae_inbox *inbox);

/* The claim of a run in flight: the inbox takes a worker's report on the run only
** with this claim. 0: the run is not in flight. *holds: the run was not taken
** back (by hand, or because its rule is gone). Any thread; cheap. */
uint64_t ae_inbox_claim (ae_inbox *inbox, int64_t sequence, ae_slice rule, bool *holds);

/* Calls `visit` for each run in flight that was not taken back, under a lock; `began`: when
** it was dispatched, ms since 1970. The rule's name lives as long as the inbox. Any
** thread. */
void ae_inbox_flying (ae_inbox *inbox,
                      void (*visit)(void *context, ae_slice rule, int64_t sequence,
                                    int64_t began),
                      void *context);

/* The file's own secret key, AE_INBOX_KEY_BYTES that it was made with. Any thread. */
const unsigned char *ae_inbox_key (const ae_inbox *inbox);

/* Whether no run is in flight or may start now: every run that is left waits for
** its time or for an operator. Any thread. */
bool ae_inbox_is_idle (ae_inbox *inbox);

typedef struct ae_inbox_counts {
  uint64_t stored, duplicates, failed, groups;
  uint64_t waiting;    /* events with a run that is not over */
  uint64_t dead;       /* dead letters in the file */
  uint64_t unmatched;  /* events that no rule wanted */
  int64_t oldest;      /* ms since 1970: receipt of the oldest event with a run that
                          is due or failed, as of the last search; 0: none */
  uint64_t unreadable; /* waiting events that cannot be parsed */
} ae_inbox_counts;

/* Reads the counts as they are now. Any thread. */
void ae_inbox_counts_read (ae_inbox *inbox, ae_inbox_counts *counts);

/* Commits the queued works, stops the writer, closes the file. */
void ae_inbox_close (ae_inbox *inbox);

/* The clock has been moved: the writer looks at it. Any thread. */
void ae_inbox_look_at_clock (ae_inbox *inbox);

/*
** A manual inbox has no thread. Its one caller makes the turns of the writer, and calls all
** of its functions; the host's functions are called within ae_inbox_turn.
*/

/* One turn. True: there is more to do at once. */
bool ae_inbox_turn (ae_inbox *inbox);
/* Makes turns until no work waits; of an inbox that ended in its place the works that wait
** are failed. Does nothing for an inbox that has a thread. */
void ae_inbox_attend (ae_inbox *inbox);
/* The next turn looks for what other programs have written: acts by hand. */
void ae_inbox_look (ae_inbox *inbox);
/* When the next run is due: ms since 1970, INT64_MAX: none is. To be asked when
** ae_inbox_turn has no more to do. */
int64_t ae_inbox_next_due (ae_inbox *inbox);
/* Closes the file as it is. Works that wait are failed. */
void ae_inbox_drop (ae_inbox *inbox);

#endif
