//! The time of a live process: real time since its start, or a multiple of it.

use crate::message::Timestamp;
use crate::time::{LocalTime, Time};
use std::time::Duration;
use tokio::time::Instant;

/// For how long a secret holds is a matter of the real calendar.
#[expect(clippy::disallowed_types, reason = "see above")]
pub(crate) fn today() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// Live messages and orders are dated by the real calendar.
pub(super) fn now() -> Timestamp {
    let since = today().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_micros(since.map_or(0, |since| since.as_micros() as u64))
}

/// Tells the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// None: it stands still at zero.
    start: Option<Instant>,
    calendar: Timestamp,
    /// So many times faster than real time.
    speed: f64,
}

impl Clock {
    /// A clock that stands still at zero: so a network can be set up that is there from the start.
    pub(super) fn new(speed: f64) -> Clock {
        Clock { start: None, calendar: now(), speed }
    }

    /// Time begins to pass, if it does not yet.
    pub(super) fn start(&mut self) {
        self.start.get_or_insert_with(Instant::now);
    }

    fn nanos(&self) -> u64 {
        self.nanos_at(Instant::now())
    }

    fn nanos_at(&self, moment: Instant) -> u64 {
        // Not zero any more: what a node is given at time zero was there from the start.
        let passed = |start| (moment.saturating_duration_since(start).as_nanos() as f64 * self.speed) as u64;
        // (In whole microseconds: nothing here is known more exactly, and people read it.)
        self.start.map_or(0, |start| passed(start) / 1_000 * 1_000 + 1_000)
    }

    pub(super) fn now(&self) -> Time {
        Time::from_nanos(self.nanos())
    }

    /// The time at a moment.
    pub(super) fn time_at(&self, moment: Instant) -> Time {
        Time::from_nanos(self.nanos_at(moment))
    }

    /// The same by a node's own clock.
    pub(super) fn local_at(&self, moment: Instant) -> LocalTime {
        LocalTime::from_nanos(self.nanos_at(moment))
    }

    pub(super) fn calendar(&self) -> Timestamp {
        self.calendar_at(self.now())
    }

    pub(super) fn calendar_at(&self, time: Time) -> Timestamp {
        Timestamp::from_micros(self.calendar.micros() + time.nanos() / 1_000)
    }

    /// How long something takes in reality.
    pub(super) fn real(&self, length: Duration) -> Duration {
        length.div_f64(self.speed)
    }

    /// When a moment comes.
    pub(super) fn instant(&self, time: Time) -> Instant {
        self.start.unwrap_or_else(Instant::now) + self.real(Duration::from_nanos(time.nanos()))
    }
}
