//! One object, watched: what breaks off is taken up again where it was, and what is too old is read anew.

use crate::api::{Api, Target, sleep};
use relrun_sdk::http::Response;
use relrun_sdk::serde_json::{self, Value};
use relrun_sdk::{ErrorKind, Result, log};
use std::time::Duration;

/// How long a watch stays open: the pods and events around the object are looked at in between.
const OPEN: u64 = 2;

/// A watch of one object.
pub(crate) struct Watch {
    target: Target,
    version: String,
    stream: Option<Response>,
    left: Vec<u8>,
    pause: Duration,
    /// The user may read, and not watch.
    may_not: bool,
}

/// What a watch gave.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    /// The object changed.
    Changed(Value),
    /// It is gone.
    Gone,
    /// Nothing happened for a while, or something that says no more than: read it anew.
    Nothing,
}

impl Watch {
    /// Watches an object from what is known of it on.
    pub(crate) fn new(target: &Target, object: &Value) -> Self {
        let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        Self { target: target.clone(), version, stream: None, left: Vec::new(), pause: Duration::from_millis(100), may_not: false }
    }

    pub(crate) fn is_of(&self, target: &Target) -> bool {
        self.target == *target
    }

    /// Waits until something happens, or for a while.
    pub(crate) fn next(&mut self, api: &Api) -> Result<Seen> {
        if self.may_not {
            sleep(Duration::from_secs(1))?;
            return Ok(Seen::Nothing);
        }
        if self.stream.is_none() && !self.open(api)? {
            return Ok(Seen::Nothing);
        }
        loop {
            if let Some(end) = self.left.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.left.drain(..=end).collect();
                match self.event(&line)? {
                    Some(seen) => return Ok(seen),
                    None => continue,
                }
            }
            let Some(stream) = &mut self.stream else { return Ok(Seen::Nothing) };
            match stream.read(64 << 10) {
                Ok(bytes) if bytes.is_empty() => {
                    // An end in the middle of an event is a break; what was half sent comes again.
                    self.close();
                    return Ok(Seen::Nothing);
                }
                Ok(bytes) => self.left.extend(bytes),
                Err(error) if matches!(error.kind(), ErrorKind::Transient | ErrorKind::Permanent) => {
                    log::debug(&format!("the watch of {} broke off: {}", self.target.shown(), error.message()));
                    return self.broke().map(|()| Seen::Nothing);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn open(&mut self, api: &Api) -> Result<bool> {
        let response = match api.watch(&self.target, &self.version, OPEN) {
            Ok(response) => response,
            Err(error) if error.kind() == ErrorKind::Transient => return self.broke().map(|()| false),
            Err(error) => return Err(error),
        };
        match response.status() {
            200 => {
                self.stream = Some(response);
                self.left.clear();
                return Ok(true);
            }
            410 => self.version.clear(),
            403 => {
                log::debug(&format!("{} may be read and not watched: it is asked for every second", self.target.shown()));
                self.may_not = true;
            }
            _ => {
                let asked = response.header("retry-after").and_then(|text| text.trim().parse().ok());
                self.pause = asked.map_or(self.pause, Duration::from_secs);
                self.broke()?;
            }
        }
        Ok(false)
    }

    /// Reads one line; nothing for a bookmark.
    fn event(&mut self, line: &[u8]) -> Result<Option<Seen>> {
        let Ok(event) = serde_json::from_slice::<Value>(line) else {
            log::debug(&format!("the watch of {} said what is no event", self.target.shown()));
            return self.broke().map(|()| Some(Seen::Nothing));
        };
        let object = &event["object"];
        match event["type"].as_str().unwrap_or_default() {
            "ADDED" | "MODIFIED" => {
                self.went_on(object);
                Ok(Some(Seen::Changed(object.clone())))
            }
            "DELETED" => Ok(Some(Seen::Gone)),
            "BOOKMARK" => {
                self.went_on(object);
                Ok(None)
            }
            // An error, of which "too old" is the one that reading anew mends.
            _ => {
                self.version.clear();
                self.broke().map(|()| Some(Seen::Nothing))
            }
        }
    }

    fn went_on(&mut self, object: &Value) {
        if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
            version.clone_into(&mut self.version);
        }
        self.pause = Duration::from_millis(100);
    }

    /// Takes note of an object that was read anew.
    pub(crate) fn read(&mut self, object: &Value) {
        if self.version.is_empty() {
            self.went_on(object);
        }
    }

    fn close(&mut self) {
        self.stream = None;
        self.left.clear();
    }

    fn broke(&mut self) -> Result<()> {
        self.close();
        let pause = self.pause;
        self.pause = (pause * 2).min(Duration::from_secs(5));
        sleep(pause)
    }
}
