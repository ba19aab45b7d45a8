//! Pairs of settings that are fine alone and risky together, each said in one sentence at start.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Config, SmsAt, backup};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Listens to the network, but only pages opened on this machine may act.
    OriginsOnlyLocal { listen: SocketAddr },
    /// Some page is reached over plain http from other machines.
    PlainHttp { origin: String },
    /// One plain origin takes the `Secure` mark from every cookie.
    MixedOrigins,
    /// TLS ends at a proxy that is not trusted: all buyers share its address, and its limits.
    ProxyNotTrusted,
    /// Anybody may claim any address.
    EveryoneTrusted,
    /// How many wait and how the server copes can be read by anybody.
    MetricsForEveryone,
    /// The console can be reached from the network without TLS.
    StaffDoorExposed { listen: SocketAddr },
    /// Sign-in is not slowed by address: right for a demo, wrong for an opening.
    CrowdAllowed,
    /// The database's traffic, with everyone's data, is not forced through TLS.
    DatabaseInTheClear,
    /// Redis' traffic between machines can be read and changed.
    RedisInTheClear,
    /// The disk that fails takes both.
    BackupOnSameDisk { folder: PathBuf },
    /// What goes to WeChat and back, the secret with it, can be read on the way.
    WechatInTheClear { url: String },
    /// WeChat leads buyers back to https addresses of its own list.
    WechatLeadsNowhere { origin: String },
    /// Phones and codes can be read on the way to whoever sends them.
    SmsInTheClear,
    /// The setting is SQLite's.
    BackupOfPostgres,
}

impl Config {
    pub fn warnings(&self) -> Vec<Warning> {
        let mut found = Vec::new();
        let local = |origin: &str| {
            let host = origin.split_once("://").map_or("", |(_, host)| host);
            host.starts_with("localhost") || host.starts_with("127.") || host.starts_with("[::1]")
        };
        let plain = |origin: &str| origin.starts_with("http://") && !local(origin);
        if !self.buyers_listen.ip().is_loopback() && self.public_origins.iter().all(|origin| local(origin)) {
            found.push(Warning::OriginsOnlyLocal { listen: self.buyers_listen });
        }
        let all = || self.public_origins.iter().chain(&self.staff_origins);
        found.extend(
            all().filter(|origin| plain(origin)).map(|origin| Warning::PlainHttp { origin: origin.clone() }),
        );
        let secure = |origin: &String| origin.starts_with("https://");
        if self.public_origins.iter().any(secure) && !self.public_origins.iter().all(secure) {
            found.push(Warning::MixedOrigins);
        }
        if self.public_origins.iter().any(secure) && self.trusted_proxies.is_empty() {
            found.push(Warning::ProxyNotTrusted);
        }
        if self.trusted_proxies.iter().any(|network| network.is_everyone()) {
            found.push(Warning::EveryoneTrusted);
        }
        if self.metrics_from.iter().any(|network| network.is_everyone()) {
            found.push(Warning::MetricsForEveryone);
        }
        if !self.staff_listen.ip().is_loopback() && !self.staff_origins.iter().all(secure) {
            found.push(Warning::StaffDoorExposed { listen: self.staff_listen });
        }
        if self.crowd && !self.buyers_listen.ip().is_loopback() {
            found.push(Warning::CrowdAllowed);
        }
        if self.data.database_url.as_deref().is_some_and(in_the_clear) {
            found.push(Warning::DatabaseInTheClear);
        }
        if self.redis.iter().any(|redis| !redis.is_here()) {
            found.push(Warning::RedisInTheClear);
        }
        if let Some(wechat) = &self.wechat {
            let urls = [&wechat.api_url, &wechat.open_url].into_iter().flatten().filter(|url| plain(url));
            found.extend(urls.map(|url| Warning::WechatInTheClear { url: url.clone() }));
            let nowhere = self.public_origins.iter().find(|origin| !secure(origin));
            if let (None, Some(origin)) = (&wechat.open_url, nowhere) {
                found.push(Warning::WechatLeadsNowhere { origin: origin.clone() });
            }
        }
        let sms = match &self.sms {
            SmsAt::Outbox => None,
            SmsAt::Aliyun(cloud) | SmsAt::TencentCloud { cloud, .. } => Some(cloud.base_url.as_str()),
            SmsAt::HttpGateway(gateway) => Some(gateway.url.as_str()),
        };
        if sms.is_some_and(plain) {
            found.push(Warning::SmsInTheClear);
        }
        found.extend(backup::warnings(&self.data));
        found
    }
}

/// A Postgres elsewhere without `sslmode=require` or stricter. Sockets and this machine need none.
fn in_the_clear(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?']).next();
    let host = authority.and_then(|authority| authority.rsplit('@').next()).unwrap_or_default();
    let here = host.is_empty()
        || ["localhost", "127.", "[::1]", "%2f"]
            .iter()
            .any(|start| host.to_ascii_lowercase().starts_with(start));
    let forced =
        ["sslmode=require", "sslmode=verify-ca", "sslmode=verify-full"].iter().any(|mode| url.contains(mode));
    !here && !forced && !url.contains("host=/")
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OriginsOnlyLocal { listen } => write!(
                f,
                "buyers' door listens on {listen}, but only pages opened on this machine may act: set public_origins \
                 to the address that buyers type"
            ),
            Self::PlainHttp { origin } => {
                write!(f, "{origin} is plain http: sessions can be read on the way; use https outside a test")
            }
            Self::MixedOrigins => f.write_str(
                "public_origins mixes http and https: cookies can not be marked Secure, not even for the https pages",
            ),
            Self::ProxyNotTrusted => f.write_str(
                "public_origins are https, so a proxy stands before this server, but trusted_proxies is empty: all \
                 buyers will seem to share one address and its limits",
            ),
            Self::EveryoneTrusted => {
                f.write_str("trusted_proxies trusts everyone: any client can claim any address and escape its limits")
            }
            Self::MetricsForEveryone => {
                f.write_str("metrics_from names everyone: how many buyers wait, and how the server copes, is public")
            }
            Self::StaffDoorExposed { listen } => write!(
                f,
                "staff's door listens on {listen} without an https staff_origins: passwords can be read on the way"
            ),
            Self::CrowdAllowed => {
                f.write_str("crowd is set on an open door: codes can be guessed from one address without being slowed")
            }
            Self::BackupOnSameDisk { folder } => write!(
                f,
                "backup_dir {} is on the same file system as data_dir: a disk that fails takes both (is the other \
                 machine's disk mounted there?)",
                folder.display()
            ),
            Self::WechatInTheClear { url } => {
                write!(f, "WeChat is spoken to at {url} in the clear, with the account's secret: use https")
            }
            Self::WechatLeadsNowhere { origin } => write!(
                f,
                "wechat_app_id is set, but WeChat leads buyers back only to https addresses on its list, and {origin} is \
                 none: set public_origins to the address that buyers open"
            ),
            Self::SmsInTheClear => f.write_str(
                "SMS go to their provider over plain http: phones and sign-in codes can be read on the way; use https",
            ),
            Self::BackupOfPostgres => {
                f.write_str("backup_dir is for SQLite and does nothing here: Postgres is backed up by deploy/backup/")
            }
            Self::DatabaseInTheClear => {
                f.write_str("database_url names another machine without sslmode=require: everyone's data goes in the clear")
            }
            Self::RedisInTheClear => f.write_str(
                "redis_urls names another machine, and Redis is spoken to in the clear: keep it in a network of its own \
                 (it holds no personal data, but whoever writes there can slow the sale)",
            ),
        }
    }
}
