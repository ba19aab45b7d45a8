#!/usr/bin/env bash
# Builds the pages, the server and the crowd, and plays the demo. Arguments go to `kaipan demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/parts.sh
source scripts/parts.sh

# Building the pages anew makes cargo link anew, so only when a source is newer than the last build.
built=web/node_modules/.kaipan-built
pages_are_old() {
  [ -f "$built" ] && [ -f web/dist/demo/index.html ] || return 0
  [ -n "$(find web \( -name node_modules -o -name dist \) -prune -o -type f -newer "$built" -print -quit)" ]
}

web_modules
if pages_are_old; then
  (cd web && npm run --silent build)
  touch "$built"
fi
cargo build --release --locked --bin kaipan --bin kaipan-loadtest --package kaipan --package kaipan-loadtest
# The demo's server reads what is exported, and the demo has its own folder with its own database and keyring.
unset KAIPAN_DATABASE_URL KAIPAN_KEYRING
exec "${CARGO_TARGET_DIR:-target}/release/kaipan" demo "$@"
