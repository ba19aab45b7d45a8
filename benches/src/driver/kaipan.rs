//! Kaipan as it is measured: the release binary on a data folder that its own command line prepared, sessions and
//! thresholds of a rehearsal (`docs/protocol.md`), durable commits on.
//!
//! Preparing takes seconds, so it is done once for each [`Size`]; every run gets a copy of the folder, with all units
//! free and everybody signed in.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::figures::Figures;
use super::home::{Home, PASSWORD};
use super::process::{Process, beside, free_address, on_cores};
use super::sheets;
use crate::clock::{now_ns, wait_for, wall_ms};
use crate::failure::{Failure, Outcome, While};
use crate::http::{Client, Reply};
use crate::load::Place;

const READY_WITHIN: Duration = Duration::from_secs(60);
/// A board without a change for this long has no more to come: six ticks.
const QUIET_NS: u64 = 300_000_000;
const QUIET_WITHIN: Duration = Duration::from_secs(30);
/// Sessions that one call makes.
const SESSIONS_A_CALL: u32 = 10_000;
/// Units that a rehearsal's copying is through with in a second, on SQLite and on Postgres.
const COPIED_A_SECOND: (u32, u32) = (20_000, 5_000);

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

/// A home that is never served, only copied.
pub struct Template {
    pub size: Size,
    home: Home,
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
    home: Home,
    /// From the start of the process until it said that it was ready.
    pub ready_ms: f64,
}

impl Template {
    /// Prepares it, which needs a server for the sessions; `cores` are those of the server's half.
    pub fn prepare(home: &Home, size: Size, cores: &[usize]) -> Outcome<Self> {
        let source = home.draft()?;
        let file = home.file("units.csv");
        fs::write(&file, sheets::price_list(size.units)).during("writing the price list")?;
        home.import("price-list", &file, &source)?;
        let server = Kaipan::serve(home, cores, Freed::Kept, &[])?;
        let mut desk = server.desk()?;
        // Copying takes its time, and a start that has passed by then is refused.
        let (on_sqlite, on_postgres) = COPIED_A_SECOND;
        let copied = if home.database_url.is_some() { on_postgres } else { on_sqlite };
        let start_in_s = 1 + size.units / copied;
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
        let sessions = home.file("sessions");
        fs::write(&sessions, tokens).during("writing the sessions")?;
        let server = Kaipan { opening: opening.clone(), sessions: sessions.clone(), ..server };
        server.is_live()?;
        server.process.stop()?;
        Ok(Self { size, home: home.clone(), opening, sessions })
    }

    /// The opening and its sessions, with the address of nobody.
    pub fn place(&self) -> Place {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let (opening, sessions) = (self.opening.clone(), self.sessions.clone());
        Place { addresses: vec![address], opening, sessions, first: 0 }
    }

    /// A server on a copy of this folder, on these cores.
    pub fn serve(&self, folder: &Path, cores: &[usize], freed: Freed) -> Outcome<Kaipan> {
        self.serve_on(&Home::sqlite(folder), cores, freed, &[])
    }

    /// The same on a home whose database, if it is not in the folder, is a copy already.
    pub fn serve_on(&self, home: &Home, cores: &[usize], freed: Freed, flags: &[String]) -> Outcome<Kaipan> {
        let folder = &home.folder;
        if folder.exists() {
            fs::remove_dir_all(folder).during("removing the last run's folder")?;
        }
        let copied = Command::new("cp").arg("-r").arg(&self.home.folder).arg(folder).status();
        if !copied.during("copying a folder")?.success() {
            return Err(Failure::new("the prepared folder could not be copied"));
        }
        let server = Kaipan::serve(home, cores, freed, flags)?;
        let server = Kaipan { opening: self.opening.clone(), sessions: self.sessions.clone(), ..server };
        server.is_live()?;
        Ok(server)
    }
}

impl Kaipan {
    /// Starts it with these flags beyond the usual ones, and waits until it says that it is ready.
    pub fn serve(home: &Home, cores: &[usize], freed: Freed, flags: &[String]) -> Outcome<Self> {
        let (buyers, staff) = (free_address()?, free_address()?);
        let mut command = home.on(on_cores(cores, &beside("kaipan")?));
        command.args(["serve", "--lifeline", "--crowd"]).args(flags);
        if freed == Freed::GivenBack {
            command.env("MIMALLOC_PURGE_DELAY", "0");
        }
        command.args(["--buyers-listen", &buyers.to_string(), "--staff-listen", &staff.to_string()]);
        let began_ns = now_ns();
        let process = Process::start(command, &home.file("serve.log"), false)?;
        let mut server = Self {
            process,
            buyers,
            staff,
            opening: String::new(),
            sessions: home.file("sessions"),
            home: home.clone(),
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
        Place { addresses: vec![*buyers], opening: opening.clone(), sessions: sessions.clone(), first: 0 }
    }

    /// What `/metrics` says now.
    pub fn figures(&self) -> Outcome<Figures> {
        let reply = Client::connect(self.staff)?.get("/metrics")?;
        Figures::of(&String::from_utf8_lossy(&reply.body))
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

    /// The board as the database has it.
    pub fn board_of_database(&self, units: usize) -> Outcome<String> {
        self.home.board(&self.opening, units)
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
