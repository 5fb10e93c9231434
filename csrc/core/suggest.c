/*
** suggest.c: the event type that a wrong word is likely to mean. Words come
** first: whoever writes "neverread" means the type that has both words, not
** the one with the fewest other letters. Letters come second: misspellings.
*/
#include "core/catalogue.h"

#include "core/scan.h"

/* {====================================================================
** Whole words
** ===================================================================== */

/* The words that short names are made of: X(code, word). */
#define AE_TYPE_WORDS(X) \
  X(CORRESPONDENCE, "correspondence") \
  X(ATTACHMENT, "attachment") \
  X(NOTIFICATION, "notification") \
  X(RECEIVER, "receiver") \
  X(NEVER, "never") \
  X(READ, "read") \
  X(CONFIRMED, "confirmed") \
  X(PUBLISHED, "published") \
  X(PUBLISH, "publish") \
  X(FAILED, "failed") \
  X(ALL, "all") \
  X(CREATION, "creation") \
  X(CREATED, "created") \
  X(DELIVERED, "delivered") \
  X(REMINDER, "reminder") \
  X(UPLOAD, "upload") \
  X(INITIALIZED, "initialized") \
  X(EXPIRED, "expired") \
  X(PURGED, "purged") \
  X(ARCHIVED, "archived") \
  X(RESERVED, "reserved") \
  X(REPLIED, "replied") \
  X(DOWNLOADED, "downloaded") \
  X(DOWNLOAD, "download") \
  X(PROCESSING, "processing") \
  X(DIALOG, "dialog") \
  X(ACTIVITY, "activity") \
  X(TRANSMISSION, "transmission") \
  X(OPENED, "opened") \
  X(CLOSED, "closed") \
  X(INFORMATION, "information") \
  X(PAYMENT, "payment") \
  X(MADE, "made") \
  X(SIGNATURE, "signature") \
  X(PROVIDED, "provided") \
  X(DELETED, "deleted") \
  X(RESTORED, "restored") \
  X(SEEN, "seen") \
  X(UPDATED, "updated") \
  X(SENT, "sent") \
  X(TO, "to") \
  X(SIGNING, "signing") \
  X(FORM, "form") \
  X(FILL, "fill") \
  X(SENDIN, "sendin") \
  X(SUBMITTED, "submitted") \
  X(SAVED, "saved") \
  X(FILE, "file") \
  X(TRANSFER, "transfer") \
  X(INSTANCE, "instance") \
  X(PROCESS, "process") \
  X(COMPLETED, "completed") \
  X(SUBSTATUS, "substatus") \
  X(CHANGED, "changed") \
  X(VALIDATE, "validate") \
  X(SUBSCRIPTION, "subscription")

#define WORD_ENUM(code, word) WORD_##code,
enum { AE_TYPE_WORDS(WORD_ENUM) WORD_COUNT };
#undef WORD_ENUM

#define BIT(code) (UINT64_C(1) << WORD_##code)
_Static_assert(WORD_COUNT <= 64, "a set of words is 64 bits");

/* What people say instead: X(word, set of words). */
#define AE_OTHER_WORDS(X) \
  X("letter", BIT(CORRESPONDENCE)) \
  X("message", BIT(CORRESPONDENCE)) \
  X("recipient", BIT(RECEIVER)) \
  X("unread", BIT(NEVER) | BIT(READ)) \
  X("unconfirmed", BIT(NEVER) | BIT(CONFIRMED))

#define WORD_ENTRY(code, word) {{word, sizeof(word) - 1}, BIT(code)},
#define OTHER_ENTRY(word, set) {{word, sizeof(word) - 1}, set},
static const struct {
  ae_slice text;
  uint64_t set;
} words[] = {AE_TYPE_WORDS(WORD_ENTRY) AE_OTHER_WORDS(OTHER_ENTRY)};
#undef WORD_ENTRY
#undef OTHER_ENTRY

/* The longest word at the beginning of a text, as its index; -1: none. */
static int first_word (ae_slice text) {
  int longest = -1;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    ae_slice word = words[i].text;
    if (text.length >= word.length && ae_same_word((ae_slice){text.data, word.length}, word) &&
        (longest < 0 || word.length > words[longest].text.length))
      longest = (int)i;
  }
  return longest;
}

static bool is_separator (char c) {
  return c == '.' || c == '-' || c == '_' || c == ' ';
}

/* The set of words that a text consists of; 0: of something else. */
static uint64_t words_of (ae_slice text) {
  uint64_t set = 0;
  while (text.length > 0) {
    size_t skipped = 1;
    if (!is_separator(text.data[0])) {
      int word = first_word(text);
      if (word < 0) return 0;
      set |= words[word].set;
      skipped = words[word].text.length;
    }
    text.data += skipped;
    text.length -= skipped;
  }
  return set;
}

