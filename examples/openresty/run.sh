#!/bin/sh
# Tries nginx.conf on this machine, with a certificate of its own, the rules beside it and the secret "try-it":
#   lua5.4 examples/demo/service.lua 8482 &    the print service that the rule sends to; without one the answer is 503
#   sh examples/openresty/run.sh
#   curl -k https://127.0.0.1:8443/events/try-it -H 'Content-Type: application/json' --data-binary @FILE
# PORT, PLAIN (a port without TLS), RULES, PRINT_URL and FOLDER change what it uses.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
make -s -C "$root" LUA=luajit modules >&2
folder=${FOLDER:-$(mktemp -d)}
modules=$(for d in /usr/lib/nginx/modules /usr/lib64/nginx/modules; do [ ! -d $d ] || echo $d; done | head -n 1)
plain=${PLAIN:+listen 127.0.0.1:$PLAIN;}

openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=hooks.example.no \
  -keyout "$folder/privkey.pem" -out "$folder/fullchain.pem" 2>/dev/null
sed -e "s|modules/\(n[^;]*\);|$modules/\1;|" \
  -e "s|/etc/letsencrypt/live/hooks.example.no|$folder|" \
  -e "s|listen 8443 ssl;|listen 127.0.0.1:${PORT:-8443} ssl; $plain|" \
  -e "s|/usr/local/share/lua/5.1|$root/lua|g; s|/usr/local/lib/lua/5.1|$root/build/luajit|" \
  -e "s|/etc/altinn-events/rules|${RULES:-$here/rules}|" \
  -e "s|http://127.0.0.1:8482|${PRINT_URL:-http://127.0.0.1:8482}|" \
  "$here/nginx.conf" >"$folder/nginx.conf"
[ "$(id -u)" -ne 0 ] || user="user root;"
WEBHOOK_SECRET=${WEBHOOK_SECRET-try-it} PATH=$PATH:/usr/sbin exec nginx -p "$folder/" -c nginx.conf \
  -e stderr -g "daemon off; ${user:-}"
