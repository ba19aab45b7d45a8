//! SQLite: what is answered lies in the backup before it is answered.
//!
//! What no test here can see: a kill leaves what the kernel has, so an `fsync` in the backup that is left out turns
//! nothing red. It stands in `Shipper::append`, and `strace -f -e fdatasync` shows it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::time::{Instant, sleep};

use super::{backed_up, move_to_second_machine, restore};
use crate::burst::{BUYERS, Hall, count};
use crate::client::{Burster, answers};
use crate::harness::{Database, Home, Plan, Sale, Server, refused, said, told};

/// OP-82, OP-86. A burst of 2,000 picks, the process killed at a moment that the seed chooses, the data folder deleted,
/// restored elsewhere; the buyers reconnect there, with their sessions, and ask about what was left open. Three times,
/// each on the machine of the time before, and with logs so short that most moments lie near a change of segments.
///
/// Mutation that turned it red: the answer before the shipment (`Backup::committed` without its wait).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn op_86_sqlite_a_machine_that_is_gone_took_no_yes_with_it() {
    const TAPS: usize = 10;
    const HOMES_A_ROUND: u64 = 400;
    let seed =
        std::env::var("KAIPAN_KILL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("KAIPAN_KILL_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);

    let mut home = Home::empty(Database::Sqlite).await;
    let backup = backed_up(&mut home, &[]).await;
    crate::harness::add_admin(&home).await;
    let plan =
        Plan { homes: 3 * 400, buyers: BUYERS, homes_each: 26, starts_in_ms: 8_000, ..Plan::default() };
    let (mut hall, mut server) = Hall::open_in(home, plan).await;
    let mut whole_record = Vec::new();
    for (round, log_kib) in ["16384", "256", "64"].into_iter().enumerate() {
        if round > 0 {
            assert!(server.stop().await.success());
            hall.home.settings.retain(|(name, _)| *name != "KAIPAN_BACKUP_LOG_KIB");
            hall.home.settings.push(("KAIPAN_BACKUP_LOG_KIB", log_kib));
            server = hall.home.serve().await;
        }
        let first = round as u64 * HOMES_A_ROUND;
        let burst = hall.burst(&format!("round{round}"), TAPS, first..first + HOMES_A_ROUND, &mut rng);
        let mut client = Burster::start(&burst).await;
        client.answered(rng.random_range(BUYERS..BUYERS * TAPS * 9 / 10)).await;
        server.kill().await;
        let told = move_to_second_machine(&mut hall.home, backup.path(), &format!("machine{round}")).await;
        let segments: usize = between(&told, "; ", " segments").parse().unwrap();
        // How many depends on how the taps fell into groups.
        assert!(segments >= [1, 1, 2][round], "{told}");
        server = hall.home.serve().await;
        let record = client.finish().await;
        println!("round {round}: {} yes", count(&answers(&record), "yes"));
        whole_record.extend(record);
        assert_eq!(
            hall.faults(&whole_record).await,
            Vec::<String>::new(),
            "KAIPAN_KILL_SEED={seed}, round {round}"
        );
    }
    let answers = answers(&whole_record);
    assert_eq!(answers.len(), 3 * BUYERS * TAPS, "every tap has its answer");
    assert!(count(&answers, "yes") > 300, "something was sold");
    // A session of the first machine is good on the fourth.
    assert_eq!(hall.buyers[7].me().await["registration"]["code"], hall.sale.people[7].code.as_str());
    drop(server);
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(found, _)| found)
}

/// A small sale with a backup, its start past.
async fn small(settings: &[(&'static str, &'static str)]) -> (Home, tempfile::TempDir, Server, Sale) {
    let mut home = Home::empty(Database::Sqlite).await;
    let backup = backed_up(&mut home, settings).await;
    crate::harness::add_admin(&home).await;
    let server = home.serve().await;
    let sale = Sale::publish(&server, &Plan { homes_each: 12, ..Plan::default() }).await;
    sale.started().await;
    (home, backup, server, sale)
}

async fn behind_s(server: &Server) -> f64 {
    let page = server.staff().get("/metrics").await.text();
    let line = page.lines().find_map(|line| line.strip_prefix("kaipan_backup_behind_seconds "));
    line.expect("the gauge").parse().unwrap()
}

async fn until_behind(server: &Server, wanted: bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while (behind_s(server).await > 0.0) != wanted {
        assert!(Instant::now() < deadline, "behind is not {wanted}: {}", server.said());
        sleep(Duration::from_millis(20)).await;
    }
}

