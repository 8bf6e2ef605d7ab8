//! What is wrong with the network, and what that does to messages, links, nodes and clocks. A world in which nothing was
//! ever wrong has none of this.

mod readiness;

use super::event::{Event, Letter, Stored};
use super::queue::Queue;
use super::sessions::Session;
use super::{Core, LinkKind, digest};
use crate::fault::{Condition, ConditionId, Effects, Whom};
use crate::id::NodeId;
use crate::observe::{DropReason, Observation, Observer, Parcel};
use crate::protocol::Protocol;
use crate::rng::{Draws, Purpose};
use crate::time::{Time, nanos};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Everything that is or was wrong.
pub(super) struct Faults<P: Protocol> {
    draws: Draws,
    /// By their numbers.
    imposed: Vec<Imposed>,
    /// Those that are not lifted.
    in_force: Vec<ConditionId>,
    /// What reached nodes that were not ready for it. Looked up only.
    lines: FxHashMap<NodeId, VecDeque<Event>>,
    /// When nodes are to be woken for what waits for them. Looked up only.
    wakes: FxHashMap<NodeId, Time>,
    /// Of nodes whose clocks are wrong, or were. Looked up only.
    clocks: FxHashMap<NodeId, Clock>,
    /// What reliable links keep until a cut heals, by sender and receiver, in order of sending.
    held: BTreeMap<(u32, u32), Vec<Held<P>>>,
    /// What waits at senders with a narrow uplink; the first is under way. Looked up only.
    uplinks: FxHashMap<NodeId, VecDeque<Waiting<P>>>,
    /// When the first of them is through. Looked up only.
    uplink_ready: FxHashMap<NodeId, Time>,
    /// Ends of links, by node and peer, that hear nothing of the other end.
    hushed: BTreeMap<(u32, u32), Hush>,
    /// Those at which a look is planned whether they are to be given up. Looked up only.
    armed: FxHashSet<(u32, u32)>,
    /// How many messages of the links themselves were sent.
    controls: u64,
}

struct Imposed {
    /// None, when it is over.
    condition: Option<Condition>,
    /// (A cell, since a node that looks at its clock changes nothing else.)
    effects: Cell<Effects>,
    /// When a slow node is ready for the next thing. Looked up only.
    free_at: FxHashMap<NodeId, Time>,
}

/// An end of a link that hears nothing of the other end.
#[derive(Clone, Copy)]
struct Hush {
    session: Session,
    since: Time,
    patience: Duration,
    because: ConditionId,
}

/// Something that waits for its sender's uplink.
struct Waiting<P: Protocol> {
    to: NodeId,
    session: Session,
    what: Kept<P>,
}

/// Something that waits for a cut to heal.
struct Held<P: Protocol> {
    cut: ConditionId,
    session: Session,
    what: Kept<P>,
}

enum Kept<P: Protocol> {
    /// A message, and how many its sender had sent with it.
    Letter(Parcel, Letter<P::Message>, u64),
    /// What the link itself needs.
    Control(Stored<P>),
}

/// A clock that runs by its own speed since a moment at which it showed `local`.
#[derive(Clone, Copy)]
struct Clock {
    because: ConditionId,
    since: Time,
    local: u64,
    drift: i32,
    skew: i64,
}

/// What becomes of a message.
enum Fate {
    /// This cut is in its way.
    Cut(ConditionId),
    /// It is lost.
    Lost(ConditionId),
    /// It goes on its way after so many nanoseconds; perhaps twice.
    Passes { wait: u64, twice: bool },
}

const MILLION: i128 = 1_000_000;

impl Clock {
    fn local(&self, now: Time) -> u64 {
        let passed = i128::from(nanos(now.since(self.since)));
        self.local.saturating_add((passed * (MILLION + i128::from(self.drift)) / MILLION) as u64)
    }

    /// How long it truly takes until so much has passed by this clock.
    fn true_length(&self, length: Duration) -> Duration {
        let length = i128::from(nanos(length)) * MILLION;
        let speed = MILLION + i128::from(self.drift);
        Duration::from_nanos(u64::try_from((length + speed - 1) / speed).unwrap_or(u64::MAX))
    }
}

