#!/bin/sh
# Tries lighttpd.conf on this machine, in front of the host or any service: PORT, BACKEND_PORT, WEBHOOK_SECRET.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
make -s -C "$root" modules >&2
folder=${FOLDER:-$(mktemp -d)}
sed -e "s|/etc/lighttpd/altinn.lua|$here/altinn.lua|; s|8487|${PORT:-8487}|; s|/var/empty|$folder|" \
  -e "s|\"port\" => 8480|\"port\" => ${BACKEND_PORT:-8480}|" "$here/lighttpd.conf" >"$folder/lighttpd.conf"
LUA_PATH="$root/lua/?.lua;;" LUA_CPATH="$root/build/lua5.4/?.so;;" PATH=$PATH:/usr/sbin \
  exec lighttpd -D -f "$folder/lighttpd.conf"
