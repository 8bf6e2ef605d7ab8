//! Playing a scenario's timeline on a network.

mod faults;

pub use faults::DeclaredFault;

use super::{Action, Nodes, PlannedStep, Scenario, Through};
use crate::graph::Graph;
use crate::id::NodeId;
use crate::network::Network;
use crate::protocol::{Command, State};
use crate::rng::{Purpose, stream};
use crate::time::Time;
use crate::world::World;
use faults::Harm;
use rand::RngExt;
use rand::seq::IteratorRandom;
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

/// A scenario on its way: a network and what is still to be done to it.
pub struct Playback<W> {
    network: Network<W>,
    timeline: Vec<PlannedStep>,
    /// What is to be done, the earliest first.
    upcoming: BinaryHeap<Reverse<(Time, Turn)>>,
    workload: ChaCha8Rng,
    /// Who is hit by faults.
    chance: ChaCha8Rng,
    /// By the steps that did it.
    harms: BTreeMap<usize, Harm>,
    /// When harm was done for the last time.
    harmed: Option<Time>,
    /// When anything was done to the network for the last time that changes who is there.
    disturbed: Time,
    /// Those that were told to leave. One that stands still has not begun to.
    leaving: BTreeSet<u32>,
    asked: u64,
    censuses: u64,
    idle: Vec<IdleStep>,
    shutdown: Option<Closing>,
    end: Time,
}

/// Something whose turn comes at its time. Of several at one time, what ends goes before what begins, and steps go in the
/// order of the timeline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Turn {
    /// A condition that a step imposed is over.
    Lift { step: usize, condition: u32 },
    /// A node is back.
    Return { step: usize, node: u32 },
    /// The session of a churning node is over.
    Depart { step: usize, node: u32 },
    /// A newcomer comes.
    Arrive { step: usize },
    /// The next thing in a record of up times.
    Recorded { step: usize, number: usize },
    /// A step, which happened so many times before.
    Step { step: usize, done: u32 },
}

/// Those that have not stopped.
const UP: [State; 3] = [State::Joining, State::Member, State::Leaving];
/// Those of them that are not on their way out.
const STAYING: [State; 2] = [State::Joining, State::Member];
/// Those that may come back.
const ABSENT: [State; 1] = [State::Crashed];

/// How far a playback came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// There is more to come.
    Going,
    /// The network is to be drawn and exported, now.
    Snapshot {
        /// Under this name.
        name: String,
        /// With the messages of this node.
        follow: Option<NodeId>,
    },
    /// The status of the network is to be written down under this name, now.
    Status(String),
    /// The end is reached.
    Ended,
}

/// A step that was to happen and could not, because nobody was there to do it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdleStep {
    /// Its place in the timeline, from 0.
    pub step: usize,
    /// When it was to happen.
    pub time: Time,
}

/// The network at the end, or at the moment before it was shut down: what is judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Closing {
    /// When that was.
    pub time: Time,
    /// Which nodes were up.
    pub present: Vec<bool>,
    /// The links that were up. It has all nodes that ever were.
    pub graph: Arc<Graph>,
    /// How many messages had been sent.
    pub messages_sent: u64,
}

impl<W: World> Playback<W> {
    /// A network, at its start, and the scenario that it is to go through.
    pub fn new<C>(network: Network<W>, scenario: &Scenario<C>) -> Playback<W> {
        let first =
            |(step, planned): (usize, &PlannedStep)| Reverse((planned.at, Turn::Step { step, done: 0 }));
        Playback {
            network,
            upcoming: scenario.timeline.iter().enumerate().map(first).collect(),
            timeline: scenario.timeline.clone(),
            workload: stream(scenario.file.seed, Purpose::Workload),
            chance: stream(scenario.file.seed, Purpose::Faults),
            harms: BTreeMap::new(),
            harmed: None,
            disturbed: Time::ZERO,
            leaving: BTreeSet::new(),
            asked: 0,
            censuses: 0,
            idle: Vec::new(),
            shutdown: None,
            end: scenario.end,
        }
    }

