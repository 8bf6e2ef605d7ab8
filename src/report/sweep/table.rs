//! A sweep as a terminal shows it.

use super::csv::text_of;
use super::{
    Ending, METRICS, Metric, MetricSummary, NotPassed, Setting, SettingSummary, SweepSummary, Verdicts,
};
use crate::units::{counted, grouped};
use std::fmt::{self, Display, Formatter};

/// So many settings stand in a table; all of them are in the files.
const MOST_SETTINGS: usize = 20;

impl Display for SweepSummary {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        if !self.question.is_empty() {
            writeln!(f, "{}", self.question)?;
        }
        let fixed = self.label_of(&self.settings[0], |path| !self.varies(path));
        if !fixed.is_empty() {
            writeln!(f, "with {fixed}")?;
        }
        writeln!(f, "\n  {}", self.verdict.to_string().to_uppercase())?;
        self.those_that_did_not_pass(f)?;
        writeln!(f)?;
        match self.settings.as_slice() {
            [only] => self.alone(only, f)?,
            _ => self.side_by_side(f)?,
        }
        self.constants(f)
    }
}

impl SweepSummary {
    /// What the runs say about the next seed; of several settings, about the one that did worst.
    pub fn sentence(&self) -> String {
        let not_judged = |verdicts: Verdicts| match verdicts.unknown + verdicts.vacuous {
            0 => String::new(),
            1 => "; 1 more was unknown or vacuous and says nothing".into(),
            more => format!("; {} more were unknown or vacuous and say nothing", grouped(more)),
        };
        let high = |setting: &&SettingSummary| setting.failure.map_or(-1.0, |failure| failure.high);
        let worst = self.settings.iter().rev().max_by(|a, b| high(a).total_cmp(&high(b)));
        let setting = worst.unwrap_or(&self.settings[0]);
        if self.ending == Ending::FirstFailure {
            let runs = grouped(self.runs);
            return format!(
                "1 of {runs} runs failed, and the sweep stopped there: that gives no probability of failure"
            );
        }
        let sentence = match setting.failure {
            Some(failure) => failure.sentence(),
            None => "no run passed or failed: nothing is known about the probability of failure".into(),
        };
        let sentence = sentence + &not_judged(setting.verdicts);
        match self.settings.len() {
            1 => sentence,
            _ => format!("the worst setting, {}: {sentence}", self.label(setting)),
        }
    }

    fn those_that_did_not_pass(&self, f: &mut Formatter) -> fmt::Result {
        for run in self.not_passed.iter().take(super::MOST_SHOWN) {
            let NotPassed { seed, verdict, repeat, .. } = run;
            let label = self.text(&run.setting, |path| self.varies(path));
            let label = if label.is_empty() { label } else { format!(", {label}") };
            let why = run.finding.as_ref();
            let why = why.map_or(String::new(), |why| format!(": {}: {}", why.expectation, why.evidence));
            writeln!(f, "  {verdict:<8} seed {seed}{label}{why}\n           repeat: {repeat}")?;
        }
        let not_passed: u64 =
            self.settings.iter().map(|setting| setting.verdicts).map(|of| of.total() - of.pass).sum();
        match not_passed.saturating_sub(self.not_passed.len().min(super::MOST_SHOWN) as u64) {
            0 => Ok(()),
            more => writeln!(f, "  … and {} more that did not pass, in runs.jsonl", grouped(more)),
        }
    }

    fn alone(&self, only: &SettingSummary, f: &mut Formatter) -> fmt::Result {
        let Verdicts { pass, fail, unknown, vacuous } = only.verdicts;
        let counts = [(pass, "pass"), (fail, "fail"), (unknown, "unknown"), (vacuous, "vacuous")];
        let counts: Vec<String> =
            counts.iter().map(|&(count, name)| format!("{} {name}", grouped(count))).collect();
        writeln!(f, "  runs         {}: {}\n", grouped(self.runs), counts.join(", "))?;
        let width = METRICS.iter().map(|metric| metric.label().len()).max().unwrap_or(0);
        head(f, "metric", width)?;
        let varying = only.metrics.iter().filter(|of| self.constant(of.metric).is_none());
        varying.into_iter().try_for_each(|of| row(f, &of.metric.label(), width, of))
    }

