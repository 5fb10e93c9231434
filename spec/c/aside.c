/*
** aside.c: actions carried out aside (csrc/host/aside.h) without a host: what each kind does to the
** outside world, and that targets do not wait for each other. `aside PART FOLDER`.
*/
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/aside_private.h"

#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      printf("line %d: %s\n", __LINE__, #condition); \
      exit(1); \
    } \
  } while (0)

#define SECOND INT64_C(1000000000)

static ae_aside *aside;
static ae_queue queue;
static char folder[512];

static char *keep (const char *text) {
  char *copy = malloc(strlen(text) + 1);
  CHECK(copy != NULL);
  return strcpy(copy, text);
}

static const char *path (const char *name) {
  char text[1024];
  snprintf(text, sizeof text, "%s/%s", folder, name);
  return keep(text);
}

/* Texts are kept for ever. */
static ae_action *action (ae_aside_kind kind, int64_t ticket, const char *target) {
  ae_action *one = calloc(1, sizeof *one);
  CHECK(one != NULL);
  one->kind = kind;
  one->queue = &queue;
  one->ticket = ticket;
  one->target = keep(target);
  one->key = keep("out:key");
  one->timeout = 20;
  return one;
}

static ae_slice slice (const char *text) { return (ae_slice){text, strlen(text)}; }

static ae_action *file (int64_t ticket, const char *name, const char *text) {
  ae_action *one = action(AE_ASIDE_FILE, ticket, "out");
  one->place = folder;
  one->name = keep(name);
  one->body = slice(keep(text));
  return one;
}

static ae_action *line (int64_t ticket, const char *name, const char *text, bool again) {
  ae_action *one = action(AE_ASIDE_APPEND, ticket, "list");
  one->place = path(name);
  one->body = slice(keep(text));
  one->again = again;
  one->at_once = 1;
  return one;
}

static ae_action *command (int64_t ticket, const char *target, const char *script) {
  ae_action *one = action(AE_ASIDE_COMMAND, ticket, target);
  one->arguments = calloc(5, sizeof(char *));
  CHECK(one->arguments != NULL);
  one->arguments[0] = keep("sh");
  one->arguments[1] = keep("-c");
  one->arguments[2] = keep(script);
  return one;
}

/* The next answer; the caller frees it. */
static ae_action *next (void) {
  int64_t until = ae_aside_now() + 60 * SECOND;
  for (;;) {
    ae_message *message = ae_queue_take(&queue, 1);
    if (message != NULL) {
      CHECK(message->kind == AE_MESSAGE_ASIDE);
      return (ae_action *)(void *)message;
    }
    CHECK(ae_aside_now() < until);
    ae_queue_wait(&queue, 1000);
  }
}

static void expect (ae_action *one, ae_aside_outcome outcome) {
  ae_action *answer;
  ae_aside_begin(aside, one);
  answer = next();
  if (answer->outcome != outcome) printf("%d: %s\n", (int)answer->outcome, answer->text);
  CHECK(answer->outcome == outcome);
  CHECK((answer->text[0] == '\0') == (outcome == AE_ASIDE_SENT));
  free(answer);
}

static bool holds (const char *name, const char *wanted) {
  static char bytes[1 << 20];
  FILE *stream = fopen(path(name), "rb");
  size_t length;
  if (stream == NULL) return false;
  length = fread(bytes, 1, sizeof bytes, stream);
  fclose(stream);
  if (length == strlen(wanted) && memcmp(bytes, wanted, length) == 0) return true;
  printf("%s holds: %.*s\n", name, (int)length, bytes);
  return false;
}

static void put (const char *name, const char *text) {
  FILE *stream = fopen(path(name), "wb");
  CHECK(stream != NULL && fputs(text, stream) >= 0 && fclose(stream) == 0);
}

static void files (void) {
  struct stat about;
  char name[32], text[64];
  umask(027);
  expect(file(1, "one", "first"), AE_ASIDE_SENT);
  CHECK(holds("one", "first"));
  CHECK(stat(path("one"), &about) == 0 && (about.st_mode & 0777) == 0640);
  expect(file(1, "one", "second"), AE_ASIDE_SENT);
  CHECK(holds("one", "second"));
  expect(file(1, "empty", ""), AE_ASIDE_SENT);
  CHECK(holds("empty", ""));
  expect(file(1, "../one", "x"), AE_ASIDE_REFUSED);
  expect(file(1, ".one", "x"), AE_ASIDE_REFUSED);
  CHECK(mkdir(path("deep"), 0700) == 0);
  expect(file(1, "deep", "x"), AE_ASIDE_NOT_SENT);
  CHECK(!holds(".deep.tmp-0000000000000000", ""));
  for (int i = 0; i < 200; i++) {
    snprintf(name, sizeof name, "many-%d", i);
    snprintf(text, sizeof text, "content of %d", i);
    ae_aside_begin(aside, file(i, name, text));
  }
  for (int i = 0; i < 200; i++) {
    ae_action *answer = next();
    CHECK(answer->outcome == AE_ASIDE_SENT);
    snprintf(name, sizeof name, "many-%d", (int)answer->ticket);
    snprintf(text, sizeof text, "content of %d", (int)answer->ticket);
    CHECK(holds(name, text));
    free(answer);
  }
}

