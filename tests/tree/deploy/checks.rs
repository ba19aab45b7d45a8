//! What can be wrong with docker-compose.yml and the files that it hands out, and can be seen without an engine. Each check
//! returns what it found, in words.

use std::collections::BTreeSet;

use kaipan::http::health::PROBES;
use kaipan::limits;
use serde_json::Value;

use super::files::{Files, host_path, names, setting, texts};

pub struct Deployment<'a> {
    files: &'a Files,
    compose: Value,
    faults: Vec<String>,
}

const COMPOSE: &str = "docker-compose.yml";
const UPSTREAMS: &str = "deploy/compose/upstreams/kaipan.conf";
const TARGETS: &str = "deploy/compose/targets/kaipan.yml";
/// What a gateway opens at most.
const CONNECTIONS_OF_A_GATEWAY: u32 = limits::POSTGRES_CONNECTIONS_MAX + limits::POSTGRES_COMMITS_MAX;
/// Commands, a backup and people with psql, beside the gateways' pools.
const CONNECTIONS_FOR_OTHERS: u32 = 20;

/// All that is wrong. `settings`: the names that `kaipan serve --help` knows.
pub fn faults(files: &Files, settings: &BTreeSet<String>) -> Vec<String> {
    let mut all = Deployment { files, compose: files.yaml(COMPOSE), faults: Vec::new() };
    all.names_exist();
    all.mounts_exist();
    all.settings_are_known(settings);
    all.addresses_are_their_own();
    all.proxy_reaches_the_gateways();
    all.gateways_trust_who_they_should();
    all.redis_is_found();
    all.nothing_is_published_by_mistake();
    all.probes_ask_what_is_served();
    all.ends_with_time_to_drain();
    all.connections_suffice();
    all.faults
}

