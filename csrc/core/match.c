/*
** match.c: tuple space search over the heads of rules.
**
** A head is a conjunction of conditions. Its positive conditions (equal to, begins
** with) make one composite key: a list of "cuts", each a whole attribute or its first
** n bytes. Heads with the same list of cuts share a signature. A signature has one
** hash table, from composite key to head. An event is looked up once in each
** signature; there are few signatures, however many heads there are. The heads found
** are verified condition by condition. Heads without a positive condition are always
** tried.
**
** The cost of an event is bounded, whatever heads are added: CUTS_MOST hashes, lookups
** in CUTS_MOST + COMPOSITES_MOST tables, and a trial of the heads found there and of
** those that are always tried. A head that would exceed a limit is filed under its
** most selective condition alone, or always tried.
*/
#include "core/match.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/match_head.h"
#include "core/match_table.h"

#define FIELDS_MOST 255  /* attributes that heads may speak of */
#define CUTS_MOST 512    /* distinct (attribute, length) pairs */
#define EXACT_LENGTHS 16 /* of prefixes of one attribute; more are rounded */
#define LONGEST_ROUNDED (1u << 15)
#define SIGNATURE_CUTS 8 /* attributes in one composite key */
#define COMPOSITES_MOST \
  512                     /* signatures of more than one cut; of one cut there
                               are no more than cuts */
#define EXPANSION_MOST 64 /* entries of one head: combinations of its lists */
#define HEAD_NUMBER_MOST (1u << 24)
#define WHOLE UINT32_MAX /* the length of a cut that is the whole attribute */

/* How a head is found. */
typedef enum filing { FILED_ALWAYS, FILED_WHOLE, FILED_SINGLE } filing;

typedef struct cut {
  uint32_t field, length;
} cut;

typedef struct signature {
  uint32_t cuts[SIGNATURE_CUTS];
  uint32_t count;
  ae_match_table table;
} signature;

struct ae_matcher {
  ae_match_head *heads; /* by the caller's number */
  size_t head_room;
  uint64_t ranks;
  char *fields[FIELDS_MOST]; /* names, each NUL-terminated */
  size_t field_lengths[FIELDS_MOST];
  uint32_t field_count;
  cut cuts[CUTS_MOST];
  uint32_t cut_count;
  signature *signatures;
  size_t signature_count, composite_count;
  uint32_t *always; /* heads without a positive condition */
  size_t always_count, always_room;
};

/* The values of an event for the matcher's fields. Booleans and integers are compared
** by their canonical text (CloudEvents 1.0.2, Type System), which is stored here. */
typedef struct values {
  ae_slice of[FIELDS_MOST];
  char room[FIELDS_MOST][12];
} values;

ae_matcher *ae_matcher_new (void) {
  return calloc(1, sizeof(ae_matcher));
}

void ae_matcher_free (ae_matcher *matcher) {
  if (!matcher) return;
  for (size_t i = 0; i < matcher->head_room; i++) ae_match_head_clear(&matcher->heads[i]);
  for (size_t i = 0; i < matcher->signature_count; i++)
    ae_match_table_free(&matcher->signatures[i].table);
  for (uint32_t i = 0; i < matcher->field_count; i++) free(matcher->fields[i]);
  free(matcher->heads);
  free(matcher->signatures);
  free(matcher->always);
  free(matcher);
}

/* {====================================================================
** Values and conditions
** ===================================================================== */

static ae_slice value_of (const ae_event *event, const ae_attribute *attribute,
                          char room[12]) {
  if (!attribute) return (ae_slice){NULL, 0};
  if (attribute->kind == AE_STRING) return ae_attribute_text(event, attribute);
  if (attribute->kind == AE_BOOLEAN)
    return attribute->integer ? AE_LITERAL("true") : AE_LITERAL("false");
  int length = snprintf(room, 12, "%ld", (long)attribute->integer);
  return (ae_slice){room, length > 0 ? (size_t)length : 0};
}

static void read_values (const ae_matcher *matcher, const ae_event *event, values *v) {
  for (uint32_t i = 0; i < matcher->field_count; i++) {
    ae_slice name = {matcher->fields[i], matcher->field_lengths[i]};
    v->of[i] = value_of(event, ae_event_find(event, name), v->room[i]);
  }
}

static bool is_one_of (const ae_condition *condition, ae_slice value) {
  for (size_t i = 0; i < condition->count; i++) {
    const ae_alternative *alternative = &condition->alternatives[i];
    if (alternative->prefix ? ae_slice_starts(value, alternative->text)
                            : ae_slice_equal(value, alternative->text))
      return true;
  }
  return false;
}

