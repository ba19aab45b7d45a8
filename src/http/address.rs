//! Whose address a request comes from. `X-Forwarded-For` counts only when a configured proxy wrote it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::problem::Problem;
use crate::domain::network::Network;
use crate::limits::FORWARDED_HOPS_MAX;

/// The client's address behind trusted proxies; the shell puts it into each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddr(pub IpAddr);

impl ClientAddr {
    /// One key for one customer of a provider: IPv6 is handed out in blocks of at least a /64, so that a single address
    /// is no bound.
    pub fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddr {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().copied().ok_or_else(|| Problem::internal("the shell is not mounted"))
    }
}

/// Walks the proxies from the nearest outwards; the first address that is not a trusted proxy is the client. An entry
/// that is not an address ends the walk: what stands left of it was written by we know not whom.
pub fn client_addr(peer: SocketAddr, headers: &HeaderMap, trusted: &[Network]) -> ClientAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.ip().to_canonical();
    if !is_trusted(client) {
        return ClientAddr(client);
    }
    let hops = headers
        .get_all("x-forwarded-for")
        .iter()
        .rev()
        .flat_map(|line| line.to_str().unwrap_or_default().rsplit(','))
        .take(FORWARDED_HOPS_MAX);
    for hop in hops {
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_trusted(client) {
            break;
        }
    }
    ClientAddr(client)
}

/// Whether a proxy says that it passed this request on. The usual ones say so only where their settings tell them to.
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    ["x-forwarded-for", "forwarded", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// Mutation that turned it red: reading the leftmost entry, which any client can write.
    #[test]
    fn only_what_a_trusted_proxy_wrote_counts() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let cases: &[(&str, &[&str], &str)] = &[
            ("203.0.113.9:1", &["1.1.1.1"], "203.0.113.9"),
            ("10.0.0.1:1", &[], "10.0.0.1"),
            ("10.0.0.1:1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1:1", &["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1:1", &["6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            ("10.0.0.1:1", &["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1:1", &["6.6.6.6, garbage, 10.0.0.2"], "10.0.0.2"),
            ("[::ffff:10.0.0.1]:1", &["203.0.113.9"], "203.0.113.9"),
        ];
        for (peer, lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
            }
            let client = client_addr(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(client.0, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_an_ipv6_block() {
        let network = |address: &str| ClientAddr(address.parse().unwrap()).network().to_string();
        assert_eq!(network("203.0.113.9"), "203.0.113.9");
        assert_eq!(network("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
