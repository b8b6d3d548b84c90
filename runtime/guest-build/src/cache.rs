//! Keeps made toolchains outside the checkout.
//!
//! A toolchain is made in a folder beside its place and renamed into it when it is whole, under a lock that any number of builds may wait
//! for. What a killed run left is never taken and is cleared by the next one that makes. The warm path reads one folder and a marker.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Error;
use crate::error::IoContext as _;
use crate::run::say;

/// The file that a whole toolchain holds; written last.
const MARKER: &str = "complete";
/// What the names of folders begin with that are not whole.
const MAKING: &str = ".making-";

/// How a toolchain is made; the Debian one, or a test's.
pub(crate) trait Recipe {
    /// Returns what names the result: the package version and the recipe's own.
    fn key(&mut self, scratch: &Path, progress: &mut dyn Write) -> Result<String, Error>;
    /// Makes the toolchain in `root`. `scratch` is cleared afterwards.
    fn make(&mut self, root: &Path, scratch: &Path, progress: &mut dyn Write) -> Result<(), Error>;
}

/// The folder of made toolchains.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Returns the cache in `folder`, which need not exist.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Returns the newest whole toolchain that a recipe with this `suffix` made.
    pub(crate) fn newest(&self, suffix: &str) -> Option<PathBuf> {
        let entries = fs::read_dir(&self.folder).ok()?;
        entries.flatten().filter_map(|entry| whole(&entry.path(), suffix)).max().map(|(_, path)| path)
    }

    /// Returns the newest whole toolchain, made by `recipe` if there is none. Of several builds that ask at once, one makes it.
    pub(crate) fn ensure(&self, suffix: &str, recipe: &mut dyn Recipe, progress: &mut dyn Write) -> Result<PathBuf, Error> {
        fs::create_dir_all(&self.folder).doing(|| format!("make the cache folder {}", self.folder.display()))?;
        let _lock = self.lock(progress)?;
        if let Some(made) = self.newest(suffix) {
            return Ok(made);
        }
        self.clear_unfinished()?;
        let making = self.folder.join(format!("{MAKING}{}", std::process::id()));
        let result = self.make(&making, suffix, recipe, progress);
        // Also on success: the scratch folder lies in it. What cannot be removed now is cleared by the next run that makes.
        let _ = fs::remove_dir_all(&making);
        result
    }

    fn make(&self, making: &Path, suffix: &str, recipe: &mut dyn Recipe, progress: &mut dyn Write) -> Result<PathBuf, Error> {
        let (root, scratch) = (making.join("root"), making.join("scratch"));
        for folder in [&root, &scratch] {
            fs::create_dir_all(folder).doing(|| format!("make {}", folder.display()))?;
        }
        let place = self.folder.join(format!("{}{suffix}", recipe.key(&scratch, progress)?));
        recipe.make(&root, &scratch, progress)?;
        let marker = root.join(MARKER);
        File::create(&marker).and_then(|file| file.sync_all()).doing(|| format!("write {}", marker.display()))?;
        if place.exists() {
            fs::remove_dir_all(&place).doing(|| format!("remove the unfinished {}", place.display()))?;
        }
        fs::rename(&root, &place).doing(|| format!("move the toolchain to {}", place.display()))?;
        Ok(place)
    }

    fn lock(&self, progress: &mut dyn Write) -> Result<File, Error> {
        let path = self.folder.join("lock");
        let doing = || format!("lock {}", path.display());
        let file = File::options().create(true).truncate(false).write(true).open(&path).doing(doing)?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => say(progress, "waiting for another build that is making the toolchain"),
            Err(TryLockError::Error(source)) => return Err(Error::Io { doing: doing(), source }),
        }
        file.lock().doing(doing)?;
        Ok(file)
    }

    /// Removes what killed runs left. Only under the lock: nobody else is making then.
    fn clear_unfinished(&self) -> Result<(), Error> {
        let entries = fs::read_dir(&self.folder).doing(|| format!("read {}", self.folder.display()))?;
        for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(MAKING)) {
            let path = entry.path();
            fs::remove_dir_all(&path).doing(|| format!("clear the unfinished {}", path.display()))?;
        }
        Ok(())
    }
}

fn whole(path: &Path, suffix: &str) -> Option<(SystemTime, PathBuf)> {
    let name = path.file_name()?.to_str()?;
    if name.starts_with(MAKING) || !name.ends_with(suffix) {
        return None;
    }
    let made = fs::metadata(path.join(MARKER)).and_then(|marker| marker.modified()).ok()?;
    Some((made, path.to_owned()))
}

#[cfg(test)]
mod tests;
