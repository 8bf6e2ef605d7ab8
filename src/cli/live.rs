//! `rumormill run --live`: a scenario played by real nodes over TCP; `--both`: and by simulated ones, side by side.

use super::Failure;
use super::arguments::RunArguments;
use super::run::{Begun, Finished, Observers, moment, simulate};
use crate::fault::Detection;
use crate::live::keys::{Secret, Secrets};
use crate::live::{Latencies, Live, LiveConfig};
use crate::network::Network;
use crate::protocol::Protocol;
use crate::report::Fidelity;
use crate::rng::{Draws, Purpose};
use crate::scenario::{Action, FaultPlan, Scenario};
use crate::sim::LinkKind;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// So many nodes are a lot for one machine, each with its own port and connections.
const MOST_NODES: usize = 200;

pub(super) fn run<P>(arguments: &RunArguments, scenario: &Scenario<P::Config>) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: Serialize + Sync,
{
    ensure_possible(scenario)?;
    if arguments.live.live {
        let live = play::<P>(arguments, scenario)?;
        live.show(arguments)?;
        return Ok(live.exit_code());
    }
    let simulated = simulate::<P>(arguments, scenario)?;
    let live = play::<P>(arguments, scenario)?;
    let fidelity = Fidelity::of((&simulated.summary, &simulated.metrics), (&live.summary, &live.metrics));
    if !arguments.quiet {
        super::print("# simulated\n")?;
        simulated.show(arguments)?;
        super::print("\n# live\n")?;
        live.show(arguments)?;
        super::print(&format!("\n# side by side\n\n{fidelity}"))?;
    }
    let agreement = if fidelity.agrees() { 0 } else { 1 };
    Ok(worst([simulated.exit_code(), live.exit_code(), agreement]))
}

/// In the order of the verdicts: fail, then vacuous, then unknown.
fn worst(codes: [u8; 3]) -> u8 {
    [130, 1, 3, 2].into_iter().find(|code| codes.contains(code)).unwrap_or(0)
}

fn play<P>(arguments: &RunArguments, scenario: &Scenario<P::Config>) -> Result<Finished, Failure>
where
    P: Protocol,
    P::Config: Serialize + Sync,
{
    let system = |error: std::io::Error| Failure::Internal(format!("cannot bring up real nodes: {error}"));
    let begun = Begun::new(arguments, scenario, "-live")?;
    let observers = begun.observers(scenario)?;
    let secret = Secret::random().map_err(|error| Failure::Internal(error.to_string()))?;
    let config = LiveConfig::<P> {
        speed: arguments.live.speed,
        latency: Some(latencies(scenario)),
        seed: Some(scenario.file.seed),
        is_given: scenario.graph.nodes() > 0,
        ..LiveConfig::new(scenario.file.node.clone(), Secrets::new(secret))
    };
    let mut world: Live<P, Option<Observers>> = Live::new(config, Some(observers)).map_err(system)?;
    if scenario.graph.nodes() > 0 {
        world.give(&scenario.graph).map_err(system)?;
    }
    let look = |network: &Network<Live<P, Option<Observers>>>, name, follow| {
        network.world().observed(|observers| {
            moment(network, observers.as_ref().expect("they are there until the end"), name, follow)
        })
    };
    let (mut network, played) = begun.play(Network::of(world), arguments, scenario, look)?;
    let observers = network.world_mut().end().expect("they are there until the end");
    let summary = begun.conclude(arguments, scenario, &network, &observers, &played)?;
    begun.finish(summary, observers, played)
}

/// What links take in the simulator; real ones take that longer.
fn latencies<C>(scenario: &Scenario<C>) -> Latencies {
    let (links, draws) = (scenario.links.clone(), Draws::new(scenario.file.seed, Purpose::Links));
    Arc::new(move |from, to| Duration::from_nanos(links.latency(draws, from, to)))
}

/// Refuses what real nodes on one machine cannot do.
fn ensure_possible<C>(scenario: &Scenario<C>) -> Result<(), Failure> {
    let nodes = scenario.graph.nodes() + scenario.timeline.iter().map(joining).sum::<usize>();
    let refuse = |what: String| Err(Failure::Usage(format!("cannot be played by real nodes: {what}")));
    if nodes > MOST_NODES {
        return refuse(format!("it has {nodes} nodes, more than {MOST_NODES}; simulate it, or take fewer"));
    }
    if scenario.links.kind != LinkKind::Stream {
        return refuse("its links are no streams, as TCP is; leave `links.kind` away".into());
    }
    for (number, step) in scenario.timeline.iter().enumerate() {
        if let Action::Fault(plan) = &step.action
            && let Some(what) = impossible(plan, scenario.graph.nodes() > 0)
        {
            return refuse(format!("step {number} of the timeline is {what}"));
        }
    }
    Ok(())
}

fn joining(step: &crate::scenario::PlannedStep) -> usize {
    if matches!(step.action, Action::Join { .. }) { step.count as usize } else { 0 }
}

/// What real nodes cannot do of a fault, if anything. `is_given`: links are there from the start, and nobody else restores
/// them.
fn impossible(plan: &FaultPlan, is_given: bool) -> Option<&'static str> {
    match plan {
        FaultPlan::Crash { crash, .. } if crash.detection == Detection::Silence => {
            Some("a crash that nobody notices; on one machine the system tells the peers at once")
        }
        FaultPlan::Crash { lasts: Some(_), .. } | FaultPlan::Restart { .. } if is_given => {
            Some("a restart, and the links of a given topology are only there at the start")
        }
        FaultPlan::Crash { .. } | FaultPlan::Restart { .. } | FaultPlan::Reset { .. } => None,
        FaultPlan::Partition { .. } => Some("a partition; nothing stops what passes on one machine"),
        FaultPlan::Heal => Some("`heal`, and there are no partitions"),
        FaultPlan::Condition { name, .. } => Some(name),
        FaultPlan::Churn(_) | FaultPlan::UpTimes { .. } => is_given.then_some("churn in a given topology"),
    }
}
