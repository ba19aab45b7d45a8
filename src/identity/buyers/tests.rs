//! Codes, sessions and devices on SQLite; `tests/it/` runs the same promises through the doors on both databases.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::*;
use crate::domain::ids::{OrgId, RowId};
use crate::domain::phone::Phone;
use crate::identity::staff::{Actor, Staff};
use crate::limits::{
    BUYER_SESSION_S, CODE_ATTEMPTS, CODE_FORGET_S, CODE_RESEND_LONGER_S, CODE_RESEND_LONGEST_S,
    CODE_RESEND_S, CODE_TRIES_BURST, CODE_VALID_S, DEVICE_FREEZE_S, DEVICE_REQUEST_S,
    SESSIONS_PER_REGISTRATION_MAX,
};
use crate::messaging::Sender;
use crate::store::{Priority, execute, fetch_all, fetch_one};
use crate::vault::{Field, Keyring, Purpose};

mod codes;
mod handover;
mod wechat;

const START: Micros = Micros::from_secs(1_800_000_000);
/// A day before: the last sign-in picks.
const EARLY: Micros = Micros::from_secs(1_800_000_000 - 24 * 3_600);
/// Inside the last fifteen minutes: the picking device keeps the pick.
const FROZEN: Micros = Micros::from_secs(1_800_000_000 - DEVICE_FREEZE_S);
const HALL: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const PHONE: &str = "13800000001";
const SHARED: &str = "13800000002";
const STRANGER: &str = "13900000009";

struct Fixture {
    _folder: tempfile::TempDir,
    db: Db,
    vault: Arc<Vault>,
    outbox: Outbox,
    buyers: Buyers,
    opening: OpeningId,
}

/// An opening with `R1` under [`PHONE`], and `R2` and `R3` under [`SHARED`].
async fn fixture() -> Fixture {
    let (folder, db) = crate::store::testing::sqlite().await;
    let vault = Arc::new(Vault::from_keyring(&Keyring::generate().unwrap()).unwrap());
    let outbox = Outbox::new(db.clone(), vault.clone(), Sender::Outbox);
    let opening = crate::store::testing::opening(&db, START).await;
    for (ord, phone, name) in [(0, PHONE, "张伟"), (1, SHARED, "李娜"), (2, SHARED, "欧阳娜娜")] {
        register(&db, &vault, &opening, ord, phone, name).await;
    }
    let rates = BuyerRates::default();
    let buyers = Buyers::open(db.clone(), vault.clone(), outbox.clone(), rates).await.unwrap();
    Fixture { _folder: folder, db, vault, outbox, buyers, opening }
}

async fn register(db: &Db, vault: &Vault, opening: &OpeningId, ord: i64, phone: &str, name: &str) {
    let id = RowId::generate();
    let document = format!("11010119900101{ord:04}");
    let mut tx = db.begin(Priority::Bulk).await.unwrap();
    execute!(
        tx,
        "INSERT INTO registration (opening_id, ord, org_id, id, code, name_sealed, document_kind, document_sealed,
             document_bidx, phone_sealed, phone_bidx, eligibility, consultant, group_name, quota_home, earnest_fen)
         VALUES ($1, $2, $3, $4, $5, $6, 'resident_id', $7, $8, $9, $10, 'passed', '', '', 1, 0)",
        opening,
        ord,
        OrgId::default_org(),
        &id,
        format!("R{}", ord + 1),
        vault.seal(Field::RegistrationName, id.as_str(), name).unwrap(),
        vault.seal(Field::RegistrationDocument, id.as_str(), &document).unwrap(),
        vault.index(Purpose::Document, &document),
        vault.seal(Field::RegistrationPhone, id.as_str(), phone).unwrap(),
        vault.index(Purpose::Phone, phone)
    )
    .unwrap();
    tx.commit().await.unwrap();
}

fn after(moment: Micros, seconds: i64) -> Micros {
    moment.plus(Micros::from_secs(seconds))
}

impl Fixture {
    async fn request(&self, phone: &str, at: Micros) -> Result<CodeRequested, BuyerError> {
        self.buyers.request_code(&self.opening, phone, HALL, at).await
    }

    /// The newest code sent to the phone.
    async fn sent(&self, phone: &str) -> Option<String> {
        let phone = Phone::parse(phone).unwrap();
        let messages = self.outbox.newest(&self.opening, Some(&phone)).await.unwrap();
        messages.first().and_then(|message| message.message.code().map(str::to_owned))
    }

    async fn try_code(
        &self,
        phone: &str,
        code: &str,
        registration: Option<&str>,
        device: &str,
        at: Micros,
    ) -> Result<SignedIn, BuyerError> {
        let attempt = SignInAttempt {
            opening: &self.opening,
            phone,
            code,
            registration,
            device,
            address: HALL,
            wechat: None,
        };
        self.buyers.sign_in(attempt, at).await
    }

    /// Asks for a code and signs in with it.
    async fn sign_in(&self, device: &str, at: Micros) -> SignedIn {
        self.request(PHONE, at).await.unwrap();
        let code = self.sent(PHONE).await.unwrap();
        self.try_code(PHONE, &code, None, device, at).await.unwrap()
    }

    fn role(&self, signed_in: &SignedIn, at: Micros) -> Option<DeviceRole> {
        let role = self.buyers.view(&signed_in.session, at).map(|view| view.role);
        let who = &signed_in.session;
        let may_pick = self.buyers.devices().may_pick(&who.opening, who.registration, &who.session);
        assert_eq!(may_pick, role == Some(DeviceRole::Picks), "the two readings differ");
        role
    }

    /// What another process, or this one after a restart, reads from the same database.
    async fn reopened(&self) -> Buyers {
        let rates = BuyerRates::default();
        Buyers::open(self.db.clone(), self.vault.clone(), self.outbox.clone(), rates).await.unwrap()
    }
}

fn code<T>(outcome: Result<T, BuyerError>) -> &'static str {
    outcome.err().map_or("ok", |error| error.code())
}

/// A six-digit code that is not this one.
fn wrong(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}
