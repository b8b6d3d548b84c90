//! What can go wrong between a client and an API server, on demand.

use std::time::Duration;

/// One thing that goes wrong, so many times.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What the request's line (`GET /apis/apps/v1/…?watch=true`) must hold.
    pub on: String,
    /// What happens to it.
    pub harm: Harm,
    /// How many requests it happens to.
    pub times: usize,
    /// How many of these requests are spared first.
    pub spared: usize,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The connection ends without an answer.
    Drop,
    /// The connection ends in the middle of the answer; of a watch, in the middle of an event.
    Half,
    /// The answer is no JSON.
    Nonsense,
    /// The answer waits so long.
    Slow(Duration),
    /// Nothing more is said, for longer than anybody waits; of a watch, once it has begun.
    Silent,
    /// 429, with these seconds in `Retry-After`.
    TooMany(u64),
    /// 403, and the answer says the credentials back.
    Echo,
    /// 503.
    Unavailable,
    /// Of a watch: `ERROR` with 410 Gone.
    Gone,
    /// Just before it is done, somebody else takes the object into another rollout.
    Taken,
    /// It is done, and then the connection ends without an answer.
    DropAfter,
}

impl Fault {
    /// A harm that happens once.
    pub fn once(on: &str, harm: Harm) -> Self {
        Self { on: on.to_owned(), harm, times: 1, spared: 0 }
    }

    /// A harm that happens so many times.
    pub fn times(on: &str, harm: Harm, times: usize) -> Self {
        Self { on: on.to_owned(), harm, times, spared: 0 }
    }

    /// A harm that happens once, after so many requests that it might have happened to.
    pub fn after(spared: usize, on: &str, harm: Harm) -> Self {
        Self { on: on.to_owned(), harm, times: 1, spared }
    }
}

/// Takes the harm that a request suffers.
pub(crate) fn take(faults: &mut Vec<Fault>, line: &str) -> Option<Harm> {
    let at = faults.iter().position(|fault| line.contains(&fault.on))?;
    if faults[at].spared > 0 {
        faults[at].spared -= 1;
        return None;
    }
    let harm = faults[at].harm;
    faults[at].times -= 1;
    if faults[at].times == 0 {
        faults.remove(at);
    }
    Some(harm)
}
