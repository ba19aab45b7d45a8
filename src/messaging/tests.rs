use super::*;
use crate::store::fetch_one;
use crate::vault::Keyring;

const NOW: Micros = Micros::from_secs(1_800_000_000);

struct Fixture {
    _folder: tempfile::TempDir,
    db: Db,
    outbox: Outbox,
    opening: OpeningId,
}

async fn fixture() -> Fixture {
    let (folder, db) = crate::store::testing::sqlite().await;
    let vault = Arc::new(Vault::from_keyring(&Keyring::generate().unwrap()).unwrap());
    let outbox = Outbox::new(db.clone(), vault, Sender::Outbox);
    let opening = crate::store::testing::opening(&db, NOW).await;
    Fixture { _folder: folder, db, outbox, opening }
}

impl Fixture {
    async fn send(&self, phone: &str, code: &str, at: Micros) {
        let mut tx = self.db.begin(Priority::Staff).await.unwrap();
        let phone = Phone::parse(phone).unwrap();
        let message = Message::SignInCode { code: code.to_owned(), valid_minutes: 5 };
        self.outbox.send(&mut tx, Some(&self.opening), &phone, &message, at).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn codes(&self, phone: Option<&str>) -> Vec<String> {
        let phone = phone.map(|phone| Phone::parse(phone).unwrap());
        let listed = self.outbox.newest(&self.opening, phone.as_ref()).await.unwrap();
        listed.iter().map(|listed| listed.message.code().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn the_outbox_lists_newest_first_and_by_phone() {
    let f = fixture().await;
    f.send("13800000001", "111111", NOW).await;
    f.send("13800000002", "222222", NOW.plus(Micros::from_secs(1))).await;
    f.send("13800000001", "333333", NOW.plus(Micros::from_secs(2))).await;
    assert_eq!(f.codes(None).await, ["333333", "222222", "111111"]);
    assert_eq!(f.codes(Some("138 0000 0001")).await, ["333333", "111111"]);
    assert!(f.codes(Some("13800000003")).await.is_empty());

    let listed = f.outbox.newest(&f.opening, None).await.unwrap();
    assert_eq!(listed[0].to_masked, "138****0001");
    assert!(listed[0].message.text(Language::ZhCn).contains("333333"));
    assert!(listed[0].message.text(Language::En).contains("333333"));
    assert_eq!(format!("{:?}", listed[0].message), "sign_in_code", "a code must not reach a log");
}

/// CO-4. Mutation caught: with the parameters stored as they are, the code was found in the row.
#[tokio::test]
async fn a_stored_message_shows_neither_phone_nor_code() {
    let f = fixture().await;
    f.send("13800000001", "424242", NOW).await;
    let mut read = f.db.read().await.unwrap();
    let row: (Vec<u8>, Vec<u8>, Vec<u8>) =
        fetch_one!(read, _, "SELECT recipient_sealed, recipient_bidx, params_sealed FROM outbox").unwrap();
    let raw = [row.0, row.1, row.2].concat();
    for secret in ["13800000001", "0000001", "424242"] {
        assert!(!raw.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
}

#[tokio::test]
async fn a_message_leaves_with_its_transaction_or_not_at_all() {
    let f = fixture().await;
    let mut tx = f.db.begin(Priority::Staff).await.unwrap();
    let message = Message::SignInCode { code: "555555".to_owned(), valid_minutes: 5 };
    let phone = Phone::parse("13800000001").unwrap();
    f.outbox.send(&mut tx, Some(&f.opening), &phone, &message, NOW).await.unwrap();
    tx.rollback().await.unwrap();
    assert!(f.codes(None).await.is_empty());
}

#[tokio::test]
async fn old_messages_are_forgotten() {
    let f = fixture().await;
    f.send("13800000001", "111111", NOW).await;
    f.send("13800000001", "222222", NOW.plus(Micros::from_secs(60))).await;
    let later = NOW.plus(Micros::from_secs(OUTBOX_KEEP_S)).plus(Micros::from_secs(30));
    assert_eq!(f.outbox.purge(later).await.unwrap(), 1);
    assert_eq!(f.codes(None).await, ["222222"]);
    assert_eq!(f.outbox.purge(later).await.unwrap(), 0);
}
