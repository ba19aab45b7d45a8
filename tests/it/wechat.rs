//! WeChat, played by `fakes/`: one token for all gateways.

mod tokens;
