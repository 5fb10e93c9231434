/*
** aside_command.c: programs, without a shell; see aside.h.
*/
#include "host/aside_private.h"
#include "host/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* What a group of processes has to end after SIGTERM. */
#define GRACE_NS 2000000000
/* Longest pause between two looks at the program and at whether it is to be ended. */
#define LOOK_MS 50
/* Exit status "try again later" (sysexits.h: EX_TEMPFAIL). */
#define TRY_AGAIN 75

/* A program under way. */
typedef struct program {
  ae_action *action;
  pid_t child;
  int in, out;   /* the host's ends of its pipes; -1: closed */
  ae_slice left; /* of the input */
  bool ended;    /* it has ended, and is still to be waited for */
  long pause;    /* milliseconds, of the next look at a program that has closed its output */
} program;

/* Starting. */

/* Default signals, and a process group of its own. Returns 0 or an errno. */
static int set_attributes (posix_spawnattr_t *attributes) {
  int result = posix_spawnattr_setpgroup(attributes, 0);
  return result == 0 ? ae_spawn_signals(attributes, POSIX_SPAWN_SETPGROUP) : result;
}

/* Returns 0 or an errno. */
static int set_files (posix_spawn_file_actions_t *files, const char *folder, int in, int out) {
  int result = posix_spawn_file_actions_adddup2(files, in, STDIN_FILENO);
  if (result == 0) result = posix_spawn_file_actions_adddup2(files, out, STDOUT_FILENO);
  if (result == 0) result = posix_spawn_file_actions_adddup2(files, out, STDERR_FILENO);
  if (result == 0 && folder != NULL)
    result = posix_spawn_file_actions_addchdir_np(files, folder);
  return result == 0 ? ae_spawn_close_others(files) : result;
}

/* The variables that a program gets: these of the host, and ALTINN_EVENTS_KEY. */
static void choose_variables (char *variables[8], char *key) {
  static const char *const kept[] = {"PATH=", "HOME=", "LANG="};
  size_t count = 0;
  for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
    for (char **one = environ; one != NULL && *one != NULL; one++)
      if (strncmp(*one, kept[i], strlen(kept[i])) == 0) {
        variables[count++] = *one;
        break;
      }
  variables[count++] = key;
  variables[count] = NULL;
}

/* Returns 0 or an errno. */
static int spawn (program *one, int in, int out) {
  ae_action *action = one->action;
  char *variables[8], key[1024];
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  int result = ae_spawn_init(&files, &attributes);
  if (result != 0) return result;
  (void)snprintf(key, sizeof key, "ALTINN_EVENTS_KEY=%s", action->key);
  choose_variables(variables, key);
  result = set_attributes(&attributes);
  if (result == 0) result = set_files(&files, action->place, in, out);
  if (result == 0)
    result = posix_spawnp(&one->child, action->arguments[0], &files, &attributes,
                          action->arguments, variables);
  ae_spawn_free(&files, &attributes);
  return result;
}

static void close_end (int *end) {
  if (*end >= 0) (void)close(*end);
  *end = -1;
}

/* Both ends of a pipe: neither is one of the first three descriptors, which the program's
** own ends would overwrite. Returns 0 or an errno. */
static int open_pipe (int ends[2]) {
  int raw[2];
  if (pipe2(raw, O_CLOEXEC) != 0) return errno;
  for (int i = 0; i < 2; i++) {
    ends[i] = raw[i];
    if (raw[i] >= AE_SPAWN_FIRST_OTHER) continue;
    ends[i] = fcntl(raw[i], F_DUPFD_CLOEXEC, AE_SPAWN_FIRST_OTHER);
    (void)close(raw[i]);
  }
  if (ends[0] >= 0 && ends[1] >= 0) return 0;
  close_end(&ends[0]);
  close_end(&ends[1]);
  return EMFILE;
}

static bool never_wait (int file) {
  int flags = fcntl(file, F_GETFL);
  return flags >= 0 && fcntl(file, F_SETFL, flags | O_NONBLOCK) == 0;
}

/* Starts the program with its pipes. Returns 0 or an errno. */
static int start (program *one) {
  int in[2] = {-1, -1}, out[2] = {-1, -1};
  int result = open_pipe(in);
  if (result == 0) result = open_pipe(out);
  if (result == 0 && !(never_wait(in[1]) && never_wait(out[0]))) result = errno;
  if (result == 0) result = spawn(one, in[0], out[1]);
  close_end(&in[0]);
  close_end(&out[1]);
  if (result != 0) {
    close_end(&in[1]);
    close_end(&out[0]);
  }
  one->in = in[1];
  one->out = out[0];
  return result;
}

/* Talking. */

/* Writes as much of the input as the pipe takes. A program may leave its input unread. */
static void feed (program *one) {
  while (one->left.length > 0) {
    ssize_t written = write(one->in, one->left.data, one->left.length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0) break;
    one->left.data += written;
    one->left.length -= (size_t)written;
  }
  close_end(&one->in);
}

