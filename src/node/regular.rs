//! The overlay `regular`: about six neighbors for everybody, by chance, and ways to keep it so (protocol.md, §3).
//!
//! A concept a file: [`join`] splits edges, [`heirs`] replace who crashed, [`shed`] takes superfluous links away,
//! [`flip`] mixes who neighbors whom, [`probe`] dials addresses from the book and spreads them, [`addresses`] is the book. Here
//! stands what they share: neighbors agreed on with a cap, alarms, and what to do next ([`Node::tend`]).
//!
//! Deviations from the paper, each marked where it is:
//!
//! - A node with eight neighbors or more sheds links, of which the paper says nothing: leaving by a path of heirs adds links.
//! - A flip keeps links in the order of its path, and whoever is in another one refuses: nobody waits, so no order by identity is
//!   needed. Each node begins one a minute at most, and only after a minute without one.
//! - A newcomer's walks share their first four steps. Shuffles go to neighbors in turn instead of by a walk.
//! - The book is not on disk as a whole: the log holds who became a neighbor, and the last six of them are dialled first.

mod addresses;
mod flip;
mod heirs;
mod join;
mod probe;
mod shed;

use super::links::Errand;
use super::{Control, Node, NodeMessage, NodeTimer, OverlayKind, Weakness};
use crate::id::NodeId;
use crate::time::LocalTime;
use crate::transport::Transport;
use addresses::Addresses;
pub use flip::Flip;
use flip::Part;
use heirs::Legacy;
pub use heirs::List;
pub use join::Walk;
use join::{Half, Reservation, Shadow};
use probe::Batch;
use rand::RngExt;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};
use shed::Lock;
use std::collections::VecDeque;
use std::time::Duration;

/// So many neighbors a node looks for.
const TARGET: usize = 6;
/// With fewer it looks for more (`d_target` less one: an odd degree is no deficit).
const ENOUGH: usize = 5;
/// It takes no more of those that it does not owe anything (`d_soft`).
const SOFT: usize = 8;
/// It never has more (`d_hard`).
const HARD: usize = 10;
/// Who has not answered after this time will not.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// The pause after a search; it doubles with each that came to nothing.
const FIRST_PAUSE: Duration = Duration::from_secs(3);
const MOST_DOUBLINGS: u32 = 5;
/// A newcomer that has reached nobody after so many searches takes itself for the first node.
const LONELY: u32 = 4;

/// What the nodes of the overlay `regular` say to each other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Word {
    /// Let so many walks look for neighbors for me.
    Seek {
        /// How many.
        walks: u8,
    },
    /// Go on to somebody, and stop in the end at a link to split.
    Walk(Walk),
    /// Let us keep our link for the seeker, to split it: offer yourself.
    Reserve {
        /// Who is to come between us.
        seeker: NodeId,
        /// So many more steps if you refuse.
        extra: u8,
    },
    /// I do not.
    Refused {
        /// Who was to come between us.
        seeker: NodeId,
        /// As in the question.
        extra: u8,
    },
    /// Have me for a neighbor, together with the other end of my link; without one, I have a place free.
    Offer {
        /// The other end.
        other: Option<NodeId>,
        /// Whether the sender is a member of the network.
        member: bool,
        /// My neighbors, as in `Neighbors`.
        list: List,
    },
    /// I do.
    Take {
        /// Whether the sender is a member of the network.
        member: bool,
    },
    /// I do not; or I take my offer back.
    Decline,
    /// The node for which our link is split has me for a neighbor: end the link when it has you.
    Taken {
        /// Which node.
        seeker: NodeId,
    },
    /// Let us be neighbors.
    Woo {
        /// Whether the sender is a member of the network.
        member: bool,
        /// Why.
        why: Why,
    },
    /// I cannot be; these may.
    Busy(Vec<NodeId>),
    /// We are no neighbors, whatever you think.
    Bye,
    /// My neighbors.
    Neighbors(List),
    /// Find a way back to the node that has too many neighbors, over links that it may keep.
    Shed {
        /// Which node, and which of its walks.
        walk: (NodeId, u32),
        /// Its neighbors but the first on this way.
        goals: Vec<NodeId>,
        /// How far to look.
        steps: u8,
    },
    /// There is another way between us: end our link.
    Unlink {
        /// Which of my walks found it.
        walk: u32,
    },
    /// About the flip that this node began, under this number.
    Flip((NodeId, u32), Flip),
    /// Nodes that I know, and my neighbors; tell me yours.
    Shuffle(Vec<NodeId>, List),
    /// Nodes that I know, and my neighbors.
    Shuffled(Vec<NodeId>, List),
}

