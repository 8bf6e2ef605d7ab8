//! `rumormill run --until TIME --break EVENT`: plays a scenario up to a moment, and shows how everybody is then.

use super::Failure;
use super::arguments::RunArguments;
use super::files::{self, Status};
use super::print;
use super::progress::interrupted;
use super::run::SLICE;
use crate::id::NodeId;
use crate::network::{Network, NetworkStatus, NodeStatus};
use crate::observe::{Observation, Observer};
use crate::protocol::{Notice, Protocol};
use crate::scenario::{Playback, Progress, Scenario};
use crate::sim::Sim;
use crate::time::Time;
use crate::units::{counted, grouped, human_duration};
use serde::Serialize;
use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

/// So many nodes are shown on a terminal.
const MOST_SHOWN: usize = 50;

/// An event at which a run is to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Breakpoint {
    what: What,
    /// The numbers that the event must have; it may have more.
    first: u32,
    second: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Published,
    Delivered,
    Joined,
    Stopped,
    Crashed,
    Restarted,
    Gap,
    LinkUp,
    LinkDown,
}

/// Every event at which one can stop, as it is written.
const EVENTS: [(&str, What, &str, &str); 9] = [
    ("published", What::Published, "BROADCAST", ""),
    ("delivered", What::Delivered, "NODE", "BROADCAST"),
    ("joined", What::Joined, "NODE", ""),
    ("stopped", What::Stopped, "NODE", ""),
    ("crashed", What::Crashed, "NODE", ""),
    ("restarted", What::Restarted, "NODE", ""),
    ("gap", What::Gap, "NODE", ""),
    ("link_up", What::LinkUp, "NODE", "PEER"),
    ("link_down", What::LinkDown, "NODE", "PEER"),
];

impl FromStr for Breakpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Breakpoint, String> {
        let mut words = text.split_whitespace();
        let word = words.next().unwrap_or_default();
        let &(_, what, first, second) = EVENTS.iter().find(|(name, ..)| *name == word).ok_or_else(forms)?;
        let mut number = |name: &str| match words.next() {
            None => Ok(None),
            Some(_) if name.is_empty() => Err(forms()),
            Some(word) => word.parse().map(Some).map_err(|_| format!("{name} is a number, not `{word}`")),
        };
        let [first_number, second_number, more] = [number(first)?, number(second)?, number("")?];
        match (first_number, more) {
            (Some(first), None) => Ok(Breakpoint { what, first, second: second_number }),
            _ => Err(format!("`{word}` needs a {first}; {}", forms())),
        }
    }
}

fn forms() -> String {
    let form = |&(name, _, first, second): &(&str, What, &str, &str)| {
        let second = if second.is_empty() { String::new() } else { format!(" [{second}]") };
        format!("\"{name} {first}{second}\"")
    };
    format!("one can stop at {}", EVENTS.iter().map(form).collect::<Vec<_>>().join(", "))
}

impl Breakpoint {
    fn is(&self, event: &Observation<'_>) -> bool {
        let Some((what, first, second)) = numbers(event) else { return false };
        what == self.what && first == self.first && self.second.is_none_or(|wanted| second == Some(wanted))
    }
}

fn numbers(event: &Observation<'_>) -> Option<(What, u32, Option<u32>)> {
    Some(match *event {
        Observation::Published { payload, .. } => (What::Published, payload.index() as u32, None),
        Observation::Noticed { node, notice: Notice::Delivered { payload, .. } } => {
            (What::Delivered, node.0, Some(payload.index() as u32))
        }
        Observation::Noticed { node, notice: Notice::Joined } => (What::Joined, node.0, None),
        Observation::Noticed { node, notice: Notice::Gap { .. } } => (What::Gap, node.0, None),
        Observation::Stopped { node } => (What::Stopped, node.0, None),
        Observation::Crashed { node, .. } => (What::Crashed, node.0, None),
        Observation::Restarted { node, .. } => (What::Restarted, node.0, None),
        Observation::LinkUp { node, peer, .. } => (What::LinkUp, node.0, Some(peer.0)),
        Observation::LinkDown { node, peer, .. } => (What::LinkDown, node.0, Some(peer.0)),
        _ => return None,
    })
}

/// Waits for an event.
struct Tripwire {
    at: Option<Breakpoint>,
    tripped: bool,
}

impl Observer for Tripwire {
    fn observe(&mut self, _time: Time, event: Observation<'_>) {
        self.tripped |= self.at.is_some_and(|breakpoint| breakpoint.is(&event));
    }
}

/// Where a run stopped.
#[derive(Serialize)]
struct Halt {
    time_ns: u64,
    events: u64,
    digest: String,
    /// Whether the event came, if one was waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<bool>,
    /// Whether the scenario's end came before.
    is_end: bool,
    #[serde(flatten)]
    status: Status,
}

