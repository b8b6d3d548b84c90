//! `http-check`: waits until a URL answers as it should.
//!
//! It sends GET requests alone and must never change anything: it leaves no receipt, and there is nothing to undo.

use relrun_sdk::http::{self, Response};
use relrun_sdk::{About, Change, Error, ErrorKind, Health, Needs, Nothing, Outcome, Plugin, Result, config, log, need, outputs};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How much of a body is looked at.
const BODY_LIMIT: usize = 16 << 20;

/// How long one request may take at most.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// What a manifest configures.
#[config]
pub struct Config {
    /// The URL, `http` or `https`.
    url: String,
    /// The statuses that are healthy, such as `status 200 204`.
    #[serde(default = "healthy")]
    #[schemars(length(min = 1))]
    status: Vec<u16>,
    /// A text that the body must contain.
    #[serde(default)]
    contains: Option<String>,
    /// Headers to send, such as `header "host" "shop.example"`.
    #[serde(default)]
    header: BTreeMap<String, String>,
    /// The wait between two requests, such as `interval "500ms"`.
    #[serde(default = "interval")]
    interval: String,
    /// How long to wait for a healthy answer in all, such as `timeout "2m"`.
    #[serde(default = "timeout")]
    timeout: String,
    /// Whether the address may be a loopback, private or link-local one.
    #[serde(default)]
    private: bool,
}

fn healthy() -> Vec<u16> {
    vec![200]
}

fn interval() -> String {
    "1s".to_owned()
}

fn timeout() -> String {
    "30s".to_owned()
}

/// What the check saw.
#[outputs]
pub struct Outputs {
    /// The status of the healthy answer.
    status: u16,
    /// How many requests it took.
    attempts: u32,
    /// How long it took, in milliseconds.
    elapsed_ms: u64,
}

struct HttpCheck;

impl Plugin for HttpCheck {
    type Config = Config;
    type Outputs = Outputs;
    type Receipt = Nothing;

    fn about() -> About {
        About { name: "http-check", version: env!("CARGO_PKG_VERSION"), summary: "Waits until a URL answers as it should" }
    }

    fn resolve(config: &Config) -> Result<Needs> {
        duration("interval", &config.interval)?;
        duration("timeout", &config.timeout)?;
        let need = need::http(&origin(&config.url)?).private(config.private).because("the config checks this URL");
        Ok(Needs::effect().idempotent(true).with(need))
    }

    fn plan(config: &Config) -> Result<Vec<Change>> {
        Ok(vec![Change::new(format!("would wait until {} is healthy, at most {}", config.url, config.timeout))])
    }

    fn apply(config: Config) -> Result<Outcome<Outputs, Nothing>> {
        let (interval, timeout) = (duration("interval", &config.interval)?, duration("timeout", &config.timeout)?);
        let start = Instant::now();
        let mut said = String::new();
        for attempts in 1.. {
            let left = timeout.saturating_sub(start.elapsed());
            let reason = match look(&config, left)? {
                Ok(status) => {
                    let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let summary = format!("{} is healthy: {status}", config.url);
                    return Ok(Outcome::new(summary, Outputs { status, attempts, elapsed_ms }));
                }
                Err(reason) => reason,
            };
            // Once, until it is another reason: what is waited for may take minutes.
            if reason != said {
                log::info(&format!("not yet healthy: {reason}"));
                said.clone_from(&reason);
            }
            log::progress("requests", attempts.into(), None);
            if start.elapsed() + interval >= timeout {
                let waited = humantime::format_duration(timeout);
                return Err(Error::timed_out(format!("{} was not healthy within {waited}, at last: {reason}", config.url)));
            }
            std::thread::sleep(interval);
        }
        Err(Error::timed_out("more requests than can be counted"))
    }

    fn verify(config: Config, _: Nothing) -> Result<Health> {
        Ok(match look(&config, REQUEST_LIMIT)? {
            Ok(_) => Health::Intact,
            Err(reason) => Health::Drifted(vec![Change::new(format!("{}: {reason}", config.url))]),
        })
    }
}

/// Asks once. Gives the status, or why it is not healthy; an error where asking again cannot help.
fn look(config: &Config, left: Duration) -> Result<Result<u16, String>> {
    let mut request = http::get(&config.url).timeout(left.clamp(Duration::from_millis(1), REQUEST_LIMIT));
    for (name, value) in &config.header {
        request = request.header(name, value);
    }
    match request.send().and_then(|mut response| judge(config, &mut response)) {
        Ok(judgement) => Ok(judgement),
        Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Denied | ErrorKind::Cancelled) => Err(error),
        Err(error) => Ok(Err(error.to_string())),
    }
}

fn judge(config: &Config, response: &mut Response) -> Result<Result<u16, String>> {
    let status = response.status();
    if !config.status.contains(&status) {
        return Ok(Err(format!("the status is {status}")));
    }
    let Some(text) = &config.contains else { return Ok(Ok(status)) };
    let body = response.bytes(BODY_LIMIT)?;
    let found = String::from_utf8_lossy(&body).contains(text.as_str());
    Ok(if found { Ok(status) } else { Err(format!("the status is {status}, but the body does not contain {text:?}")) })
}

fn duration(name: &str, text: &str) -> Result<Duration> {
    if text.contains("${") {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text).map_err(|error| Error::invalid(format!("{name} {text:?}: {error}; write it as \"500ms\" or \"2m\"")))
}

/// Returns the scheme, host and port of a URL, which is what a grant names.
fn origin(url: &str) -> Result<String> {
    let mistake = |what: &str| Error::invalid(format!("url {url:?} {what}"));
    let (scheme, rest) = url.split_once("://").ok_or_else(|| mistake("is not absolute: write it as \"https://…\""))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        return Err(mistake("is neither http nor https"));
    }
    if authority.contains("${") {
        return Err(mistake("has a host that is not known before another step is done, so no grant can name it"));
    }
    if authority.is_empty() || authority.contains('@') {
        return Err(mistake("names no host, or a user"));
    }
    Ok(format!("{scheme}://{}", authority.to_lowercase()))
}

relrun_sdk::export!(HttpCheck);

#[cfg(test)]
mod tests;
