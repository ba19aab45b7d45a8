//! Every bound in one place, with the relations between them checked when the program is compiled. A file a layer or module;
//! whoever uses one names it as `limits::NAME`.

mod cluster;
mod console;
mod gateway;
mod http;
mod identity;
mod imports;
mod messaging;
mod opening;
mod rehearsals;
mod status;
mod store;
mod vault;
mod wechat;

pub use cluster::*;
pub use console::*;
pub use gateway::*;
pub use http::*;
pub use identity::*;
pub use imports::*;
pub use messaging::*;
pub use opening::*;
pub use rehearsals::*;
pub use status::*;
pub use store::*;
pub use vault::*;
pub use wechat::*;
