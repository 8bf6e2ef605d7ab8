//! Log and reconciliation (protocol.md §1, §4): whoever is alive gets every message of the last R that anybody alive has.
//!
//! A flood loses what crosses no link while it passes: datagrams, cuts, crashes, joins. So nodes keep what they saw of late
//! ([`store`]), tell their neighbors what they have seen when that changed ([`tell`]), compare all of it on new links and now
//! and then ([`session`], [`ranges`]), and ask for what they lack ([`fetch`]). What is learned that way is delivered as fresh
//! DATA is, and passed on to the neighbors that are not known to have it and have been compared with; the others are compared
//! with next anyway. Nothing is sent, and no timer runs, when there is no reason: see [`Repair::next_due`].

mod fetch;
mod ranges;
mod session;
mod spans;
mod store;
mod tell;

use super::{Control, Node, NodeTimer, OverlayKind};
use crate::id::NodeId;
use crate::message::Payload;
use crate::protocol::{Notice, State};
use crate::time::LocalTime;
use crate::transport::Transport;
use crate::units::{DurationText, format_duration};
use fetch::{Gone, Wanted};
use ranges::{Key, Name, Range};
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use session::Comparison;
use spans::Spans;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use store::{Store, Voids, Window};
use tell::Known;

/// The pause before something is tried again; it doubles each time, up to [`LONGEST_PAUSE`]. Nothing is ever given up as
/// long as the link is up: no event would tell that a link of datagrams lets something through again.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// So long a node waits for a neighbor that is to begin their first comparison.
const PATIENCE: Duration = Duration::from_secs(4);
/// What is forgotten sooner than it spreads comes back for ever: the retention and the time to heal are no shorter.
const SHORTEST: Duration = Duration::from_secs(1);
/// Rounds are no shorter.
const SHORTEST_ROUND: Duration = Duration::from_millis(100);
/// A link remembers what the peer has of at most so many origins; what else it has is found when that was fetched.
const MOST_VIEWS: usize = 1_024;

/// How nodes make up for what they missed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReconcileConfig {
    /// Messages so young are handed on to whoever missed them (R). An origin that is silent for ten times as long is forgotten.
    /// At least 1s.
    #[serde(serialize_with = "DurationText::serialize", deserialize_with = "a_second_or_more")]
    #[schemars(with = "DurationText")]
    pub retention: Duration,
    /// The time that a network needs to heal (T_heal): messages are kept for twice that time beyond the retention.
    /// At least 1s.
    #[serde(serialize_with = "DurationText::serialize", deserialize_with = "a_second_or_more")]
    #[schemars(with = "DurationText")]
    pub heal: Duration,
    /// The pause between two comparisons with neighbors, in turn, as long as there is news (T_ae); at least 100ms.
    #[serde(serialize_with = "DurationText::serialize", deserialize_with = "a_tenth_of_a_second_or_more")]
    #[schemars(with = "DurationText")]
    pub every: Duration,
}

fn a_second_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    at_least(SHORTEST, deserializer)
}

fn a_tenth_of_a_second_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    at_least(SHORTEST_ROUND, deserializer)
}

fn at_least<'de, D: Deserializer<'de>>(least: Duration, deserializer: D) -> Result<Duration, D::Error> {
    let duration = DurationText::deserialize(deserializer)?;
    if duration >= least {
        return Ok(duration);
    }
    let [duration, least] = [duration, least].map(format_duration);
    Err(D::Error::custom(format_args!("`{duration}` is too short; it is to be at least {least}")))
}

impl ReconcileConfig {
    /// How long contents are handed on, with room for clocks that are a little slow.
    pub(super) fn keeps_contents(&self) -> Duration {
        (self.retention.saturating_add(self.heal.saturating_mul(2))).saturating_mul(5) / 4
    }
}

impl Default for ReconcileConfig {
    fn default() -> ReconcileConfig {
        let [retention, heal, every] = [3_600, 60, 10].map(Duration::from_secs);
        ReconcileConfig { retention, heal, every }
    }
}

