//! The verdict: whether what was expected held, and whether that was tested at all.

mod delivery;
mod invariants;
mod knowledge;
pub mod oracle;
mod population;
mod watch;

pub use delivery::{Coverage, Miss, Reach};
pub use knowledge::Knowledge;
pub use oracle::{Oracle, Stretch};
pub use watch::{HARD_DEGREE, MOST_WATCHED, Seen, Watch};

use crate::id::NodeId;
use crate::message::Broadcasts;
use crate::observe::{Chronicle, Metrics, Spread};
use crate::protocol::View;
use crate::scenario::{
    Closing, DeclaredFault, Expectation, GuaranteeFile, IdleStep, LatencyExpectation, Playback, Range,
    ReceivedExpectation, Scenario, Selector,
};
use crate::time::Time;
use crate::units::{counted, format_duration, grouped, human_duration};
use crate::world::{InFlight, World};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::time::Duration;

/// How a run, or one expectation of it, ended. Of several, the worst counts; they stand in that order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
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
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What was expected.
    pub expectation: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Why: what was measured, or the first thing that was wrong.
    pub evidence: String,
}

/// What became of all of them.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Judgement {
    /// The worst verdict of all findings.
    pub verdict: Verdict,
    /// One per expectation, in the order of the scenario; and what was wrong with the run as a whole.
    pub findings: Vec<Finding>,
    /// How far every broadcast reached.
    #[serde(skip)]
    pub coverage: Coverage,
    /// How much later than possible deliveries were.
    #[serde(skip)]
    pub stretch: Option<Stretch>,
}

/// What a run left behind to be judged.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// How every broadcast spread.
    pub metrics: &'a Metrics,
    /// When broadcasts could have come, at the earliest.
    pub oracle: &'a Oracle<'a>,
    /// The network at the end, or just before it was shut down.
    pub closing: &'a Closing,
    /// What was still on its way.
    pub in_flight: InFlight,
    /// When the run ended.
    pub end: Time,
    /// What was done to the network.
    pub course: &'a Course,
    /// Everything that was broadcast.
    pub broadcasts: &'a Broadcasts,
    /// What is guaranteed.
    pub guarantee: &'a GuaranteeFile,
    /// What a node shows of itself.
    pub view: &'a dyn Fn(NodeId) -> View,
    /// The node that a name or a number means.
    pub find: &'a dyn Fn(&Selector) -> Option<NodeId>,
}

/// What was done to a network.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Course {
    /// How many broadcasts nodes were asked for.
    pub asked: u64,
    /// How many nodes were asked to count the network.
    pub censuses: u64,
    /// Whether the run went to its end; otherwise it was interrupted.
    pub complete: bool,
    /// Steps that could not happen.
    pub idle: Vec<IdleStep>,
    /// What came after the shutdown, if there was one.
    pub shutdown: Option<Aftermath>,
    /// What came of the faults that were declared.
    pub faults: Vec<DeclaredFault>,
    /// When something was done to the network for the last time: a fault, a join, a leave; zero, if never.
    pub calm_since: Time,
    /// What was seen of the overlay on the way, if anybody looked.
    pub seen: Option<Seen>,
    /// Who knew whom at that time, if that matters.
    pub knowledge: Option<Knowledge>,
}

/// What came after a shutdown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Aftermath {
    /// How many nodes were still up at the end.
    pub up: usize,
    /// How many messages were sent.
    pub sent: u64,
}

impl Course {
    /// What was done in a playback, what was seen of it, and the network that is to be judged. `complete`: it went to its end.
    pub fn of<W: World>(playback: &Playback<W>, watch: &Watch, complete: bool) -> (Course, Closing) {
        let now = Closing::of(playback.network());
        let shutdown = playback.shutdown();
        let course = Course {
            asked: playback.broadcasts_asked(),
            complete,
            censuses: playback.censuses_asked(),
            idle: playback.idle_steps().to_vec(),
            shutdown: shutdown.map(|before| Aftermath {
                up: now.present.iter().filter(|&&present| present).count(),
                sent: now.messages_sent - before.messages_sent,
            }),
            faults: playback.faults(),
            calm_since: playback.calm_since(),
            seen: watch.seen().cloned(),
            knowledge: watch.knowledge(),
        };
        (course, shutdown.cloned().unwrap_or(now))
    }
}

