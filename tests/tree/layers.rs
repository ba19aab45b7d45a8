//! Who may import whom. The picture stands in `docs/ARCHITECTURE.md`; this test reads every path in `src/` and
//! enforces it, tests and simulators included.
//!
//! Mutations that turned it red: `use crate::opening::…` in `src/store/mod.rs` (a lower layer), `use crate::vault::…`
//! in `src/store/mod.rs` (a blind sibling), the same through `super::super::vault`, a folder that the picture
//! does not name, and `use std::time::Instant` in `inventory/src/lib.rs`.

use std::collections::BTreeSet;
use std::fs;

use crate::source::{PATH, Token, module_of, root, rust_files, tokens};

/// The layers, lowest first. Inside a layer modules are blind to each other, except for `SIBLINGS`.
/// A new folder in `src/` gets its place here and in the picture in the same commit.
const LAYERS: &[(&str, &[&str])] = &[
    ("L1", &["domain", "config", "limits", "telemetry"]),
    ("L2", &["inventory", "store", "cluster", "vault", "http", "child"]),
    ("L2b", &["messaging", "status", "wechat"]),
    ("L3", &["identity", "client", "payment", "opening"]),
    ("L4", &["gateway", "console", "relay", "crm"]),
    ("L5", &["app", "cli", "demo", "main"]),
];

/// The only imports inside a layer: from, to.
const SIBLINGS: &[(&str, &str)] = &[
    // Values and bounds may speak of each other; none of them does I/O.
    ("config", "limits"),
    ("config", "domain"),
    ("config", "telemetry"),
    ("limits", "domain"),
    ("domain", "limits"),
    ("telemetry", "limits"),
    // An opening takes payments and knows its buyers; neither knows that openings exist.
    ("opening", "payment"),
    ("opening", "identity"),
    // The composition root is used by the ways of starting it.
    ("cli", "app"),
    ("cli", "demo"),
    ("demo", "app"),
    ("main", "cli"),
    ("main", "app"),
    ("main", "demo"),
];

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, modules)| modules.contains(&module))
}

fn allowed(from: &str, to: &str) -> Result<(), String> {
    if from == to {
        return Ok(());
    }
    let (Some(from_rank), Some(to_rank)) = (rank(from), rank(to)) else {
        let stranger = if rank(from).is_none() { from } else { to };
        return Err(format!("`{stranger}` has no place in the picture (tests/tree/layers.rs)"));
    };
    let (from_layer, to_layer) = (LAYERS[from_rank].0, LAYERS[to_rank].0);
    if to_rank < from_rank || SIBLINGS.contains(&(from, to)) {
        Ok(())
    } else if to_rank == from_rank {
        Err(format!("`{from}` and `{to}` are both {from_layer} and blind to each other"))
    } else {
        Err(format!("`{from}` ({from_layer}) lies below `{to}` ({to_layer})"))
    }
}

/// The top-level modules that a file of `module` names in its paths.
fn imports(source: &str, module: &[String]) -> BTreeSet<String> {
    let tokens = tokens(source);
    let mut found = BTreeSet::new();
    // The modules opened inside the file, each with the brace depth at which it closes.
    let mut inline: Vec<usize> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        let after_path = at > 0 && tokens[at - 1] == PATH;
        if token.is('{') {
            if at >= 2 && tokens[at - 2].word() == Some("mod") {
                inline.push(depth);
            }
            depth += 1;
        } else if token.is('}') {
            depth -= 1;
            if inline.last() == Some(&depth) {
                inline.pop();
            }
        } else if tokens.get(at + 1) == Some(&PATH) && !after_path {
            match token.word() {
                Some("crate" | "kaipan") => heads(&tokens[at + 2..], &mut found),
                Some("inventory") => drop(found.insert("inventory".to_owned())),
                Some("super") => {
                    let mut climbed = 1;
                    while tokens.get(at + 2).and_then(Token::word) == Some("super") {
                        at += 2;
                        climbed += 1;
                    }
                    if climbed == module.len() + inline.len() {
                        heads(&tokens[at + 2..], &mut found);
                    }
                }
                _ => {}
            }
        }
        at += 1;
    }
    found
}

