//! Failures that may pass, and how long to wait for that. Nothing is tried without an end.

use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::options::Retry;
use crate::RegistryError;

/// Why one try failed.
pub(super) enum Failure {
    /// Another try cannot help.
    Final(RegistryError),
    /// Another try may help, after a while that the registry may have named.
    Again(Box<RegistryError>, Option<Duration>),
}

impl Failure {
    pub(super) fn again(error: RegistryError, asked: Option<Duration>) -> Self {
        Self::Again(Box::new(error), asked)
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Final(error)
    }
}

/// The waits between the tries of one thing.
pub(super) struct Backoff {
    policy: Retry,
    waits: ExponentialBackoff,
    failed: u32,
}

impl Backoff {
    pub(super) fn new(policy: Retry) -> Self {
        Self { policy, waits: waits(policy), failed: 0 }
    }

    /// Begins anew, for the thing has come on.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.policy);
    }

    /// Waits until the next try.
    ///
    /// # Errors
    ///
    /// The failure's own, where there is none.
    pub(super) async fn pause(&mut self, failure: Failure) -> Result<(), RegistryError> {
        self.failed += 1;
        let (error, asked) = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Again(error, asked) => (*error, asked),
        };
        let wait = match (self.waits.next(), asked) {
            (None, _) => return Err(error.after(self.failed)),
            (Some(_), Some(asked)) if asked > self.policy.longest_asked => return Err(asked_too_long(error, asked).after(self.failed)),
            (Some(own), asked) => asked.unwrap_or(own),
        };
        tracing::debug!(?wait, %error, "will try again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

fn waits(policy: Retry) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(policy.first)
        .with_max_delay(policy.longest)
        .with_max_times(policy.attempts.saturating_sub(1) as usize)
        .with_jitter()
        .build()
}

fn asked_too_long(mut error: RegistryError, asked: Duration) -> RegistryError {
    if let RegistryError::Refused { help, .. } = &mut error {
        *help = Some(format!("the registry asks to wait {} s: do it again after that", asked.as_secs()));
    }
    error
}

/// Returns whether another try may be answered otherwise.
pub(super) fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// Returns how long the registry asks to wait: seconds or a date.
pub(super) fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tries;
    use std::time::Instant;

    fn busy() -> RegistryError {
        RegistryError::Refused { doing: "ask", at: "r".to_owned(), status: 429, codes: Vec::new(), tries: Tries(1), help: None }
    }

    #[tokio::test]
    async fn tries_end() {
        let mut backoff = Backoff::new(Retry { attempts: 3, first: Duration::from_millis(1), ..Retry::default() });
        assert!(backoff.pause(Failure::again(busy(), None)).await.is_ok());
        assert!(backoff.pause(Failure::again(busy(), None)).await.is_ok());
        let error = backoff.pause(Failure::again(busy(), None)).await.unwrap_err();
        assert_eq!(error.to_string(), "failed to ask r: HTTP 429 (tried 3 times)");
    }

    #[tokio::test]
    async fn a_wait_that_is_asked_for_is_kept_unless_it_is_too_long() {
        let mut backoff = Backoff::new(Retry { first: Duration::from_millis(1), ..Retry::default() });
        let started = Instant::now();
        backoff.pause(Failure::again(busy(), Some(Duration::from_millis(120)))).await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(120));
        assert!(backoff.pause(Failure::again(busy(), Some(Duration::from_hours(1)))).await.is_err());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let asked = |text: &str| asked_wait(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("soon"), None);
    }
}
