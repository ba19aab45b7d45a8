//! Kaipan as it is measured: the release binary on a data folder that its own command line prepared, sessions and
//! thresholds of a rehearsal (`docs/protocol.md`), durable commits on.
//!
//! Preparing takes seconds, so it is done once for each [`Size`]; every run gets a copy of the folder, with all units
//! free and everybody signed in.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::process::{Process, beside, free_address, on_cores};
use super::sheets;
use crate::clock::{now_ns, wait_for, wall_ms};
use crate::failure::{Failure, Outcome, While};
use crate::http::{Client, Reply};
use crate::load::Place;

const PASSWORD: &str = "correct-horse-battery-staple";
/// What is repeated of a failed command's words.
const WORDS_MAX: usize = 400;
const READY_WITHIN: Duration = Duration::from_secs(60);
/// A board without a change for this long has no more to come: six ticks.
const QUIET_NS: u64 = 300_000_000;
const QUIET_WITHIN: Duration = Duration::from_secs(30);
/// Sessions that one call makes.
const SESSIONS_A_CALL: u32 = 10_000;
/// Homes that one simulated buyer may take, so that the same buyers can win again in the next run.
const QUOTA: u32 = 1_000;

/// What an opening must have for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub units: u32,
    pub buyers: u32,
}

/// What the server's allocator does with freed memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freed {
    /// As shipped: kept for a while, for whoever needs some next.
    Kept,
    /// Given back at once, so that what is resident is what is in use. For rows that weigh.
    GivenBack,
}

/// A folder that is never served, only copied.
pub struct Template {
    pub size: Size,
    folder: PathBuf,
    opening: String,
    sessions: PathBuf,
}

/// A running server.
pub struct Kaipan {
    process: Process,
    pub buyers: SocketAddr,
    pub staff: SocketAddr,
    pub opening: String,
    sessions: PathBuf,
    folder: PathBuf,
    /// From the start of the process until it said that it was ready.
    pub ready_ms: f64,
}

fn path_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}

/// The binary on one folder, with nothing of the machine's own configuration.
fn on_folder(mut command: Command, folder: &Path) -> Command {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("KAIPAN_DATA_DIR", path_of(folder, "data"))
        .env("KAIPAN_KEYRING", path_of(folder, "keys.json"))
        .env("KAIPAN_LOG", "warn")
        .env("NO_COLOR", "1");
    command
}

/// Runs one command of the command line to its end; what it printed.
pub fn run(folder: &Path, arguments: &[&str], input: &str) -> Outcome<String> {
    use std::io::Write;
    let doing = format!("kaipan {}", arguments.iter().take(2).copied().collect::<Vec<_>>().join(" "));
    let mut command = on_folder(Command::new(beside("kaipan")?), folder);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().during(&doing)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that reads nothing may have closed its end already.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().during(&doing)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    // An import tells on standard output what it did not take.
    let said = [&output.stderr[..], &output.stdout[..]].concat();
    let said: String = String::from_utf8_lossy(&said).trim().chars().take(WORDS_MAX).collect();
    Err(Failure(format!("{doing}: {said}")))
}

/// An empty draft, made by the command line alone; its id.
pub fn draft(folder: &Path) -> Outcome<String> {
    fs::create_dir_all(folder).during("making a folder")?;
    let add = ["staff", "add", "admin", "--role", "admin", "--password-stdin"];
    run(folder, &add, PASSWORD)?;
    run(folder, &["project", "add", "Bench"], "")?;
    let quota = format!("home={QUOTA}");
    let window = ["--start", "2099-01-01T10:00:00+08:00", "--end", "2099-01-01T18:00:00+08:00"];
    let mut create = vec!["opening", "create", "--project", "Bench", "--name", "Bench", "--json"];
    create.extend(window);
    create.extend(["--quota", &quota]);
    let created: Value = serde_json::from_str(&run(folder, &create, "")?).during("reading the opening")?;
    Ok(created["id"].as_str().during("the opening's id")?.to_owned())
}