static bool holds (const ae_condition *condition, ae_slice value) {
  bool present = value.data != NULL;
  switch (condition->test) {
    case AE_IS: return present && is_one_of(condition, value);
    case AE_NO: return !present || !is_one_of(condition, value);
    case AE_ABSENT: return !present;
    case AE_PRESENT: return present;
  }
  return false;
}

static bool head_holds (const ae_match_head *h, const values *v) {
  for (size_t i = 0; i < h->count; i++)
    if (!holds(&h->conditions[i], v->of[h->fields[i]])) return false;
  return true;
}

/* }==================================================================== */

/* {====================================================================
** Adding
** ===================================================================== */

static ae_code no_memory (ae_error *error) {
  return ae_fail(error, AE_MEMORY, 0, "no memory for the head of a rule");
}

/* Grows an array to hold at least `wanted` elements; new ones are zero. */
static bool grow (void **array, size_t *room, size_t wanted, size_t size) {
  if (wanted <= *room) return true;
  size_t larger = *room ? *room * 2 : 16;
  if (larger < wanted) larger = wanted;
  char *moved = realloc(*array, larger * size);
  if (!moved) return false;
  memset(moved + *room * size, 0, (larger - *room) * size);
  *array = moved;
  *room = larger;
  return true;
}

/* The index of a field by name, added when it is new; -1: no room. */
static int field_index (ae_matcher *matcher, ae_slice name) {
  for (uint32_t i = 0; i < matcher->field_count; i++)
    if (ae_slice_equal((ae_slice){matcher->fields[i], matcher->field_lengths[i]}, name))
      return (int)i;
  if (matcher->field_count == FIELDS_MOST) return -1;
  char *copy = malloc(name.length + 1);
  if (!copy) return -1;
  memcpy(copy, name.data, name.length);
  copy[name.length] = '\0';
  matcher->fields[matcher->field_count] = copy;
  matcher->field_lengths[matcher->field_count] = name.length;
  return (int)matcher->field_count++;
}

static int find_cut (const ae_matcher *matcher, uint32_t field, uint32_t length) {
  for (uint32_t i = 0; i < matcher->cut_count; i++)
    if (matcher->cuts[i].field == field && matcher->cuts[i].length == length) return (int)i;
  return -1;
}

/* The number of distinct prefix lengths of a field. */
static uint32_t lengths_of (const ae_matcher *matcher, uint32_t field) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < matcher->cut_count; i++)
    count += matcher->cuts[i].field == field && matcher->cuts[i].length != WHOLE;
  return count;
}

/* The greatest power of two that is not greater than `length`. */
static uint32_t rounded (uint32_t length) {
  uint32_t power = 1;
  while (power <= length / 2 && power < LONGEST_ROUNDED) power *= 2;
  return power;
}

/*
** The cut for a text of that length, added when it is new; -1: no room. When a field
** has many prefix lengths, a prefix gets a shorter cut: a text that begins with the
** prefix begins with the shorter one too. Cuts are never removed, so that a head gets
** the same cuts again when it is removed.
*/
static int cut_index (ae_matcher *matcher, uint32_t field, uint32_t length) {
  int index = find_cut(matcher, field, length);
  if (index >= 0) return index;
  if (length != WHOLE && lengths_of(matcher, field) >= EXACT_LENGTHS) {
    length = rounded(length);
    index = find_cut(matcher, field, length);
    if (index >= 0) return index;
  }
  if (matcher->cut_count == CUTS_MOST) return -1;
  matcher->cuts[matcher->cut_count] = (cut){field, length};
  return (int)matcher->cut_count++;
}

static signature *signature_of (ae_matcher *matcher, const uint32_t *cuts, uint32_t count) {
  for (size_t i = 0; i < matcher->signature_count; i++) {
    signature *s = &matcher->signatures[i];
    if (s->count == count && memcmp(s->cuts, cuts, count * sizeof(*cuts)) == 0) return s;
  }
  if (count > 1 && matcher->composite_count == COMPOSITES_MOST) return NULL;
  signature *moved = realloc(matcher->signatures,
                             (matcher->signature_count + 1) * sizeof(signature));
  if (!moved) return NULL;
  matcher->signatures = moved;
  signature *s = &moved[matcher->signature_count++];
  *s = (signature){.count = count};
  matcher->composite_count += count > 1;
  memcpy(s->cuts, cuts, count * sizeof(*cuts));
  return s;
}

