/*
** judge.c: the receiver alone: it reads and judges, and stores nothing.
** Prints its port and goes on until SIGTERM or SIGINT.
*/
#include "host/webhook.h"

#include <signal.h>
#include <stdio.h>

int main (void) {
  ae_webhook_options options = { .host = "127.0.0.1" };
  ae_webhook *receiver;
  ae_error error;
  sigset_t set;
  int taken;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
  if (ae_webhook_start(&options, &receiver, &error) != AE_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  printf("port=%u\n", ae_webhook_port(receiver));
  fflush(stdout);
  sigwait(&set, &taken);
  ae_webhook_stop(receiver);
  return 0;
}
