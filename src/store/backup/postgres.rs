//! Lays out a new Postgres cluster from what `deploy/backup/` received: a base of pg_basebackup and the log of
//! pg_receivewal. Postgres itself does the rest when it is started.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::restore::RestoreError;

/// The newest base's name. `cluster` is made; it belongs to whoever runs this, who must be the user that Postgres runs as.
pub fn lay_out_postgres(from: &Path, cluster: &Path) -> Result<String, RestoreError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| RestoreError::Io { path, error }
    };
    let from = fs::canonicalize(from).map_err(at(from))?;
    let bases = bases(&from).map_err(at(&from))?;
    let Some(base) = bases.last() else { return Err(RestoreError::NoPostgresBackup(from)) };
    let log = from.join("wal");
    let command = restore_command(&log).ok_or_else(|| RestoreError::OddPath(log.clone()))?;
    if cluster.exists() {
        return Err(RestoreError::ClusterExists(cluster.to_owned()));
    }
    copy_folder(&from.join(base), cluster).map_err(at(cluster))?;
    let settings = cluster.join("postgresql.auto.conf");
    let text = format!(
        "\n# Written by `kaipan restore`.\nrestore_command = '{command}'\nrecovery_target_timeline = 'latest'\n\
         # The receiver of the lost machine does not answer here: no commit would ever end.\n\
         synchronous_standby_names = ''\n"
    );
    let write = || -> io::Result<()> {
        OpenOptions::new().append(true).open(&settings)?.write_all(text.as_bytes())?;
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(cluster.join("recovery.signal"))?;
        // All of it at once: a cluster is a thousand small files.
        rustix::fs::syncfs(File::open(cluster)?)?;
        Ok(())
    };
    write().map_err(at(&settings))?;
    Ok(base.clone())
}

/// Finished bases by age; one that is under way ends in `.part`.
fn bases(from: &Path) -> io::Result<Vec<String>> {
    let mut bases = Vec::new();
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("base-") && !name.ends_with(".part") {
            bases.push(name);
        }
    }
    bases.sort();
    Ok(bases)
}

/// How Postgres fetches a segment of its log: the finished one, or the one that was being received when the machine was
/// lost. `None`: a path that a shell or Postgres would read as something else.
fn restore_command(log: &Path) -> Option<String> {
    let log = log.to_str()?;
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:,=~ ".contains(c);
    log.chars()
        .all(plain)
        .then(|| format!("cp \"{log}/%f\" \"%p\" 2>/dev/null || cp \"{log}/%f.partial\" \"%p\" 2>/dev/null"))
}

/// Plain files and folders; a cluster with tablespaces elsewhere has links, and those are refused.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    let mut left: Vec<(PathBuf, PathBuf)> = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = left.pop() {
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
            if kind.is_dir() {
                DirBuilder::new().mode(0o700).create(&target)?;
                left.push((entry.path(), target));
            } else if kind.is_file() {
                fs::copy(entry.path(), &target)?;
                fs::set_permissions(&target, fs::Permissions::from_mode(0o600))?;
            } else {
                let sentence =
                    format!("{} is a link: tablespaces are not restored here", entry.path().display());
                return Err(io::Error::new(io::ErrorKind::Unsupported, sentence));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_finished_base_is_laid_out_and_told_where_the_log_is() {
        let temp = tempfile::tempdir().unwrap();
        let from = temp.path().join("backup");
        for base in ["base-20261121T000000Z", "base-20261122T000000Z", "base-20261123T000000Z.part"] {
            fs::create_dir_all(from.join(base).join("global")).unwrap();
            fs::write(from.join(base).join("global/1"), base).unwrap();
            fs::write(from.join(base).join("postgresql.auto.conf"), "# first\n").unwrap();
        }
        let cluster = temp.path().join("new");
        assert_eq!(lay_out_postgres(&from, &cluster).unwrap(), "base-20261122T000000Z");
        assert_eq!(fs::read_to_string(cluster.join("global/1")).unwrap(), "base-20261122T000000Z");
        let settings = fs::read_to_string(cluster.join("postgresql.auto.conf")).unwrap();
        let log = fs::canonicalize(&from).unwrap().join("wal");
        for line in [
            "# first\n",
            &format!(
                "restore_command = 'cp \"{0}/%f\" \"%p\" 2>/dev/null || cp \"{0}/%f.partial\"",
                log.display()
            ),
            "synchronous_standby_names = ''\n",
        ] {
            assert!(settings.contains(line), "no {line} in {settings}");
        }
        assert!(cluster.join("recovery.signal").exists());
        assert_eq!(fs::metadata(&cluster).unwrap().permissions().mode() & 0o777, 0o700);
        let again = lay_out_postgres(&from, &cluster).unwrap_err().to_string();
        assert!(again.contains("is there already"), "{again}");
    }

    #[test]
    fn a_path_that_a_shell_would_read_is_refused() {
        for path in ["/mnt/$(id)/wal", "/mnt/a'b/wal", "/mnt/a\"b/wal", "/mnt/100%/wal", "/mnt/a`b/wal"] {
            assert_eq!(restore_command(Path::new(path)), None, "{path}");
        }
        assert!(restore_command(Path::new("/mnt/备份 2/wal")).is_some());
    }
}
