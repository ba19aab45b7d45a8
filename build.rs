//! A release without its pages would be a server that shows a hint to ten thousand buyers, so it does not compile.

use std::env;
use std::path::Path;

const PAGES: [&str; 4] = ["buyer", "console", "screen", "demo"];
/// For those who want the bare API (a load generator's twin, a bisect): `KAIPAN_WITHOUT_PAGES=1 cargo build --release`.
const OPT_OUT: &str = "KAIPAN_WITHOUT_PAGES";

fn main() {
    // A path that does not exist would make cargo run this, and compile the crate, every time.
    let watched = if Path::new("web/dist").is_dir() { "web/dist" } else { "build.rs" };
    println!("cargo::rerun-if-changed={watched}");
    println!("cargo::rerun-if-env-changed={OPT_OUT}");
    let release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if !release || env::var_os(OPT_OUT).is_some() {
        return;
    }
    for page in PAGES {
        let document = format!("web/dist/{page}/index.html");
        if !Path::new(&document).is_file() {
            println!("cargo::error={document} is missing: run `npm ci && npm run build` in web/");
            println!("cargo::error=a server without pages on purpose: {OPT_OUT}=1 cargo build --release");
        }
    }
}
