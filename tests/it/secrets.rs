//! What a thief finds in a copy of the data folder: no phone and no document number.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::{Api, Database, Home, Plan, Sale, admin, draft, people, price_list, roster};

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

#[tokio::test]
async fn a_raw_copy_of_the_data_folder_names_nobody() {
    let home = Home::new(Database::Sqlite).await;
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
    server.kill().await;

    let copy = raw_copy(&home.data_dir());
    // What stands there in the clear is found, so the search would find the rest.
    for clear in ["RC00001", "1单元", "one-of-mine"] {
        assert!(holds(&copy, clear), "the search does not find {clear}");
    }
    assert!(!holds(&copy, stranger), "the phone of a stranger who asked for a code");
    for person in people(60) {
        assert!(!holds(&copy, &person.phone), "the phone {}", person.phone);
        assert!(!holds(&copy, &person.document), "the document {}", person.document);
        // The refused forms of both.
        assert!(
            !holds(&copy, &person.document.replacen("9900001950", "9900001951", 1)),
            "a refused document"
        );
        assert!(!holds(&copy, &format!(",{}", person.phone.replacen("199", "19", 1))), "a refused phone");
        assert!(!holds(&copy, &format!("购房人{}", person.code)), "the name of {}", person.code);
    }
    assert!(!holds(&copy, &format!("\"{code}\"")), "a sign-in code");
}