    /// Goes on for at most `most` events, or to the next snapshot or status, or to the end.
    pub fn advance(&mut self, most: u64) -> Progress {
        self.advance_to(self.end, most)
    }

    /// The same, but not beyond a moment.
    pub fn advance_to(&mut self, stop: Time, most: u64) -> Progress {
        // What would come after the end, as a fault may, does not.
        let due = self.upcoming.peek().map(|&Reverse(due)| due).filter(|&(time, _)| time <= self.end);
        let until = due.map_or(self.end, |(time, _)| time);
        if stop < until {
            self.network.world_mut().advance(stop, most);
            return Progress::Going;
        }
        if !self.network.world_mut().advance(until, most) {
            return Progress::Going;
        }
        let Some((_, turn)) = due else { return Progress::Ended };
        self.upcoming.pop();
        let Turn::Step { step, done } = turn else {
            self.follow_up(turn);
            return Progress::Going;
        };
        let planned = &self.timeline[step];
        if done + 1 < planned.count {
            self.upcoming.push(Reverse((until + planned.every, Turn::Step { step, done: done + 1 })));
        }
        let action = planned.action.clone();
        if let Action::Fault(plan) = &action {
            self.harm(step, plan);
            return Progress::Going;
        }
        if !self.can_happen(&action) {
            self.idle.push(IdleStep { step, time: until });
            return Progress::Going;
        }
        self.carry_out(action)
    }

    fn carry_out(&mut self, action: Action) -> Progress {
        if matches!(action, Action::Join { .. } | Action::Leave { .. }) {
            self.disturbed = self.network.now();
        }
        match action {
            Action::Join { contact } => self.join(contact),
            Action::Leave { who } => {
                self.choose(who, &STAYING).into_iter().for_each(|node| self.leave(node));
            }
            Action::Broadcast { from, title, message } => {
                for node in self.choose(from, &[State::Member]) {
                    self.asked += 1;
                    self.network.broadcast_titled(node, &title, &message);
                }
            }
            Action::Send { from, to, title, message } => {
                for node in self.choose(from, &[State::Member]) {
                    for to in self.choose(to, &UP) {
                        let command = Command::Send { to, title: title.clone(), message: message.clone() };
                        self.network.command(node, command);
                    }
                }
            }
            Action::Discover { who } => {
                self.choose(who, &UP).into_iter().for_each(|node| self.network.discover(node));
            }
            Action::Status { name, by } => {
                let by = by.map(|by| self.choose(by, &[State::Member])).unwrap_or_default();
                self.censuses += by.len() as u64;
                by.into_iter().for_each(|node| self.network.census(node));
                return Progress::Status(name);
            }
            Action::Shutdown => {
                self.shutdown.get_or_insert_with(|| Closing::of(&self.network));
                self.network.shutdown();
            }
            Action::Snapshot { name, follow } => return Progress::Snapshot { name, follow },
            Action::Fault(_) => unreachable!("harm is done elsewhere"),
        }
        Progress::Going
    }

    fn leave(&mut self, node: NodeId) {
        self.leaving.insert(node.0);
        self.network.leave(node);
    }

    /// Whether there is anybody to do it.
    fn can_happen(&self, action: &Action) -> bool {
        let somebody_of = |nodes: &Nodes, states: &[State]| match nodes {
            Nodes::One(node) => node.index() < self.network.size() && self.network.is_up(*node),
            Nodes::Random | Nodes::Genesis | Nodes::All | Nodes::Share(_) => {
                self.network.up().any(|node| states.contains(&self.network.state(node)))
            }
        };
        let somebody = |nodes: &Nodes| somebody_of(nodes, &UP);
        match action {
            Action::Join { contact: Through::One(node) } => somebody(&Nodes::One(*node)),
            Action::Join { .. }
            | Action::Snapshot { .. }
            | Action::Status { by: None, .. }
            | Action::Fault(_) => true,
            Action::Leave { who: Nodes::One(node) } => {
                somebody(&Nodes::One(*node)) && self.network.state(*node) != State::Leaving
            }
            Action::Leave { who } => somebody_of(who, &STAYING),
            Action::Broadcast { from: nodes, .. } | Action::Status { by: Some(nodes), .. } => {
                somebody_of(nodes, &[State::Member])
            }
            Action::Discover { who } => somebody(who),
            // A message to somebody who is gone can be sent, and gets lost; to somebody who is yet to come it cannot.
            Action::Send { from, to, .. } => {
                somebody_of(from, &[State::Member])
                    && !matches!(to, Nodes::One(node) if node.index() >= self.network.size())
            }
            Action::Shutdown => somebody(&Nodes::All),
        }
    }