impl Word {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Word::Seek { .. } => "seek",
            Word::Walk(_) => "walk",
            Word::Reserve { .. } => "reserve",
            Word::Refused { .. } => "refused",
            Word::Offer { .. } => "offer",
            Word::Take { .. } => "take",
            Word::Decline => "decline",
            Word::Taken { .. } => "taken",
            Word::Woo { .. } => "woo",
            Word::Busy(_) => "busy",
            Word::Bye => "bye",
            Word::Neighbors(_) => "neighbors",
            Word::Shed { .. } => "shed",
            Word::Unlink { .. } => "unlink",
            Word::Flip(..) => "flip",
            Word::Shuffle(..) => "shuffle",
            Word::Shuffled(..) => "shuffled",
        }
    }
}

impl From<Word> for NodeMessage {
    fn from(word: Word) -> NodeMessage {
        Control::Regular(word).into()
    }
}

/// Why somebody wants to be a neighbor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Why {
    /// It has too few.
    Need,
    /// We were, and the link broke.
    Relink,
    /// We both are heirs of a node that crashed.
    Heir(NodeId),
    /// We may belong to two networks that do not know of each other.
    Bridge,
    /// A flip wants it: who began it, under which number.
    Flip((NodeId, u32)),
}

/// What a link is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Aim {
    /// To let walks look for neighbors.
    Seek,
    /// To offer oneself to a seeker.
    Offer,
    /// To become neighbors.
    Woo(Why),
    /// To see whether it answers; it is a neighbor then if one is needed.
    Patch,
    /// To see whether it answers.
    Probe,
}

/// What a timer of this overlay is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// Look for neighbors again.
    Seek,
    /// Give up waiting for answers.
    Sweep,
    /// Tell the neighbors of each other.
    Lists,
    /// Get rid of a neighbor.
    Shed,
    /// Dial an address of the book.
    Probe,
    /// Exchange addresses.
    Shuffle,
    /// Flip links.
    Flip,
    /// Leave, now that no walk needs this node any more.
    Depart,
}

const ALARMS: usize = 8;

/// A node's place in the overlay.
#[derive(Debug, Default)]
pub(super) struct Regular {
    /// When each alarm is to ring, and its number. What rings under another number is stale.
    alarms: [Option<(LocalTime, u32)>; ALARMS],
    alarms_set: u32,
    /// Searches in a row that came to nothing.
    failures: u32,
    seeking_until: Option<LocalTime>,
    guides: Vec<NodeId>,
    /// The latest neighbors of an earlier life, the last one first.
    last: Vec<NodeId>,
    reservations: Vec<Reservation>,
    halves: Vec<Half>,
    wooed: Vec<Wooed>,
    version: u32,
    lists: Vec<(NodeId, List)>,
    /// Walks that came by of late, with the steps that they had left.
    passed: VecDeque<((NodeId, u32), u16)>,
    /// How often the neighbors of this node have changed since it told this one.
    untold: Vec<(NodeId, u8)>,
    shadows: Vec<Shadow>,
    legacies: Vec<Legacy>,
    /// Neighbors that have said that they leave.
    leavers: Vec<NodeId>,
    locks: Vec<Lock>,
    /// Counts this node's walks to shed a link.
    walks: u32,
    /// Links of its own that it wants to shed: no walk goes over them.
    shedding: Vec<Lock>,
    /// Heirs that had no place, to be asked again.
    refused: Vec<(NodeId, Errand)>,
    /// Attempts in a row that shed no link.
    shed_failures: u32,
    /// Its part in the latest flip.
    flip: Option<Part>,
    /// When it began one, or took part in one, last.
    flipped: Option<LocalTime>,
    /// New neighbors from what may have been another network, and how often each link to them is yet to be spread.
    bridges: Vec<(NodeId, u8)>,
    batch: Batch,
    /// Those to which a link was being opened at the latest probe.
    dialled: Vec<NodeId>,
    pub(super) book: Addresses,
    /// When the latest neighbor was lost unawares.
    shaken: Option<LocalTime>,
    /// So many nodes that answer a probe are made neighbors: there was a crash, and the network may be in parts.
    doubt: u32,
}

