use std::net::Ipv4Addr;

use zeroize::Zeroizing;

use super::*;
use crate::domain::time::Micros;
use crate::store::fetch_all;
use crate::vault::Keyring;

const NOW: Micros = Micros::from_secs(1_800_000_000);
const HALL: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const PASSWORD: &str = "a long password";

struct Fixture {
    _folder: tempfile::TempDir,
    db: Db,
    staff: Staff,
}

async fn fixture() -> Fixture {
    let (folder, db) = crate::store::testing::sqlite().await;
    let vault = Arc::new(Vault::from_keyring(&Keyring::generate().unwrap()).unwrap());
    let staff = Staff::open(db.clone(), vault).await.unwrap();
    Fixture { _folder: folder, db, staff }
}

fn from(address: IpAddr) -> Origin {
    Origin { address, browser: "a browser".to_owned() }
}

fn later(seconds: i64) -> Micros {
    NOW.plus(Micros::from_secs(seconds))
}

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

impl Fixture {
    async fn add(&self, login: &str, role: Role) -> StaffMember {
        let new = NewStaff {
            login: login.to_owned(),
            name: format!("{login} 姓名"),
            role,
            password: secret(PASSWORD),
        };
        self.staff.add(&Actor::CommandLine, new, NOW).await.unwrap()
    }

    async fn log_in(&self, login: &str, password: &str, at: Micros) -> Result<LoggedIn, StaffError> {
        self.staff.log_in(login, secret(password), None, &from(HALL), at).await
    }

    async fn code_of_log_in(&self, login: &str, password: &str, at: Micros) -> &'static str {
        self.log_in(login, password, at).await.err().map_or("ok", |error| error.code())
    }

    async fn lives(&self, logged_in: &LoggedIn, at: Micros) -> bool {
        self.staff.authenticate(&logged_in.token, at).await.is_ok()
    }
}

#[tokio::test]
async fn a_session_lives_until_it_idles_expires_or_is_left() {
    let f = fixture().await;
    f.add("wang", Role::Manager).await;
    let session = f.log_in(" Wang ", PASSWORD, NOW).await.unwrap();
    assert_eq!(f.staff.authenticate(&session.token, NOW).await.unwrap().member.name, "wang 姓名");
    assert!(f.staff.authenticate("not a token", NOW).await.is_err());

    // Use keeps it alive beyond the idle limit, up to its end.
    let mut at = 0;
    while at < limits::STAFF_SESSION_S {
        assert!(f.lives(&session, later(at)).await, "after {at} s");
        at += limits::STAFF_IDLE_S - 60;
    }
    assert!(!f.lives(&session, later(limits::STAFF_SESSION_S)).await);

    let idle = f.log_in("wang", PASSWORD, NOW).await.unwrap();
    assert!(!f.lives(&idle, later(limits::STAFF_IDLE_S)).await);

    let left = f.log_in("wang", PASSWORD, NOW).await.unwrap();
    assert!(f.lives(&left, NOW).await);
    f.staff.log_out(&left.token, NOW).await.unwrap();
    assert!(!f.lives(&left, NOW).await);
}

/// Mutation caught: `delete_sessions` left out.
#[tokio::test]
async fn losing_a_right_ends_the_sessions() {
    let f = fixture().await;
    f.add("boss", Role::Admin).await;
    let member = f.add("wang", Role::Manager).await;
    let by = Actor::CommandLine;
    let disabled = StaffChange { disabled: Some(true), ..StaffChange::default() };
    let enabled = StaffChange { disabled: Some(false), ..StaffChange::default() };
    let demoted = StaffChange { role: Some(Role::Cashier), ..StaffChange::default() };

    for step in ["role", "disable", "reset"] {
        let session = f.log_in("wang", PASSWORD, NOW).await.unwrap();
        assert!(f.lives(&session, NOW).await);
        match step {
            "role" => drop(f.staff.change(&by, &member.id, demoted, NOW).await.unwrap()),
            "disable" => drop(f.staff.change(&by, &member.id, disabled, NOW).await.unwrap()),
            _ => f.staff.set_password(&by, &member.id, secret("another password"), NOW).await.unwrap(),
        }
        assert!(!f.lives(&session, NOW).await, "{step}");
        if step == "disable" {
            assert_eq!(f.code_of_log_in("wang", PASSWORD, NOW).await, "LOGIN_FAILED");
            f.staff.change(&by, &member.id, enabled, NOW).await.unwrap();
        }
    }
    assert_eq!(f.code_of_log_in("wang", PASSWORD, NOW).await, "LOGIN_FAILED");
    assert_eq!(f.code_of_log_in("wang", "another password", NOW).await, "ok");
}

#[tokio::test]
async fn the_last_admin_stays() {
    let f = fixture().await;
    let boss = f.add("boss", Role::Admin).await;
    let by = Actor::CommandLine;
    let disabled = StaffChange { disabled: Some(true), ..StaffChange::default() };
    let demoted = StaffChange { role: Some(Role::Auditor), ..StaffChange::default() };
    for change in [disabled, demoted] {
        let refusal = f.staff.change(&by, &boss.id, change, NOW).await.unwrap_err();
        assert_eq!(refusal.code(), "LAST_ADMIN");
    }
    let second = f.add("second", Role::Admin).await;
    f.staff.change(&by, &boss.id, demoted, NOW).await.unwrap();
    assert!(f.staff.change(&by, &second.id, disabled, NOW).await.is_err());
}

