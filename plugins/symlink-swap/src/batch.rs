//! Which hosts are switched together: the canaries, then the others in batches. Pure.

use relrun_sdk::{Error, Result};
use std::ops::Range;

/// Refuses what is no size of a batch.
pub(crate) fn check(batch: Option<&str>) -> Result<()> {
    match batch {
        Some(text) if !text.contains("${") => size(text, 1).map(drop),
        _ => Ok(()),
    }
}

/// Returns how many hosts of a number a size is: a share is rounded up, so that it is one at least.
fn size(text: &str, hosts: usize) -> Result<usize> {
    let wrong = || Error::invalid(format!("batch {text:?} is no number of hosts, such as \"2\", and no share of them, such as \"25%\""));
    let number = |text: &str| text.trim().parse::<usize>().ok().filter(|number| *number > 0);
    match text.trim().strip_suffix('%') {
        Some(share) => {
            let share = number(share).filter(|share| *share <= 100).ok_or_else(wrong)?;
            Ok((hosts * share).div_ceil(100).max(1))
        }
        None => number(text).ok_or_else(wrong),
    }
}

/// Returns the batches of so many hosts, in order.
pub(crate) fn batches(hosts: usize, canary: usize, batch: Option<&str>) -> Result<Vec<Range<usize>>> {
    let first = canary.min(hosts);
    let others = hosts - first;
    let step = match batch {
        Some(text) => size(text, others)?,
        None => others.max(1),
    };
    let canaries = (first > 0).then_some(0..first);
    let rest = (first..hosts).step_by(step).map(|start| start..(start + step).min(hosts));
    Ok(canaries.into_iter().chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_fall_into_batches() {
        let of = |hosts, canary, batch| {
            let batches = batches(hosts, canary, batch).expect("a batch");
            batches.into_iter().map(|range| range.len()).collect::<Vec<_>>()
        };
        assert_eq!(of(3, 0, None), [3]);
        assert_eq!(of(10, 1, Some("25%")), [1, 3, 3, 3]);
        assert_eq!(of(5, 0, Some("2")), [2, 2, 1]);
        assert_eq!(of(2, 5, Some("50%")), [2]);
        assert_eq!(of(3, 1, None), [1, 2]);
        assert_eq!(of(3, 0, Some("1%")), [1, 1, 1]);
        for wrong in ["0", "-1", "25 %%", "101%", "some", ""] {
            assert!(check(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(check(Some("${input.batch}")).is_ok());
    }
}