/* }==================================================================== */

/* {====================================================================
** The composite key of a head
** ===================================================================== */

/* The conditions that make the key, and the present combination of alternatives. */
typedef struct plan {
  size_t chosen[SIGNATURE_CUTS];
  size_t count;
  size_t combinations;
} plan;

/* How selective a condition is as a part of the key; 0 = of no use. Equality is better
** than prefixes, a short list than a long one, a long prefix than a short one. */
static size_t usefulness (const ae_condition *condition) {
  if (condition->test != AE_IS || condition->count == 0) return 0;
  size_t shortest = SIZE_MAX;
  for (size_t i = 0; i < condition->count; i++) {
    const ae_alternative *a = &condition->alternatives[i];
    if (a->prefix && a->text.length < shortest) shortest = a->text.length;
  }
  if (shortest == 0) return 0; /* every text begins with the empty one */
  size_t lists = condition->count < 4096 ? 4096 - condition->count : 1;
  if (shortest == SIZE_MAX) return (size_t)1 << 20 | lists;
  return shortest < (1u << 19) ? shortest : (1u << 19);
}

static bool is_chosen (const plan *p, size_t index) {
  for (size_t i = 0; i < p->count; i++)
    if (p->chosen[i] == index) return true;
  return false;
}

/* Chooses equality conditions and at most one with prefixes. */
static void make_plan (const ae_match_head *h, plan *p) {
  bool prefixed = false;
  *p = (plan){.combinations = 1};
  while (p->count < SIGNATURE_CUTS) {
    size_t best = 0, most = 0;
    for (size_t i = 0; i < h->count; i++) {
      size_t useful = is_chosen(p, i) ? 0 : usefulness(&h->conditions[i]);
      if (useful <= (1u << 19) && prefixed) useful = 0;
      if (p->count > 0 && h->conditions[i].count > EXPANSION_MOST / p->combinations)
        useful = 0;
      if (useful > most) {
        most = useful;
        best = i;
      }
    }
    if (most == 0) break;
    if (most <= (1u << 19)) prefixed = true;
    p->chosen[p->count++] = best;
    p->combinations *= h->conditions[best].count;
    if (p->combinations > EXPANSION_MOST) break;
  }
}

/* Brings the chosen conditions into the order of their fields, so that
** heads which name the same attributes share a signature. */
static void order_plan (const ae_match_head *h, plan *p) {
  for (size_t i = 1; i < p->count; i++) {
    size_t moved = p->chosen[i], j = i;
    while (j > 0 && h->fields[p->chosen[j - 1]] > h->fields[moved]) {
      p->chosen[j] = p->chosen[j - 1];
      j--;
    }
    p->chosen[j] = moved;
  }
}

/* The part of a text that a cut takes; the text must be long enough. */
static ae_slice cut_text (const cut *c, ae_slice text) {
  if (c->length != WHOLE) text.length = c->length;
  return text;
}

/* Inserts or removes an entry for each combination of alternatives. */
static bool expand (ae_matcher *matcher, uint32_t number, const ae_match_head *h,
                    const plan *p, bool insert) {
  for (size_t n = 0; n < p->combinations; n++) {
    uint32_t cuts[SIGNATURE_CUTS];
    uint64_t hash = AE_MATCH_SEED;
    size_t rest = n;
    for (size_t i = 0; i < p->count; i++) {
      const ae_condition *c = &h->conditions[p->chosen[i]];
      const ae_alternative *a = &c->alternatives[rest % c->count];
      rest /= c->count;
      int index = cut_index(matcher, h->fields[p->chosen[i]],
                            a->prefix ? (uint32_t)a->text.length : WHOLE);
      if (index < 0) return false;
      cuts[i] = (uint32_t)index;
      hash = ae_match_mix(hash, ae_match_hash(cut_text(&matcher->cuts[index], a->text)));
    }
    signature *s = signature_of(matcher, cuts, (uint32_t)p->count);
    if (!s) return false;
    if (!insert) ae_match_table_remove(&s->table, hash, number);
    else if (!ae_match_table_insert(&s->table, hash, number)) return false;
  }
  return true;
}

static bool always_add (ae_matcher *matcher, uint32_t number) {
  void *array = matcher->always;
  bool ok = grow(&array, &matcher->always_room, matcher->always_count + 1,
                 sizeof(*matcher->always));
  matcher->always = array;
  if (ok) matcher->always[matcher->always_count++] = number;
  return ok;
}

