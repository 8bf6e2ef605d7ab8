//! The nodes of this process, and what happens to them, one thing after the other: everything here happens under one lock.
//! Connections, handshakes and encryption are the business of tasks outside of it.

use super::admin::{BadOrder, NotPassedOn, SHUTDOWN_TITLE};
use super::clock::Clock;
use super::events;
use super::frame::{self, Frames};
use super::hello::{Hello, Role};
use super::keys::Keypair;
use super::log::Log;
use super::noise::MOST_HELLO;
use super::queue::{BUSY, MOST_QUEUED, MOST_QUEUED_IN_ALL, Queue, SHARE_QUEUED};
use super::report::{InOrder, Tell};
use super::transport::LiveTransport;
use super::visit::Refusals;
use super::{LiveConfig, Report};
use crate::fault::LogFate;
use crate::id::{Identity, Names, NodeId};
use crate::message::{Contents, Payload};
use crate::observe::{DropReason, Observation, Observer, Parcel};
use crate::protocol::{Census, Command, Protocol, State, View, Wire};
use crate::rng::node_stream;
use crate::time::Time;
use crate::world::{Counters, InFlight};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// So many nodes a process knows by name at once; a message that names more is refused.
const MOST_NAMES: usize = 1 << 16;

/// All that lives in this process.
pub(super) struct Core<P: Protocol, O> {
    pub(super) config: LiveConfig<P>,
    pub(super) names: Names,
    pub(super) contents: Contents,
    /// The nodes that live here, by number; others have greater ones.
    pub(super) hosts: Vec<Host<P>>,
    pub(super) timers: BTreeMap<(Instant, u64), (NodeId, u64, P::Timer)>,
    pub(super) observer: O,
    pub(super) clock: Clock,
    /// When what happens now began to happen: nobody's clock is looked at more often than that.
    pub(super) moment: Instant,
    pub(super) changes: u64,
    pub(super) events: u64,
    pub(super) in_flight: InFlight,
    /// How many broadcasts the nodes of this process published, and the latest of them.
    pub(super) published: (u64, Option<Payload>),
    /// Counts timers, sessions and dials, so that each has a number of its own.
    numbers: u64,
    /// What nodes brought about for themselves, and are told of next.
    follow_ups: VecDeque<FollowUp>,
    /// What is to be done outside of the lock.
    pub(super) orders: Vec<Order>,
    /// When names were freed last, in seconds.
    pub(super) swept: u64,
    /// Until then it is not tried again.
    pub(super) resting_until: Option<Instant>,
    /// What was encoded last: for the next neighbor, if its message has the same word and the same handler still runs.
    pub(super) encoded: Vec<u8>,
    pub(super) encoded_word: Option<u64>,
    /// To the application, if it wants to know.
    pub(super) reports: Option<Tell>,
}

/// A node that lives, or has lived, in this process.
pub(super) struct Host<P: Protocol> {
    /// None before its first life, and while it is at work.
    pub(super) node: Option<P>,
    pub(super) is_up: bool,
    pub(super) has_crashed: bool,
    /// Counts its lives; tells old timers and old sessions from new ones.
    pub(super) life: u64,
    /// The same for its peers, who know nothing of how often it lived before.
    pub(super) epoch: u64,
    /// Counts the sessions that ended. See [`Hello`].
    pub(super) generation: u64,
    pub(super) keypair: Arc<Keypair>,
    pub(super) address: SocketAddr,
    pub(super) links: BTreeMap<u32, Link>,
    pub(super) log: Log<P::Record>,
    /// What its application was told of.
    pub(super) told: InOrder,
    pub(super) rng: Xoshiro256PlusPlus,
    pub(super) counters: Counters,
    pub(super) refused: Refusals,
    pub(super) started: Time,
    pub(super) ended: Option<Time>,
    /// What it counted last.
    pub(super) census: Option<Census>,
    pub(super) listener: Option<AbortHandle>,
}

/// A node's end of a link.
pub(super) enum Link {
    /// It dials, under this number.
    Opening(u64),
    /// A session is up.
    Up(Session),
}

impl Link {
    /// How many bytes wait to be sent at this end.
    pub(super) fn queued(&self) -> usize {
        match self {
            Link::Up(session) => session.queue.len(),
            Link::Opening(_) => 0,
        }
    }
}

