/*
** simulation_trace.c: what a simulation notes while it runs: facts of the log, boundaries at
** which the host may die, and lines of rules that ran.
*/
#include "lua/host/simulation_private.h"

#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "core/mask.h"

#define MOST_LINES 1000000

/* {====================================================================
** Facts
** ===================================================================== */

static size_t size_of (ae_slice message, const ae_log_fields *fields) {
  size_t size = message.length;
  for (size_t i = 0; i < fields->count; i++)
    size += strlen(fields->list[i].name) + 1 + fields->list[i].text.length;
  return size;
}

/* Copies a text to *at, masked unless it is a word or a value. */
static ae_slice keep (char **at, ae_slice text, bool plain) {
  ae_slice kept = {*at, text.length};
  if (text.data == NULL) return text;
  if (plain && text.length > 0) memcpy(*at, text.data, text.length);
  else ae_mask(text, *at);
  *at += text.length;
  return kept;
}

static void fill (ae_kept_fact *fact, ae_slice message, const ae_log_fields *fields) {
  char *at = (char *)(fact->bytes + fields->count * (sizeof *fact->fields + sizeof(bool)));
  void *place = fact->bytes;
  fact->fields = place;
  place = fact->bytes + fields->count * sizeof *fact->fields;
  fact->numbers = place;
  fact->count = fields->count;
  (void)keep(&at, message, true);
  fact->message = message.length;
  for (size_t i = 0; i < fields->count; i++) {
    const ae_log_kind kind = fields->kinds == NULL ? AE_LOG_TEXT : fields->kinds[i];
    const size_t size = strlen(fields->list[i].name) + 1;
    fact->fields[i].name = at;
    memcpy(at, fields->list[i].name, size);
    at += size;
    fact->fields[i].text = keep(&at, fields->list[i].text, kind != AE_LOG_TEXT);
    fact->numbers[i] = kind == AE_LOG_VALUE;
  }
}

void ae_trace_fact (void *context, ae_level level, ae_slice message,
                    const ae_log_fields *fields) {
  ae_trace *trace = context;
  ae_kept_fact *fact;
  if (!trace->wants_facts) return;
  fact = malloc(sizeof *fact + fields->count * (sizeof *fact->fields + sizeof(bool)) +
                size_of(message, fields) + 1);
  if (fact == NULL) return;
  fact->next = NULL;
  fact->level = level;
  fill(fact, message, fields);
  *trace->last = fact;
  trace->last = &fact->next;
}

static const char *message_of (const ae_kept_fact *fact) {
  return fact->bytes + fact->count * (sizeof *fact->fields + sizeof(bool));
}

static void push_value (lua_State *L, ae_slice text, bool value) {
  if (value && ae_slice_equal(text, AE_LITERAL("true"))) lua_pushboolean(L, 1);
  else if (value && ae_slice_equal(text, AE_LITERAL("false"))) lua_pushboolean(L, 0);
  else {
    lua_pushlstring(L, text.data, text.length);
    if (value && lua_stringtonumber(L, lua_tostring(L, -1)) != 0) lua_remove(L, -2);
  }
}

static void push_fact (lua_State *L, const ae_kept_fact *fact) {
#define NAME(code, name) name,
  static const char *const levels[] = {AE_LEVELS(NAME)};
#undef NAME
  lua_createtable(L, 3, 0);
  lua_pushstring(L, levels[fact->level]);
  lua_rawseti(L, -2, 1);
  lua_pushlstring(L, message_of(fact), fact->message);
  lua_rawseti(L, -2, 2);
  lua_createtable(L, 0, (int)fact->count);
  for (size_t i = 0; i < fact->count; i++) {
    if (fact->fields[i].text.data == NULL) continue;
    push_value(L, fact->fields[i].text, fact->numbers[i]);
    lua_setfield(L, -2, fact->fields[i].name);
  }
  lua_rawseti(L, -2, 3);
}

static void drop_first (ae_trace *trace) {
  ae_kept_fact *fact = trace->first;
  trace->first = fact->next;
  if (trace->first == NULL) trace->last = &trace->first;
  free(fact);
}

