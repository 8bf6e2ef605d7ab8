//! The time of a live process: real time since its start, or a multiple of it.

use crate::message::Timestamp;
use crate::time::{LocalTime, Time};
use std::time::Duration;
use tokio::time::Instant;

/// Tells the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    calendar: Timestamp,
    /// So many times faster than real time.
    speed: f64,
}

impl Clock {
    #[expect(clippy::disallowed_types, reason = "live messages are dated by the real calendar")]
    pub(super) fn start(speed: f64) -> Clock {
        let calendar = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let calendar = Timestamp::from_micros(calendar.map_or(0, |since| since.as_micros() as u64));
        Clock { start: Instant::now(), calendar, speed }
    }

    fn nanos(&self) -> u64 {
        (self.start.elapsed().as_nanos() as f64 * self.speed) as u64
    }

    pub(super) fn now(&self) -> Time {
        Time::from_nanos(self.nanos())
    }

    /// Never zero: that is when simulated networks begin that are there from the start.
    pub(super) fn local(&self) -> LocalTime {
        LocalTime::from_nanos(self.nanos().max(1))
    }

    pub(super) fn calendar(&self) -> Timestamp {
        Timestamp::from_micros(self.calendar.micros() + self.nanos() / 1_000)
    }

    /// How long something takes in reality.
    pub(super) fn real(&self, length: Duration) -> Duration {
        length.div_f64(self.speed)
    }

    /// When a moment comes.
    pub(super) fn instant(&self, time: Time) -> Instant {
        self.start + self.real(Duration::from_nanos(time.nanos()))
    }
}