/// Imports a `price-list` or a `roster` whole.
pub fn import(folder: &Path, which: &str, file: &Path, opening: &str) -> Outcome<()> {
    let file = file.to_string_lossy().into_owned();
    run(folder, &["import", which, &file, "--opening", opening, "--all-or-nothing"], "").map(drop)
}

impl Template {
    /// Prepares it, which needs a server for the sessions; `cores` are those of the server's half.
    pub fn prepare(folder: &Path, size: Size, cores: &[usize]) -> Outcome<Self> {
        let source = draft(folder)?;
        let file = path_of(folder, "units.csv");
        fs::write(&file, sheets::price_list(size.units)).during("writing the price list")?;
        import(folder, "price-list", &file, &source)?;
        let server = Kaipan::serve(folder, cores, Freed::Kept)?;
        let mut desk = server.desk()?;
        // Copying takes its time, and a start that has passed by then is refused.
        let start_in_s = 1 + size.units / 20_000;
        let wanted = json!({ "buyers": size.buyers, "start_in_s": start_in_s, "open_for_s": 20 * 86_400 });
        let path = format!("/api/v1/openings/{source}/rehearsals");
        let copy = desk.post(&path, &wanted)?.json("making a rehearsal")?;
        let opening = copy["id"].as_str().during("the rehearsal's id")?.to_owned();
        let mut tokens = String::new();
        for first in (0..size.buyers).step_by(SESSIONS_A_CALL as usize) {
            let count = SESSIONS_A_CALL.min(size.buyers - first);
            let path = format!("/api/v1/openings/{opening}/sessions");
            let made =
                desk.post(&path, &json!({ "first": first, "count": count }))?.json("making sessions")?;
            for session in made["sessions"].as_array().into_iter().flatten() {
                tokens += session["token"].as_str().during("a session's token")?;
                tokens.push('\n');
            }
        }
        let sessions = path_of(folder, "sessions");
        fs::write(&sessions, tokens).during("writing the sessions")?;
        let server = Kaipan { opening: opening.clone(), sessions: sessions.clone(), ..server };
        server.is_live()?;
        server.process.stop()?;
        Ok(Self { size, folder: folder.to_owned(), opening, sessions })
    }

    /// The opening and its sessions, with the address of nobody.
    pub fn place(&self) -> Place {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Place { address, opening: self.opening.clone(), sessions: self.sessions.clone(), first: 0 }
    }

    /// A server on a copy of this folder, on these cores.
    pub fn serve(&self, folder: &Path, cores: &[usize], freed: Freed) -> Outcome<Kaipan> {
        if folder.exists() {
            fs::remove_dir_all(folder).during("removing the last run's folder")?;
        }
        let copied = Command::new("cp").arg("-r").arg(&self.folder).arg(folder).status();
        if !copied.during("copying a folder")?.success() {
            return Err(Failure::new("the prepared folder could not be copied"));
        }
        let server = Kaipan::serve(folder, cores, freed)?;
        let server = Kaipan { opening: self.opening.clone(), sessions: self.sessions.clone(), ..server };
        server.is_live()?;
        Ok(server)
    }
}

