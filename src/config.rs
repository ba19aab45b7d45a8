//! The settings: one struct, each value from the first that names it: flag, environment, file, default.

mod backup;
mod folders;
mod redis;
mod sms;
mod warning;
mod wechat;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::domain::network::Network;
use crate::telemetry::LogFormat;

pub use backup::BackupAt;
pub use folders::lies_within;
pub use redis::RedisAt;
pub use sms::{
    Encode, SmsAt, SmsBody, SmsCloud, SmsGateway, SmsMethod, SmsProvider, SmsSettings, SmsSettingsError,
    SmsTemplate, SmsWord, Template, Values,
};
pub use warning::Warning;
pub use wechat::{WechatAt, WechatSettings, WechatSettingsError};

/// What flags, environment or file may say; all of it optional. The names in the file are those of the fields.
#[derive(Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A TOML file with any of these settings
    #[arg(long, env = "KAIPAN_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// In the file these stand beside the others.
    #[command(flatten)]
    #[serde(skip)]
    pub data: DataSettings,

    /// Boxed: the command line's largest command would otherwise be far larger than the others.
    #[command(flatten)]
    #[serde(skip)]
    pub wechat: Box<WechatSettings>,

    /// Likewise.
    #[command(flatten)]
    #[serde(skip)]
    pub sms: Box<SmsSettings>,

    /// Where buyers connect [default: 127.0.0.1:8080]
    #[arg(long, visible_alias = "listen", env = "KAIPAN_BUYERS_LISTEN", value_name = "ADDRESS:PORT")]
    pub buyers_listen: Option<SocketAddr>,

    /// Where staff connect [default: 127.0.0.1:8081]
    #[arg(long, env = "KAIPAN_STAFF_LISTEN", value_name = "ADDRESS:PORT")]
    pub staff_listen: Option<SocketAddr>,

    /// Origins of the buyers' pages, such as https://kp.example; their pages alone may change anything
    /// [default: http on the listen address and localhost]
    #[arg(
        long = "public-origin",
        env = "KAIPAN_PUBLIC_ORIGINS",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    pub public_origins: Option<Vec<String>>,

    /// Origins of the console
    #[arg(long = "staff-origin", env = "KAIPAN_STAFF_ORIGINS", value_delimiter = ',', value_name = "ORIGIN")]
    pub staff_origins: Option<Vec<String>>,

    /// Proxies whose X-Forwarded-For is believed: addresses or networks
    #[arg(
        long = "trusted-proxy",
        env = "KAIPAN_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "NETWORK"
    )]
    pub trusted_proxies: Option<Vec<Network>>,

    /// Who may read /metrics, on either door and without a proxy between: addresses or networks
    /// [default: this machine]
    #[arg(long = "metrics-from", env = "KAIPAN_METRICS_FROM", value_delimiter = ',', value_name = "NETWORK")]
    pub metrics_from: Option<Vec<Network>>,

    /// Threads that serve buyers, each with its own socket [default: one a core]
    #[arg(long, env = "KAIPAN_BUYERS_THREADS", value_name = "N")]
    pub buyers_threads: Option<NonZeroUsize>,

    /// For the demo and load tests: a crowd that signs in from one machine is not slowed by its one address
    #[arg(long, env = "KAIPAN_CROWD", num_args = 0..=1, default_missing_value = "true", value_name = "true|false")]
    pub crowd: Option<bool>,

    /// Between several gateways on one Postgres: redis://[user:password@]host[:port][/db], or
    /// redis-sentinel://[user:password@]host[:port],host[:port]/service[?db=N]. Several Redis share the openings, so every
    /// gateway names the same ones in the same order
    #[arg(
        long = "redis-url",
        env = "KAIPAN_REDIS_URLS",
        value_delimiter = ' ',
        value_name = "URL",
        hide_env_values = true
    )]
    pub redis_urls: Option<Vec<String>>,

    /// While Redis is lost: let picks go on to the database, so many a second, or hold them [default: continue]
    #[arg(long, env = "KAIPAN_REDIS_LOST", value_enum)]
    pub redis_lost: Option<RedisLost>,

    /// What people call this gateway [default: the machine's name and the buyers' port]
    #[arg(long, env = "KAIPAN_GATEWAY_NAME", value_name = "NAME")]
    pub gateway_name: Option<String>,

    /// The load tool that the console may start in a rehearsal [default: kaipan-loadtest beside this program]
    #[arg(long, env = "KAIPAN_LOADTEST", value_name = "FILE")]
    pub loadtest: Option<PathBuf>,

    /// text for people, json for collectors [default: text]
    #[arg(long, env = "KAIPAN_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,

    /// What is logged, in the language of RUST_LOG [default: info]
    #[arg(long, env = "KAIPAN_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