/// The first segments after `crate::`: one word, or several in braces. `crate::{a::b, c}` names `a` and `c`.
fn heads(tokens: &[Token], found: &mut BTreeSet<String>) {
    let Some(first) = tokens.first() else { return };
    if let Some(word) = first.word() {
        found.insert(word.to_owned());
    } else if first.is('{') {
        let (mut depth, mut expecting) = (0, false);
        for token in tokens {
            match token {
                Token::Punctuation('{') => (depth, expecting) = (depth + 1, depth == 0),
                Token::Punctuation('}') => depth -= 1,
                Token::Punctuation(',') => expecting = depth == 1,
                Token::Word(word) if expecting => {
                    found.insert(word.clone());
                    expecting = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
}

#[test]
fn every_import_points_down() {
    let source_folder = root().join("src");
    let mut faults = Vec::new();
    for file in rust_files("src") {
        let module = module_of(&file, &source_folder);
        // `lib.rs` declares the modules and imports nothing of theirs.
        let Some(own) = module.first() else { continue };
        for import in imports(&fs::read_to_string(&file).unwrap(), &module) {
            // Macros exported at the crate's root, and `self`, are no modules.
            let is_module = source_folder.join(&import).is_dir()
                || source_folder.join(&import).with_extension("rs").is_file()
                || import == "inventory";
            if is_module && let Err(why) = allowed(own, &import) {
                faults.push(format!("{}: {why}", file.strip_prefix(root()).unwrap().display()));
            }
        }
        if let Err(why) = rank(own).ok_or_else(|| format!("`{own}` has no place in the picture")) {
            faults.push(format!("{}: {why}", file.strip_prefix(root()).unwrap().display()));
        }
    }
    faults.dedup();
    assert!(faults.is_empty(), "imports against the picture:\n{}", faults.join("\n"));
}

/// Gate 1 decides by its arguments alone: the simulator and the model checker both rest on that.
#[test]
fn the_inventory_is_pure() {
    const FOREIGN: &[&str] = &["tokio", "serde", "async", "await", "Instant", "SystemTime", "rand", "kaipan"];
    const STD: &[&str] = &["time", "net", "fs", "io", "process", "env"];
    let mut faults = Vec::new();
    for file in rust_files("inventory/src") {
        let tokens = tokens(&fs::read_to_string(&file).unwrap());
        for (at, token) in tokens.iter().enumerate() {
            let Some(word) = token.word() else { continue };
            let from_std = at >= 2 && tokens[at - 1] == PATH && tokens[at - 2].word() == Some("std");
            if FOREIGN.contains(&word) || (from_std && STD.contains(&word)) {
                faults.push(format!("{}: {word}", file.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    let manifest = manifest("inventory");
    let dependencies =
        manifest.get("dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    faults.extend(dependencies.keys().map(|name| format!("inventory/Cargo.toml: {name}")));
    assert!(
        faults.is_empty(),
        "the inventory has no clock, no I/O, no await, no serde:\n{}",
        faults.join("\n")
    );
}

/// The crowd proves the wire only while it knows nothing but the wire; a fake that shared the product's code would share
/// its mistakes.
#[test]
fn the_load_test_and_the_fakes_share_no_code_with_the_server() {
    for package in ["loadtest", "fakes"] {
        let manifest = manifest(package);
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
            for name in ["kaipan", "kaipan-inventory", "inventory"] {
                assert!(!dependencies.contains_key(name), "{package}/Cargo.toml [{section}] names {name}");
            }
        }
    }
}

fn manifest(folder: &str) -> toml::Table {
    fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap().parse().unwrap()
}

#[test]
fn the_reader_sees_every_way_to_name_a_module() {
    let names = |source: &str, module: &[&str]| {
        let module: Vec<String> = module.iter().map(|part| (*part).to_owned()).collect();
        imports(source, &module).into_iter().collect::<Vec<_>>()
    };
    let store = ["store"];
    assert_eq!(names("use crate::opening::Pick;", &store), ["opening"]);
    assert_eq!(
        names("use crate::{domain::{ids, time}, vault::Keyring, http};", &store),
        ["domain", "http", "vault"]
    );
    assert_eq!(
        names("fn f() -> crate::gateway::Frame { kaipan::console::x() }", &store),
        ["console", "gateway"]
    );
    assert_eq!(names("pub(crate) fn f() { g(inventory::Word::FREE) }", &store), ["inventory"]);
    assert_eq!(names("use super::vault;", &store), ["vault"]);
    assert_eq!(names("use super::super::vault;", &["store", "head"]), ["vault"]);
    assert_eq!(names("use super::rows; use a::inventory::b;", &["store", "head"]), Vec::<String>::new());
    assert_eq!(
        names("mod tests { use super::*; use super::super::vault; } use super::http;", &store),
        ["http", "vault"]
    );
    assert_eq!(names("// crate::opening\nconst X: &str = \"crate::opening\";", &store), Vec::<String>::new());
}

#[test]
fn the_picture_says_what_the_design_says() {
    let cases = [
        ("opening", "store", true),
        ("opening", "payment", true),
        ("payment", "opening", false),
        ("identity", "payment", false),
        ("store", "inventory", false),
        ("messaging", "vault", true),
        ("messaging", "wechat", false),
        ("gateway", "console", false),
        ("gateway", "opening", true),
        ("domain", "store", false),
        ("app", "gateway", true),
        ("app", "demo", false),
        ("demo", "app", true),
        ("new_folder", "domain", false),
    ];
    for (from, to, expected) in cases {
        assert_eq!(allowed(from, to).is_ok(), expected, "{from} → {to}");
    }
}

#[test]
fn comments_and_strings_hide_what_looks_like_a_path() {
    let words = |source: &str| -> Vec<String> {
        tokens(source).iter().filter_map(|token| token.word().map(str::to_owned)).collect()
    };
    assert_eq!(words("a // crate::b\n c"), ["a", "c"]);
    assert_eq!(words("a /* x /* y */ crate::z */ c"), ["a", "c"]);
    assert_eq!(words(r##"f("a \" crate::b", r#"crate::"c"#, b"d") g"##), ["f", "b", "g"]);
    assert_eq!(words(r"x: &'a str = '\'', '{', 'b' end"), ["x", "a", "str", "end"]);
    assert_eq!(tokens("a::b"), [Token::Word("a".into()), PATH, Token::Word("b".into())]);
}