impl Evidence<'_> {
    /// Whether what has not happened might yet have.
    fn is_unfinished(&self) -> bool {
        let InFlight { messages, syncs, .. } = self.in_flight;
        messages + syncs > 0 || !self.course.complete || self.is_harmed()
    }

    /// What was known when calm began, if not everyone could be reached through somebody's links or address book: the
    /// guarantee presumes that.
    fn strangers(&self) -> Option<Knowledge> {
        self.course.knowledge.filter(|knowledge| !knowledge.is_whole())
    }

    /// Whether a fault goes on: then nothing can be judged.
    fn is_harmed(&self) -> bool {
        self.course.faults.iter().any(|fault| fault.is_open)
    }
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

/// So many nodes and ends of links are passed to tell how much later than possible deliveries were, unless that is expected of
/// the run: some hundredths of a second.
const STRETCH_WORK: u64 = 1 << 18;

/// What is to be written down in a run so that it can be judged.
pub fn chronicle<C>(scenario: &Scenario<C>) -> Chronicle {
    let is_expected = scenario.file.expect.iter().any(|expected| matches!(expected, Expectation::Stretch(_)));
    Chronicle::new(scenario.graph.clone()).following(if is_expected { u64::MAX } else { STRETCH_WORK })
}

/// Judges a run by what was expected of it.
pub fn judge(expectations: &[Expectation], evidence: Evidence<'_>) -> Judgement {
    let coverage = Coverage::of(evidence.metrics, evidence.oracle, evidence.closing.time);
    let stretch = Stretch::of(evidence.oracle);
    let mut findings: Vec<Finding> = expectations
        .iter()
        .map(|expectation| {
            let is_harmed = evidence.is_harmed() && !is_about_every_moment(expectation);
            let (verdict, evidence) = match examine(expectation, evidence, &coverage, stretch) {
                // Chaos first, then calm, then judgement.
                (Verdict::Fail, text) if is_harmed => (Verdict::Unknown, text),
                found => found,
            };
            Finding { expectation: describe(expectation), verdict, evidence }
        })
        .collect();
    findings.extend(whole_run(expectations, evidence, &coverage));
    findings.extend(evidence.course.faults.iter().filter_map(|fault| declared(fault, evidence.end)));
    let verdict = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Vacuous);
    Judgement { verdict, findings, coverage, stretch }
}

/// What is wrong with the run itself, whatever was expected.
fn whole_run(expectations: &[Expectation], evidence: Evidence<'_>, coverage: &Coverage) -> Vec<Finding> {
    let Course { asked, complete, ref idle, .. } = *evidence.course;
    let outsiders = population::outsiders(&evidence);
    let published = evidence.metrics.spreads().len() as u64;
    let InFlight { payloads, .. } = evidence.in_flight;
    let reasons = [
        (
            expectations.is_empty(),
            Verdict::Vacuous,
            "expectations",
            "the scenario expects nothing".to_owned(),
        ),
        (
            published == 0 && (asked > 0 || expectations.iter().any(is_about_broadcasts)),
            Verdict::Vacuous,
            "broadcasts",
            "nothing was broadcast".to_owned(),
        ),
        (
            published > 0 && complete && published < asked,
            Verdict::Vacuous,
            "broadcasts",
            format!("only {} of {} that were asked for were published", grouped(published), grouped(asked)),
        ),
        (
            published > 0 && coverage.reaches.iter().all(|reach| reach.others() == 0),
            Verdict::Vacuous,
            "receivers",
            "nobody else was there to be reached".to_owned(),
        ),
        (
            !idle.is_empty(),
            Verdict::Vacuous,
            "timeline",
            idle.first().map_or(String::new(), |IdleStep { step, time }| {
                format!(
                    "step {step} did not happen at {time}: the node was not up ({} such)",
                    counted(idle.len())
                )
            }),
        ),
        (
            outsiders > 0 && complete,
            if evidence.is_unfinished() || evidence.strangers().is_some() {
                Verdict::Unknown
            } else {
                Verdict::Fail
            },
            "joins",
            match evidence.strangers() {
                None => format!("{} nodes that joined are not part of the network", counted(outsiders)),
                Some(_) => format!("{} nodes found nobody of the network that they knew", counted(outsiders)),
            },
        ),
        (!complete, Verdict::Unknown, "end", "the run was interrupted".to_owned()),
        (
            payloads > 0,
            Verdict::Unknown,
            "quiet at the end",
            format!(
                "{} copies of broadcasts were still on their way; let the run end later",
                grouped(payloads)
            ),
        ),
    ];
    let finding = |(_, verdict, expectation, evidence): (bool, Verdict, &str, String)| Finding {
        expectation: expectation.into(),
        verdict,
        evidence,
    };
    reasons.into_iter().filter(|reason| reason.0).map(finding).collect()
}

