//! Which runs a sweep has, in which order, and how far it is.

use super::SweepArguments;
use super::arguments::Variant;
use crate::judge::Verdict;
use crate::report::{Ending, Setting, Sweep, SweepRun, SweepSummary, Verdicts};
use crate::scenario::{Outline, ScenarioFile};
use crate::sim::Topology;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The runs of a sweep: all seeds with the first setting, then all with the next.
pub(super) struct Plan<'a> {
    arguments: &'a SweepArguments,
    variants: Vec<Variant>,
    names_data: bool,
    title: String,
    question: String,
}

impl<'a> Plan<'a> {
    pub(super) fn new<C>(
        arguments: &'a SweepArguments,
        variants: Vec<Variant>,
        outlines: &[Outline<C>],
    ) -> Plan<'a> {
        let ScenarioFile { title, question, .. } = &outlines[0].file;
        let names_data = outlines.iter().any(|outline| outline.file.names_data());
        Plan { arguments, variants, names_data, title: title.clone(), question: question.clone() }
    }

    /// How many runs.
    pub(super) fn runs(&self) -> u64 {
        self.arguments.seeds.count() * self.variants.len() as u64
    }

    /// Setting and seed of a run.
    pub(super) fn run(&self, number: u64) -> (usize, u64) {
        let seeds = self.arguments.seeds.count();
        ((number / seeds) as usize, self.arguments.seeds.nth(number % seeds))
    }

    pub(super) fn setting(&self, number: u64) -> &Setting {
        &self.variants[self.run(number).0].setting
    }

    /// The command that repeats a run.
    pub(super) fn repeat(&self, number: u64) -> String {
        let (setting, seed) = self.run(number);
        self.variants[setting].scenario.repeat(seed, self.names_data)
    }
}

/// What the results of a sweep depend on, in short: version, program, seeds, every setting with its scenario and data.
pub(super) fn identity<C: Clone + Serialize>(arguments: &SweepArguments, outlines: &[Outline<C>]) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: String| hash.update(part + "\n");
    add(format!("{} {:?} {}", env!("CARGO_PKG_VERSION"), this_program(), arguments.seeds));
    for outline in outlines {
        add(serde_json::to_string(&outline.file).expect("our values have string keys and no failing parts"));
        // What was read from data files.
        add(format!("{:?}", outline.links));
        if let Some(Topology::EdgeList { .. }) = outline.file.topology {
            add(format!("{:?}", outline.clone().build().graph));
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Size and time of the program's file: whoever builds a protocol of their own anew wants no runs of the old one.
fn this_program() -> Option<(u64, std::time::Duration)> {
    let file = std::env::current_exe().ok()?.metadata().ok()?;
    #[expect(clippy::disallowed_types, reason = "the time of a file, which no simulation reads")]
    let epoch = std::time::SystemTime::UNIX_EPOCH;
    Some((file.len(), file.modified().ok()?.duration_since(epoch).ok()?))
}

/// How far a sweep is.
pub(super) struct Reached<'a> {
    plan: &'a Plan<'a>,
    sweep: Sweep,
    runs: u64,
    failed: bool,
}

impl<'a> Reached<'a> {
    pub(super) fn nothing(plan: &'a Plan<'a>) -> Reached<'a> {
        let settings = plan.variants.iter().map(|variant| variant.setting.clone());
        Reached { plan, sweep: Sweep::over(settings.collect()), runs: 0, failed: false }
    }

    /// How many runs are done: it is also the number of the next.
    pub(super) fn runs(&self) -> u64 {
        self.runs
    }

    pub(super) fn verdicts(&self) -> Verdicts {
        self.sweep.verdicts()
    }

    /// Whether this is the next run.
    pub(super) fn expects(&self, run: &SweepRun) -> bool {
        let next = || self.plan.run(self.runs).1;
        !self.is_over() && run.seed == next() && run.setting == *self.plan.setting(self.runs)
    }

    /// Counts the next run.
    pub(super) fn take(&mut self, run: &SweepRun) {
        let (setting, _) = self.plan.run(self.runs);
        self.sweep.add(setting, run, || self.plan.repeat(self.runs));
        self.runs += 1;
        self.failed |= run.verdict == Verdict::Fail;
    }

    /// Whether there is no next run.
    pub(super) fn is_over(&self) -> bool {
        self.ending() != Ending::Interrupted
    }

    /// How it ends, if it ends here.
    pub(super) fn ending(&self) -> Ending {
        match self.plan.arguments.fail_fast && self.failed {
            true => Ending::FirstFailure,
            false if self.runs == self.plan.runs() => Ending::Complete,
            false => Ending::Interrupted,
        }
    }

    pub(super) fn sum_up(self) -> SweepSummary {
        let (plan, ending) = (self.plan, self.ending());
        let heading = (plan.title.clone(), plan.question.clone());
        self.sweep.sum_up(heading, plan.arguments.seeds.to_string(), plan.runs(), ending)
    }
}