impl Kaipan {
    /// Starts it and waits until it says that it is ready.
    pub fn serve(folder: &Path, cores: &[usize], freed: Freed) -> Outcome<Self> {
        let (buyers, staff) = (free_address()?, free_address()?);
        let mut command = on_folder(on_cores(cores, &beside("kaipan")?), folder);
        command.args(["serve", "--lifeline", "--crowd"]);
        if freed == Freed::GivenBack {
            command.env("MIMALLOC_PURGE_DELAY", "0");
        }
        command.args(["--buyers-listen", &buyers.to_string(), "--staff-listen", &staff.to_string()]);
        let began_ns = now_ns();
        let process = Process::start(command, &path_of(folder, "serve.log"), false)?;
        let mut server = Self {
            process,
            buyers,
            staff,
            opening: String::new(),
            sessions: path_of(folder, "sessions"),
            folder: folder.to_owned(),
            ready_ms: 0.0,
        };
        server.process.listens(buyers)?;
        let ready = wait_for(READY_WITHIN, || {
            let reply = Client::connect(buyers).and_then(|mut client| client.get("/readyz"));
            reply.ok().filter(|reply| reply.status == 200)
        });
        ready.ok_or_else(|| Failure::new("kaipan does not get ready"))?;
        server.ready_ms = (now_ns() - began_ns) as f64 / 1e6;
        Ok(server)
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    pub fn place(&self) -> Place {
        let Self { buyers, opening, sessions, .. } = self;
        Place { address: *buyers, opening: opening.clone(), sessions: sessions.clone(), first: 0 }
    }

    /// The console of the admin.
    pub fn desk(&self) -> Outcome<Client> {
        let mut client = Client::connect(self.staff)?;
        let login = json!({ "login": "admin", "password": PASSWORD });
        let session = client.post("/api/v1/session", &login)?.json("signing in as staff")?;
        Ok(client.with_token(session["token"].as_str().during("the staff's token")?))
    }

    fn is_live(&self) -> Outcome<()> {
        let path = format!("/api/v1/openings/{}", self.opening);
        let live = wait_for(READY_WITHIN, || {
            let opening =
                Client::connect(self.buyers).and_then(|mut client| client.get(&path)?.json("opening"));
            opening.ok().filter(|opening| opening["phase"] == "live")
        });
        live.map(drop).ok_or_else(|| Failure::new("the rehearsal does not open"))
    }

    /// The board as the server's memory has it: its sequence and one digit a unit.
    pub fn board(&self) -> Outcome<(i64, String)> {
        let path = format!("/api/v1/openings/{}/board", self.opening);
        let board = Client::connect(self.buyers)?.get(&path)?.json("reading the board")?;
        let seq = board["seq"].as_i64().during("the board's sequence")?;
        Ok((seq, board["status"].as_str().during("the board's status")?.to_owned()))
    }

    /// The board's sequence once it stands still: nothing waits for a tick any more.
    pub fn quiet_seq(&self) -> Outcome<i64> {
        let mut seen = (i64::MIN, now_ns());
        let quiet = wait_for(QUIET_WITHIN, || {
            let seq = self.board().ok()?.0;
            if seq != seen.0 {
                seen = (seq, now_ns());
            }
            (now_ns() - seen.1 >= QUIET_NS).then_some(seq)
        });
        quiet.ok_or_else(|| Failure::new("the board does not come to rest"))
    }

    /// The board as the database has it: every live claim of the dump. Read beside the running server.
    pub fn board_of_database(&self, units: usize) -> Outcome<String> {
        let dump = run(&self.folder, &["opening", "dump", "--opening", &self.opening, "--json"], "")?;
        let dump: Value = serde_json::from_str(&dump).during("reading the dump")?;
        let mut status = vec![b'0'; units];
        for claim in dump["claims"].as_array().into_iter().flatten() {
            let digit = match claim["state"].as_str() {
                Some("held" | "lapsing" | "offered") => b'1',
                Some("sold") => b'2',
                Some("withheld") => b'3',
                _ => continue,
            };
            let unit = claim["unit"].as_u64().and_then(|unit| usize::try_from(unit).ok());
            if let Some(slot) = unit.and_then(|unit| status.get_mut(unit)) {
                *slot = digit;
            }
        }
        String::from_utf8(status).during("the board of the database")
    }

    /// One tap over HTTP, to see what an answer looks like on the wire.
    pub fn sample(&self, unit: u32) -> Outcome<Reply> {
        let sessions = fs::read_to_string(&self.sessions).during("reading the sessions")?;
        let token = sessions.lines().next_back().during("a session")?;
        let mut client = Client::connect(self.buyers)?.with_token(token);
        let key = format!("sample-{:x}", wall_ms());
        client.post(&format!("/api/v1/openings/{}/picks", self.opening), &json!({ "key": key, "unit": unit }))
    }

    pub fn stop(self) -> Outcome<()> {
        self.process.stop()
    }
}