/// A peer that was asked to be a neighbor.
#[derive(Clone, Copy, Debug)]
struct Wooed {
    peer: NodeId,
    why: Why,
    until: LocalTime,
}

impl Regular {
    /// Every node that it has heard of.
    pub(super) fn addresses(&self) -> impl Iterator<Item = NodeId> {
        self.book.all()
    }

    pub(super) fn is_waiting_for(&self, peer: NodeId) -> bool {
        self.halves.iter().any(|half| half.from == peer)
            || self.wooed.iter().any(|wooed| wooed.peer == peer)
            || self.reservations.iter().any(|reservation| reservation.seeker == peer)
    }

    /// A peer is no neighbor any more; the neighbors that it had.
    fn forget_neighbor(&mut self, peer: NodeId) -> List {
        self.untold.retain(|(node, _)| *node != peer);
        self.bridges.retain(|(node, _)| *node != peer);
        let place = self.lists.iter().position(|(node, _)| *node == peer);
        place.map(|place| self.lists.swap_remove(place).1).unwrap_or_default()
    }

    /// Whether all of its addresses have failed.
    pub(super) fn knows_only_the_dead(&self) -> bool {
        self.book.good().next().is_none()
    }

    /// A neighbor leaves: its end is no surprise.
    pub(super) fn expect_leave(&mut self, peer: NodeId) {
        if !self.leavers.contains(&peer) && self.leavers.len() < 2 * HARD {
            self.leavers.push(peer);
        }
    }
}

fn later(now: LocalTime, after: Duration) -> LocalTime {
    LocalTime::from_nanos(now.nanos().saturating_add(after.as_nanos() as u64))
}

impl Node {
    pub(super) fn is_regular(&self) -> bool {
        self.aside.overlay == OverlayKind::Regular
    }

    /// Neighbors, and those that may become neighbors any moment.
    fn load(&self) -> usize {
        let regular = &self.aside.regular;
        let reserved = regular.reservations.iter().map(|reservation| reservation.seeker);
        let wooed = regular.wooed.iter().map(|wooed| wooed.peer);
        let coming: Vec<NodeId> =
            reserved.chain(wooed).filter(|&peer| !self.neighbors.contains(peer)).collect();
        let counts = |new: &NodeId| self.neighbors.contains(*new) || coming.contains(new);
        let flips =
            regular.flip.as_ref().is_some_and(|part| !part.arrived && !part.new.as_ref().is_some_and(counts));
        self.neighbors.len() + coming.len() + usize::from(flips)
    }

    /// The same without a peer that may become one.
    fn load_beside(&self, peer: NodeId) -> usize {
        self.load() - usize::from(self.is_courting(peer) && !self.neighbors.contains(peer))
    }

