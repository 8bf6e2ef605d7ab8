//! What the runs of one scenario with many seeds have in common: verdicts counted, metrics with their percentiles, and
//! what that says about the next seed.

mod confidence;
mod csv;
mod metric;
mod table;

pub use confidence::FailureProbability;
pub use metric::{METRICS, Measured, Metric};

use super::Summary;
use crate::judge::{Finding, Verdict};
use metric::Worse;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The values that a sweep sets in a scenario, by path.
pub type Setting = Map<String, Value>;

/// How many runs of each verdict but pass are kept to be shown.
const MOST_SHOWN: usize = 8;

/// One run of a sweep: a line of `runs.jsonl`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SweepRun {
    /// What was set.
    pub setting: Setting,
    /// The seed.
    pub seed: u64,
    /// How it ended.
    pub verdict: Verdict,
    /// Why.
    pub findings: Vec<Finding>,
    /// What was measured.
    pub metrics: Measured,
    /// The digest of all its events.
    pub digest: String,
}

impl SweepRun {
    /// What a sweep keeps of a run.
    pub fn of(setting: Setting, summary: &Summary) -> SweepRun {
        SweepRun {
            setting,
            seed: summary.seed,
            verdict: summary.verdict(),
            findings: summary.judgement.findings.clone(),
            metrics: Measured::of(summary),
            digest: summary.digest.clone().unwrap_or_default(),
        }
    }
}

/// Why a sweep has the runs that it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// They are all there.
    Complete,
    /// It was to stop at the first failing run, and did.
    FirstFailure,
    /// Somebody stopped it.
    Interrupted,
}

/// A sweep on its way. It keeps a few numbers of a run.
pub struct Sweep {
    settings: Vec<Tally>,
    not_passed: Vec<NotPassed>,
}

/// What is known so far about one setting.
struct Tally {
    setting: Setting,
    verdicts: Verdicts,
    /// By metric; the runs that have it.
    values: Vec<Vec<f64>>,
    /// By metric; the worst value, and the first seed that has it.
    worst: Vec<Option<(f64, u64)>>,
}

/// How many runs ended how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Verdicts {
    /// What was expected held.
    pub pass: u64,
    /// It was broken.
    pub fail: u64,
    /// The run was too short to tell.
    pub unknown: u64,
    /// Nothing was tested.
    pub vacuous: u64,
}

/// A run that did not pass.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct NotPassed {
    /// What was set.
    pub setting: Setting,
    /// The seed.
    pub seed: u64,
    /// How it ended.
    pub verdict: Verdict,
    /// The first finding with that verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// The command that repeats it.
    pub repeat: String,
}

/// What a sweep found out: a function of its runs, so that two of them can be compared byte by byte.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SweepSummary {
    /// The scenario's title, or its file's name if it has none.
    pub title: String,
    /// The question that it asks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub question: String,
    /// The version of rumormill.
    pub version: &'static str,
    /// The seeds, as they were asked for.
    pub seeds: String,
    /// The worst verdict of all runs.
    pub verdict: Verdict,
    /// Why there are as many runs as there are.
    pub ending: Ending,
    /// How many runs were asked for.
    pub planned: u64,
    /// How many there are.
    pub runs: u64,
    /// One per setting, in the order of the command line; those without any run are left out.
    pub settings: Vec<SettingSummary>,
    /// The first runs that did not pass, the worst verdict first; at most eight of each verdict.
    pub not_passed: Vec<NotPassed>,
}

/// What a sweep found out about one setting.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SettingSummary {
    /// What was set.
    pub setting: Setting,
    /// How its runs ended.
    pub verdicts: Verdicts,
    /// How probable it is that a seed fails. Not known if no run passed or failed, or if the sweep stopped because one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureProbability>,
    /// Those that any of its runs has.
    pub metrics: Vec<MetricSummary>,
}

/// One metric over the runs of a setting. Percentiles are values that a run had (nearest rank).
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct MetricSummary {
    /// Which.
    #[serde(rename = "name", serialize_with = "metric::name")]
    pub metric: &'static Metric,
    /// How many runs have it.
    pub runs: usize,
    /// The value in the middle.
    pub median: f64,
    /// The 5th percentile.
    pub percentile_5: f64,
    /// The 95th percentile.
    pub percentile_95: f64,
    /// The worst: the largest, or the smallest where less is worse.
    pub worst: f64,
    /// The first seed that has it.
    pub worst_seed: u64,
    /// The best.
    pub best: f64,
}

impl Sweep {
    /// A sweep over these settings, without runs.
    pub fn over(settings: Vec<Setting>) -> Sweep {
        Sweep { settings: settings.into_iter().map(Tally::new).collect(), not_passed: Vec::new() }
    }

