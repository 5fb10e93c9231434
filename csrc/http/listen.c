/*
** listen.c: see listen.h.
*/
#include "http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

static int open_socket (const struct addrinfo *address) {
  int on = 1, s = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (s < 0) return -1;
  if (setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(s, address->ai_addr, address->ai_addrlen) == 0 && listen(s, BACKLOG) == 0)
    return s;
  on = errno;
  close(s);
  errno = on;
  return -1;
}

/* Reads the socket's real port, and whether it is bound to every address. */
static void read_name (int s, uint16_t *port, bool *everywhere) {
  struct sockaddr_storage address;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  socklen_t size = sizeof address;
  *everywhere = false;
  if (getsockname(s, (struct sockaddr *)&address, &size) != 0) return;
  memcpy(&v4, &address, sizeof v4);
  memcpy(&v6, &address, sizeof v6);
  if (address.ss_family == AF_INET6) {
    *port = ntohs(v6.sin6_port);
    *everywhere = IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr);
  } else {
    *port = ntohs(v4.sin_port);
    *everywhere = v4.sin_addr.s_addr == htonl(INADDR_ANY);
  }
}

static const char *advice (int number) {
  switch (number) {
    case EADDRINUSE: return "another program uses it: stop that one, or choose another port";
    case EACCES: return "this user may not: choose a port above 1023";
    case EADDRNOTAVAIL: return "this machine does not have that address";
    default: return strerror(number);
  }
}

int ae_listen (const char *host, uint16_t *port, bool *everywhere, ae_error *error) {
  struct addrinfo hints, *list = NULL;
  char service[8];
  int s;
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  snprintf(service, sizeof service, "%u", (unsigned)*port);
  if (getaddrinfo(host, service, &hints, &list) != 0) {
    ae_fail(error, AE_NETWORK, 0, "cannot listen on %.80s:%u: there is no such address", host,
            (unsigned)*port);
    return -1;
  }
  s = open_socket(list);
  if (s < 0)
    ae_fail(error, AE_NETWORK, 0, "cannot listen on %.80s:%u: %.100s", host, (unsigned)*port,
            advice(errno));
  else read_name(s, port, everywhere);
  freeaddrinfo(list);
  return s;
}
