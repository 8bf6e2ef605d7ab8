//! `rumormill sweep`: one scenario, many seeds, several settings; each run on one thread, many runs at once.

mod arguments;
mod journal;
mod plan;

pub(super) use arguments::SweepArguments;

use super::complain::say;
use super::progress::{Tally, interrupted};
use super::run::SLICE;
use super::{Failure, files, memory, print};
use crate::protocol::Protocol;
use crate::report::{Ending, Prediction, Results, Setting, Summary, SweepRun, SweepSummary, Verdicts};
use crate::scenario::{Outline, ScenarioError};
use crate::units::{counted, grouped};
use arguments::Variant;
use journal::{Journal, Left};
use plan::{Plan, Reached, identity};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// How many wrong settings are shown: as a rule they are wrong for the same reason.
const MOST_WRONG: usize = 10;

/// What `--json` prints.
#[derive(Serialize)]
struct Output<'a> {
    #[serde(flatten)]
    summary: &'a SweepSummary,
    sentence: String,
    results: String,
}

pub(super) fn sweep<P>(arguments: &SweepArguments) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    let variants = arguments.variants()?;
    let outlines = match load::<P>(&variants) {
        Ok(outlines) => outlines,
        Err(wrong) => return Ok(complain_all(wrong)),
    };
    let threads = threads::<P>(arguments, &outlines)?;
    let plan = Plan::new(arguments, variants, &outlines);
    let place = arguments.out.join(arguments.name()).join("sweep");
    let unwritten = || Failure::output(place.display().to_string());

    let gathering = place.with_extension("interrupted");
    let results = Results::gathered(&gathering).map_err(unwritten())?;
    let mut reached = Reached::nothing(&plan);
    let known = |run: &SweepRun| {
        let is_next = reached.expects(run);
        if is_next {
            reached.take(run);
        }
        is_next
    };
    let identity = identity(arguments, &outlines);
    let (mut journal, left) = Journal::open(&gathering, &identity, known).map_err(unwritten())?;
    if !arguments.quiet {
        tell(left, plan.runs(), &gathering);
    }
    let mut first = outlines[0].file.clone();
    first.seed = plan.run(0).1;
    results.write("scenario.json", files::json(&first)).map_err(unwritten())?;

    let mut tally = Tally::start(plan.runs(), reached.runs(), arguments.quiet);
    run_on::<P>(threads, &plan, &mut reached, outlines, |run, verdicts| {
        tally.show(verdicts);
        journal.append(run).map_err(unwritten())
    })?;
    tally.finish();
    if reached.runs() == 0 {
        return Err(Failure::Interrupted);
    }
    let summary = reached.sum_up();
    write(&results, &mut journal, &summary).map_err(unwritten())?;
    if summary.ending == Ending::Interrupted {
        report(arguments, &summary, &gathering)?;
        return Ok(130);
    }
    results.finish(&place).map_err(unwritten())?;
    journal.close(&place).map_err(unwritten())?;
    report(arguments, &summary, &place)?;
    Ok(summary.verdict.exit_code())
}

/// The scenario with every setting, or what is wrong with it.
fn load<P>(variants: &[Variant]) -> Result<Vec<Outline<P::Config>>, Vec<ScenarioError>>
where
    P: Protocol,
    P::Config: DeserializeOwned + Default,
{
    let mut outlines = Vec::new();
    let mut wrong = Vec::new();
    for variant in variants {
        let outline = variant.scenario.load();
        match outline.and_then(|outline| outline.check_for::<P>().map(|()| outline)) {
            Ok(outline) => outlines.push(outline),
            Err(error) => wrong.push(error),
        }
    }
    if wrong.is_empty() { Ok(outlines) } else { Err(wrong) }
}

/// Tells what is wrong; the exit code.
fn complain_all(wrong: Vec<ScenarioError>) -> u8 {
    let more = wrong.len().saturating_sub(MOST_WRONG);
    let codes: Vec<u8> =
        wrong.into_iter().take(MOST_WRONG).map(|error| Failure::from(error).report()).collect();
    if more > 0 {
        say(&format!("… and {} more settings are wrong", counted(more)));
    }
    codes.into_iter().max().unwrap_or(0)
}

/// How many runs there are to be at once: no more than fit into memory.
fn threads<P: Protocol>(
    arguments: &SweepArguments,
    outlines: &[Outline<P::Config>],
) -> Result<usize, Failure> {
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let wanted = arguments.threads.map_or_else(cores, NonZeroUsize::get);
    if arguments.force {
        return Ok(wanted);
    }
    let most = outlines.iter().map(|outline| Prediction::of::<P>(outline).memory).max().unwrap_or(0);
    memory::ensure_room(most)?;
    let fitting = usize::try_from(memory::how_often(most)).unwrap_or(usize::MAX).max(1);
    if fitting < wanted && !arguments.quiet {
        say(&format!("memory does for {} runs at once, on as many threads", counted(fitting)));
    }
    Ok(fitting.min(wanted))
}