/* A line of which the disk takes a part only leaves nothing of it. */
static void too_full (void) {
  struct rlimit all, few;
  put("full", "whole\n");
  signal(SIGXFSZ, SIG_IGN);
  CHECK(getrlimit(RLIMIT_FSIZE, &all) == 0);
  few = all;
  few.rlim_cur = 10;
  CHECK(setrlimit(RLIMIT_FSIZE, &few) == 0);
  expect(line(1, "full", "does not fit", false), AE_ASIDE_NOT_SENT);
  CHECK(setrlimit(RLIMIT_FSIZE, &all) == 0);
  CHECK(holds("full", "whole\n"));
  expect(line(1, "full", "fits", false), AE_ASIDE_SENT);
  CHECK(holds("full", "whole\nfits\n"));
}

static void lines (void) {
  ae_action *one;
  int other, count[100] = {0};
  FILE *stream;
  char text[64];
  one = line(1, "list", "a;1", false);
  one->header = "what;number";
  expect(one, AE_ASIDE_SENT);
  one = line(1, "list", "b;2", false);
  one->header = "what;number";
  expect(one, AE_ASIDE_SENT);
  CHECK(holds("list", "what;number\na;1\nb;2\n"));
  expect(line(1, "list", "a;1", true), AE_ASIDE_SENT); /* it is there */
  expect(line(1, "list", "1", true), AE_ASIDE_SENT);   /* a part of a line is not it */
  CHECK(holds("list", "what;number\na;1\nb;2\n1\n"));
  put("torn", "whole\nhal");
  expect(line(1, "torn", "c;3", false), AE_ASIDE_SENT);
  CHECK(holds("torn", "whole\nhal\nc;3\n"));
  put("own", "whole\nc;");
  expect(line(1, "own", "c;3", true), AE_ASIDE_SENT); /* its own beginning is completed */
  CHECK(holds("own", "whole\nc;3\n"));
  expect(line(1, "", "x", false), AE_ASIDE_NOT_SENT);
  too_full();
  other = open(path("list"), O_RDONLY);
  CHECK(other >= 0 && flock(other, LOCK_EX) == 0);
  one = line(1, "list", "locked", false);
  one->timeout = 1;
  expect(one, AE_ASIDE_NOT_SENT);
  close(other);
  for (int i = 0; i < 100; i++) {
    snprintf(text, sizeof text, "%d", i);
    one = line(i, "many", text, false);
    one->at_once = 4; /* the lock keeps them apart */
    ae_aside_begin(aside, one);
  }
  for (int i = 0; i < 100; i++) {
    one = next();
    CHECK(one->outcome == AE_ASIDE_SENT);
    free(one);
  }
  stream = fopen(path("many"), "rb");
  CHECK(stream != NULL);
  while (fgets(text, sizeof text, stream) != NULL) count[atoi(text)]++;
  fclose(stream);
  for (int i = 0; i < 100; i++) CHECK(count[i] == 1);
}

static void commands (void) {
  ae_action *one, *answer;
  static char much[1 << 20];
  one = command(1, "load", "cat; echo \" $ALTINN_EVENTS_KEY $0 ${SECRET-none}\" >&2");
  one->arguments[3] = keep("last");
  one->body = slice("hello");
  setenv("SECRET", "not for programs", 1);
  ae_aside_begin(aside, one);
  answer = next();
  CHECK(answer->outcome == AE_ASIDE_SENT && answer->code == 0);
  CHECK(ae_slice_equal((ae_slice){answer->answer, answer->answer_length}, AE_LITERAL("hello out:key last none\n")));
  free(answer);
  memset(much, 'x', sizeof much);
  one = command(1, "load", "exit 75"); /* does not read its input */
  one->body = (ae_slice){much, sizeof much};
  ae_aside_begin(aside, one);
  answer = next();
  CHECK(answer->outcome == AE_ASIDE_REFUSED && answer->code == 75);
  free(answer);
  one = command(1, "load", "cat; cat /dev/zero | head -c 3000000"); /* more than is kept */
  one->body = (ae_slice){much, sizeof much};
  ae_aside_begin(aside, one);
  answer = next();
  CHECK(answer->outcome == AE_ASIDE_SENT && answer->answer_length == AE_ASIDE_ANSWER);
  free(answer);
  expect(command(1, "load", "kill -9 $$"), AE_ASIDE_UNKNOWN);
  expect(command(1, "load", "sleep 3 & exit 0"), AE_ASIDE_SENT); /* its child has its output still */
  expect(command(1, "load", "exec >&- 2>&- <&-; sleep 0.2; exit 0"), AE_ASIDE_SENT);
  one = command(1, "load", "trap '' TERM; sleep 300; sleep 300");
  one->timeout = 1;
  expect(one, AE_ASIDE_UNKNOWN);
  one = command(1, "load", "");
  one->arguments[0] = keep("/nowhere/program");
  expect(one, AE_ASIDE_NOT_SENT);
  one = command(1, "load", "");
  one->place = path("nowhere");
  expect(one, AE_ASIDE_NOT_SENT);
  one = command(1, "load", "");
  one->arguments[0] = keep("grep"); /* a shell would begin with a mask of its own choice */
  one->arguments[1] = keep("SigBlk");
  one->arguments[2] = keep("/proc/self/status");
  ae_aside_begin(aside, one);
  answer = next();
  CHECK(ae_slice_equal((ae_slice){answer->answer, answer->answer_length}, AE_LITERAL("SigBlk:\t0000000000000000\n")));
  free(answer);
  one = command(1, "load", "pwd");
  one->place = "/";
  ae_aside_begin(aside, one);
  answer = next();
  CHECK(answer->answer_length == 2 && memcmp(answer->answer, "/\n", 2) == 0);
  free(answer);
}

