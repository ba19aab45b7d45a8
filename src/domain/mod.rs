//! Values that the whole product agrees on. Nothing here does I/O; time is passed in, or read through [`time::Clock`].

pub mod area;
pub mod decimal;
pub mod document;
pub mod ids;
pub mod kind;
pub mod money;
pub mod network;
pub mod phone;
pub mod simulated;
pub mod text;
pub mod time;
