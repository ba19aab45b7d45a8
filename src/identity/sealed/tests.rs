use std::sync::Arc;

use super::reseal::{Pass, Resealer};
use super::*;
use crate::domain::ids::RowId;
use crate::identity::bind_keyring;
use crate::store::{Exec, Priority, execute};
use crate::vault::{Field, Keyring};

const NOW: Micros = Micros::from_secs(1);

/// Seen red with `registration.co_buyers_sealed` not recognised among the places.
#[tokio::test]
async fn every_sealed_column_has_a_place() {
    let (_folder, db) = crate::store::testing::sqlite().await;
    // Not through the macros: SQLite alone is asked for its schema.
    let text = "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
                WHERE t.type = 'table' AND c.name LIKE '%sealed' ORDER BY 1, 2";
    let mut read = db.read().await.unwrap();
    let Exec::Sqlite(on) = read.exec() else { panic!("it is SQLite") };
    let columns: Vec<(String, String)> = sqlx::query_as(text).fetch_all(on).await.unwrap();
    assert!(columns.len() >= 20, "{columns:?}");
    for (table, column) in &columns {
        let text = format!(
            "SELECT substr({column}, 1, 5), COUNT(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY 1"
        );
        let is_it =
            |place: &&Place| place.count_text().split_whitespace().collect::<Vec<_>>().join(" ") == text;
        let places = Place::ALL.iter().filter(is_it).count();
        assert_eq!(places, 1, "{table}.{column} has {places} places");
    }
    assert_eq!(columns.len(), Place::ALL.len());
}

struct Ground {
    _folder: tempfile::TempDir,
    db: Db,
    vault: Arc<Vault>,
    ring: Keyring,
    ids: Vec<String>,
}

impl Ground {
    /// So many messages, sealed by key 1.
    async fn with(messages: usize) -> Self {
        let (folder, db) = crate::store::testing::sqlite().await;
        let ring = Keyring::generate().unwrap();
        let vault = Arc::new(Vault::from_keyring(&ring).unwrap());
        bind_keyring(&db, &vault, NOW).await.unwrap();
        let mut ground = Self { _folder: folder, db, vault, ring, ids: Vec::new() };
        for n in 0..messages {
            let id = RowId::generate().to_string();
            ground.write(&id, &format!("199{n:08}")).await;
            ground.ids.push(id);
        }
        ground
    }

    async fn write(&self, id: &str, to: &str) {
        let mut tx = self.db.begin(Priority::Staff).await.unwrap();
        execute!(
            tx,
            "INSERT INTO outbox (id, org_id, opening_id, purpose, recipient_sealed, recipient_bidx, params_sealed, created_at)
             VALUES ($1, $2, NULL, 'sign_in_code', $3, $4, $5, 0)",
            id,
            OrgId::default_org(),
            self.vault.seal(Field::OutboxRecipient, id, to).unwrap(),
            to.as_bytes(),
            self.vault.seal(Field::OutboxParams, id, "{}").unwrap()
        )
        .unwrap();
        tx.commit().await.unwrap();
    }

    async fn rotate(&mut self) {
        self.ring.rotate().unwrap();
        let candidate = Vault::from_keyring(&self.ring).unwrap();
        assert!(bind_keyring(&self.db, &candidate, NOW).await.unwrap());
        self.vault.adopt(&candidate);
    }

    async fn recipient(&self, id: &str) -> Vec<u8> {
        let mut read = self.db.read().await.unwrap();
        fetch_one!(read, (Vec<u8>,), "SELECT recipient_sealed FROM outbox WHERE id = $1", id).unwrap().0
    }

    fn resealer(&self, holder: &str) -> Resealer {
        Resealer { db: self.db.clone(), vault: Arc::clone(&self.vault), holder: holder.to_owned() }
    }
}