impl<P: Protocol> Faults<P> {
    pub(super) fn new(seed: u64) -> Faults<P> {
        Faults {
            draws: Draws::new(seed, Purpose::Conditions),
            imposed: Vec::new(),
            in_force: Vec::new(),
            lines: FxHashMap::default(),
            wakes: FxHashMap::default(),
            clocks: FxHashMap::default(),
            held: BTreeMap::new(),
            uplinks: FxHashMap::default(),
            uplink_ready: FxHashMap::default(),
            hushed: BTreeMap::new(),
            armed: FxHashSet::default(),
            controls: 0,
        }
    }

    pub(super) fn effects(&self, id: ConditionId) -> Effects {
        self.imposed[id.0 as usize].effects.get()
    }

    /// The conditions in force.
    fn in_force(&self) -> impl Iterator<Item = (ConditionId, &Condition)> {
        let condition = |&id: &ConditionId| Some((id, self.imposed[id.0 as usize].condition.as_ref()?));
        self.in_force.iter().filter_map(condition)
    }

    fn affect(&self, id: ConditionId, change: impl FnOnce(&mut Effects)) {
        let cell = &self.imposed[id.0 as usize].effects;
        let mut effects = cell.get();
        change(&mut effects);
        cell.set(effects);
    }

    /// The cut that stops what `from` sends to `to`.
    fn cut(&self, from: NodeId, to: NodeId) -> Option<ConditionId> {
        let mut cuts = self.in_force().filter_map(|(id, condition)| match condition {
            Condition::Cut(cut) => Some((id, cut)),
            _ => None,
        });
        cuts.find(|(_, cut)| cut.stops(from, to)).map(|(id, _)| id)
    }

    /// Whether nothing passes between two nodes, one way at least.
    pub(super) fn separate(&self, a: NodeId, b: NodeId) -> bool {
        self.cut(a, b).or_else(|| self.cut(b, a)).is_some()
    }

    /// The condition by which a node stands still.
    pub(super) fn pause(&self, node: NodeId) -> Option<ConditionId> {
        let stands =
            |condition: &Condition| matches!(condition, Condition::Pause(whom) if whom.contains(node));
        self.in_force().find(|(_, condition)| stands(condition)).map(|(id, _)| id)
    }

    /// Whether `node` hears nothing of `peer`.
    fn hears_nothing(&self, node: NodeId, peer: NodeId) -> bool {
        self.separate(node, peer) || self.pause(peer).is_some()
    }

    /// The narrowest uplink of a node, and how long it takes to send so many bytes over it.
    fn uplink(&self, node: NodeId, bytes: u32) -> Option<(ConditionId, u64)> {
        let length = |rate: u64| u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
        let narrow = self.in_force().filter_map(|(id, condition)| match condition {
            Condition::Uplink { whom, bytes_per_second } if whom.contains(node) => {
                Some((id, u64::try_from(length(*bytes_per_second)).unwrap_or(u64::MAX)))
            }
            _ => None,
        });
        narrow.max_by_key(|&(_, length)| length)
    }

    /// A message leaves its sender; it is its `number`th.
    fn meet(&self, now: Time, (from, to): (NodeId, NodeId), number: u64, reliable: bool) -> Fate {
        if let Some(cut) = self.cut(from, to) {
            self.affect(cut, |effects| effects.on_message(now));
            return Fate::Cut(cut);
        }
        let touches = |whom: &Whom| whom.contains(from) || whom.contains(to);
        let draw = |id: ConditionId| self.draws.at(u64::from(id.0) << 32 | u64::from(from.0), number);
        let lost = self.in_force().find(|&(id, condition)| match condition {
            Condition::Loss { whom, share } => !reliable && touches(whom) && draw(id).chance(*share),
            _ => false,
        });
        if let Some((loss, _)) = lost {
            self.affect(loss, |effects| effects.on_message(now));
            return Fate::Lost(loss);
        }
        let (mut wait, mut twice) = (0u64, false);
        for (id, condition) in self.in_force() {
            let mut draw = draw(id);
            let longer = match condition {
                Condition::Duplication { whom, share }
                    if !reliable && touches(whom) && draw.chance(*share) =>
                {
                    twice = true;
                    self.affect(id, |effects| effects.on_message(now));
                    0
                }
                Condition::Delay { whom, share, min, max } if touches(whom) && draw.chance(*share) => {
                    nanos(*min).saturating_add(draw.up_to(nanos(*max).saturating_sub(nanos(*min))))
                }
                _ => 0,
            };
            if longer > 0 {
                wait = wait.saturating_add(longer);
                self.affect(id, |effects| effects.on_message(now));
            }
        }
        Fate::Passes { wait, twice }
    }

