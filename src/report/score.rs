//! What a scenario proves: which weakened nodes its expectations notice.

use super::Summary;
use crate::judge::{Finding, Verdict};
use crate::units::grouped;
use serde::Serialize;
use std::fmt::{self, Display};

/// How a scenario judges its nodes as they are, and each of their weakened variants.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Score {
    /// The scenario's title.
    pub title: String,
    /// The seed of all runs.
    pub seed: u64,
    /// How the run ended in which nodes lack nothing.
    pub verdict: Verdict,
    /// What decided that, if it did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<Finding>,
    /// How many events that run had.
    pub events: u64,
    /// How many weaknesses were caught.
    pub caught: usize,
    /// What became of each.
    pub weaknesses: Vec<WeakRun>,
    /// The command that does all this again.
    pub repeat: String,
}

/// A run in which nodes lacked something.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct WeakRun {
    /// What they lacked.
    pub weakness: &'static str,
    /// How the run ended.
    pub verdict: Verdict,
    /// Whether that is worse than without the weakness, or there was no end of it.
    pub caught: bool,
    /// What decided the verdict, if it did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<Finding>,
    /// It was stopped: it had [so many times](Score::MOST_TIMES) the events of the run without the weakness.
    pub runaway: bool,
    /// How many events it had.
    pub events: u64,
}

/// The finding that decided a verdict.
fn broken(summary: &Summary) -> Option<Finding> {
    let worst = summary.verdict();
    let mut findings = summary.judgement.findings.iter();
    findings.find(|finding| finding.verdict == worst && worst != Verdict::Pass).cloned()
}

impl Score {
    /// A weak run is stopped that has so many times the events of the run without the weakness.
    pub const MOST_TIMES: u64 = 100;

    /// The score of a scenario whose run without any weakness ended like this, so far without weak runs.
    pub fn of(summary: &Summary, repeat: String) -> Score {
        Score {
            title: summary.title.clone(),
            seed: summary.seed,
            verdict: summary.verdict(),
            broken: broken(summary),
            events: summary.events,
            caught: 0,
            weaknesses: Vec::new(),
            repeat,
        }
    }

    /// Adds a weak run. `runaway`: it was stopped.
    pub fn add(&mut self, weakness: &'static str, summary: &Summary, runaway: bool) {
        let verdict = summary.verdict();
        let caught = runaway || verdict > self.verdict;
        self.caught += usize::from(caught);
        let (broken, events) = (broken(summary), summary.events);
        self.weaknesses.push(WeakRun { weakness, verdict, caught, broken, runaway, events });
    }

    /// At how many events a weak run is stopped.
    pub fn most_events(&self) -> u64 {
        // A run of few events may need a few more for reasons of its own.
        self.events.max(1_000).saturating_mul(Score::MOST_TIMES)
    }

    /// The score in one sentence.
    pub fn sentence(&self) -> String {
        let missed: Vec<&str> =
            self.weaknesses.iter().filter(|run| !run.caught).map(|run| run.weakness).collect();
        let missed = match missed[..] {
            [] => String::new(),
            _ => format!(", not {}", missed.join(", ")),
        };
        format!("catches {} of {} weaknesses{missed}", self.caught, self.weaknesses.len())
    }
}

impl WeakRun {
    fn why(&self) -> String {
        match &self.broken {
            _ if self.runaway => {
                format!("stopped after {} events, {} times too many", grouped(self.events), Score::MOST_TIMES)
            }
            Some(Finding { expectation, evidence, .. }) => format!("{expectation}: {evidence}"),
            None => String::new(),
        }
    }
}

impl Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.verdict)?;
        if let Some(Finding { expectation, evidence, .. }) = &self.broken {
            write!(f, " ({expectation}: {evidence})")?;
        }
        let width = self.weaknesses.iter().map(|run| run.weakness.len()).max().unwrap_or(0);
        write!(f, "\n\n  {:width$}          verdict  what broke", "weakness")?;
        for run in &self.weaknesses {
            let caught = if run.caught { "caught" } else { "missed" };
            let line = format!("  {:width$}  {caught}  {:7}  {}", run.weakness, run.verdict, run.why());
            write!(f, "\n{}", line.trim_end())?;
        }
        write!(f, "\n\n{}", self.sentence())?;
        match self.verdict {
            Verdict::Fail => {
                write!(f, "\n(it fails without any weakness: nothing is worse, and the score says nothing)")
            }
            _ => write!(f, "\n(caught: the verdict is worse than without the weakness)"),
        }
    }
}