    /// Rings in so long, unless it rings earlier anyway.
    fn set_alarm(&mut self, net: &mut impl Transport<Node>, alarm: Alarm, after: Duration) {
        let at = later(net.now(), after);
        let regular = &mut self.aside.regular;
        let slot = &mut regular.alarms[alarm as usize];
        if slot.is_none_or(|(before, _)| at < before) {
            regular.alarms_set = regular.alarms_set.wrapping_add(1);
            *slot = Some((at, regular.alarms_set));
            net.set_timer(after, NodeTimer::Regular { alarm, number: regular.alarms_set });
        }
    }

    pub(super) fn on_alarm(&mut self, net: &mut impl Transport<Node>, alarm: Alarm, number: u32) {
        // By its number, not by the time: a clock that drifts lets it ring a little early.
        let slot = &mut self.aside.regular.alarms[alarm as usize];
        if slot.take_if(|(_, latest)| *latest == number).is_none() {
            return;
        }
        self.forget_past_flip(net.now());
        match alarm {
            Alarm::Seek => self.tend(net),
            Alarm::Sweep => self.sweep(net),
            Alarm::Lists => self.tell_neighbors(net),
            Alarm::Shed => self.shed(net),
            Alarm::Probe => self.probe(net),
            Alarm::Shuffle => self.shuffle(net),
            Alarm::Flip => self.flip(net),
            Alarm::Depart => self.begin_departure(net),
        }
    }

    pub(super) fn on_word(&mut self, net: &mut impl Transport<Node>, from: NodeId, word: Word) {
        if !self.is_regular() {
            return;
        }
        self.forget_past_flip(net.now());
        match word {
            Word::Seek { walks } => self.on_seek(net, from, walks),
            Word::Walk(walk) => self.on_walk(net, walk),
            Word::Reserve { seeker, extra } => self.on_reserve(net, from, seeker, extra),
            Word::Refused { seeker, extra } => self.on_refused(net, from, seeker, extra),
            Word::Offer { other, member, list } => self.on_offer(net, from, other, member, list),
            Word::Take { member } => self.on_take(net, from, member),
            Word::Decline => self.on_decline(net, from),
            Word::Taken { seeker } => self.on_taken(net, from, seeker),
            Word::Woo { member, why } => self.on_woo(net, from, member, why),
            Word::Busy(others) => self.on_busy(net, from, others),
            Word::Bye => self.on_bye(net, from),
            Word::Neighbors(list) => self.on_neighbors(net, from, list),
            Word::Shed { walk, goals, steps } => self.on_shed(net, from, walk, goals, steps),
            Word::Unlink { walk } => self.on_unlink(net, from, walk),
            Word::Flip(flip, word) => self.on_flip(net, from, flip, word),
            Word::Shuffle(nodes, list) => self.on_shuffle(net, from, nodes, list),
            Word::Shuffled(nodes, list) => self.on_shuffled(net, from, nodes, list),
        }
    }

    pub(super) fn run_aim(&mut self, net: &mut impl Transport<Node>, peer: NodeId, aim: Aim) {
        match aim {
            Aim::Seek => self.ask_to_seek(net, peer),
            Aim::Offer => self.offer(net, peer),
            Aim::Woo(why) => self.woo(net, peer, why),
            Aim::Patch => self.patch(net, peer),
            Aim::Probe => self.probed(net, peer),
        }
    }

    /// The world gave a link at the start.
    pub(super) fn given(&mut self, net: &mut impl Transport<Node>) {
        if self.is_regular() {
            self.neighbors_changed(net);
            self.tend(net);
        }
    }

    /// It was a neighbor in an earlier life (§3.7).
    pub(super) fn remember_neighbor(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        self.note_address(net, peer, peer);
        let last = &mut self.aside.regular.last;
        last.retain(|&node| node != peer);
        last.insert(0, peer);
        last.truncate(TARGET);
    }

    /// Through whom to join: the latest neighbors of an earlier life go first.
    pub(super) fn ways_in(&mut self, contacts: Vec<NodeId>) -> Vec<NodeId> {
        let mut ways = std::mem::take(&mut self.aside.regular.last);
        ways.extend(contacts);
        ways
    }