/// Where the data is: what every command that touches it needs to know.
#[derive(Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSettings {
    /// The data folder; with the embedded database it holds everything [default: data]
    #[arg(long, env = "KAIPAN_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,

    /// A Postgres database; without it SQLite in the data folder
    #[arg(long, env = "KAIPAN_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// The file with the keys, outside the data folder [default: keys.json in the user's configuration folder]. Instead of a
    /// file: the keyring itself in KAIPAN_KEYS, or a program that prints it in KAIPAN_KEYRING_COMMAND
    #[arg(long, env = "KAIPAN_KEYRING", value_name = "FILE")]
    pub keyring: Option<PathBuf>,

    /// Back SQLite up continuously into this folder, which is another machine's disk: what is answered lies there first.
    /// (Postgres has its own ways: docs/operations.md)
    #[arg(long, env = "KAIPAN_BACKUP_DIR", value_name = "FOLDER")]
    pub backup_dir: Option<PathBuf>,

    /// While the backup can not be written let commits wait, instead of going on without it
    #[arg(long, env = "KAIPAN_BACKUP_STRICT", num_args = 0..=1, default_missing_value = "true", value_name = "true|false")]
    pub backup_strict: Option<bool>,

    /// How long SQLite's log grows before it is written back, for tests of what happens then
    #[arg(long, env = "KAIPAN_BACKUP_LOG_KIB", value_name = "KIB", hide = true)]
    pub backup_log_kib: Option<NonZeroU64>,
}

/// What becomes of picks while Redis, which was set, is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RedisLost {
    /// From memory straight to the database, so many a second.
    #[default]
    Continue,
    /// Asked to come back until Redis does.
    Hold,
}

/// The settings as the program uses them.
#[derive(Debug, Clone)]
pub struct Config {
    pub data: Data,
    pub buyers_listen: SocketAddr,
    pub staff_listen: SocketAddr,
    pub public_origins: Vec<String>,
    pub staff_origins: Vec<String>,
    pub trusted_proxies: Vec<Network>,
    pub metrics_from: Vec<Network>,
    pub buyers_threads: usize,
    pub crowd: bool,
    /// None: one gateway, or several that look into the database for each other's news.
    pub redis: Vec<RedisAt>,
    pub redis_lost: RedisLost,
    pub gateway_name: String,
    /// `None`: nobody signs in by WeChat.
    pub wechat: Option<WechatAt>,
    pub sms: SmsAt,
    /// `None`: beside this program.
    pub loadtest: Option<PathBuf>,
    pub log_format: LogFormat,
    pub log: String,
}

#[derive(Clone)]
pub struct Data {
    pub dir: PathBuf,
    /// `None`: SQLite in `dir`. Holds a password, so it is never printed.
    pub database_url: Option<String>,
    /// `None`: the user's configuration folder, or the environment.
    pub keyring: Option<PathBuf>,
    /// SQLite's.
    pub backup: Option<BackupAt>,
}

impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let database = if self.database_url.is_some() { "postgres" } else { "sqlite" };
        f.debug_struct("Data").field("dir", &self.dir).field("database", &database).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the settings file {} can not be read: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("the settings file {} is wrong: {source}", path.display())]
    Toml { path: PathBuf, source: Box<toml::de::Error> },
    #[error("{0:?} is no origin: expected http:// or https:// and a host, nothing after it")]
    Origin(String),
    #[error("both doors can not listen on {0}")]
    SameAddress(SocketAddr),
    #[error(
        "{0:?} is no Redis: expected redis://host:port/db or redis-sentinel://host:port,host:port/service"
    )]
    Redis(String),
    #[error("redis_urls is for several gateways on one Postgres: set database_url too, or leave it out")]
    RedisWithoutPostgres,
    #[error(transparent)]
    Wechat(#[from] WechatSettingsError),
    #[error(transparent)]
    Sms(#[from] SmsSettingsError),
    #[error("gateway_name {0:?} is longer than 64 characters or has unprintable ones")]
    GatewayName(String),
}

impl DataSettings {
    const NAMES: [&str; 6] =
        ["data_dir", "database_url", "keyring", "backup_dir", "backup_strict", "backup_log_kib"];

    fn or(self, other: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(other.data_dir),
            database_url: self.database_url.or(other.database_url),
            keyring: self.keyring.or(other.keyring),
            backup_dir: self.backup_dir.or(other.backup_dir),
            backup_strict: self.backup_strict.or(other.backup_strict),
            backup_log_kib: self.backup_log_kib.or(other.backup_log_kib),
        }
    }

    /// The values for a command that serves nothing.
    pub fn resolve(self) -> Data {
        let given = |url: String| (!url.trim().is_empty()).then_some(url);
        Data {
            dir: self.data_dir.unwrap_or_else(|| PathBuf::from("data")),
            database_url: self.database_url.and_then(given),
            keyring: self.keyring,
            backup: self.backup_dir.filter(|folder| !folder.as_os_str().is_empty()).map(|folder| BackupAt {
                folder,
                strict: self.backup_strict.unwrap_or(false),
                log_bytes: self.backup_log_kib.map(|kib| kib.get().saturating_mul(1_024)),
            }),
        }
    }
}

impl Settings {
    /// What `self` does not say, `other` does.
    fn or(self, other: Self) -> Self {
        Self {
            config: self.config.or(other.config),
            data: self.data.or(other.data),
            wechat: Box::new(self.wechat.or(*other.wechat)),
            sms: Box::new(self.sms.or(*other.sms)),
            buyers_listen: self.buyers_listen.or(other.buyers_listen),
            staff_listen: self.staff_listen.or(other.staff_listen),
            public_origins: self.public_origins.or(other.public_origins),
            staff_origins: self.staff_origins.or(other.staff_origins),
            trusted_proxies: self.trusted_proxies.or(other.trusted_proxies),
            metrics_from: self.metrics_from.or(other.metrics_from),
            buyers_threads: self.buyers_threads.or(other.buyers_threads),
            crowd: self.crowd.or(other.crowd),
            redis_urls: self.redis_urls.or(other.redis_urls),
            redis_lost: self.redis_lost.or(other.redis_lost),
            gateway_name: self.gateway_name.or(other.gateway_name),
            loadtest: self.loadtest.or(other.loadtest),
            log_format: self.log_format.or(other.log_format),
            log: self.log.or(other.log),
        }
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        let wrong = |source| ConfigError::Toml { path: path.to_owned(), source: Box::new(source) };
        let mut table: toml::Table = toml::from_str(&text).map_err(wrong)?;
        // serde refuses unknown names only in structs without a flattened part, so the parts are read apart.
        let mut part = |names: &[&str]| -> toml::Table {
            names.iter().filter_map(|name| table.remove_entry(*name)).collect()
        };
        let data = part(&DataSettings::NAMES).try_into().map_err(wrong)?;
        let wechat = part(&WechatSettings::NAMES).try_into().map_err(wrong)?;
        let sms = part(&SmsSettings::NAMES).try_into().map_err(wrong)?;
        let settings: Self = table.try_into().map_err(wrong)?;
        Ok(Self { data, wechat: Box::new(wechat), sms: Box::new(sms), ..settings })
    }

