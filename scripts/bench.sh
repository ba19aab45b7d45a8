#!/usr/bin/env bash
# Builds the server, the baselines and the driver, and measures. Arguments go to `kaipan-bench run` (--help lists them).
set -euo pipefail
cd "$(dirname "$0")/.."

# All packages in one build: cargo would otherwise build their shared dependencies once for each set of features.
cargo build --release --locked --bins --example fill --package kaipan --package kaipan-loadtest --package kaipan-bench
exec "${CARGO_TARGET_DIR:-target}/release/kaipan-bench" run "$@"
