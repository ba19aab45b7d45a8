//! Just enough of Rust's grammar to see paths and module declarations: tokens without comments, with the module each
//! one stands in. A parser would say more, and would be one more dependency that has to know the newest syntax.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root: cargo runs integration tests with the package's folder in the environment.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All `.rs` files below `folder`, which is relative to the root; sorted, so that messages are stable.
pub fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// An identifier, keyword or number.
    Word(String),
    /// The text of a string literal; escapes are left as they stand.
    Text(String),
    /// `::` is one sign; every other punctuation character is one each.
    Sign(&'static str),
    Punctuation(char),
}

impl Token {
    pub fn word(&self) -> Option<&str> {
        match self {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    pub fn is(&self, punctuation: char) -> bool {
        *self == Token::Punctuation(punctuation)
    }
}

pub const PATH: Token = Token::Sign("::");

/// The tokens of a Rust source text. Comments, doc comments among them, are gone; lifetimes come out as words.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        let next = chars.get(at + 1).copied();
        if c == '/' && next == Some('/') {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if c == '/' && next == Some('*') {
            at = block_comment_end(&chars, at);
        } else if c == '"' {
            let end = string_end(&chars, at + 1);
            tokens.push(Token::Text(chars[at + 1..end].iter().collect()));
            at = end + 1;
        } else if let Some((start, end, after)) = raw_string(&chars, at) {
            tokens.push(Token::Text(chars[start..end].iter().collect()));
            at = after;
        } else if c == '\'' && is_char_literal(&chars, at) {
            at += if next == Some('\\') { 3 } else { 2 };
            while chars.get(at - 1) != Some(&'\'') {
                at += 1;
            }
        } else if c.is_alphanumeric() || c == '_' {
            let start = at;
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            tokens.push(Token::Word(chars[start..at].iter().collect()));
        } else if c == ':' && next == Some(':') {
            tokens.push(PATH);
            at += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(Token::Punctuation(c));
            }
            at += 1;
        }
    }
    tokens
}

/// Block comments nest in Rust.
fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start + 2, 1);
    while at < chars.len() && depth > 0 {
        match (chars[at], chars.get(at + 1)) {
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            _ => at += 1,
        }
    }
    at
}

/// The place of the closing quote of a string whose text starts at `at`.
fn string_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at.min(chars.len())
}

/// `r"…"`, `r#"…"#`, also after a `b` or `c`: the start and end of the text, and the place after it.
fn raw_string(chars: &[char], at: usize) -> Option<(usize, usize, usize)> {
    let follows_a_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    let mut start = at;
    if matches!(chars[start], 'b' | 'c') {
        start += 1;
    }
    if follows_a_word || chars.get(start) != Some(&'r') {
        return None;
    }
    start += 1;
    let hashes = chars[start..].iter().take_while(|c| **c == '#').count();
    start += hashes;
    if chars.get(start) != Some(&'"') {
        return None;
    }
    start += 1;
    let closes = |end: usize| {
        chars[end] == '"' && chars[end + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    let end = (start..chars.len()).find(|end| closes(*end))?;
    Some((start, end, end + 1 + hashes))
}

/// `'a'` and `'\n'` are characters, `'a` alone is a lifetime.
fn is_char_literal(chars: &[char], at: usize) -> bool {
    chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'')
}

/// Where a file stands in its crate: `src/opening/pick/tests.rs` is `["opening", "pick", "tests"]`.
pub fn module_of(file: &Path, source_folder: &Path) -> Vec<String> {
    let relative = file.strip_prefix(source_folder).unwrap().with_extension("");
    let mut module: Vec<String> =
        relative.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}
