//! Where one folder lies as to another, for those that must lie apart.

use std::path::{Path, PathBuf};

/// Follows links as far as the paths exist: a folder reached through a link is still the data folder.
pub fn lies_within(path: &Path, folder: &Path) -> bool {
    resolved(path).starts_with(resolved(folder))
}

fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for known in absolute.ancestors() {
        if let (Ok(real), Ok(rest)) = (known.canonicalize(), absolute.strip_prefix(known)) {
            return real.join(rest);
        }
    }
    absolute
}
