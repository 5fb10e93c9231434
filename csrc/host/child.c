/*
** child.c: see child.h.
*/
#include "host/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/spawn.h"

extern char **environ;

/* The most children that are attended to at the same time. */
#define MOST 512

/* Pipes. */

static void close_end (int *end) {
  if (*end >= 0) (void)close(*end);
  *end = -1;
}

static void close_ends (int ends[AE_CHILD_STREAM_COUNT]) {
  for (int i = 0; i < AE_CHILD_STREAM_COUNT; i++) close_end(&ends[i]);
}

/* A descriptor above those that the child gives a meaning. Closes `end`. */
static int raised (int end) {
  int other;
  if (end < 0 || end > AE_CHILD_REPORT) return end;
  other = fcntl(end, F_DUPFD_CLOEXEC, AE_CHILD_REPORT + 1);
  (void)close(end);
  return other;
}

static bool never_waits (int end) {
  int flags = fcntl(end, F_GETFL);
  return flags >= 0 && fcntl(end, F_SETFL, flags | O_NONBLOCK) == 0;
}

/* Opens the pipes: the parent's ends never wait. Returns 0 or an errno. */
static int open_pipes (int mine[AE_CHILD_STREAM_COUNT], int its[AE_CHILD_STREAM_COUNT]) {
  for (int i = 0; i < AE_CHILD_STREAM_COUNT; i++) mine[i] = its[i] = -1;
  for (int i = 0; i < AE_CHILD_STREAM_COUNT; i++) {
    int ends[2];
    bool good = pipe2(ends, O_CLOEXEC) == 0;
    if (good) {
      mine[i] = raised(ends[0]);
      its[i] = raised(ends[1]);
      good = mine[i] >= 0 && its[i] >= 0 && never_waits(mine[i]);
    }
    if (!good) {
      int result = errno;
      close_ends(mine);
      close_ends(its);
      return result;
    }
  }
  return 0;
}

/* Forking. */

static void default_signals (void) {
  static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE};
  sigset_t none;
  for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) (void)signal(taken[i], SIG_DFL);
  sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Gives the child's descriptors their numbers. */
static bool set_descriptors (const int its[AE_CHILD_STREAM_COUNT]) {
  int nothing = raised(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0) return false;
  if (dup2(its[AE_CHILD_OUT], STDOUT_FILENO) < 0 || dup2(its[AE_CHILD_ERR], STDERR_FILENO) < 0)
    return false;
  if (dup2(its[AE_CHILD_TOLD], AE_CHILD_REPORT) < 0 ||
      fcntl(AE_CHILD_REPORT, F_SETFD, FD_CLOEXEC) < 0)
    return false;
  closefrom(AE_CHILD_REPORT + 1);
  return true;
}

/* The signal that a child gets when its parent has ended, whatever it may block. */
#define ORPHANED (SIGRTMIN + 6)

static void end_own_group (int number) {
  (void)number;
  (void)kill(0, SIGKILL);
}

static void begin_inside (pid_t parent, const int its[AE_CHILD_STREAM_COUNT]) {
  (void)setpgid(0, 0);
  default_signals();
  (void)signal(ORPHANED, end_own_group);
  (void)prctl(PR_SET_PDEATHSIG, ORPHANED);
  if (getppid() != parent || !set_descriptors(its)) _exit(EXIT_FAILURE);
}

int ae_child_fork (ae_child *child, bool *inside) {
  int its[AE_CHILD_STREAM_COUNT], result = open_pipes(child->ends, its);
  child->pid = -1;
  child->owner = getpid();
  child->ended = false;
  *inside = false;
  if (result != 0) return result;
  (void)fflush(NULL); /* what the parent has still to write is not the child's to write */
  child->pid = fork();
  if (child->pid == 0) {
    *inside = true;
    child->pid = -1;
    begin_inside(child->owner, its);
    return 0;
  }
  result = child->pid < 0 ? errno : 0;
  close_ends(its);
  if (result != 0) close_ends(child->ends);
  else (void)setpgid(child->pid, child->pid);
  return result;
}

/* Starting a program. */

/* Returns 0 or an errno. */
static int set_files (posix_spawn_file_actions_t *files, int input,
                      const int its[AE_CHILD_STREAM_COUNT]) {
  int result = posix_spawn_file_actions_adddup2(files, input, STDIN_FILENO);
  if (result == 0)
    result = posix_spawn_file_actions_adddup2(files, its[AE_CHILD_OUT], STDOUT_FILENO);
  if (result == 0)
    result = posix_spawn_file_actions_adddup2(files, its[AE_CHILD_ERR], STDERR_FILENO);
  return result == 0 ? ae_spawn_close_others(files) : result;
}

/* Returns 0 or an errno. */
static int spawn (ae_child *child, char *const arguments[], int input,
                  const int its[AE_CHILD_STREAM_COUNT]) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  int result = ae_spawn_init(&files, &attributes);
  if (result != 0) return result;
  result = posix_spawnattr_setpgroup(&attributes, 0);
  if (result == 0) result = ae_spawn_signals(&attributes, POSIX_SPAWN_SETPGROUP);
  if (result == 0) result = set_files(&files, input, its);
  if (result == 0)
    result = posix_spawnp(&child->pid, arguments[0], &files, &attributes, arguments, environ);
  ae_spawn_free(&files, &attributes);
  return result;
}

