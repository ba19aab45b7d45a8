//! Processes that must not outlive this one, however it ends.
//!
//! Nothing runs at the end of a test process that one could rely on: `main` of libtest exits without dropping statics,
//! and a time limit kills. So a shell stands guard: it starts what it is told on its standard input, waits for the end
//! of that, which comes whichever way this process dies, then kills what it started and removes the folder.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// `$0` says what the folder is for. Each line is a command whose words hold no spaces; its process's number is printed.
const SHELL: &str = r#"
trap '' TERM INT HUP
dir=$(mktemp -d "${TMPDIR:-/tmp}/kaipan-it-$0.XXXXXX") || exit 1
echo "$dir"
started=
while read -r line; do
  $line </dev/null >>"$dir/log" 2>&1 &
  started="$started $!"
  echo $!
done
[ -z "$started" ] || kill -9 $started 2>/dev/null
rm -rf "$dir"
"#;

pub struct Guard {
    _shell: Child,
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    folder: PathBuf,
}

/// A process under guard.
#[derive(Debug, Clone, Copy)]
pub struct Guarded(Pid);

impl Guard {
    pub fn post(what: &str) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SHELL, what])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let orders = shell.stdin.take().unwrap();
        let mut said = BufReader::new(shell.stdout.take().unwrap()).lines();
        let folder = said.next().expect("a folder").unwrap().into();
        Self { _shell: shell, orders, said, folder }
    }

    /// Of all that is started here, and of its log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn start(&mut self, words: &[&str]) -> Guarded {
        assert!(
            words.iter().all(|word| !word.is_empty() && !word.contains(char::is_whitespace)),
            "{words:?}"
        );
        writeln!(self.orders, "{}", words.join(" ")).unwrap();
        let id = self.said.next().expect("a process number").unwrap();
        Guarded(Pid::from_raw(id.parse().unwrap()).unwrap())
    }
}

impl Guarded {
    /// SIGKILL.
    pub fn kill(self) {
        kill_process(self.0, Signal::KILL).unwrap();
    }
}
