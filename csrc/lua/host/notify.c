/*
** notify.c: tells systemd how the service is (sd_notify(3): a datagram
** to the socket that NOTIFY_SOCKET names).
*/
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lua/compat.h"
#include "lua/host/host.h"

/* Fills the socket's address, and returns its length; 0: the name is no address. '@'
** stands for the leading NUL of an abstract socket. */
static socklen_t address_of (const char *name, struct sockaddr_un *address) {
  size_t length = strlen(name);
  if ((name[0] != '/' && name[0] != '@') || length >= sizeof address->sun_path) return 0;
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, name, length);
  if (name[0] == '@') address->sun_path[0] = '\0';
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static bool send_state (const char *name, ae_slice state) {
  struct sockaddr_un address;
  socklen_t length = address_of(name, &address);
  int descriptor;
  bool sent;
  if (length == 0) {
    errno = EINVAL;
    return false;
  }
  descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return false;
  sent = sendto(descriptor, state.data, state.length, MSG_NOSIGNAL | MSG_DONTWAIT,
                (const struct sockaddr *)&address, length) >= 0;
  close(descriptor);
  return sent;
}

/* notify(state) -> true | false (nobody listens) | nil, message */
int ae_host_notify (lua_State *L) {
  const char *name = getenv("NOTIFY_SOCKET");
  ae_slice state;
  state.data = luaL_checklstring(L, 1, &state.length);
  if (name == NULL || name[0] == '\0') {
    lua_pushboolean(L, 0);
    return 1;
  }
  if (send_state(name, state)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushfstring(L, "cannot tell systemd: %s", strerror(errno));
  return 2;
}
