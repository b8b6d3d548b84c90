//! The moments at which the crash suite kills this process. It must never be part of a build that a person uses: the feature is off there.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::sync::atomic::{AtomicU32, Ordering};

/// Names a moment and the how-manieth time it is reached: `ledger.append:3`.
const VARIABLE: &str = "RELRUN_KILL_AT";

/// Has the process killed, as the kernel kills it when memory is out, at the moment that the environment names.
pub(crate) fn arm() {
    let Ok(text) = std::env::var(VARIABLE) else { return };
    let asked = text.split_once(':').and_then(|(name, nth)| Some((name.to_owned(), nth.parse::<u32>().ok()?)));
    let (name, nth) = asked.unwrap_or_else(|| panic!("{VARIABLE} is \"{text}\", and must be MOMENT:NUMBER"));
    let reached = AtomicU32::new(0);
    let die = move || {
        if reached.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            // The signal takes this very thread along before the call returns.
            let _ = kill(Pid::this(), Signal::SIGKILL);
        }
    };
    fail::cfg_callback(name, die).expect("a callback is always a good action");
}