/// CO-4: everything is sealed again, to its own row and column. What was swapped between rows does not open, before and
/// after, and the key is not given up while it is there.
///
/// Mutations caught: sealed again for another row's id; a value that does not open ending the way through; `check_unneeded`
/// without its count; `bind_keyring` without its; the lease not asked for.
#[tokio::test]
async fn co_4_values_are_sealed_again_in_their_own_place_and_swapped_ones_are_not() {
    let mut ground = Ground::with(100).await;
    let (one, other) = (ground.ids[10].clone(), ground.ids[60].clone());
    let (at_one, at_other) = (ground.recipient(&one).await, ground.recipient(&other).await);
    let mut tx = ground.db.begin(Priority::Staff).await.unwrap();
    for (id, sealed) in [(&one, &at_other), (&other, &at_one)] {
        execute!(tx, "UPDATE outbox SET recipient_sealed = $2 WHERE id = $1", id, sealed).unwrap();
    }
    tx.commit().await.unwrap();
    ground.rotate().await;

    let first = ground.resealer("first");
    assert_eq!(first.pass().await.unwrap(), Pass { sealed: 198, left: 2, elsewhere: false });
    assert_eq!(count_by_key(&ground.db).await.unwrap(), ByKey::from([(Some(1), 2), (Some(2), 198)]));
    for (n, id) in ground.ids.iter().enumerate() {
        let opened = ground.vault.open_text(Field::OutboxRecipient, id, &ground.recipient(id).await);
        if [&one, &other].contains(&id) {
            assert_eq!(opened.unwrap_err().code(), "SEALED_UNREADABLE");
        } else {
            assert_eq!(opened.unwrap(), format!("199{n:08}"));
        }
    }
    // Again it finds nothing but those; another gateway is kept from it meanwhile.
    assert_eq!(first.pass().await.unwrap(), Pass { sealed: 0, left: 2, elsewhere: false });
    assert!(ground.resealer("second").pass().await.unwrap().elsewhere);

    let needed = check_unneeded(&ground.db, &ground.vault, 1).await.unwrap_err();
    assert!(matches!(needed, StillNeeded::Values { key: 1, values: 2 }), "{needed}");
    // A ring that gave the key up all the same is refused, in words.
    ground.ring.retire(1).unwrap();
    let early = Vault::from_keyring(&ground.ring).unwrap();
    let refusal = bind_keyring(&ground.db, &early, NOW).await.unwrap_err().to_string();
    assert!(refusal.contains("2 values") && refusal.contains("key 1"), "{refusal}");

    let mut tx = ground.db.begin(Priority::Staff).await.unwrap();
    for id in [&one, &other] {
        execute!(tx, "DELETE FROM outbox WHERE id = $1", id).unwrap();
    }
    tx.commit().await.unwrap();
    check_unneeded(&ground.db, &ground.vault, 1).await.unwrap();
    assert!(bind_keyring(&ground.db, &early, NOW).await.unwrap());
}

/// What somebody writes between the look and the transaction stays.
///
/// Mutation caught: `AND recipient_sealed = $2` left out of the text.
#[tokio::test]
async fn what_was_written_meanwhile_is_not_overwritten() {
    let mut ground = Ground::with(1).await;
    ground.rotate().await;
    let header = ground.vault.sealing_header();
    let mut read = ground.db.read().await.unwrap();
    let found = Place::OutboxRecipient.find(&mut read, "", &header, 10).await.unwrap();
    let newer = ground.vault.seal(Field::OutboxRecipient, &found[0].id, "newer").unwrap();
    let mut tx = ground.db.begin(Priority::Staff).await.unwrap();
    execute!(tx, "UPDATE outbox SET recipient_sealed = $2 WHERE id = $1", &found[0].id, &newer).unwrap();
    assert!(!Place::OutboxRecipient.replace(&mut tx, &found[0], b"older").await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(ground.recipient(&found[0].id).await, newer);
}

/// Mutations caught: gateways that say nothing, or another key, taken for ones that have the new key.
#[tokio::test]
async fn a_key_is_kept_while_a_gateway_or_an_import_may_seal_with_it() {
    let mut ground = Ground::with(0).await;
    ground.rotate().await;
    let opening = crate::store::testing::opening(&ground.db, NOW).await;
    let run = async |text: &'static str| {
        let mut tx = ground.db.begin(Priority::Staff).await.unwrap();
        let Exec::Sqlite(on) = tx.exec() else { panic!("it is SQLite") };
        sqlx::query(text).execute(on).await.unwrap();
        tx.commit().await.unwrap();
    };
    let refusal = async || match check_unneeded(&ground.db, &ground.vault, 1).await {
        Ok(()) => String::new(),
        Err(why) => why.to_string(),
    };
    assert_eq!(refusal().await, "");
    run("INSERT INTO gateway (id, org_id, started_at, seen_at, clock_offset_us, name, state, alive_until)
         VALUES ('g', '00000000000000000000000000', 0, 0, 0, 'east', 'ready', 9000000000000000)")
    .await;
    assert!(refusal().await.contains("east has not said"), "{}", refusal().await);
    run("UPDATE gateway SET sealing_key = 1").await;
    assert!(refusal().await.contains("east seals with key 1, and not with key 2"), "{}", refusal().await);
    run("UPDATE gateway SET state = 'gone'").await;
    assert_eq!(refusal().await, "");
    run("UPDATE gateway SET state = 'ready', sealing_key = 2").await;
    assert_eq!(refusal().await, "");
    run("UPDATE opening SET staged_by = 'x', staged_until = 9000000000000000").await;
    assert!(refusal().await.contains("import"), "{}", refusal().await);
    drop(opening);
}
