//! From what the host says of a failure to what the person who runs the release can do about it.
//!
//! The host knows no manifest and no command line, so it cannot name the line to write or the command to type. What this may never do: change
//! a failure's kind.

use crate::prepare::Prepared;
use relrun_graph::NodeId;
use relrun_host::ADOPT;
use relrun_ledger::Failure;
use std::time::Duration;

/// Says of a stranger's mark with which command it is taken over.
pub(super) fn adopt(mut failure: Failure, command: &str) -> Failure {
    failure.message = failure.message.replace(ADOPT, &format!("to take it over, type `{command} --adopt`"));
    failure
}

/// Whether a failure is one that `--adopt` lifts.
pub(super) fn asks_to_adopt(failure: &Failure) -> bool {
    failure.message.ends_with("--adopt`")
}

/// Says of a step whose time is over which timeout that was, and what to write to give it more.
pub(super) fn timed_out(prepared: &Prepared, node: NodeId, timeout: Duration) -> String {
    let step = prepared.step(node);
    let (line, _) = prepared.loaded.line_column(step.name.span);
    let place = format!("{}:{line}", prepared.loaded.name);
    let (took, more) = (shown(timeout), shown(timeout * 2));
    if step.timeout.is_some() {
        format!(
            "it took longer than the {took} that its `timeout` allows; if it needs more, write `timeout \"{more}\"` in the step ({place}), then type `relrun apply`"
        )
    } else {
        format!(
            "it took longer than {took}, which a step without `timeout` has; if it needs more, write `timeout \"{more}\"` in it ({place}), then type `relrun apply`"
        )
    }
}

/// Returns a time as a manifest writes it: `500ms`, `90s`, `5m`, `1h 30m`.
fn shown(time: Duration) -> String {
    if time.subsec_millis() != 0 || time.is_zero() {
        return format!("{}ms", time.as_millis());
    }
    let seconds = time.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let parts = [(hours, "h"), (minutes, "m"), (rest, "s")];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}"));
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use relrun_ledger::FailureKind;

    #[test]
    fn times_are_written_as_a_manifest_writes_them() {
        let all = [500, 1_500, 30_000, 90_000, 300_000, 5_400_000, 3_600_000].map(|ms| shown(Duration::from_millis(ms)));
        assert_eq!(all, ["500ms", "1500ms", "30s", "1m 30s", "5m", "1h 30m", "1h"]);
    }

    #[test]
    fn a_stranger_s_mark_names_the_command() {
        let failure = Failure { kind: FailureKind::Denied, message: format!("web1: it belongs to another; {ADOPT}") };
        let advised = adopt(failure, "relrun retry r2");
        assert_eq!(advised.message, "web1: it belongs to another; to take it over, type `relrun retry r2 --adopt`");
        assert!(asks_to_adopt(&advised));
        assert!(!asks_to_adopt(&Failure { kind: FailureKind::Denied, message: "no".into() }));
    }
}
