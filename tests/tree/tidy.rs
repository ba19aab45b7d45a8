//! Tidiness that no compiler checks: no machine's own paths, no file that ends in the middle of a line, no source
//! file that nothing compiles.
//!
//! Mutations that turned it red: an untracked-by-any-`mod` file `src/domain/dead.rs`, a file without its last newline,
//! and a comment naming a home folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::source::{Token, root, rust_files, tokens};

/// The tracked files that hold text, with it.
fn tracked_text() -> Vec<(String, String)> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().unwrap();
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    String::from_utf8(listed.stdout)
        .unwrap()
        .split_terminator('\0')
        // A file that was deleted and not yet committed is listed, but is not there.
        .filter_map(|name| Some((name.to_owned(), fs::read(root().join(name)).ok()?)))
        .filter(|(_, bytes)| !bytes.contains(&0))
        .filter_map(|(name, bytes)| Some((name, String::from_utf8(bytes).ok()?)))
        .collect()
}

#[test]
fn no_tracked_file_names_a_machine() {
    // Written in two halves, or this file would name them.
    let elsewhere = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let handed = concat!("../sha", "red");
    let mut faults = Vec::new();
    for (name, text) in tracked_text() {
        for (number, line) in text.lines().enumerate() {
            // The pages have a folder of that name of their own.
            let names_handed = line.contains(handed) && !name.starts_with("web/");
            if names_handed || elsewhere.iter().any(|path| line.contains(path)) {
                faults.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "paths that exist on one machine only:\n{}", faults.join("\n"));
}

#[test]
fn every_text_file_ends_with_a_newline() {
    let faults: Vec<String> = tracked_text()
        .into_iter()
        .filter(|(_, text)| !text.is_empty() && !text.ends_with('\n'))
        .map(|(name, _)| name)
        .collect();
    assert!(faults.is_empty(), "no newline at the end: {faults:?}");
}

/// The roots that cargo compiles in a package: what it finds by itself, and the paths that the manifest names.
fn roots(package: &Path) -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> =
        ["src/lib.rs", "src/main.rs", "build.rs"].iter().map(|file| package.join(file)).collect();
    for folder in ["src/bin", "tests", "benches", "examples"] {
        for entry in fs::read_dir(package.join(folder)).into_iter().flatten() {
            let path = entry.unwrap().path();
            roots.push(if path.is_dir() { path.join("main.rs") } else { path });
        }
    }
    let manifest: toml::Table = fs::read_to_string(package.join("Cargo.toml")).unwrap().parse().unwrap();
    for section in ["bin", "test", "bench", "example"] {
        for target in manifest.get(section).and_then(toml::Value::as_array).into_iter().flatten() {
            roots.extend(target.get("path").and_then(toml::Value::as_str).map(|path| package.join(path)));
        }
    }
    roots.retain(|root| root.is_file());
    roots
}

/// Adds `file` and the files of the modules it declares, at any depth.
fn follow(file: &Path, is_root: bool, seen: &mut BTreeSet<PathBuf>) {
    if !seen.insert(file.to_owned()) {
        return;
    }
    let folder = file.parent().unwrap();
    let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
    let mut below = if is_root || stem == "mod" { vec![folder.to_owned()] } else { vec![folder.join(&stem)] };
    let tokens = tokens(&fs::read_to_string(file).unwrap());
    let mut depths = Vec::new();
    let mut depth = 0;
    let mut path_attribute = None;
    for (at, token) in tokens.iter().enumerate() {
        let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at));
        match token {
            Token::Text(text) if before(2).and_then(Token::word) == Some("path") => {
                path_attribute = Some(folder.join(text));
            }
            Token::Punctuation('{') => {
                if let (Some("mod"), Some(name)) =
                    (before(2).and_then(Token::word), before(1).and_then(Token::word))
                {
                    below.push(below.last().unwrap().join(name));
                    depths.push(depth);
                }
                depth += 1;
            }
            Token::Punctuation('}') => {
                depth -= 1;
                if depths.last() == Some(&depth) {
                    depths.pop();
                    below.pop();
                }
            }
            Token::Punctuation(';') => {
                let declared = before(2).and_then(Token::word) == Some("mod");
                if let (true, Some(name)) = (declared, before(1).and_then(Token::word)) {
                    let here = below.last().unwrap();
                    let candidates = [here.join(format!("{name}.rs")), here.join(name).join("mod.rs")];
                    let found =
                        path_attribute.take().or_else(|| candidates.into_iter().find(|file| file.is_file()));
                    if let Some(found) = found {
                        follow(&found, false, seen);
                    }
                }
            }
            _ => {}
        }
    }
}

#[test]
fn every_source_file_is_compiled() {
    let mut reached = BTreeSet::new();
    let mut present = BTreeSet::new();
    for package in ["", "inventory", "loadtest", "benches", "fakes"] {
        let folder = root().join(package);
        if !folder.join("Cargo.toml").is_file() {
            continue;
        }
        for root in roots(&folder) {
            follow(&root, true, &mut reached);
        }
        for part in ["src", "tests", "benches", "examples"] {
            present.extend(rust_files(Path::new(package).join(part).to_str().unwrap()));
        }
    }
    let dead: Vec<_> = present.difference(&reached).map(|file| file.strip_prefix(root()).unwrap()).collect();
    assert!(dead.is_empty(), "no `mod` leads to {dead:?}");
}
