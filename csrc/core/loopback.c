/*
** loopback.c: see loopback.h.
*/
#include "core/loopback.h"

static bool is_localhost (ae_slice host) {
  static const char name[] = "localhost";
  if (host.length != sizeof name - 1) return false;
  for (size_t i = 0; i < host.length; i++)
    if ((host.data[i] | 0x20) != name[i]) return false;
  return true;
}

/* One number of an IPv4 address, from *at on: 0 to 255, without a sign. */
static bool read_octet (ae_slice host, size_t *at, unsigned *octet) {
  size_t begin = *at;
  *octet = 0;
  for (; *at < host.length && *at - begin < 3; (*at)++) {
    char c = host.data[*at];
    if (c < '0' || c > '9') break;
    *octet = *octet * 10 + (unsigned)(c - '0');
  }
  return *at > begin && *octet <= 255;
}

static bool is_net_127 (ae_slice host) {
  size_t at = 0;
  for (int number = 0; number < 4; number++) {
    unsigned octet;
    if (number > 0 && (at >= host.length || host.data[at++] != '.')) return false;
    if (!read_octet(host, &at, &octet) || (number == 0 && octet != 127)) return false;
  }
  return at == host.length;
}

bool ae_host_is_loopback (ae_slice host) {
  return is_localhost(host) || is_net_127(host) || ae_slice_equal(host, AE_LITERAL("::1")) ||
         ae_slice_equal(host, AE_LITERAL("[::1]"));
}
