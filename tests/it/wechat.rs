//! WeChat, played by `fakes/`: buyers sign in with it, and all gateways share its tokens.

mod browser;
mod refusals;
mod settings;
mod sign_in;
mod tokens;
