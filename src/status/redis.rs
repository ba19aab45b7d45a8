//! What is wrong with the Redis of an installation. Each is told of once, with the gateways that say so: a Redis that dies
//! is one trouble, however many gateways and openings work without it.

use std::collections::BTreeSet;

use super::judge::distinct;
use super::report::{Gate2State, OpeningReport, RedisReport, Report};
use super::rows::Gateway;
use super::trouble::{Found, Trouble};
use crate::limits::STATUS_LOST_MS;

/// `alive`: the gateways whose words are of now.
pub(super) fn judge(alive: &[&Gateway], found: &mut Vec<Found>) {
    let reports: Vec<&Report> = alive.iter().filter_map(|gateway| gateway.report.as_ref()).collect();
    apart(&reports, found);
    let mut told = BTreeSet::new();
    for redis in reports.iter().flat_map(|report| &report.redis) {
        if told.insert(&redis.address) {
            let troubles = of_one(&Seen::at(alive, &redis.address));
            let here = |trouble| {
                let redis = Some(redis.address.clone());
                Found { trouble, gateway: None, opening: None, redis }
            };
            found.extend(troubles.into_iter().map(here));
        }
    }
}

/// Whether what keeps this opening from its Redis is told of that Redis already.
pub(super) fn explains(report: &Report, opening: &OpeningReport) -> bool {
    let its = |redis: &&RedisReport| opening.gate2.redis.as_ref() == Some(&redis.address);
    report.redis.iter().find(its).is_some_and(is_lost)
}

/// At once, but for the moment in which a gateway that starts connects for the first time.
fn is_lost(redis: &RedisReport) -> bool {
    !redis.reachable && (redis.reason.is_some() || redis.for_ms >= STATUS_LOST_MS)
}

/// Whether the gateways reach the same servers, whatever they call them.
fn apart(reports: &[&Report], found: &mut Vec<Found>) {
    let places = reports.iter().map(|report| report.redis.len()).max().unwrap_or(0);
    let mut named_apart = reports.iter().any(|report| report.redis.len() != places);
    for place in 0..places {
        let there: Vec<&RedisReport> = reports.iter().filter_map(|report| report.redis.get(place)).collect();
        let servers = there.iter().filter(|redis| redis.reachable).filter_map(|redis| redis.run_id.as_ref());
        if distinct(servers) < 2 {
            continue;
        }
        if distinct(there.iter().map(|redis| &redis.address)) > 1 {
            named_apart = true;
        } else {
            let redis = there.first().map(|redis| redis.address.clone());
            found.push(Found { trouble: Trouble::RedisDiffers, gateway: None, opening: None, redis });
        }
    }
    if named_apart {
        found.push(Found {
            trouble: Trouble::RedisSettingsDiffer,
            gateway: None,
            opening: None,
            redis: None,
        });
    }
}

/// One Redis, as each gateway that names it sees it.
struct Seen<'s>(Vec<(&'s Gateway, &'s Report, &'s RedisReport)>);

impl<'s> Seen<'s> {
    fn at(alive: &[&'s Gateway], address: &str) -> Self {
        let each = alive.iter().filter_map(|gateway| {
            let report = gateway.report.as_ref()?;
            let redis = report.redis.iter().find(|redis| redis.address == address)?;
            Some((*gateway, report, redis))
        });
        Self(each.collect())
    }

    /// Where it is so; `None` where it is so nowhere.
    fn wherever(&self, is_so: impl Fn(&RedisReport) -> bool) -> Option<Self> {
        let some: Vec<_> = self.0.iter().filter(|(_, _, redis)| is_so(redis)).copied().collect();
        (!some.is_empty()).then_some(Self(some))
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(gateway, _, _)| gateway.name.clone()).collect()
    }

    fn redis(&self) -> impl Iterator<Item = &'s RedisReport> {
        self.0.iter().map(|(_, _, redis)| *redis)
    }

    /// Openings that do without it.
    fn openings(&self) -> impl Iterator<Item = &'s OpeningReport> {
        let here = |opening: &&OpeningReport, redis: &RedisReport| {
            opening.gate2.redis.as_ref() == Some(&redis.address) && opening.gate2.state != Gate2State::Ready
        };
        self.0.iter().flat_map(move |(_, report, redis)| {
            report.openings.iter().filter(move |opening| here(opening, redis))
        })
    }
}

fn of_one(seen: &Seen<'_>) -> Vec<Trouble> {
    let lost = seen.wherever(is_lost).map(|at| Trouble::RedisLost {
        gateways: at.names(),
        reason: at.redis().find_map(|redis| redis.reason.clone()),
        for_ms: at.redis().map(|redis| redis.for_ms).max().unwrap_or(0),
        openings: distinct(at.openings().map(|opening| &opening.id)),
        holds_picks: at.openings().any(|opening| opening.gate2.holds_picks),
        picks_per_s_max: at.openings().find_map(|opening| opening.gate2.picks_per_s_max),
    });
    // What one said before it went is past.
    let may_evict = |redis: &RedisReport| {
        redis.reachable && redis.eviction.as_ref().is_some_and(|policy| policy != "noeviction")
    };
    let evicts = seen.wherever(may_evict).map(|at| Trouble::RedisEvicts {
        gateways: at.names(),
        policy: at.redis().find_map(|redis| redis.eviction.clone()).unwrap_or_default(),
    });
    let is_single = |redis: &RedisReport| redis.reachable && redis.sentinels.is_some() && redis.replicas == 0;
    let single = seen.wherever(is_single).map(|at| Trouble::RedisNoReplica {
        gateways: at.names(),
        master: at.redis().find_map(|redis| redis.master.clone()),
    });
    let few = seen.wherever(has_few_sentinels).and_then(|at| {
        let worst = at.redis().filter_map(|redis| redis.sentinels.as_ref()).min_by_key(|s| s.reachable)?;
        let (gateways, refusal) = (at.names(), worst.refusal.clone());
        Some(Trouble::SentinelsFew { gateways, reachable: worst.reachable, named: worst.named, refusal })
    });
    [lost, evicts, single, few].into_iter().flatten().collect()
}

fn has_few_sentinels(redis: &RedisReport) -> bool {
    redis.sentinels.as_ref().is_some_and(|said| said.reachable * 2 <= said.named || said.refusal.is_some())
}
