//! Dates in repositories.

use jiff::Timestamp;

/// Formats seconds since the epoch as RFC 5322 does, in UTC, the only time zone that apt reads.
pub(super) fn rfc5322(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    time.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_has_the_format_that_apt_reads() {
        assert_eq!(rfc5322(1_700_000_000), "Tue, 14 Nov 2023 22:13:20 UTC");
    }
}
