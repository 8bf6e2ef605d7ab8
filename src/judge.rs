//! The verdict: whether what was expected held, and whether that was tested at all.

mod delivery;

pub use delivery::{Coverage, Miss, Reach};

use crate::graph::Graph;
use crate::observe::{Metrics, Spread};
use crate::scenario::{Expectation, LatencyExpectation, Range};
use crate::units::{format_duration, grouped, human_duration};
use crate::world::InFlight;
use serde::Serialize;
use std::fmt::{self, Display};
use std::time::Duration;

/// How a run, or one expectation of it, ended. Of several, the worst counts; they stand in that order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It held.
    Pass,
    /// The run was too short to tell.
    Unknown,
    /// Nothing was tested.
    Vacuous,
    /// It was broken.
    Fail,
}

/// What became of one expectation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What was expected.
    pub expectation: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Why: what was measured, or the first thing that was wrong.
    pub evidence: String,
}

/// What became of all of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Judgement {
    /// The worst verdict of all findings.
    pub verdict: Verdict,
    /// One per expectation, in the order of the scenario; and what was wrong with the run as a whole.
    pub findings: Vec<Finding>,
}

/// What a run left behind to be judged.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// How every broadcast spread.
    pub metrics: &'a Metrics,
    /// The links that were up at the end.
    pub graph: &'a Graph,
    /// What was still on its way.
    pub in_flight: InFlight,
    /// Whether the run went to its end; otherwise it was interrupted.
    pub complete: bool,
}

impl Verdict {
    /// The exit code of a run with this verdict.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Pass => 0,
            Verdict::Fail => 1,
            Verdict::Unknown => 2,
            Verdict::Vacuous => 3,
        }
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Unknown => "unknown",
            Verdict::Vacuous => "vacuous",
        })
    }
}

/// Judges a run by what was expected of it.
pub fn judge(expectations: &[Expectation], evidence: Evidence<'_>) -> Judgement {
    let coverage = Coverage::of(evidence.metrics);
    let mut findings: Vec<Finding> = expectations
        .iter()
        .map(|expectation| {
            let (verdict, evidence) = examine(expectation, evidence, &coverage);
            Finding { expectation: describe(expectation), verdict, evidence }
        })
        .collect();
    findings.extend(whole_run(expectations, evidence));
    let verdict = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Vacuous);
    Judgement { verdict, findings }
}

/// What is wrong with the run itself, whatever was expected.
fn whole_run(expectations: &[Expectation], evidence: Evidence<'_>) -> Vec<Finding> {
    let finding = |name: &str, verdict, evidence| Finding { expectation: name.into(), verdict, evidence };
    let mut findings = Vec::new();
    if expectations.is_empty() {
        findings.push(finding("expectations", Verdict::Vacuous, "the scenario expects nothing".into()));
    }
    if evidence.metrics.spreads().is_empty() {
        findings.push(finding("broadcasts", Verdict::Vacuous, "nothing was broadcast".into()));
    }
    if !evidence.complete {
        findings.push(finding("end", Verdict::Unknown, "the run was interrupted".into()));
    }
    if evidence.in_flight.messages > 0 {
        let InFlight { messages, payloads } = evidence.in_flight;
        let text = format!(
            "{messages} messages were still on their way ({payloads} with a broadcast); let the run end later"
        );
        findings.push(finding("quiet at the end", Verdict::Unknown, text));
    }
    findings
}

fn examine(expectation: &Expectation, evidence: Evidence<'_>, coverage: &Coverage) -> (Verdict, String) {
    match expectation {
        Expectation::EveryoneDelivers => {
            coverage.judge(evidence.in_flight.messages > 0 || !evidence.complete)
        }
        Expectation::Connected => connected(evidence.graph),
        Expectation::Redundancy(range) => redundancy(range, evidence.metrics.spreads()),
        Expectation::Latency(expected) => latency(expected, evidence.metrics.spreads(), coverage),
        Expectation::Messages(range) => messages(range, evidence.metrics.spreads()),
    }
}

fn describe(expectation: &Expectation) -> String {
    match expectation {
        Expectation::EveryoneDelivers => "everyone_delivers".into(),
        Expectation::Connected => "connected".into(),
        Expectation::Redundancy(range) => format!("redundancy {}", bounds(range)),
        Expectation::Latency(LatencyExpectation { share, max }) => {
            format!("latency to {} % at most {}", share * 100.0, format_duration(*max))
        }
        Expectation::Messages(range) => format!("messages {}", bounds(range)),
    }
}

fn bounds<T: Display>(range: &Range<T>) -> String {
    match (&range.min, &range.max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "without bounds".into(),
    }
}

impl<T: PartialOrd> Range<T> {
    fn contains(&self, value: T) -> bool {
        self.min.as_ref().is_none_or(|min| value >= *min) && self.max.as_ref().is_none_or(|max| value <= *max)
    }
}

fn connected(graph: &Graph) -> (Verdict, String) {
    let components = graph.components();
    match components.count() {
        0 => (Verdict::Vacuous, "there are no nodes".into()),
        1 => (Verdict::Pass, "one component".into()),
        count => {
            (Verdict::Fail, format!("{count} components; the largest has {} nodes", components.largest()))
        }
    }
}

fn redundancy(range: &Range<f64>, spreads: &[Spread]) -> (Verdict, String) {
    let all: Vec<f64> = spreads.iter().filter_map(Spread::redundancy).collect();
    if all.is_empty() {
        return (Verdict::Vacuous, "no broadcast reached anybody else".into());
    }
    if spreads.iter().all(|spread| spread.payload_messages == 0) {
        return (Verdict::Vacuous, "the protocol does not say which messages carry a broadcast".into());
    }
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    (held(range.contains(mean)), format!("the mean is {mean:.4}"))
}

fn messages(range: &Range<u64>, spreads: &[Spread]) -> (Verdict, String) {
    let Some(first) = spreads.first() else { return (Verdict::Vacuous, "nothing was broadcast".into()) };
    let (least, most) =
        spreads.iter().fold((first.payload_messages, first.payload_messages), |(least, most), spread| {
            (least.min(spread.payload_messages), most.max(spread.payload_messages))
        });
    if let Some((number, spread)) =
        spreads.iter().enumerate().find(|(_, spread)| !range.contains(spread.payload_messages))
    {
        return (
            Verdict::Fail,
            format!("broadcast {number} took {} payload messages", grouped(spread.payload_messages)),
        );
    }
    (Verdict::Pass, format!("{} to {} payload messages a broadcast", grouped(least), grouped(most)))
}

fn latency(expected: &LatencyExpectation, spreads: &[Spread], coverage: &Coverage) -> (Verdict, String) {
    let mut worst: Option<(usize, Duration)> = None;
    for (number, (spread, reach)) in spreads.iter().zip(&coverage.reaches).enumerate() {
        let wanted = (reach.possible as f64 * expected.share).ceil() as usize;
        match spread.time_to(wanted) {
            None if wanted == 0 => {}
            None => return (Verdict::Fail, format!("broadcast {number} never reached so many nodes")),
            Some(time) if worst.is_none_or(|(_, slowest)| time > slowest) => worst = Some((number, time)),
            Some(_) => {}
        }
    }
    match worst {
        None => (Verdict::Vacuous, "no broadcast could reach anybody".into()),
        Some((number, time)) => (
            held(time <= expected.max),
            format!("the slowest, broadcast {number}, took {}", human_duration(time)),
        ),
    }
}

fn held(holds: bool) -> Verdict {
    if holds { Verdict::Pass } else { Verdict::Fail }
}
