//! `trees`: content named by digest, moved by the host without passing through the guest.

use super::span;
use crate::bindings::trees;
use crate::error::CallError;
use crate::files::{For, blocking, locate, told};
use crate::places::store_reason;
use crate::root::path_of;
use crate::state::State;
use relrun_store::{CaptureMode, RestoreMode};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tracing::Instrument;

impl trees::Host for State {
    async fn capture(&mut self, dir: String) -> Result<String, CallError> {
        let attempt = &self.attempt;
        attempt.stop.check()?;
        let files = attempt.files("trees")?;
        // A command could turn a directory into a link while the host walks it.
        if files.commands.load(Ordering::Relaxed) > 0 {
            return Err(CallError::invalid("a tree is captured only while none of the step's commands runs"));
        }
        let located = locate(attempt, files, &dir, For::Reading)?;
        let blobs = Arc::clone(&files.blobs);
        let work = blocking(move || {
            let opened = located.root.dir(&located.rest).map_err(|error| told("open", &dir, &error))?;
            let captured = relrun_store::capture(&*blobs, &path_of(&opened), CaptureMode::Copy);
            captured.map(|(digest, _)| digest).map_err(|error| CallError::permanent(store_reason(&error)))
        });
        let digest = attempt.stop.race(work).instrument(span("trees.capture")).await?;
        files.remember(digest);
        Ok(digest.to_string())
    }

    async fn restore(&mut self, digest: String, dir: String) -> Result<(), CallError> {
        let attempt = &self.attempt;
        attempt.stop.check()?;
        let files = attempt.files("trees")?;
        let digest = files.tree(&digest)?;
        let located = locate(attempt, files, &dir, For::Writing)?;
        let blobs = Arc::clone(&files.blobs);
        let work = blocking(move || {
            let opened = located.root.make_dirs(&located.rest).map_err(|error| told("make", &dir, &error))?;
            let restored = relrun_store::restore(&*blobs, digest, &path_of(&opened), RestoreMode::Writable);
            restored.map(drop).map_err(|error| CallError::permanent(store_reason(&error)))
        });
        attempt.stop.race(work).instrument(span("trees.restore")).await
    }
}