/// The folder is not there any more, as when the other machine went.
fn take_away(backup: &Path) -> PathBuf {
    let aside = backup.with_extension("away");
    fs::rename(backup, &aside).unwrap();
    fs::write(backup, "no folder").unwrap();
    aside
}

fn bring_back(backup: &Path, aside: &Path) {
    fs::remove_file(backup).unwrap();
    fs::rename(aside, backup).unwrap();
}

/// OP-86. Without `--backup-strict` the sale goes on, says so, and the backup catches up by itself: also into an empty
/// folder, where it begins again. Mutation that turned it red: `check_segment_is_there` left out (an open file takes
/// bytes although its folder has gone, and nothing is ever behind).
#[tokio::test]
async fn op_86_sqlite_a_backup_that_is_away_stops_no_sale_and_catches_up() {
    let (mut home, backup, server, sale) = small(&[]).await;
    let buyer = sale.buyer(0).await;
    assert_eq!(buyer.pick("while-all-is-well", 1).await["answer"], "yes");
    assert_eq!(behind_s(&server).await, 0.0);

    let aside = take_away(backup.path());
    assert_eq!(buyer.pick("while-it-is-away", 2).await["answer"], "yes");
    until_behind(&server, true).await;
    assert!(server.said().contains("THE BACKUP IS BEHIND"), "{}", server.said());
    assert_eq!(buyer.pick("and-another-one", 3).await["answer"], "yes");
    bring_back(backup.path(), &aside);
    until_behind(&server, false).await;

    // An empty folder in its place: another chain.
    let aside = take_away(backup.path());
    assert_eq!(buyer.pick("away-once-more", 4).await["answer"], "yes");
    until_behind(&server, true).await;
    fs::remove_dir_all(&aside).unwrap();
    fs::remove_file(backup.path()).unwrap();
    fs::create_dir(backup.path()).unwrap();
    until_behind(&server, false).await;
    let last = buyer.pick("when-it-is-back", 5).await;
    assert_eq!(last["answer"], "yes");
    server.kill().await;

    move_to_second_machine(&mut home, backup.path(), "second").await;
    let server = home.serve().await;
    assert_eq!(buyer.me().await["claims"].as_array().unwrap().len(), 5);
    assert_eq!(buyer.ask("when-it-is-back").await, last);
    drop(server);
}

/// OP-86. With `--backup-strict` nobody is told yes before the backup has it. Mutation that turned it red:
/// `Backup::committed` without its wait.
#[tokio::test]
async fn op_86_sqlite_strict_lets_buyers_wait_and_tells_them_nothing_false() {
    let (mut home, backup, server, sale) = small(&[("KAIPAN_BACKUP_STRICT", "true")]).await;
    let buyer = sale.buyer(0).await;
    let aside = take_away(backup.path());
    let pick = json!({"key": "waits-for-the-backup", "unit": 7});
    for _ in 0..3 {
        let answer = buyer.api.post(&sale.path("/picks"), pick.clone()).await.ok();
        assert_eq!(answer["answer"], "in_progress", "{answer}");
    }
    assert!(behind_s(&server).await > 0.0);
    assert!(server.said().contains("commits wait for it"), "{}", server.said());
    bring_back(backup.path(), &aside);
    let yes = buyer.pick("waits-for-the-backup", 7).await;
    assert_eq!(yes["answer"], "yes");
    server.kill().await;

    // Strict without the folder: no server, or it would wait with the first tap of the morning.
    let aside = take_away(backup.path());
    let why = home.serve_another().await.err().expect("no backup, no start");
    assert!(why.contains("there is no backup folder"), "{why}");
    bring_back(backup.path(), &aside);

    move_to_second_machine(&mut home, backup.path(), "second").await;
    let server = home.serve().await;
    assert_eq!(buyer.ask("waits-for-the-backup").await, yes);
    drop(server);
}

