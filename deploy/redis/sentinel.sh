#!/bin/sh
# Starts a Sentinel in folder $1, watching the master at $2 port $3; $4 of them have to agree. What stands beyond goes to
# redis-server (--port, --bind).
#
# The file is written once. Afterwards it is the Sentinel's own: who is master after a failover stands only there, and a
# Sentinel that forgot it would make the old master the master again.
set -eu
folder=$1 master=$2 port=$3 quorum=$4
shift 4
own=$folder/sentinel.conf
if [ ! -s "$own" ]; then
  { cat "$(dirname "$0")/sentinel.conf"; echo "sentinel monitor kaipan $master $port $quorum"; } >"$own.new"
  mv "$own.new" "$own"
fi
exec redis-server "$own" --sentinel --dir "$folder" "$@"