    /// Reads the file, if one is named, and fills the rest with defaults. `cores`: what the machine has.
    pub fn resolve(self, cores: usize) -> Result<Config, ConfigError> {
        let settings = match self.config.clone() {
            Some(path) => self.or(Self::read(&path)?),
            None => self,
        };
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let buyers_listen = settings.buyers_listen.unwrap_or(loopback(8_080));
        let staff_listen = settings.staff_listen.unwrap_or(loopback(8_081));
        if buyers_listen == staff_listen && buyers_listen.port() != 0 {
            return Err(ConfigError::SameAddress(buyers_listen));
        }
        let data = settings.data.resolve();
        let redis = settings.redis_urls.unwrap_or_default();
        let redis: Vec<RedisAt> = redis
            .iter()
            .filter(|url| !url.trim().is_empty())
            .map(|url| url.parse())
            .collect::<Result<_, _>>()?;
        if !redis.is_empty() && data.database_url.is_none() {
            return Err(ConfigError::RedisWithoutPostgres);
        }
        Ok(Config {
            data,
            buyers_listen,
            staff_listen,
            public_origins: origins(settings.public_origins, buyers_listen)?,
            staff_origins: origins(settings.staff_origins, staff_listen)?,
            trusted_proxies: settings.trusted_proxies.unwrap_or_default(),
            metrics_from: settings.metrics_from.unwrap_or_else(|| Network::LOOPBACK.to_vec()),
            buyers_threads: settings.buyers_threads.map_or(cores.max(1), NonZeroUsize::get),
            crowd: settings.crowd.unwrap_or(false),
            redis,
            redis_lost: settings.redis_lost.unwrap_or_default(),
            wechat: settings.wechat.resolve()?,
            sms: settings.sms.resolve()?,
            gateway_name: gateway_name(settings.gateway_name, buyers_listen)?,
            loadtest: settings.loadtest,
            log_format: settings.log_format.unwrap_or_default(),
            log: settings.log.unwrap_or_else(|| "info".to_owned()),
        })
    }
}

/// In lists and logs people tell gateways apart by it; nothing decides by it.
fn gateway_name(given: Option<String>, listen: SocketAddr) -> Result<String, ConfigError> {
    let name = given.unwrap_or_else(|| {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        format!("{host}:{}", listen.port())
    });
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(ConfigError::GatewayName(name.to_owned()));
    }
    Ok(name.to_owned())
}

/// The given origins, checked; or the ways in which a browser on this machine reaches `listen`.
fn origins(given: Option<Vec<String>>, listen: SocketAddr) -> Result<Vec<String>, ConfigError> {
    let Some(given) = given else {
        let port = listen.port();
        let local = [format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}")];
        // The first is the one that is printed on the QR code, so it must be one that answers.
        let own = format!("http://{listen}");
        let own = (!listen.ip().is_unspecified() && !local.contains(&own)).then_some(own);
        return Ok(own.into_iter().chain(local).collect());
    };
    given.into_iter().map(checked_origin).collect()
}

/// An `Origin` header has no path, no slash at the end and lower case; what differs would never match.
fn checked_origin(origin: String) -> Result<String, ConfigError> {
    let trimmed = origin.trim().trim_end_matches('/').to_ascii_lowercase();
    let host = trimmed.strip_prefix("https://").or_else(|| trimmed.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    match host {
        Some(host) if !host.is_empty() && host.chars().all(plain) => Ok(trimmed),
        _ => Err(ConfigError::Origin(origin)),
    }
}

#[cfg(test)]
mod tests;