    /// The value that a metric has in every run, if it has.
    fn constant(&self, metric: &Metric) -> Option<f64> {
        let mut all = self.settings.iter().map(|setting| {
            let of = setting.metrics.iter().find(|of| of.metric == metric)?;
            (of.runs as u64 == setting.verdicts.total() && of.best == of.worst).then_some(of.worst)
        });
        let first = all.next()??;
        all.all(|value| value == Some(first)).then_some(first)
    }

    fn constants(&self, f: &mut Formatter) -> fmt::Result {
        let value =
            |metric: &Metric| Some(format!("{} {}", metric.label(), metric.show(self.constant(metric)?)));
        let constants: Vec<String> = METRICS.iter().filter_map(value).collect();
        if constants.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n  the same in every run:")?;
        constants.chunks(5).try_for_each(|few| writeln!(f, "    {}", few.join(" · ")))
    }

    fn side_by_side(&self, f: &mut Formatter) -> fmt::Result {
        let labels: Vec<String> = self.settings.iter().map(|setting| self.label(setting)).collect();
        let shown = &self.settings[..self.settings.len().min(MOST_SETTINGS)];
        let more = self.settings.len() - shown.len();
        let width = labels.iter().take(shown.len()).map(|label| label.chars().count()).max().unwrap_or(0);
        // A table that is wider than this is read by nobody; a row with a longer label sticks out.
        let width = width.clamp(27, 60);
        let rest = |f: &mut Formatter| match more {
            0 => Ok(()),
            more => writeln!(f, "    … and {} more settings, in metrics.csv", counted(more)),
        };
        writeln!(
            f,
            "  {:<width$}  {:>8} {:>8} {:>8} {:>8}   failure, at 95 %",
            "runs", "pass", "fail", "unknown", "vacuous"
        )?;
        for (setting, label) in shown.iter().zip(&labels) {
            let Verdicts { pass, fail, unknown, vacuous } = setting.verdicts;
            let [pass, fail, unknown, vacuous] = [pass, fail, unknown, vacuous].map(grouped);
            let failure = setting.failure.map_or("-".into(), |failure| failure.interval());
            writeln!(f, "    {label:<width$}{pass:>8} {fail:>8} {unknown:>8} {vacuous:>8}   {failure}")?;
        }
        rest(f)?;
        for metric in METRICS.iter().filter(|metric| self.constant(metric).is_none()) {
            let find =
                |setting: &SettingSummary| setting.metrics.iter().find(|of| of.metric == metric).copied();
            if self.settings.iter().all(|setting| find(setting).is_none()) {
                continue;
            }
            writeln!(f)?;
            head(f, &metric.label(), width)?;
            for (setting, label) in shown.iter().zip(&labels) {
                match find(setting) {
                    Some(of) => row(f, &format!("  {label}"), width, &of)?,
                    None => writeln!(f, "    {label:<width$}{:>10}", "-")?,
                }
            }
            rest(f)?;
        }
        Ok(())
    }

    fn label(&self, setting: &SettingSummary) -> String {
        self.label_of(setting, |path| self.varies(path))
    }

    fn label_of(&self, setting: &SettingSummary, which: impl Fn(&str) -> bool) -> String {
        self.text(&setting.setting, which)
    }

    fn text(&self, setting: &Setting, which: impl Fn(&str) -> bool) -> String {
        let set = setting.iter().filter(|(path, _)| which(path));
        set.map(|(path, value)| format!("{path}={}", text_of(value))).collect::<Vec<_>>().join(", ")
    }

    /// Whether settings differ in this value.
    fn varies(&self, path: &str) -> bool {
        self.settings.iter().any(|setting| setting.setting.get(path) != self.settings[0].setting.get(path))
    }
}

fn head(f: &mut Formatter, name: &str, width: usize) -> fmt::Result {
    let width = width + 2;
    writeln!(
        f,
        "  {name:<width$}{:>10} {:>10} {:>10} {:>10}   with seed    runs",
        "median", "5 %", "95 %", "worst"
    )
}

fn row(f: &mut Formatter, label: &str, width: usize, of: &MetricSummary) -> fmt::Result {
    let width = width + 2;
    let [median, low, high, worst] =
        [of.median, of.percentile_5, of.percentile_95, of.worst].map(|value| of.metric.show(value));
    let (seed, runs) = (of.worst_seed, counted(of.runs));
    writeln!(f, "  {label:<width$}{median:>10} {low:>10} {high:>10} {worst:>10}   {seed:<9} {runs:>7}")
}