/* A file without a name that holds the text, at its beginning; -1 with errno. */
static int file_of (ae_slice text) {
  FILE *file = tmpfile();
  int copy = -1;
  if (file == NULL) return -1;
  if (fwrite(text.data, 1, text.length, file) == text.length && fflush(file) == 0 &&
      lseek(fileno(file), 0, SEEK_SET) == 0)
    copy = fcntl(fileno(file), F_DUPFD_CLOEXEC, AE_CHILD_REPORT + 1);
  (void)fclose(file);
  return copy;
}

int ae_child_spawn (ae_child *child, char *const arguments[], ae_slice input) {
  int its[AE_CHILD_STREAM_COUNT], file, result = open_pipes(child->ends, its);
  child->pid = -1;
  child->owner = getpid();
  child->ended = false;
  if (result != 0) return result;
  file = file_of(input);
  result = file < 0 ? errno : spawn(child, arguments, file, its);
  close_end(&file);
  close_ends(its);
  if (result != 0) {
    child->pid = -1;
    close_ends(child->ends);
  }
  return result;
}

/* Attending. */

ssize_t ae_child_read (ae_child *child, ae_child_stream stream, char *bytes, size_t size) {
  int *end = &child->ends[stream];
  ssize_t got;
  if (*end < 0) return -1;
  do got = read(*end, bytes, size);
  while (got < 0 && errno == EINTR);
  if (got > 0) return got;
  if (got < 0 && errno == EAGAIN) return 0;
  close_end(end);
  return -1;
}

bool ae_child_has_ended (ae_child *child) {
  siginfo_t about;
  if (child->ended || child->pid < 0) return true;
  about.si_pid = 0;
  /* It stays to be waited for, so that the number of its group belongs to nobody else. */
  if (waitid(P_PID, (id_t)child->pid, &about, WEXITED | WNOHANG | WNOWAIT) == 0 &&
      about.si_pid != child->pid)
    return false;
  (void)kill(-child->pid, SIGKILL);
  child->status = ae_spawn_wait(child->pid);
  child->ended = true;
  return true;
}

void ae_child_signal (const ae_child *child, int number, bool group) {
  assert(child->owner == getpid());
  if (child->pid > 0 && !child->ended) (void)kill(group ? -child->pid : child->pid, number);
}

void ae_child_close (ae_child *child) {
  if (child->owner != getpid()) return;
  if (child->pid > 0 && !child->ended) {
    (void)kill(-child->pid, SIGKILL);
    child->status = ae_spawn_wait(child->pid);
    child->ended = true;
  }
  close_ends(child->ends);
}

/* Those that are left. */

/* Reads the list of children that the kernel keeps: numbers with blanks between them. The
** last number may be cut: the next round has it. */
static size_t read_children (char *list, size_t size) {
  char path[64];
  size_t length = 0;
  FILE *file;
  (void)snprintf(path, sizeof path, "/proc/self/task/%jd/children", (intmax_t)getpid());
  file = fopen(path, "re");
  if (file == NULL) return 0;
  length = fread(list, 1, size - 1, file);
  (void)fclose(file);
  while (length > 0 && list[length - 1] != ' ') length--;
  list[length] = '\0';
  return length;
}

/* Whether all children of this process are its own. A shell that has started others may have
** become this process by exec: what they leave cannot be told from what ours leave. */
static bool all_are_ours;

/* The signal that came last, until somebody attends to it. */
static volatile sig_atomic_t came;

static void on_signal (int number) {
  came = number;
}
static void on_child (int number) {
  (void)number;
}

static void take (int number, void (*handler)(int)) {
  struct sigaction action;
  action.sa_handler = handler;
  action.sa_flags = 0;
  sigemptyset(&action.sa_mask);
  (void)sigaction(number, &action, NULL);
}

void ae_child_take_signals (void) {
  static const int taken[] = {SIGINT, SIGTERM, SIGHUP};
  char list[64];
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGCHLD);
  for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
    sigaddset(&blocked, taken[i]);
    take(taken[i], on_signal);
  }
  take(SIGCHLD, on_child);
  take(SIGPIPE, SIG_IGN);
  (void)sigprocmask(SIG_BLOCK, &blocked, NULL); /* but for the time of ae_child_attend */
  all_are_ours = read_children(list, sizeof list) == 0;
  if (all_are_ours) (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

int ae_child_attend (ae_child *const children[], size_t count, int milliseconds) {
  struct pollfd ends[MOST * AE_CHILD_STREAM_COUNT];
  struct timespec pause = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
  sigset_t none;
  nfds_t used = 0;
  int number;
  for (size_t i = 0; i < count && i < MOST; i++)
    for (int stream = 0; stream < AE_CHILD_STREAM_COUNT; stream++)
      if (children[i]->ends[stream] >= 0)
        ends[used++] = (struct pollfd){children[i]->ends[stream], POLLIN, 0};
  sigemptyset(&none);
  (void)ppoll(ends, used, &pause, &none);
  number = came;
  came = 0;
  return number;
}

void ae_child_end_orphans (void) {
  char list[4096];
  for (int round = 0; all_are_ours && round < 1000 && read_children(list, sizeof list) > 0;
       round++) {
    char *rest = list; /* the children of those that end come to us */
    while (*rest != '\0' && *rest != ' ') {
      pid_t pid = (pid_t)strtoimax(rest, &rest, 10);
      if (pid <= 0) break;
      (void)kill(pid, SIGKILL);
      (void)ae_spawn_wait(pid);
      if (*rest == ' ') rest++;
    }
  }
}

void ae_child_end_with_parent (void) {
  (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
}
