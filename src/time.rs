//! Time: integer nanoseconds, never floating point.
//!
//! [`Time`] is the world's clock, which only worlds, observers and judges see. [`LocalTime`] is what one node
//! reads from its own clock, which may be skewed; a protocol never sees anything else. Lengths of time are
//! [`std::time::Duration`].

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment of a run: nanoseconds since its start. Range: 0 to about 584 years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Time(u64);

/// What a node's own clock shows: nanoseconds since that clock's zero. Clocks of two nodes cannot be compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LocalTime(u64);

impl Time {
    /// The start of a run.
    pub const ZERO: Time = Time(0);
    /// The end of all time; no event lies beyond it.
    pub const MAX: Time = Time(u64::MAX);

    /// The moment `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The moment `nanos` nanoseconds later; [`Time::MAX`] at the latest.
    pub const fn after(self, nanos: u64) -> Time {
        Time(self.0.saturating_add(nanos))
    }

    /// Time since `earlier`; zero if `earlier` is the later one.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl LocalTime {
    /// The reading `nanos` nanoseconds after the clock's zero.
    pub const fn from_nanos(nanos: u64) -> LocalTime {
        LocalTime(nanos)
    }

    /// Nanoseconds since the clock's zero.
    pub const fn nanos(self) -> u64 {
        self.0
    }
}

/// A duration in whole nanoseconds; what does not fit becomes the largest value (584 years).
pub fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into())
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Saturates at [`Time::MAX`].
    fn add(self, length: Duration) -> Time {
        self.after(nanos(length))
    }
}

impl Sub<LocalTime> for LocalTime {
    type Output = Duration;

    /// Zero if the right-hand side is the later one.
    fn sub(self, earlier: LocalTime) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Time {
    /// Seconds with as many digits as needed: `12.4s`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (seconds, fraction) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        if fraction == 0 {
            return write!(f, "{seconds}s");
        }
        let digits = format!("{fraction:09}");
        write!(f, "{seconds}.{}s", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_prints_as_seconds_without_idle_digits() {
        for (nanos, text) in
            [(0, "0s"), (12_400_000_000, "12.4s"), (1, "0.000000001s"), (10_050_000_000, "10.05s")]
        {
            assert_eq!(Time::from_nanos(nanos).to_string(), text);
        }
    }

    #[test]
    fn adding_never_overflows() {
        assert_eq!(Time::MAX + Duration::from_secs(1), Time::MAX);
        assert_eq!(Time::ZERO + Duration::MAX, Time::MAX);
    }
}
