//! When nothing is deployed: windows that come once, and windows that come each week. Whoever asks brings the time; this room has no clock.

use crate::Selector;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// A `freeze` line of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// When.
    pub window: Window,
    /// Where; absent: everywhere.
    pub environments: Option<Selector>,
    /// Why.
    pub reason: Option<String>,
}

/// From when to when; the end is no longer in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Window {
    /// Once.
    Once {
        /// The first moment.
        from: Timestamp,
        /// The first moment after it.
        to: Timestamp,
    },
    /// Each week.
    Weekly {
        /// The first moment.
        from: WeekTime,
        /// The first moment after it.
        to: WeekTime,
        /// Where the clock stands that says so.
        timezone: String,
    },
}

/// A weekday and a time of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WeekTime {
    /// 0 is Monday.
    day: i8,
    time: Time,
}

/// What is wrong with a window's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    From,
    To,
    Mixed,
    Order,
    Zone,
}

enum Moment {
    Once(Timestamp),
    Weekly(WeekTime),
}

impl Window {
    /// Reads a window. Dates without an offset, and weekdays, are meant in the time zone.
    pub(crate) fn read(from: &str, to: &str, timezone: &str) -> Result<Self, Wrong> {
        let zone = zone(timezone).ok_or(Wrong::Zone)?;
        match (moment(from, &zone).ok_or(Wrong::From)?, moment(to, &zone).ok_or(Wrong::To)?) {
            (Moment::Once(from), Moment::Once(to)) if from < to => Ok(Self::Once { from, to }),
            (Moment::Weekly(from), Moment::Weekly(to)) if from != to => Ok(Self::Weekly { from, to, timezone: timezone.to_owned() }),
            (Moment::Once(_), Moment::Once(_)) | (Moment::Weekly(_), Moment::Weekly(_)) => Err(Wrong::Order),
            _ => Err(Wrong::Mixed),
        }
    }

    /// Returns when the window ends that this moment lies in.
    pub fn end(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once { from, to } => (*from <= now && now < *to).then_some(*to),
            Self::Weekly { from, to, timezone } => {
                let zone = zone(timezone)?;
                let there = now.to_zoned(zone.clone()).datetime();
                let at = WeekTime { day: there.weekday().to_monday_zero_offset(), time: there.time() };
                let within = if from < to { *from <= at && at < *to } else { at >= *from || at < *to };
                if !within {
                    return None;
                }
                let days = (to.day - at.day).rem_euclid(7);
                let days = if days == 0 && to.time <= at.time { 7 } else { days };
                let end = there.date().checked_add(i64::from(days).days()).ok()?.to_datetime(to.time);
                Some(zone.to_ambiguous_timestamp(end).compatible().ok()?.max(now))
            }
        }
    }
}

/// The database is relrun's own: what is frozen must not depend on the machine.
fn zone(name: &str) -> Option<TimeZone> {
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    TimeZoneDatabase::bundled().get(name).ok()
}

fn moment(text: &str, zone: &TimeZone) -> Option<Moment> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(Moment::Once(at));
    }
    if let Some((day, time)) = text.split_once(' ')
        && let Some(day) = weekday(day)
    {
        let time = time.trim();
        let time = time.parse::<Time>().ok()?;
        return Some(Moment::Weekly(WeekTime { day: day.to_monday_zero_offset(), time }));
    }
    // A date alone is midnight.
    let at = text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(|date| date.to_datetime(Time::midnight())))?;
    Some(Moment::Once(zone.to_ambiguous_timestamp(at).compatible().ok()?))
}

fn weekday(text: &str) -> Option<Weekday> {
    const DAYS: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let text = text.to_ascii_lowercase();
    DAYS.iter().find(|(name, _)| *name == text || name.get(..3) == Some(text.as_str())).map(|(_, day)| *day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(from: &str, to: &str, zone: &str, now: &str) -> Option<String> {
        Window::read(from, to, zone).unwrap().end(now.parse().unwrap()).map(|end| end.to_string())
    }

    #[test]
    fn a_window_that_comes_once_ends_before_its_end() {
        let at = |now| end("2026-12-20T00:00:00Z", "2027-01-05T00:00:00Z", "UTC", now);
        assert_eq!(at("2026-12-19T23:59:59Z"), None);
        assert_eq!(at("2026-12-20T00:00:00Z").as_deref(), Some("2027-01-05T00:00:00Z"));
        assert_eq!(at("2027-01-05T00:00:00Z"), None);
        assert_eq!(end("2026-12-20", "2027-01-05 18:00", "Europe/Berlin", "2026-12-19T23:00:00Z").as_deref(), Some("2027-01-05T17:00:00Z"));
    }

    #[test]
    fn a_weekly_window_goes_over_the_end_of_the_week_and_by_the_clock_of_its_place() {
        let at = |now| end("Fri 16:00", "Mon 08:00", "Europe/Berlin", now);
        // 2026-11-20 is a Friday; Berlin is an hour ahead in winter and two in summer.
        assert_eq!(at("2026-11-20T14:59:59Z"), None);
        assert_eq!(at("2026-11-20T15:00:00Z").as_deref(), Some("2026-11-23T07:00:00Z"));
        assert_eq!(at("2026-11-23T06:59:59Z").as_deref(), Some("2026-11-23T07:00:00Z"));
        assert_eq!(at("2026-11-23T07:00:00Z"), None);
        assert_eq!(at("2026-07-03T14:00:00Z").as_deref(), Some("2026-07-06T06:00:00Z"));
    }

    #[test]
    fn a_weekly_window_may_be_within_a_day_or_leave_only_part_of_one_out() {
        assert_eq!(end("Wed 10:00", "wednesday 12:00", "UTC", "2026-11-18T11:00:00Z").as_deref(), Some("2026-11-18T12:00:00Z"));
        assert_eq!(end("Wed 12:00", "Wed 10:00", "UTC", "2026-11-18T13:00:00Z").as_deref(), Some("2026-11-25T10:00:00Z"));
        assert_eq!(end("Wed 12:00", "Wed 10:00", "UTC", "2026-11-18T11:00:00Z"), None);
    }

    #[test]
    fn what_is_no_window_is_told_apart() {
        let wrong = |from, to, zone| Window::read(from, to, zone).unwrap_err();
        assert_eq!(wrong("Fry 16:00", "Mon 08:00", "UTC"), Wrong::From);
        assert_eq!(wrong("Fri 16:00", "Mon 25:00", "UTC"), Wrong::To);
        assert_eq!(wrong("Fri 16:00", "2026-12-20", "UTC"), Wrong::Mixed);
        assert_eq!(wrong("2026-12-20", "2026-12-19", "UTC"), Wrong::Order);
        assert_eq!(wrong("Fri 16:00", "Fri 16:00", "UTC"), Wrong::Order);
        assert_eq!(wrong("Fri 16:00", "Mon 08:00", "Europe/Berlyn"), Wrong::Zone);
    }
}
