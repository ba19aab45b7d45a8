//! The folder of load reports: `reports/RUN/` with `run.json` (what this server knows of it), `report.json` and
//! `report.html` (what the load tool wrote) and `run.log`. Bounded in number; the oldest goes first.
//!
//! Its functions wait for the disk: call them where waiting is allowed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::ids::RowId;
use crate::limits::{LOAD_REPORT_BYTES_MAX, LOAD_REPORTS_KEPT};

use super::run::{Run, State};

pub struct Reports {
    folder: PathBuf,
}

impl Reports {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub fn of(&self, run: &RowId) -> PathBuf {
        self.folder.join(run.as_str())
    }

    /// Makes the run's folder, and room for it.
    pub fn begin(&self, run: &RowId) -> io::Result<PathBuf> {
        let own = self.of(run);
        fs::create_dir_all(&own)?;
        let mut all = self.runs();
        all.sort();
        let surplus = all.len().saturating_sub(LOAD_REPORTS_KEPT);
        for old in all.into_iter().take(surplus) {
            fs::remove_dir_all(self.of(&old))?;
        }
        Ok(own)
    }

    /// Writes `run.json`, whole or not at all.
    pub fn keep(&self, run: &Run) -> io::Result<()> {
        let own = self.of(&run.run);
        let fresh = own.join("run.json.new");
        fs::write(&fresh, serde_json::to_vec(run)?)?;
        fs::rename(fresh, own.join("run.json"))
    }

    /// Runs that were under way when an earlier server ended, while none is under way in this one.
    pub fn broken_off(&self) -> Vec<Run> {
        let all = self.runs();
        all.iter().filter_map(|run| self.read(run)).filter(|run| run.state.is_under_way()).collect()
    }

    /// All runs, newest first. One that an earlier server left under way, and that could not be concluded since, is shown
    /// as failed: its child went with that server.
    pub fn list(&self, current: Option<&Run>) -> Vec<Run> {
        let mut all: Vec<Run> = self.runs().iter().filter_map(|run| self.read(run)).collect();
        all.retain(|run| current.is_none_or(|current| current.run != run.run));
        for run in &mut all {
            if run.state.is_under_way() {
                run.state = State::Failed;
            }
        }
        all.extend(current.cloned());
        all.sort_by(|a, b| b.run.cmp(&a.run));
        all
    }

    pub fn read(&self, run: &RowId) -> Option<Run> {
        serde_json::from_slice(&fs::read(self.of(run).join("run.json")).ok()?).ok()
    }

    /// A file that the load tool wrote, if it is there and of a possible size.
    pub fn file(&self, run: &RowId, name: &str) -> Option<Vec<u8>> {
        let path = self.of(run).join(name);
        let fits =
            fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= LOAD_REPORT_BYTES_MAX);
        if fits { fs::read(path).ok() } else { None }
    }

    fn runs(&self) -> Vec<RowId> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        entries.flatten().filter_map(|entry| name(&entry.path())).collect()
    }
}

/// Folders that are no run's are nobody's business here.
fn name(path: &Path) -> Option<RowId> {
    path.file_name()?.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutation caught: the newest removed instead of the oldest.
    #[test]
    fn the_oldest_report_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let reports = Reports::new(folder.path().join("reports"));
        assert!(reports.list(None).is_empty());
        fs::create_dir_all(folder.path().join("reports").join("not-a-run")).unwrap();
        let runs: Vec<RowId> = (0..LOAD_REPORTS_KEPT + 2)
            .map(|n| format!("01ARZ3NDEKTSV4RRFFQ69G5{n:03}").parse().unwrap())
            .collect();
        for run in &runs {
            reports.begin(run).unwrap();
            let mut kept = Run::example(run.clone());
            kept.state = State::Running;
            reports.keep(&kept).unwrap();
        }
        let listed = reports.list(None);
        assert_eq!(listed.len(), LOAD_REPORTS_KEPT);
        assert_eq!(listed.first().map(|run| &run.run), runs.last());
        assert_eq!(listed.last().map(|run| &run.run), runs.get(2));
        assert!(listed.iter().all(|run| run.state == State::Failed), "nothing runs here");
        assert!(folder.path().join("reports").join("not-a-run").is_dir());

        let newest = runs.last().unwrap();
        assert_eq!(reports.file(newest, "report.html"), None);
        fs::write(reports.of(newest).join("report.html"), "<p>").unwrap();
        assert_eq!(reports.file(newest, "report.html"), Some(b"<p>".to_vec()));
    }
}