    /// Whoever is the contact may leave at that moment: those that everybody knows are asked after it.
    fn join(&mut self, contact: Through) {
        let mut contacts = match contact {
            Through::Genesis => Vec::new(),
            Through::Random => self.choose(Nodes::Random, &STAYING),
            Through::One(node) => vec![node],
        };
        contacts.extend(self.network.contacts());
        self.network.join_through(contacts);
    }

    /// Those of the nodes that are in one of these states now; one that is named need not be.
    fn choose(&mut self, nodes: Nodes, states: &[State]) -> Vec<NodeId> {
        choose(&mut self.network, &mut self.workload, nodes, states)
    }

    /// The network, as it is now.
    pub fn network(&self) -> &Network<W> {
        &self.network
    }

    /// How many broadcasts nodes were asked for so far. A protocol may have published fewer.
    pub fn broadcasts_asked(&self) -> u64 {
        self.asked
    }

    /// How many nodes were asked so far to count the network.
    pub fn censuses_asked(&self) -> u64 {
        self.censuses
    }

    /// The steps that were to happen so far and could not.
    pub fn idle_steps(&self) -> &[IdleStep] {
        &self.idle
    }

    /// The network just before it was shut down, if it was.
    pub fn shutdown(&self) -> Option<&Closing> {
        self.shutdown.as_ref()
    }

    /// Ends the playback.
    pub fn into_network(self) -> Network<W> {
        self.network
    }
}

/// Those of the nodes that are in one of these states now; one that is named need not be.
fn choose<W: World>(
    network: &mut Network<W>,
    chance: &mut ChaCha8Rng,
    nodes: Nodes,
    states: &[State],
) -> Vec<NodeId> {
    let known = if nodes == Nodes::Genesis { network.contacts() } else { Vec::new() };
    let fits = |node: &NodeId| states.contains(&network.state(*node));
    let all = || (0..network.size()).map(NodeId::at).filter(fits);
    match nodes {
        Nodes::One(node) => vec![node],
        Nodes::All => all().collect(),
        Nodes::Random => random_node(network.size() as u32, chance, fits).into_iter().collect(),
        Nodes::Share(share) => {
            let fitting: Vec<NodeId> = all().collect();
            let count = (fitting.len() as f64 * share).round() as usize;
            let mut chosen = fitting.into_iter().sample(chance, count);
            chosen.sort_unstable_by_key(|node| node.0);
            chosen
        }
        Nodes::Genesis => known.into_iter().filter(fits).take(1).collect(),
    }
}

fn random_node(nodes: u32, chance: &mut ChaCha8Rng, fits: impl Fn(&NodeId) -> bool) -> Option<NodeId> {
    // Most of them fit: the first draws will do. If not, the long way is fair as well.
    for _ in 0..if nodes == 0 { 0 } else { 16 } {
        let node = NodeId(chance.random_range(0..nodes));
        if fits(&node) {
            return Some(node);
        }
    }
    (0..nodes).map(NodeId).filter(fits).choose(chance)
}

impl Closing {
    /// The network as it is now.
    pub fn of<W: World>(network: &Network<W>) -> Closing {
        let nodes = (0..network.size()).map(NodeId::at);
        Closing {
            time: network.now(),
            present: nodes.clone().map(|node| network.is_up(node)).collect(),
            graph: network.topology(),
            messages_sent: nodes.map(|node| network.counters(node).messages_sent).sum(),
        }
    }

    /// The links among the nodes that were up, and nobody else.
    pub fn present_graph(&self) -> Cow<'_, Graph> {
        self.graph.among(|node| self.present[node.index()])
    }
}
