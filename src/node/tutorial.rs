//! The overlay `tutorial`: joining as in the tutorial from which this project grew, made to keep its promise.
//!
//! *Joining.* A newcomer asks a contact for a random node R of the network, asks R for a random part of itself and its
//! neighbors, and links to those. The original's contact names one of its own connections, and so becomes a hub of
//! half the network; ours names a node that it has heard of. The original's R names any number of its neighbors, from two
//! on; ours names three to five nodes, so that everybody has more than two peers, and degrees stay bounded in the
//! mean (not at the hubs: who has many neighbors is named often).
//!
//! *Seeking.* Whoever has fewer than three neighbors goes on asking, with growing pauses, and rests only when nothing has
//! come of it for long: a network of three has no third peer to offer. A neighbor won or lost revives the search, and who
//! has no neighbor at all never rests as long as it knows anybody.

use super::links::Errand;
use super::{Aside, Control, Node, NodeTimer, Weakness};
use crate::id::NodeId;
use crate::protocol::State;
use crate::transport::Transport;
use rand::RngExt;
use rand::seq::IndexedRandom;
use std::time::Duration;

/// Everybody is to have so many neighbors, if the network has them.
const ENOUGH: usize = 3;
/// At least and at most so many nodes are named to somebody who looks for neighbors.
const PART: std::ops::RangeInclusive<u32> = 3..=5;
/// The pause after a search that came to nothing; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// After so many searches in a row that came to nothing, the node rests until something happens.
const MOST_FAILURES: u32 = 8;
/// A newcomer that has reached nobody after so many searches takes itself for the first node.
const LONELY: u32 = 4;
/// Who has not answered after this time will not.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// A node's place in the overlay.
#[derive(Debug, Default)]
pub(super) struct Tutorial {
    search: Search,
    /// Searches in a row that came to nothing.
    failures: u32,
    /// Counts searches: timers of earlier ones are stale.
    generation: u32,
}

/// The search for neighbors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Search {
    #[default]
    Resting,
    /// This peer was asked for a node.
    AskedNode(NodeId),
    /// This peer was asked for a part of its neighbors; who named it can be asked instead.
    AskedPart { asked: NodeId, guide: NodeId },
    /// So many candidates were asked to be neighbors, and have not answered.
    Befriending(usize),
    /// The next one begins when the timer fires.
    Pausing,
}

impl Tutorial {
    /// Whether an answer of the peer is awaited.
    pub(super) fn is_waiting_for(&self, peer: NodeId) -> bool {
        match self.search {
            Search::AskedNode(asked) => asked == peer,
            Search::AskedPart { asked, guide } => asked == peer || guide == peer,
            Search::Resting | Search::Befriending(_) | Search::Pausing => false,
        }
    }

    /// Looks for nobody any more.
    pub(super) fn rest(&mut self) {
        self.search = Search::Resting;
    }

    fn next_generation(&mut self) -> u32 {
        self.generation += 1;
        self.generation
    }
}

impl Node {
    /// Whether it has what it looks for.
    fn is_content(&self) -> bool {
        self.neighbors.len() >= ENOUGH && !self.aside.is_newcomer
    }

    /// Looks for neighbors, if there are too few, or for the network; unless a search is under way.
    pub(super) fn seek(&mut self, net: &mut impl Transport<Node>) {
        if self.is_content() || !self.stays() || self.aside.tutorial.search != Search::Resting {
            return;
        }
        if self.aside.tutorial.failures >= LONELY && self.aside.is_newcomer {
            // Others may do so as well: it goes on looking for them.
            self.become_member(net, None);
            self.aside.tutorial.failures = 0;
        }
        // Who is all alone never rests as long as it knows of anybody.
        let is_lost = self.neighbors.len() == 0 && !self.aside.book.is_empty();
        if self.aside.tutorial.failures >= MOST_FAILURES && !is_lost {
            return;
        }
        match self.guide(net) {
            Some(guide) => {
                self.begin(net, Search::AskedNode(guide));
                self.visit(net, guide, Errand::AskNode);
            }
            // Somebody may come by and make himself known.
            None => self.search_failed(net),
        }
    }