/// What nodes say to each other to find out what they missed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Reconciling {
    /// What I have seen of some origins. `again`: tell me what you have; I do not know whether you heard this.
    Seen {
        /// See there.
        again: bool,
        /// At most 64.
        known: Vec<Known>,
    },
    /// What I have in this window. The same?
    Compare(Window, [u8; 32]),
    /// The same as what has this fingerprint, or its beginning.
    Same([u8; 8]),
    /// It is not, and I am busy with somebody else.
    Later,
    /// It is not; this is what I say of its parts.
    Ranges(Window, Vec<Range>),
    /// Send me these.
    Want(Vec<Wanted>),
    /// One of those, so many milliseconds old.
    Copy {
        /// The message.
        payload: Payload,
        /// How many links it has crossed when it arrives.
        hops: u32,
        /// Its age.
        age: u64,
    },
    /// Those I cannot send.
    Gone(Gone),
}

impl Reconciling {
    pub(super) fn payload(&self) -> Option<Payload> {
        if let Reconciling::Copy { payload, .. } = self { Some(*payload) } else { None }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Reconciling::Seen { .. } => "seen",
            Reconciling::Compare(..) => "compare",
            Reconciling::Same(_) => "same",
            Reconciling::Later => "later",
            Reconciling::Ranges(..) => "ranges",
            Reconciling::Want(_) => "want",
            Reconciling::Copy { .. } => "copy",
            Reconciling::Gone(_) => "gone",
        }
    }
}

/// Nanoseconds by the node's own clock.
type Local = i64;

fn local(time: LocalTime) -> Local {
    i64::try_from(time.nanos()).unwrap_or(i64::MAX)
}