    /// There is a neighbor more.
    pub(super) fn gained(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        let is_newcomer = self.aside.is_newcomer;
        let regular = &mut self.aside.regular;
        let is_bridge = |wooed: &Wooed| wooed.peer == peer && wooed.why == Why::Bridge;
        let is_bridge = regular.wooed.iter().any(is_bridge);
        regular.wooed.retain(|wooed| wooed.peer != peer);
        regular.book.answered(net.now(), peer);
        if !is_newcomer {
            // Other newcomers are not the network.
            regular.failures = 0;
        }
        regular.leavers.retain(|&leaver| leaver != peer);
        self.legacies_reached(peer);
        self.log_neighbor(net, peer);
        self.neighbors_changed(net);
        self.flip_goes_on(net, peer);
        if is_bridge {
            self.note_bridge(net, peer);
        }
    }

    /// Does what is to be done next, if anything.
    pub(super) fn tend(&mut self, net: &mut impl Transport<Node>) {
        if !self.stays() || !self.is_regular() {
            return;
        }
        if self.neighbors.len() >= SOFT {
            let spread = Duration::from_millis(net.rng().random_range(0..1_000));
            self.set_alarm(net, Alarm::Shed, Duration::from_millis(500) + spread);
        }
        self.keep_probing(net);
        let now = net.now();
        if let Some(until) = self.aside.regular.seeking_until.filter(|&until| now < until) {
            return self.set_alarm(net, Alarm::Seek, until - now);
        }
        self.aside.regular.seeking_until = None;
        self.dismiss_guides(net);
        let lonely = LONELY.max(self.aside.membership.contacts.len() as u32);
        if self.aside.is_newcomer && self.aside.regular.failures >= lonely {
            self.become_member(net, None);
            self.aside.regular.failures = 0;
        }
        let missing = self.small_world(net.me());
        let enough = self.neighbors.len() >= ENOUGH && !self.aside.is_newcomer;
        if enough || missing.as_ref().is_some_and(|missing| missing.is_empty() && !self.aside.is_newcomer) {
            if let Some(missing) = missing {
                // Up to seven nodes: a complete graph.
                missing.into_iter().for_each(|node| self.court(net, node, Why::Need));
            }
            return;
        }
        let is_newcomer = self.aside.is_newcomer;
        if self.lacks(Weakness::NoRetry) && self.aside.regular.failures > 0 {
            return;
        }
        let regular = &mut self.aside.regular;
        let most = if is_newcomer { 1 } else { MOST_DOUBLINGS };
        let pause = FIRST_PAUSE * 2u32.pow(regular.failures.min(most));
        regular.failures += 1;
        regular.seeking_until = Some(later(now, pause));
        let spread = Duration::from_millis(net.rng().random_range(0..500));
        self.set_alarm(net, Alarm::Seek, pause + spread);
        match missing.filter(|missing| !missing.is_empty()) {
            Some(missing) => missing.into_iter().for_each(|node| self.court(net, node, Why::Need)),
            None => self.look_around(net),
        }
    }

    /// Asks a peer to be a neighbor, as soon as there is a link.
    fn court(&mut self, net: &mut impl Transport<Node>, peer: NodeId, why: Why) {
        if peer != net.me() && !self.neighbors.contains(peer) {
            self.visit(net, peer, Errand::Regular(Aim::Woo(why)));
        }
    }

    fn woo(&mut self, net: &mut impl Transport<Node>, peer: NodeId, why: Why) {
        let regular = &self.aside.regular;
        if self.neighbors.contains(peer) || regular.wooed.iter().any(|wooed| wooed.peer == peer) {
            return;
        }
        let most = if why == Why::Bridge { SOFT } else { HARD };
        if self.load_beside(peer) >= most || !self.stays() {
            self.not_won(net, peer, why);
            return self.part_from(net, peer);
        }
        let until = later(net.now(), ANSWER_TIME);
        self.aside.regular.wooed.push(Wooed { peer, why, until });
        self.set_alarm(net, Alarm::Sweep, ANSWER_TIME);
        net.send(peer, Word::Woo { member: !self.aside.is_newcomer, why }.into());
    }