static void always_remove (ae_matcher *matcher, uint32_t number) {
  size_t kept = 0;
  for (size_t i = 0; i < matcher->always_count; i++)
    if (matcher->always[i] != number) matcher->always[kept++] = matcher->always[i];
  matcher->always_count = kept;
}

/* }==================================================================== */

static ae_code index_fields (ae_matcher *matcher, ae_match_head *h, ae_error *error) {
  for (size_t i = 0; i < h->count; i++) {
    int index = field_index(matcher, h->conditions[i].attribute);
    if (index < 0)
      return ae_fail(error, AE_TOO_LARGE, 0, "rules name more than %d different attributes",
                     FIELDS_MOST);
    h->fields[i] = (uint8_t)index;
  }
  return AE_OK;
}

/* The plan by which a head is filed. */
static void plan_for (const ae_match_head *h, filing how, plan *p) {
  make_plan(h, p);
  if (how == FILED_SINGLE && p->count > 1) {
    p->count = 1; /* the most useful was chosen first */
    p->combinations = h->conditions[p->chosen[0]].count;
  }
  order_plan(h, p);
}

static bool file (ae_matcher *matcher, uint32_t number, ae_match_head *h, filing how) {
  plan p;
  h->filed = how;
  if (how == FILED_ALWAYS) return always_add(matcher, number);
  plan_for(h, how, &p);
  if (p.count == 0) return false;
  if (expand(matcher, number, h, &p, true)) return true;
  expand(matcher, number, h, &p, false);
  return false;
}

static void unfile (ae_matcher *matcher, uint32_t number, const ae_match_head *h) {
  plan p;
  if (h->filed == FILED_ALWAYS) {
    always_remove(matcher, number);
    return;
  }
  plan_for(h, (filing)h->filed, &p);
  expand(matcher, number, h, &p, false);
}

static bool index_head (ae_matcher *matcher, uint32_t number, ae_match_head *h) {
  return file(matcher, number, h, FILED_WHOLE) || file(matcher, number, h, FILED_SINGLE) ||
         file(matcher, number, h, FILED_ALWAYS);
}

/* Makes the place of a head. False: no memory. */
static bool make_place (ae_matcher *matcher, uint32_t number) {
  void *array = matcher->heads;
  bool ok = grow(&array, &matcher->head_room, (size_t)number + 1, sizeof(ae_match_head));
  matcher->heads = array;
  return ok && matcher->heads != NULL;
}

ae_code ae_matcher_add (ae_matcher *matcher, uint32_t number, const ae_condition *conditions,
                        size_t count, ae_error *error) {
  if (number >= HEAD_NUMBER_MOST)
    return ae_fail(error, AE_TOO_LARGE, 0, "more than %u heads", HEAD_NUMBER_MOST);
  ae_match_head added = {0}; /* before the old head is freed: it may own the conditions */
  ae_code code = AE_MEMORY;
  bool ok = ae_match_head_copy(&added, conditions, count);
  ae_matcher_remove(matcher, number);
  if (ok && make_place(matcher, number)) {
    code = index_fields(matcher, &added, error);
    if (code == AE_OK) {
      added.rank = ++matcher->ranks & (UINT64_MAX >> 8);
      matcher->heads[number] = added;
      if (index_head(matcher, number, &matcher->heads[number])) return AE_OK;
      matcher->heads[number] = (ae_match_head){0};
      code = AE_MEMORY;
    }
  }
  ae_match_head_clear(&added);
  return code == AE_MEMORY ? no_memory(error) : code;
}

bool ae_matcher_remove (ae_matcher *matcher, uint32_t number) {
  if (number >= matcher->head_room || !matcher->heads[number].conditions) return false;
  ae_match_head *h = &matcher->heads[number];
  unfile(matcher, number, h);
  ae_match_head_clear(h);
  return true;
}

ae_matcher *ae_matcher_copy (const ae_matcher *matcher) {
  ae_matcher *copy = ae_matcher_new();
  if (!copy) return NULL;
  for (uint32_t number = 0; number < matcher->head_room; number++) {
    const ae_match_head *h = &matcher->heads[number];
    if (!h->conditions) continue;
    ae_code code = ae_matcher_add(copy, number, h->conditions, h->count, NULL);
    if (code != AE_OK || !copy->heads) {
      ae_matcher_free(copy);
      return NULL;
    }
    copy->heads[number].rank = h->rank;
  }
  copy->ranks = matcher->ranks;
  return copy;
}