/// Says what becomes of what an earlier start has left.
fn tell(left: Left, planned: u64, folder: &Path) {
    match left {
        Left::Nothing => {}
        Left::Runs(runs) => {
            say(&format!(
                "{} of {} runs are in {}; going on from there",
                grouped(runs),
                grouped(planned),
                folder.display()
            ));
        }
        Left::Another => say(&format!(
            "the interrupted sweep in {} had another scenario, data, settings, seeds or program: starting anew",
            folder.display()
        )),
    }
}

/// Does the runs that are still to be done. `each`: what is to be done with every one of them, in order.
fn run_on<P: Protocol>(
    threads: usize,
    plan: &Plan,
    reached: &mut Reached,
    outlines: Vec<Outline<P::Config>>,
    mut each: impl FnMut(&SweepRun, Verdicts) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if reached.is_over() {
        return Ok(());
    }
    let tasks = (reached.runs()..plan.runs()).map(move |number| {
        let (setting, seed) = plan.run(number);
        let mut outline = outlines[setting].clone();
        outline.file.seed = seed;
        (number, outline)
    });
    // Protocols check themselves with assertions.
    let work = |(number, outline), unwanted: &AtomicBool| match catch_unwind(AssertUnwindSafe(|| {
        simulate::<P>(outline, plan.setting(number), unwanted)
    })) {
        Ok(run) => run.map(Ok),
        Err(panic) => Some(Err(panic)),
    };
    let mut outcome = Ok(());
    super::workers::in_order(threads, tasks, work, |run| {
        outcome = match run {
            Ok(run) => {
                reached.take(&run);
                each(&run, reached.verdicts())
            }
            Err(_) => {
                Err(Failure::Internal(format!("a run panicked; repeat: {}", plan.repeat(reached.runs()))))
            }
        };
        if outcome.is_err() || reached.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    outcome
}

/// One run, of which only numbers are kept; `None` if it is not wanted any more.
fn simulate<P: Protocol>(
    outline: Outline<P::Config>,
    setting: &Setting,
    unwanted: &AtomicBool,
) -> Option<SweepRun> {
    let goes_on = |_, _| !interrupted() && !unwanted.load(Ordering::Relaxed);
    let (summary, course) = Summary::simulate::<P>(&outline.build(), SLICE, goes_on);
    course.complete.then(|| SweepRun::of(setting.clone(), &summary))
}

fn write(results: &Results, journal: &mut Journal, summary: &SweepSummary) -> io::Result<()> {
    results.write("summary.json", files::json(summary))?;
    results.write("metrics.csv", summary.metrics_csv())?;
    let mut csv = BufWriter::new(File::create(results.path("runs.csv"))?);
    csv.write_all(SweepRun::csv_head(&summary.settings[0].setting).as_bytes())?;
    for run in journal.read()? {
        csv.write_all(run?.csv_row().as_bytes())?;
    }
    csv.flush()
}

fn report(arguments: &SweepArguments, summary: &SweepSummary, place: &Path) -> Result<(), Failure> {
    let results = place.display().to_string();
    if arguments.json {
        return print(&files::json(&Output { summary, sentence: summary.sentence(), results }));
    }
    if arguments.quiet {
        return Ok(());
    }
    let interrupted = match summary.ending {
        Ending::Interrupted => " (interrupted; the same command goes on from there)",
        _ => "",
    };
    print(&format!("{summary}\n  results      {results}/{interrupted}\n\n{}", summary.sentence()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeId;
    use crate::protocol::{Command, Wire};
    use crate::transport::Transport;
    use clap::Parser;
    use rand::Rng;
    use serde::Deserialize;

    /// A protocol with a mistake that not every seed finds.
    struct Fragile;

    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Nothing;
    impl Wire for Nothing {}

    impl Protocol for Fragile {
        type Config = ();
        type Message = Nothing;
        type Timer = ();
        type Record = ();

        fn start(_: &(), _: &[()], _: &mut impl Transport<Fragile>) -> Fragile {
            Fragile
        }

        fn on_command(&mut self, net: &mut impl Transport<Fragile>, _: Command) {
            assert!(!net.rng().next_u32().is_multiple_of(8), "an invariant is broken");
        }

        fn on_message(&mut self, _: &mut impl Transport<Fragile>, _: NodeId, _: Nothing) {}
    }

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        sweep: SweepArguments,
    }

    #[test]
    fn a_run_that_panics_is_named_and_those_before_it_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("five.json");
        let scenario = r#"{"topology": {"ring": {"nodes": 5}}, "end": "1s",
            "timeline": [{"at": "0s", "do": {"broadcast": {"from": 0}}}]}"#;
        std::fs::write(&file, scenario).unwrap();
        let told = ["1", "3"].map(|threads| {
            let out = folder.path().join(threads);
            let line = [Path::new("sweep"), &file, Path::new("--seeds=0..100"), Path::new("--out"), &out];
            let threads = format!("--threads={threads}");
            let line = Line::parse_from(line.into_iter().chain([Path::new(&threads), Path::new("--quiet")]));
            let error = sweep::<Fragile>(&line.sweep).unwrap_err().to_string();
            let runs = std::fs::read_to_string(out.join("five/sweep.interrupted/runs.jsonl")).unwrap();
            assert!(error.ends_with(&format!("--seed {}", runs.lines().count())), "{error}");
            (error, runs)
        });
        assert_eq!(told[0], told[1]);
    }
}
