#!/bin/sh
# Tries haproxy.cfg on this machine, in front of the host or any service: PORT, BACKEND (HOST:PORT), WEBHOOK_SECRET.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
make -s -C "$root" LUA=5.3 modules >&2
folder=${FOLDER:-$(mktemp -d)}
sed -e "s|/usr/local/share/lua/5.3|$root/lua|; s|/usr/local/lib/lua/5.3|$root/build/lua5.3|" \
  -e "s|/etc/haproxy/altinn.lua|$here/altinn.lua|; s|127.0.0.1:8486|127.0.0.1:${PORT:-8486}|" \
  -e "s|127.0.0.1:8480|${BACKEND:-127.0.0.1:8480}|" "$here/haproxy.cfg" >"$folder/haproxy.cfg"
PATH=$PATH:/usr/sbin exec haproxy -db -f "$folder/haproxy.cfg"
