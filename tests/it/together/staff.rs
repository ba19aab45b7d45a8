//! Staff over two gateways: sessions, and what ends them (CO-5, OP-85); the one log that both write (CO-6).

use serde_json::json;

use super::{Two, at};
use crate::harness::{Api, Authenticator, Server, admin, staff};

const PASSWORD: &str = "correct-horse-battery-staple";

async fn works(server: &Server, account: &Api) -> bool {
    at(server, account).get("/api/v1/openings").await.status == 200
}

async fn ended_at(server: &Server, account: &Api, why: &str) {
    assert!(!works(server, account).await, "{why}: at once at the other");
    at(server, account).get("/api/v1/openings").await.refused(401, "SESSION_ENDED");
}

/// Logged in at one and at work at the other at once; what ends a session ends it at both, at once.
///
/// Mutation that turned it red: sessions answered from memory.
#[tokio::test]
async fn postgres_a_session_of_staff_lives_and_ends_at_both() {
    let two = Two::start(false).await;
    let boss = admin(&two.a).await;
    let mut accounts = Vec::new();
    for (login, role) in
        [("left", "manager"), ("changed", "manager"), ("disabled", "cashier"), ("reset", "auditor")]
    {
        // Added at A, logged in at A, at work at B: from now on both have it in memory.
        let account = staff(&two.a, &boss, login, role).await;
        assert!(works(&two.a, &account).await && works(&two.b, &account).await, "{login}");
        accounts.push(account);
    }
    let listed = at(&two.b, &boss).get("/api/v1/staff").await.ok();
    let id = |login: &str| {
        let found = listed["staff"].as_array().unwrap().iter().find(|member| member["login"] == login);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };

    accounts[0].delete("/api/v1/session").await.ok();
    boss.patch(&format!("/api/v1/staff/{}", id("changed")), json!({"role": "cashier"})).await.ok();
    boss.patch(&format!("/api/v1/staff/{}", id("disabled")), json!({"disabled": true})).await.ok();
    let password = json!({"password": "another long password"});
    boss.post(&format!("/api/v1/staff/{}/password", id("reset")), password).await.ok();
    for (account, why) in accounts.iter().zip(["left", "changed", "disabled", "reset"]) {
        assert!(!works(&two.a, account).await, "{why}: at once where it was done");
        ended_at(&two.b, account, why).await;
    }

    // And what is so now is so at the other at once.
    let log_in = async |server: &Server, login: &str, password: &str| {
        server.staff().post("/api/v1/session", json!({"login": login, "password": password})).await
    };
    let usual = "correct-horse-battery-staple";
    let changed = log_in(&two.b, "changed", usual).await.ok();
    assert_eq!(changed["staff"]["role"], "cashier");
    let changed = two.b.staff().with_token(changed["token"].as_str().unwrap());
    changed.post("/api/v1/projects", json!({"name": "x"})).await.refused(403, "FORBIDDEN");
    log_in(&two.b, "disabled", usual).await.refused(401, "LOGIN_FAILED");
    log_in(&two.b, "reset", usual).await.refused(401, "LOGIN_FAILED");
    log_in(&two.b, "reset", "another long password").await.ok();
}

