//! What is wrong, what it means and what is done about it, in one sentence or two.

use crate::limits::HEARTBEAT_MS;
use crate::status::Trouble;

pub fn sentence(trouble: &Trouble) -> String {
    match trouble {
        Trouble::NoGatewayReady => "No gateway serves buyers: their pages try again by themselves, and nothing that was \
                                    answered is lost. Start one (kaipan serve), or look into its log."
            .to_owned(),
        Trouble::VersionsDiffer => {
            "The gateways are of different versions; they serve together meanwhile. Finish the upgrade, or go back.".to_owned()
        }
        Trouble::RedisSettingsDiffer => {
            "The gateways do not name the same Redis in the same order, so they do not hear each other's news there: \
             the database decides every pick all the same, and does all of the work. Give all the same redis_urls."
                .to_owned()
        }
        Trouble::RedisDiffers => "The gateways reach different servers under this address: a failover, or two masters. \
                                  The noticeboard is rebuilt under a new epoch, and what the other server says is not \
                                  believed. If it lasts, look at Sentinel."
            .to_owned(),
        Trouble::StandbyMissing => "Postgres waits for a synchronous standby that is not there: no pick is answered until \
                                    it is back, or synchronous_standby_names is emptied. Nobody hears no meanwhile."
            .to_owned(),
        Trouble::GatewaySilent { for_ms } => format!(
            "Not heard of for {}: killed, cut off, or kept from the database. Its buyers connect to the others and ask \
             about the taps that were left open; nothing that was answered is lost.",
            span(*for_ms)
        ),
        Trouble::GatewayStarting { for_ms } => {
            format!("Has been reading its openings for {}; buyers there are asked to come back.", span(*for_ms))
        }
        Trouble::GatewayDraining => {
            "Was told to stop: it takes nobody new, and its buyers are told to connect to the others.".to_owned()
        }
        Trouble::NameShared => {
            "Another gateway bears this name. Give each its own (--gateway-name), or a dead one can not be told from a \
             living one."
                .to_owned()
        }
        Trouble::ReportUnknown { version } => format!(
            "What it says of itself is of version {version}, which this program does not know. Look with the newer program."
        ),
        Trouble::ClockOff { offset_us } => format!(
            "Its machine's clock is {} from the database's. Openings that are armed keep the time that they froze; one \
             that starts now would follow the database. Mend the time service (chronyc tracking).",
            offset(*offset_us)
        ),
        Trouble::DatabaseSlow { round_trip_us } => format!(
            "The database took {} for one short query, and every yes waits for several. At that distance no clock can \
             be compared.",
            distance(*round_trip_us)
        ),
        Trouble::BackupBehind { for_ms } => format!(
            "SQLite's backup has not had everything for {}: what was sold meanwhile would be lost with this machine's disk. \
             Picks go on (unless --backup-strict has them wait). Mend the way to the backup folder; it catches up by itself.",
            span(*for_ms)
        ),
        Trouble::PoolExhausted { max } => {
            format!("All {max} of its connections to the database were in use; who needs one waits.")
        }
        Trouble::RedisLost { gateways, reason, for_ms, openings, holds_picks, picks_per_s_max } => format!(
            "Lost for {} at {}{}. It is tried again by itself.{}",
            span(*for_ms),
            gateways.join(", "),
            because(reason),
            meanwhile(*openings, *holds_picks, *picks_per_s_max)
        ),
        Trouble::RedisEvicts { gateways, policy } => format!(
            "Its maxmemory-policy is {policy} (seen by {}), so it may throw news away. What is not there is asked of the \
             database: right, and slower. Set noeviction.",
            gateways.join(", ")
        ),
        Trouble::RedisNoReplica { gateways, master } => format!(
            "The master{} has no replica (seen by {}): if it dies the Sentinels have nobody to name, and the sale goes on \
             without Redis. Start the replica; it follows by itself.",
            master.as_ref().map_or_else(String::new, |address| format!(" {address}")),
            gateways.join(", ")
        ),
        Trouble::SentinelsFew { gateways, reachable, named, refusal } => format!(
            "{reachable} of {named} Sentinels answer {}{}: if the master dies, nobody may be named in its place. Picks go on \
             meanwhile. Start those that are missing.",
            gateways.join(", "),
            because(refusal)
        ),
        Trouble::NotServed => "Does not run this opening: buyers who come to it do not find the sale. Look into its log; \
                               a restart reads everything anew."
            .to_owned(),
        Trouble::NotArmed { starts_in_ms } => format!(
            "Its clock is not frozen, and the start {}. The gate follows what the database says of the time until then. \
             Is the database slow?",
            if *starts_in_ms >= 0 {
                format!("is in {}", span(*starts_in_ms))
            } else {
                format!("was {} ago", span(-starts_in_ms))
            }
        ),
        Trouble::ClockRefuses { offset_us } => format!(
            "Takes no picks: its clock alone is off, by {}. The other gateways take them. Take it out of the proxy, mend \
             the clock, restart it.",
            offset(*offset_us)
        ),
        Trouble::CommitsFail => "The last group of picks was not committed and is tried again as it is. Who tapped hears \
                                 'unknown' and asks; nobody hears no. Look at the database."
            .to_owned(),
        Trouble::JournalBehind { entries, for_ms } => format!(
            "Memory has been behind the journal for {}, now by {entries}. The database decides every pick all the same; \
             boards here are old, and who lost hears it later. Does it last? Restart it.",
            span(*for_ms)
        ),
        Trouble::EpochBehind { epoch, head } => format!(
            "Is in epoch {epoch}, the database in {head}: its next commit is refused, and it reads the new one by itself."
        ),
        Trouble::Gate2Lost { reason, for_ms, picks_per_s_max } => {
            let most = picks_per_s_max.map_or_else(String::new, |n| format!(", at most {n} a second"));
            format!(
                "Without Redis for {}{}: picks go from memory straight to the database{most}; boards follow the database \
                 every {HEARTBEAT_MS} ms.",
                span(*for_ms),
                because(reason)
            )
        }
        Trouble::Gate2LostHolding { reason, for_ms } => format!(
            "Without Redis for {}{}: picks are asked to come back until it is there (redis_lost is hold); boards follow the \
             database every {HEARTBEAT_MS} ms.",
            span(*for_ms),
            because(reason)
        ),
        Trouble::Gate2Rebuilding { reason, for_ms } => format!(
            "The noticeboard in Redis is being written anew under a new epoch for {}{}; picks go from memory straight to \
             the database meanwhile.",
            span(*for_ms),
            because(reason)
        ),
    }
}

