/*
** server_loop.c: the thread that runs libmicrohttpd for server.c, and that
** takes the signals. As in receiver_loop.c the daemon is run from outside:
** its own thread may sleep with work to do, and a signal of our own tells of
** connections that are resumed.
*/
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "http/server_private.h"

#define TICK_MS 500

bool ae_server_take_signals (ae_server *server) {
  struct sigaction ignore;
  sigset_t set;
  memset(&ignore, 0, sizeof ignore);
  ignore.sa_handler = SIG_IGN;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  if (pthread_sigmask(SIG_BLOCK, &set, &server->mask) != 0) return false;
  (void)sigaction(SIGPIPE, &ignore, &server->pipe);
  server->signals = true;
  server->signal_descriptor = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  return server->signal_descriptor >= 0;
}

void ae_server_leave_signals (ae_server *server) {
  if (!server->signals) return;
  server->signals = false;
  if (server->signal_descriptor >= 0) close(server->signal_descriptor);
  server->signal_descriptor = -1;
  (void)sigaction(SIGPIPE, &server->pipe, NULL);
  (void)pthread_sigmask(SIG_SETMASK, &server->mask, NULL);
}

static void raise_event (int descriptor) {
  uint64_t one = 1;
  if (write(descriptor, &one, sizeof one) < 0) return; /* it is raised already */
}

void ae_server_loop_wake (ae_server *server) {
  raise_event(server->wake);
}

static void take_signal (ae_server *server) {
  struct signalfd_siginfo info;
  if (read(server->signal_descriptor, &info, sizeof info) != sizeof info) return;
  atomic_store(&server->signal, (int)info.ssi_signo);
  raise_event(server->ready);
}

static int pause_ms (ae_server *server) {
  MHD_UNSIGNED_LONG_LONG timeout;
  if (MHD_get_timeout(server->daemon, &timeout) != MHD_YES || timeout > TICK_MS)
    return TICK_MS;
  return (int)timeout;
}

/* libmicrohttpd may send files by sendfile, which knows no MSG_NOSIGNAL. */
static void block_pipe (void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void *loop_main (void *argument) {
  ae_server *server = argument;
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon,
                                                         MHD_DAEMON_INFO_EPOLL_FD);
  struct pollfd events[3] = {
    {info->epoll_fd, POLLIN, 0},
    {server->wake, POLLIN, 0},
    {server->signal_descriptor, POLLIN, 0} /* poll passes over -1 */
  };
  block_pipe();
  while (atomic_load(&server->running)) {
    uint64_t value;
    (void)poll(events, 3, pause_ms(server));
    if (events[1].revents != 0 && read(server->wake, &value, sizeof value) < 0)
      events[1].revents = 0;
    if (events[2].revents != 0) take_signal(server);
    (void)MHD_run(server->daemon);
  }
  return NULL;
}

bool ae_server_loop_start (ae_server *server) {
  atomic_store(&server->running, true);
  server->started = pthread_create(&server->thread, NULL, loop_main, server) == 0;
  return server->started;
}

void ae_server_loop_stop (ae_server *server) {
  atomic_store(&server->running, false);
  if (!server->started) return;
  ae_server_loop_wake(server);
  pthread_join(server->thread, NULL);
  server->started = false;
}
