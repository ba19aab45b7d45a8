//! Postgres: its own programs do it, as `deploy/backup/` starts them. The scripts run here as they are shipped.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use crate::burst::{BUYERS, Hall, count};
use crate::client::{Burster, answers};
use crate::harness::{Database, Home, Machines, Plan, add_admin, binary};

/// The first machine, and what receives its log on the second.
struct Receiver<'a> {
    machines: &'a Machines,
    url: String,
    process: Option<Child>,
}

fn script(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/backup").join(name);
    // Read here: the user that runs it may not see this folder.
    std::fs::read_to_string(file).unwrap()
}

impl Receiver<'_> {
    fn settings(&self) -> [(&'static str, String); 2] {
        let folder = self.machines.folder.join("backup").to_str().unwrap().to_owned();
        [("KAIPAN_DATABASE_URL", self.url.clone()), ("KAIPAN_BACKUP_DIR", folder)]
    }

    fn start(&mut self) {
        let settings = self.settings();
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // In place of the shell: the child's end is the program's.
        let mut command = self.machines.command(&script("postgres-wal.sh"), &settings);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        self.process = Some(child);
    }

    /// Ends the program as a power cut would. It is a grandchild: found by the folder that no other test has.
    fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        self.machines.run("kill -9 $(pgrep -f \"bin/pg_receivewal .* -D $PWD/\")", &[]);
        process.wait().unwrap();
    }

    fn base(&self) -> String {
        let settings = self.settings();
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.machines.run(&script("postgres-base.sh"), &settings).trim().to_owned()
    }

    /// Waits until the primary counts it as the one that commits wait for, or as gone.
    async fn until(&self, primary: &mut PgConnection, synchronous: bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let state = "SELECT EXISTS (SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming')";
        while sqlx::query_scalar::<_, bool>(state).fetch_one(&mut *primary).await.unwrap() != synchronous {
            assert!(Instant::now() < deadline, "synchronous is not {synchronous}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Receiver<'_> {
    fn drop(&mut self) {
        // Without its cluster it would try to connect for ever. A test that failed leaves that to the folder's guard.
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// OP-82, OP-86. A burst on a server whose Postgres has a receiver on a second machine; server and Postgres are killed and
/// the cluster's folder deleted; `kaipan restore` lays out a new one, Postgres brings itself to the last commit, and
/// buyers go on there with their sessions. While nothing receives, nobody is told yes.
///
/// Mutation that turned it red: `synchronous_standby_names` left empty: no commit waits for the receiver.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn op_86_postgres_a_machine_that_is_gone_took_no_yes_with_it() {
    const TAPS: usize = 10;
    let seed =
        std::env::var("KAIPAN_KILL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("KAIPAN_KILL_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);

    let machines = Machines::new();
    let url = machines.start("first");
    let mut primary = PgConnection::connect(&url).await.unwrap();
    let mut receiver = Receiver { machines: &machines, url: url.clone(), process: None };
    receiver.start();
    for sql in ["ALTER SYSTEM SET synchronous_standby_names = 'kaipan_backup'", "SELECT pg_reload_conf()"] {
        primary.execute(sql).await.unwrap();
    }
    receiver.until(&mut primary, true).await;
    receiver.base();

    let mut home = Home::empty(Database::Sqlite).await;
    home.move_database(url);
    add_admin(&home).await;
    let plan = Plan { homes: 400, buyers: BUYERS, homes_each: 26, starts_in_ms: 8_000, ..Plan::default() };
    let (mut hall, server) = Hall::open_in(home, plan).await;
    // Another base beside the sale.
    let newest = receiver.base();

    // Nothing receives: the pick is under way, and whoever asks hears so. Then it goes through.
    receiver.stop();
    receiver.until(&mut primary, false).await;
    let pick = json!({"key": "waits-for-the-backup", "unit": 399});
    for _ in 0..2 {
        let answer = hall.buyers[0].api.post(&hall.sale.path("/picks"), pick.clone()).await.ok();
        assert_eq!(answer["answer"], "in_progress", "{answer}");
    }
    receiver.start();
    receiver.until(&mut primary, true).await;
    assert_eq!(hall.buyers[0].pick("waits-for-the-backup", 399).await["answer"], "yes");

    let burst = hall.burst("rush", TAPS, 0..399, &mut rng);
    let mut client = Burster::start(&burst).await;
    client.answered(rng.random_range(BUYERS..BUYERS * TAPS * 9 / 10)).await;
    server.kill().await;
    machines.run("pg_ctl -D first -m immediate stop >&2; rm -rf first", &[]);
    drop(receiver);

    // By the user that owns the backup.
    machines.run(&format!("cp '{}' kaipan", binary().display()), &[]);
    let begun = Instant::now();
    let told = machines.run("./kaipan restore --from backup --postgres-data second", &[]);
    assert!(told.contains(&newest) && told.contains("raise-epochs"), "{told}");
    let url = machines.start("second");
    let mut second = PgConnection::connect(&url).await.unwrap();
    let recovered = async {
        while sqlx::query_scalar::<_, bool>("SELECT pg_is_in_recovery()")
            .fetch_one(&mut second)
            .await
            .unwrap()
        {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), recovered).await.expect("it recovers");
    let epoch = "SELECT epoch FROM opening_head";
    let before: i64 = sqlx::query_scalar(epoch).fetch_one(&mut second).await.unwrap();
    hall.home.move_database(url.clone());
    let raised = hall.home.run(&["backup", "raise-epochs", "--database-url", &url]).await;
    println!("── restored in {:?}\n{told}{}", begun.elapsed(), crate::harness::told(&raised));
    let after: i64 = sqlx::query_scalar(epoch).fetch_one(&mut second).await.unwrap();
    assert_eq!(after, before + 1_000_000);

    let server = hall.home.serve().await;
    let record = client.finish().await;
    assert_eq!(hall.faults(&record).await, Vec::<String>::new(), "KAIPAN_KILL_SEED={seed}");
    let answers = answers(&record);
    assert_eq!(answers.len(), BUYERS * TAPS, "every tap has its answer");
    assert!(count(&answers, "yes") > 200, "something was sold");
    assert_eq!(hall.buyers[0].ask("waits-for-the-backup").await["answer"], "yes");
    drop(server);
}
