//! What is wrong with the network, and what that does to messages, links, nodes and clocks. A world in which nothing was
//! ever wrong has none of this.

use super::event::{Event, Letter, Stored, What};
use super::queue::Queue;
use super::sessions::Session;
use super::{Core, LinkKind, digest};
use crate::fault::{Condition, ConditionId, Effects, Whom};
use crate::id::NodeId;
use crate::observe::{DropReason, Observation, Observer, Parcel};
use crate::protocol::{Command, Protocol};
use crate::rng::{Draws, Purpose};
use crate::time::{Time, nanos};
use rustc_hash::FxHashMap;
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
    /// Of nodes whose clocks are wrong, or were. Looked up only.
    clocks: FxHashMap<NodeId, Clock>,
    /// What reliable links keep until a cut heals, by sender and receiver, in order of sending.
    held: BTreeMap<(u32, u32), Vec<Held<P>>>,
    /// How many messages of the links themselves were sent.
    controls: u64,
}

struct Imposed {
    condition: Condition,
    effects: Effects,
    /// When a slow node or a narrow uplink is ready for the next thing. Looked up only.
    free_at: FxHashMap<NodeId, Time>,
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
            clocks: FxHashMap::default(),
            held: BTreeMap::new(),
            controls: 0,
        }
    }

    pub(super) fn effects(&self, id: ConditionId) -> Effects {
        self.imposed[id.0 as usize].effects
    }

    fn is_in_force(&self, id: ConditionId) -> bool {
        self.in_force.contains(&id)
    }

    /// The cut that stops what `from` sends to `to`.
    fn cut(&self, from: NodeId, to: NodeId) -> Option<ConditionId> {
        self.in_force.iter().copied().find(|id| match &self.imposed[id.0 as usize].condition {
            Condition::Cut(cut) => cut.stops(from, to),
            _ => false,
        })
    }

    /// Whether nothing passes between two nodes, one way at least.
    pub(super) fn separate(&self, a: NodeId, b: NodeId) -> bool {
        self.cut(a, b).or_else(|| self.cut(b, a)).is_some()
    }

    fn pause(&self, node: NodeId) -> Option<ConditionId> {
        self.in_force.iter().copied().find(|id| match &self.imposed[id.0 as usize].condition {
            Condition::Pause(whom) => whom.contains(node),
            _ => false,
        })
    }

    /// A message is on its way; it is the sender's `number`th. `bytes` is what it takes of an uplink.
    fn meet(
        &mut self,
        now: Time,
        (from, to): (NodeId, NodeId),
        bytes: u32,
        number: u64,
        reliable: bool,
    ) -> Fate {
        let (mut wait, mut twice) = (0u64, false);
        for &id in &self.in_force {
            let Imposed { condition, effects, free_at } = &mut self.imposed[id.0 as usize];
            let mut draw = self.draws.at(u64::from(id.0) << 32 | u64::from(from.0), number);
            let touches = |whom: &Whom| whom.contains(from) || whom.contains(to);
            match condition {
                Condition::Cut(cut) if cut.stops(from, to) => {
                    effects.on_message(now);
                    return Fate::Cut(id);
                }
                Condition::Loss { whom, share } if !reliable && touches(whom) && draw.chance(*share) => {
                    effects.on_message(now);
                    return Fate::Lost(id);
                }
                Condition::Duplication { whom, share }
                    if !reliable && touches(whom) && draw.chance(*share) =>
                {
                    effects.on_message(now);
                    twice = true;
                }
                Condition::Delay { whom, share, min, max } if touches(whom) && draw.chance(*share) => {
                    let more = nanos(*max).saturating_sub(nanos(*min));
                    let longer = nanos(*min).saturating_add(draw.up_to(more));
                    wait = wait.saturating_add(longer);
                    if longer > 0 {
                        effects.on_message(now);
                    }
                }
                Condition::Uplink { whom, bytes_per_second } if whom.contains(from) => {
                    let transfer = u128::from(bytes) * 1_000_000_000 / u128::from((*bytes_per_second).max(1));
                    let free = free_at.entry(from).or_insert(now);
                    *free = (*free).max(now).after(u64::try_from(transfer).unwrap_or(u64::MAX));
                    let longer = nanos(free.since(now));
                    wait = wait.saturating_add(longer);
                    if longer > 0 {
                        effects.on_message(now);
                    }
                }
                _ => {}
            }
        }
        Fate::Passes { wait, twice }
    }

    /// What a node's clock shows.
    pub(super) fn local(&self, node: NodeId, now: Time) -> u64 {
        self.clocks.get(&node).map_or(now.nanos(), |clock| clock.local(now))
    }

    /// By how many nanoseconds its calendar is ahead.
    pub(super) fn skew(&self, node: NodeId) -> i64 {
        self.clocks.get(&node).map_or(0, |clock| clock.skew)
    }

    /// How long it truly takes until so much has passed by a node's clock.
    pub(super) fn true_length(&self, node: NodeId, length: Duration) -> Duration {
        self.clocks.get(&node).map_or(length, |clock| clock.true_length(length))
    }

    /// Sets a clock; from now on it is wrong by this.
    fn set_clock(&mut self, now: Time, node: NodeId, because: ConditionId, skew: i64, drift: i32) {
        let local = self.local(node, now);
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
        let reliable = !matches!(self.links.kind, LinkKind::Datagram(_));
        let (from, to, now) = (parcel.from, parcel.to, self.now);
        let Some(faults) = self.faults.as_deref_mut() else { return };
        let (wait, twice) = match faults.meet(now, (from, to), parcel.bytes, number, reliable) {
            Fate::Cut(cut) if reliable => {
                self.in_flight.messages += 1;
                self.in_flight.payloads += u64::from(parcel.payload.is_some());
                let what = Kept::Letter(parcel, letter, number);
                return self.hold(from, to, Held { cut, session, what });
            }
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
        let Some(faults) = self.faults.as_deref_mut() else { return };
        faults.controls += 1;
        let number = u64::MAX - faults.controls;
        match faults.meet(self.now, (from, to), 0, number, true) {
            Fate::Cut(cut) => {
                let (dial, silence) = (self.links.dial, self.links.silence);
                let session = match stored {
                    Stored::Open { session, .. } => {
                        self.expect_silence(from, to, session, dial, Some(cut));
                        session
                    }
                    Stored::Accepted { session, .. } => {
                        self.expect_silence(to, from, session, dial, Some(cut));
                        self.expect_silence(from, to, session, silence, Some(cut));
                        session
                    }
                    Stored::Closed { session, .. } => {
                        self.expect_silence(to, from, session, silence, Some(cut));
                        session
                    }
                    _ => unreachable!("links send nothing else"),
                };
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

    /// Unless something is heard of the peer, `node` gives the session up after a time; if that is because of a condition,
    /// only if that still lasts.
    pub(super) fn expect_silence(
        &mut self,
        node: NodeId,
        peer: NodeId,
        session: Session,
        after: Duration,
        because: Option<ConditionId>,
    ) {
        self.events.push(self.now + after, node, Stored::Silence { peer, session, because });
    }

    /// Whether `node` gives up a session in which it has heard nothing for too long. What waits in it is lost.
    pub(super) fn gives_up(
        &mut self,
        node: NodeId,
        peer: NodeId,
        session: Session,
        because: Option<ConditionId>,
    ) -> bool {
        let lasts = |id| self.faults.as_deref().is_some_and(|faults| faults.is_in_force(id));
        if !because.is_none_or(lasts) || !self.sessions.end(node, peer, session) {
            return false;
        }
        let now = self.now;
        if let (Some(ConditionId(id)), Some(faults)) = (because, self.faults.as_deref_mut()) {
            faults.imposed[id as usize].effects.on_link_end(now);
        }
        self.lose_held(node, peer, Some(session));
        self.control(node, peer, Stored::Closed { from: node, session });
        true
    }

    /// What waits at `from` for a cut to heal is lost: that of one session, or all.
    fn lose_held(&mut self, from: NodeId, to: NodeId, session: Option<Session>) {
        let Some(faults) = self.faults.as_deref_mut() else { return };
        let Some(all) = faults.held.remove(&(from.0, to.0)) else { return };
        let (lost, kept): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|held| session.is_none_or(|session| held.session == session));
        if !kept.is_empty() {
            faults.held.insert((from.0, to.0), kept);
        }
        for Held { cut, what, .. } in lost {
            if let Kept::Letter(parcel, ..) = what {
                self.in_flight.messages -= 1;
                self.in_flight.payloads -= u64::from(parcel.payload.is_some());
                self.tell(Observation::Dropped(parcel, DropReason::Cut(cut)));
            }
        }
    }

    /// Whatever a node that crashes had not got rid of is lost.
    pub(super) fn lose_all_held(&mut self, from: NodeId) {
        let Some(faults) = self.faults.as_deref() else { return };
        let peers: Vec<u32> =
            faults.held.range((from.0, 0)..=(from.0, u32::MAX)).map(|(key, _)| key.1).collect();
        peers.into_iter().for_each(|peer| self.lose_held(from, NodeId(peer), None));
    }

    /// A link is broken: what waits in it is lost.
    pub(super) fn lose_held_between(&mut self, a: NodeId, b: NodeId, session: Session) {
        self.lose_held(a, b, Some(session));
        self.lose_held(b, a, Some(session));
    }
}

/// What happens to nodes.
impl<P: Protocol, O: Observer, Q: Queue<Event>> Core<P, O, Q> {
    /// Whether an event has to wait, because its node is not ready for it.
    #[cold]
    #[inline(never)]
    pub(super) fn postpones(&mut self, event: Event) -> bool {
        let (now, to) = (self.now, event.to);
        let stored = match event.what() {
            What::Word { .. } => None,
            What::Stored(place) => Some(self.events.look_at(place)),
        };
        if matches!(stored, Some(Stored::Wake)) || !self.up.contains(to.index()) {
            return false;
        }
        let opening = match stored {
            Some(&Stored::Open { from, session, .. }) => Some((from, session)),
            _ => None,
        };
        let Some(faults) = self.faults.as_deref_mut() else { return false };
        if let Some(clock) = faults.clocks.get(&to).filter(|clock| (clock.skew, clock.drift) != (0, 0)) {
            faults.imposed[clock.because.0 as usize].effects.on_node(now);
        }
        if let Some(pause) = faults.pause(to) {
            faults.imposed[pause.0 as usize].effects.on_node(now);
            faults.lines.entry(to).or_default().push_back(event);
            if let Some((from, session)) = opening {
                self.expect_silence(from, to, session, self.links.dial, Some(pause));
            }
            return true;
        }
        if let Some(line) = faults.lines.get_mut(&to).filter(|line| !line.is_empty()) {
            // It will be woken for those before.
            line.push_back(event);
            return true;
        }
        let Some(free) = faults.occupy(now, to) else { return false };
        faults.lines.entry(to).or_default().push_back(event);
        self.events.push(free, to, Stored::Wake);
        true
    }

    /// A command to a node that stands still waits as well; otherwise it comes back.
    pub(super) fn postpones_command(&mut self, node: NodeId, command: Command) -> Option<Command> {
        let now = self.now;
        let Some(faults) = self.faults.as_deref_mut() else { return Some(command) };
        let Some(pause) = faults.pause(node) else { return Some(command) };
        faults.imposed[pause.0 as usize].effects.on_node(now);
        let event = self.events.aside(node, Stored::Command(command));
        faults.lines.entry(node).or_default().push_back(event);
        None
    }

    /// The next event that a node is ready for now, of those that wait.
    pub(super) fn next_in_line(&mut self, node: NodeId) -> Option<Event> {
        let now = self.now;
        let faults = self.faults.as_deref_mut()?;
        faults.lines.get(&node).filter(|line| !line.is_empty())?;
        if faults.pause(node).is_some() {
            // It will be woken.
            return None;
        }
        if let Some(free) = faults.occupy(now, node) {
            self.events.push(free, node, Stored::Wake);
            return None;
        }
        self.faults.as_deref_mut()?.lines.get_mut(&node)?.pop_front()
    }

    /// Takes away all that waits for a node that has crashed.
    pub(super) fn take_line(&mut self, node: NodeId) -> VecDeque<Event> {
        self.faults.as_deref_mut().and_then(|faults| faults.lines.remove(&node)).unwrap_or_default()
    }
}

impl<P: Protocol> Faults<P> {
    /// If a slow node is at work, until when it is; otherwise it begins to work.
    fn occupy(&mut self, now: Time, node: NodeId) -> Option<Time> {
        let mut busy = None;
        for id in self.in_force.iter() {
            let Imposed { condition: Condition::Slow { whom, by }, effects, free_at } =
                &mut self.imposed[id.0 as usize]
            else {
                continue;
            };
            if !whom.contains(node) {
                continue;
            }
            let free = free_at.entry(node).or_insert(now);
            if *free > now {
                effects.on_node(now);
                busy = busy.max(Some(*free));
            } else {
                *free = now + *by;
            }
        }
        busy
    }
}

/// How conditions begin and end.
impl<P: Protocol, O: Observer, Q: Queue<Event>> Core<P, O, Q> {
    /// From now on something is wrong; `nodes`: how many there are.
    pub(super) fn impose(&mut self, condition: Condition, nodes: usize) -> ConditionId {
        let (seed, now) = (self.seed, self.now);
        let faults = self.faults.get_or_insert_with(|| Box::new(Faults::new(seed)));
        let id = ConditionId(faults.imposed.len() as u32);
        let none = Effects::default();
        faults.imposed.push(Imposed {
            condition: condition.clone(),
            effects: none,
            free_at: FxHashMap::default(),
        });
        faults.in_force.push(id);
        self.note(digest::IMPOSED, NodeId(0), NodeId(0), id.0.into());
        self.tell(Observation::Imposed { id, condition: &condition });
        match &condition {
            Condition::Cut(cut) => self.fall_silent(nodes, id, |a, b| cut.separates(a, b)),
            Condition::Pause(whom) => self.fall_silent(nodes, id, |_, peer| whom.contains(peer)),
            Condition::Clock { whom, skew, drift } => {
                let faults = self.faults.as_deref_mut().expect("it is there now");
                for node in (0..nodes).map(NodeId::at).filter(|&node| whom.contains(node)) {
                    faults.set_clock(now, node, id, *skew, *drift);
                }
            }
            _ => {}
        }
        id
    }

    /// From now on nodes hear nothing of some of their peers.
    fn fall_silent(&mut self, nodes: usize, id: ConditionId, hears_nothing: impl Fn(NodeId, NodeId) -> bool) {
        let (dial, silence) = (self.links.dial, self.links.silence);
        for node in (0..nodes).map(NodeId::at) {
            for (peer, session, is_up) in self.sessions.of(node) {
                if hears_nothing(node, peer) {
                    let patience = if is_up { silence } else { dial };
                    self.expect_silence(node, peer, session, patience, Some(id));
                }
            }
        }
    }

    /// It is over.
    pub(super) fn lift(&mut self, id: ConditionId, nodes: usize) {
        let now = self.now;
        let Some(faults) = self.faults.as_deref_mut() else { return };
        if !faults.is_in_force(id) {
            return;
        }
        faults.in_force.retain(|&other| other != id);
        let condition = faults.imposed[id.0 as usize].condition.clone();
        self.note(digest::LIFTED, NodeId(0), NodeId(0), id.0.into());
        self.tell(Observation::Lifted { id });
        match condition {
            Condition::Cut(_) => self.release(id),
            Condition::Pause(whom) | Condition::Slow { whom, .. } => {
                for node in (0..nodes).map(NodeId::at).filter(|&node| whom.contains(node)) {
                    if self.faults.as_ref().is_some_and(|faults| faults.lines.contains_key(&node)) {
                        self.events.push(now, node, Stored::Wake);
                    }
                }
            }
            Condition::Clock { .. } => {
                let Some(faults) = self.faults.as_deref_mut() else { return };
                for node in (0..nodes).map(NodeId::at) {
                    if faults.clocks.get(&node).is_some_and(|clock| clock.because == id) {
                        faults.set_clock(now, node, id, 0, 0);
                    }
                }
            }
            _ => {}
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
                    Held { what: Kept::Control(stored), .. } => self.control(from, to, stored),
                    Held { what: Kept::Letter(parcel, letter, number), session, .. } => {
                        self.in_flight.messages -= 1;
                        self.in_flight.payloads -= u64::from(parcel.payload.is_some());
                        self.send_disturbed(parcel, session, letter, number);
                    }
                }
            }
        }
    }
}
