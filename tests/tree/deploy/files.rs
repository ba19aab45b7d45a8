//! The files of a deployment as text and as trees, with changes laid over them: so that a test can break one and look who
//! notices.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value};

use crate::source::root;

#[derive(Default)]
pub struct Files {
    changed: BTreeMap<String, String>,
}

impl Files {
    pub fn text(&self, path: &str) -> String {
        if let Some(changed) = self.changed.get(path) {
            return changed.clone();
        }
        fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn exists(path: &str) -> bool {
        root().join(path).exists()
    }

    /// The same files, but in `path` stands `to` where `from` stood, wherever it stood.
    pub fn with(path: &str, from: &str, to: &str) -> Self {
        let text = Self::default().text(path);
        assert!(text.contains(from), "{path} has no {from:?} that could be broken");
        Self { changed: BTreeMap::from([(path.to_owned(), text.replace(from, to))]) }
    }

    pub fn yaml(&self, path: &str) -> Value {
        let text = self.text(path);
        let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(documents.len(), 1, "{path} is one document");
        value(&documents[0])
    }
}

/// Anchors are resolved by the parser; merge keys, which are a habit and not of YAML, here.
fn value(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(boolean)) => Value::Bool(*boolean),
        Yaml::Value(Scalar::Integer(integer)) => (*integer).into(),
        Yaml::Value(Scalar::FloatingPoint(float)) => float.into_inner().into(),
        Yaml::Value(Scalar::String(text)) => interpolated(text).into(),
        Yaml::Sequence(sequence) => sequence.iter().map(value).collect(),
        Yaml::Mapping(mapping) => {
            let mut merged = Map::new();
            let mut own = Map::new();
            for (key, held) in mapping {
                match (key.as_str(), value(held)) {
                    (Some("<<"), Value::Object(base)) => merged.extend(base),
                    (Some(key), held) => drop(own.insert(key.to_owned(), held)),
                    (None, _) => panic!("a key that is no text: {key:?}"),
                }
            }
            merged.extend(own);
            Value::Object(merged)
        }
        other => panic!("not understood: {other:?}"),
    }
}

/// `${NAME:-default}` as it is where nobody set NAME.
fn interpolated(text: &str) -> String {
    let mut rest = text;
    let mut whole = String::new();
    while let Some((before, after)) = rest.split_once("${") {
        let (inside, after) = after.split_once('}').expect("a closing brace");
        let (_, default) = inside.split_once(":-").unwrap_or_else(|| panic!("${{{inside}}} has no default"));
        whole = whole + before + default;
        rest = after;
    }
    whole + rest
}

/// The texts of a list, or of one text alone.
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The keys of a mapping, or the texts of a list: Compose takes both for depends_on and networks.
pub fn names(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(map) => map.keys().map(String::as_str).collect(),
        other => texts(other),
    }
}

/// The value of `name = value` or `name value` in a settings file; the last one, as their readers have it.
pub fn setting<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| {
        let rest = line.trim_start().strip_prefix(name)?;
        rest.starts_with([' ', '=']).then(|| rest.trim_start_matches([' ', '=']).trim())
    };
    text.lines().filter_map(value).next_back()
}

/// What a path in a list of a container's mounts means on this side, if it means a file.
pub fn host_path(source: &str) -> Option<&Path> {
    source.starts_with(['.', '/', '~']).then(|| Path::new(source))
}
