#!/usr/bin/env bash
# Makes the machine ready, or says in one line what is missing.
#
#   scripts/prepare.sh run     what `make run` needs: Rust, node, a C compiler
#   scripts/prepare.sh check   … and cargo-nextest
#   scripts/prepare.sh bench   what `make bench` needs: Rust, a C compiler, Postgres, Redis
#   scripts/prepare.sh test    … and Chromium, a CJK font, Postgres, Redis, nginx, Compose, openssl, promtool, cargo-deny
#
# Rust and node are the reader's own choice of version manager, so they are only checked. What else is missing is
# installed on Debian (as root, or through sudo) and named; elsewhere one line says what to install.
set -euo pipefail
cd "$(dirname "$0")/.."

rust_min=1.95.0
node_min=20.19.0
purpose=${1:-test}

die() { echo "kaipan: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
# True when version $1 is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

check_rust() {
  local found
  have cargo && have rustc || die "needs Rust $rust_min or newer (https://rustup.rs), found none"
  found=$(rustc --version | awk '{print $2}')
  at_least "${found%%-*}" "$rust_min" || die "needs Rust $rust_min or newer, found $found: rustup update stable"
}

check_node() {
  local found
  have node && have npm || die "needs node $node_min or newer with npm (https://nodejs.org), found none"
  found=$(node -p process.versions.node)
  at_least "$found" "$node_min" || die "needs node $node_min or newer, found $found"
}

# Debian's packages that are missing, collected first so that apt runs once.
packages=()
want() { packages+=("$1"); }

# Debian keeps Postgres' server binaries off the PATH; tests/it/postgres.rs looks in the same places.
have_postgres() {
  have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || [ -x "${KAIPAN_PG_BIN:-}/initdb" ]
}

# apt-get as root; $wanted is what for.
apt_get() {
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    have sudo || die "please install as root: $wanted"
    root=(sudo)
    # Without a terminal nobody can type a password: fail in one line instead of hanging.
    [ -t 0 ] || root=(sudo -n)
  fi
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@"
}

install_packages() {
  [ ${#packages[@]} -gt 0 ] || return 0
  if ! { [ -f /etc/debian_version ] && have apt-get; }; then
    die "please install: ${packages[*]} (names of the Debian packages; your system may call them otherwise)"
  fi
  local wanted=${packages[*]}
  echo "kaipan: installing with apt-get: $wanted"
  apt_get update -qq || die "apt-get update failed; please install: $wanted"
  apt_get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
    die "apt-get could not install: $wanted"
}

# get_program PROGRAM PACKAGE PATH VERSION-FLAG: taken out of Debian's package into target/tools and not installed with it: that would start a
# Prometheus, or an nginx on port 80, on this machine.
get_program() {
  local wanted=$1 package=$2 path=$3 version=$4
  have "$wanted" || [ -x "/usr/sbin/$wanted" ] || [ -x "target/tools/$wanted" ] && return 0
  [ -f /etc/debian_version ] && have apt-get || die "please install $wanted (it comes with $package)"
  echo "kaipan: taking $wanted out of Debian's package $package"
  mkdir -p "target/tools/$package"
  (
    cd "target/tools/$package"
    # On a machine that never looked the package up, or not lately, its list comes first.
    apt-get download -qq "$package" 2>/dev/null || { apt_get update -qq && apt-get download -qq "$package"; } ||
      die "could not fetch Debian's package $package; please install $wanted"
    dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x --strip-components=3 "./$path"
    # Its libraries are not taken along, so it says here and not in a test that one is missing.
    "./$wanted" "$version" >/dev/null 2>&1 || die "$wanted of Debian's package $package does not start; please install $package"
  )
  mv "target/tools/$package/$wanted" "target/tools/$wanted.new"
  rm -r "target/tools/$package"
  mv "target/tools/$wanted.new" "target/tools/$wanted"
}

# Compose reads docker-compose.yml without an engine: Docker's own plugin, or Debian's package.
have_compose() { docker compose version >/dev/null 2>&1 || docker-compose version >/dev/null 2>&1; }

# cargo tool NAME, version requirement $2: compiled once into CARGO_HOME/bin, where cargo finds it.
cargo_tool() {
  cargo "$1" --version >/dev/null 2>&1 && return 0
  echo "kaipan: installing with cargo: cargo-$1 (once, a few minutes)"
  cargo install --quiet --locked "cargo-$1" --version "$2" || die "please install cargo-$1 $2"
}

rust_component() {
  cargo "$1" --version >/dev/null 2>&1 && return 0
  have rustup || die "needs $2 beside Rust: install your system's package for it"
  echo "kaipan: installing with rustup: $2"
  rustup component add "$2" || die "please run: rustup component add $2"
}

check_rust
# The figures are of the server alone; no page is built for them.
[ "$purpose" = bench ] || check_node
have cc || want build-essential

if [ "$purpose" = test ]; then
  have git || want git
  have chromium || have chromium-browser || have google-chrome || [ -x "${KAIPAN_CHROMIUM:-}" ] || want chromium
  # Without it every Chinese character on a screenshot is an empty box.
  if [ -z "$(fc-list :lang=zh family 2>/dev/null | head -n 1)" ]; then want fonts-noto-cjk; fi
  have fc-list || want fontconfig
fi
if [ "$purpose" = test ] || [ "$purpose" = bench ]; then
  have_postgres || want postgresql
  have redis-server || want redis-server
fi
if [ "$purpose" = test ]; then
  have_compose || want docker-compose
  have openssl || want openssl
fi
install_packages

if [ "$purpose" != run ] && [ "$purpose" != bench ]; then
  rust_component fmt rustfmt
  rust_component clippy clippy
  cargo_tool nextest '^0.9'
fi
if [ "$purpose" = test ]; then
  cargo_tool deny '^0.20'
  get_program promtool prometheus usr/bin/promtool --version
  get_program nginx nginx usr/sbin/nginx -v
fi