/// What a declared fault says about the run: that it tested nothing, if the fault never had an effect, or cannot be judged.
fn declared(fault: &DeclaredFault, end: Time) -> Option<Finding> {
    let DeclaredFault { step, name, at, effects, is_open } = fault;
    let (verdict, evidence) = if *at > end {
        (Verdict::Vacuous, format!("it was to begin at {at}, after the end"))
    } else if effects.is_none() {
        (Verdict::Vacuous, format!("it never had an effect, from {at} to the end"))
    } else if *is_open {
        (Verdict::Unknown, "it was not over at the end; let it end, or the run end later".into())
    } else {
        return None;
    };
    Some(Finding { expectation: format!("step {step} ({name})"), verdict, evidence })
}

/// Whether an expectation is about what happens on the way, and not about the end.
fn is_about_every_moment(expectation: &Expectation) -> bool {
    matches!(
        expectation,
        Expectation::Integrity
            | Expectation::NoDuplication
            | Expectation::NoCut
            | Expectation::BoundedCost
            | Expectation::BoundedMemory
    )
}

fn is_about_broadcasts(expectation: &Expectation) -> bool {
    match expectation {
        Expectation::EveryoneDelivers
        | Expectation::Redundancy(_)
        | Expectation::Stretch(_)
        | Expectation::Latency(_)
        | Expectation::Messages(_)
        | Expectation::Integrity
        | Expectation::NoDuplication
        | Expectation::Validity
        | Expectation::Agreement
        | Expectation::NoSilentLoss
        | Expectation::BoundedCost => true,
        Expectation::Connected
        | Expectation::Peers(_)
        | Expectation::Size(_)
        | Expectation::Received(_)
        | Expectation::Stopped
        | Expectation::Degree
        | Expectation::NoCut
        | Expectation::Repair
        | Expectation::BoundedMemory => false,
    }
}

fn examine(
    expectation: &Expectation,
    evidence: Evidence<'_>,
    coverage: &Coverage,
    stretch: Option<Stretch>,
) -> (Verdict, String) {
    match expectation {
        Expectation::EveryoneDelivers => coverage.judge(evidence.is_unfinished(), evidence.closing.time),
        Expectation::Connected => population::connected(evidence.closing),
        Expectation::Redundancy(range) => redundancy(range, evidence),
        Expectation::Stretch(range) => delivery::stretch(range, evidence, stretch),
        Expectation::Latency(expected) => latency(expected, evidence, coverage),
        Expectation::Messages(range) => messages(range, evidence),
        Expectation::Peers(range) => population::peers(range, evidence.closing),
        Expectation::Size(range) => population::size(range, evidence),
        Expectation::Received(expected) => population::received(expected, evidence),
        Expectation::Stopped => population::stopped(evidence.course),
        Expectation::Integrity => invariants::integrity(evidence),
        Expectation::NoDuplication => invariants::no_duplication(evidence),
        Expectation::Validity => invariants::validity(evidence),
        Expectation::Agreement => invariants::agreement(evidence),
        Expectation::NoSilentLoss => invariants::no_silent_loss(evidence),
        Expectation::Degree => invariants::degree(evidence),
        Expectation::NoCut => invariants::no_cut(evidence),
        Expectation::Repair => invariants::repair(evidence),
        Expectation::BoundedCost => invariants::bounded_cost(evidence),
        Expectation::BoundedMemory => invariants::bounded_memory(evidence),
    }
}

