//! `kaipan staff`, and whom the data lets in: the first admin, a lost password, the wrong keyring.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rstest::rstest;

use crate::harness::{Database, Home, refused, told};

/// CO-5: accounts from the command line. A generated password is shown once, when it is made, and never stored.
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn accounts_are_made_listed_reset_and_disabled(#[case] database: Database) {
    let home = Home::empty(database).await;
    let added = told(&home.run(&["staff", "add", "Boss", "--role", "admin", "--name", "王经理"]).await);
    let password = added.trim_end().rsplit(' ').next().unwrap().to_owned();
    assert!(added.starts_with("added boss (admin)") && password.len() == 23, "{added}");
    let till = ["staff", "add", "till", "--role", "cashier", "--password-stdin"];
    let added = told(&home.run_fed(&till, "a password of mine\n").await);
    assert_eq!(added, "added till (cashier)\n", "a given password is not repeated");

    told(&home.run(&["staff", "disable", "till"]).await);
    let listed = told(&home.run(&["staff", "list"]).await);
    assert_eq!(listed, "boss\tadmin\tenabled\t王经理\ntill\tcashier\tdisabled\ttill\n");
    let reset = told(&home.run(&["staff", "reset", "boss"]).await);
    assert!(!reset.contains(&password) && reset.contains("shown this once"), "{reset}");

    for (arguments, why) in [
        (["staff", "disable", "boss"].as_slice(), "last admin"),
        (["staff", "reset", "nobody"].as_slice(), "no such account"),
        (["staff", "add", "BOSS", "--role", "admin"].as_slice(), "in use"),
    ] {
        let refused = refused(&home.run(arguments).await);
        assert!(refused.contains(why), "{refused}");
    }
    let short = refused(&home.run_fed(&till, "short").await);
    assert!(short.contains("at least 10"), "{short}");
    // The demo's role can't be given by hand.
    assert!(!home.run(&["staff", "add", "crowd", "--role", "crowd"]).await.status.success());
}

/// CO-4: the data and its keys belong together, and the keys to one user alone.
///
/// Mutation that turned it red: a missing keyring made also where the data has one (`has_keyring` always false).
#[rstest]
#[case::sqlite(Database::Sqlite)]
#[case::postgres(Database::Postgres)]
#[tokio::test]
async fn the_wrong_keyring_is_refused_in_one_sentence(#[case] database: Database) {
    let home = Home::empty(database).await;
    let keyring = home.keyring();
    told(&home.run(&["staff", "add", "boss", "--role", "admin"]).await);

    fs::set_permissions(&keyring, fs::Permissions::from_mode(0o644)).unwrap();
    let lax = refused(&home.run(&["staff", "list"]).await);
    assert!(lax.contains("chmod 600"), "{lax}");
    fs::set_permissions(&keyring, fs::Permissions::from_mode(0o600)).unwrap();

    // A path that was mistyped makes no keyring, neither for a command nor for a server.
    fs::rename(&keyring, home.file("kept.json")).unwrap();
    let holds = match database {
        Database::Sqlite => format!("the data folder {} already holds data", home.data_dir().display()),
        Database::Postgres => "the database already holds data".to_owned(),
    };
    let missing = format!("the keyring {} does not exist", keyring.display());
    let served = home.serve_another().await.err().expect("no server without its keys");
    for why in [refused(&home.run(&["staff", "list"]).await), served] {
        assert!(why.contains(&holds) && why.contains(&missing), "{why}");
    }
    assert!(!keyring.exists());

    let fresh = Home::empty(Database::Sqlite).await;
    told(&fresh.run(&["staff", "list"]).await);
    fs::rename(fresh.keyring(), &keyring).unwrap();
    let stranger = refused(&home.run(&["staff", "list"]).await);
    assert!(stranger.contains("another keyring"), "{stranger}");
    fs::rename(home.file("kept.json"), &keyring).unwrap();
    told(&home.run(&["staff", "list"]).await);

    let inside = home.data_dir().join("keys.json");
    let beside = refused(&home.run(&["staff", "list", "--keyring", inside.to_str().unwrap()]).await);
    assert!(beside.contains("data folder") && !inside.exists(), "{beside}");
}
