//! Queries and bodies, read strictly: what is missing has its own error, and what nobody documented is refused, because in a
//! test it is a misspelt name.

use std::collections::HashMap;

use serde::de::DeserializeOwned;

use super::answer::{Errcode, Refused};

pub struct Params(HashMap<String, String>);

impl Params {
    /// `wanted`: each name with the error for its absence; `None`: it may be absent.
    pub fn read(query: Option<&str>, wanted: &[(&str, Option<Errcode>)]) -> Result<Self, Refused> {
        let mut found = HashMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let is_known = wanted.iter().any(|(known, _)| *known == name);
            if !is_known || found.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Errcode::ArgumentInvalid.into());
            }
        }
        for (name, missing) in wanted {
            if let Some(missing) = missing
                && found.get(*name).is_none_or(String::is_empty)
            {
                return Err((*missing).into());
            }
        }
        Ok(Self(found))
    }

    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

pub fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(bytes).map_err(|_| Errcode::DataFormat.into())
}
