/*
** state.c: see state.h.
*/
#include "lua/host/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <lauxlib.h>

#include "core/mask.h"
#include "inbox/ask.h"

#define SHOWN 16 /* runs in flight that are named of a rule */

/* Texts. */

/* Writes a text as a JSON string, identity numbers masked; "" without memory. */
static void quote (FILE *out, ae_slice text) {
  const size_t room = 6 * text.length + 3;
  char *masked = malloc(text.length + 1), *quoted = malloc(room);
  size_t size = 0;
  if (masked != NULL && quoted != NULL) {
    ae_mask(text, masked);
    size = ae_json_quote((ae_slice){masked, text.length}, quoted, room);
  }
  if (size > 0 && size < room) fwrite(quoted, 1, size, out);
  else fputs("\"\"", out);
  free(masked);
  free(quoted);
}

static void quote_text (FILE *out, const char *text) {
  quote(out, (ae_slice){text, strlen(text)});
}

/* Writes ms since 1970 as a time. */
static void moment (FILE *out, int64_t ms) {
  time_t seconds = (time_t)(ms / 1000);
  struct tm parts;
  char text[40] = "";
  if (gmtime_r(&seconds, &parts) != NULL)
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  fprintf(out, "\"%s.%03dZ\"", text, (int)(ms % 1000));
}

static const char *truth (bool value) {
  return value ? "true" : "false";
}

/* The host as a whole. */

static void write_inbox (FILE *out, ae_host *host) {
  char identity[AE_IDENTITY_SIZE];
  ae_error error;
  const bool stores = ae_inbox_health(host->shared.inbox, &error) == AE_OK;
  ae_inbox_identity_of(ae_inbox_key(host->shared.inbox), AE_INBOX_KEY_BYTES, identity);
  fprintf(out, ",\"inbox\":{\"id\":\"%s\",\"stores\":%s", identity, truth(stores));
  if (!stores) {
    fputs(",\"reason\":", out);
    quote_text(out, error.message);
  }
  fputc('}', out);
}

static void write_workers (FILE *out, const ae_host *host) {
  char why[160];
  fputs(",\"workers\":[", out);
  for (size_t i = 0; i < host->count; i++) {
    const bool turns = ae_worker_turns(&host->workers[i], i + 1, why, sizeof why);
    fprintf(out, "%s{\"number\":%zu,\"turns\":%s", i == 0 ? "" : ",", i + 1, truth(turns));
    if (!turns) {
      fputs(",\"reason\":", out);
      quote_text(out, why);
    }
    fputc('}', out);
  }
  fputc(']', out);
}

/* Breakers. */

typedef struct breakers {
  FILE *out;
  int64_t ahead; /* ms: of the wall clock, before the steady one */
  size_t count;
} breakers;

static void write_breaker (void *context, const ae_breaker *breaker) {
  breakers *b = context;
  if (breaker->pause == 0) return;
  fprintf(b->out, "%s{\"target\":", b->count++ == 0 ? "" : ",");
  quote_text(b->out, breaker->target);
  fputs(",\"since\":", b->out);
  moment(b->out, breaker->since + b->ahead);
  fputs(",\"next\":", b->out);
  moment(b->out, breaker->until + b->ahead);
  fprintf(b->out, ",\"trying\":%s}", truth(breaker->trying));
}

static void write_breakers (FILE *out, ae_host *host, int64_t now) {
  breakers b = {out, now - ae_clock_steady_ms(host->shared.clock), 0};
  fputs(",\"breakers\":[", out);
  ae_breakers_each(&host->shared.breakers, write_breaker, &b);
  fputc(']', out);
}

/* Runs in flight. */

typedef struct flight {
  ae_slice rule; /* the inbox keeps its text */
  int64_t sequence, began;
} flight;

typedef struct flights {
  flight *list;
  size_t count, room;
  bool whole; /* there was memory for all */
} flights;

static void collect (void *context, ae_slice rule, int64_t sequence, int64_t began) {
  flights *f = context;
  if (f->count == f->room) {
    const size_t room = f->room == 0 ? 64 : f->room * 2;
    flight *list = realloc(f->list, room * sizeof *list);
    f->whole = f->whole && list != NULL;
    if (list == NULL) return;
    f->list = list;
    f->room = room;
  }
  f->list[f->count++] = (flight){rule, sequence, began};
}

