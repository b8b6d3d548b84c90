//! Waits until everything has become what it is to be, and ends as soon as that can be known not to happen.

use crate::api::{Api, Target};
use crate::events::Events;
use crate::pods;
use crate::ready::{self, Readiness};
use crate::watch::{Seen, Watch};
use relrun_sdk::{Error, Result, log};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long something may say that it does not go on before it is believed. A controller that has seen a change still shows for a moment what it
/// said of the change before.
const BELIEVED: Duration = Duration::from_secs(5);

/// Since when something has said that it does not go on.
#[derive(Default)]
pub(crate) struct Stuck(BTreeMap<Target, Instant>);

impl Stuck {
    /// Returns how far something has come, as far as that can be believed at a moment.
    pub(crate) fn judge(&mut self, target: &Target, said: Readiness, now: Instant) -> Readiness {
        let Readiness::Stuck(why) = said else {
            self.0.remove(target);
            return said;
        };
        let since = *self.0.entry(target.clone()).or_insert(now);
        if now.duration_since(since) < BELIEVED { Readiness::Waiting(why) } else { Readiness::Failed(why) }
    }
}

/// Waits for all of these.
pub(crate) fn ready(api: &Api, targets: &[Target], events: &mut Events, patience: Duration) -> Result<()> {
    let began = Instant::now();
    let mut open: Vec<Target> = targets.to_vec();
    let mut watch: Option<Watch> = None;
    let mut stuck = Stuck::default();
    loop {
        let mut waiting = Vec::new();
        let mut first = None;
        for target in std::mem::take(&mut open) {
            let Some(object) = api.get(&target)? else {
                return Err(Error::permanent(format!("{} was removed while it was waited for", target.shown())));
            };
            let around = pods::look(api, &object)?;
            let by_event = events.show(api, &around.uids)?;
            let why = match stuck.judge(&target, ready::of(&object), Instant::now()) {
                Readiness::Ready(how) => {
                    log::info(&format!("{}: {how}", target.shown()));
                    continue;
                }
                Readiness::Failed(why) => return Err(Error::permanent(format!("{}: {why}", target.shown()))),
                Readiness::Waiting(why) | Readiness::Stuck(why) => why,
            };
            if let Some(hopeless) = around.hopeless.or(by_event) {
                return Err(Error::permanent(format!("{}: {hopeless}", target.shown())));
            }
            let more = around.waiting.map_or_else(String::new, |waiting| format!("; {waiting}"));
            waiting.push(format!("{}: {why}{more}", target.shown()));
            first.get_or_insert(object);
            open.push(target);
        }
        let total = targets.len() as u64;
        log::progress("objects", total - open.len() as u64, Some(total));
        let (Some(target), Some(object)) = (open.first(), first) else { return Ok(()) };
        if began.elapsed() >= patience {
            return Err(Error::timed_out(format!(
                "it did not come up in {}: {}",
                humantime::format_duration(patience),
                waiting.join(", ")
            )));
        }
        let mut of_it = watch.take().filter(|watch| watch.is_of(target)).unwrap_or_else(|| Watch::new(target, &object));
        of_it.read(&object);
        if of_it.next(api)? != Seen::Gone {
            watch = Some(of_it);
        }
    }
}
