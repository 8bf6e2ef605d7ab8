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
use crate::time::Time;
use crate::units::grouped;
use crate::world::World;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How many events pass between two looks at the clock and at Ctrl-C.
pub(super) const SLICE: u64 = 20_000;

/// Who watches a run.
pub(super) struct Observers {
    pub(super) metrics: Metrics,
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
    P::Config: Serialize + DeserializeOwned + Default + Sync,
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
    #[cfg(feature = "live")]
    if arguments.live.live || arguments.live.both {
        return super::live::run::<P>(arguments, &scenario);
    }
    if arguments.check_determinism {
        let agreed = lockstep::<P>(&scenario)?;
        if !arguments.quiet {
            super::complain::say(&format!("deterministic: two runs agree in all {} events", grouped(agreed)));
        }
    }
    let run = simulate::<P>(arguments, &scenario)?;
    run.show(arguments)?;
    Ok(run.exit_code())
}

/// Simulates a scenario.
pub(super) fn simulate<P: Protocol>(
    arguments: &RunArguments,
    scenario: &Scenario<P::Config>,
) -> Result<Finished, Failure>
where
    P::Config: Serialize,
{
    let begun = Begun::new(arguments, scenario, "")?;
    let observers = begun.observers(scenario)?;
    let network = Network::observed(scenario.sim_config::<P>(), scenario.file.seed, observers);
    let moment = |network: &Network<_>, name, follow| moment(network, network.observer(), name, follow);
    let (network, played) = begun.play(network, arguments, scenario, moment)?;
    let summary = begun.conclude(arguments, scenario, &network, network.observer(), &played)?;
    begun.finish(summary, network.into_observer(), played)
}

/// A run that has begun: where its results go.
pub(super) struct Begun {
    place: PathBuf,
    results: Results,
    trace: bool,
}

impl Begun {
    /// `world` is added to the name of the folder.
    pub(super) fn new<C: Serialize>(
        arguments: &RunArguments,
        scenario: &Scenario<C>,
        world: &str,
    ) -> Result<Begun, Failure> {
        let (name, seed) = (arguments.scenario.name(), scenario.file.seed);
        let weakness = arguments.weaken.as_ref().map_or(String::new(), |name| format!("-{name}"));
        let place = arguments.out.join(&name).join(format!("seed-{seed}{weakness}{world}"));
        let unwritten = || Failure::output(place.display().to_string());
        let results = Results::begin(&place).map_err(unwritten())?;
        results.write("scenario.json", files::json(&scenario.file)).map_err(unwritten())?;
        Ok(Begun { place, results, trace: arguments.trace })
    }

    fn unwritten(&self) -> impl FnOnce(io::Error) -> Failure + use<> {
        Failure::output(self.place.display().to_string())
    }

    /// Whoever is to watch.
    pub(super) fn observers<C>(&self, scenario: &Scenario<C>) -> Result<Observers, Failure> {
        let open = || File::create(self.results.path("trace.jsonl")).map(Trace::new);
        Ok(Observers {
            metrics: Metrics::with_audit(scenario.needs_audit()),
            chronicle: chronicle(scenario),
            talk: Conversation::of(scenario.followed()),
            trace: self.trace.then(open).transpose().map_err(self.unwritten())?,
        })
    }

    /// Plays the scenario to its end, or until Ctrl-C.
    pub(super) fn play<W: World, C>(
        &self,
        network: Network<W>,
        arguments: &RunArguments,
        scenario: &Scenario<C>,
        moment: impl Fn(&Network<W>, String, Option<NodeId>) -> Moment,
    ) -> Result<(Network<W>, Played), Failure> {
        let mut clock = Clock::start(scenario.end, arguments.quiet);
        let mut playback = Playback::new(network, scenario);
        let mut watch = Watch::of(scenario);
        let mut moments = Vec::new();
        let complete = loop {
            match clock.time(|| watch.advance(&mut playback, SLICE)) {
                Progress::Ended => break true,
                Progress::Going if interrupted() => break false,
                Progress::Going => clock.show(playback.network().now()),
                Progress::Snapshot { name, follow } => {
                    moments.push(moment(playback.network(), name, follow));
                }
                Progress::Status(name) => {
                    let status = files::json(&files::status(playback.network()));
                    self.results.write(&format!("{name}.json"), status).map_err(self.unwritten())?;
                }
            }
        };
        let (course, closing) = Course::of(&playback, &watch, complete);
        let played = Played { moments, closing, course, took: clock.finish() };
        Ok((playback.into_network(), played))
    }