pub(super) struct Session {
    /// Tells it from all others in this process.
    pub(super) id: u64,
    /// The same at both ends.
    pub(super) number: u32,
    pub(super) queue: Arc<Queue>,
    /// The peer's, when it began.
    epoch: u64,
    generation: u64,
    pub(super) heard: Instant,
    pub(super) told: Instant,
    sent: InFlight,
    tasks: Vec<AbortHandle>,
}

impl Session {
    /// Its tasks end at once, whatever they are about to write.
    pub(super) fn abort(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

enum FollowUp {
    LinkDown { node: NodeId, peer: NodeId, number: Option<u32> },
    LinkUp { node: NodeId, peer: NodeId, number: u32, id: u64 },
    Stop { node: NodeId },
}

/// What is to be done outside of the lock.
pub(super) enum Order {
    Dial {
        node: NodeId,
        peer: NodeId,
        attempt: u64,
    },
    /// Let the task that keeps time look at the timers again.
    LookAtTimers,
    /// Tell those who wait for a census.
    TellOfCensus,
}

impl<P: Protocol, O: Observer> Core<P, O> {
    pub(super) fn new(mut config: LiveConfig<P>, observer: O) -> Core<P, O> {
        config.node = P::resolved(config.node, config.is_given);
        Core {
            clock: Clock::new(config.speed),
            moment: Instant::now(),
            names: Names::new(MOST_NAMES),
            contents: Contents::new(config.contents),
            config,
            hosts: Vec::new(),
            timers: BTreeMap::new(),
            observer,
            changes: 0,
            events: 0,
            in_flight: InFlight::default(),
            published: (0, None),
            numbers: 0,
            follow_ups: VecDeque::new(),
            orders: Vec::new(),
            swept: 0,
            resting_until: None,
            encoded: Vec::new(),
            encoded_word: None,
            reports: None,
        }
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    pub(super) fn tell(&mut self, event: Observation<'_>) {
        events::tell(&self.names, self.contents.broadcasts(), &event);
        self.observer.observe(self.clock.time_at(self.moment), event);
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// A node comes into being here; it is still to be started.
    pub(super) fn add(&mut self, keypair: Keypair, address: SocketAddr) -> NodeId {
        let node =
            self.names.intern(keypair.public).expect("the table has room for the nodes of this process");
        assert_eq!(node.index(), self.hosts.len(), "the nodes of this process come first, and only once");
        self.names.prove(node, address);
        self.hosts.push(Host {
            node: None,
            is_up: false,
            has_crashed: false,
            life: 0,
            epoch: 0,
            generation: 0,
            keypair: Arc::new(keypair),
            address,
            links: BTreeMap::new(),
            log: Log::Memory(Vec::new()),
            told: InOrder::default(),
            rng: Xoshiro256PlusPlus::seed_from_u64(0),
            counters: Counters::default(),
            refused: Refusals::default(),
            started: Time::ZERO,
            ended: None,
            census: None,
            listener: None,
        });
        node
    }

    /// A node begins a life.
    pub(super) fn begin_life(&mut self, node: NodeId) {
        let (now, is_first) = (self.now(), self.hosts[node.index()].life == 0);
        let host = &mut self.hosts[node.index()];
        (host.is_up, host.has_crashed, host.started, host.ended) = (true, false, now, None);
        host.life += 1;
        host.rng = match self.config.seed {
            Some(seed) => node_stream(seed.wrapping_add(host.life - 1), node),
            None => Xoshiro256PlusPlus::seed_from_u64(rand::random()),
        };
        host.epoch = rand::random();
        let earlier = host.log.earlier();
        if let Log::Disk { .. } = host.log {
            host.told.resume(self.contents.broadcasts());
        }
        self.changes += 1;
        let is_member = self.config.is_given;
        self.tell(match is_first {
            true => Observation::Started { node, is_member },
            false => Observation::Restarted { node, is_member },
        });
        let config = self.config.node.clone();
        let records = self.tidy_log(node, &config, earlier);
        let mut net = LiveTransport::new(self, node);
        let state = P::start(&config, &records, &mut net);
        let stops = net.stops;
        self.hosts[node.index()].node = Some(state);
        if stops {
            self.follow_ups.push_back(FollowUp::Stop { node });
        }
    }

    /// Throws away what of a log nobody needs any more, if that is most of it.
    fn tidy_log(&mut self, node: NodeId, config: &P::Config, log: Vec<P::Record>) -> Vec<P::Record> {
        let before = log.len();
        let kept = P::worth_keeping(config, log, &LiveTransport::new(self, node));
        let Core { names, contents, hosts, .. } = self;
        if 2 * kept.len() < before
            && let Log::Disk { journal, .. } = &mut hosts[node.index()].log
        {
            let encode = |record| postcard::to_allocvec(record).expect("records can be encoded");
            journal.replace(&names.lend(|| contents.lend(|| kept.iter().map(encode).collect::<Vec<_>>())));
        }
        kept
    }

    /// A node ends its life; what is written to its peers still goes out unless it crashed.
    pub(super) fn end_life(&mut self, node: NodeId, crash: Option<LogFate>) {
        let now = self.now();
        let host = &mut self.hosts[node.index()];
        if !host.is_up {
            return;
        }
        (host.is_up, host.has_crashed, host.ended) = (false, crash.is_some(), Some(now));
        host.listener.take().inspect(AbortHandle::abort);
        for (_, link) in std::mem::take(&mut host.links) {
            let Link::Up(session) = link else { continue };
            session.queue.close();
            if crash.is_some() {
                session.abort();
            }
        }
        self.timers.retain(|_, (owner, ..)| *owner != node);
        self.changes += 1;
        match crash {
            Some(fate) => {
                let log = self.hosts[node.index()].log.crash(fate);
                self.tell(Observation::Crashed { node, log });
            }
            None => self.tell(Observation::Stopped { node }),
        }
        if let Some(tell) = &self.reports {
            tell(node, Report::Stopped);
        }
    }

    /// Lets a node handle something.
    pub(super) fn handle(&mut self, node: NodeId, work: impl FnOnce(&mut P, &mut LiveTransport<'_, P, O>)) {
        let host = &mut self.hosts[node.index()];
        let Some(mut state) = host.node.take_if(|_| host.is_up) else { return };
        self.events += 1;
        (self.moment, self.encoded_word) = (Instant::now(), None);
        let mut net = LiveTransport::new(self, node);
        work(&mut state, &mut net);
        let (stops, notices) = (net.stops, std::mem::take(&mut net.notices));
        if cfg!(debug_assertions) {
            state.check_invariants();
        }
        if !notices.is_empty() {
            self.report(node, notices, &state);
        }
        self.hosts[node.index()].node = Some(state);
        if stops {
            self.follow_ups.push_back(FollowUp::Stop { node });
        }
    }

    pub(super) fn command(&mut self, node: NodeId, command: Command) {
        self.handle(node, |state, net| state.on_command(net, command));
        self.follow_up();
    }

    /// Tells nodes of what they brought about, until nothing is left.
    pub(super) fn follow_up(&mut self) {
        while let Some(next) = self.follow_ups.pop_front() {
            match next {
                FollowUp::LinkDown { node, peer, number } => {
                    self.changes += 1;
                    self.tell(Observation::LinkDown { node, peer, session: number });
                    self.handle(node, |state, net| state.on_link_down(net, peer));
                }
                FollowUp::LinkUp { node, peer, number, id } if self.has_session(node, peer, id) => {
                    self.changes += 1;
                    self.tell(Observation::LinkUp { node, peer, session: number });
                    self.handle(node, |state, net| state.on_link_up(net, peer));
                }
                FollowUp::LinkUp { .. } => {}
                FollowUp::Stop { node } => self.end_life(node, None),
            }
        }
    }

    /// Fires what is due; when the next timer is.
    pub(super) fn fire_timers(&mut self) -> Option<Instant> {
        loop {
            let (&(due, number), _) = self.timers.first_key_value()?;
            if due > Instant::now() {
                return Some(due);
            }
            let (node, life, timer) = self.timers.remove(&(due, number)).expect("it was there a moment ago");
            if self.hosts[node.index()].life == life {
                self.handle(node, |state, net| state.on_timer(net, timer));
                self.follow_up();
            }
        }
    }

    /// Whether a node's neighbors are behind, or its log is not written any more.
    pub(super) fn is_busy(&self, node: NodeId) -> bool {
        let host = &self.hosts[node.index()];
        let is_behind = |link: &Link| link.queued() > BUSY;
        host.log.has_failed() || self.contents.is_full() || host.links.values().any(is_behind)
    }

    /// Whether a node obeys an order to shut down.
    pub(super) fn check_order(&self, node: NodeId, order: &str) -> Result<(), BadOrder> {
        let admin = self.config.secrets.admin().ok_or(BadOrder::NoAdmin)?;
        let started = self.clock.calendar_at(self.hosts[node.index()].started);
        admin.check(order, self.clock.calendar(), started)
    }

    /// Broadcasts an order to shut down.
    pub(super) fn pass_on_order(&mut self, node: NodeId, order: String) -> Result<(), NotPassedOn> {
        self.check_order(node, &order)?;
        let (before, _) = self.published;
        self.command(node, Command::Broadcast { title: SHUTDOWN_TITLE.into(), message: order });
        if self.published.0 > before { Ok(()) } else { Err(NotPassedOn::Unable) }
    }

    pub(super) fn open(&mut self, node: NodeId, peer: NodeId) {
        let attempt = self.next_number();
        if peer == node || !self.names.knows(peer) {
            self.follow_ups.push_back(FollowUp::LinkDown { node, peer, number: None });
            return;
        }
        let links = &mut self.hosts[node.index()].links;
        if let std::collections::btree_map::Entry::Vacant(place) = links.entry(peer.0) {
            place.insert(Link::Opening(attempt));
            self.orders.push(Order::Dial { node, peer, attempt });
        }
    }

    /// A dial came to nothing.
    pub(super) fn dial_failed(&mut self, node: NodeId, peer: NodeId, attempt: u64) {
        let links = &mut self.hosts[node.index()].links;
        if matches!(links.get(&peer.0), Some(Link::Opening(current)) if *current == attempt) {
            links.remove(&peer.0);
            self.follow_ups.push_back(FollowUp::LinkDown { node, peer, number: None });
            self.follow_up();
        }
    }

    pub(super) fn close(&mut self, node: NodeId, peer: NodeId) {
        match self.hosts[node.index()].links.remove(&peer.0) {
            Some(Link::Up(session)) => self.end_session(node, peer, session),
            Some(Link::Opening(_)) => {
                self.follow_ups.push_back(FollowUp::LinkDown { node, peer, number: None });
            }
            None => {}
        }
    }

    /// A session is over, for this reason or that, unless another one has taken its place.
    pub(super) fn session_over(&mut self, node: NodeId, peer: NodeId, id: u64) {
        if self.has_session(node, peer, id)
            && let Some(Link::Up(session)) = self.hosts[node.index()].links.remove(&peer.0)
        {
            self.end_session(node, peer, session);
            self.follow_up();
        }
    }

    fn end_session(&mut self, node: NodeId, peer: NodeId, session: Session) {
        session.queue.close();
        self.hosts[node.index()].generation += 1;
        self.in_flight.messages -= session.sent.messages;
        self.in_flight.payloads -= session.sent.payloads;
        let number = Some(session.number);
        self.follow_ups.push_back(FollowUp::LinkDown { node, peer, number });
    }

    fn has_session(&self, node: NodeId, peer: NodeId, id: u64) -> bool {
        self.session(node, peer).is_some_and(|session| session.id == id)
    }

    pub(super) fn session(&self, node: NodeId, peer: NodeId) -> Option<&Session> {
        match self.hosts[node.index()].links.get(&peer.0) {
            Some(Link::Up(session)) => Some(session),
            _ => None,
        }
    }

    fn session_mut(&mut self, node: NodeId, peer: NodeId) -> Option<&mut Session> {
        match self.hosts[node.index()].links.get_mut(&peer.0) {
            Some(Link::Up(session)) => Some(session),
            _ => None,
        }
    }

    /// Whether this node decides which of several connections to the peer is the session: of two, the one with the smaller
    /// identity does.
    pub(super) fn decides(&self, node: NodeId, peer: Identity) -> bool {
        self.hosts[node.index()].keypair.public < peer
    }

    /// What a node says of itself when it meets another.
    pub(super) fn hello(&self, node: NodeId) -> Hello {
        let Host { epoch, generation, address, .. } = self.hosts[node.index()];
        Hello { role: Role::Peer, epoch, generation, address }
    }

    /// Somebody was reached, or came: its number, if there is room for it.
    pub(super) fn meet(&mut self, peer: Identity, address: SocketAddr) -> Option<NodeId> {
        self.make_room(MOST_HELLO);
        let peer = self.names.intern(peer)?;
        self.names.prove(peer, address);
        Some(peer)
    }

    /// A connection to `peer` is there, and this node decides: the session that it becomes, with its number; none if there is
    /// one already that the peer does not know of yet.
    pub(super) fn accept(
        &mut self,
        node: NodeId,
        life: u64,
        peer: NodeId,
        hello: &Hello,
    ) -> Option<(Arc<Queue>, u64, u32)> {
        if let Some(current) = self.session(node, peer)
            && (current.epoch, current.generation) == (hello.epoch, hello.generation)
        {
            return None;
        }
        let number = self.next_number() as u32;
        self.adopt(node, life, peer, hello, number).map(|(queue, id)| (queue, id, number))
    }

    /// A connection to `peer` is the session, as the one that decides has said.
    pub(super) fn adopt(
        &mut self,
        node: NodeId,
        life: u64,
        peer: NodeId,
        hello: &Hello,
        number: u32,
    ) -> Option<(Arc<Queue>, u64)> {
        if self.hosts[node.index()].life != life || !self.hosts[node.index()].is_up || node == peer {
            return None;
        }
        if let Some(Link::Up(before)) = self.hosts[node.index()].links.remove(&peer.0) {
            self.end_session(node, peer, before);
        }
        let (id, now) = (self.next_number(), Instant::now());
        let latency = self.config.latency.as_ref().map_or(Duration::ZERO, |latency| latency(node, peer));
        let queue = Arc::new(Queue::new(self.clock.real(latency)));
        let session = Session {
            id,
            number,
            queue: Arc::clone(&queue),
            epoch: hello.epoch,
            generation: hello.generation,
            heard: now,
            told: now,
            sent: InFlight::default(),
            tasks: Vec::new(),
        };
        self.hosts[node.index()].links.insert(peer.0, Link::Up(session));
        self.follow_ups.push_back(FollowUp::LinkUp { node, peer, number, id });
        Some((queue, id))
    }

    /// These tasks carry a session, and end with it.
    pub(super) fn carried_by(&mut self, node: NodeId, peer: NodeId, id: u64, tasks: Vec<AbortHandle>) {
        // It may be over already; what is written still goes out.
        if let Some(session) = self.session_mut(node, peer).filter(|session| session.id == id) {
            session.tasks = tasks;
        }
    }

    /// A node hands a message to a link.
    pub(super) fn send(&mut self, node: NodeId, peer: NodeId, message: &P::Message) {
        let (kind, payload) = (message.kind(), message.payload());
        let word = message.pack().map(|(word, _)| word);
        if word.is_none() || word != self.encoded_word {
            self.encode(message);
            self.encoded_word = word;
        }
        let encoded = std::mem::take(&mut self.encoded);
        self.hand_over(node, peer, (kind, payload), &encoded);
        self.encoded = encoded;
    }

    /// Puts into `encoded` what stands on a wire, or in a log, for something of a protocol's.
    pub(super) fn encode(&mut self, it: &impl Serialize) {
        let Core { names, contents, encoded, .. } = self;
        let mut room = std::mem::take(encoded);
        room.clear();
        let done = names.lend(|| contents.lend(|| postcard::to_extend(it, room)));
        *encoded = done.expect("messages and records can be encoded");
    }

    fn hand_over(
        &mut self,
        node: NodeId,
        peer: NodeId,
        (kind, payload): (&'static str, Option<Payload>),
        encoded: &[u8],
    ) {
        let parcel = Parcel { from: node, to: peer, kind, payload, bytes: encoded.len() as u32 };
        let moment = self.moment;
        let Some(session) = self.session_mut(node, peer) else {
            return self.tell(Observation::Dropped(parcel, DropReason::NoLink));
        };
        let mut is_sent = Ok(());
        let waiting = session.queue.push(moment, |bytes| {
            is_sent = frame::push(bytes, |body| body.extend_from_slice(encoded));
        });
        if is_sent.is_err() {
            return self.tell(Observation::Dropped(parcel, DropReason::Loss));
        }
        session.told = moment;
        session.sent.add(payload.is_some());
        let id = session.id;
        self.in_flight.add(payload.is_some());
        let counters = &mut self.hosts[node.index()].counters;
        counters.messages_sent += 1;
        counters.bytes_sent += encoded.len() as u64;
        self.tell(Observation::Sent(parcel));
        if waiting > MOST_QUEUED && self.has_session(node, peer, id) {
            self.cut_off(node, peer);
        } else if waiting > SHARE_QUEUED && self.queued(node) > MOST_QUEUED_IN_ALL {
            self.cut_off_slowest(node);
        }
    }

    /// A node gets what came in over a session. Whether the session goes on: it does not if the peer breaks the protocol.
    pub(super) fn receive(&mut self, node: NodeId, peer: NodeId, id: u64, frames: &mut Frames) -> bool {
        let moment = self.moment;
        loop {
            let Some(session) = self.session_mut(node, peer).filter(|session| session.id == id) else {
                return false;
            };
            session.heard = moment;
            let body = match frames.next() {
                Ok(Some(body)) => body,
                Ok(None) => return true,
                Err(_) => {
                    self.hosts[node.index()].refused.broken += 1;
                    break;
                }
            };
            if !body.is_empty() && !self.receive_message(node, peer, body) {
                break;
            }
        }
        self.session_over(node, peer, id);
        false
    }

    fn receive_message(&mut self, node: NodeId, peer: NodeId, body: &[u8]) -> bool {
        self.make_room(body.len());
        let Core { names, contents, .. } = self;
        names.listen_to(peer);
        let decoded = names.lend(|| contents.lend(|| postcard::take_from_bytes::<P::Message>(body)));
        let Ok((message, [])) = decoded else { return self.refuse_message(node) };
        let parcel = Parcel {
            from: peer,
            to: node,
            kind: message.kind(),
            payload: message.payload(),
            bytes: body.len() as u32,
        };
        let counters = &mut self.hosts[node.index()].counters;
        counters.messages_received += 1;
        counters.bytes_received += body.len() as u64;
        self.arrived(peer, node, parcel.payload.is_some());
        self.tell(Observation::Received(parcel));
        self.handle(node, |state, net| state.on_message(net, peer, message));
        self.follow_up();
        true
    }

    /// What a node of this process sent to another one of it has arrived.
    fn arrived(&mut self, from: NodeId, to: NodeId, carries_payload: bool) {
        if from.index() < self.hosts.len()
            && let Some(session) = self.session_mut(from, to)
            && session.sent.messages > 0
            && session.sent.payloads >= u64::from(carries_payload)
        {
            session.sent.remove(carries_payload);
            self.in_flight.remove(carries_payload);
        }
    }

    /// Whether nothing is under way between the nodes of this process.
    pub(super) fn is_settled(&self) -> bool {
        let has_peer = |node: usize, peer: u32, link: &Link| match link {
            Link::Opening(_) => false,
            Link::Up(session) => {
                let other = self.session(NodeId(peer), NodeId::at(node));
                session.sent.messages == 0 && other.is_some_and(|other| other.number == session.number)
            }
        };
        let mut hosts = self.hosts.iter().enumerate();
        self.timers.is_empty()
            && hosts.all(|(node, host)| host.links.iter().all(|(&peer, link)| has_peer(node, peer, link)))
    }

    pub(super) fn view(&self, node: NodeId) -> View {
        self.hosts[node.index()].node.as_ref().map(view_of).unwrap_or_default()
    }

    pub(super) fn state(&self, node: NodeId) -> State {
        let host = &self.hosts[node.index()];
        match &host.node {
            Some(state) if host.is_up => state.state(),
            _ if host.has_crashed => State::Crashed,
            _ => State::Stopped,
        }
    }
}

pub(super) fn view_of<P: Protocol>(state: &P) -> View {
    let mut view = View::default();
    state.inspect(&mut view);
    view
}

#[cfg(test)]
mod tests;
