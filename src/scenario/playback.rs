//! Playing a scenario's timeline on a network.

use super::{Action, Nodes, PlannedStep, Scenario};
use crate::id::NodeId;
use crate::network::Network;
use crate::rng::{Purpose, stream};
use crate::time::Time;
use crate::world::World;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A scenario on its way: a network and what is still to be done to it.
pub struct Playback<W> {
    network: Network<W>,
    timeline: Vec<PlannedStep>,
    /// The next occurrence of each step that has one, the earliest first, by (time, step); and how many came before.
    upcoming: BinaryHeap<Reverse<(Time, usize, u32)>>,
    workload: ChaCha8Rng,
    asked: u64,
    end: Time,
}

/// How far a playback came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// There is more to come.
    Going,
    /// The network is to be drawn and exported under this name, now.
    Snapshot(String),
    /// The end is reached.
    Ended,
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
            end: scenario.end,
        }
    }

    /// Goes on for at most `most` events, or to the next snapshot, or to the end.
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
        match &planned.action {
            Action::Snapshot { name } => Progress::Snapshot(name.clone()),
            Action::Broadcast { from, title, message } => {
                let (from, title, message) = (*from, title.clone(), message.clone());
                self.broadcast(from, &title, &message);
                Progress::Going
            }
        }
    }

    fn broadcast(&mut self, from: Nodes, title: &str, message: &str) {
        let nodes = self.network.size() as u32;
        let chosen = match from {
            Nodes::One(node) => node.0..node.0 + 1,
            Nodes::All => 0..nodes,
            Nodes::Random => {
                let node = self.workload.random_range(0..nodes);
                node..node + 1
            }
        };
        for node in chosen {
            self.asked += 1;
            self.network.broadcast_titled(NodeId(node), title, message);
        }
    }

    /// The network, as it is now.
    pub fn network(&self) -> &Network<W> {
        &self.network
    }

    /// How many broadcasts nodes were asked for so far. A protocol may have published fewer.
    pub fn broadcasts_asked(&self) -> u64 {
        self.asked
    }

    /// Ends the playback.
    pub fn into_network(self) -> Network<W> {
        self.network
    }
}