    /// The search takes its next step, which is to end within a time: on some links messages get lost.
    fn begin(&mut self, net: &mut impl Transport<Node>, search: Search) {
        self.aside.tutorial.search = search;
        let generation = self.aside.tutorial.next_generation();
        net.set_timer(ANSWER_TIME, NodeTimer::Seek { generation });
    }

    /// Whom to ask: the contacts in turn while joining, then anybody that is known.
    fn guide(&mut self, net: &mut impl Transport<Node>) -> Option<NodeId> {
        let failures = self.aside.tutorial.failures as usize;
        if let Some(&contact) = self.aside.membership.contacts.get(failures) {
            return Some(contact);
        }
        let known = self.aside.book.draw(net);
        known.or_else(|| self.neighbors.to_vec().choose(net.rng()).copied())
    }

    pub(super) fn on_ask_node(&mut self, net: &mut impl Transport<Node>, from: NodeId) {
        let node = match self.aside.state {
            // Those that it names to each other as heirs will still be there.
            State::Leaving | State::Stopped => self.neighbors.to_vec().choose(net.rng()).copied(),
            _ => self.aside.book.without(from).choose(net.rng()).copied(),
        };
        self.aside.book.add(net, from);
        net.send(from, Control::Node(node).into());
    }

    pub(super) fn on_node(&mut self, net: &mut impl Transport<Node>, from: NodeId, node: Option<NodeId>) {
        if self.aside.tutorial.search != Search::AskedNode(from) || self.aside.state == State::Leaving {
            return;
        }
        if let Some(node) = node {
            self.aside.book.add(net, node);
        }
        // The guide is one of the random nodes as well: with it alone, there is no other.
        let me = net.me();
        let random = node.filter(|&node| node != me && !net.rng().random_ratio(1, 8)).unwrap_or(from);
        self.ask_part(net, random, from);
    }

    fn ask_part(&mut self, net: &mut impl Transport<Node>, asked: NodeId, guide: NodeId) {
        self.begin(net, Search::AskedPart { asked, guide });
        self.visit(net, asked, Errand::AskPart);
    }

    /// Names three to five of this node and its neighbors.
    pub(super) fn on_ask_part(&mut self, net: &mut impl Transport<Node>, from: NodeId) {
        let neighbors = self.neighbors.iter().filter(|&node| node != from);
        let all: Vec<NodeId> = match self.aside.state {
            State::Member => neighbors.chain([net.me()]).collect(),
            State::Leaving | State::Stopped | State::Crashed => neighbors.collect(),
            // It has few neighbors or none; but it knows through whom it joins.
            State::Joining => {
                let known = self.aside.book.as_slice().iter().copied();
                known.chain([net.me()]).filter(|&node| node != from).collect()
            }
        };
        let size = net.rng().random_range(PART) as usize;
        let part = all.sample(net.rng(), size).copied().collect();
        net.send(from, Control::Part(part).into());
    }

    pub(super) fn on_part(&mut self, net: &mut impl Transport<Node>, from: NodeId, nodes: Vec<NodeId>) {
        let Search::AskedPart { asked, guide } = self.aside.tutorial.search else { return };
        if asked != from || self.aside.state == State::Leaving {
            return;
        }
        for &node in &nodes {
            self.aside.book.add(net, node);
        }
        let me = net.me();
        let new: Vec<NodeId> =
            nodes.into_iter().filter(|&node| node != me && !self.neighbors.contains(node)).collect();
        self.begin(net, Search::Befriending(new.len()));
        for &candidate in &new {
            self.visit(net, candidate, Errand::Befriend);
        }
        if new.is_empty() {
            self.search_failed(net);
        }
        self.part_from(net, from);
        self.part_from(net, guide);
    }

