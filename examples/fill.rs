//! Fills a new data folder with an opening of 10,000 homes, 100,000 registrations and 1,000,000 journal entries, to
//! measure a start on it:
//!
//!     cargo run --release --example fill -- DATA_FOLDER KEYRING_FILE [UNITS REGISTRATIONS JOURNAL]
//!
//! `KAIPAN_DATABASE_URL` fills that (empty) Postgres instead. Prints the opening's id.

use kaipan::app::fill::{Size, fill};
use kaipan::config::Data;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(dir), Some(keyring)) = (words.next(), words.next()) else {
        return Err("name a data folder and a keyring file".into());
    };
    let numbers = words.map(|word| word.parse()).collect::<Result<Vec<u32>, _>>()?;
    let size = match numbers.as_slice() {
        [] => Size { units: 10_000, registrations: 100_000, journal: 1_000_000 },
        [units, registrations, journal] => {
            Size { units: *units, registrations: *registrations, journal: *journal }
        }
        _ => return Err("give all three numbers, or none".into()),
    };
    let database_url = std::env::var("KAIPAN_DATABASE_URL").ok();
    let data = Data { dir: dir.into(), database_url, keyring: Some(keyring.into()), backup: None };
    println!("{}", fill(&data, size).await?);
    Ok(())
}
