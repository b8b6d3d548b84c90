//! Where artifacts are kept: a private folder, each file sealed with a key that lies beside it.
//!
//! Nothing here fails a step. What cannot be read, believed or written is compiled again, and a debug line says why.

use super::artifact::{Trusted, take_in};
use super::sweep::{SweptCode, sweep};
use relrun_ledger::Digest;
use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use wasmtime::Engine;
use wasmtime::component::Component;

/// A folder of artifacts.
pub(crate) struct Cache {
    dir: PathBuf,
    key: [u8; 32],
}

impl Cache {
    /// Opens the folder, and makes it and its key where they are not there; nothing where it is not private to this user.
    pub(crate) fn open(dir: &Path) -> Option<Self> {
        match prepare(dir).and_then(|()| key(dir)) {
            Ok(key) => Some(Self { dir: dir.to_owned(), key }),
            Err(error) => {
                tracing::debug!(dir = %dir.display(), %error, "the compile cache is not used");
                None
            }
        }
    }

    /// Returns the compiled component, where there is one that can be believed.
    pub(crate) fn load(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let name = name(engine, digest);
        let path = self.dir.join(&name);
        let sealed = match fs::read(&path) {
            Ok(sealed) => {
                mark_used(&path);
                sealed
            }
            Err(error) => {
                tracing::debug!(name, %error, "not in the compile cache");
                return None;
            }
        };
        let Some(artifact) = Trusted::unsealed(sealed, &self.key, &name) else {
            tracing::debug!(name, "not sealed with this user's key: compiled again");
            return None;
        };
        take_in(engine, &artifact).inspect_err(|error| tracing::debug!(name, %error, "not taken in: compiled again")).ok()
    }

    /// Removes, or only lists, what is of other versions or settings, and what was not used for so long.
    pub(crate) fn sweep(&self, engine: &Engine, keep_for: Duration, remove: bool) -> std::io::Result<Vec<SweptCode>> {
        sweep(&self.dir, &prefix(engine), keep_for, remove)
    }

    /// Keeps an artifact.
    pub(crate) fn keep(&self, engine: &Engine, digest: Digest, artifact: &Trusted) {
        let name = name(engine, digest);
        let (mac, bytes) = artifact.seal(&self.key, &name);
        if let Err(error) = write(&self.dir, &name, &[&mac, bytes]) {
            tracing::debug!(name, %error, "not kept in the compile cache");
        }
    }
}

/// Names an artifact: by the settings it is compiled with and wasmtime's exact version, which the compatibility hash holds, and the component.
fn name(engine: &Engine, digest: Digest) -> String {
    let mut settings = Settings(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut settings);
    let name = settings.0.update(&digest.0).finalize().to_hex();
    format!("{}{name}.cwasm", prefix(engine))
}

/// Begins the names of all that this wasmtime compiles with these settings.
fn prefix(engine: &Engine) -> String {
    let mut settings = Settings(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut settings);
    let name = settings.0.finalize().to_hex();
    format!("{}-", &name[..16])
}

/// What was used this long ago is marked as used again. Not each time: a look-up should not write.
const STALE: Duration = Duration::from_hours(24);

fn mark_used(path: &Path) {
    let used = fs::metadata(path).and_then(|found| found.modified());
    if used.is_ok_and(|used| used.elapsed().is_ok_and(|age| age > STALE)) {
        let marked = OpenOptions::new().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
        if let Err(error) = marked {
            tracing::debug!(path = %path.display(), %error, "not marked as used");
        }
    }
}

/// Lets `Hash` write into a blake3.
struct Settings(blake3::Hasher);

impl Hasher for Settings {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let mut first = [0; 8];
        self.0.finalize_xof().fill(&mut first);
        u64::from_le_bytes(first)
    }
}

fn prepare(dir: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let found = fs::symlink_metadata(dir)?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o077 != 0 {
        return Err(std::io::Error::other("it is not a folder of this user's alone (0700)"));
    }
    Ok(())
}

/// Reads the key, or makes it. Of two processes that make one, the first wins and both read its key.
fn key(dir: &Path) -> std::io::Result<[u8; 32]> {
    let path = dir.join("key");
    if let Some(key) = read_key(&path)? {
        return Ok(key);
    }
    let mut fresh = [0; 32];
    let filled = rustix::rand::getrandom(&mut fresh, rustix::rand::GetRandomFlags::empty())?;
    if filled != fresh.len() {
        return Err(std::io::Error::other("the system gave too few random bytes"));
    }
    let mut file = tempfile::Builder::new().prefix(".key-").tempfile_in(dir)?;
    file.write_all(&fresh)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(&path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.error),
    }
    read_key(&path)?.ok_or_else(|| std::io::Error::other("the key is gone again"))
}

fn read_key(path: &Path) -> std::io::Result<Option<[u8; 32]>> {
    let mut file = match OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o077 != 0 || found.len() != 32 {
        return Err(std::io::Error::other("the key is not a file of 32 bytes that only this user reads (0600)"));
    }
    let mut key = [0; 32];
    file.read_exact(&mut key)?;
    Ok(Some(key))
}

/// Writes a file that is whole or not there, 0600 as `tempfile` makes it. It is not synced: a torn one fails its MAC.
fn write(dir: &Path, name: &str, parts: &[&[u8]]) -> std::io::Result<File> {
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.persist(dir.join(name)).map_err(|error| error.error)
}
