//! Who tries too often is slowed by all gateways together, as long as there is a Redis, and by each alone otherwise.

use std::net::IpAddr;

use serde_json::json;
use tokio::time::Instant;

use super::Two;
use crate::harness::{Authenticator, Plan, Reply, Sale, Server};

const PASSWORD: &str = "correct-horse-battery-staple";

async fn log_in(server: &Server, login: &str, password: &str) -> Reply {
    server.staff().post("/api/v1/session", json!({"login": login, "password": password})).await
}

/// How many tries failed before the answer was to slow down.
async fn wrong_log_ins(servers: &[&Server], login: &str) -> usize {
    for (tries, server) in servers.iter().cycle().take(40).enumerate() {
        let reply = log_in(server, login, "not the password").await;
        if reply.status == 429 {
            let wait_ms = reply.refused(429, "SLOW_DOWN")["retry_after_ms"].as_i64().unwrap();
            assert!((1..=30_000).contains(&wait_ms), "{wait_ms}");
            return tries;
        }
        reply.refused(401, "LOGIN_FAILED");
    }
    panic!("{login} could be tried for ever");
}

async fn wrong_codes(servers: &[&Server], sale: &Sale, phone: &str) -> usize {
    for (tries, server) in servers.iter().cycle().take(40).enumerate() {
        let body = json!({"phone": phone, "code": "000000", "device": "thief"});
        let reply = server.buyers().post(&sale.path("/sign-in"), body).await;
        if reply.status == 429 {
            reply.refused(429, "SLOW_DOWN");
            return tries;
        }
        assert_eq!(reply.status, 401, "{}", reply.text());
    }
    panic!("codes could be tried for ever");
}

/// From one address: five tries on one account, six codes for one phone (`LOGIN_TRIES_BURST`, `CODE_TRIES_BURST`).
///
/// Mutations that turned it red: the shared bucket not asked; a try that passed not given back to it; everybody refused
/// while Redis is gone.
#[tokio::test]
async fn postgres_and_redis_tries_are_counted_over_both() {
    let two = Two::start(true).await;
    let sale = two.sale(&Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    let both = [&two.a, &two.b];
    assert_eq!(wrong_log_ins(&both, "nobody").await, 5);
    assert_eq!(wrong_log_ins(&[&two.b], "nobody").await, 0, "refused at the other too");
    assert_eq!(wrong_log_ins(&[&two.a], "nobody").await, 0);
    assert_eq!(wrong_codes(&both, &sale, "19912345678").await, 6);
    assert_eq!(wrong_codes(&[&two.b], &sale, "19912345678").await, 0);

    // Whoever succeeds has used nothing up.
    for turn in 0..14 {
        log_in(both[turn % 2], "admin", PASSWORD).await.ok();
    }
    assert_eq!(wrong_log_ins(&both, "admin").await, 5);

    // Nobody is named there.
    let redis = two.redis.as_ref().unwrap();
    let keys: Vec<String> = redis.first.call(&["KEYS", "*"]).await;
    let limits: Vec<&String> = keys.iter().filter(|key| key.starts_with("kp:limit:")).collect();
    assert!(!limits.is_empty(), "{keys:?}");
    for key in limits {
        let hash = key.strip_prefix("kp:limit:").unwrap();
        assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    }

    // Without it each gateway counts alone: nobody is locked out, nobody guesses without end.
    redis.first.kill();
    assert_eq!(wrong_log_ins(&[&two.a], "somebody").await, 5);
    assert_eq!(wrong_log_ins(&[&two.b], "somebody").await, 5);
    log_in(&two.b, "nobody", "x").await.refused(401, "LOGIN_FAILED");
}

/// Thirty on one account from anywhere, over both (`LOGIN_ACCOUNT_TRIES_BURST`); and from where its owner has logged in at one
/// gateway, strangers do not slow the owner at the other.
///
/// Mutations that turned it red: the account's bucket not shared; where an account logged in not told to the other.
#[tokio::test]
async fn postgres_and_redis_strangers_are_slowed_on_one_account_and_its_owner_is_not() {
    let two = Two::start(true).await;
    let both = [&two.a, &two.b];
    log_in(&two.a, "admin", PASSWORD).await.ok();
    let begun = Instant::now();
    let (mut guesses, mut refused) = (0, 0);
    for turn in 0..200_u8 {
        // Five from each address, then the next one; until both gateways refuse.
        let stranger = [127, 0, 0, 2 + turn / 5];
        match log_in_from(both[usize::from(turn % 2)], stranger, "not the password").await {
            401 => (guesses, refused) = (guesses + 1, 0),
            429 => refused += 1,
            status => panic!("{status}"),
        }
        if refused == 2 {
            break;
        }
    }
    let leaked = begun.elapsed().as_secs() / 15;
    assert!((30..=31 + leaked).contains(&guesses), "{guesses}, of which {leaked} leaked");
    assert_eq!(log_in_from(&two.a, [127, 0, 0, 100], PASSWORD).await, 429, "nor with the right one");
    log_in(&two.b, "admin", PASSWORD).await.ok();
}

/// The admin's log-in from another address of this machine.
async fn log_in_from(server: &Server, address: [u8; 4], password: &str) -> u16 {
    log_in_with(server, address, password, "").await
}

async fn log_in_with(server: &Server, address: [u8; 4], password: &str, code: &str) -> u16 {
    let client = reqwest::Client::builder().local_address(IpAddr::from(address)).no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{}/api/v1/session", server.staff_port);
    let body = json!({"login": "admin", "password": password, "code": code});
    client.post(url).json(&body).send().await.unwrap().status().as_u16()
}

/// Five wrong codes of the second factor on one account, over both and from anywhere (`SECOND_FACTOR_TRIES_BURST`); then the
/// right one waits too.
///
/// Mutation that turned it red: tries of codes counted by each gateway alone.
#[tokio::test]
async fn postgres_and_redis_co_5_codes_of_the_second_factor_are_counted_over_both() {
    let two = Two::start(true).await;
    let boss = crate::harness::admin(&two.a).await;
    let phone = Authenticator::set_up(&boss, PASSWORD).await;
    let both = [&two.a, &two.b];
    let mut statuses = Vec::new();
    for turn in 0..6_u8 {
        let code = if turn < 5 { phone.wrong() } else { phone.code(1) };
        // Each from an address of its own: what limits guessing at passwords is not what is met here.
        statuses.push(log_in_with(both[usize::from(turn % 2)], [127, 0, 0, 2 + turn], PASSWORD, &code).await);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
}

/// Mutation that turned it red: tries not counted in memory.
#[tokio::test]
async fn postgres_without_redis_each_gateway_limits_tries() {
    let two = Two::start(false).await;
    let sale = two.sale(&Plan { starts_in_ms: 3_600_000, ..Plan::default() }).await;
    assert_eq!(wrong_log_ins(&[&two.a], "nobody").await, 5);
    assert_eq!(wrong_log_ins(&[&two.b], "nobody").await, 5);
    assert_eq!(wrong_codes(&[&two.a], &sale, "19912345678").await, 6);
    assert_eq!(wrong_codes(&[&two.b], &sale, "19912345678").await, 6);
}
