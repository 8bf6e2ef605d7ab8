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
//! has no neighbor at all never rests as long as it knows anybody. Newcomers may link to each other first; membership
//! then spreads over their links.
//!
//! *Leaving.* The leaving node names all its neighbors to each of them; each links to the one that comes after it by
//! identity, and reports when both its links on that path are there; then the node stops. So whatever hung together through it hangs together
//! along that path: make before break. Of two neighbors that leave at once the one with the smaller identity goes first;
//! the other waits, as its heir, and then begins anew.

use super::links::Errand;
use super::{Aside, Control, Node, NodeTimer, OverlayKind, Weakness};
use crate::id::NodeId;
use crate::protocol::{Notice, State};
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
/// An heir tries so many times to link to the one after it.
const MOST_TRIES: u32 = 3;
/// Who has not answered after this time will not.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// A leaving node that waits so long for its heirs without any of them moving stops all the same.
const LEAVE_TIME: Duration = Duration::from_secs(30);

/// A node's place in the overlay.
#[derive(Debug, Default)]
pub(super) struct Tutorial {
    told_to_join: bool,
    contacts: Vec<NodeId>,
    search: Search,
    /// Searches in a row that came to nothing.
    failures: u32,
    /// Counts searches and departures: timers of earlier ones are stale.
    generation: u32,
    departure: Option<Departure>,
    duties: Vec<Duty>,
}

/// What a leaving neighbor waits for: the links to those before and after this node on the path of its heirs.
#[derive(Debug)]
struct Duty {
    leaver: NodeId,
    round: u32,
    awaited: Vec<NodeId>,
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

/// A node's way out.
#[derive(Debug)]
struct Departure {
    /// Counts the times that it named its heirs.
    round: u32,
    /// Heirs that have not released it yet.
    waiting: Vec<NodeId>,
    /// Neighbors that leave as well, and go first.
    after: Vec<NodeId>,
}

impl Tutorial {
    /// From then on a node's neighbors are those that it agreed with.
    pub(super) fn was_told_to_join(&self) -> bool {
        self.told_to_join
    }

    /// Whether an answer of the peer is awaited.
    pub(super) fn is_waiting_for(&self, peer: NodeId) -> bool {
        match self.search {
            Search::AskedNode(asked) => asked == peer,
            Search::AskedPart { asked, guide } => asked == peer || guide == peer,
            Search::Resting | Search::Befriending(_) | Search::Pausing => false,
        }
    }

    fn next_generation(&mut self) -> u32 {
        self.generation += 1;
        self.generation
    }
}

/// Joining and seeking.
impl Node {
    pub(super) fn join(&mut self, net: &mut impl Transport<Node>, contacts: Vec<NodeId>) {
        let idle = self.aside.state == State::Member && !self.aside.tutorial.told_to_join;
        if self.aside.overlay == OverlayKind::Static || !idle {
            return;
        }
        self.aside.tutorial.told_to_join = true;
        for &contact in &contacts {
            self.aside.book.add(net, contact);
        }
        if contacts.is_empty() {
            return net.notify(Notice::Joined);
        }
        (self.aside.state, self.aside.is_newcomer) = (State::Joining, true);
        self.aside.tutorial.contacts = contacts;
        self.seek(net);
    }

    /// Whether it has what it looks for.
    fn is_content(&self) -> bool {
        self.neighbors.len() >= ENOUGH && !self.aside.is_newcomer
    }