int ae_trace_take_facts (lua_State *L) {
  ae_trace *trace = &ae_simulation_check(L)->trace;
  lua_Integer count = 0;
  if (trace->first == NULL) return 0;
  lua_newtable(L);
  while (trace->first != NULL) {
    push_fact(L, trace->first);
    lua_rawseti(L, -2, ++count);
    drop_first(trace);
  }
  return 1;
}

/* }==================================================================== */

/* {====================================================================
** Boundaries
** ===================================================================== */

bool ae_trace_pass (ae_trace *trace, const char *name) {
  if (trace->dead) return false;
  if (trace->passed == trace->room) {
    size_t room = trace->room == 0 ? 64 : trace->room * 2;
    char **names = realloc(trace->names, room * sizeof *names);
    if (names == NULL) return true;
    trace->names = names;
    trace->room = room;
  }
  trace->names[trace->passed++] = strdup(name); /* NULL: it has no name */
  trace->dead = trace->passed == trace->crash_at;
  return !trace->dead;
}

/* What a work writes down; NULL: nothing. */
static const char *verb_of (const ae_work *work) {
  switch (work->kind) {
    case AE_WORK_APPEND: return "event";
    case AE_WORK_SETTLE: return "settle";
    case AE_WORK_REMEMBER: return "remember";
    case AE_WORK_RECORD: return "record";
    case AE_WORK_OUTCOME: return "outcome";
    case AE_WORK_STEP: return "step";
    case AE_WORK_READING: return "reading";
    case AE_WORK_VERSION: return "version";
    default: return NULL;
  }
}

/* The first work that writes anything down, and how many do. */
static const ae_work *first_written (const ae_work *works, size_t *count) {
  const ae_work *found = NULL;
  *count = 0;
  for (const ae_work *first = works; first != NULL; first = first->next)
    for (const ae_work *work = first; work != NULL; work = work->with) {
      if (verb_of(work) == NULL || work->result == AE_WORK_DUPLICATE) continue;
      if (found == NULL) found = work;
      ++*count;
    }
  return found;
}

static int cut (ae_slice text) {
  return (int)(text.length < 200 ? text.length : 200);
}

/* Writes what the works write down to `text`: "settle paper #3 and 2 more". */
static void describe (const ae_work *works, char *text, size_t size) {
  char more[40] = "";
  size_t count;
  const ae_work *work = first_written(works, &count);
  text[0] = '\0';
  if (work == NULL) return;
  if (count > 1) snprintf(more, sizeof more, " and %zu more", count - 1);
  if (work->rule.data == NULL)
    snprintf(text, size, "%s #%lld%s", verb_of(work), (long long)work->sequence, more);
  else
    snprintf(text, size, "%s %.*s #%lld%s", verb_of(work), cut(work->rule), work->rule.data,
             (long long)work->sequence, more);
}

static bool pass_flush (ae_trace *trace, const char *when) {
  char name[340];
  const char *what = trace->writes[0] == '\0' ? "what the inbox notes" : trace->writes;
  snprintf(name, sizeof name, "%s the flush of %s", when, what);
  return ae_trace_pass(trace, name);
}

bool ae_trace_flush (void *context, const char *file) {
  ae_trace *trace = context;
  (void)file;
  if (!trace->turning) return true;
  trace->flushed = true;
  return pass_flush(trace, "before");
}

bool ae_trace_passes (void *context, ae_inbox_place place, const ae_work *works) {
  ae_trace *trace = context;
  bool goes_on = true;
  if (place == AE_BEFORE_COMMIT) {
    describe(works, trace->writes, sizeof trace->writes);
    trace->flushed = false;
    return true;
  }
  if (trace->turning && trace->flushed) goes_on = pass_flush(trace, "after");
  trace->writes[0] = '\0';
  return goes_on;
}

/* pass(name) -> false when the host dies at this boundary */
int ae_trace_pass_named (lua_State *L) {
  ae_simulation *s = ae_simulation_check(L);
  lua_pushboolean(L, ae_trace_pass(&s->trace, luaL_checkstring(L, 2)));
  return 1;
}

