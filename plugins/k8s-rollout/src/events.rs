//! The cluster's events about what is rolled out, as lines of the log.

use crate::api::Api;
use relrun_sdk::serde_json::Value;
use relrun_sdk::{Result, log};
use std::collections::BTreeSet;

/// Which events were seen.
#[derive(Default)]
pub(crate) struct Events {
    seen: BTreeSet<String>,
    begun: bool,
    may_not: bool,
}

impl Events {
    /// Takes note of the events of before, so that they are not shown.
    pub(crate) fn begin(api: &Api) -> Result<Self> {
        let mut events = Self::default();
        events.show(api, &BTreeSet::new())?;
        events.begun = true;
        Ok(events)
    }

    /// Shows what is new about any of these, and returns what keeps a controller from making pods.
    pub(crate) fn show(&mut self, api: &Api, uids: &BTreeSet<String>) -> Result<Option<String>> {
        if self.may_not {
            return Ok(None);
        }
        let answer = api.list("v1", "events", "")?;
        if answer.code == 403 {
            log::debug("events may not be read, so none are shown");
            self.may_not = true;
        }
        let mut hopeless = None;
        for event in answer.body["items"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let about = &event["involvedObject"];
            let count = event["series"]["count"].as_u64().or_else(|| event["count"].as_u64()).unwrap_or(1);
            let is_ours = uids.contains(&text(&about["uid"]));
            let is_old = self.begun && !is_ours || !self.seen.insert(format!("{} {count}", text(&event["metadata"]["uid"])));
            if is_old || !self.begun {
                continue;
            }
            let (reason, message) = (text(&event["reason"]), text(&event["message"]));
            let line = format!("{}/{}: {reason}: {}", text(&about["kind"]), text(&about["name"]), message.trim());
            if event["type"] == "Warning" {
                log::warn(&line);
            } else {
                log::info(&line);
            }
            if reason == "FailedCreate"
                && ["exceeded quota", "denied the request", "is forbidden"].iter().any(|word| message.contains(word))
            {
                hopeless = Some(message.trim().to_owned());
            }
        }
        Ok(hopeless)
    }
}
