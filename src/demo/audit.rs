//! The last line: the server's truth is dumped by one program, compared with the crowd's record by another, and this
//! one only carries it to the page.

use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;

use super::{DemoError, crowd};
use crate::child::{Program, last_lines};

/// `{"clean","line_zh","line_en",…}` as the audit prints it.
pub(super) async fn verdict(data_dir: &Path, opening: &str, record: &Path) -> Result<Value, DemoError> {
    let because = |what: &'static str| move |error: std::io::Error| DemoError(format!("{what}: {error}"));
    let log = data_dir.join("logs").join("audit.log");
    let truth = data_dir.join("truth.json");
    let dump = Program {
        program: Program::beside("kaipan").map_err(because("the dump"))?,
        args: arguments(&["opening", "dump", "--json", "--opening", opening, "--data-dir"], &[data_dir]),
        log: log.clone(),
        env: None,
    };
    let (status, printed) = dump.output().await.map_err(because("the dump"))?;
    if !status.success() {
        return Err(DemoError(format!("the server's truth could not be read: {}", last_lines(&log, 2))));
    }
    std::fs::write(&truth, printed).map_err(because("the server's truth could not be kept"))?;
    let audit = Program {
        program: crowd::binary()?,
        args: arguments(&["audit", "--json", "--record"], &[record, Path::new("--truth"), &truth]),
        log: log.clone(),
        env: None,
    };
    let (_, printed) = audit.output().await.map_err(because("the audit"))?;
    // A verdict with findings ends with a status of its own; only without a verdict something is wrong here.
    serde_json::from_slice(&printed)
        .map_err(|_| DemoError(format!("the audit gave no verdict: {}", last_lines(&log, 2))))
}

fn arguments(words: &[&str], paths: &[&Path]) -> Vec<OsString> {
    words.iter().map(OsString::from).chain(paths.iter().map(|path| path.as_os_str().to_owned())).collect()
}
