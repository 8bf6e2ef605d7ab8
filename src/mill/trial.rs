//! One case: a script goes through the simulator as a scenario file, and is judged.

use super::script::Plot;
use super::{Families, Script, Setting};
use crate::judge::{Course, Verdict};
use crate::protocol::Protocol;
use crate::report::Summary;
use crate::scenario::{DataFolders, Outline, Scenario, ScenarioError, ScenarioFile, Source, Step};
use crate::time::Time;
use crate::units::grouped;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many events pass between two looks at how many there were.
const SLICE: u64 = 10_000;

/// What came of a case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ran {
    /// Unknown, if something was still on its way; vacuous, if no broadcast could reach anybody.
    pub verdict: Verdict,
    /// Why it failed, if it did.
    pub breach: Option<Breach>,
    /// How many broadcasts there were.
    pub broadcasts: u64,
    /// How many deliveries.
    pub deliveries: u64,
    /// How many events.
    pub events: u64,
    /// What was in its script.
    pub declared: Families,
    /// What had an effect.
    pub effective: Families,
}

/// Why a case failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breach {
    /// What was broken.
    pub what: Broken,
    /// How that showed.
    pub evidence: String,
}

/// What a case broke.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Broken {
    /// Something that was expected of it, or of any run.
    Expectation(String),
    /// The nerves of a node: it panicked.
    Panic,
    /// The bounds of a case: it had too many events.
    Runaway,
}

impl Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Broken::Expectation(name) => name,
            Broken::Panic => "no panic",
            Broken::Runaway => "an end to all events",
        })
    }
}

/// Tries a script.
///
/// # Errors
/// If the scenario that it stands for is wrong, which is for what the setting says.
pub(super) fn attempt<P>(
    script: &Script,
    setting: &Setting<P::Config>,
    most_events: u64,
) -> Result<Ran, ScenarioError>
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    let plot = script.plot(setting, String::new(), String::new());
    let scenario = check::<P>(&plot.file)?;
    // Protocols check themselves with assertions.
    let played = catch_unwind(AssertUnwindSafe(|| play::<P>(&scenario, &plot, most_events)));
    Ok(played.unwrap_or_else(|panic| {
        Ran::cut_short(&plot, Broken::Panic, format!("it panicked: {}", words(&*panic)))
    }))
}

/// The scenario, by way of its text: what is printed in the end is what was run.
fn check<P>(file: &ScenarioFile<P::Config>) -> Result<Scenario<P::Config>, ScenarioError>
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    let text = serde_json::to_string(file).expect("a scenario can be written");
    let source = Source { name: "the script of a case".into(), text };
    let outline = Outline::parse(&source, &DataFolders::default())?;
    outline.check_for::<P>()?;
    Ok(outline.build())
}

fn play<P: Protocol>(scenario: &Scenario<P::Config>, plot: &Plot<P::Config>, most_events: u64) -> Ran {
    let (summary, course) = Summary::simulate::<P>(scenario, SLICE, |_, events| events <= most_events);
    if !course.complete {
        let time = Time::from_nanos(summary.ended_ns);
        let evidence = format!("more than {} events up to {time}", grouped(most_events));
        return Ran::cut_short(plot, Broken::Runaway, evidence);
    }
    let breach = breach(&summary);
    Ran {
        verdict: breach.as_ref().map_or(verdict(&summary, scenario.file.expect.len()), |_| Verdict::Fail),
        breach,
        broadcasts: summary.broadcasts as u64,
        deliveries: summary.coverage.delivered as u64,
        events: summary.events,
        declared: plot.declared(),
        effective: effective(&course, plot),
    }
}

impl Ran {
    /// A case that did not come to its end.
    fn cut_short<C>(plot: &Plot<C>, what: Broken, evidence: String) -> Ran {
        Ran {
            verdict: Verdict::Fail,
            breach: Some(Breach { what, evidence }),
            broadcasts: 0,
            deliveries: 0,
            events: 0,
            declared: plot.declared(),
            effective: Families::default(),
        }
    }
}

/// The first thing that was broken.
fn breach(summary: &Summary) -> Option<Breach> {
    let finding = summary.judgement.findings.iter().find(|finding| finding.verdict == Verdict::Fail)?;
    let what = Broken::Expectation(finding.expectation.clone());
    Some(Breach { what, evidence: finding.evidence.clone() })
}

/// How a case ended that did not fail. That one step of a random script did nothing makes no case vacuous: whether every
/// family has effects is a question to all cases together.
fn verdict(summary: &Summary, expectations: usize) -> Verdict {
    if summary.judgement.coverage.reaches.iter().all(|reach| reach.others() == 0) {
        return Verdict::Vacuous;
    }
    let counts = |(place, verdict): &(usize, Verdict)| *place < expectations || *verdict == Verdict::Unknown;
    let verdicts = summary.judgement.findings.iter().map(|finding| finding.verdict).enumerate();
    verdicts.filter(counts).map(|(_, verdict)| verdict).max().unwrap_or(Verdict::Vacuous)
}

/// The families of which some step did something.
fn effective<C>(Course { faults, idle, .. }: &Course, plot: &Plot<C>) -> Families {
    let steps = plot.file.timeline.iter().zip(&plot.families).enumerate();
    let had_effect = |number: usize, step: &Step| match step {
        Step::Join(_) | Step::Leave(_) | Step::Send(_) => idle.iter().all(|idle| idle.step != number),
        _ => faults.iter().any(|fault| fault.step == number && !fault.effects.is_none()),
    };
    steps
        .filter(|(number, (entry, _))| had_effect(*number, &entry.step))
        .fold(Families::default(), |all, (_, (_, &families))| all.or(families))
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}
