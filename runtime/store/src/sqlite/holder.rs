//! Which process holds a lock, and whether it still lives.
//!
//! A pid alone says little: it is reused, and means something else in another container or after a reboot. So the holder's record has the
//! machine, the boot, the pid namespace and the process' start time, and where those cannot be compared nothing is said: then the lease decides.

use serde::{Deserialize, Serialize};
use std::fs;

/// A process, unmistakably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    /// The machine's id, else its name.
    pub(super) machine: String,
    /// This boot of it.
    pub(super) boot: String,
    /// The pid namespace, as the kernel names it.
    pub(super) namespace: String,
    pub(super) pid: u32,
    /// When it started, in the kernel's clock ticks since boot.
    pub(super) started: u64,
}

impl Process {
    /// Returns this very process.
    pub(super) fn own() -> Self {
        let line = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
        let machine = [line("/etc/machine-id"), line("/proc/sys/kernel/hostname")].into_iter().find(|text| !text.is_empty());
        let namespace = fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default();
        let pid = std::process::id();
        Self {
            machine: machine.unwrap_or_default(),
            boot: line("/proc/sys/kernel/random/boot_id"),
            namespace,
            pid,
            started: started(pid).unwrap_or_default(),
        }
    }

    /// Returns whether it lives, where `own` is in a place to see it.
    pub(super) fn is_alive(&self, own: &Self) -> Option<bool> {
        let known = [&self.machine, &self.boot, &self.namespace].into_iter().all(|text| !text.is_empty());
        if !known || self.machine != own.machine {
            return None;
        }
        if self.boot != own.boot {
            // Everyone who uses the file runs under one kernel (see the module above), so this one's is gone.
            return Some(false);
        }
        (self.namespace == own.namespace).then(|| started(self.pid) == Some(self.started))
    }
}

/// Returns when a process started. One that has ended and is only waited for by its parent is none.
pub(super) fn started(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything, brackets too.
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    // The state is field 3, the start time field 22.
    fields.nth(18)?.parse().ok()
}