/* Reads what there is of the output, and keeps its first bytes. */
static void listen_to (program *one) {
  ae_action *action = one->action;
  char bytes[4096];
  for (int i = 0; i < 64; i++) { /* a program that never stops writing has its time too */
    size_t room = sizeof action->answer - action->answer_length, kept;
    ssize_t got = read(one->out, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      close_end(&one->out);
      return;
    }
    kept = (size_t)got < room ? (size_t)got : room;
    memcpy(action->answer + action->answer_length, bytes, kept);
    action->answer_length += kept;
  }
}

/* Whether the program has ended; it stays to be waited for, so that its number, and that
** of its group, belong to nobody else. */
static bool has_ended (program *one) {
  siginfo_t about;
  about.si_pid = 0;
  if (!one->ended && waitid(P_PID, (id_t)one->child, &about, WEXITED | WNOHANG | WNOWAIT) == 0)
    one->ended = about.si_pid == one->child;
  else if (!one->ended && errno == ECHILD) one->ended = true;
  return one->ended;
}

/* Waits a while for the pipes, or for the program when it has closed them. */
static void turn (program *one, int64_t left) {
  struct pollfd ends[2] = {{one->in, POLLOUT, 0}, {one->out, POLLIN, 0}};
  long most = left / 1000000 + 1 < LOOK_MS ? (long)(left / 1000000 + 1) : LOOK_MS;
  if (one->out < 0) {
    most = one->pause < most ? one->pause : most;
    one->pause = one->pause * 2 < LOOK_MS ? one->pause * 2 : LOOK_MS;
  }
  (void)poll(ends, 2, (int)most);
  if (one->in >= 0 && ends[0].revents != 0) feed(one);
  if (one->out >= 0 && ends[1].revents != 0) listen_to(one);
}

/* Serves the program until it ends. False: it was to be ended, or `until` has passed. */
static bool serve (program *one, int64_t until, const atomic_bool *stopping) {
  while (!has_ended(one)) {
    int64_t left = until - ae_aside_now();
    if (left <= 0 ||
        (stopping != NULL && (atomic_load(stopping) || atomic_load(&one->action->dropped))))
      return false;
    turn(one, left);
  }
  if (one->out >= 0) listen_to(one); /* what it wrote last; children of its own may go on */
  return true;
}

/* Ends the whole group. */
static void end_group (program *one) {
  (void)kill(-one->child, SIGTERM);
  (void)serve(one, ae_aside_now() + GRACE_NS, NULL);
  (void)kill(-one->child, SIGKILL);
}

static void judge (ae_action *action, int status) {
  if (status == -1) {
    ae_aside_say(action, AE_ASIDE_UNKNOWN, "how it ended is not known");
  } else if (WIFSIGNALED(status)) {
    ae_aside_say(action, AE_ASIDE_UNKNOWN, "signal %d ended it", WTERMSIG(status));
  } else {
    action->code = WEXITSTATUS(status);
    if (action->code == 0) ae_aside_say(action, AE_ASIDE_SENT, "%s", "");
    else
      ae_aside_say(action, AE_ASIDE_REFUSED, "it ended with status %d%s", action->code,
                   action->code == TRY_AGAIN ? ", to be tried again" : "");
  }
}

static void explain_start (ae_action *action, int number) {
  const char *name = action->arguments[0];
  if (action->place != NULL && access(action->place, X_OK) != 0) {
    ae_aside_explain(action->text, action->place, errno);
    action->outcome = AE_ASIDE_NOT_SENT;
    return;
  }
  switch (number) {
    case ENOENT:
      ae_aside_say(action, AE_ASIDE_NOT_SENT,
                   "%s: it is not there, or the interpreter of its first line is not", name);
      break;
    case EACCES:
      ae_aside_say(action, AE_ASIDE_NOT_SENT,
                   "%s: the user that the host runs as may not execute it: chmod +x", name);
      break;
    case ENOEXEC:
      ae_aside_say(action, AE_ASIDE_NOT_SENT,
                   "%s: it is no program: a script's first line is #!, and its interpreter",
                   name);
      break;
    case E2BIG:
      ae_aside_say(action, AE_ASIDE_REFUSED,
                   "%s: its arguments are too long: give it its data by standard input", name);
      break;
    default: ae_aside_say(action, AE_ASIDE_NOT_SENT, "%s: %s", name, strerror(number)); break;
  }
}

void ae_aside_run (ae_action *action, const atomic_bool *stopping) {
  program one = {action, -1, -1, -1, action->body, false, 1};
  int64_t until = ae_aside_now() + (int64_t)action->timeout * 1000000000;
  int result = start(&one);
  bool whole;
  if (result != 0) {
    explain_start(action, result);
    return;
  }
  whole = serve(&one, until, stopping);
  if (!whole) end_group(&one);
  judge(action, ae_spawn_wait(one.child));
  close_end(&one.in);
  close_end(&one.out);
  if (whole) return;
  if (atomic_load(stopping))
    ae_aside_say(action, AE_ASIDE_UNKNOWN, "the host stopped and ended it");
  else if (atomic_load(&action->dropped))
    ae_aside_say(action, AE_ASIDE_UNKNOWN, "it was given up");
  else
    ae_aside_say(action, AE_ASIDE_UNKNOWN, "it took longer than %u s and was ended",
                 (unsigned)action->timeout);
}
