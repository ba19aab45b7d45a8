//! What a command said, by how it ended.

use std::process::Output;

/// What a command that succeeded printed.
pub fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Why a command refused, in one line.
pub fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let said = said(output);
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    said
}

/// What it wrote to standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