    /// What a node's clock shows, now that it looks.
    pub(super) fn local(&self, node: NodeId, now: Time) -> u64 {
        let Some(clock) = self.clocks.get(&node) else { return now.nanos() };
        self.misled(clock, now, clock.drift != 0);
        clock.local(now)
    }

    /// By how many nanoseconds its calendar is ahead, now that it looks.
    pub(super) fn skew(&self, node: NodeId, now: Time) -> i64 {
        let Some(clock) = self.clocks.get(&node) else { return 0 };
        self.misled(clock, now, clock.skew != 0);
        clock.skew
    }

    /// How long it truly takes until so much has passed by a node's clock, by which it sets a timer now.
    pub(super) fn true_length(&self, node: NodeId, length: Duration, now: Time) -> Duration {
        let Some(clock) = self.clocks.get(&node) else { return length };
        self.misled(clock, now, clock.drift != 0);
        clock.true_length(length)
    }

    fn misled(&self, clock: &Clock, now: Time, is_wrong: bool) {
        if is_wrong {
            self.affect(clock.because, |effects| effects.on_handled(now));
        }
    }

    /// Sets the clock of a node as the latest condition says that is in force; right, if there is none.
    pub(super) fn set_clock(&mut self, now: Time, node: NodeId) {
        let wrong = self.in_force().filter_map(|(id, condition)| match condition {
            Condition::Clock { whom, skew, drift } if whom.contains(node) => Some((id, *skew, *drift)),
            _ => None,
        });
        let Some((because, skew, drift)) = wrong.last().or_else(|| {
            // It was wrong, and goes on from what it showed.
            self.clocks.get(&node).map(|clock| (clock.because, 0, 0))
        }) else {
            return;
        };
        let local = self.clocks.get(&node).map_or(now.nanos(), |clock| clock.local(now));
        self.clocks.insert(node, Clock { because, since: now, local, drift, skew });
    }
}

/// What happens to messages.
impl<P: Protocol, O: Observer, Q: Queue<Event>> Core<P, O, Q> {
    /// Sends a message through all that is wrong. It is its sender's `number`th.
    #[cold]
    #[inline(never)]
    pub(super) fn send_disturbed(
        &mut self,
        parcel: Parcel,
        session: Session,
        letter: Letter<P::Message>,
        number: u64,
    ) {
        // What waits somewhere on its way is in flight as well.
        self.in_flight.add(parcel.payload.is_some());
        let (from, to) = (parcel.from, parcel.to);
        let what = Kept::Letter(parcel, letter, number);
        self.queue_up(from, Waiting { to, session, what }, parcel.bytes);
    }

    /// Something waits for its sender's uplink, if that is narrow; otherwise it leaves at once.
    fn queue_up(&mut self, from: NodeId, waiting: Waiting<P>, bytes: u32) {
        let now = self.now;
        let Some(faults) = self.faults.as_deref_mut() else { return };
        let uplink = faults.uplink(from, bytes);
        let line = faults.uplinks.get_mut(&from).filter(|line| !line.is_empty());
        let is_first = line.is_none();
        let Some((id, length)) = uplink.filter(|&(_, length)| length > 0 || !is_first) else {
            return self.leave(from, waiting);
        };
        faults.affect(id, |effects| effects.on_message(now));
        faults.uplinks.entry(from).or_default().push_back(waiting);
        if is_first {
            faults.uplink_ready.insert(from, now.after(length));
            self.events.push(now.after(length), from, Stored::Uplink);
        }
    }

    /// The first in the line for an uplink is through.
    pub(super) fn uplink_free(&mut self, node: NodeId) {
        let now = self.now;
        let Some(faults) = self.faults.as_deref_mut() else { return };
        if faults.uplink_ready.get(&node) != Some(&now) {
            return;
        }
        faults.uplink_ready.remove(&node);
        let Some(line) = faults.uplinks.get_mut(&node) else { return };
        let Some(first) = line.pop_front() else { return };
        let bytes = line.front().map(|next| match next.what {
            Kept::Letter(parcel, ..) => parcel.bytes,
            Kept::Control(_) => 0,
        });
        if let Some(bytes) = bytes {
            let length = faults.uplink(node, bytes).map_or(0, |(_, length)| length);
            faults.uplink_ready.insert(node, now.after(length));
            self.events.push(now.after(length), node, Stored::Uplink);
        }
        self.leave(node, first);
    }

