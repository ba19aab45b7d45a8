#!/bin/sh
# Copies the whole cluster once, beside postgres-wal.sh, which must run already: a restore takes the newest copy and reads
# the log from there. Once a night. Keeps the newest three, and the log since the oldest of them.
#
#     KAIPAN_DATABASE_URL   the primary, as a role with REPLICATION
#     KAIPAN_BACKUP_DIR     the folder of postgres-wal.sh
set -eu
umask 077
: "${KAIPAN_DATABASE_URL:?names no primary}" "${KAIPAN_BACKUP_DIR:?names no folder}"
cd "$KAIPAN_BACKUP_DIR"
ls wal/* >/dev/null 2>&1 || { echo "postgres-wal.sh has received nothing in $KAIPAN_BACKUP_DIR/wal: start it first" >&2; exit 1; }

base=base-$(date -u +%Y%m%dT%H%M%SZ)
rm -rf base-*.part
pg_basebackup -d "$KAIPAN_DATABASE_URL" -D "$base.part" --format=plain --wal-method=stream --checkpoint=fast
# Not on every PATH: Debian keeps it beside the server.
if command -v pg_verifybackup >/dev/null; then pg_verifybackup --quiet "$base.part"; fi
sync
mv "$base.part" "$base"

# The names sort by time.
ls -d base-*Z | sort -r | tail -n +4 | while read -r old; do rm -rf "$old"; done
oldest=$(ls -d base-*Z | sort | head -n 1)
# "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)": every segment before that one is of no use any more.
needed=$(sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\))$/\1/p' "$oldest/backup_label")
for segment in wal/*; do
  name=${segment#wal/}
  case $name in
    # Of the same timeline and older. A segment's name is 24 hexadecimal digits, which sort as text.
    [0-9A-F]*) [ "${#name}" -ne 24 ] || [ "$(printf '%s\n%s\n' "$name" "$needed" | sort | head -n 1)" = "$needed" ] || rm "$segment" ;;
  esac
done
echo "$base"
