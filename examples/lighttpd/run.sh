#!/bin/sh
# Tries lighttpd.conf on this machine, in front of the host or any service, with the secret "try-it":
#   sh examples/lighttpd/run.sh
#   curl http://127.0.0.1:8487/events/try-it -H 'Content-Type: application/json' --data-binary @FILE
# PORT, BACKEND_PORT (where the service listens), WEBHOOK_SECRET and FOLDER change what it uses.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
make -s -C "$root" modules >&2
folder=${FOLDER:-$(mktemp -d)}
sed -e "s|/etc/lighttpd/altinn.lua|$here/altinn.lua|; s|8487|${PORT:-8487}|; s|/var/empty|$folder|" \
  -e "s|\"port\" => 8480|\"port\" => ${BACKEND_PORT:-8480}|" "$here/lighttpd.conf" >"$folder/lighttpd.conf"
WEBHOOK_SECRET=${WEBHOOK_SECRET-try-it} LUA_PATH="$root/lua/?.lua;;" LUA_CPATH="$root/build/lua5.4/?.so;;" \
  PATH=$PATH:/usr/sbin exec lighttpd -D -f "$folder/lighttpd.conf"