    /// Something leaves its sender.
    fn leave(&mut self, from: NodeId, Waiting { to, session, what }: Waiting<P>) {
        match what {
            Kept::Letter(parcel, letter, number) => self.letter_leaves(parcel, session, letter, number),
            Kept::Control(stored) => self.control_leaves(from, to, session, stored),
        }
    }

    fn letter_leaves(&mut self, parcel: Parcel, session: Session, letter: Letter<P::Message>, number: u64) {
        let reliable = !matches!(self.links.kind, LinkKind::Datagram(_));
        let (from, to, now) = (parcel.from, parcel.to, self.now);
        let Some(faults) = self.faults.as_deref() else { return };
        let fate = faults.meet(now, (from, to), number, reliable);
        if let (Fate::Cut(cut), true) = (&fate, reliable) {
            let what = Kept::Letter(parcel, letter, number);
            return self.hold(from, to, Held { cut: *cut, session, what });
        }
        self.in_flight.remove(parcel.payload.is_some());
        let (wait, twice) = match fate {
            Fate::Cut(cut) => return self.tell(Observation::Dropped(parcel, DropReason::Cut(cut))),
            Fate::Lost(loss) => return self.tell(Observation::Dropped(parcel, DropReason::Lost(loss))),
            Fate::Passes { wait, twice } => (wait, twice),
        };
        let mut draw = self.link_draws.at(u64::from(from.0), number);
        let latency = self.links.latency(self.link_draws, from, to);
        let [first, second] = self.links.copies(latency, &mut draw);
        let third = twice.then(|| self.links.travel(latency, &mut draw));
        if first.is_none() {
            self.tell(Observation::Dropped(parcel, DropReason::Loss));
        }
        for after in [second, third, first].into_iter().flatten() {
            self.carry(after.saturating_add(wait), parcel, session, letter.clone());
        }
    }

    fn hold(&mut self, from: NodeId, to: NodeId, held: Held<P>) {
        if let Some(faults) = &mut self.faults {
            faults.held.entry((from.0, to.0)).or_default().push(held);
        }
    }

    /// Sends what a session itself needs through all that is wrong: it waits for a cut to heal, and whoever waits for it
    /// gives up after a while.
    #[cold]
    pub(super) fn control_disturbed(&mut self, from: NodeId, to: NodeId, stored: Stored<P>) {
        let session = match stored {
            Stored::Open { session, .. }
            | Stored::Accepted { session, .. }
            | Stored::Closed { session, .. } => session,
            _ => unreachable!("links send nothing else"),
        };
        self.queue_up(from, Waiting { to, session, what: Kept::Control(stored) }, 0);
    }

    fn control_leaves(&mut self, from: NodeId, to: NodeId, session: Session, stored: Stored<P>) {
        let Some(faults) = self.faults.as_deref_mut() else { return };
        faults.controls += 1;
        let number = u64::MAX - faults.controls;
        let (dial, silence) = (self.links.dial, self.links.silence);
        match faults.meet(self.now, (from, to), number, true) {
            Fate::Cut(cut) => {
                match stored {
                    Stored::Open { .. } => self.hush(from, to, session, dial, cut),
                    Stored::Accepted { .. } => {
                        self.hush(to, from, session, dial, cut);
                        self.hush(from, to, session, silence, cut);
                    }
                    _ => self.hush(to, from, session, silence, cut),
                }
                self.hold(from, to, Held { cut, session, what: Kept::Control(stored) });
            }
            Fate::Passes { wait, .. } => {
                let latency = self.links.latency(self.link_draws, from, to);
                let time = self.sessions.in_order(from, to, self.now.after(latency.saturating_add(wait)));
                self.events.push(time, to, stored);
            }
            Fate::Lost(_) => unreachable!("links are reliable in what they need themselves"),
        }
    }

    /// `node` gives a session up after a time: its peer is gone without a word.
    pub(super) fn expect_silence(&mut self, node: NodeId, peer: NodeId, session: Session, after: Duration) {
        self.events.push(self.now + after, node, Stored::Silence { peer, session });
    }

