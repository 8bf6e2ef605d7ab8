//! Playing a scenario's timeline on a network.

use super::{Action, Nodes, PlannedStep, Scenario, Through};
use crate::graph::Graph;
use crate::id::NodeId;
use crate::network::Network;
use crate::protocol::{Command, State};
use crate::rng::{Purpose, stream};
use crate::time::Time;
use crate::world::World;
use rand::RngExt;
use rand::seq::IteratorRandom;
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// A scenario on its way: a network and what is still to be done to it.
pub struct Playback<W> {
    network: Network<W>,
    timeline: Vec<PlannedStep>,
    /// The next occurrence of each step that has one, the earliest first, by (time, step); and how many came before.
    upcoming: BinaryHeap<Reverse<(Time, usize, u32)>>,
    workload: ChaCha8Rng,
    asked: u64,
    censuses: u64,
    idle: Vec<IdleStep>,
    shutdown: Option<Closing>,
    end: Time,
}

/// Those that have not stopped.
const UP: [State; 3] = [State::Joining, State::Member, State::Leaving];
/// Those of them that are not on their way out.
const STAYING: [State; 2] = [State::Joining, State::Member];

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
        let first = |(step, planned): (usize, &PlannedStep)| Reverse((planned.at, step, 0));
        Playback {
            network,
            upcoming: scenario.timeline.iter().enumerate().map(first).collect(),
            timeline: scenario.timeline.clone(),
            workload: stream(scenario.file.seed, Purpose::Workload),
            asked: 0,
            censuses: 0,
            idle: Vec::new(),
            shutdown: None,
            end: scenario.end,
        }
    }

    /// Goes on for at most `most` events, or to the next snapshot or status, or to the end.
    pub fn advance(&mut self, most: u64) -> Progress {
        let (until, due) = match self.upcoming.peek() {
            Some(&Reverse((time, step, done))) => (time, Some((step, done))),
            None => (self.end, None),
        };
        if !self.network.world_mut().advance(until, most) {
            return Progress::Going;
        }
        let Some((step, done)) = due else { return Progress::Ended };
        self.upcoming.pop();
        let planned = &self.timeline[step];
        if done + 1 < planned.count {
            self.upcoming.push(Reverse((until + planned.every, step, done + 1)));
        }
        let action = planned.action.clone();
        if !self.can_happen(&action) {
            self.idle.push(IdleStep { step, time: until });
            return Progress::Going;
        }
        self.carry_out(action)
    }

    fn carry_out(&mut self, action: Action) -> Progress {
        match action {
            Action::Join { contact } => self.join(contact),
            Action::Leave { who } => {
                self.choose(who, &STAYING).into_iter().for_each(|node| self.network.leave(node));
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
        }
        Progress::Going
    }

    /// Whether there is anybody to do it.
    fn can_happen(&self, action: &Action) -> bool {
        let somebody_of = |nodes: &Nodes, states: &[State]| match nodes {
            Nodes::One(node) => node.index() < self.network.size() && self.network.is_up(*node),
            Nodes::Random | Nodes::All | Nodes::Share(_) => {
                self.network.up().any(|node| states.contains(&self.network.state(node)))
            }
        };
        let somebody = |nodes: &Nodes| somebody_of(nodes, &UP);
        match action {
            Action::Join { contact: Through::One(node) } => somebody(&Nodes::One(*node)),
            Action::Join { .. } | Action::Snapshot { .. } | Action::Status { by: None, .. } => true,
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
        let fits = |network: &Network<W>, node| states.contains(&network.state(node));
        match nodes {
            Nodes::One(node) => vec![node],
            Nodes::All => self.network.up().filter(|&node| fits(&self.network, node)).collect(),
            Nodes::Random => self.random_node(states).into_iter().collect(),
            Nodes::Share(share) => {
                let up: Vec<NodeId> = self.network.up().filter(|&node| fits(&self.network, node)).collect();
                let count = (up.len() as f64 * share).round() as usize;
                let mut chosen = up.into_iter().sample(&mut self.workload, count);
                chosen.sort_unstable_by_key(|node| node.0);
                chosen
            }
        }
    }

    fn random_node(&mut self, states: &[State]) -> Option<NodeId> {
        let nodes = self.network.size() as u32;
        // Most of them are up: the first draws will do. If not, the long way is fair as well.
        for _ in 0..if nodes == 0 { 0 } else { 16 } {
            let node = NodeId(self.workload.random_range(0..nodes));
            if states.contains(&self.network.state(node)) {
                return Some(node);
            }
        }
        let fitting = self.network.up().filter(|&node| states.contains(&self.network.state(node)));
        fitting.choose(&mut self.workload)
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
