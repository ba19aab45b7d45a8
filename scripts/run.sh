#!/usr/bin/env bash
# Builds the pages, the server and the crowd, and plays the demo. Arguments go to `kaipan demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/parts.sh
source scripts/parts.sh

web_pages
cargo build --release --locked --bin kaipan --bin kaipan-loadtest --package kaipan --package kaipan-loadtest
# The demo's server reads what is exported, and must not find a real database, its Redis or its keys there: the demo has a folder
# and a database of its own. Its keyring is the one that a server takes when none is named, in the user's configuration folder; who
# serves from this account without --keyring has the same one.
unset KAIPAN_DATABASE_URL KAIPAN_REDIS_URLS KAIPAN_KEYRING
exec "${CARGO_TARGET_DIR:-target}/release/kaipan" demo "$@"
