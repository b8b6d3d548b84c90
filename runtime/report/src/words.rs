//! The words that reporters have in common.

use crate::{OperationName, StepResult};

/// How many names a list shows before it counts.
const SHOWN: usize = 8;

/// Returns a duration for people: `420 ms`, `3.2 s`, `2 min 5 s`, `1 h 4 min`.
pub(crate) fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..10 => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Returns a number with its noun: `1 step`, `1,204 steps`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number as u64))
}

/// Returns a number with its thousands set apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns names on one line, the first of them where there are many.
pub(crate) fn names(all: &[String]) -> String {
    match all.get(SHOWN..) {
        Some(rest) if rest.len() > 1 => format!("{} and {} more", all[..SHOWN].join(", "), grouped(rest.len() as u64)),
        _ => all.join(", "),
    }
}

/// Returns what an operation is doing, in front of the step's label; nothing for `apply`.
pub(crate) fn doing(operation: OperationName) -> &'static str {
    match operation {
        OperationName::Apply => "",
        OperationName::Recover => "recovering ",
        OperationName::Undo => "undoing ",
        OperationName::Destroy => "destroying ",
        OperationName::Verify => "verifying ",
    }
}

/// Returns how an operation ended, behind the step's label.
pub(crate) fn ended(operation: OperationName, result: StepResult) -> &'static str {
    match (result, operation) {
        (StepResult::Succeeded, OperationName::Apply) => "done",
        (StepResult::Succeeded, OperationName::Recover) => "recovered",
        (StepResult::Succeeded, OperationName::Undo) => "undone",
        (StepResult::Succeeded, OperationName::Destroy) => "destroyed",
        (StepResult::Succeeded, OperationName::Verify) => "verified",
        (StepResult::Cached, _) => "cached",
        (StepResult::Copied, _) => "from the record",
        (StepResult::Failed, OperationName::Apply) => "failed",
        (StepResult::Failed, OperationName::Recover) => "could not be recovered",
        (StepResult::Failed, OperationName::Undo) => "could not be undone",
        (StepResult::Failed, OperationName::Destroy) => "could not be destroyed",
        (StepResult::Failed, OperationName::Verify) => "could not be verified",
        (StepResult::Cancelled, _) => "cancelled",
        (StepResult::Unknown, _) => "in doubt",
    }
}

/// Returns how far something has come: `upload 3/10`, `upload 3`.
pub(crate) fn progress(what: &str, done: u64, total: Option<u64>) -> String {
    let far = total.map_or_else(|| grouped(done), |total| format!("{}/{}", grouped(done), grouped(total)));
    if what.is_empty() { far } else { format!("{what} {far}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let all = [0, 420, 3_240, 59_999, 60_000, 125_000, 3_840_000].map(duration);
        assert_eq!(all, ["0 ms", "420 ms", "3.2 s", "59 s", "1 min 0 s", "2 min 5 s", "1 h 4 min"]);
    }

    #[test]
    fn long_lists_are_counted() {
        let list = |length: usize| (1..=length).map(|n| format!("s{n}")).collect::<Vec<_>>();
        assert_eq!(names(&list(9)), "s1, s2, s3, s4, s5, s6, s7, s8, s9");
        assert_eq!(names(&list(10)), "s1, s2, s3, s4, s5, s6, s7, s8 and 2 more");
        assert_eq!(names(&list(1208)), "s1, s2, s3, s4, s5, s6, s7, s8 and 1,200 more");
        assert_eq!(count(1, "step"), "1 step");
        assert_eq!(count(1_234_567, "step"), "1,234,567 steps");
    }
}
