//! Runs one call to its end, whatever the guest does: time, CPU, memory, log and output bytes are bounded here, and every end is typed.

use crate::attempt::Attempt;
use crate::quota::Quota;
use crate::remotes::{POLITE, Remotes};
use crate::stop::{Stop, StopSignal};
use crate::words::Words;
use crate::{CallLimits, CancelToken};
use relrun_ledger::{Failure, FailureKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How much of the time that a call has to clean up is for ending what it still runs on hosts.
const ENDING: Duration = Duration::from_millis(1_500);

/// Why a call was ended from outside.
enum Ended {
    Stopped(Stop),
    Cpu,
    Output(u64),
}

/// What a call is watched by.
pub(crate) struct Watch {
    limits: CallLimits,
    words: Arc<Words>,
    stop: Arc<StopSignal>,
    remotes: Arc<Remotes>,
    over_memory: Arc<AtomicBool>,
    quota: Option<Quota>,
}

impl Watch {
    pub(crate) fn new(attempt: &Attempt, over_memory: Arc<AtomicBool>) -> Self {
        let quota = attempt.files.as_ref().map(|files| Quota::new(&files.dirs, attempt.limits.output));
        let (words, stop, remotes) = (Arc::clone(&attempt.words), Arc::clone(&attempt.stop), Arc::clone(&attempt.remotes));
        Self { limits: attempt.limits, words, stop, remotes, over_memory, quota }
    }

    /// Runs a call to its end.
    pub(crate) async fn run<T>(
        &self,
        call: impl Future<Output = wasmtime::Result<T>> + Send,
        cancel: Option<&CancelToken>,
    ) -> Result<T, Failure> {
        let result = self.drive(call, cancel).await;
        // Whatever the guest did with them: nothing of this attempt runs on. Whoever was told to stop had the time to be polite.
        let polite = if self.stop.is_announced() { Duration::ZERO } else { POLITE };
        self.remotes.end_all(polite).await;
        self.words.flush();
        match result {
            Ok(Ok(answer)) => self.within_output().await.map(|()| answer),
            Ok(Err(error)) => Err(self.trapped(&error)),
            Err(ended) => Err(self.ended(&ended)),
        }
    }

    /// Polls the call, and ends it by dropping it. A guest that computes comes back here with each tick of the epoch.
    async fn drive<T>(
        &self,
        call: impl Future<Output = wasmtime::Result<T>> + Send,
        cancel: Option<&CancelToken>,
    ) -> Result<wasmtime::Result<T>, Ended> {
        let mut call = Metered { call: Box::pin(call), used: Duration::ZERO, limit: self.limits.cpu };
        let cancelled = async {
            match cancel {
                Some(token) => token.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let mut cancelled = std::pin::pin!(cancelled);
        let measured = async {
            match &self.quota {
                Some(quota) => quota.watch().await,
                None => std::future::pending().await,
            }
        };
        let mut measured = std::pin::pin!(measured);
        let mut deadline = later(self.limits.timeout);
        let mut stopping = None;
        let mut is_last = false;
        loop {
            tokio::select! {
                biased;
                result = &mut call => return result,
                () = &mut cancelled, if stopping.is_none() => {
                    stopping = Some(Stop::Cancelled);
                    deadline = later(self.limits.grace.saturating_sub(ENDING));
                    self.stop.announce(Stop::Cancelled);
                }
                () = sleep_until(deadline) => {
                    match stopping {
                        // What it still runs on hosts takes the rest of its time to end.
                        Some(stop) if is_last || self.remotes.close() => return Err(Ended::Stopped(stop)),
                        Some(_) => {
                            is_last = true;
                            deadline = later(self.limits.grace.min(ENDING));
                        }
                        None => {
                            stopping = Some(Stop::TimedOut);
                            deadline = later(self.limits.grace.saturating_sub(ENDING));
                            self.stop.announce(Stop::TimedOut);
                        }
                    }
                }
                bytes = &mut measured => return Err(Ended::Output(bytes)),
            }
        }
    }

    async fn within_output(&self) -> Result<(), Failure> {
        let Some(quota) = &self.quota else { return Ok(()) };
        match quota.over().await {
            Some(bytes) => Err(self.ended(&Ended::Output(bytes))),
            None => Ok(()),
        }
    }

    fn ended(&self, ended: &Ended) -> Failure {
        let limit = |message: String| Failure { kind: FailureKind::Limit, message };
        match ended {
            Ended::Stopped(Stop::Cancelled) => Failure {
                kind: FailureKind::Cancelled,
                message: format!("it was cancelled, and ended because it did not return within {}", seconds(self.limits.grace)),
            },
            Ended::Stopped(Stop::TimedOut) => Failure {
                kind: FailureKind::TimedOut,
                message: format!(
                    "it took longer than {}, and did not return within {} more",
                    seconds(self.limits.timeout),
                    seconds(self.limits.grace)
                ),
            },
            Ended::Cpu => limit(format!("it used more than {} of CPU time", seconds(self.limits.cpu))),
            Ended::Output(bytes) => {
                limit(format!("it wrote {bytes} bytes under /out, /tmp and /work; its limit is {}", self.limits.output))
            }
        }
    }

    /// Says in a person's words why a guest trapped.
    fn trapped(&self, error: &wasmtime::Error) -> Failure {
        let limit = |message: String| Failure { kind: FailureKind::Limit, message };
        if self.words.is_over() {
            return limit(format!("it wrote more than {} bytes of log", self.limits.log));
        }
        if self.over_memory.load(Ordering::Relaxed) {
            return limit(format!("it asked for more than {} MiB of memory", self.limits.memory >> 20));
        }
        let message = match panic_message(&self.words.tail()) {
            Some(panic) => format!("the plugin panicked: {panic}"),
            None => self.words.mask(&reason(error)),
        };
        Failure { kind: FailureKind::Trapped, message }
    }
}

fn later(wait: Duration) -> Instant {
    // A year is for ever, and cannot overflow.
    Instant::now() + wait.min(Duration::from_hours(365 * 24))
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// The reason of a trap without its backtrace.
fn reason(error: &wasmtime::Error) -> String {
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return format!("the plugin ended itself with exit code {}", exit.0);
    }
    let reason = match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::StackOverflow) => "its call stack is exhausted (a recursion without end?)".to_owned(),
        // A guest's own stack lies at the bottom of its memory, so running over it looks like this.
        Some(wasmtime::Trap::MemoryOutOfBounds) => "it reached outside its memory (a recursion without end?)".to_owned(),
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        None => error.root_cause().to_string(),
    };
    format!("the plugin trapped: {reason}")
}

/// Finds a panic's own words in the last lines of stderr: Rust's form, Go's, or the last line of any other.
fn panic_message(tail: &[String]) -> Option<String> {
    if let Some(at) = tail.iter().rposition(|line| line.contains("panicked at ")) {
        let place = tail[at].split_once("panicked at ").map(|(_, place)| place.trim_end_matches(':')).unwrap_or_default();
        let words: Vec<&str> = tail[at + 1..].iter().map(String::as_str).take_while(|line| !line.starts_with("note: ")).collect();
        return Some(format!("{} ({place})", words.join(" ").trim()));
    }
    // Go says why, and then shows the stacks of all goroutines.
    let reason = |line: &String| line.strip_prefix("panic: ").or_else(|| line.strip_prefix("fatal error: ")).map(str::to_owned);
    tail.iter().find_map(reason).or_else(|| tail.iter().rev().find(|line| !line.trim().is_empty()).cloned())
}

/// Counts the CPU time of the thread while the call is polled: the guest's, and that of the host calls that do not wait.
struct Metered<F> {
    call: Pin<Box<F>>,
    used: Duration,
    limit: Duration,
}

impl<F: Future> Future for Metered<F> {
    type Output = Result<F::Output, Ended>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let before = thread_time();
        let polled = self.call.as_mut().poll(context);
        self.used += thread_time().saturating_sub(before);
        match polled {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending if self.used > self.limit => Poll::Ready(Err(Ended::Cpu)),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn thread_time() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::panic_message;

    #[test]
    fn a_panic_is_said_in_its_own_words() {
        let said = |text: &str| panic_message(&text.lines().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(
            said("a line\nthread 'main' panicked at src/lib.rs:3:5:\nno way\nnote: run with").as_deref(),
            Some("no way (src/lib.rs:3:5)")
        );
        let go = "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [select (no cases)]:\nmain.main()\n\t/x/main.go:3 +0x1";
        assert_eq!(said(go).as_deref(), Some("all goroutines are asleep - deadlock!"));
        assert_eq!(said("Traceback:\nValueError: bad\n\n").as_deref(), Some("ValueError: bad"));
        assert_eq!(said("\n"), None);
    }
}
