//! Dates as Java 11 prints them, always in UTC and English, whatever the machine's time zone and
//! locale.

use chrono::{DateTime, Utc};

/// Returns Java's full date and full time, then the zone's identifier: `Monday, November 23, 2026
/// at 8:37:35 PM Coordinated Universal Time Etc/UTC`.
pub(super) fn full(time: DateTime<Utc>) -> String {
    time.format("%A, %B %-d, %Y at %-I:%M:%S %p Coordinated Universal Time Etc/UTC").to_string()
}

/// Returns a date in the form of pki's lists: `Mon Nov 23 20:37:35 UTC 2026`.
pub fn unix(time: DateTime<Utc>) -> String {
    time.format("%a %b %d %H:%M:%S UTC %Y").to_string()
}

/// Returns the form of CMCResponse's pendTime: `02/Jan/2030:03:04:05 UTC`.
pub(super) fn compact(time: DateTime<Utc>) -> String {
    time.format("%d/%b/%Y:%H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(unix, 0).unwrap()
    }

    #[test]
    fn noon_and_midnight_are_twelve() {
        let zone = "Coordinated Universal Time Etc/UTC";
        assert_eq!(full(at(0)), format!("Thursday, January 1, 1970 at 12:00:00 AM {zone}"));
        assert_eq!(full(at(43_200)), format!("Thursday, January 1, 1970 at 12:00:00 PM {zone}"));
        assert_eq!(
            full(at(1_795_466_255)),
            format!("Monday, November 23, 2026 at 8:37:35 PM {zone}")
        );
    }

    #[test]
    fn unix_form() {
        assert_eq!(unix(at(1_795_466_255)), "Mon Nov 23 20:37:35 UTC 2026");
        assert_eq!(unix(at(0)), "Thu Jan 01 00:00:00 UTC 1970");
    }

    #[test]
    fn compact_form() {
        assert_eq!(compact(at(1_893_553_445)), "02/Jan/2030:03:04:05 UTC");
    }
}