    /// Judges the run, and writes down and draws what is to be known of it.
    pub(super) fn conclude<W: World, C: Serialize>(
        &self,
        arguments: &RunArguments,
        scenario: &Scenario<C>,
        network: &Network<W>,
        observers: &Observers,
        played: &Played,
    ) -> Result<Summary, Failure> {
        let Observers { metrics, chronicle, .. } = observers;
        let Played { closing, course, .. } = played;
        let repeat = arguments.repeat(&scenario.file);
        let summary = Summary::of(scenario, network, metrics, chronicle, closing, course, repeat);
        let last = Moment::last(scenario, closing.clone(), metrics);
        let moments: Vec<&Moment> = played.moments.iter().chain([&last]).collect();
        let results = &self.results;
        let write = || {
            results.write("summary.json", files::json(&summary))?;
            files::exports(results, scenario, &moments)?;
            #[cfg(feature = "draw")]
            if !arguments.no_pictures {
                files::pictures(results, scenario, &moments)?;
                files::charts(results, &summary, metrics)?;
            }
            io::Result::Ok(())
        };
        write().map_err(self.unwritten())?;
        Ok(summary)
    }

    /// Closes all files, and puts them where they belong.
    pub(super) fn finish(
        self,
        summary: Summary,
        observers: Observers,
        played: Played,
    ) -> Result<Finished, Failure> {
        let unwritten = || Failure::output(self.place.display().to_string());
        if let Some(trace) = observers.trace {
            trace.finish().map_err(unwritten())?;
        }
        let complete = played.course.complete;
        let place = if complete { self.place.clone() } else { self.place.with_extension("interrupted") };
        self.results.finish(&place).map_err(unwritten())?;
        let left_out = files::left_out(&played.moments, &played.closing);
        Ok(Finished { summary, metrics: observers.metrics, complete, took: played.took, place, left_out })
    }
}

/// A scenario that was played.
pub(super) struct Played {
    /// What was to be drawn on the way.
    moments: Vec<Moment>,
    closing: Closing,
    course: Course,
    took: Duration,
}

/// A run whose results are written.
pub(super) struct Finished {
    pub(super) summary: Summary,
    #[cfg_attr(not(feature = "live"), expect(dead_code, reason = "only a live run is compared"))]
    pub(super) metrics: Metrics,
    complete: bool,
    took: Duration,
    place: PathBuf,
    left_out: Option<String>,
}

impl Finished {
    pub(super) fn exit_code(&self) -> u8 {
        if self.complete { self.summary.verdict().exit_code() } else { 130 }
    }

    /// Prints what is asked for.
    pub(super) fn show(&self, arguments: &RunArguments) -> Result<(), Failure> {
        let Finished { summary, took, place, left_out, .. } = self;
        let seconds = took.as_secs_f64();
        let speed = Speed { seconds, events_per_second: summary.events as f64 / seconds.max(1e-9) };
        let results = place.display();
        if arguments.json {
            let (results, left_out) = (results.to_string(), left_out.clone());
            return print(&files::json(&Output { summary, speed, results, left_out }));
        }
        if arguments.quiet {
            return Ok(());
        }
        let rate = grouped(speed.events_per_second as u64);
        let repeat = &summary.repeat;
        let left_out = left_out.as_ref().map_or(String::new(), |what| format!("\n  left out     {what}"));
        print(&format!(
            "{summary}\n  speed        {seconds:.3} s, {rate} events a second\n  results      {results}/{left_out}\n\nrepeat: {repeat}"
        ))
    }
}

/// The network as it is now, for a picture.
pub(super) fn moment<W: World>(
    network: &Network<W>,
    observers: &Observers,
    name: String,
    follow: Option<NodeId>,
) -> Moment {
    let Observers { metrics, talk, .. } = observers;
    Moment {
        caption: format!("After {}", network.now()),
        network: Closing::of(network),
        hops: metrics.first_hops(),
        talk: follow.map(|node| talk.with(node).to_vec()).unwrap_or_default(),
        name,
    }
}
