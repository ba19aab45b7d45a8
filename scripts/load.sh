#!/usr/bin/env bash
# Ten thousand buyers tap for a thousand homes within a tenth of a second, on this machine and loopback only; every answer
# and every board is compared with the server's truth. Report and page: target/load/.
#
#   scripts/load.sh                             the burst of 10,000
#   scripts/load.sh ramp --buyers 2000          another scenario; flags of `kaipan-loadtest` follow
#   KAIPAN_LOAD_PROFILE=debug scripts/load.sh burst --buyers 300      with the debug build
#
# Everything it starts it ends, and its data is in a temporary folder of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/parts.sh
source scripts/parts.sh

scenario=burst
if [ $# -gt 0 ] && [[ "$1" != --* ]]; then scenario=$1; shift; fi
profile=${KAIPAN_LOAD_PROFILE:-release}
# bash 3.2 takes an empty array for an unset variable, hence the `+` wherever one may be empty.
flags=()
if [ "$profile" != debug ]; then
  flags=(--release)
  # The release binary holds the pages.
  web_pages
fi
cargo build ${flags[@]+"${flags[@]}"} --locked --bin kaipan --bin kaipan-loadtest --package kaipan --package kaipan-loadtest
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
bin=$target/$profile
out=$target/load
mkdir -p "$out"
rm -f "$out/report.json" "$out/report.html" "$out/serve.log"

# A socket a buyer, in each of the two processes.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

folder=$(mktemp -d "${TMPDIR:-/tmp}/kaipan-load.XXXXXX")
server=
# Asks the server to end, waits 15 s at most, then ends it.
stop() {
  [ -n "$server" ] || return 0
  kill -TERM "$server" 2>/dev/null || true
  for _ in $(seq 75); do
    kill -0 "$server" 2>/dev/null || { server=; return 0; }
    sleep 0.2
  done
  kill -KILL "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
}
finish() {
  status=$?
  stop
  [ "$status" -eq 0 ] || { [ ! -s "$folder/serve.log" ] || cp "$folder/serve.log" "$out/serve.log"; }
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT TERM

# What is exported for another server, above all its database, is not for this one: its keyring is deleted at the end.
for name in ${!KAIPAN_*}; do unset "$name"; done
export KAIPAN_DATA_DIR=$folder/data KAIPAN_KEYRING=$folder/keys.json
KAIPAN_LOADTEST_PASSWORD=$(head -c 18 /dev/urandom | base64 | tr '+/' '-_')
export KAIPAN_LOADTEST_PASSWORD
id() { sed -n 's/.*"id": *"\([0-9A-Z]\{26\}\)".*/\1/p' | head -n 1; }
day() { date -u -d "+$1 days" +%Y-%m-%dT00:00:00+00:00 2>/dev/null || date -u -v "+$1d" +%Y-%m-%dT00:00:00+00:00; }

echo "preparing 1,000 units and 10,000 registrations"
"$bin/kaipan-loadtest" sheets --units 1000 --registrations 10000 "$folder/sheets"
"$bin/kaipan" project add 压测项目 --json >"$folder/project.json"
# The people of `mixed` sign in as people do, so they play the opening itself, soon; the others play in a rehearsal copy.
start=$(day 30) end=$(day 31)
if [ "$scenario" = mixed ]; then
  start=$(date -u -d "+40 seconds" +%Y-%m-%dT%H:%M:%S+00:00 2>/dev/null || date -u -v +40S +%Y-%m-%dT%H:%M:%S+00:00)
  end=$(day 2)
fi
opening=$("$bin/kaipan" opening create --project 压测项目 --name 压测 --deposit home=50000 --start "$start" --end "$end" --json | id)
[ -n "$opening" ] || { echo "the opening could not be made" >&2; exit 2; }
"$bin/kaipan" import price-list "$folder/sheets/price-list.csv" --opening "$opening" --all-or-nothing >"$folder/import.log"
"$bin/kaipan" import roster "$folder/sheets/roster.csv" --opening "$opening" --all-or-nothing >>"$folder/import.log"
printf '%s\n' "$KAIPAN_LOADTEST_PASSWORD" | "$bin/kaipan" staff add ops --role admin --password-stdin >"$folder/staff.log"

if [ "$scenario" = mixed ]; then
  "$bin/kaipan" opening check --opening "$opening" >>"$folder/import.log"
  "$bin/kaipan" opening publish --opening "$opening" >>"$folder/import.log"
fi

# Below the ports that the system hands out to clients. A taken one ends the server at once; then two others are tried.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
serve() {
  port=$((20000 + RANDOM % 12000)); buyers=127.0.0.1:$port; staff=127.0.0.1:$((port + 1))
  "$bin/kaipan" serve --crowd --buyers-listen "$buyers" --staff-listen "$staff" >"$folder/serve.log" 2>&1 </dev/null &
  server=$!
  for _ in $(seq 150); do
    kill -0 "$server" 2>/dev/null || { server=; return 1; }
    if listens "$port" && listens $((port + 1)); then return; fi
    sleep 0.2
  done
  stop
  return 1
}
serve || serve || serve || { tail -n 5 "$folder/serve.log" >&2; exit 2; }

# What is usual stands in a file, because a flag wins over a file. The load shares its cores with the server here, so it
# may be later than on a machine of its own; what it is late is in the latencies.
usual=()
if [[ "$scenario" = burst && " $* " != *" --file "* ]]; then
  printf 'buyers = 10000\nwithin = "100ms"\nlag = "250ms"\n' >"$folder/burst.toml"
  usual=(--file "$folder/burst.toml")
fi
where=(--rehearse)
[ "$scenario" != mixed ] || where=(--roster "$folder/sheets/roster.csv")
status=0
"$bin/kaipan-loadtest" "$scenario" --buyers-url "http://$buyers" --staff-url "http://$staff" --login ops \
  --opening "$opening" "${where[@]}" --out "$out" ${usual[@]+"${usual[@]}"} "$@" || status=$?
[ ! -f "$out/report.html" ] || echo "report: $out/report.html"
exit "$status"