/// A folder that would protect from nothing is refused in one sentence before anything is served, by commands as by the
/// server, and none is made: what is made under a mistyped mount point lies on this machine's own disk.
///
/// Mutations that turned it red: `NoFolder` not final (the server started, behind); `lies_within` left out.
#[tokio::test]
async fn op_86_sqlite_a_folder_that_protects_nothing_is_refused() {
    let mut home = Home::empty(Database::Sqlite).await;
    crate::harness::add_admin(&home).await;
    let inside = home.data_dir().join("backup");
    fs::create_dir(&inside).unwrap();
    let link = home.file("link");
    std::os::unix::fs::symlink(&inside, &link).unwrap();
    let file = home.file("file");
    fs::write(&file, "no folder").unwrap();
    let refusals = [
        (home.file("mistyped").join("kaipan"), "there is no backup folder"),
        (file.clone(), "there is no backup folder"),
        (file.join("below"), "there is no backup folder"),
        (home.data_dir(), "lies in the data folder"),
        (inside, "lies in the data folder"),
        (link, "lies in the data folder"),
    ];
    for (folder, words) in refusals {
        let named = folder.display().to_string();
        home.settings = vec![("KAIPAN_BACKUP_DIR", named.clone().leak())];
        let why = home.serve_another().await.err().expect("no server");
        assert!(why.contains(words) && why.contains(&named), "{named}: {why}");
        assert!(!why.contains("THE BACKUP IS BEHIND"), "{named}: {why}");
        let why = refused(&home.run(&["project", "add", "云栖"]).await);
        assert!(why.contains(words), "{named}: {why}");
    }
    assert!(!home.file("mistyped").exists());
    home.settings.clear();
    told(&home.run(&["project", "list"]).await);
}

