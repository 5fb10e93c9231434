/*
** start.c: starts a server and posts an event until it answers 200.
** Usage: start PORT PATH EVENTS REST COMMAND...; REST: milliseconds to leave
** it alone before its memory is read. Prints ms=, rss= and pss= (KiB, its
** children too). The server is ended.
*/
#include "timer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 20.0

static pid_t server;

static void give_up (const char *message) {
  if (server > 0) kill(server, SIGKILL);
  bench_fail(message);
}

static pid_t launch (char **command) {
  pid_t pid = fork();
  int nowhere;
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  nowhere = open("/dev/null", O_RDWR);
  dup2(nowhere, 0);
  dup2(nowhere, 1);
  dup2(nowhere, 2);
  execvp(command[0], command);
  _exit(127);
}

static int connect_to (uint16_t port) {
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

/* One request on a connection of its own: whether it was answered 200. */
static bool post (uint16_t port, const char *request) {
  char answer[16];
  ssize_t got = 0;
  int fd = connect_to(port);
  if (fd < 0) return false;
  if (write(fd, request, strlen(request)) > 0) got = read(fd, answer, sizeof answer);
  close(fd);
  return got >= 12 && memcmp(answer + 9, "200", 3) == 0;
}

static void await (uint16_t port, const char *request) {
  double until = bench_now() + PATIENCE;
  while (!post(port, request)) {
    if (waitpid(server, NULL, WNOHANG) == server) {
      server = 0;
      give_up("the server has ended");
    }
    if (bench_now() > until) give_up("the server does not answer 200");
    usleep(100);
  }
}

/* Adds what /proc says of a process. */
static void weigh (pid_t pid, long *rss, long *pss) {
  char path[64], line[256];
  long value;
  FILE *file;
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
  file = fopen(path, "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "Rss: %ld", &value) == 1) *rss += value;
    else if (sscanf(line, "Pss: %ld", &value) == 1) *pss += value;
  }
  if (file != NULL) fclose(file);
}

static void report (double milliseconds) {
  char path[64];
  long rss = 0, pss = 0;
  int child;
  FILE *children;
  weigh(server, &rss, &pss);
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)server, (int)server);
  children = fopen(path, "r");
  while (children != NULL && fscanf(children, "%d", &child) == 1) weigh(child, &rss, &pss);
  if (children != NULL) fclose(children);
  printf("ms=%.2f rss=%ld pss=%ld\n", milliseconds, rss, pss);
}

int main (int count, char **words) {
  static char request[4096];
  bench_lines lines;
  double start;
  uint16_t port;
  if (count < 6) bench_fail("usage: start PORT PATH EVENTS REST COMMAND...");
  port = (uint16_t)atoi(words[1]);
  lines = bench_read(words[3]);
  snprintf(request, sizeof request, "POST %s HTTP/1.1\r\nHost: localhost\r\n"
           "Content-Type: application/cloudevents+json\r\nContent-Length: %zu\r\n\r\n%s",
           words[2], lines.list[0].length, lines.list[0].text);
  start = bench_now();
  server = launch(words + 5);
  await(port, request);
  start = bench_now() - start;
  usleep((useconds_t)atoi(words[4]) * 1000);
  report(start * 1000);
  kill(server, SIGTERM);
  waitpid(server, NULL, 0);
  return 0;
}
