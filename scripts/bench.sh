#!/usr/bin/env bash
# Builds the server, the baselines and the driver, and measures. Arguments go to `kaipan-bench run` (--help lists them).
set -euo pipefail
cd "$(dirname "$0")/.."

# All packages in one build: cargo would otherwise build their shared dependencies once for each set of features.
cargo build --release --locked --bins --package kaipan --package kaipan-loadtest --package kaipan-bench
# Apart from it: an example is built with what tests need, tokio's clock that can be stopped among it, and the server that
# is measured must not have that.
cargo build --release --locked --example fill
exec "${CARGO_TARGET_DIR:-target}/release/kaipan-bench" run "$@"