static unsigned count_of (uint64_t set) {
  unsigned count = 0;
  for (; set != 0; set &= set - 1) count++;
  return count;
}

/* The distance of a type from a set of words that its name has. Types about letters, and
** types that Altinn raises, are nearer; then those with the fewest other words. */
static unsigned distance_of (const ae_event_type *type, uint64_t beside) {
  return (type->about == AE_ABOUT_LETTER ? 0u : 200u) + (type->raised ? 0u : 100u) +
         count_of(beside);
}

/* The nearest type that has all words of the set; *alone: no other is as near. */
static const ae_event_type *nearest_by_words (uint64_t wanted, bool *alone) {
  const ae_event_type *best = NULL;
  unsigned least = 0;
  for (size_t i = 0; i < ae_event_type_count; i++) {
    const ae_event_type *type = &ae_event_types[i];
    uint64_t has = words_of((ae_slice){type->name, type->name_length});
    if ((has & wanted) != wanted) continue;
    unsigned far = distance_of(type, has & ~wanted);
    if (best == NULL || far < least) {
      best = type;
      least = far;
      *alone = true;
    } else if (far == least) *alone = false;
  }
  return best;
}

/* }==================================================================== */

/* {====================================================================
** Letters
** ===================================================================== */

#define LONGEST_WORD 96

static unsigned smallest (unsigned a, unsigned b, unsigned c) {
  unsigned least = a < b ? a : b;
  return least < c ? least : c;
}

/* Edits between two words of at most LONGEST_WORD bytes: insertions,
** deletions, changes and swaps of neighbours (Damerau-Levenshtein with
** adjacent transpositions); case does not count. */
static unsigned distance (ae_slice a, const char *b, size_t b_length) {
  unsigned rows[3][LONGEST_WORD + 1];
  unsigned *before = rows[0], *above = rows[1], *row = rows[2];
  for (size_t j = 0; j <= b_length; j++) above[j] = (unsigned)j;
  for (size_t i = 1; i <= a.length; i++) {
    row[0] = (unsigned)i;
    for (size_t j = 1; j <= b_length; j++) {
      char x = ae_lower(a.data[i - 1]), y = ae_lower(b[j - 1]);
      row[j] = smallest(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y));
      if (i > 1 && j > 1 && x == ae_lower(b[j - 2]) && ae_lower(a.data[i - 2]) == y &&
          before[j - 2] + 1 < row[j])
        row[j] = before[j - 2] + 1;
    }
    unsigned *reuse = before;
    before = above;
    above = row;
    row = reuse;
  }
  return above[b_length];
}

static void consider (ae_slice word, const char *candidate, const char **best,
                      unsigned *least) {
  size_t length = strlen(candidate);
  size_t apart = length > word.length ? length - word.length : word.length - length;
  if (length > LONGEST_WORD || apart >= *least) return; /* at least `apart` edits */
  unsigned edits = distance(word, candidate, length);
  if (edits < *least) {
    *least = edits;
    *best = candidate;
  }
}

static const char *nearest_by_letters (ae_slice word) {
  const char *best = NULL;
  unsigned least = (unsigned)(word.length / 3) + 2;
  for (size_t i = 0; i < ae_event_type_count; i++) {
    consider(word, ae_event_types[i].name, &best, &least);
    consider(word, ae_event_types[i].type, &best, &least);
  }
  return best;
}

/* }==================================================================== */

/* The word without the beginning that all types of Correspondence share. */
static ae_slice without_prefix (ae_slice word) {
  ae_slice prefix = AE_LITERAL("no.altinn.correspondence.");
  if (word.length > prefix.length &&
      ae_same_word((ae_slice){word.data, prefix.length}, prefix))
    word = (ae_slice){word.data + prefix.length, word.length - prefix.length};
  return word;
}

const char *ae_catalogue_suggest (ae_slice word) {
  bool alone = false;
  if (word.length == 0 || word.length > LONGEST_WORD) return NULL;
  ae_slice bare = without_prefix(word);
  uint64_t wanted = words_of(bare);
  const ae_event_type *type = wanted != 0 ? nearest_by_words(wanted, &alone) : NULL;
  const char *words_say = type == NULL                 ? NULL
                          : bare.length == word.length ? type->name
                                                       : type->type;
  if (alone) return words_say;
  const char *letters_say = nearest_by_letters(word);
  return letters_say != NULL ? letters_say : words_say;
}
