//! The mark at the target: which ledger a directory belongs to. It stands on the host, because two ledgers know nothing of each other.

use super::{Existing, Place};
use crate::TargetMark;
use crate::bindings::types::Error;
use crate::error::CallError;
use serde::{Deserialize, Serialize};

/// Its name in the directory.
const NAME: &str = ".relrun.json";

/// How a refusal ends that `--adopt` lifts. Who knows which command that is for may say it better.
pub const ADOPT: &str = "say --adopt to take it over";

/// What stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    ledger: String,
    release: String,
    fence: u64,
}

/// Who has a directory.
enum Owner {
    Nobody,
    Marked(Mark),
    /// A file that is no mark that this version reads.
    Unreadable,
}

/// Puts our mark into a directory, or says whose it is.
pub(crate) async fn claim(place: &dyn Place, host: &str, dir: &str, ours: &TargetMark) -> Result<(), CallError> {
    place.make_dir(dir.to_owned()).await?;
    let text = written(ours)?.into_bytes();
    let owner = owner(place, dir).await?;
    check_dir(&owner, host, dir, ours)?;
    // Of two that claim a free directory at once, the second finds the mark of the first.
    let existing = if matches!(owner, Owner::Nobody) { Existing::Kept } else { Existing::Replaced };
    match place.write_file(path(dir), text.clone(), existing).await {
        Err(CallError::Told(Error::Invalid(_))) => {
            check_dir(&self::owner(place, dir).await?, host, dir, ours)?;
            place.write_file(path(dir), text, Existing::Replaced).await
        }
        done => done,
    }
}

/// Takes our mark away.
pub(crate) async fn disclaim(place: &dyn Place, host: &str, dir: &str, ours: &TargetMark) -> Result<(), CallError> {
    match owner(place, dir).await? {
        Owner::Nobody => Ok(()),
        owner => {
            check_dir(&owner, host, dir, ours)?;
            place.remove(path(dir)).await
        }
    }
}

/// Returns our mark as a text, or says whose the one is that was found.
pub(crate) fn mark(found: Option<&str>, object: &str, ours: &TargetMark) -> Result<String, CallError> {
    let owner = match found {
        None => Owner::Nobody,
        Some(text) => serde_json::from_str(text).map_or(Owner::Unreadable, Owner::Marked),
    };
    check(&owner, object, "its mark", ours)?;
    written(ours)
}

fn written(ours: &TargetMark) -> Result<String, CallError> {
    let mark = Mark { ledger: ours.ledger.clone(), release: ours.release.clone(), fence: ours.fence };
    serde_json::to_string(&mark).map_err(|error| CallError::permanent(error.to_string()))
}

fn path(dir: &str) -> String {
    format!("{}/{NAME}", dir.trim_end_matches('/'))
}

async fn owner(place: &dyn Place, dir: &str) -> Result<Owner, CallError> {
    match place.read_file(path(dir)).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).map_or(Owner::Unreadable, Owner::Marked)),
        Err(CallError::Told(Error::Missing(_))) => Ok(Owner::Nobody),
        Err(error) => Err(error),
    }
}

fn check_dir(owner: &Owner, host: &str, dir: &str, ours: &TargetMark) -> Result<(), CallError> {
    check(owner, &format!("{dir} on {host}"), &format!("its {NAME}"), ours)
}

fn check(owner: &Owner, what: &str, mark: &str, ours: &TargetMark) -> Result<(), CallError> {
    let whose = match owner {
        Owner::Marked(found) if found.ledger == ours.ledger && found.fence > ours.fence => {
            format!(
                "a newer run of this ledger has it (release {}, fence {}; this one has fence {})",
                found.release, found.fence, ours.fence
            )
        }
        Owner::Marked(found) if found.ledger != ours.ledger => {
            format!("it belongs to the ledger {} (release {}), and this one is {}", found.ledger, found.release, ours.ledger)
        }
        Owner::Unreadable => format!("{mark} is none that this version reads"),
        Owner::Nobody | Owner::Marked(_) => return Ok(()),
    };
    if ours.adopt {
        return Ok(());
    }
    Err(CallError::denied(format!("{what}: {whose}; {ADOPT}")))
}