    /// Looks for neighbors, if there are too few, or for the network; unless a search is under way.
    fn seek(&mut self, net: &mut impl Transport<Node>) {
        let stays = matches!(self.aside.state, State::Joining | State::Member);
        let stays = stays && self.aside.overlay != OverlayKind::Static;
        if self.is_content() || !stays || self.aside.tutorial.search != Search::Resting {
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
        let Tutorial { contacts, failures, .. } = &self.aside.tutorial;
        if let Some(&contact) = contacts.get(*failures as usize) {
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

    pub(super) fn on_hello(&mut self, net: &mut impl Transport<Node>, from: NodeId, member: bool) {
        net.send(from, Control::Welcome { member: !self.aside.is_newcomer }.into());
        self.befriend(net, from, member);
    }

    pub(super) fn on_welcome(&mut self, net: &mut impl Transport<Node>, from: NodeId, member: bool) {
        self.befriend(net, from, member);
        for errand in self.aside.links.befriended(from) {
            self.run_out(net, errand);
        }
    }

    fn befriend(&mut self, net: &mut impl Transport<Node>, peer: NodeId, member: bool) {
        let is_new = !self.neighbors.contains(peer);
        self.neighbors.add(peer);
        if self.aside.overlay == OverlayKind::Static {
            // It has started again, and its links are given.
            return;
        }
        self.aside.book.add(net, peer);
        self.perform_duties(net, peer);
        if member && self.aside.is_newcomer {
            self.become_member(net, Some(peer));
        }
        self.revive(net);
        if is_new {
            // One heir more.
            self.depart_anew(net);
        }
    }

    /// Newcomers may have linked to each other: who is a member, `through` one, makes its other neighbors members.
    fn become_member(&mut self, net: &mut impl Transport<Node>, through: Option<NodeId>) {
        self.aside.is_newcomer = false;
        self.aside.tutorial.contacts.clear();
        if self.aside.state == State::Joining {
            self.aside.state = State::Member;
        }
        net.notify(Notice::Joined);
        for peer in self.neighbors.to_vec().into_iter().filter(|&peer| Some(peer) != through) {
            net.send(peer, Control::Welcome { member: true }.into());
        }
    }

    /// An errand came to its end, this way or that: the search, or the leaver that waits for its heir, goes on.
    fn run_out(&mut self, net: &mut impl Transport<Node>, errand: Errand) {
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
            Errand::AskNode | Errand::AskPart | Errand::Deliver => {}
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
        let Aside { tutorial, state, .. } = &mut *self.aside;
        tutorial.search = Search::Resting;
        if *state == State::Leaving || gives_up {
            return;
        }
        let pause = FIRST_PAUSE * 2u32.pow(tutorial.failures.min(MOST_FAILURES));
        tutorial.failures += 1;
        if (tutorial.failures as usize) < tutorial.contacts.len() {
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
    fn revive(&mut self, net: &mut impl Transport<Node>) {
        if !self.aside.is_newcomer && self.aside.tutorial.failures > 0 {
            self.aside.tutorial.failures = 0;
            if self.aside.tutorial.search == Search::Pausing {
                self.aside.tutorial.search = Search::Resting;
            }
        }
        self.seek(net);
    }

    /// A link is gone, or could not be opened.
    pub(super) fn overlay_link_lost(
        &mut self,
        net: &mut impl Transport<Node>,
        peer: NodeId,
        was_neighbor: bool,
        failed: &[Errand],
    ) {
        if self.aside.overlay == OverlayKind::Static {
            return;
        }
        if self.lacks(Weakness::ForgetsAddresses) {
            self.aside.book.remove(peer);
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
        let most_tries = if self.lacks(Weakness::NoRetry) { 1 } else { MOST_TRIES };
        for &errand in failed {
            match errand {
                // The other end may just have closed a link that it had opened to ask something.
                Errand::Inherit { leaver, round, tries } if tries < most_tries => {
                    self.visit(net, peer, Errand::Inherit { leaver, round, tries: tries + 1 });
                }
                Errand::Inherit { .. } => self.perform_duties(net, peer),
                _ => self.run_out(net, errand),
            }
        }
        self.aside.tutorial.duties.retain(|duty| duty.leaver != peer);
        if was_neighbor {
            if !self.lacks(Weakness::NoRepair) {
                self.revive(net);
            }
            self.neighbor_left(net, peer);
        }
    }
}

/// Leaving.
impl Node {
    pub(super) fn leave(&mut self, net: &mut impl Transport<Node>) {
        if self.aside.state == State::Leaving {
            return;
        }
        if self.aside.overlay == OverlayKind::Static {
            return self.stop(net);
        }
        self.aside.state = State::Leaving;
        self.aside.tutorial.search = Search::Resting;
        self.depart(net, 0);
    }

    /// Something moved: there is time again.
    fn extend_deadline(&mut self, net: &mut impl Transport<Node>) {
        let generation = self.aside.tutorial.next_generation();
        net.set_timer(LEAVE_TIME, NodeTimer::LeaveDeadline { generation });
    }

    /// Names its heirs to each other, and waits for them.
    fn depart(&mut self, net: &mut impl Transport<Node>, round: u32) {
        let mut heirs = self.neighbors.to_vec();
        heirs.sort_by_cached_key(|&heir| net.identity(heir));
        if heirs.is_empty() {
            return self.stop(net);
        }
        for &heir in &heirs {
            net.send(heir, Control::Leaving { round, heirs: heirs.clone() }.into());
        }
        self.aside.tutorial.departure = Some(Departure { round, waiting: heirs, after: Vec::new() });
        self.extend_deadline(net);
    }

    /// A leaving node has one heir more, or one less, or goes on after those before it: the path begins anew.
    fn depart_anew(&mut self, net: &mut impl Transport<Node>) {
        if let Some(departure) = &self.aside.tutorial.departure
            && departure.after.is_empty()
        {
            let round = departure.round + 1;
            self.depart(net, round);
        }
    }

    /// A neighbor leaves: link to the one that comes after this node among its heirs.
    pub(super) fn on_leaving(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        round: u32,
        heirs: Vec<NodeId>,
    ) {
        let goes_first = net.identity(from) < net.identity(net.me());
        match &mut self.aside.tutorial.departure {
            // It will hear of this node's end, and begin anew.
            Some(departure) if departure.after.is_empty() && !goes_first => return,
            Some(departure) if goes_first && !departure.after.contains(&from) => departure.after.push(from),
            _ => {}
        }
        self.aside.book.remove(from);
        let Some(place) = heirs.iter().position(|&heir| heir == net.me()) else { return };
        let predecessor = place.checked_sub(1).map(|before| heirs[before]);
        let successor = heirs.get(place + 1).copied().filter(|&heir| !self.neighbors.contains(heir));
        if self.lacks(Weakness::NoRepair) {
            return net.send(from, Control::Released { round }.into());
        }
        // Both links have to be there: until then, the leaver is the way between them.
        let awaited: Vec<NodeId> =
            predecessor.filter(|&heir| !self.neighbors.contains(heir)).into_iter().chain(successor).collect();
        self.aside.tutorial.duties.retain(|duty| duty.leaver != from);
        if awaited.is_empty() {
            return net.send(from, Control::Released { round }.into());
        }
        self.aside.tutorial.duties.push(Duty { leaver: from, round, awaited });
        if let Some(successor) = successor {
            self.visit(net, successor, Errand::Inherit { leaver: from, round, tries: 1 });
        }
    }

    /// The link to a peer is there, or will not come: whoever leaves and waited only for that is released.
    fn perform_duties(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        let duties = &mut self.aside.tutorial.duties;
        duties.iter_mut().for_each(|duty| duty.awaited.retain(|&awaited| awaited != peer));
        for Duty { leaver, round, .. } in duties.extract_if(.., |duty| duty.awaited.is_empty()) {
            net.send(leaver, Control::Released { round }.into());
        }
    }

    pub(super) fn on_released(&mut self, net: &mut impl Transport<Node>, from: NodeId, round: u32) {
        let Some(departure) = self.aside.tutorial.departure.as_mut().filter(|d| d.round == round) else {
            return;
        };
        departure.waiting.retain(|&peer| peer != from);
        if departure.waiting.is_empty() && departure.after.is_empty() {
            return self.stop(net);
        }
        self.extend_deadline(net);
    }

    /// A neighbor is gone: it no longer goes first, and is no heir.
    fn neighbor_left(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        if let Some(departure) = &mut self.aside.tutorial.departure {
            departure.after.retain(|&other| other != peer);
            self.depart_anew(net);
        }
    }

    pub(super) fn on_leave_deadline(&mut self, net: &mut impl Transport<Node>, generation: u32) {
        let Some(departure) = self.aside.tutorial.departure.as_ref() else { return };
        if generation != self.aside.tutorial.generation {
            return;
        }
        if departure.after.is_empty() {
            return self.stop(net);
        }
        // Those before it have deadlines of their own.
        self.extend_deadline(net);
    }
}
