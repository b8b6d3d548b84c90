//! Takes machine code away that nobody will use again: of another wasmtime or of other settings, or not used for long.
//!
//! It only ever removes files that the cache makes, by their names, and follows no link. Whatever is gone is compiled again.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// One file of the compile cache that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweptCode {
    /// Its name in the folder.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Why it goes, in a few words.
    pub why: &'static str,
}

/// Removes, or where `remove` is not set only lists, what does not begin with `current` or was not used for so long.
pub(crate) fn sweep(dir: &Path, current: &str, keep_for: Duration, remove: bool) -> std::io::Result<Vec<SweptCode>> {
    let now = SystemTime::now();
    let mut swept = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let found = entry.metadata()?;
        let unused = found.modified().ok().and_then(|used| now.duration_since(used).ok()).unwrap_or_default();
        let Some(why) = reason(&name, current, unused, keep_for).filter(|_| found.is_file()) else { continue };
        if remove {
            fs::remove_file(entry.path())?;
        }
        swept.push(SweptCode { name, size: found.len(), why });
    }
    swept.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(swept)
}

/// A draft that is so old was left by a process that died.
const OLD_DRAFT: Duration = Duration::from_hours(24);

fn reason(name: &str, current: &str, unused: Duration, keep_for: Duration) -> Option<&'static str> {
    if name.starts_with(".new-") || name.starts_with(".key-") {
        return (unused > OLD_DRAFT).then_some("left by a process that died");
    }
    let name = name.strip_suffix(".cwasm")?;
    if !name.starts_with(current) {
        return Some("of another version");
    }
    (unused > keep_for).then_some("not used for long")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_another_version_or_old_goes_and_nothing_else() {
        let dir = tempfile::tempdir().expect("there is room");
        let day = Duration::from_hours(24);
        let files = [("key", 9), ("a-1.cwasm", 0), ("a-2.cwasm", 9), ("b-1.cwasm", 0), (".new-x", 0), (".new-y", 2), ("notes", 9)];
        for (name, days) in files {
            let file = fs::File::create(dir.path().join(name)).expect("it can be made");
            file.set_modified(SystemTime::now() - day * days).expect("its time can be set");
        }
        fs::create_dir(dir.path().join("b-2.cwasm")).expect("it can be made");
        let names = |remove| {
            let swept = sweep(dir.path(), "a-", day * 7, remove).expect("it can be read");
            swept.into_iter().map(|one| (one.name, one.why)).collect::<Vec<_>>()
        };
        let expected = [(".new-y", "left by a process that died"), ("a-2.cwasm", "not used for long"), ("b-1.cwasm", "of another version")];
        let expected = expected.map(|(name, why)| (name.to_owned(), why));
        assert_eq!(names(false), expected);
        assert_eq!(names(true), expected, "a list removes nothing");
        assert!(names(true).is_empty());
        assert_eq!(fs::read_dir(dir.path()).expect("it can be read").count(), 5);
    }
}
