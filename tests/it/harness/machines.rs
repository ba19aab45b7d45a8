//! Two machines that one test may lose: a cluster of Postgres in a folder that the test knows, and room beside it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::ports::free_port;
use super::postgres::{binaries, shell};

/// Two machines for one test: a cluster of its own that can be lost, and an empty folder beside it. All of it belongs to
/// the user that Postgres runs as, and goes when the test does.
pub struct Machines {
    /// Where both are: `first` is the cluster's data folder.
    pub folder: PathBuf,
    /// Held for its standard input.
    _guard: Child,
}

/// As the guard of [`super::postgres`], with the folder told; whatever runs below it is stopped at the end.
const MACHINES: &str = r#"
trap '' TERM INT HUP
dir=$(mktemp -d "${TMPDIR:-/tmp}/kaipan-it-machines.XXXXXX") || exit 1
echo "$dir"
"$0/initdb" -D "$dir/first" -U kaipan -A trust -E UTF8 --locale=C --no-instructions >"$dir/log" 2>&1 &&
  echo ready || cat "$dir/log"
read -r _
kill -9 $(pgrep -f "bin/pg_receivewal .* -D $dir/") 2>/dev/null
for data in "$dir"/*/; do "$0/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1; done
rm -rf "$dir"
"#;

impl Machines {
    pub fn new() -> Self {
        let mut guard = shell()
            .args(["-c", MACHINES])
            .arg(binaries())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell for Postgres");
        let said = BufReader::new(guard.stdout.take().unwrap()).lines().map(Result::unwrap);
        let said: Vec<String> = said.take(2).collect();
        assert_eq!(said.get(1).map(String::as_str), Some("ready"), "{said:?}");
        Self { folder: said[0].clone().into(), _guard: guard }
    }

    /// Runs a script as the user that owns it all, with Postgres' programs on the PATH, and gives what it printed.
    pub fn run(&self, script: &str, settings: &[(&str, &str)]) -> String {
        let output = self.command(script, settings).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{script}: {err}{out}");
        out.into_owned()
    }

    /// The same for a script that goes on; the caller ends it.
    pub fn command(&self, script: &str, settings: &[(&str, &str)]) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = shell();
        command
            .args(["-c", &format!("cd {}; {script}", self.folder.display())])
            .env("PATH", format!("{}:{path}", binaries().display()))
            .envs(settings.iter().copied());
        command
    }

    /// Starts the cluster in this folder below ours, on a port of its own; gives the address of its first database.
    pub fn start(&self, name: &str) -> String {
        let port = free_port();
        let options = format!("-p {port} -k {} -c listen_addresses=127.0.0.1", self.folder.display());
        self.run(&format!("pg_ctl -D {name} -l {name}.log -w -t 60 -o '{options}' start >&2"), &[]);
        format!("postgres://kaipan@127.0.0.1:{port}/postgres")
    }
}
