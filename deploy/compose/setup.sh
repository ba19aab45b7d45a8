#!/bin/sh
# Makes the secrets that no source tree can hold, each once, each readable by the one program that needs it; what is there
# already is left alone. docker-compose.yml runs it as root before anything else, and tests/it runs it as anybody.
#
#   setup.sh DATABASE GATEWAY PROXY GRAFANA      a folder for each
#
# KAIPAN_HOST: the name that buyers type, for the certificate that stands in until there is a real one.
set -eu
umask 077
database=$1 gateway=$2 proxy=$3 grafana=$4
host=${KAIPAN_HOST:-localhost}

# $1 belongs to user $2; who is not root made it for himself.
give() { [ "$(id -u)" -ne 0 ] || chown -R "$2" "$1"; }

# A key in folder $1 and a certificate for $2 that it signs itself; $3 and $4 are their names.
certificate() {
  [ -s "$1/$3" ] && [ -s "$1/$4" ] && return 0
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj "/CN=$2" \
    -addext "subjectAltName=DNS:$2" -addext basicConstraints=critical,CA:FALSE \
    -keyout "$1/$3.new" -out "$1/$4" 2>/dev/null
  # The key last: a run that was cut off before it begins anew.
  mv "$1/$3.new" "$1/$3"
}

mkdir -p "$database" "$gateway" "$proxy" "$grafana"
# The password of the database, as Postgres' image and as the gateways' PGPASSFILE want it.
[ -s "$database/password" ] || openssl rand -hex 24 >"$database/password"
[ -s "$gateway/pgpass" ] || printf '*:*:*:kaipan:%s\n' "$(cat "$database/password")" >"$gateway/pgpass"
[ -s "$grafana/password" ] || openssl rand -hex 12 >"$grafana/password"
certificate "$database" postgres server.key server.crt
certificate "$proxy" "$host" key.pem fullchain.pem

# The users of the images: postgres (Debian's), kaipan (our Dockerfile), grafana. nginx reads its files as root.
give "$database" 999:999
give "$gateway" 10001:10001
give "$grafana" 472:0