fn length(duration: Duration) -> Local {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// The pause after so many tries.
fn back_off(tries: u32) -> Local {
    length((PAUSE * 2u32.pow(tries.min(8))).min(LONGEST_PAUSE))
}

/// All that a node needs for it.
#[derive(Debug)]
pub(super) struct Repair {
    config: ReconcileConfig,
    store: Store,
    /// One for each neighbor, in their order.
    links: Vec<Link>,
    /// What was asked for, and of whom.
    asked: BTreeMap<(Name, u64), NodeId>,
    /// What a peer has no longer and somebody else may have.
    evicted: BTreeMap<Name, Gone>,
    /// The age of the message that is being received, if it was handed on.
    incoming_age: Option<Duration>,
    /// With whom a comparison is under way, and until when that counts.
    busy: Option<(NodeId, Local)>,
    round_at: Option<Local>,
    /// Whose turn it is.
    turn: usize,
    armed: Option<Local>,
    generation: u32,
    swept: Local,
}

/// What a node knows of a neighbor, as long as their link is up.
#[derive(Debug)]
struct Link {
    peer: NodeId,
    /// Whether this end begins comparisons: it has the smaller identity. The other end begins the first one if it hears
    /// nothing for [`PATIENCE`].
    leads: bool,
    /// Whether they have been compared since the link came up: from then on they tell each other what changes.
    reconciled: bool,
    /// What the peer has seen, of origins where that matters at present.
    views: BTreeMap<Name, View>,
    /// Origins of which the peer has what this node lacks.
    lacking: BTreeSet<(Reverse<u32>, Name)>,
    tells: tell::Tells,
    asks: fetch::Asks,
    comparison: Option<Comparison>,
    /// When something changed that was not compared since.
    changed: Option<Local>,
}

#[derive(Debug, Default)]
struct View {
    has: Spans,
    /// What it said it has not, or no longer.
    absent: Spans,
    /// When the newest message was that made this node look at it, in buckets.
    bucket: u32,
}

impl Link {
    fn new(peer: NodeId, leads: bool, now: Local) -> Link {
        Link {
            peer,
            leads,
            reconciled: false,
            views: BTreeMap::new(),
            lacking: BTreeSet::new(),
            tells: tell::Tells::default(),
            asks: fetch::Asks::default(),
            comparison: Some(Comparison::of_all(if leads {
                now
            } else {
                now.saturating_add(length(PATIENCE))
            })),
            changed: None,
        }
    }

    /// The peer has this and all below it, as far as it did not say otherwise.
    fn claim(&mut self, store: &Store, key: Key) {
        let nothing = Spans::default();
        let seen = store.author(key.name).map_or(&nothing, |author| &author.seen);
        let mut claimed = Spans::default();
        claimed.insert(0, key.sequence);
        if let Some(view) = self.views.get(&key.name) {
            claimed = claimed.minus(&view.absent);
        }
        if !seen.covers(&claimed) {
            self.has(key, &claimed);
        }
    }

    fn has(&mut self, key: Key, spans: &Spans) {
        if self.views.len() >= MOST_VIEWS && !self.views.contains_key(&key.name) {
            if self.lacking.len() >= MOST_VIEWS {
                return;
            }
            // The others only save questions.
            let lacking = &self.lacking;
            self.views.retain(|name, view| lacking.contains(&(Reverse(view.bucket), *name)));
        }
        let view =
            self.views.entry(key.name).or_insert_with(|| View { bucket: key.bucket, ..View::default() });
        view.has.claim(spans);
        self.lacking.insert((Reverse(view.bucket), key.name));
    }

    /// Forgets what matters no more.
    fn tidy(&mut self, store: &Store, name: Name) {
        let nothing = Spans::default();
        let seen = store.author(name).map_or(&nothing, |author| &author.seen);
        let Some(view) = self.views.get(&name) else { return };
        if seen.covers(&view.has) {
            self.lacking.remove(&(Reverse(view.bucket), name));
            if view.absent.is_empty() && !self.tells.awaits(name) {
                self.views.remove(&name);
            }
        }
    }

    fn forget(&mut self, name: Name) {
        if let Some(view) = self.views.remove(&name) {
            self.lacking.remove(&(Reverse(view.bucket), name));
        }
        self.tells.forget(name);
    }
}

/// Hooks of the node.
impl Node {
    /// Whether it reconciles; from its start on, if so configured.
    pub(super) fn begin_to_reconcile(&mut self, config: &ReconcileConfig) {
        self.aside.repair = Some(Box::new(Repair::new(config.clone())));
    }

    /// Whether a broadcast was not seen before and would be taken in. It is entered when it is passed on: what a node has
    /// published nobody hears of before it is safe.
    pub(super) fn would_take(&mut self, net: &impl Transport<Node>, payload: Payload) -> bool {
        let Some(repair) = &mut self.aside.repair else { return false };
        let broadcast = net.broadcast(payload);
        let name = repair.store.name(broadcast);
        repair.store.takes(name, broadcast.sequence)
    }

    /// Enters what is in the log, as if it had been published now: no log says when a record was made, calendars can be
    /// wrong, and nothing may be taken for too old that is not. So a node that starts again keeps all its log for a while.
    pub(super) fn recover_one(&mut self, net: &impl Transport<Node>, payload: Payload) {
        let Some(repair) = &mut self.aside.repair else { return };
        repair.store.began = local(net.now());
        repair.enter(net, None, payload, 0, Duration::ZERO);
    }

    /// Enters a new broadcast and passes it on: to everybody, or if it was handed on, to those who may have missed it too.
    pub(super) fn enter_and_pass_on(
        &mut self,
        net: &mut impl Transport<Node>,
        from: Option<NodeId>,
        payload: Payload,
        hops: u32,
    ) {
        let Some(repair) = &mut self.aside.repair else { return };
        let handed_on = repair.incoming_age.take();
        let key = repair.enter(net, from, payload, hops, handed_on.unwrap_or_default());
        let Some(age) = handed_on else { return self.spread(net, from, payload, hops) };
        let age = age.as_millis() as u64;
        for link in repair.links.iter().filter(|link| link.reconciled && Some(link.peer) != from) {
            if !link.views.get(&key.name).is_some_and(|view| view.has.contains(key.sequence)) {
                let copy = Reconciling::Copy { payload, hops: hops.saturating_add(1), age };
                net.send(link.peer, Control::Reconciling(copy).into());
            }
        }
    }

    pub(super) fn on_reconciling(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        message: Reconciling,
    ) {
        if !self.neighbors.contains(from) {
            // In a given topology its hello was lost; elsewhere it has to agree with this node first.
            if self.aside.overlay == OverlayKind::Static && self.aside.links.is_up(from) {
                self.neighbors.add(from);
            }
            return self.contradict(net, from);
        }
        let Some(repair) = &mut self.aside.repair else { return };
        match message {
            Reconciling::Copy { payload, hops, age } => {
                let age = Duration::from_millis(age);
                if length(age) > repair.forgets_after() {
                    return;
                }
                repair.incoming_age = Some(age);
                self.receive(net, Some(from), payload, hops);
                if let Some(repair) = &mut self.aside.repair {
                    repair.incoming_age = None;
                }
            }
            Reconciling::Seen { again, known } => repair.on_seen(net, from, again, known),
            Reconciling::Compare(window, theirs) => repair.on_compare(net, from, window, theirs),
            Reconciling::Same(of) => repair.on_same(net, from, of),
            Reconciling::Later => repair.on_later(net, from),
            Reconciling::Ranges(window, ranges) => repair.on_ranges(net, from, window, &ranges),
            Reconciling::Want(wanted) => repair.on_want(net, from, &wanted),
            Reconciling::Gone(gone) => repair.on_gone(net, from, gone),
        }
    }

    pub(super) fn on_reconcile_timer(&mut self, generation: u32) {
        if let Some(repair) = self.aside.repair.as_mut().filter(|repair| repair.generation == generation) {
            repair.armed = None;
        }
    }

    /// After whatever happened: does what is due, and sees to it that it is woken for what comes next.
    pub(super) fn settle(&mut self, net: &mut impl Transport<Node>) {
        if self.aside.state == State::Stopped {
            return;
        }
        let neighbors = &self.neighbors;
        if let Some(repair) = &mut self.aside.repair {
            let same = repair.links.len() == neighbors.len()
                && repair.links.iter().map(|link| link.peer).eq(neighbors.iter());
            if !same {
                repair.follow(net, &neighbors.to_vec());
            }
            repair.act(net);
        }
    }

    /// How many broadcasts it delivered, those of earlier lives included.
    pub(super) fn count_entered(&self) -> Option<u64> {
        let entered = self.aside.repair.as_ref()?.store.entered();
        Some(entered - self.aside.unsynced.foreign() as u64)
    }
}

impl Repair {
    fn new(config: ReconcileConfig) -> Repair {
        Repair {
            config: ReconcileConfig {
                retention: config.retention.max(SHORTEST),
                heal: config.heal.max(SHORTEST),
                every: config.every.max(SHORTEST_ROUND),
            },
            store: Store::default(),
            links: Vec::new(),
            asked: BTreeMap::new(),
            evicted: BTreeMap::new(),
            incoming_age: None,
            busy: None,
            round_at: None,
            turn: 0,
            armed: None,
            generation: 0,
            swept: 0,
        }
    }

    /// Messages are kept for so long.
    fn keeps_for(&self) -> Local {
        length(self.config.retention).saturating_add(length(self.config.heal).saturating_mul(2))
    }

    /// After so long a silence an origin is forgotten (R_forget).
    fn forgets_after(&self) -> Local {
        length(self.config.retention).saturating_mul(10).max(self.keeps_for())
    }

    fn place(&self, peer: NodeId) -> Option<usize> {
        self.links.iter().position(|link| link.peer == peer)
    }

    /// The neighbors changed: whoever is new is compared with.
    fn follow(&mut self, net: &mut impl Transport<Node>, neighbors: &[NodeId]) {
        let now = local(net.now());
        let mut old: FxHashMap<NodeId, Link> = self.links.drain(..).map(|link| (link.peer, link)).collect();
        let me = net.identity(net.me());
        for &peer in neighbors {
            let new = || Link::new(peer, me < net.identity(peer), now);
            let link = old.remove(&peer).unwrap_or_else(new);
            self.links.push(link);
        }
        if old.is_empty() {
            return;
        }
        self.asked.retain(|_, peer| !old.contains_key(peer));
        self.busy = self.busy.filter(|(peer, _)| !old.contains_key(peer));
        for name in self.evicted.keys().copied().collect::<Vec<_>>() {
            self.resolve(net, name);
        }
    }

    fn enter(
        &mut self,
        net: &impl Transport<Node>,
        from: Option<NodeId>,
        payload: Payload,
        hops: u32,
        age: Duration,
    ) -> Key {
        let (now, broadcast) = (local(net.now()), net.broadcast(payload));
        let (name, sequence) = (self.store.name(broadcast), broadcast.sequence);
        let key = Key { bucket: store::bucket_of(broadcast.message.time.micros()), name, sequence };
        if !self.store.takes(name, sequence) {
            return key;
        }
        self.store.enter(name, broadcast, payload, hops, now, now.saturating_sub(length(age)));
        self.arrived(key, now);
        self.changed(name, now);
        // On a gap in an origin's sequence ask the sender at once.
        if let Some(place) = from.and_then(|from| self.place(from))
            && self.links[place].reconciled
        {
            self.links[place].claim(&self.store, key);
        }
        key
    }

    /// What was seen of an origin changed.
    fn changed(&mut self, name: Name, now: Local) {
        for link in &mut self.links {
            link.tells.changed(name, now, link.reconciled);
            if link.leads {
                link.changed = Some(now);
                self.round_at.get_or_insert(now.saturating_add(length(self.config.every)));
            }
        }
    }

    fn report(&mut self, net: &mut impl Transport<Node>, voids: Voids) {
        for (origin, first, last) in voids {
            net.notify(Notice::Gap { origin, first, last });
        }
    }

    /// Forgets what is too old.
    fn sweep(&mut self, net: &mut impl Transport<Node>, now: Local) {
        let voids = self.store.drop_before(now.saturating_sub(self.keeps_for()), now);
        self.report(net, voids);
        if now.saturating_sub(self.swept) > length(self.config.retention) {
            self.swept = now;
            for name in self.store.forget_before(now.saturating_sub(self.forgets_after())) {
                self.links.iter_mut().for_each(|link| link.forget(name));
                self.evicted.remove(&name);
            }
        }
    }

    /// Does what is due.
    fn act(&mut self, net: &mut impl Transport<Node>) {
        let now = local(net.now());
        self.sweep(net, now);
        self.begin_round(now);
        for place in 0..self.links.len() {
            self.give_up_asking(place, now);
            self.compare_if_due(net, place, now);
            self.tell_if_due(net, place, now);
            self.fetch(net, place, now);
        }
        if let Some(due) = self.next_due()
            && self.armed.is_none_or(|armed| armed > due)
        {
            self.generation += 1;
            self.armed = Some(due);
            let after = Duration::from_nanos(u64::try_from(due.saturating_sub(now)).unwrap_or(1).max(1));
            net.set_timer(after, NodeTimer::Reconcile { generation: self.generation });
        }
    }

    /// When there is something to do next. Nothing, if everything was compared, told, confirmed and fetched: an idle network is
    /// silent. (Choice: comparisons go round as long as something changed since the latest one with that neighbor, the last
    /// ten seconds left out, and end about (degree + 1) x T_ae after the last message.)
    fn next_due(&self) -> Option<Local> {
        let dues = self.links.iter().flat_map(|link| {
            let [tell, repeat] = link.tells.dues();
            let comparison = link.comparison.as_ref().map(|comparison| comparison.due);
            [tell, repeat, link.asks.due(!link.lacking.is_empty()), comparison]
        });
        dues.flatten().chain(self.round_at).min()
    }
}

#[cfg(test)]
mod tests;
