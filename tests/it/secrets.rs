//! What a thief finds in a copy of the data folder, of the backup, in the log and on the page of figures: no phone, no
//! document number, no name, no key (CO-4).

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::harness::{Api, Database, Home, Plan, Sale, admin, draft, people, price_list, roster, told};
use crate::keys::secrets_in;

/// Every file below a folder, as bytes: database, write-ahead log, free pages and all.
fn raw_copy(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { bytes.extend(raw_copy(&path)) } else { bytes.extend(fs::read(path).unwrap()) }
    }
    bytes
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A roster of which every third row is refused, for its document or its phone.
async fn import_with_refusals(admin: &Api, opening: &str) {
    let spoilt: Vec<u8> = String::from_utf8(roster(&people(60), 1))
        .unwrap()
        .lines()
        .enumerate()
        .map(|(row, line)| match row {
            0 => format!("{line}\n"),
            row if row % 6 == 3 => format!("{}\n", line.replacen("9900001950", "9900001951", 1)),
            row if row % 6 == 0 => format!("{}\n", line.replacen(",199", ",19", 1)),
            _ => format!("{line}\n"),
        })
        .collect::<String>()
        .into_bytes();
    let path = format!("/api/v1/openings/{opening}/import/roster?mode=good_rows");
    let report = admin.upload(&path, "roster.csv", spoilt).await.ok();
    assert_eq!(report["refused"].as_array().unwrap().len(), 20, "{report}");
}

/// Mutations that turned it red: a buyer's phone in a log line of the sign-in; the keyring in one of each look at its file.
#[tokio::test]
async fn co_4_data_backup_log_and_figures_name_nobody() {
    let mut home = Home::new(Database::Sqlite).await;
    let backup = tempfile::tempdir().unwrap();
    home.settings.push(("KAIPAN_BACKUP_DIR", backup.path().to_str().unwrap().to_owned().leak()));
    home.settings.push(("KAIPAN_LOG", "debug"));
    let server = home.serve().await;
    let admin = admin(&server).await;

    // An import with refusals into one opening, sign-ins and picks in another.
    let other = draft(&admin, &Plan::default()).await;
    import_with_refusals(&admin, &other).await;
    admin.upload(&format!("/api/v1/openings/{other}/import/price-list"), "p.csv", price_list(4)).await.ok();
    let sale = Sale::publish(&server, &Plan::default()).await;
    let stranger = "19999999999";
    sale.onlooker().post(&sale.path("/sign-in/code"), json!({"phone": stranger})).await.ok();
    let buyer = sale.buyer(0).await;
    let wrong = json!({"phone": sale.people[1].phone, "code": "000000", "device": "x"});
    sale.onlooker().post(&sale.path("/sign-in/code"), json!({"phone": sale.people[1].phone})).await.ok();
    sale.onlooker().post(&sale.path("/sign-in"), wrong).await.refused(401, "CODE_WRONG");
    sale.started().await;
    assert_eq!(buyer.pick("one-of-mine", 0).await["answer"], "yes");
    let code = sale.latest_code(&sale.people[1].phone).await;
    // A new key while it runs, for what is then written about it.
    told(&home.run(&["keys", "rotate"]).await);
    let begun = Instant::now();
    while !server.said().contains("the keyring changed") {
        assert!(begun.elapsed() < Duration::from_secs(60), "the keyring is not noticed");
        sleep(Duration::from_millis(50)).await;
    }
    let figures = server.staff().get("/metrics").await.text().into_bytes();
    let log = server.said().into_bytes();
    server.kill().await;

    let (data, kept) = (raw_copy(&home.data_dir()), raw_copy(backup.path()));
    // What stands there in the clear is found, so the search would find the rest.
    for clear in ["RC00001", "1单元", "one-of-mine"] {
        assert!(holds(&data, clear) && holds(&kept, clear), "the search does not find {clear}");
    }
    assert!(holds(&log, "doors are open") && holds(&figures, "kaipan_ready 1"));
    for copy in [data, kept, log, figures] {
        names_nobody(&copy, stranger, &code);
        for secret in secrets_in(&home.keyring()) {
            assert!(!holds(&copy, &secret), "a key");
            let raw = base64::engine::general_purpose::STANDARD.decode(&secret).unwrap();
            assert!(!copy.windows(raw.len()).any(|window| window == raw), "a key's bytes");
            assert!(!holds(&copy, &hex::encode(raw)), "a key in hexadecimal");
        }
    }
}

fn names_nobody(copy: &[u8], stranger: &str, code: &str) {
    assert!(!holds(copy, stranger), "the phone of a stranger who asked for a code");
    for person in people(60) {
        assert!(!holds(copy, &person.phone), "the phone {}", person.phone);
        assert!(!holds(copy, &person.document), "the document {}", person.document);
        // The refused forms of both.
        assert!(!holds(copy, &person.document.replacen("9900001950", "9900001951", 1)), "a refused document");
        assert!(!holds(copy, &format!(",{}", person.phone.replacen("199", "19", 1))), "a refused phone");
        assert!(!holds(copy, &format!("购房人{}", person.code)), "the name of {}", person.code);
    }
    assert!(!holds(copy, &format!("\"{code}\"")), "a sign-in code");
}