async fn epoch(data_dir: &Path) -> i64 {
    let file = format!("sqlite://{}", data_dir.join("kaipan.db").display());
    let mut conn = SqliteConnection::connect(&file).await.unwrap();
    let epoch = sqlx::query_scalar("SELECT epoch FROM opening_head").fetch_one(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    epoch
}

fn bases(backup: &Path) -> Vec<String> {
    let names = fs::read_dir(backup).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut bases: Vec<String> =
        names.filter(|name| name.starts_with("base-") && name.ends_with(".db")).collect();
    bases.sort();
    bases
}

/// After a crash and after a stop the backup goes on where it ended, with no copy of the database; a command that shipped
/// nothing in between makes one necessary. The epochs of what is restored are raised, for Redis' keys. Mutations that
/// turned it red: `resume` that never finds its place, epochs raised by nothing.
#[tokio::test]
async fn op_86_sqlite_a_restart_goes_on_with_the_same_base() {
    let (mut home, backup, mut server, sale) = small(&[("KAIPAN_BACKUP_LOG_KIB", "64")]).await;
    let buyer = sale.buyer(0).await;
    let first = bases(backup.path());
    assert_eq!(first.len(), 1, "{first:?}");
    for n in 1..5 {
        assert_eq!(buyer.pick(&format!("of-the-run-{n}"), n).await["answer"], "yes");
        match n % 2 {
            0 => assert!(server.stop().await.success()),
            _ => server.kill().await,
        }
        server = home.serve().await;
        assert_eq!(bases(backup.path()), first, "no other base");
    }
    let checked = home.run(&["backup", "check"]).await;
    assert!(told(&checked).contains("the backup can be restored"), "beside the server");
    assert!(server.stop().await.success());

    // Without its backup: what it writes reaches the backup with the next base.
    let settings = std::mem::take(&mut home.settings);
    told(&home.run(&["project", "add", "所外"]).await);
    home.settings = settings;
    // Whether a command's end writes the log back is a race with its exit; here somebody does.
    let file = format!("sqlite://{}", home.data_dir().join("kaipan.db").display());
    let mut shell = SqliteConnection::connect(&file).await.unwrap();
    shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    shell.close().await.unwrap();
    server = home.serve().await;
    assert_eq!(bases(backup.path()).len(), 2);
    let last = buyer.pick("the-very-last-pick", 9).await;
    server.kill().await;
    let epoch_before = epoch(&home.data_dir()).await;

    move_to_second_machine(&mut home, backup.path(), "second").await;
    assert_eq!(epoch(&home.data_dir()).await, epoch_before + 1_000_000);
    assert!(told(&home.run(&["project", "list"]).await).contains("所外"));
    let server = home.serve().await;
    assert_eq!(buyer.ask("the-very-last-pick").await, last);
    assert_eq!(buyer.me().await["claims"].as_array().unwrap().len(), 5);
    drop(server);
}

/// What must not be restored in silence, and what must not be backed up over. Each refusal is one sentence.
///
/// Mutation that turned it red: the folder's lock taken as that of a data folder.
#[tokio::test]
async fn op_86_sqlite_restores_nothing_in_silence_that_is_not_whole() {
    let (home, backup, server, sale) = small(&[("KAIPAN_BACKUP_LOG_KIB", "64")]).await;
    let buyer = sale.buyer(0).await;
    for n in 0..12 {
        assert_eq!(buyer.pick(&format!("pick-number-{n:02}"), n).await["answer"], "yes");
    }
    // Another server, on a database of its own: this is not its backup. Nor may two ship to one folder.
    let mut stranger = Home::new(Database::Sqlite).await;
    stranger.settings.clone_from(&home.settings);
    let why = stranger.serve_another().await.err().expect("in use");
    assert!(why.contains("the backup folder") && why.contains("in use by"), "{why}");
    server.kill().await;
    let why = stranger.serve_another().await.err().expect("another database's backup");
    assert!(why.contains("holds the backup of another database") && why.contains("kaipan restore"), "{why}");

    let from = backup.path();
    let why = refused(&restore(&home, from, &home.data_dir(), &[]).await);
    assert!(why.contains("has a database already"), "{why}");
    let nothing = tempfile::tempdir().unwrap();
    let why = refused(&restore(&home, nothing.path(), &home.file("a"), &[]).await);
    assert!(why.contains("there is no backup in"), "{why}");

    // A torn end: half a frame of a commit that nobody was told of.
    let mut segments: Vec<PathBuf> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| {
        path.file_name().unwrap().to_str().unwrap().starts_with("wal-") && path.extension().is_none()
    });
    segments.sort();
    assert!(segments.len() > 3, "{segments:?}");
    let last = segments.last().unwrap();
    let whole = fs::read(last).unwrap();
    let torn = [&whole[..], &whole[whole.len() - 4_120..whole.len() - 2_000]].concat();
    fs::write(last, torn).unwrap();
    let left = told(&restore(&home, from, &home.file("torn"), &[]).await);
    assert!(left.contains("LEFT OUT: 2120 bytes at the end of segment"), "{left}");
    // Damage in the newest segment looks the same, and what it takes along is more than half a frame; so does its absence.
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(last, &damaged).unwrap();
    assert!(told(&restore(&home, from, &home.file("hit"), &[]).await).contains("LEFT OUT: "));
    fs::remove_file(last).unwrap();
    let gone = told(&restore(&home, from, &home.file("gone"), &[]).await);
    assert!(gone.contains("which is announced and not there"), "{gone}");
    fs::write(last, &whole).unwrap();
    assert!(!told(&restore(&home, from, &home.file("whole"), &[]).await).contains("LEFT OUT"));

    // A segment in the middle is damaged, then missing: refused, and with the loss accepted restored up to there.
    let middle = &segments[segments.len() - 2];
    let bytes = fs::read(middle).unwrap();
    fs::write(middle, &bytes[..bytes.len() - 100]).unwrap();
    let why = refused(&restore(&home, from, &home.file("damaged"), &[]).await);
    assert!(why.contains("is not whole") && why.contains("--accept-loss"), "{why}");
    assert!(!home.file("damaged").join("kaipan.db").exists());
    fs::remove_file(middle).unwrap();
    let why = refused(&restore(&home, from, &home.file("missing"), &[]).await);
    assert!(why.contains("has no log in it"), "{why}");
    let accepted = restore(&home, from, &home.file("missing"), &["--accept-loss"]).await;
    assert!(told(&accepted).contains("WHAT CAME LATER IS LOST"), "{}", said(&accepted));
    fs::write(middle, &bytes).unwrap();

    // A newer program's schema: changed where nothing else looks, in a backup of its own.
    let file = format!("sqlite://{}", home.data_dir().join("kaipan.db").display());
    let mut conn = SqliteConnection::connect(&file).await.unwrap();
    conn.execute("UPDATE _sqlx_migrations SET version = 9999 WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)")
        .await
        .unwrap();
    conn.close().await.unwrap();
    let newer = newest_base_replaced(from, &home.data_dir().join("kaipan.db"));
    let why = refused(&restore(&home, newer.path(), &home.file("newer"), &[]).await);
    assert!(why.contains("schema version 9999"), "{why}");
}

/// A backup whose only base is this database file.
fn newest_base_replaced(from: &Path, database: &Path) -> tempfile::TempDir {
    use sha2::{Digest, Sha256};
    let folder = tempfile::tempdir().unwrap();
    let note = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).find(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("base-") && name.ends_with(".json")
    });
    let mut note: Value = serde_json::from_slice(&fs::read(note.unwrap()).unwrap()).unwrap();
    let bytes = fs::read(database).unwrap();
    note["sha256"] = hex::encode(Sha256::digest(&bytes)).into();
    let number = note["number"].as_u64().unwrap();
    fs::write(folder.path().join(format!("base-{number:08}.db")), bytes).unwrap();
    fs::write(folder.path().join(format!("base-{number:08}.json")), note.to_string()).unwrap();
    folder
}
