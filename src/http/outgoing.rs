//! How this program speaks to others over HTTPS: on ring and Mozilla's authorities, as the database's TLS is.

use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;

/// What it calls itself there.
pub const USER_AGENT: &str = concat!("kaipan/", env!("CARGO_PKG_VERSION"));

/// Plain HTTP too: to a fake, or to a proxy on this machine.
pub fn connector(connect_timeout: Duration) -> Result<HttpsConnector<HttpConnector>, rustls::Error> {
    let mut plain = HttpConnector::new();
    plain.set_connect_timeout(Some(connect_timeout));
    plain.enforce_http(false);
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?;
    Ok(tls.https_or_http().enable_http1().wrap_connector(plain))
}

/// 32 letters and digits, not to be guessed, never the same twice: what a request or an address carries once.
pub fn random_text() -> String {
    use rand::RngExt;
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(32).map(char::from).collect()
}
