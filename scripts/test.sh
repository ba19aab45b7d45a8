#!/usr/bin/env bash
# Runs every check, part by part, and goes on after a failure so that one run shows all that is wrong.
#
#   scripts/test.sh                 all parts
#   scripts/test.sh clippy unit     only these
#   scripts/test.sh --quick         the parts of `make check`
#   scripts/test.sh --list          the names
#
# A part is a function in scripts/parts.sh. Its output goes to the terminal and to target/test-logs/NAME.log, and its
# test counts are read from there (scripts/counts.awk). A part that fails, hangs past its limit, cannot run, or is
# a test suite in which no test ran, is a failure. Nothing is retried: a test that fails sometimes is broken.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/parts.sh

# One part alone, in this process: how the loop below runs each of them, under a time limit.
if [ "${1:-}" = --part ]; then
  set -e
  "part_${2//-/_}"
  exit
fi

case "${1:-}" in
  --list) printf '%s\n' "${all_parts[@]}"; exit ;;
  --quick) parts=("${quick_parts[@]}") ;;
  "") parts=("${all_parts[@]}") ;;
  *) parts=("$@") ;;
esac
for part in "${parts[@]}"; do
  declare -F "part_${part//-/_}" >/dev/null || { echo "no such part: $part (scripts/test.sh --list)" >&2; exit 2; }
done

logs=target/test-logs
mkdir -p "$logs"
# Colours would only make the logs hard to read and to count; the frames of a panic are worth having.
export NO_COLOR=1 CARGO_TERM_COLOR=never RUST_BACKTRACE="${RUST_BACKTRACE:-1}"

# A Ctrl-C reaches this shell but not the part, which `timeout` put in a process group of its own.
running=
trap '[ -z "$running" ] || kill -TERM "$running" 2>/dev/null; exit 130' INT TERM

passed_all=0 failed_all=0
summary=()
broken=()
for part in "${parts[@]}"; do
  echo
  echo "━━ $part"
  log=$logs/$part.log
  started=$EPOCHSECONDS
  timeout -k 15 "$(limit_s "$part")" scripts/test.sh --part "$part" > >(tee "$log") 2>&1 &
  running=$!
  wait "$running"
  status=$?
  running=
  # `tee` may still hold the last lines; it ends when the part's last process closes the pipe.
  wait
  seconds=$((EPOCHSECONDS - started))
  read -r tests passed failed < <(awk -f scripts/counts.awk "$log")
  note="$passed passed, $failed failed"
  if ! is_suite "$part"; then
    passed=1 failed=0 note=check
    [ "$status" -eq 0 ] || { passed=0; failed=1; }
  elif [ "$tests" -eq 0 ]; then
    status=1 failed=1 note="no test ran"
  elif [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
    failed=1 note="$passed passed, then it broke off"
  elif [ "$failed" -ne 0 ] && [ "$status" -eq 0 ]; then
    status=1
  fi
  [ "$status" -ne 124 ] && [ "$status" -ne 137 ] || note="$note; stopped after $seconds s"
  word=ok
  [ "$status" -eq 0 ] || { word=FAILED && broken+=("$part"); }
  passed_all=$((passed_all + passed))
  failed_all=$((failed_all + failed))
  summary+=("$(printf 'part %-12s %-6s %5d s   %s' "$part" "$word" "$seconds" "$note")")
done

# Once more at the end, where it is found: what each failed part said of its failures.
for part in "${broken[@]}"; do
  echo
  echo "━━ $part: what failed (the whole of it: $logs/$part.log)"
  grep -nE -A 6 'panicked at|^error|^not ok|✖|FAIL ' "$logs/$part.log" | cut -c 1-400 | head -n 60
done

echo
printf '%s\n' "${summary[@]}"
echo "$passed_all passed, $failed_all failed"
[ "$failed_all" -eq 0 ]
