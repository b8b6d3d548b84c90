//! A host behind SSH: [`relrun_ssh`] does it, and says it in a plugin's words here.

use super::{Entry, Existing, Kind, LONGEST_FILE, Place};
use crate::bindings::types::Error;
use crate::error::CallError;
use relrun_ledger::Digest;
use relrun_ssh::{Address, Found, FoundKind, Link, Ssh, SshError, SshErrorKind};
use relrun_store::BlobStore;
use std::sync::Arc;

/// The files of a connected host.
pub(super) struct Remote(Arc<Link>);

/// Connects to the host at an address.
pub(super) async fn connect(ssh: &Ssh, address: &str) -> Result<Remote, CallError> {
    link(ssh, address).await.map(Remote)
}

/// Returns the connection to an address.
pub(crate) async fn link(ssh: &Ssh, address: &str) -> Result<Arc<Link>, CallError> {
    Ok(ssh.link(&Address::parse(address)?).await?)
}

impl From<SshError> for CallError {
    fn from(error: SshError) -> Self {
        let text = error.message;
        Self::Told(match error.kind {
            SshErrorKind::Invalid => Error::Invalid(text),
            SshErrorKind::Denied => Error::Denied(text),
            SshErrorKind::Missing => Error::Missing(text),
            SshErrorKind::TimedOut => Error::TimedOut(text),
            SshErrorKind::Transient => Error::Transient(text),
            SshErrorKind::Permanent => Error::Permanent(text),
        })
    }
}

impl From<Found> for Entry {
    fn from(found: Found) -> Self {
        let kind = match found.kind {
            FoundKind::File => Kind::File,
            FoundKind::Dir => Kind::Dir,
            FoundKind::Link(target) => Kind::Link(target),
            FoundKind::Other => Kind::Other,
        };
        Self { name: found.name, kind }
    }
}

#[async_trait::async_trait]
impl Place for Remote {
    async fn upload(&self, blobs: Arc<dyn BlobStore>, digest: Digest, path: String) -> Result<Option<String>, CallError> {
        let sent = self.0.watched(self.0.upload(blobs, digest, absolute(&path)?)).await?;
        let (files, bytes, linked) = (sent.files, size(sent.bytes), sent.linked);
        Ok(Some(format!("sent {files} files ({bytes}), {linked} were there, {} over the wire", size(sent.wire))))
    }

    async fn fetch(&self, blobs: Arc<dyn BlobStore>, path: String, without: Vec<String>) -> Result<Digest, CallError> {
        Ok(self.0.watched(self.0.fetch(blobs, absolute(&path)?, &without)).await?)
    }

    async fn read_dir(&self, path: String) -> Result<Vec<Entry>, CallError> {
        Ok(self.0.watched(self.0.read_dir(absolute(&path)?)).await?.into_iter().map(Entry::from).collect())
    }

    async fn stat(&self, path: String) -> Result<Option<Entry>, CallError> {
        Ok(self.0.watched(self.0.stat(absolute(&path)?)).await?.map(Entry::from))
    }

    async fn make_dir(&self, path: String) -> Result<(), CallError> {
        Ok(self.0.watched(self.0.make_dir(absolute(&path)?)).await?)
    }

    async fn symlink(&self, target: String, path: String) -> Result<(), CallError> {
        Ok(self.0.watched(self.0.symlink(&target, absolute(&path)?)).await?)
    }

    async fn rename(&self, old: String, new: String) -> Result<(), CallError> {
        Ok(self.0.watched(self.0.rename(absolute(&old)?, absolute(&new)?)).await?)
    }

    async fn read_file(&self, path: String) -> Result<Vec<u8>, CallError> {
        Ok(self.0.watched(self.0.read_file(absolute(&path)?, LONGEST_FILE)).await?)
    }

    async fn write_file(&self, path: String, data: Vec<u8>, existing: Existing) -> Result<(), CallError> {
        let path = absolute(&path)?;
        let written = match existing {
            Existing::Replaced => self.0.watched(self.0.write_file(path, &data)).await,
            Existing::Kept => self.0.watched(self.0.write_new_file(path, &data)).await,
        };
        Ok(written?)
    }

    async fn remove(&self, path: String) -> Result<(), CallError> {
        Ok(self.0.watched(self.0.remove(absolute(&path)?)).await?)
    }
}

/// Refuses what a host would take relative to a user's home, or what climbs.
fn absolute(path: &str) -> Result<&str, CallError> {
    let climbs = path.split('/').any(|part| part == "..") || path.contains('\0');
    if path.starts_with('/') && !climbs { Ok(path) } else { Err(CallError::invalid(format!("{path:?} is no absolute path of a host"))) }
}

/// Returns a number of bytes as a person reads it.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let mut left = bytes;
    if left < 1_000 {
        return format!("{left} B");
    }
    let mut unit = 0;
    while left >= 1_000_000 && unit + 1 < UNITS.len() {
        (left, unit) = (left / 1_000, unit + 1);
    }
    format!("{}.{} {}", left / 1_000, left % 1_000 / 100, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_short() {
        assert_eq!([999, 1_000, 41_234, 1_999_999, 7_000_000_000].map(size), ["999 B", "1.0 kB", "41.2 kB", "1.9 MB", "7.0 GB"]);
    }
}