/// What becomes of picks without a Redis.
fn meanwhile(openings: usize, holds_picks: bool, picks_per_s_max: Option<u64>) -> String {
    let of = match openings {
        0 => return String::new(),
        1 => "one opening".to_owned(),
        many => format!("{many} openings"),
    };
    if holds_picks {
        format!(
            " Picks of {of} are asked to come back until it is there (redis_lost is hold); boards follow the database every \
             {HEARTBEAT_MS} ms."
        )
    } else {
        let most =
            picks_per_s_max.map_or_else(String::new, |n| format!(", at most {n} a second and gateway"));
        format!(
            " Picks of {of} go from memory straight to the database{most}; boards follow it every {HEARTBEAT_MS} ms."
        )
    }
}

/// Gate 2's codes in words; what a connection said, as it said it.
fn because(reason: &Option<String>) -> String {
    let Some(reason) = reason else { return String::new() };
    let words = match reason.as_str() {
        "STARTING" => "not looked at yet",
        "AWAY" => "nothing answers at its address",
        "NO_ANSWER" => "a call brought no answer",
        "REFUSED" => "it refuses calls",
        "NOT_LOADED" => "it does not have this epoch: flushed, restarted or failed over",
        said => said,
    };
    format!(" ({words})")
}

/// "0.4 s", "12 s", "5 min 12 s", "2 h 5 min", "3 d 4 h".
pub fn span(ms: i64) -> String {
    let (ms, s) = (ms.max(0), ms.max(0) / 1_000);
    match s {
        0..10 => format!("{}.{} s", s, ms % 1_000 / 100),
        10..60 => format!("{s} s"),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        3_600..86_400 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// "0.35 ms", "12 ms", "1.2 s".
pub fn distance(us: i64) -> String {
    match us.abs() {
        0..10_000 => format!("{:.2} ms", us as f64 / 1e3),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}

/// With its sign: positive when the database is ahead.
pub fn offset(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "+" };
    format!("{sign}{}", distance(us.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opening::gate2::Gate2Reason;

    #[test]
    fn spans_and_distances_are_said_as_people_say_them() {
        let spans = [0, 449, 9_999, 12_300, 312_000, 7_500_000, 273_600_000].map(span);
        assert_eq!(spans, ["0.0 s", "0.4 s", "9.9 s", "12 s", "5 min 12 s", "2 h 5 min", "3 d 4 h"]);
        let offsets = [0, 350, -12_499, 600_000_000].map(offset);
        assert_eq!(offsets, ["+0.00 ms", "+0.35 ms", "-12 ms", "+600.0 s"]);
    }

    /// Mutation that turned it red: the line of `REFUSED` taken out.
    #[test]
    fn every_reason_of_gate_2_has_words() {
        for reason in Gate2Reason::ALL.iter().filter(|reason| **reason != Gate2Reason::None) {
            let words = because(&Some(reason.as_str().to_owned()));
            assert!(!words.contains(reason.as_str()), "{words}");
        }
    }

    /// The sentence that an operator reads first when Redis is gone.
    #[test]
    fn a_lost_redis_is_told_with_what_is_done_meanwhile() {
        let lost = |openings, holds_picks| Trouble::RedisLost {
            gateways: vec!["hall".to_owned(), "office".to_owned()],
            reason: Some("Connection refused".to_owned()),
            for_ms: 12_000,
            openings,
            holds_picks,
            picks_per_s_max: (!holds_picks).then_some(2_000),
        };
        let told = "Lost for 12 s at hall, office (Connection refused). It is tried again by itself.";
        assert_eq!(sentence(&lost(0, false)), told);
        let on = " Picks of 3 openings go from memory straight to the database, at most 2000 a second and gateway; boards follow it every \
                  250 ms.";
        assert_eq!(sentence(&lost(3, false)), format!("{told}{on}"));
        assert!(sentence(&lost(1, true)).contains(" Picks of one opening are asked to come back"));
        let lost = Trouble::Gate2Lost {
            reason: Some("NO_ANSWER".to_owned()),
            for_ms: 12_000,
            picks_per_s_max: Some(2_000),
        };
        let expected = "Without Redis for 12 s (a call brought no answer): picks go from memory straight to the database, at most 2000 a \
                        second; boards follow the database every 250 ms.";
        assert_eq!(sentence(&lost), expected);
    }
}
