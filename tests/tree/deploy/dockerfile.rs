//! The image's recipe: what it copies exists and reaches the builder, its versions are those that the tree needs, and the
//! program does not run as root.

use super::files::Files;

const FILE: &str = "Dockerfile";

pub const BROKEN: [(&str, &str, &str, &str); 9] = [
    (FILE, "COPY web/package.json", "COPY web/packages.json", "web/packages.json does not exist"),
    (FILE, "COPY web ./", "COPY docs ./", "docs is kept from the builder"),
    (FILE, "--from=programs", "--from=program", "no stage is called program"),
    (FILE, "rust:1.95-", "rust:1.94-", "needs 1.95"),
    (FILE, "rust:1.95-bookworm", "rust:1.95-trixie", "for another Debian"),
    (FILE, "node:20-", "node:18-", "pages need 20"),
    (FILE, "USER kaipan", "# root", "runs as root"),
    (FILE, "--uid 10001", "--uid 10002", "gives the secrets to 10001"),
    (FILE, "--package kaipan-loadtest", "", "is never built"),
];

pub fn faults(files: &Files) -> Vec<String> {
    let text = files.text(FILE).replace("\\\n", " ");
    let ignored = files.text(".dockerignore");
    let ignored: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    let mut faults = Vec::new();
    let mut stages = Vec::new();
    let mut bases = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["FROM", base, ref rest @ ..] => {
                bases.push(base);
                stages.extend(rest.get(1).copied());
            }
            ["COPY", ref arguments @ .., _] => match arguments[0].strip_prefix("--from=") {
                Some(stage) if stages.contains(&stage) => {}
                Some(stage) => faults.push(format!("no stage is called {stage}")),
                None => {
                    for source in arguments {
                        if !Files::exists(source) {
                            faults.push(format!("{source} does not exist"));
                        }
                        if ignored.contains(source) {
                            faults.push(format!("{source} is kept from the builder"));
                        }
                    }
                }
            },
            _ => {}
        }
    }

    let manifest: toml::Table = files.text("Cargo.toml").parse().unwrap();
    let rust = manifest["workspace"]["package"]["rust-version"].as_str().unwrap();
    let base = |program: &str| *bases.iter().find(|base| base.starts_with(program)).unwrap_or(&"");
    if !base("rust:").starts_with(&format!("rust:{rust}-")) {
        faults.push(format!("{} where the workspace needs {rust}", base("rust:")));
    }
    // What one Debian's C library linked does not start on an older one.
    let debian = base("debian:").trim_start_matches("debian:").trim_end_matches("-slim");
    if !base("rust:").ends_with(debian) {
        faults.push(format!("{} builds for another Debian than {debian}", base("rust:")));
    }
    let package: serde_json::Value = serde_json::from_str(&files.text("web/package.json")).unwrap();
    let node = package["engines"]["node"].as_str().unwrap().trim_start_matches(">=");
    let node = node.split('.').next().unwrap();
    if !base("node:").starts_with(&format!("node:{node}-")) {
        faults.push(format!("{} where the pages need {node}", base("node:")));
    }
    for program in ["kaipan", "kaipan-loadtest"] {
        let built = format!("--package {program} ");
        if !text.contains(&built) {
            faults.push(format!("{program} is never built"));
        }
    }
    if !text.lines().any(|line| line == "USER kaipan") {
        faults.push("the program runs as root".to_owned());
    }
    let owner = text.split("--uid ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let given = files.text("deploy/compose/setup.sh");
    let given = given.lines().find_map(|line| line.strip_prefix("give \"$gateway\" ")).unwrap_or_default();
    if given != format!("{owner}:{owner}") {
        faults.push(format!("setup.sh gives the secrets to {given}, the program runs as {owner}"));
    }
    faults
}