impl Deployment<'_> {
    fn fault(&mut self, text: impl Into<String>) {
        self.faults.push(text.into());
    }

    fn services(&self) -> Vec<(String, Value)> {
        let services = self.compose["services"].as_object().expect("services");
        services.iter().map(|(name, service)| (name.clone(), service.clone())).collect()
    }

    /// Those that run `kaipan serve`.
    fn gateways(&self) -> Vec<(String, Value)> {
        let mut services = self.services();
        services.retain(|(_, service)| service["image"] == "kaipan" && service.get("entrypoint").is_none());
        services
    }

    fn address(&self, service: &str, network: &str) -> String {
        let address = &self.compose["services"][service]["networks"][network]["ipv4_address"];
        address.as_str().unwrap_or("nowhere").to_owned()
    }

    fn names_exist(&mut self) {
        for (what, field) in [("services", "depends_on"), ("networks", "networks")] {
            let known: BTreeSet<String> =
                names(&self.compose[what]).iter().map(|name| (*name).to_owned()).collect();
            let mut used = BTreeSet::new();
            for (service, body) in self.services() {
                for name in names(&body[field]) {
                    used.insert(name.to_owned());
                    if !known.contains(name) {
                        self.fault(format!("{service}: {field} names {name}, which is none of {what}"));
                    }
                }
            }
            if what == "networks" && known != used {
                let empty: Vec<_> = known.difference(&used).collect();
                self.fault(format!("networks that nobody is in: {empty:?}"));
            }
        }
        for (service, body) in self.services() {
            for field in ["secrets", "configs"] {
                for name in texts(&body[field]) {
                    if self.compose[field].get(name).is_none() {
                        self.fault(format!("{service}: no {name} in {field}"));
                    }
                }
            }
        }
    }

    fn mounts_exist(&mut self) {
        let declared: BTreeSet<String> =
            names(&self.compose["volumes"]).iter().map(|name| (*name).to_owned()).collect();
        let mut used = BTreeSet::new();
        for (service, body) in self.services() {
            for mount in texts(&body["volumes"]) {
                let (source, inside) = mount.split_once(':').unwrap_or((mount, ""));
                let (inside, mode) = inside.split_once(':').unwrap_or((inside, ""));
                if !inside.starts_with('/') {
                    self.fault(format!("{service}: {mount} leads nowhere"));
                }
                if host_path(source).is_none() {
                    used.insert(source.to_owned());
                } else if !Files::exists(source) {
                    self.fault(format!("{service}: {source} does not exist"));
                } else if mode != "ro" {
                    self.fault(format!("{service} may write into {source}"));
                }
            }
        }
        if declared != used {
            let apart: Vec<_> = declared.symmetric_difference(&used).collect();
            self.fault(format!("volumes that are declared or used, and not both: {apart:?}"));
        }
    }

    fn settings_are_known(&mut self, settings: &BTreeSet<String>) {
        let dockerfile = self.files.text("Dockerfile");
        let in_image = dockerfile.split([' ', '\n']).filter_map(|word| word.split_once('='));
        let mut found: Vec<(String, String)> = in_image
            .filter(|(name, _)| name.starts_with("KAIPAN_"))
            .map(|(name, _)| ("Dockerfile".to_owned(), name.to_owned()))
            .collect();
        for (service, body) in self.gateways() {
            let here = names(&body["environment"]).into_iter().filter(|name| name.starts_with("KAIPAN_"));
            found.extend(here.map(|name| (service.clone(), name.to_owned())));
            let name = &body["environment"]["KAIPAN_GATEWAY_NAME"];
            if name != service.as_str() {
                self.fault(format!("{service} is called {name} to people"));
            }
        }
        for (whose, name) in found {
            if !settings.contains(&name) {
                self.fault(format!("{whose}: kaipan knows no {name}"));
            }
        }
    }

    fn addresses_are_their_own(&mut self) {
        let mut taken = BTreeSet::new();
        for (service, body) in self.services() {
            for network in names(&body["networks"]) {
                let address = self.address(&service, network);
                let subnet = &self.compose["networks"][network]["ipam"]["config"][0]["subnet"];
                let within = subnet.as_str().and_then(|subnet| subnet.strip_suffix("0/24"));
                if !within.is_some_and(|within| address.starts_with(within)) {
                    self.fault(format!("{service}: {address} is not in {network}"));
                }
                if !taken.insert(address.clone()) {
                    self.fault(format!("{service}: {address} is taken"));
                }
            }
        }
    }

    /// nginx and Prometheus name every gateway, where it listens, and nobody else.
    fn proxy_reaches_the_gateways(&mut self) {
        let text = self.files.text(UPSTREAMS);
        for (upstream, setting) in
            [("kaipan_buyers", "KAIPAN_BUYERS_LISTEN"), ("kaipan_staff", "KAIPAN_STAFF_LISTEN")]
        {
            let block = text.split(&format!("upstream {upstream} {{")).nth(1).unwrap_or_default();
            let block = block.split('}').next().unwrap_or_default();
            let servers = block.lines().filter_map(|line| line.trim().strip_prefix("server "));
            let named: BTreeSet<String> =
                servers.filter_map(|server| Some(server.split([' ', ';']).next()?.to_owned())).collect();
            let there = self.doors(setting, |all, gateway| all.address(gateway, "edge"));
            if named != there {
                self.fault(format!("{upstream} is {named:?}, the gateways listen on {there:?}"));
            }
        }
        let targets = self.files.yaml(TARGETS);
        let named: BTreeSet<String> =
            texts(&targets[0]["targets"]).iter().map(|target| (*target).to_owned()).collect();
        let there = self.doors("KAIPAN_STAFF_LISTEN", |_, gateway| gateway.to_owned());
        if named != there {
            self.fault(format!("Prometheus asks {named:?}, the gateways listen on {there:?}"));
        }
        let datasource = self.files.yaml("deploy/compose/grafana/kaipan.yml");
        if datasource["datasources"][0]["url"] != "http://prometheus:9090" {
            self.fault(format!("Grafana asks {}", datasource["datasources"][0]["url"]));
        }
    }

    fn doors(&self, setting: &str, host: impl Fn(&Self, &str) -> String) -> BTreeSet<String> {
        let door = |(name, body): &(String, Value)| {
            let listen = body["environment"][setting].as_str().unwrap_or_default();
            let port = listen.strip_prefix("0.0.0.0:").unwrap_or("closed");
            format!("{}:{port}", host(self, name))
        };
        self.gateways().iter().map(door).collect()
    }

    fn gateways_trust_who_they_should(&mut self) {
        let proxy = self.address("proxy", "edge");
        let prometheus = self.address("prometheus", "watch");
        for (service, body) in self.gateways() {
            let environment = &body["environment"];
            let listed = |name: &str| environment[name].as_str().unwrap_or_default().to_owned();
            if listed("KAIPAN_TRUSTED_PROXIES") != proxy {
                self.fault(format!("{service} does not trust the proxy, {proxy}, alone"));
            }
            if !listed("KAIPAN_METRICS_FROM").split(',').any(|from| from == prometheus) {
                self.fault(format!("{service} shows Prometheus, {prometheus}, no metrics"));
            }
        }
    }

    /// Gateways, Sentinels and the replica name the same servers, and the Sentinels' name for them.
    fn redis_is_found(&mut self) {
        let master = self.address("redis-1", "data");
        let sentinels: Vec<(String, Value)> =
            self.services().into_iter().filter(|(name, _)| name.starts_with("sentinel-")).collect();
        let service = self.files.text("deploy/redis/sentinel.conf");
        let service = setting(&service, "sentinel down-after-milliseconds").unwrap_or_default();
        let service = service.split(' ').next().unwrap_or_default().to_owned();
        let mut hosts = Vec::new();
        for (name, body) in &sentinels {
            let words: Vec<&str> =
                texts(&body["entrypoint"]).into_iter().chain(texts(&body["command"])).collect();
            let port = words.iter().position(|word| *word == "--port").and_then(|at| words.get(at + 1));
            hosts.push(format!("{}:{}", self.address(name, "data"), port.unwrap_or(&"26379")));
            if words.get(2..4) != Some(&[master.as_str(), "6379"]) {
                self.fault(format!("{name} does not watch the master, {master}: {words:?}"));
            }
            let quorum: usize = words.get(4).and_then(|word| word.parse().ok()).unwrap_or_default();
            if quorum <= sentinels.len() / 2 || quorum > sentinels.len() {
                self.fault(format!("{name}: {quorum} of {} Sentinels are no majority", sentinels.len()));
            }
        }
        let wanted = format!("redis-sentinel://{}/{service}", hosts.join(","));
        for (name, body) in self.gateways() {
            if body["environment"]["KAIPAN_REDIS_URLS"] != wanted.as_str() {
                self.fault(format!("{name} does not ask the Sentinels, {wanted}"));
            }
        }
        let replica = &self.compose["services"]["redis-2"]["command"];
        if !texts(replica).ends_with(&["--replicaof", &master, "6379"]) {
            self.fault(format!("redis-2 does not follow {master}: {replica}"));
        }
    }

    fn nothing_is_published_by_mistake(&mut self) {
        if self.compose["networks"]["data"]["internal"] != true {
            self.fault("the network of Postgres and Redis has a way out");
        }
        let listens = ["deploy/nginx/kaipan.conf", "deploy/nginx/console.conf"].map(|file| {
            let text = self.files.text(file);
            let port = setting(&text, "listen").and_then(|rest| rest.split(' ').next().map(str::to_owned));
            port.unwrap_or_default()
        });
        for (service, body) in self.services() {
            let published = texts(&body["ports"]);
            if names(&body["networks"]).contains(&"data") && !published.is_empty() {
                self.fault(format!("{service} is published: {published:?}"));
            }
            for port in published {
                let inside = port.rsplit(':').next().unwrap_or_default();
                if service == "proxy" && !listens.iter().any(|listen| listen == inside) {
                    self.fault(format!("proxy: nothing listens on {inside}, only {listens:?}"));
                }
                if port != "443:443" && !port.starts_with("127.0.0.1:") {
                    self.fault(format!("{service}: {port} is open to everybody"));
                }
            }
        }
    }

    /// Health checks ask for routes that exist, and who is waited for until it is healthy can say so.
    fn probes_ask_what_is_served(&mut self) {
        let dockerfile = self.files.text("Dockerfile");
        let in_image = dockerfile.lines().find(|line| line.starts_with("HEALTHCHECK"));
        let mut asked = vec![("Dockerfile".to_owned(), in_image.unwrap_or_default().to_owned())];
        for (service, body) in self.services() {
            let test = texts(&body["healthcheck"]["test"]).join(" ");
            if test.contains("://") {
                asked.push((service.clone(), test));
            }
            for (name, how) in body["depends_on"].as_object().into_iter().flatten() {
                let other = &self.compose["services"][name];
                let healthy = how["condition"] == "service_healthy";
                let own = other.get("healthcheck").is_some_and(|check| check.get("test").is_some());
                if healthy && !own && other["image"] != "kaipan" {
                    self.fault(format!("{service} waits for {name}, which has no health check"));
                }
            }
        }
        for (whose, test) in asked {
            let probe = test.split("://").nth(1).and_then(|url| url.split_once('/'));
            let path = probe.map(|(_, path)| format!("/{}", path.trim_end_matches(['"', ']'])));
            if !path.as_deref().is_some_and(|path| path != "/metrics" && PROBES.contains(&path)) {
                self.fault(format!("{whose}: no such probe: {test}"));
            }
        }
    }

    fn ends_with_time_to_drain(&mut self) {
        // The doors' drain, and as long again for the background.
        let needed = 2 * limits::DRAIN_TIMEOUT.as_secs();
        for (service, body) in self.services() {
            let grace = body["stop_grace_period"].as_str().and_then(|grace| grace.strip_suffix('s'));
            let grace: u64 = grace.and_then(|grace| grace.parse().ok()).unwrap_or(10);
            if body["image"] == "kaipan" && body.get("entrypoint").is_none() && grace <= needed {
                self.fault(format!("{service} is killed after {grace} s, in the middle of its drain"));
            }
            if service != "setup" && body["restart"] != "unless-stopped" {
                self.fault(format!("{service} does not come back after a crash"));
            }
        }
    }

    fn connections_suffice(&mut self) {
        let text = self.files.text("deploy/postgres/postgresql.conf");
        let number = |name| setting(&text, name).and_then(|value| value.parse::<u32>().ok()).unwrap_or(0);
        let gateways = u32::try_from(self.gateways().len()).unwrap_or(u32::MAX);
        let pools = gateways * CONNECTIONS_OF_A_GATEWAY;
        let needed = pools + number("superuser_reserved_connections") + CONNECTIONS_FOR_OTHERS;
        if number("max_connections") < needed {
            self.fault(format!("max_connections: {gateways} gateways and others need {needed}"));
        }
        let said = format!("A gateway opens {CONNECTIONS_OF_A_GATEWAY} at most");
        if !text.contains(&said) {
            self.fault(format!("postgresql.conf does not say: {said}"));
        }
    }
}
