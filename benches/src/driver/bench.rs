//! What every row is measured with: cores, folders, how often and how long, and the prepared openings.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tempfile::TempDir;

use super::Options;
use super::fleet::Fleet;
use super::home::Home;
use super::kaipan::{Freed, Kaipan, Size, Template};
use super::machine::Cores;
use super::peers::{self, Peer};
use crate::failure::{Outcome, While};
use crate::load::Place;

pub struct Bench {
    pub cores: Cores,
    pub full: bool,
    pub runs: usize,
    /// Where raw output is kept.
    pub out: PathBuf,
    /// Gone when the driver ends.
    work: TempDir,
    templates: Vec<Rc<Template>>,
}

/// Who is measured.
pub enum Subject {
    Kaipan(Kaipan),
    Peer(Peer),
}

impl Subject {
    pub fn process_id(&self) -> u32 {
        match self {
            Self::Kaipan(kaipan) => kaipan.process_id(),
            Self::Peer(peer) => peer.process_id(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Kaipan,
    Axum,
    Evalsha,
    Update,
    Reference,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kaipan => "Kaipan",
            Self::Axum => "bare axum",
            Self::Evalsha => "EVALSHA service",
            Self::Update => "UPDATE service",
            Self::Reference => "reference",
        }
    }
}

impl Bench {
    pub fn new(options: &Options, cores: Cores) -> Outcome<Self> {
        let Options { full, runs, out, .. } = options;
        fs::create_dir_all(out).during("making the folder for raw output")?;
        let work =
            tempfile::Builder::new().prefix("kaipan-bench-").tempdir().during("a folder to work in")?;
        let runs = runs.unwrap_or(if *full { 5 } else { 3 });
        Ok(Self { cores, full: *full, runs, out: out.clone(), work, templates: Vec::new() })
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// Full or short form.
    pub fn of<T>(&self, full: T, short: T) -> T {
        if self.full { full } else { short }
    }

    /// An opening of this size, prepared once.
    pub fn template(&mut self, size: Size) -> Outcome<Rc<Template>> {
        if let Some(found) = self.templates.iter().find(|template| template.size == size) {
            return Ok(Rc::clone(found));
        }
        let folder = self.folder(&format!("template-{}-{}", size.units, size.buyers));
        let template = Rc::new(Template::prepare(&Home::sqlite(&folder), size, &self.cores.server)?);
        self.templates.push(Rc::clone(&template));
        Ok(template)
    }

    /// The headers of Kaipan's answers, in a file for the baselines.
    pub fn headers(&mut self, size: Size) -> Outcome<PathBuf> {
        let file = self.folder("headers.json");
        if !file.exists() {
            let kaipan =
                self.template(size)?.serve(&self.folder("kaipan"), &self.cores.server, Freed::Kept)?;
            peers::write_headers(&file, &kaipan.sample(0)?.headers)?;
            kaipan.stop()?;
        }
        Ok(file)
    }

    /// Starts one of them on `cores`, with all units free; and where buyers find it.
    pub fn start(&mut self, kind: Kind, size: Size, cores: &[usize]) -> Outcome<(Subject, Place)> {
        let template = self.template(size)?;
        let work = self.work.path().to_owned();
        let nowhere = template.place();
        let peer = match kind {
            Kind::Kaipan => {
                let kaipan = template.serve(&self.folder("kaipan"), cores, Freed::Kept)?;
                let place = kaipan.place();
                return Ok((Subject::Kaipan(kaipan), place));
            }
            Kind::Axum => peers::axum(&work, cores, &self.headers(size)?)?,
            Kind::Evalsha => peers::evalsha(&work, cores, &self.headers(size)?)?,
            Kind::Update => peers::update(&work, cores, &self.headers(size)?, size.units)?,
            Kind::Reference => peers::reference(&work, cores, size.units)?,
        };
        let place = peer.place(&nowhere);
        Ok((Subject::Peer(peer), place))
    }

    /// The single server, SQLite in its folder, on the server's cores.
    pub fn single(&mut self, size: Size) -> Outcome<Kaipan> {
        let folder = self.folder("kaipan");
        self.template(size)?.serve(&folder, &self.cores.server, Freed::Kept)
    }

    /// Kaipan on the server's cores, to be weighed.
    pub fn start_to_weigh(&mut self, size: Size) -> Outcome<(Kaipan, Place)> {
        let folder = self.folder("kaipan");
        let kaipan = self.template(size)?.serve(&folder, &self.cores.server, Freed::GivenBack)?;
        let place = kaipan.place();
        Ok((kaipan, place))
    }

    /// The load on its half of the cores.
    pub fn fleet(&self) -> Outcome<Fleet> {
        self.fleet_on(&self.cores.load)
    }

    pub fn fleet_on(&self, cores: &[usize]) -> Outcome<Fleet> {
        Fleet::start(cores, self.work.path())
    }

    /// Keeps a file beside the raw output.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Outcome<PathBuf> {
        let file = self.out.join(name);
        fs::write(&file, bytes).during("keeping a file")?;
        Ok(file)
    }

    pub fn work(&self) -> &Path {
        self.work.path()
    }
}