/* Slow programs of some targets: files go on meanwhile, and another target's program too. */
static void turns (void) {
  for (int i = 0; i < 60; i++)
    ae_aside_begin(aside, command(1000 + i, i % 2 == 0 ? "slow" : "slower", "sleep 300"));
  for (int i = 0; i < 50; i++) {
    char name[32];
    snprintf(name, sizeof name, "file-%d", i);
    ae_aside_begin(aside, file(i, name, "x"));
  }
  ae_aside_begin(aside, command(100, "quick", "exit 0"));
  for (int i = 0; i < 51; i++) {
    ae_action *answer = next();
    CHECK(answer->ticket <= 100 && answer->outcome == AE_ASIDE_SENT);
    free(answer);
  }
  /* What is dropped ends, and the next of its line begins. */
  for (int i = 0; i < 60; i++) ae_aside_drop(aside, &queue, 1000 + i);
  for (int i = 0; i < 8; i++) { /* four of each target were under way */
    ae_action *answer = next();
    CHECK(answer->ticket >= 1000 && answer->outcome == AE_ASIDE_UNKNOWN);
    free(answer);
  }
  ae_aside_begin(aside, command(1, "slow", "exit 0"));
  expect(command(1, "slower", "exit 0"), AE_ASIDE_SENT);
  free(next());
  /* Three targets take all programs that there may be, again and again: a fourth has its turn. */
  for (int i = 0; i < 120; i++)
    ae_aside_begin(aside, command(i % 3, i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c", "sleep 0.05"));
  ae_aside_begin(aside, command(100, "quick", "exit 0"));
  for (int i = 0, turn = 121; i < 121; i++) {
    ae_action *answer = next();
    if (answer->ticket == 100) turn = i;
    CHECK(i < 60 || turn < 60);
    free(answer);
  }
}

/* Slow programs of so many targets that they could take all threads: files go on meanwhile. */
static void crowd (void) {
  for (int i = 0; i < 60; i++) {
    char target[16];
    snprintf(target, sizeof target, "slow-%d", i % 6);
    ae_aside_begin(aside, command(1000 + i, target, "sleep 300"));
  }
  expect(file(1, "file", "x"), AE_ASIDE_SENT);
  expect(line(1, "lines", "x", false), AE_ASIDE_SENT);
}

/* A stop ends what is under way, and drops what is not. */
static void stop (void) {
  int64_t begun;
  for (int i = 0; i < 20; i++) ae_aside_begin(aside, command(i, "slow", "sleep 300"));
  ae_aside_begin(aside, command(100, "quick", "exit 0"));
  free(next());
  begun = ae_aside_now();
  CHECK(ae_aside_end(aside, begun + 30 * SECOND));
  for (int i = 0; i < 4; i++) {
    ae_action *answer = next();
    CHECK(answer->outcome == AE_ASIDE_UNKNOWN);
    free(answer);
  }
  CHECK(ae_queue_take(&queue, 1) == NULL);
  expect(file(1, "late", "x"), AE_ASIDE_NOT_SENT);
  ae_aside_free(aside);
  aside = ae_aside_new();
}

int main (int count, char **arguments) {
  static const struct {
    const char *name;
    void (*run)(void);
  } parts[] = {{"files", files}, {"lines", lines}, {"commands", commands}, {"turns", turns}, {"crowd", crowd}, {"stop", stop}};
  CHECK(count == 3 && ae_queue_init(&queue));
  snprintf(folder, sizeof folder, "%s", arguments[2]);
  aside = ae_aside_new();
  CHECK(aside != NULL);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    if (strcmp(parts[i].name, arguments[1]) == 0) parts[i].run();
  CHECK(ae_aside_end(aside, ae_aside_now() + 30 * SECOND));
  ae_aside_free(aside);
  ae_queue_free(&queue);
  printf("%s: fine\n", arguments[1]);
  return 0;
}
