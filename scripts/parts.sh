# The parts of the test run, one function each; sourced by scripts/test.sh. Each runs from the repository's root with
# `set -e`, prints what it likes, and fails by its exit status.

all_parts=(format types web-unit web-build web-size clippy licences alerts compose tree unit sim loom it-sqlite it-postgres browser)
quick_parts=(format clippy tree unit types web-unit)

# Parts whose log holds test counts; of the others only the exit status counts.
is_suite() {
  case $1 in tree | unit | sim | loom | it-* | web-unit | browser | soak-*) ;; *) return 1 ;; esac
}

# A hang must not eat the whole run. Generous: a cold build on two cores is inside.
limit_s() {
  case $1 in soak-*) echo 86400 ;; clippy | unit | sim | loom | it-* | browser) echo 1800 ;; *) echo 600 ;; esac
}

# npm ci when the lock differs from the one that was installed, and only then.
web_modules() {
  local stamp=web/node_modules/.kaipan-lock
  cmp -s web/package-lock.json "$stamp" && return 0
  (cd web && npm ci --no-audit --no-fund)
  cp web/package-lock.json "$stamp"
}

# The pages in web/dist. Building them anew makes cargo link anew, so only when a source is newer than the last build.
web_pages() {
  web_modules
  local built=web/node_modules/.kaipan-built
  [ -f "$built" ] && [ -f web/dist/demo/index.html ] &&
    [ -z "$(find web \( -name node_modules -o -name dist \) -prune -o -type f -newer "$built" -print -quit)" ] && return 0
  (cd web && npm run --silent build)
  touch "$built"
}

part_format() { cargo fmt --all --check; }

part_clippy() { cargo clippy --workspace --all-targets --locked -- -D warnings; }

# Bans, licences and sources. Not advisories: their database is a git repository that a closed network cannot fetch,
# and a check that passes because it could not look is worse than none. `cargo deny check advisories` does it.
part_licences() { cargo deny --locked check --hide-inclusion-graph bans licenses sources; }

# Alert rules, what they fire on, and every query of the dashboards, judged by Prometheus itself.
part_alerts() {
  local promtool=target/tools/promtool queries=target/tools/dashboard-queries.yml
  mkdir -p target/tools
  command -v promtool >/dev/null 2>&1 && promtool=promtool
  "$promtool" check config deploy/prometheus/prometheus.yml
  "$promtool" test rules deploy/prometheus/rules_test.yml
  node scripts/dashboard-queries.mjs deploy/grafana/dashboards/*.json >"$queries"
  "$promtool" check rules "$queries"
}

# Compose itself reads docker-compose.yml; it needs no engine for that. scripts/prepare.sh brings it where it is missing, and
# where it is still missing this fails. tests/tree/deploy looks at what Compose does not know.
part_compose() {
  local compose=(docker compose)
  docker compose version 2>/dev/null || { compose=(docker-compose) && docker-compose version; }
  "${compose[@]}" -f docker-compose.yml config --quiet
}

# The picture of the layers, the files of a deployment, and tidiness; no server, no network.
part_tree() { cargo nextest run --locked --test tree; }

# Unit, model and property tests of every crate, each test in a process of its own.
part_unit() {
  binaries
  cargo nextest run --locked --workspace --lib --bins --tests \
    -E 'not binary(it) and not binary(tree) and not test(simulator)'
}

# The opening's own code under virtual time, with crashes between its effects; KAIPAN_SIM_SEEDS says how many seeds.
part_sim() { cargo nextest run --locked --lib -E 'test(simulator)'; }

# Every interleaving of gate 1 that the memory model permits. In a target folder of its own: another --cfg rebuilds all.
part_loom() {
  # Optimised, or the search takes minutes; without LTO, or the link does.
  CARGO_PROFILE_RELEASE_LTO=off RUSTFLAGS="--cfg loom" \
    cargo test --locked --package kaipan-inventory --release --lib --target-dir target/loom loom_
}

# The black-box suite, in two parts by database. Through `cargo test`, because its tests then share one process and
# with it one Postgres cluster; nextest would start a cluster for each test.
part_it_sqlite() {
  binaries
  cargo test --locked --test it -- --skip postgres
}

part_it_postgres() {
  binaries
  cargo test --locked --test it -- postgres
}

# The crowd is another package's binary, and the benches fill a database with an example: cargo builds neither for a test
# by itself.
binaries() { cargo build --locked --workspace --bins --examples; }

part_types() {
  web_modules
  cd web && npm run --silent typecheck
}

part_web_unit() {
  web_modules
  cd web && npm run --silent test
}

part_web_build() {
  web_modules
  cd web && npm run --silent build
}

# Of what web-build left: the buyer's first load within its budget, nothing fetched from elsewhere, no syntax that old
# WebViews do not know.
part_web_size() { cd web && npm run --silent size; }

# The journeys of web/e2e: the real binary with the pages that web-build left, in a real browser. Its pictures are in
# web/e2e/output.
part_browser() {
  web_modules
  binaries
  cd web && npm run --silent e2e
}

# For a night, not for every change. Optimised, in a folder of its own, so that the developer's builds stay warm.
part_soak_sim() {
  KAIPAN_SIM_SEEDS="${KAIPAN_SIM_SEEDS:-200000}" \
    cargo nextest run --locked --lib --target-dir target/soak --config profile.dev.opt-level=2 -E 'test(simulator)'
}

# The clients of tests/it/hostile in the numbers that an opening has to stand, and those that take minutes.
part_soak_hostile() {
  binaries
  KAIPAN_HOSTILE=full cargo test --locked --test it -- hostile --include-ignored --skip server_process --test-threads 1
}

# The crowds of tests/it/chaos in the numbers of an opening, each case alone on the machine, over and over.
part_soak_chaos() {
  local round
  binaries
  for round in $(seq "${KAIPAN_SOAK_CHAOS:-3}"); do
    echo "repetition $round"
    KAIPAN_CHAOS=full cargo test --locked --test it -- chaos_ --test-threads 1
  done
}

# Each repetition is ten kills on each database, with a seed of its own.
part_soak_kill() {
  local round
  binaries
  for round in $(seq "${KAIPAN_SOAK_KILLS:-30}"); do
    echo "repetition $round"
    cargo test --locked --test it -- killed_server
  done
}
