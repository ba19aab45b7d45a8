//! Where a Redis is: one server, or the Sentinels that know which server is the master.

use std::fmt;
use std::str::FromStr;

use super::ConfigError;

/// One Redis. Holds a password, so it prints itself without.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAt {
    /// The server, or the Sentinels: host and port of each.
    pub hosts: Vec<(String, u16)>,
    /// The master's name among the Sentinels; `None`: `hosts` is the one server.
    pub service: Option<String>,
    /// Of the server itself, not of its Sentinels.
    pub username: Option<String>,
    pub password: Option<String>,
    pub db: i64,
}

const REDIS_PORT: u16 = 6_379;
const SENTINEL_PORT: u16 = 26_379;

impl FromStr for RedisAt {
    type Err = ConfigError;

    /// `redis://[user:password@]host[:port][/db]` or `redis-sentinel://[user:password@]host[:port],…/service[?db=N]`.
    fn from_str(url: &str) -> Result<Self, ConfigError> {
        parse(url).ok_or_else(|| {
            // Without what stands before the @: it may be a password.
            let shown = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
            ConfigError::Redis(shown.to_owned())
        })
    }
}

fn parse(url: &str) -> Option<RedisAt> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(credentials), hosts),
        None => (None, authority),
    };
    let (username, password) = match credentials.map(|text| text.split_once(':').unwrap_or((text, ""))) {
        Some((user, password)) => (given(user), given(password)),
        None => (None, None),
    };
    let (port, service, db) = match scheme {
        "redis" => (REDIS_PORT, None, if path.is_empty() { 0 } else { path.parse().ok()? }),
        "redis-sentinel" => {
            let (service, query) = path.split_once('?').unwrap_or((path, "db=0"));
            (SENTINEL_PORT, Some(given(service)?), query.strip_prefix("db=")?.parse().ok()?)
        }
        _ => return None,
    };
    let hosts = hosts.split(',').map(|host| host_and_port(host, port)).collect::<Option<Vec<_>>>()?;
    let right = db >= 0 && (service.is_some() || hosts.len() == 1);
    right.then_some(RedisAt { hosts, service, username, password, db })
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn host_and_port(text: &str, port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, given)) if !given.ends_with(']') => (host, given.parse().ok()?),
        _ => (text, port),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    (!host.is_empty() && host.chars().all(plain)).then(|| (host.to_owned(), port))
}

impl RedisAt {
    /// Every host is this machine.
    pub fn is_here(&self) -> bool {
        let here = |host: &String| host == "localhost" || host == "::1" || host.starts_with("127.");
        self.hosts.iter().all(|(host, _)| here(host))
    }
}

impl fmt::Display for RedisAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        match &self.service {
            Some(service) => write!(f, "{service} of {}", hosts.join(",")),
            None => f.write_str(&hosts.join(",")),
        }
    }
}

impl fmt::Debug for RedisAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisAt({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nothing_else() {
        let one: RedisAt = "redis://:secret@10.0.0.7:7000/2".parse().unwrap();
        assert_eq!((one.hosts.as_slice(), one.db), (&[("10.0.0.7".to_owned(), 7_000)][..], 2));
        assert_eq!((one.username.as_deref(), one.password.as_deref()), (None, Some("secret")));
        let plain: RedisAt = "redis://[::1]".parse().unwrap();
        assert_eq!(plain.hosts, [("::1".to_owned(), 6_379)]);
        let many: RedisAt = "redis-sentinel://kaipan:secret@a:1,b,c:3/sale?db=4".parse().unwrap();
        assert_eq!(many.to_string(), "sale of a:1,b:26379,c:3");
        assert_eq!((many.username.as_deref(), many.db), (Some("kaipan"), 4));
        for wrong in [
            "",
            "10.0.0.7:6379",
            "rediss://a",
            "http://a",
            "redis://",
            "redis://a,b",
            "redis://a:port",
            "redis://a/x",
            "redis://a/-1",
            "redis-sentinel://a",
            "redis-sentinel://a/",
            "redis-sentinel://a,/sale",
            "redis-sentinel://a/sale?x=1",
            "redis://a b",
        ] {
            assert!(wrong.parse::<RedisAt>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let read: RedisAt = "redis://u:secret@a".parse().unwrap();
        assert!(!format!("{read:?} {read}").contains("secret"));
        let refused = "redis://u:secret@a:no".parse::<RedisAt>().unwrap_err();
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
}