    /// Counts a run with the setting of this number. `repeat`: the command that repeats it.
    pub fn add(&mut self, setting: usize, run: &SweepRun, repeat: impl FnOnce() -> String) {
        self.settings[setting].add(run);
        let alike = self.not_passed.iter().filter(|other| other.verdict == run.verdict).count();
        if run.verdict == Verdict::Pass || alike == MOST_SHOWN {
            return;
        }
        self.not_passed.push(NotPassed {
            setting: run.setting.clone(),
            seed: run.seed,
            verdict: run.verdict,
            finding: run.findings.iter().find(|finding| finding.verdict == run.verdict).cloned(),
            repeat: repeat(),
        });
    }

    /// How many runs ended how.
    pub fn verdicts(&self) -> Verdicts {
        self.settings.iter().fold(Verdicts::default(), |sum, tally| sum.plus(tally.verdicts))
    }

    /// Sums it up. `title`, `question`: the scenario's; `planned`: how many runs were asked for, by `seeds`.
    pub fn sum_up(
        mut self,
        (title, question): (String, String),
        seeds: String,
        planned: u64,
        ending: Ending,
    ) -> SweepSummary {
        let verdicts = self.verdicts();
        self.not_passed.sort_by_key(|run| std::cmp::Reverse(run.verdict));
        let settings = self.settings.into_iter().filter(|tally| tally.verdicts.total() > 0);
        SweepSummary {
            title,
            question,
            version: env!("CARGO_PKG_VERSION"),
            seeds,
            verdict: verdicts.worst(),
            ending,
            planned,
            runs: verdicts.total(),
            settings: settings.map(|tally| tally.sum_up(ending)).collect(),
            not_passed: self.not_passed,
        }
    }
}

impl Tally {
    fn new(setting: Setting) -> Tally {
        let values = vec![Vec::new(); METRICS.len()];
        Tally { setting, verdicts: Verdicts::default(), values, worst: vec![None; METRICS.len()] }
    }

    fn add(&mut self, run: &SweepRun) {
        self.verdicts.add(run.verdict);
        for (number, value) in run.metrics.values().enumerate() {
            let Some(value) = value else { continue };
            self.values[number].push(value);
            let worst = &mut self.worst[number];
            if worst.is_none_or(|(worst, _)| METRICS[number].is_worse(value, worst)) {
                *worst = Some((value, run.seed));
            }
        }
    }

    fn sum_up(self, ending: Ending) -> SettingSummary {
        let Verdicts { pass, fail, .. } = self.verdicts;
        // A share of runs that end with a failure because there was one is no estimate.
        let is_sample = ending != Ending::FirstFailure || fail == 0;
        let metrics = METRICS.iter().zip(self.values).zip(self.worst);
        SettingSummary {
            setting: self.setting,
            verdicts: self.verdicts,
            failure: FailureProbability::of(fail, pass + fail).filter(|_| is_sample),
            metrics: metrics
                .filter_map(|((metric, values), worst)| MetricSummary::of(metric, values, worst?))
                .collect(),
        }
    }
}

impl MetricSummary {
    fn of(
        metric: &'static Metric,
        mut values: Vec<f64>,
        (worst, worst_seed): (f64, u64),
    ) -> Option<MetricSummary> {
        values.sort_unstable_by(f64::total_cmp);
        Some(MetricSummary {
            metric,
            runs: values.len(),
            median: percentile(&values, 50)?,
            percentile_5: percentile(&values, 5)?,
            percentile_95: percentile(&values, 95)?,
            worst,
            worst_seed,
            best: if metric.is_worse(*values.first()?, *values.last()?) {
                *values.last()?
            } else {
                *values.first()?
            },
        })
    }
}

/// The smallest of the ascending values that so many percent of them do not exceed.
fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

impl Metric {
    fn is_worse(&self, value: f64, than: f64) -> bool {
        match self.worse {
            Worse::More => value > than,
            Worse::Less => value < than,
        }
    }
}

impl Verdicts {
    /// Counts one more.
    pub fn add(&mut self, verdict: Verdict) {
        *self.of(verdict) += 1;
    }

    fn of(&mut self, verdict: Verdict) -> &mut u64 {
        match verdict {
            Verdict::Pass => &mut self.pass,
            Verdict::Fail => &mut self.fail,
            Verdict::Unknown => &mut self.unknown,
            Verdict::Vacuous => &mut self.vacuous,
        }
    }

    fn plus(self, other: Verdicts) -> Verdicts {
        Verdicts {
            pass: self.pass + other.pass,
            fail: self.fail + other.fail,
            unknown: self.unknown + other.unknown,
            vacuous: self.vacuous + other.vacuous,
        }
    }

    /// All of them.
    pub fn total(self) -> u64 {
        self.pass + self.fail + self.unknown + self.vacuous
    }

    /// The worst that occurs; of no runs at all, nothing was tested.
    pub fn worst(self) -> Verdict {
        match self {
            Verdicts { fail: 1.., .. } => Verdict::Fail,
            Verdicts { vacuous: 1.., .. } => Verdict::Vacuous,
            Verdicts { unknown: 1.., .. } => Verdict::Unknown,
            Verdicts { pass: 1.., .. } => Verdict::Pass,
            Verdicts { .. } => Verdict::Vacuous,
        }
    }
}

#[cfg(test)]
mod tests;