    /// §3.1, §3.2: whoever names a dead node is accepted, up to the hard cap. (The cap goes before the heir: he goes on to the next.)
    fn on_woo(&mut self, net: &mut impl Transport<Node>, from: NodeId, member: bool, why: Why) {
        let most = match why {
            Why::Need | Why::Bridge => SOFT,
            Why::Relink | Why::Heir(_) => HARD,
            Why::Flip(flip) => HARD * usize::from(self.expects(net.now(), from, flip)),
        };
        let is_neighbor = self.neighbors.contains(from);
        if !self.stays() || (self.load_beside(from) >= most && !is_neighbor) {
            let others: Vec<NodeId> = self.neighbors.iter().filter(|&peer| peer != from).collect();
            let others = others.sample(net.rng(), 2).copied().collect();
            return net.send(from, Word::Busy(others).into());
        }
        net.send(from, Control::Welcome { member: !self.aside.is_newcomer }.into());
        self.befriend(net, from, member);
        if why == Why::Bridge && !is_neighbor {
            self.note_bridge(net, from);
        }
    }

    fn is_courting(&self, peer: NodeId) -> bool {
        let Regular { wooed, reservations, flip, .. } = &self.aside.regular;
        wooed.iter().any(|wooed| wooed.peer == peer)
            || flip.is_some_and(|part| part.new == Some(peer) && !part.arrived)
            || reservations.iter().any(|reservation| reservation.seeker == peer)
    }

    /// Whether a peer that says we are neighbors may be one: it was asked, or there is a place.
    pub(super) fn may_befriend(&self, peer: NodeId) -> bool {
        !self.is_regular()
            || self.neighbors.contains(peer)
            || (self.neighbors.len() < HARD && (self.is_courting(peer) || self.load() < HARD))
    }

    fn on_busy(&mut self, net: &mut impl Transport<Node>, from: NodeId, others: Vec<NodeId>) {
        for node in others.into_iter().take(2) {
            self.note_address(net, node, from);
        }
        let wooed = &mut self.aside.regular.wooed;
        if let Some(place) = wooed.iter().position(|wooed| wooed.peer == from) {
            let Wooed { why, .. } = wooed.swap_remove(place);
            self.not_won(net, from, why);
        }
        // Until they are linked the leaver is the way between them: asked again, for as long as it waits.
        let errands = self.aside.links.befriended(from);
        let errands = errands.into_iter().filter(|errand| matches!(errand, Errand::Inherit { .. }));
        self.aside.regular.refused.extend(errands.map(|errand| (from, errand)).take(HARD));
        if !self.aside.regular.refused.is_empty() {
            self.set_alarm(net, Alarm::Sweep, Duration::from_secs(1));
        }
        self.part_from(net, from);
        self.tend(net);
    }

    /// A peer did not become a neighbor.
    fn not_won(&mut self, net: &mut impl Transport<Node>, peer: NodeId, why: Why) {
        match why {
            Why::Heir(dead) => self.legacy_goes_on(net, dead, peer),
            Why::Relink => self.relink_failed(net, peer),
            Why::Flip(flip) => self.flip_failed(net, flip),
            Why::Need | Why::Bridge => {}
        }
    }

    fn on_bye(&mut self, net: &mut impl Transport<Node>, from: NodeId) {
        if self.neighbors.contains(from) {
            self.drop_neighbor(net, from);
        }
    }

    /// Ends a neighborhood on purpose.
    fn drop_neighbor(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        self.neighbors.remove(peer);
        self.aside.regular.forget_neighbor(peer);
        net.close(peer);
        self.neighbors_changed(net);
        self.neighbor_left(net, peer);
        self.tend(net);
    }