fn describe(expectation: &Expectation) -> String {
    match expectation {
        Expectation::EveryoneDelivers => "everyone_delivers".into(),
        Expectation::Connected => "connected".into(),
        Expectation::Redundancy(range) => format!("redundancy {}", bounds(range)),
        Expectation::Stretch(range) => format!("stretch {}", bounds(range)),
        Expectation::Latency(LatencyExpectation { share, max }) => {
            // Ten decimals of a percent are what a share can mean; the rest is rounding.
            format!("latency to {} % at most {}", (share * 1e12).round() / 1e10, format_duration(*max))
        }
        Expectation::Messages(range) => format!("messages {}", bounds(range)),
        Expectation::Peers(range) => format!("peers {}", bounds(range)),
        Expectation::Size(range) => format!("size {}", bounds(range)),
        Expectation::Received(ReceivedExpectation { node, from, message, count }) => {
            let from = from.as_ref().map_or(String::new(), |from| format!(" from {from}"));
            let message = message.as_ref().map_or(String::new(), |message| format!(" \"{message}\""));
            format!("received by {node}{from}{message}: {count}")
        }
        Expectation::Stopped => "stopped".into(),
        Expectation::Integrity => "integrity".into(),
        Expectation::NoDuplication => "no_duplication".into(),
        Expectation::Validity => "validity".into(),
        Expectation::Agreement => "agreement".into(),
        Expectation::NoSilentLoss => "no_silent_loss".into(),
        Expectation::Degree => "degree".into(),
        Expectation::NoCut => "no_cut".into(),
        Expectation::Repair => "repair".into(),
        Expectation::BoundedCost => "bounded_cost".into(),
        Expectation::BoundedMemory => "bounded_memory".into(),
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

/// Why the payload messages of a run say nothing, if they do not.
fn uncounted(spreads: &[Spread]) -> Option<(Verdict, String)> {
    if spreads.iter().all(|spread| spread.receivers() < 2) {
        return Some((Verdict::Vacuous, "no broadcast reached anybody else".into()));
    }
    if spreads.iter().all(|spread| spread.payload_messages == 0) {
        return Some((Verdict::Vacuous, "the protocol does not say which messages carry a broadcast".into()));
    }
    None
}

fn redundancy(range: &Range<f64>, evidence: Evidence<'_>) -> (Verdict, String) {
    let spreads = evidence.metrics.spreads();
    if let Some(nothing) = uncounted(spreads) {
        return nothing;
    }
    let all: Vec<f64> = spreads.iter().filter_map(Spread::redundancy).collect();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let verdict = match range.contains(mean) {
        false if evidence.is_unfinished() => Verdict::Unknown,
        holds => held(holds),
    };
    (verdict, format!("the mean is {mean:.4}"))
}

fn messages(range: &Range<u64>, evidence: Evidence<'_>) -> (Verdict, String) {
    let spreads = evidence.metrics.spreads();
    if let Some(nothing) = uncounted(spreads) {
        return nothing;
    }
    let counts = || spreads.iter().map(|spread| spread.payload_messages);
    if let Some((number, count)) = counts().enumerate().find(|&(_, count)| !range.contains(count)) {
        let more_may_come = evidence.is_unfinished() && range.min.is_some_and(|min| count < min);
        let verdict = if more_may_come { Verdict::Unknown } else { Verdict::Fail };
        return (verdict, format!("broadcast {number} took {} payload messages", grouped(count)));
    }
    let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    (Verdict::Pass, format!("{} to {} payload messages a broadcast", grouped(least), grouped(most)))
}

fn latency(expected: &LatencyExpectation, evidence: Evidence<'_>, coverage: &Coverage) -> (Verdict, String) {
    let mut worst: Option<(usize, Duration)> = None;
    let mut undecided = None;
    let spreads = evidence.metrics.spreads();
    for (number, (spread, reach)) in spreads.iter().zip(&coverage.reaches).enumerate() {
        if reach.others() == 0 {
            continue;
        }
        match spread.time_to(reach.share(expected.share)) {
            Some(time) if worst.is_none_or(|(_, slowest)| time > slowest) => worst = Some((number, time)),
            Some(_) => {}
            None if evidence.is_unfinished() && evidence.end.since(spread.published) <= expected.max => {
                undecided.get_or_insert(number);
            }
            None => return (Verdict::Fail, format!("broadcast {number} never reached so many nodes")),
        }
    }
    match (worst, undecided) {
        (Some((number, time)), _) if time > expected.max => {
            (Verdict::Fail, format!("broadcast {number} took {}", human_duration(time)))
        }
        (_, Some(number)) => {
            (Verdict::Unknown, format!("broadcast {number} had not reached so many nodes yet"))
        }
        (Some((number, time)), None) => {
            (Verdict::Pass, format!("the slowest, broadcast {number}, took {}", human_duration(time)))
        }
        (None, None) => (Verdict::Vacuous, "no broadcast could reach anybody".into()),
    }
}

fn held(holds: bool) -> Verdict {
    if holds { Verdict::Pass } else { Verdict::Fail }
}

#[cfg(test)]
mod tests;