    /// An errand came to its end, this way or that: the search, or the leaver that waits for its heir, goes on.
    pub(super) fn run_out(&mut self, net: &mut impl Transport<Node>, errand: Errand) {
        match errand {
            // Befriended or given up: either way it is not awaited any more.
            Errand::Inherit { .. } => {}
            Errand::Befriend => {
                if let Search::Befriending(open) = &mut self.aside.tutorial.search {
                    *open = open.saturating_sub(1);
                    if *open == 0 {
                        self.search_ended(net);
                    }
                }
            }
            Errand::AskNode | Errand::AskPart | Errand::Deliver | Errand::Regular(_) => {}
        }
    }

    fn search_ended(&mut self, net: &mut impl Transport<Node>) {
        if !self.is_content() {
            return self.search_failed(net);
        }
        self.aside.tutorial.search = Search::Resting;
        self.aside.tutorial.failures = 0;
    }

    fn search_failed(&mut self, net: &mut impl Transport<Node>) {
        let gives_up = self.lacks(Weakness::NoRetry);
        let Aside { tutorial, membership, state, .. } = &mut *self.aside;
        tutorial.search = Search::Resting;
        if *state == State::Leaving || gives_up {
            return;
        }
        let pause = FIRST_PAUSE * 2u32.pow(tutorial.failures.min(MOST_FAILURES));
        tutorial.failures += 1;
        if (tutorial.failures as usize) < membership.contacts.len() {
            return self.seek(net);
        }
        tutorial.search = Search::Pausing;
        let generation = tutorial.next_generation();
        let spread = net.rng().random_range(0..=pause.as_millis() as u64 / 2);
        net.set_timer(pause + Duration::from_millis(spread), NodeTimer::Seek { generation });
    }

    pub(super) fn on_seek_timer(&mut self, net: &mut impl Transport<Node>, generation: u32) {
        if generation != self.aside.tutorial.generation {
            return;
        }
        match self.aside.tutorial.search {
            Search::Resting => {}
            Search::Pausing => {
                self.aside.tutorial.search = Search::Resting;
                self.seek(net);
            }
            // Whoever was asked has not answered.
            Search::AskedNode(_) | Search::AskedPart { .. } | Search::Befriending(_) => {
                self.search_failed(net)
            }
        }
    }

    /// Something changed: a search that has given up, or pauses for long, has new hope.
    pub(super) fn revive(&mut self, net: &mut impl Transport<Node>) {
        if !self.aside.is_newcomer && self.aside.tutorial.failures > 0 {
            self.aside.tutorial.failures = 0;
            if self.aside.tutorial.search == Search::Pausing {
                self.aside.tutorial.search = Search::Resting;
            }
        }
        self.seek(net);
    }

    /// A link is gone, or could not be opened.
    pub(super) fn tutorial_link_lost(
        &mut self,
        net: &mut impl Transport<Node>,
        peer: NodeId,
        was_neighbor: bool,
        failed: &[Errand],
    ) {
        if self.lacks(Weakness::ForgetsAddresses) {
            self.forget_address(peer);
        }
        match self.aside.tutorial.search {
            Search::AskedPart { asked, guide } if asked == peer && guide != peer => {
                self.aside.book.set_back(peer);
                self.ask_part(net, guide, guide);
            }
            Search::AskedPart { asked, .. } | Search::AskedNode(asked) if asked == peer => {
                self.aside.book.set_back(peer);
                self.search_failed(net);
            }
            _ => {}
        }
        for &errand in failed {
            match errand {
                Errand::Inherit { .. } => self.inherit_failed(net, peer, errand),
                _ => self.run_out(net, errand),
            }
        }
        self.forget_duties(peer);
        if was_neighbor {
            if !self.lacks(Weakness::NoRepair) {
                self.revive(net);
            }
            self.neighbor_left(net, peer);
        }
    }
}
