//! `rumormill run --weaken`: a scenario with nodes that lack something, and what it proves.

use super::arguments::RunArguments;
use super::progress::{Clock, interrupted};
use super::run::SLICE;
use super::{Failure, files, print};
use crate::protocol::Protocol;
use crate::report::{Score, Summary};
use crate::scenario::{Scenario, did_you_mean};
use serde::Serialize;

/// What stands for every weakness.
pub(super) const ALL: &str = "all";

/// What `--json` prints.
#[derive(Serialize)]
struct Output<'a> {
    #[serde(flatten)]
    score: &'a Score,
    sentence: String,
}

/// The weakened variants of a configuration.
fn variants<P: Protocol>(config: &P::Config) -> Result<Vec<(&'static str, P::Config)>, Failure> {
    match P::weakened(config) {
        variants if variants.is_empty() => {
            Err(Failure::Usage("--weaken: this protocol has no weakened variants".into()))
        }
        variants => Ok(variants),
    }
}

/// The variant with this name.
pub(super) fn variant<P: Protocol>(config: &P::Config, name: &str) -> Result<P::Config, Failure> {
    let variants = variants::<P>(config)?;
    let names: Vec<&str> = variants.iter().map(|&(known, _)| known).chain([ALL]).collect();
    match variants.into_iter().find(|&(known, _)| known == name) {
        Some((_, config)) => Ok(config),
        None => {
            let guess = did_you_mean(name, names.iter().copied());
            let known = names.join(", ");
            Err(Failure::Usage(format!("--weaken: no weakness is called `{name}`; {guess}known: {known}")))
        }
    }
}

/// Plays the scenario as it is and once with each weakness; the exit code is that of the run as it is.
pub(super) fn score<P>(arguments: &RunArguments, mut scenario: Scenario<P::Config>) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: Serialize,
{
    let RunArguments { trace, check_determinism, until, breakpoint, .. } = arguments;
    if *trace || *check_determinism || until.is_some() || breakpoint.is_some() {
        let what = "--weaken all tells verdicts only; --trace, --check-determinism, --until and --break go with single runs";
        return Err(Failure::Usage(what.into()));
    }
    let variants = variants::<P>(&scenario.file.node)?;
    let repeat = arguments.repeat(&scenario.file);
    let (summary, _) = play::<P>(&scenario, u64::MAX, arguments.quiet)?;
    let mut score = Score::of(&summary, repeat);
    for (weakness, config) in variants {
        scenario.file.node = config;
        let (summary, runaway) = play::<P>(&scenario, score.most_events(), arguments.quiet)?;
        score.add(weakness, &summary, runaway);
    }
    if arguments.json {
        print(&files::json(&Output { score: &score, sentence: score.sentence() }))?;
    } else if !arguments.quiet {
        print(&format!("{score}\n\nrepeat: {}", score.repeat))?;
    }
    Ok(score.verdict.exit_code())
}

/// Plays to the end, or until there were more than so many events: then it is a runaway.
fn play<P: Protocol>(
    scenario: &Scenario<P::Config>,
    most: u64,
    quiet: bool,
) -> Result<(Summary, bool), Failure> {
    let mut clock = Clock::start(scenario.end, quiet);
    let (summary, course) = Summary::simulate::<P>(scenario, SLICE, |now, events| {
        clock.show(now);
        events <= most && !interrupted()
    });
    clock.finish();
    if interrupted() { Err(Failure::Interrupted) } else { Ok((summary, !course.complete)) }
}