    /// A link is gone, or could not be opened.
    pub(super) fn regular_link_lost(
        &mut self,
        net: &mut impl Transport<Node>,
        peer: NodeId,
        was_neighbor: bool,
        failed: &[Errand],
    ) {
        let never_came_up = failed.iter().any(|errand| matches!(errand, Errand::Regular(_)));
        if never_came_up {
            self.aside.regular.book.failed(net.now(), peer);
        }
        if self.lacks(Weakness::ForgetsAddresses) {
            self.forget_address(peer);
        }
        let regular = &mut self.aside.regular;
        regular.halves.retain(|half| half.from != peer);
        let is_split = regular.reservations.iter().any(|reservation| {
            reservation.other == Some(peer) && self.neighbors.contains(reservation.seeker)
        });
        let leaves = regular.leavers.contains(&peer);
        let is_shed = regular.shedding.extract_if(.., |lock| lock.peer == peer).count() > 0;
        let is_flipped = self.flip_ended(net, peer);
        let regular = &mut self.aside.regular;
        regular
            .reservations
            .retain(|reservation| reservation.seeker != peer && reservation.other != Some(peer));
        regular.refused.retain(|(heir, _)| *heir != peer);
        regular.leavers.retain(|&leaver| leaver != peer);
        let list = regular.forget_neighbor(peer);
        let wooed: Vec<Wooed> = regular.wooed.extract_if(.., |wooed| wooed.peer == peer).collect();
        self.forget_duties(peer);
        for Wooed { why, .. } in wooed {
            self.not_won(net, peer, why);
        }
        for &errand in failed {
            match errand {
                Errand::Regular(Aim::Woo(why)) => self.not_won(net, peer, why),
                Errand::Regular(Aim::Seek) => self.aside.regular.seeking_until = None,
                Errand::Regular(Aim::Patch) => self.patch_failed(net),
                Errand::Inherit { .. } => self.inherit_failed(net, peer, errand),
                _ => {}
            }
        }
        if was_neighbor {
            self.neighbors_changed(net);
            if is_shed {
                self.aside.regular.shed_failures = 0;
                self.set_alarm(net, Alarm::Shed, Duration::from_millis(200));
            }
            if !(is_split || leaves || is_shed || is_flipped)
                && self.stays()
                && !self.lacks(Weakness::NoRepair)
            {
                self.lost_unawares(net, peer, list);
            }
            self.neighbor_left(net, peer);
            if self.lacks(Weakness::NoRepair) {
                return;
            }
        }
        self.tend(net);
    }

    /// Gives up waiting for those that have not answered.
    fn sweep(&mut self, net: &mut impl Transport<Node>) {
        let now = net.now();
        let regular = &mut self.aside.regular;
        let wooed: Vec<Wooed> = regular.wooed.extract_if(.., |wooed| wooed.until <= now).collect();
        let reserved = regular.reservations.extract_if(.., |reservation| reservation.until <= now);
        let mut silent: Vec<NodeId> = reserved.map(|reservation| reservation.seeker).collect();
        let halves = regular.halves.extract_if(.., |half| half.until <= now);
        silent.extend(halves.map(|half| half.from));
        regular.locks.retain(|lock| lock.until > now);
        regular.shedding.retain(|lock| lock.until > now);
        let refused = std::mem::take(&mut regular.refused);
        let waits =
            !(regular.wooed.is_empty() && regular.reservations.is_empty() && regular.halves.is_empty());
        for Wooed { peer, why, .. } in wooed {
            self.not_won(net, peer, why);
            silent.push(peer);
        }
        for peer in silent {
            self.part_from(net, peer);
        }
        for (heir, errand) in refused {
            if let Errand::Inherit { leaver, .. } = errand
                && self.neighbors.contains(leaver)
            {
                self.visit(net, heir, errand);
            }
        }
        if waits {
            self.set_alarm(net, Alarm::Sweep, Duration::from_secs(1));
        }
        self.tend(net);
    }
}
