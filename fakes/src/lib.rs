//! Small servers that play the others, for tests and for `make run`: WeChat, and providers of SMS.
//!
//! A fake checks every parameter as the real one does, answers every documented error, and can be told to fail in the ways
//! networks fail. It keeps nothing: what it knows ends with the process. It shares no code with the product, or it would
//! agree with its mistakes.
//!
//! ```text
//!   a request ──► door ──► desk: write it down; a fault ordered for this path? ──► the fake's own answer
//!                            ▲
//!                            └── /_fake/…  from this machine only: order faults, read what came, move the clock
//! ```

/// Accepts connections, and cuts those that a fault says to cut.
mod door;

/// What is ordered and what was written down; the clock; `/_fake`.
pub mod desk;

/// Aliyun SMS, Tencent Cloud SMS, and a gateway as smaller providers have it.
pub mod sms;

/// Official Account, Mini Program and their common API.
pub mod wechat;

use std::net::SocketAddr;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;

use desk::Desk;

/// Everything this program plays, behind one address.
pub fn router(settings: &wechat::Settings) -> Router {
    let desk = Desk::default();
    let wechat = wechat::WeChat::new(settings, desk.clone());
    let sms = sms::Sms::new(desk.clone());
    let played = wechat::router(wechat.clone()).merge(sms::router(sms.clone()));
    let played = played.layer(from_fn_with_state(desk.clone(), desk::attend));
    let control = desk::control(desk).merge(wechat::control(wechat)).merge(sms::control(sms));
    played.merge(control.layer(axum::middleware::from_fn(desk::only_this_machine)))
}

/// Serves for as long as the future is polled.
pub async fn serve(listener: TcpListener, settings: &wechat::Settings) -> std::io::Result<()> {
    door::serve(listener, router(settings)).await
}

/// On a port of its own, for tests: where it listens. It ends with the runtime.
pub async fn start(settings: &wechat::Settings) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let router = router(settings);
    tokio::spawn(door::serve(listener, router));
    Ok(address)
}
