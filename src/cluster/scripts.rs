//! The scripts of `lua/`, one a file. Each is sent by its hash, and again only when the server does not know it.

use std::sync::LazyLock;

use redis::Script as Lua;

/// One script.
pub struct Script {
    pub name: &'static str,
    pub lua: LazyLock<Lua>,
}

macro_rules! scripts {
    ($($name:ident = $file:literal),* $(,)?) => {
        $(pub static $name: Script = Script {
            name: $file,
            lua: LazyLock::new(|| Lua::new(include_str!(concat!("../../lua/", $file, ".lua")))),
        };)*
    };
}

scripts! {
    CLAIM = "claim",
    LOOK = "look",
    TELL = "tell",
    SETTLE = "settle",
    SEAL = "seal",
    LIMIT = "limit",
}