/// What ends sessions by their list holds at both at once too: one, all others, all of an account by an admin, and by
/// another password.
///
/// Mutation that turned it red: sessions answered from memory.
#[tokio::test]
async fn postgres_co_5_sessions_ended_by_their_list_are_ended_at_both() {
    let two = Two::start(false).await;
    let boss = admin(&two.a).await;
    let wang = staff(&two.a, &boss, "wang", "manager").await;
    let again = async |server: &Server| {
        let body = json!({"login": "wang", "password": "correct-horse-battery-staple"});
        let session = server.staff().post("/api/v1/session", body).await.ok();
        server.staff().with_token(session["token"].as_str().unwrap())
    };
    let (second, third) = (again(&two.b).await, again(&two.a).await);
    let own = async |account: &Api| {
        let listed = account.get("/api/v1/sessions").await.ok();
        let listed = listed["sessions"].as_array().unwrap().clone();
        listed.into_iter().find(|session| session["this"] == true).unwrap()["id"].as_str().unwrap().to_owned()
    };
    // At B, what began at A.
    let id = own(&third).await;
    second.delete(&format!("/api/v1/sessions/{id}")).await.ok();
    ended_at(&two.a, &third, "one").await;
    assert!(works(&two.a, &second).await && works(&two.b, &wang).await);
    let fourth = again(&two.b).await;
    assert_eq!(wang.delete("/api/v1/sessions").await.ok(), json!({"ended": 2}));
    for other in [&second, &fourth] {
        ended_at(&two.b, other, "all others").await;
    }
    let fifth = again(&two.b).await;
    let change = json!({"current": "correct-horse-battery-staple", "password": "another long password"});
    at(&two.b, &wang).post("/api/v1/session/password", change).await.ok();
    ended_at(&two.a, &fifth, "another password").await;
    assert!(works(&two.a, &wang).await, "the one that changed it goes on");

    let listed = boss.get("/api/v1/staff").await.ok();
    let id =
        listed["staff"].as_array().unwrap().iter().find(|member| member["login"] == "wang").unwrap()["id"]
            .clone();
    let path = format!("/api/v1/staff/{}/sessions", id.as_str().unwrap());
    assert_eq!(at(&two.b, &boss).delete(&path).await.ok(), json!({"ended": 1}));
    ended_at(&two.a, &wang, "an admin").await;
}

/// A code of the second factor is good once, though both gateways are given it in the same moment; and what is set up, required
/// or taken away at one holds at the other at once.
///
/// Mutation that turned it red: a step written that was written before.
#[tokio::test]
async fn postgres_co_5_a_code_is_good_once_at_both() {
    let two = Two::start(false).await;
    let boss = admin(&two.a).await;
    let wang = staff(&two.a, &boss, "wang", "manager").await;
    let phone = Authenticator::set_up(&wang, PASSWORD).await;
    let code = phone.code(1);
    let tries = [&two.a, &two.b].into_iter().cycle().take(4).map(|server| {
        let (door, code) = (server.staff(), code.clone());
        let body = json!({"login": "wang", "password": PASSWORD, "code": code});
        tokio::spawn(async move { door.post("/api/v1/session", body).await.status })
    });
    let mut statuses = Vec::new();
    for status in tries.collect::<Vec<_>>() {
        statuses.push(status.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401, 401]);

    let rule = json!({"required": true, "reason": "制度"});
    at(&two.b, &boss).put("/api/v1/second-factor", rule).await.ok();
    boss.get("/api/v1/openings").await.refused(403, "SECOND_FACTOR_REQUIRED");
    assert!(works(&two.b, &wang).await);
}

/// What is done at both at the same time makes one chain without a gap.
///
/// Mutation that turned it red: the head read and not taken by the transaction that writes a row.
#[tokio::test]
async fn postgres_co_6_two_gateways_write_one_chain() {
    let two = Two::start(false).await;
    let boss = admin(&two.a).await;
    let doors = [boss.clone(), at(&two.b, &boss)];
    let work = (0..60).map(|n| {
        let door = doors[n % 2].clone();
        tokio::spawn(async move {
            door.post("/api/v1/projects", json!({"name": format!("项目 {n}")})).await.ok()
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.unwrap();
    }
    for door in &doors {
        let checked = door.get("/api/v1/log/check").await.ok();
        // The admin's account, the log-in, and the projects.
        assert_eq!((&checked["rows"], &checked["wrong"]), (&json!(62), &json!(null)), "{checked}");
    }
    assert_eq!(two.home.run(&["audit", "check"]).await.status.code(), Some(0));
}
