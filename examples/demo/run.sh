#!/bin/sh
# The demonstration. First the host with the example rules, a small service as
# their target, and four events posted exactly as Altinn posts them; then the
# whole circle against Altinn in a box: a token, the subscription that the
# rules need, a letter that nobody reads, and what became of it.
# ONCE=1: ends by itself, with 0 when all went as it should.
# DEMO_PORT: the first of four ports, instead of 8480.
set -eu
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
port=${DEMO_PORT:-8480}
admin_port=$((port + 1)) service_port=$((port + 2)) altinn_port=$((port + 3))
endpoint=http://127.0.0.1:$port/events
altinn=http://127.0.0.1:$altinn_port
events=examples/demo/events
config=examples/demo/altinn-events.lua
DEMO_KEY=$folder/key.pem
variables=DEMO_KEY=$DEMO_KEY
[ "$port" = 8480 ] || variables="$variables ALTINN_EVENTS_LISTEN=127.0.0.1:$port \
ALTINN_EVENTS_ADMIN=127.0.0.1:$admin_port ALTINN_EVENTS_ENDPOINT=$endpoint ALTINN_EVENTS_BASE_URL=$altinn \
ALTINN_EVENTS_CREDENTIALS_ISSUER=$altinn/ ALTINN_EVENTS_TARGETS_PRINT_URL=http://127.0.0.1:$service_port/print \
ALTINN_EVENTS_TARGETS_ARCHIVE_URL=http://127.0.0.1:$service_port/archive"
# shellcheck disable=SC2086,SC2163
export $variables
host= service= emulator= tail=

stop () { [ -z "$1" ] || { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; } || true; }
finish () {
  status=$?
  trap - EXIT INT TERM
  stop "$tail"; stop "$host"; stop "$emulator"; stop "$service"
  rm -rf "$folder"
  exit $status
}
trap finish EXIT
trap 'exit 0' INT TERM

say () { printf '\n== %s\n' "$*"; }
shown () { printf '   $ %s\n' "DEMO_KEY=$DEMO_KEY $*"; "$@"; }
fail () { echo "$*" >&2; [ ! -s "$folder/host.log" ] || cat "$folder/host.log" >&2; exit 1; }

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for () {
  tenths=$(($1 * 10)); shift
  until "$@"; do
    tenths=$((tenths - 1))
    [ $tenths -gt 0 ] || return 1
    sleep 0.1
  done
}
OTHERS="DEMO_PORT=9480 make run takes the ports 9480 to 9483 instead of $port to $altinn_port"
listens () {  # PROCESS LOG
  kill -0 "$1" 2>/dev/null || { cat "$2" >&2; echo "$OTHERS" >&2; exit 1; }
  grep -q 'msg=listening' "$2"
}
settled () { [ "$(altinn-events inbox list --inbox "$folder/inbox.db" --state "$1" | tail -n 1)" = "$2" ]; }

# post FILE STATUS: posts, and fails when the answer has another status.
post () {
  say "$1"
  answer=$(altinn-events send --raw "$events/$1" --to "$endpoint" || true)
  echo "$answer"
  case $answer in *": $2"*) ;; *) fail "expected the status $2" ;; esac
}

openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$DEMO_KEY" 2>/dev/null
openssl pkey -in "$DEMO_KEY" -pubout -out "$folder/public.pem"

lua5.4 examples/demo/service.lua $service_port &
service=$!
altinn-events emulate --listen 127.0.0.1:$altinn_port --organisation 991825827 \
  --client "demonstration=$folder/public.pem" >"$folder/altinn.out" 2>"$folder/altinn.log" &
emulator=$!
altinn-events run --config $config --inbox "$folder/inbox.db" 2>"$folder/host.log" &
host=$!
wait_for 10 listens "$emulator" "$folder/altinn.log" || fail "Altinn in a box did not start"
wait_for 10 listens "$host" "$folder/host.log" || fail "the host did not start"
kill -0 "$service" 2>/dev/null || fail "the service did not start: $OTHERS"
say "The host listens on $endpoint, with these rules"
altinn-events check --config $config --list

post published.json 200
post validation.json 200
post publish_failed.json 200
post broken.json 400
wait_for 10 settled done "1 of 1" || fail "no verdict within 10 s:"

say "Now against Altinn in a box: what the rules need of it"
shown altinn-events plan --config $config || [ $? -eq 2 ] || fail "no plan"
say "The subscription is made; Altinn tries the endpoint at once"
shown altinn-events apply --config $config || fail "no subscription"
say "A letter is published, and nobody reads it until it is due"
letter=$(curl -sS -f $altinn/emulator/letters -d '{"resource":"acme-letters","recipient":"01017012345"}' |
  sed 's/.*"id":"\([^"]*\)".*/\1/')
curl -sS -f -o "$folder/step" $altinn/emulator/letters/"$letter"/never-read -d '{}'
wait_for 20 settled done "2 of 2" || fail "the letter was not printed within 20 s:"
say "The letter, as Altinn knows it"
shown altinn-events letter "$letter" --timeline --config $config || fail "no letter"

say "What the rules decided"
altinn-events inbox list --inbox "$folder/inbox.db"
say "The host's log"
cat "$folder/host.log"

[ -z "${ONCE:-}" ] || { say "All went as it should"; exit 0; }
say "The host stays up until Ctrl-C. What happens stands here, a line each (altinn-events tail). From another shell, in this folder:"
cat <<END
  eval "\$(make -s env)"; export $variables
  # a letter that is not read until it is due, and goes to print:
  letter=\$(curl -sS $altinn/emulator/letters -d '{"resource":"acme-letters"}' | sed 's/.*"id":"\([^"]*\)".*/\1/')
  curl -sS $altinn/emulator/letters/\$letter/never-read -d '{}'
  altinn-events letter \$letter --timeline --config $config
  # what the host has, and why:
  altinn-events inbox list --inbox $folder/inbox.db
  altinn-events why 1 --config $config --inbox $folder/inbox.db
  altinn-events plan --config $config
  altinn-events types neverread
  curl http://127.0.0.1:$admin_port/metrics
  # the same with rules of your own, which may change while it runs; nothing is sent:
  altinn-events dev examples/rules/never_read.lua examples/rules/paper.lua --config $config --state $folder/dev
END
altinn-events tail --inbox "$folder/inbox.db" &
tail=$!
wait "$host"