/* crash_at(n): the host dies at the n-th boundary from now; 0: at none */
int ae_trace_crash_at (lua_State *L) {
  ae_trace *trace = &ae_simulation_check(L)->trace;
  lua_Integer number = luaL_checkinteger(L, 2);
  luaL_argcheck(L, number >= 0, 2, "a number of boundaries");
  trace->crash_at = number == 0 ? 0 : trace->passed + (size_t)number;
  return 0;
}

/* boundaries() -> { { name = } … } */
int ae_trace_boundaries (lua_State *L) {
  const ae_trace *trace = &ae_simulation_check(L)->trace;
  lua_newtable(L);
  for (size_t i = 0; i < trace->passed; i++) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, trace->names[i] == NULL ? "?" : trace->names[i]);
    lua_setfield(L, -2, "name");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* }==================================================================== */

/* {====================================================================
** Lines
** ===================================================================== */

static ae_lines_run *find_file (ae_trace *trace, const char *name) {
  if (trace->file_count == 0) return NULL;
  if (strcmp(trace->files[trace->latest].file, name) == 0) return &trace->files[trace->latest];
  for (size_t i = 0; i < trace->file_count; i++) {
    if (strcmp(trace->files[i].file, name) != 0) continue;
    trace->latest = i;
    return &trace->files[i];
  }
  return NULL;
}

static bool reserve_lines (ae_lines_run *lines, size_t wanted) {
  size_t capacity = lines->capacity == 0 ? 256 : lines->capacity;
  uint32_t *counts;
  if (wanted <= lines->capacity) return true;
  while (capacity < wanted) capacity *= 2;
  counts = realloc(lines->counts, capacity * sizeof *counts);
  if (counts == NULL) return false;
  memset(counts + lines->capacity, 0, (capacity - lines->capacity) * sizeof *counts);
  lines->counts = counts;
  lines->capacity = capacity;
  return true;
}

void ae_trace_line (void *context, lua_State *L, lua_Debug *ar) {
  ae_lines_run *lines;
  size_t line;
  if (lua_getinfo(L, "S", ar) == 0 || ar->source[0] != '@') return;
  lines = find_file(context, ar->source + 1);
  if (lines == NULL || ar->currentline < 1 || ar->currentline > MOST_LINES) return;
  line = (size_t)ar->currentline;
  if (reserve_lines(lines, line + 1) && lines->counts[line] < UINT32_MAX)
    lines->counts[line]++;
}

/* coverage() -> { [file] = { [line] = count } } */
int ae_trace_coverage (lua_State *L) {
  const ae_trace *trace = &ae_simulation_check(L)->trace;
  lua_newtable(L);
  for (size_t i = 0; i < trace->file_count; i++) {
    const ae_lines_run *lines = &trace->files[i];
    lua_newtable(L);
    for (size_t line = 1; line < lines->capacity; line++) {
      if (lines->counts[line] == 0) continue;
      lua_pushinteger(L, lines->counts[line]);
      lua_rawseti(L, -2, (lua_Integer)line);
    }
    lua_setfield(L, -2, lines->file);
  }
  return 1;
}

/* }==================================================================== */

void ae_trace_init (lua_State *L, ae_trace *trace, int files) {
  lua_Integer count;
  trace->last = &trace->first;
  if (lua_isnoneornil(L, files)) return;
  count = luaL_len(L, files);
  trace->files = calloc((size_t)count + 1, sizeof *trace->files);
  if (trace->files == NULL) {
    luaL_error(L, "not enough memory");
    return;
  }
  for (lua_Integer i = 1; i <= count; i++) {
    lua_geti(L, files, i);
    trace->files[i - 1].file = strdup(luaL_checkstring(L, -1));
    if (trace->files[i - 1].file == NULL) luaL_error(L, "not enough memory");
    trace->file_count++;
    lua_pop(L, 1);
  }
}

void ae_trace_free (ae_trace *trace) {
  while (trace->first != NULL) drop_first(trace);
  for (size_t i = 0; i < trace->file_count; i++) {
    free(trace->files[i].file);
    free(trace->files[i].counts);
  }
  for (size_t i = 0; i < trace->passed; i++) free(trace->names[i]);
  free(trace->files);
  free(trace->names);
  memset(trace, 0, sizeof *trace);
}
