#!/bin/sh
# Receives Postgres' log as it is written, on the machine that is to survive. Runs as long as the backup does: under
# systemd, restarted always. With it, and with
#
#     ALTER SYSTEM SET synchronous_standby_names = 'kaipan_backup';
#     SELECT pg_reload_conf();
#
# on the primary, a commit is acknowledged only when this machine has it on its disk: losing the primary loses nothing that
# was answered. While this does not run, commits wait. To go on without a backup, set that to '' and reload.
#
#     KAIPAN_DATABASE_URL   the primary, as a role with REPLICATION
#     KAIPAN_BACKUP_DIR     a folder of this machine; made if it is missing
set -eu
umask 077
: "${KAIPAN_DATABASE_URL:?names no primary}" "${KAIPAN_BACKUP_DIR:?names no folder}"
# The name that synchronous_standby_names means.
export PGAPPNAME=kaipan_backup
mkdir -p "$KAIPAN_BACKUP_DIR/wal"
# The slot keeps on the primary what this has not received yet: watch the primary's disk while this does not run.
pg_receivewal -d "$KAIPAN_DATABASE_URL" --slot kaipan_backup --create-slot --if-not-exists
exec pg_receivewal -d "$KAIPAN_DATABASE_URL" -D "$KAIPAN_BACKUP_DIR/wal" --slot kaipan_backup --synchronous