    /// From now on `node` hears nothing of its peer, and gives the session up if that lasts.
    fn hush(
        &mut self,
        node: NodeId,
        peer: NodeId,
        session: Session,
        patience: Duration,
        because: ConditionId,
    ) {
        let (now, key) = (self.now, (node.0, peer.0));
        let Some(faults) = self.faults.as_deref_mut() else { return };
        if faults.hushed.get(&key).is_some_and(|hush| hush.session == session) {
            return;
        }
        faults.hushed.insert(key, Hush { session, since: now, patience, because });
        if faults.armed.insert(key) {
            self.events.push(now + patience, node, Stored::Hushed { peer });
        }
    }

    /// Whether `node` gives up a session now in which it has heard nothing for too long.
    pub(super) fn tires(&mut self, node: NodeId, peer: NodeId) -> Option<Session> {
        let (now, key) = (self.now, (node.0, peer.0));
        let faults = self.faults.as_deref_mut()?;
        faults.armed.remove(&key);
        let &Hush { session, since, patience, because } = faults.hushed.get(&key)?;
        if since + patience > now {
            // It heard something meanwhile.
            faults.armed.insert(key);
            self.events.push(since + patience, node, Stored::Hushed { peer });
            return None;
        }
        faults.hushed.remove(&key);
        if !self.gives_up(node, peer, session) {
            return None;
        }
        self.faults.as_deref()?.affect(because, |effects| effects.on_link_end(now));
        Some(session)
    }

    /// Whether `node` gives up a session: if it has it still. What waits in it is lost.
    pub(super) fn gives_up(&mut self, node: NodeId, peer: NodeId, session: Session) -> bool {
        let has_it = self.sessions.end(node, peer, session);
        if has_it {
            self.lose_held(node, peer, Some(session));
            self.control(node, peer, Stored::Closed { from: node, session });
        }
        has_it
    }

    /// Messages that wait at `from` for a cut to heal are lost: those of one session, or all. What the links themselves have
    /// to say is said nevertheless.
    fn lose_held(&mut self, from: NodeId, to: NodeId, session: Option<Session>) {
        let Some(faults) = self.faults.as_deref_mut() else { return };
        let Some(all) = faults.held.remove(&(from.0, to.0)) else { return };
        let is_lost = |held: &Held<P>| {
            matches!(held.what, Kept::Letter(..)) && session.is_none_or(|session| held.session == session)
        };
        let (lost, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(is_lost);
        if !kept.is_empty() {
            faults.held.insert((from.0, to.0), kept);
        }
        for Held { cut, what, .. } in lost {
            if let Kept::Letter(parcel, ..) = what {
                self.in_flight.remove(parcel.payload.is_some());
                self.tell(Observation::Dropped(parcel, DropReason::Cut(cut)));
            }
        }
    }

    /// A node ends its life: whatever it had not got rid of is lost.
    pub(super) fn ends(&mut self, node: NodeId) {
        let Some(faults) = self.faults.as_deref_mut() else { return };
        faults.uplink_ready.remove(&node);
        let waiting = faults.uplinks.remove(&node).unwrap_or_default();
        let peers: Vec<u32> =
            faults.held.range((node.0, 0)..=(node.0, u32::MAX)).map(|(key, _)| key.1).collect();
        for Waiting { what, .. } in waiting {
            if let Kept::Letter(parcel, ..) = what {
                self.in_flight.remove(parcel.payload.is_some());
                self.tell(Observation::Dropped(parcel, DropReason::OldSession));
            }
        }
        peers.into_iter().for_each(|peer| self.lose_held(node, NodeId(peer), None));
    }

    /// A link is broken: what waits in it is lost.
    pub(super) fn lose_held_between(&mut self, a: NodeId, b: NodeId, session: Session) {
        self.lose_held(a, b, Some(session));
        self.lose_held(b, a, Some(session));
    }
}

/// How conditions begin and end.
impl<P: Protocol, O: Observer, Q: Queue<Event>> Core<P, O, Q> {
    /// From now on something is wrong; `nodes`: how many there are.
    pub(super) fn impose(&mut self, condition: Condition, nodes: usize) -> ConditionId {
        let seed = self.seed;
        let faults = self.faults.get_or_insert_with(|| Box::new(Faults::new(seed)));
        let id = ConditionId(faults.imposed.len() as u32);
        faults.imposed.push(Imposed {
            condition: Some(condition.clone()),
            effects: Cell::default(),
            free_at: FxHashMap::default(),
        });
        faults.in_force.push(id);
        self.note(digest::IMPOSED, NodeId(0), NodeId(0), id.0.into());
        self.tell(Observation::Imposed { id, condition: &condition });
        match &condition {
            Condition::Cut(cut) => self.fall_silent(nodes, id, |a, b| cut.separates(a, b)),
            Condition::Pause(whom) => self.fall_silent(nodes, id, |_, peer| whom.contains(peer)),
            Condition::Clock { .. } => self.set_clocks(nodes),
            _ => {}
        }
        id
    }