size_t ae_matcher_bytes (const ae_matcher *matcher) {
  size_t bytes = sizeof(*matcher) + matcher->head_room * sizeof(ae_match_head) +
                 matcher->signature_count * sizeof(signature) +
                 matcher->always_room * sizeof(*matcher->always);
  for (size_t i = 0; i < matcher->head_room; i++)
    if (matcher->heads[i].conditions)
      bytes += ae_match_head_bytes(matcher->heads[i].conditions, matcher->heads[i].count);
  for (size_t i = 0; i < matcher->signature_count; i++)
    bytes += ae_match_table_bytes(&matcher->signatures[i].table);
  return bytes;
}

/* {====================================================================
** Matching
** ===================================================================== */

typedef struct found {
  const ae_matcher *matcher;
  const values *v;
  uint32_t *out;
  size_t capacity, count;
} found;

static void try_head (found *f, uint32_t number) {
  if (!head_holds(&f->matcher->heads[number], f->v)) return;
  if (f->count < f->capacity) f->out[f->count] = number;
  f->count++;
}

/* The hash of each cut, computed once an event; 0 = the event has no such
** text. */
static void hash_cuts (const ae_matcher *matcher, const values *v, uint64_t *hashes) {
  for (uint32_t i = 0; i < matcher->cut_count; i++) {
    ae_slice value = v->of[matcher->cuts[i].field];
    uint32_t length = matcher->cuts[i].length;
    hashes[i] = 0;
    if (!value.data || (length != WHOLE && value.length < length)) continue;
    hashes[i] = ae_match_hash(cut_text(&matcher->cuts[i], value));
  }
}

static void try_signature (found *f, const signature *s, const uint64_t *hashes) {
  uint64_t hash = AE_MATCH_SEED;
  for (uint32_t i = 0; i < s->count; i++) {
    if (hashes[s->cuts[i]] == 0) return;
    hash = ae_match_mix(hash, hashes[s->cuts[i]]);
  }
  ae_match_cursor cursor = ae_match_table_find(&s->table, hash);
  uint32_t number;
  while (ae_match_table_next(&s->table, &cursor, &number)) try_head(f, number);
}

static void sift (const ae_matcher *m, uint32_t *list, size_t root, size_t count) {
  for (size_t child = root * 2 + 1; child < count; child = root * 2 + 1) {
    if (child + 1 < count && m->heads[list[child]].rank < m->heads[list[child + 1]].rank)
      child++;
    if (m->heads[list[root]].rank >= m->heads[list[child]].rank) return;
    uint32_t swap = list[root];
    list[root] = list[child];
    list[child] = swap;
    root = child;
  }
}

/* Sorts by the order added (heapsort), and drops heads that were found twice. */
static size_t sort_found (const ae_matcher *m, uint32_t *list, size_t count) {
  for (size_t i = count / 2; i-- > 0;) sift(m, list, i, count);
  for (size_t last = count; last-- > 1;) {
    uint32_t swap = list[0];
    list[0] = list[last];
    list[last] = swap;
    sift(m, list, 0, last);
  }
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (i == 0 || list[i] != list[kept - 1]) list[kept++] = list[i];
  return kept;
}

size_t ae_matcher_match (const ae_matcher *matcher, const ae_event *event, uint32_t *out,
                         size_t capacity) {
  values v;
  uint64_t hashes[CUTS_MOST];
  read_values(matcher, event, &v);
  hash_cuts(matcher, &v, hashes);
  found f = {matcher, &v, out, capacity, 0};
  for (size_t i = 0; i < matcher->signature_count; i++)
    try_signature(&f, &matcher->signatures[i], hashes);
  for (size_t i = 0; i < matcher->always_count; i++) try_head(&f, matcher->always[i]);
  if (f.count > capacity || f.count < 2) return f.count;
  return sort_found(matcher, out, f.count);
}

/* }==================================================================== */

bool ae_matcher_holds (const ae_matcher *matcher, uint32_t number, size_t index,
                       const ae_event *event) {
  const ae_condition *conditions;
  if (index >= ae_matcher_conditions(matcher, number, &conditions)) return false;
  char room[12];
  const ae_attribute *attribute = ae_event_find(event, conditions[index].attribute);
  return holds(&conditions[index], value_of(event, attribute, room));
}

size_t ae_matcher_conditions (const ae_matcher *matcher, uint32_t number,
                              const ae_condition **conditions) {
  *conditions = NULL;
  if (number >= matcher->head_room) return 0;
  *conditions = matcher->heads[number].conditions;
  return matcher->heads[number].count;
}
