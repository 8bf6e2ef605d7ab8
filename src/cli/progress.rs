//! What a person sees of a long run, and how they end it.

use crate::report::Verdicts;
use crate::time::Time;
use crate::units::grouped;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
#[expect(
    clippy::disallowed_types,
    reason = "a person's time is that of the wall clock; no simulation reads it"
)]
use std::time::Instant;

/// Runs that are over sooner show no progress.
const PATIENCE: Duration = Duration::from_secs(1);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Begins to listen to Ctrl-C: a first one ends the run with what was reached.
pub(super) fn listen() {
    // A second handler in one process (a test) is refused, and the first one serves it as well.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            // The second one means it.
            std::process::exit(130);
        }
    });
}

/// Whether the person has pressed Ctrl-C.
pub(super) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Measures a run, and shows on a terminal's standard error how far it is and how long it will take.
pub(super) struct Clock {
    #[expect(clippy::disallowed_types, reason = "as above")]
    started: Instant,
    /// How long the simulation itself took so far.
    took: Duration,
    end: Time,
    quiet: bool,
    bar: Option<ProgressBar>,
}

impl Clock {
    /// Begins to measure a run that ends at `end`.
    #[expect(clippy::disallowed_types, reason = "as above")]
    pub(super) fn start(end: Time, quiet: bool) -> Clock {
        Clock { started: Instant::now(), took: Duration::ZERO, end, quiet, bar: None }
    }

    /// Does a part of the run, and adds up how long that takes.
    #[expect(clippy::disallowed_types, reason = "as above")]
    pub(super) fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = work();
        self.took += began.elapsed();
        result
    }

    /// Shows how far the run is.
    pub(super) fn show(&mut self, now: Time) {
        if self.quiet || self.started.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style =
                ProgressStyle::with_template("{bar:30} {percent} %  {msg} of virtual time, {eta} to go")
                    .expect("the template is valid");
            // Hidden unless standard error is a terminal.
            ProgressBar::new(self.end.nanos()).with_style(style).with_elapsed(self.started.elapsed())
        });
        bar.set_message(format!("{:.1} s", now.since(Time::ZERO).as_secs_f64()));
        bar.set_position(now.nanos());
    }

    /// Clears what is shown; how long the simulation itself took.
    pub(super) fn finish(self) -> Duration {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.took
    }
}

/// Shows on a terminal's standard error how far a sweep is.
pub(super) struct Tally {
    #[expect(clippy::disallowed_types, reason = "as above")]
    started: Instant,
    planned: u64,
    /// How many runs an earlier start has done.
    known: u64,
    quiet: bool,
    bar: Option<ProgressBar>,
}

impl Tally {
    /// Begins to show a sweep of `planned` runs, of which `known` are done.
    #[expect(clippy::disallowed_types, reason = "as above")]
    pub(super) fn start(planned: u64, known: u64, quiet: bool) -> Tally {
        Tally { started: Instant::now(), planned, known, quiet, bar: None }
    }

    /// Shows how the runs so far ended.
    pub(super) fn show(&mut self, verdicts: Verdicts) {
        if self.quiet || self.started.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:30} {percent} %  {msg}, {eta} to go")
                .expect("the template is valid");
            // Runs that were known took no time now: the bar counts the others.
            let runs = ProgressBar::new(self.planned - self.known).with_style(style);
            let runs = runs.with_position(verdicts.total() - self.known).with_elapsed(self.started.elapsed());
            // The pace is that of the runs from here on; those so far were not done in this moment.
            runs.reset_eta();
            runs
        });
        let (runs, failed) = (grouped(verdicts.total()), grouped(verdicts.fail));
        bar.set_message(format!("{runs} of {} runs, {failed} failed", grouped(self.planned)));
        bar.set_position(verdicts.total() - self.known);
    }

    /// Clears what is shown.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
