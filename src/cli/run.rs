//! `rumormill run`: a scenario from its file to its verdict.

use super::arguments::RunArguments;
use super::files::{self, Moment};
use super::halt;
use super::lockstep::lockstep;
use super::memory;
use super::progress::{Clock, interrupted};
use super::{Failure, print, weaken};
use crate::id::NodeId;
use crate::judge::{Course, Watch, chronicle};
use crate::network::Network;
use crate::observe::{Chronicle, Conversation, Metrics, Observation, Observer, Trace};
use crate::protocol::Protocol;
use crate::report::{Prediction, Results, Summary};
use crate::scenario::{Closing, Outline, Playback, Progress, Scenario};
use crate::sim::Sim;
use crate::time::Time;
use crate::units::grouped;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::time::Duration;

/// How many events pass between two looks at the clock and at Ctrl-C.
pub(super) const SLICE: u64 = 20_000;

/// Who watches a run.
struct Observers {
    metrics: Metrics,
    chronicle: Chronicle,
    talk: Conversation,
    trace: Option<Trace<File>>,
}

impl Observer for Observers {
    #[inline]
    fn observe(&mut self, time: Time, event: Observation<'_>) {
        self.metrics.observe(time, event);
        self.chronicle.observe(time, event);
        self.talk.observe(time, event);
        self.trace.observe(time, event);
    }
}

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
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<String>,
}

pub(super) fn run<P>(arguments: &RunArguments) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    let mut outline: Outline<P::Config> = arguments.scenario.load()?;
    let weakness = arguments.weaken.as_deref();
    if let Some(name) = weakness.filter(|&name| name != weaken::ALL) {
        outline.file.node = weaken::variant::<P>(&outline.file.node, name)?;
    }
    outline.check_for::<P>()?;
    let prediction = Prediction::of::<P>(&outline);
    // The two runs that are compared are there at once.
    let runs = if arguments.check_determinism { 2 } else { 1 };
    if !arguments.scenario.force {
        memory::ensure_room(runs * prediction.memory)?;
    }
    let scenario = outline.build();
    if weakness == Some(weaken::ALL) {
        return weaken::score::<P>(arguments, scenario);
    }
    if halt::is_wanted(arguments) {
        return halt::run_to::<P>(arguments, scenario);
    }
    let name = arguments.scenario.name();
    let seed = scenario.file.seed;
    if arguments.check_determinism {
        let agreed = lockstep::<P>(&scenario)?;
        if !arguments.quiet {
            super::complain::say(&format!("deterministic: two runs agree in all {} events", grouped(agreed)));
        }
    }
    let weakness = weakness.map_or(String::new(), |name| format!("-{name}"));
    let place = arguments.out.join(&name).join(format!("seed-{seed}{weakness}"));
    let unwritten = || Failure::output(place.display().to_string());
    let results = Results::begin(&place).map_err(unwritten())?;
    results.write("scenario.json", files::json(&scenario.file)).map_err(unwritten())?;
    let trace = match arguments.trace {
        true => Some(Trace::new(File::create(results.path("trace.jsonl")).map_err(unwritten())?)),
        false => None,
    };

    let observers = Observers {
        metrics: Metrics::with_audit(scenario.needs_audit()),
        chronicle: chronicle(&scenario),
        talk: Conversation::of(scenario.followed()),
        trace,
    };
    let network = Network::observed(scenario.sim_config::<P>(), seed, observers);
    let clock = Clock::start(scenario.end, arguments.quiet);
    let played = play(network, &scenario, &results, clock).map_err(unwritten())?;
    let Played { network, mut moments, closing, course, took } = played;
    let Observers { metrics, chronicle, .. } = network.observer();
    let repeat = arguments.repeat(&scenario.file);
    let summary = Summary::of(&scenario, &network, metrics, chronicle, &closing, &course, repeat);
    results.write("summary.json", files::json(&summary)).map_err(unwritten())?;
    moments.push(Moment::last(&scenario, closing, metrics));
    files::exports(&results, &scenario, &moments).map_err(unwritten())?;
    let left_out = files::left_out(&moments);
    #[cfg(feature = "draw")]
    if !arguments.no_pictures {
        files::pictures(&results, &scenario, &moments).map_err(unwritten())?;
        files::charts(&results, &summary, metrics).map_err(unwritten())?;
    }
    if let Some(trace) = network.into_observer().trace {
        trace.finish().map_err(unwritten())?;
    }
    let place = if course.complete { place.clone() } else { place.with_extension("interrupted") };
    results.finish(&place).map_err(unwritten())?;

    let seconds = took.as_secs_f64();
    let speed = Speed { seconds, events_per_second: summary.events as f64 / seconds.max(1e-9) };
    if arguments.json {
        let results = place.display().to_string();
        print(&files::json(&Output { summary: &summary, speed, results, left_out }))?;
    } else if !arguments.quiet {
        let rate = grouped(speed.events_per_second as u64);
        let results = place.display();
        let repeat = &summary.repeat;
        let left_out = left_out.map_or(String::new(), |what| format!("\n  left out     {what}"));
        print(&format!(
            "{summary}\n  speed        {seconds:.3} s, {rate} events a second\n  results      {results}/{left_out}\n\nrepeat: {repeat}"
        ))?;
    }
    Ok(if course.complete { summary.verdict().exit_code() } else { 130 })
}

/// A scenario that was played.
struct Played<P: Protocol> {
    network: Network<Simulated<P>>,
    /// What was to be drawn on the way.
    moments: Vec<Moment>,
    closing: Closing,
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
    let mut watch = Watch::of(scenario);
    let mut moments = Vec::new();
    let complete = loop {
        match clock.time(|| watch.advance(&mut playback, SLICE)) {
            Progress::Ended => break true,
            Progress::Going if interrupted() => break false,
            Progress::Going => clock.show(playback.network().now()),
            Progress::Snapshot { name, follow } => moments.push(moment(playback.network(), name, follow)),
            Progress::Status(name) => {
                let status = files::status(playback.network());
                results.write(&format!("{name}.json"), files::json(&status))?;
            }
        }
    };
    let (course, closing) = Course::of(&playback, &watch, complete);
    Ok(Played { network: playback.into_network(), moments, closing, course, took: clock.finish() })
}

fn moment<P: Protocol>(network: &Network<Simulated<P>>, name: String, follow: Option<NodeId>) -> Moment {
    let Observers { metrics, talk, .. } = network.observer();
    Moment {
        caption: format!("After {}", network.now()),
        network: Closing::of(network),
        hops: metrics.first_hops(),
        talk: follow.map(|node| talk.with(node).to_vec()).unwrap_or_default(),
        name,
    }
}