/// Whether a run is to stop before its end.
pub(super) fn is_wanted(arguments: &RunArguments) -> bool {
    arguments.until.is_some() || arguments.breakpoint.is_some()
}

/// Plays the scenario until then, and shows how everybody is. 3 if the event that was waited for did not come.
pub(super) fn run_to<P: Protocol>(
    arguments: &RunArguments,
    mut scenario: Scenario<P::Config>,
) -> Result<u8, Failure> {
    let is_end = arguments.until.is_some_and(|until| Time::ZERO + until > scenario.end);
    if let Some(until) = arguments.until {
        scenario.end = scenario.end.min(Time::ZERO + until);
    }
    let wire = Tripwire { at: arguments.breakpoint, tripped: false };
    let network: Network<Sim<P, Tripwire>> =
        Network::observed(scenario.sim_config::<P>(), scenario.file.seed, wire);
    let mut playback = Playback::new(network, &scenario);
    let slice = if arguments.breakpoint.is_some() { 1 } else { SLICE };
    while !playback.network().observer().tripped && playback.advance(slice) != Progress::Ended {
        if interrupted() {
            return Err(Failure::Interrupted);
        }
    }
    let network = playback.network();
    let reached = arguments.breakpoint.map(|_| network.observer().tripped);
    let halt = Halt {
        time_ns: network.now().nanos(),
        events: crate::world::World::events(network.world()),
        digest: network.digest().to_string(),
        reached,
        is_end: is_end && reached != Some(true),
        status: files::status(network),
    };
    if arguments.json {
        print(&files::json(&halt))?;
    } else if !arguments.quiet {
        print(&halt.to_string())?;
    }
    Ok(if reached == Some(false) { 3 } else { 0 })
}

impl Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.reached == Some(false) {
            writeln!(f, "That event did not come.\n")?;
        }
        let time = Time::from_nanos(self.time_ns);
        if self.is_end {
            writeln!(f, "The end of the scenario came first.\n")?;
        }
        writeln!(f, "At {time}, after {} events (digest {})\n", grouped(self.events), self.digest)?;
        let NetworkStatus { nodes, ever, links, components, largest_component, ref degrees, .. } =
            self.status.network;
        writeln!(f, "  nodes        {} of {} ever", counted(nodes), counted(ever))?;
        writeln!(f, "  links        {}, {} to {} a node", counted(links), degrees.min, degrees.max)?;
        write!(
            f,
            "  components   {}; the largest has {} nodes",
            counted(components),
            counted(largest_component)
        )?;
        let Some(all) = &self.status.nodes else { return Ok(()) };
        write!(
            f,
            "\n\n  {:>6} {:<8} {:>9} {:>5} {:>5} {:>9} {:>10} {:>5} {:>8} {:>8}  neighbors",
            "node",
            "state",
            "up for",
            "peers",
            "known",
            "delivered",
            "duplicates",
            "inbox",
            "sent",
            "received"
        )?;
        all.iter().take(MOST_SHOWN).try_for_each(|node| write!(f, "\n  {}", Row(node)))?;
        match all.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  … and {} more; --json lists them all", counted(more)),
        }
    }
}

/// One node in a table.
struct Row<'a>(&'a NodeStatus);

impl Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let NodeStatus {
            node,
            state,
            uptime_ns,
            neighbors,
            known,
            delivered,
            duplicates,
            inbox,
            counters,
            ..
        } = self.0;
        let shown =
            neighbors.iter().take(10).map(|NodeId(peer)| peer.to_string()).collect::<Vec<_>>().join(" ");
        let more = if neighbors.len() > 10 { " …" } else { "" };
        write!(
            f,
            "{:>6} {:<8} {:>9} {:>5} {known:>5} {delivered:>9} {duplicates:>10} {inbox:>5} {:>8} {:>8}  {shown}{more}",
            node.0,
            format!("{state:?}").to_lowercase(),
            human_duration(Duration::from_nanos(*uptime_ns)),
            neighbors.len(),
            grouped(counters.messages_sent),
            grouped(counters.messages_received),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_or_refused() {
        let good =
            [("delivered 17 3", (17, Some(3))), (" crashed 4 ", (4, None)), ("delivered 2", (2, None))];
        for (text, numbers) in good {
            let breakpoint: Breakpoint = text.parse().unwrap();
            assert_eq!((breakpoint.first, breakpoint.second), numbers, "{text}");
        }
        for text in ["", "delivered", "delivered x", "delivered 1 2 3", "crashed 1 2", "eaten 1", "joined -1"]
        {
            assert!(text.parse::<Breakpoint>().is_err(), "{text}");
        }
    }
}
