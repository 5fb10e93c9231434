#!/bin/sh
# The demonstration: the host with the example rules, a small service as
# their target, and four events posted exactly as Altinn posts them.
# ONCE=1: ends by itself, with 0 when all went as it should.
set -eu
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
port=8480 service_port=8482
endpoint=http://127.0.0.1:$port/events
events=examples/demo/events
host= service=

finish () {
  status=$?
  trap - EXIT INT TERM
  [ -z "$host" ] || { kill "$host" 2>/dev/null; wait "$host" 2>/dev/null; } || true
  [ -z "$service" ] || { kill "$service" 2>/dev/null; wait "$service" 2>/dev/null; } || true
  rm -rf "$folder"
  exit $status
}
trap finish EXIT
trap 'exit 0' INT TERM

say () { printf '\n== %s\n' "$*"; }

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for () {
  tenths=$(($1 * 10)); shift
  until "$@"; do
    tenths=$((tenths - 1))
    [ $tenths -gt 0 ] || return 1
    sleep 0.1
  done
}
host_listens () {
  kill -0 "$host" 2>/dev/null || { cat "$folder/host.log" >&2; exit 1; }
  grep -q 'msg=listening' "$folder/host.log"
}
settled () { [ "$(altinn-events inbox list --inbox "$folder/inbox.db" --state "$1" | tail -n 1)" = "$2" ]; }

# post FILE STATUS: posts, and fails when the answer has another status.
post () {
  say "$1"
  answer=$(altinn-events send --raw "$events/$1" --to "$endpoint" || true)
  echo "$answer"
  case $answer in *": $2"*) ;; *) echo "expected the status $2" >&2; exit 1 ;; esac
}

lua5.4 examples/demo/service.lua $service_port &
service=$!
altinn-events run --config examples/demo/altinn-events.lua --inbox "$folder/inbox.db" 2>"$folder/host.log" &
host=$!
wait_for 10 host_listens || { echo "the host did not start" >&2; exit 1; }
say "The host listens on $endpoint"
altinn-events check --config examples/demo/altinn-events.lua --list

post published.json 200
post validation.json 200
post never_read.json 200
post broken.json 400

say "What the rules decided"
wait_for 10 settled done "1 of 1" || { echo "no verdict within 10 s:" >&2; cat "$folder/host.log" >&2; exit 1; }
altinn-events inbox list --inbox "$folder/inbox.db"
say "The host's log"
cat "$folder/host.log"

[ -z "${ONCE:-}" ] || { say "All went as it should"; exit 0; }
say "The host stays up until Ctrl-C. Send more from another shell:"
cat <<END
  eval "\$(make -s env)"
  curl -i $endpoint -H 'Content-Type: application/json' --data-binary @$events/never_read.json
  altinn-events send $events/published.json --to $endpoint
  altinn-events inbox list --inbox $folder/inbox.db
  curl http://127.0.0.1:8481/metrics
END
wait "$host"