#[tokio::test]
async fn accounts_are_refused_by_field() {
    let f = fixture().await;
    f.add("wang", Role::Manager).await;
    let cases = [
        ("Wang", "n", Role::Manager, PASSWORD, "LOGIN_TAKEN", Some("login")),
        ("", "n", Role::Manager, PASSWORD, "LOGIN_INVALID", Some("login")),
        ("王", "n", Role::Manager, PASSWORD, "LOGIN_INVALID", Some("login")),
        ("command line", "n", Role::Manager, PASSWORD, "LOGIN_INVALID", Some("login")),
        ("li", " ", Role::Manager, PASSWORD, "NAME_INVALID", Some("name")),
        ("li", "n", Role::Manager, "short", "PASSWORD_TOO_SHORT", Some("password")),
        ("li", "n", Role::Crowd, PASSWORD, "ROLE_DEMO_ONLY", Some("role")),
    ];
    for (login, name, role, password, code, field) in cases {
        let new = NewStaff { login: login.into(), name: name.into(), role, password: secret(password) };
        let refusal = f.staff.add(&Actor::CommandLine, new, NOW).await.unwrap_err();
        assert_eq!((refusal.code(), refusal.field()), (code, field), "{login}");
    }
    let crowd = NewStaff {
        login: "crowd".into(),
        name: "crowd".into(),
        role: Role::Crowd,
        password: secret(PASSWORD),
    };
    assert!(f.staff.add(&Actor::Demo, crowd, NOW).await.is_ok());
    assert_eq!(f.staff.list().await.unwrap().len(), 2);
}

/// A guesser is slowed by account and address; the owner, who has logged in from elsewhere before, is not.
/// Mutation caught: without the familiar addresses, the owner was refused as well.
#[tokio::test]
async fn guessing_slows_the_guesser_and_not_the_owner() {
    let f = fixture().await;
    f.add("wang", Role::Manager).await;
    let office = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 7));
    f.staff.log_in("wang", secret(PASSWORD), None, &from(office), NOW).await.unwrap();

    for _ in 0..limits::LOGIN_TRIES_BURST {
        assert_eq!(f.code_of_log_in("wang", "a wrong guess", NOW).await, "LOGIN_FAILED");
    }
    assert_eq!(f.code_of_log_in("wang", PASSWORD, NOW).await, "SLOW_DOWN");
    assert_eq!(f.code_of_log_in("wang", PASSWORD, later(30)).await, "ok", "never for good");

    // From ever new addresses: the account's own bucket fills.
    let mut slowed = false;
    for host in 0..limits::LOGIN_ACCOUNT_TRIES_BURST + 1 {
        let address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, u8::try_from(host).unwrap()));
        let refusal =
            f.staff.log_in("wang", secret("a wrong guess"), None, &from(address), NOW).await.err().unwrap();
        slowed = refusal.code() == "SLOW_DOWN";
    }
    assert!(slowed);
    assert!(
        f.staff.log_in("wang", secret(PASSWORD), None, &from(office), NOW).await.is_ok(),
        "the owner's own desk"
    );
}

/// Unknown, wrong and disabled answer alike, and all of them after a hash.
#[tokio::test]
async fn unknown_logins_look_like_wrong_passwords() {
    let f = fixture().await;
    let boss = f.add("boss", Role::Admin).await;
    f.add("second", Role::Admin).await;
    let disabled = StaffChange { disabled: Some(true), ..StaffChange::default() };
    f.staff.change(&Actor::CommandLine, &boss.id, disabled, NOW).await.unwrap();
    for (login, password) in
        [("nobody", PASSWORD), ("second", "a wrong guess"), ("boss", PASSWORD), ("王 五", PASSWORD)]
    {
        let before = std::time::Instant::now();
        assert_eq!(f.code_of_log_in(login, password, NOW).await, "LOGIN_FAILED", "{login}");
        assert!(before.elapsed().as_millis() >= 2, "{login} was refused without hashing");
    }
}

/// OP-78: who did what, in the order it happened, with its reason readable to whoever may read it.
#[tokio::test]
async fn account_changes_are_logged_and_sealed() {
    let f = fixture().await;
    let boss = f.add("boss", Role::Admin).await;
    let member = f.add("wang", Role::Manager).await;
    let demoted = StaffChange { role: Some(Role::Cashier), ..StaffChange::default() };
    f.staff.change(&boss.actor(), &member.id, demoted, later(1)).await.unwrap();
    let log = f.staff.log(None).await.unwrap();
    let lines: Vec<_> =
        log.iter().map(|e| (e.staff.as_str(), e.action.as_str(), e.object.as_str())).collect();
    assert_eq!(lines[0], ("boss", "STAFF_CHANGED", "wang"));
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2], ("command line", "STAFF_ADDED", "boss"));
    assert_eq!(log[0].params["role_before"], "manager");

    let mut read = f.db.read().await.unwrap();
    let raw = fetch_all!(read, (Vec<u8>,), "SELECT params_sealed FROM staff_log").unwrap();
    assert!(raw.iter().all(|(params,)| !params.windows(7).any(|w| w == b"manager")));
}

#[tokio::test]
async fn sessions_of_an_account_are_bounded_and_swept() {
    let f = fixture().await;
    f.add("wang", Role::Manager).await;
    let first = f.log_in("wang", PASSWORD, NOW).await.unwrap();
    for at in 1..=limits::SESSIONS_PER_STAFF_MAX {
        f.log_in("wang", PASSWORD, later(at)).await.unwrap();
    }
    assert!(!f.lives(&first, later(limits::SESSIONS_PER_STAFF_MAX)).await);
    f.staff.sweep(later(limits::STAFF_SESSION_S * 2)).await.unwrap();
    let mut read = f.db.read().await.unwrap();
    let left = fetch_all!(read, (i64,), "SELECT created_at FROM staff_session").unwrap();
    assert!(left.is_empty());
}
