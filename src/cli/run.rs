//! `rumormill run`: a scenario from its file to its verdict.

use super::arguments::RunArguments;
use super::files::{self, View};
use super::lockstep::lockstep;
use super::progress::{Clock, interrupted};
use super::{Failure, print};
use crate::judge::Course;
use crate::network::Network;
use crate::observe::{Metrics, Trace};
use crate::protocol::Protocol;
use crate::report::{Results, Summary};
use crate::scenario::{Playback, Progress, Scenario};
use crate::sim::Sim;
use crate::units::grouped;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::BufWriter;
use std::time::Duration;

/// How many events pass between two looks at the clock and at Ctrl-C.
const SLICE: u64 = 20_000;

type Observers = (Metrics, Option<Trace<BufWriter<File>>>);
type Simulated<P> = Sim<P, Observers>;

/// How fast a run was. Not a part of the summary, which is the same for every run.
#[derive(Clone, Copy, Serialize)]
struct Speed {
    seconds: f64,
    events_per_second: f64,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Output<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    speed: Speed,
    results: String,
}

pub(super) fn run<P>(arguments: &RunArguments) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    let scenario: Scenario<P::Config> = arguments.scenario.load()?;
    let name = arguments.scenario.name();
    let seed = scenario.file.seed;
    if arguments.check_determinism {
        let agreed = lockstep::<P>(&scenario)?;
        if !arguments.quiet {
            super::complain::say(&format!("deterministic: two runs agree in all {} events", grouped(agreed)));
        }
    }
    let place = arguments.out.join(&name).join(format!("seed-{seed}"));
    let unwritten = || Failure::output(place.display().to_string());
    let results = Results::begin(&place).map_err(unwritten())?;
    results.write("scenario.json", files::json(&scenario.file)).map_err(unwritten())?;
    let trace = match arguments.trace {
        true => {
            Some(Trace::new(BufWriter::new(File::create(results.path("trace.jsonl")).map_err(unwritten())?)))
        }
        false => None,
    };

    let network = Network::observed(scenario.sim_config::<P>(), seed, (Metrics::default(), trace));
    let clock = Clock::start(scenario.end, arguments.quiet);
    let Played { network, course, took } = play(network, &scenario, &results, clock).map_err(unwritten())?;
    let metrics = &network.observer().0;
    let summary = Summary::of(&scenario, &network, metrics, course, arguments.repeat(seed));
    results.write("summary.json", files::json(&summary)).map_err(unwritten())?;
    let view = View {
        scenario: &scenario,
        graph: &network.topology(),
        hops: metrics.first_hops(),
        caption: &scenario.file.question,
    };
    view.write(&results, "topology").map_err(unwritten())?;
    if let Some(trace) = network.into_observer().1 {
        trace.finish().map_err(unwritten())?;
    }
    let place = if course.complete { place.clone() } else { place.with_extension("interrupted") };
    results.finish(&place).map_err(unwritten())?;

    let seconds = took.as_secs_f64();
    let speed = Speed { seconds, events_per_second: summary.events as f64 / seconds.max(1e-9) };
    if arguments.json {
        let results = place.display().to_string();
        print(&files::json(&Output { summary: &summary, speed, results }))?;
    } else if !arguments.quiet {
        let rate = grouped(speed.events_per_second as u64);
        let results = place.display();
        let repeat = &summary.repeat;
        print(&format!(
            "{summary}\n  speed        {seconds:.3} s, {rate} events a second\n  results      {results}/\n\nrepeat: {repeat}"
        ))?;
    }
    Ok(if course.complete { summary.verdict().exit_code() } else { 130 })
}

/// A scenario that was played.
struct Played<P: Protocol> {
    network: Network<Simulated<P>>,
    course: Course,
    took: Duration,
}

/// Plays the scenario to its end, or until Ctrl-C.
fn play<P: Protocol>(
    network: Network<Simulated<P>>,
    scenario: &Scenario<P::Config>,
    results: &Results,
    mut clock: Clock,
) -> std::io::Result<Played<P>> {
    let mut playback = Playback::new(network, scenario);
    let complete = loop {
        match clock.time(|| playback.advance(SLICE)) {
            Progress::Ended => break true,
            Progress::Going if interrupted() => break false,
            Progress::Going => clock.show(playback.network().now()),
            Progress::Snapshot(name) => {
                let network = playback.network();
                let view = View {
                    scenario,
                    graph: &network.topology(),
                    hops: network.observer().0.first_hops(),
                    caption: &format!("{name}: after {}", network.now()),
                };
                view.write(results, &name)?;
            }
        }
    };
    let course = Course { asked: playback.broadcasts_asked(), complete };
    Ok(Played { network: playback.into_network(), course, took: clock.finish() })
}