    fn set_clocks(&mut self, nodes: usize) {
        let now = self.now;
        if let Some(faults) = self.faults.as_deref_mut() {
            (0..nodes).map(NodeId::at).for_each(|node| faults.set_clock(now, node));
        }
    }

    /// From now on nodes hear nothing of some of their peers.
    fn fall_silent(&mut self, nodes: usize, id: ConditionId, hears_nothing: impl Fn(NodeId, NodeId) -> bool) {
        let (dial, silence) = (self.links.dial, self.links.silence);
        for node in (0..nodes).map(NodeId::at) {
            for (peer, session, is_up) in self.sessions.of(node) {
                if hears_nothing(node, peer) {
                    self.hush(node, peer, session, if is_up { silence } else { dial }, id);
                }
            }
        }
    }

    /// It is over; whether it was not before.
    pub(super) fn lift(&mut self, id: ConditionId, nodes: usize) -> bool {
        let now = self.now;
        let Some(faults) = self.faults.as_deref_mut() else { return false };
        let imposed = &mut faults.imposed[id.0 as usize];
        let Some(condition) = imposed.condition.take() else { return false };
        imposed.free_at = FxHashMap::default();
        faults.in_force.retain(|&other| other != id);
        self.note(digest::LIFTED, NodeId(0), NodeId(0), id.0.into());
        self.tell(Observation::Lifted { id });
        match condition {
            Condition::Cut(_) => {
                self.hear_again();
                self.release(id);
            }
            Condition::Pause(whom) | Condition::Slow { whom, .. } => {
                self.hear_again();
                for node in (0..nodes).map(NodeId::at).filter(|&node| whom.contains(node)) {
                    if self.faults.as_ref().is_some_and(|faults| faults.lines.contains_key(&node)) {
                        self.wake_at(node, now);
                    }
                }
            }
            Condition::Clock { .. } => self.set_clocks(nodes),
            Condition::Uplink { whom, .. } => {
                for node in (0..nodes).map(NodeId::at).filter(|&node| whom.contains(node)) {
                    self.uplink_widens(node);
                }
            }
            _ => {}
        }
        true
    }

    /// Ends of links hear of their peers again, unless something else is between them.
    fn hear_again(&mut self) {
        let Some(faults) = self.faults.as_deref_mut() else { return };
        let mut hushed = std::mem::take(&mut faults.hushed);
        hushed.retain(|&(node, peer), _| faults.hears_nothing(NodeId(node), NodeId(peer)));
        faults.hushed = hushed;
    }

    /// An uplink is as wide as can be again: what waited for it leaves, unless another one is narrow.
    fn uplink_widens(&mut self, node: NodeId) {
        let Some(faults) = self.faults.as_deref_mut() else { return };
        if faults.uplink(node, 0).is_some() {
            return;
        }
        faults.uplink_ready.remove(&node);
        for waiting in faults.uplinks.remove(&node).unwrap_or_default() {
            self.leave(node, waiting);
        }
    }

    /// What waited for a cut to heal goes on its way.
    fn release(&mut self, cut: ConditionId) {
        let Some(faults) = self.faults.as_deref_mut() else { return };
        let all = std::mem::take(&mut faults.held);
        for ((from, to), items) in all {
            let (from, to) = (NodeId(from), NodeId(to));
            for held in items {
                match held {
                    held if held.cut != cut => self.hold(from, to, held),
                    Held { what, session, .. } => self.leave(from, Waiting { to, session, what }),
                }
            }
        }
    }
}
