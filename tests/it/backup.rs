//! OP-86: continuous backup, and a second machine that goes on from it.

mod postgres;
mod sqlite;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;

use crate::harness::{Home, said, told};

/// An installation that is backed up into the returned folder, which lies outside its own.
async fn backed_up(home: &mut Home, settings: &[(&'static str, &'static str)]) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("kaipan-it-backup-").tempdir().unwrap();
    let path = String::leak(folder.path().to_str().unwrap().to_owned());
    home.settings.push(("KAIPAN_BACKUP_DIR", path));
    home.settings.extend(settings);
    folder
}

/// `kaipan restore` as on a machine that has nothing but the program.
async fn restore(home: &Home, from: &Path, into: &Path, more: &[&str]) -> Output {
    let (from, into) = (from.to_str().unwrap(), into.to_str().unwrap());
    home.run(&[&["restore", "--from", from, "--data-dir", into], more].concat()).await
}

/// The machine is gone: its data folder is deleted, and another one is made of the backup. What the command said.
async fn move_to_second_machine(home: &mut Home, from: &Path, name: &str) -> String {
    std::fs::remove_dir_all(home.data_dir()).unwrap();
    let into: PathBuf = home.file(name);
    let begun = Instant::now();
    let output = restore(home, from, &into, &[]).await;
    println!("── restored in {:?}\n{}", begun.elapsed(), said(&output));
    let told = told(&output);
    println!("{told}");
    home.move_data(into);
    told
}
