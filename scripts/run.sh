#!/usr/bin/env bash
# Builds the pages, the server, the crowd and the fakes, and plays the demo. Arguments go to `kaipan demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/parts.sh
source scripts/parts.sh

web_pages
cargo build --release --locked --bin kaipan --bin kaipan-loadtest --bin kaipan-fakes --package kaipan --package kaipan-loadtest --package kaipan-fakes
# The demo's server reads what is exported, and must not find a real database, its Redis or its keys there: the demo has a folder
# and a database of its own. Its keyring is the one that a server takes when none is named, in the user's configuration folder; who
# serves from this account without --keyring has the same one.
unset KAIPAN_DATABASE_URL KAIPAN_REDIS_URLS KAIPAN_KEYRING
# Nor a real WeChat account: the demo has one that is played by kaipan-fakes.
unset KAIPAN_WECHAT_APP_ID KAIPAN_WECHAT_SECRET KAIPAN_WECHAT_SECRET_FILE KAIPAN_WECHAT_API_URL KAIPAN_WECHAT_OPEN_URL
exec "${CARGO_TARGET_DIR:-target}/release/kaipan" demo "$@"
