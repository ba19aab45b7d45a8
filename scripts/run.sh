#!/usr/bin/env bash
# Builds the pages, the server and the crowd, and plays the demo. Arguments go to `kaipan demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/parts.sh
source scripts/parts.sh

web_pages
cargo build --release --locked --bin kaipan --bin kaipan-loadtest --package kaipan --package kaipan-loadtest
# The demo's server reads what is exported, and the demo has its own folder with its own database and keyring.
unset KAIPAN_DATABASE_URL KAIPAN_KEYRING
exec "${CARGO_TARGET_DIR:-target}/release/kaipan" demo "$@"
