//! Paths as a step sees them: `/in/NAME`, `/out/NAME`, `/tmp`, and what was granted. For the host calls that take a path.

use crate::attempt::{Attempt, Files, Mode};
use crate::error::CallError;
use crate::root::{Links, Root};
use relrun_manifest::Capability;
use rustix::fs::{Mode as FileMode, OFlags};
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// What is to be done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    Reading,
    Writing,
}

/// A path of a step, taken apart: the folder that it lies in, and the rest.
pub(crate) struct Located {
    pub(crate) root: Root,
    pub(crate) rest: String,
}

/// One of the folders that a step sees.
struct Shown {
    at: String,
    dir: PathBuf,
    writable: bool,
}

/// Finds the folder that a path lies in.
pub(crate) fn locate(attempt: &Attempt, files: &Files, path: &str, purpose: For) -> Result<Located, CallError> {
    let within =
        |shown: &Shown| path.strip_prefix(shown.at.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/')).map(str::to_owned);
    let found = shown(attempt, files).into_iter().filter_map(|shown| within(&shown).map(|rest| (shown, rest)));
    let Some((shown, rest)) = found.max_by_key(|(shown, _)| shown.at.len()) else {
        return Err(CallError::denied(format!("{path} is in none of the step's directories")));
    };
    if purpose == For::Writing && !shown.writable {
        return Err(CallError::denied(format!("{path} may only be read")));
    }
    let root = Root::open(&shown.dir, Links::Refused).map_err(|error| told("open", path, &error))?;
    Ok(Located { root, rest })
}

fn shown(attempt: &Attempt, files: &Files) -> Vec<Shown> {
    let dirs = &files.dirs;
    let inputs = dirs.inputs.iter().map(|name| Shown { at: format!("/in/{name}"), dir: dirs.root.join("in").join(name), writable: false });
    let outputs =
        dirs.outputs.iter().map(|name| Shown { at: format!("/out/{name}"), dir: dirs.root.join("out").join(name), writable: true });
    let tmp = Shown { at: "/tmp".into(), dir: dirs.root.join("tmp"), writable: true };
    let granted = attempt.capabilities.iter().filter_map(|capability| match capability {
        Capability::Read(path) => Some(Shown { at: path.clone(), dir: dirs.work_tree.join(path), writable: false }),
        Capability::Write(path) => Some(Shown { at: path.clone(), dir: dirs.work_tree.join(path), writable: attempt.mode == Mode::Full }),
        _ => None,
    });
    inputs.chain(outputs).chain([tmp]).chain(granted).collect()
}

impl Located {
    /// Opens a file for reading.
    pub(crate) fn read(&self, path: &str) -> Result<File, CallError> {
        // Without NONBLOCK, opening a pipe would wait for its other end.
        let opened = self.root.at(&self.rest, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, FileMode::empty());
        let file = opened.map(File::from).map_err(|error| told("open", path, &error))?;
        match file.metadata() {
            Ok(found) if found.is_file() => Ok(file),
            Ok(_) => Err(CallError::invalid(format!("{path} is no file"))),
            Err(error) => Err(told("look at", path, &error)),
        }
    }

    /// Opens a file for writing, made where it is not there, empty.
    pub(crate) fn create(&self, path: &str) -> Result<File, CallError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = self.root.at(&self.rest, flags, FileMode::from_raw_mode(0o644));
        opened.map(File::from).map_err(|error| told("write", path, &error))
    }
}

/// Says an error of the file system to a plugin, by the path that it named itself.
pub(crate) fn told(doing: &str, path: &str, error: &io::Error) -> CallError {
    let text = format!("failed to {doing} {path}: {error}");
    match error.kind() {
        io::ErrorKind::NotFound => CallError::missing(text),
        io::ErrorKind::InvalidInput | io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            CallError::invalid(text)
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::CrossesDevices | io::ErrorKind::ReadOnlyFilesystem => CallError::denied(text),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => CallError::Told(crate::bindings::types::Error::Transient(text)),
        _ => CallError::permanent(text),
    }
}

/// Runs what blocks away from the scheduler.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, CallError> + Send + 'static) -> Result<T, CallError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(CallError::Ended(wasmtime::Error::msg(format!("a host call failed: {error}")))),
    }
}