static int compare (const void *a, const void *b) {
  const flight *one = a, *other = b;
  const size_t shorter = one->rule.length < other->rule.length ? one->rule.length
                                                               : other->rule.length;
  int sign = memcmp(one->rule.data, other->rule.data, shorter);
  if (sign == 0)
    sign = (one->rule.length > other->rule.length) - (one->rule.length < other->rule.length);
  if (sign == 0) sign = (one->began > other->began) - (one->began < other->began);
  return sign != 0 ? sign
                   : (one->sequence > other->sequence) - (one->sequence < other->sequence);
}

/* Writes a rule; its `count` runs begin at `list`. */
static void write_rule (FILE *out, ae_host *host, const flight *list, size_t count) {
  const size_t at_once = ae_routes_at_once(&host->routes, list->rule);
  fputs("{\"rule\":", out);
  quote(out, list->rule);
  fprintf(out, ",\"in_flight\":%zu", count);
  if (at_once > 0) fprintf(out, ",\"at_once\":%zu", at_once);
  fputs(",\"oldest\":[", out);
  for (size_t i = 0; i < count && i < SHOWN; i++) {
    fprintf(out, "%s{\"event\":%" PRId64 ",\"since\":", i == 0 ? "" : ",", list[i].sequence);
    moment(out, list[i].began);
    fputc('}', out);
  }
  fputs("]}", out);
}

static void write_rules (FILE *out, ae_host *host, const flights *f) {
  fputs(",\"rules\":[", out);
  for (size_t from = 0, to; from < f->count; from = to) {
    to = from + 1;
    while (to < f->count && ae_slice_equal(f->list[to].rule, f->list[from].rule)) to++;
    if (from > 0) fputc(',', out);
    write_rule(out, host, &f->list[from], to - from);
  }
  fputc(']', out);
}

static void write_event (FILE *out, const flights *f, int64_t event) {
  size_t count = 0;
  fprintf(out, ",\"event\":{\"event\":%" PRId64 ",\"runs\":[", event);
  for (size_t i = 0; i < f->count; i++) {
    if (f->list[i].sequence != event) continue;
    fputs(count++ == 0 ? "{\"rule\":" : ",{\"rule\":", out);
    quote(out, f->list[i].rule);
    fputs(",\"since\":", out);
    moment(out, f->list[i].began);
    fputc('}', out);
  }
  fputs("]}", out);
}

static void write_flights (FILE *out, ae_host *host, const flights *f, int64_t event) {
  if (f->count > 0) qsort(f->list, f->count, sizeof *f->list, compare);
  write_rules(out, host, f);
  if (event != 0) write_event(out, f, event);
}

/* The whole. */

char *ae_state_text (ae_host *host, int64_t event, size_t *length) {
  const int64_t now = ae_clock_wall_ms(host->shared.clock);
  flights f = {NULL, 0, 0, true};
  char *text = NULL;
  FILE *out = open_memstream(&text, length);
  if (out == NULL) return NULL;
  ae_inbox_flying(host->shared.inbox, collect, &f);
  fputs("{\"now\":", out);
  moment(out, now);
  fputs(",\"started\":", out);
  moment(out, host->started);
  fprintf(out, ",\"draining\":%s,\"failed\":%s", truth(atomic_load(&host->draining)),
          truth(atomic_load(&host->shared.failed)));
  write_inbox(out, host);
  write_workers(out, host);
  write_breakers(out, host, now);
  write_flights(out, host, &f, event);
  fputs("}\n", out);
  free(f.list);
  if (fclose(out) == 0 && f.whole) return text;
  free(text);
  return NULL;
}

int ae_state_push (lua_State *L, ae_host *host) {
  size_t length;
  char *text = ae_state_text(host, luaL_optinteger(L, 2, 0), &length);
  if (text == NULL) return luaL_error(L, "not enough memory");
  lua_pushlstring(L, text, length);
  free(text);
  return 1;
}

/* The number of an event in "" or "/17": 0: none is asked for; -1: it is no number. */
static int64_t event_of (const char *path) {
  int64_t number = 0;
  if (*path == '\0') return 0;
  if (*path != '/' || path[1] == '\0') return -1;
  while (*++path != '\0') {
    if (*path < '0' || *path > '9' || number > INT64_MAX / 10 - 1) return -1;
    number = number * 10 + (*path - '0');
  }
  return number;
}

unsigned ae_state_answer (ae_host *host, const char *path, ae_admin_page *page) {
  const int64_t event = event_of(path);
  if (event < 0) return 404;
  page->body = ae_state_text(host, event, &page->length);
  page->json = true;
  return page->body == NULL ? 500 : 200;
}
