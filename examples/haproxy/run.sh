#!/bin/sh
# Tries haproxy.cfg on this machine, in front of the host or any service, with the secret "try-it":
#   sh examples/haproxy/run.sh
#   curl http://127.0.0.1:8486/events/try-it -H 'Content-Type: application/json' --data-binary @FILE
# PORT, BACKEND (HOST:PORT, where the service listens), WEBHOOK_SECRET and FOLDER change what it uses.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
make -s -C "$root" LUA=5.3 modules >&2
folder=${FOLDER:-$(mktemp -d)}
sed -e "s|/usr/local/share/lua/5.3|$root/lua|; s|/usr/local/lib/lua/5.3|$root/build/lua5.3|" \
  -e "s|/etc/haproxy/altinn.lua|$here/altinn.lua|; s|127.0.0.1:8486|127.0.0.1:${PORT:-8486}|" \
  -e "s|127.0.0.1:8480|${BACKEND:-127.0.0.1:8480}|" "$here/haproxy.cfg" >"$folder/haproxy.cfg"
WEBHOOK_SECRET=${WEBHOOK_SECRET-try-it} PATH=$PATH:/usr/sbin exec haproxy -db -f "$folder/haproxy.cfg"
