//! What a run will cost, told before it starts.

use super::Export;
use crate::protocol::{Command, Cost, Protocol, Size};
use crate::scenario::{Action, FaultPlan, Nodes, Outline, PlannedStep};
use crate::sim::{Jitter, Latency, LinkKind, Sim, Topology};
use crate::time::Time;
use crate::units::grouped;
use std::time::Duration;

/// What a run will cost, roughly.
#[derive(Clone, PartialEq, Debug)]
pub struct Prediction {
    /// Broadcasts.
    pub broadcasts: u64,
    /// Events; `None` if the protocol cannot tell.
    pub events: Option<u64>,
    /// Memory at the peak, in bytes.
    pub memory: u64,
    /// How long it takes on an ordinary machine, pictures included; `None` if the protocol cannot tell.
    pub time: Option<Duration>,
    /// A sentence for each setting that makes the cost grow with the square of the number of nodes.
    pub quadratic: Vec<String>,
}

// What was measured, in release builds on one core of a server. To calibrate anew: run the shipped scenarios and floods of
// 10^3 to 10^6 nodes, and compare events, wall time and peak memory (`/usr/bin/time -v`) with what `check` says.

/// Bytes of the process without any node, most of it for drawing.
const PROCESS: f64 = 28.5e6;
/// Bytes that a node keeps elsewhere, and that observers and reports keep of it.
const NODE_BESIDE: f64 = 60.0;
/// Bytes that a node keeps elsewhere, in addition, if it joins.
const NODE_THAT_JOINS: f64 = 1_400.0;
/// Bytes for a link in the graph with which a run starts, and in those of its end and its pictures.
const GRAPH_LINK: f64 = 8.0;
/// Bytes for a link of the start on which messages keep their order.
const STREAM: f64 = 16.0;
/// Lists grow by doubling: so much of what the ends of links fill is filled twice.
const SLACK: f64 = 1.5;
/// A node has room for so many origins. For others it keeps a list of so many bytes, and so many for each.
const ORIGINS: f64 = 4.0;
const OTHER_ORIGINS: f64 = 120.0;
const OTHER_ORIGIN: f64 = 10.0;
/// Bytes of an event that does not fit the queue's entries, its entry included.
const STORED_EVENT: f64 = 170.0;
/// Bytes that observers keep of a delivery.
const DELIVERY: f64 = 8.0;
/// Bytes of a broadcast in tables, its text apart.
const CONTENT: f64 = 400.0;
/// Bytes for a node in a status that lists it.
const LISTED_NODE: f64 = 1_800.0;
/// Bytes for the place of a node in a picture that shows it.
const DRAWN_NODE: f64 = 2_300.0;
/// Up to so many nodes are shown one by one.
const MOST_DRAWN: f64 = 10_000.0;

/// Nanoseconds for an event: on links that are up from the start, and on those that nodes make.
const EVENT_NANOS: f64 = 200.0;
const EVENT_NANOS_AMONG_JOINED: f64 = 800.0;
/// Nanoseconds of everything else: for the process, a node, a link, and the place of a node in a picture.
const PROCESS_NANOS: f64 = 2.5e8;
const NODE_NANOS: f64 = 2e3;
const LINK_NANOS: f64 = 400.0;
const DRAWN_NODE_NANOS: f64 = 3e5;
/// The first thousand nodes of a picture are placed with more care.
const CAREFULLY_DRAWN_NODE_NANOS: f64 = 1e6;

/// So large a share of the events of an act is under way at once, together with those of acts that come within the time
/// that a message takes at most.
const AT_ONCE: f64 = 0.6;
/// A step that happens more often is played in so many portions.
const PORTIONS: u32 = 100;

impl Prediction {
    /// Predicts a run of a scenario. A network in pieces, and nodes that fail to do what is asked of them, are not
    /// considered: they are why a run is worth its time.
    pub fn of<P: Protocol>(outline: &Outline<P::Config>) -> Prediction {
        let mut rehearsal = Rehearsal::<P>::new(outline);
        let mut portions: Vec<Portion> = outline.timeline.iter().enumerate().flat_map(portions).collect();
        portions.sort_by_key(|portion| portion.at);
        for portion in &portions {
            rehearsal.idle_until(portion.at);
            rehearsal.play(portion, &outline.timeline[portion.step]);
        }
        rehearsal.idle_until(outline.end);
        Prediction {
            broadcasts: rehearsal.broadcasts.round() as u64,
            events: rehearsal.known.then_some(rehearsal.events.round() as u64),
            memory: rehearsal.memory() as u64,
            time: rehearsal.known.then(|| Duration::from_nanos(rehearsal.nanos() as u64)),
            quadratic: rehearsal.quadratic(),
        }
    }
}

/// Bytes that it takes to make and to draw the network with which a scenario starts.
pub fn memory_to_draw<C>(outline: &Outline<C>) -> u64 {
    let (nodes, links) = (outline.nodes_at_start() as f64, outline.links_at_start() as f64);
    // The list of links from which the graph is made is as large as the graph.
    (PROCESS + nodes * NODE_BESIDE + links * 2.0 * GRAPH_LINK + drawn(nodes) * DRAWN_NODE) as u64
}

/// How many of so many nodes are shown one by one.
fn drawn(nodes: f64) -> f64 {
    if cfg!(feature = "draw") && nodes <= MOST_DRAWN { nodes } else { 0.0 }
}

/// A part of the times that a step happens, taken together at their first moment.
struct Portion {
    at: Time,
    step: usize,
    times: f64,
}

fn portions((step, planned): (usize, &PlannedStep)) -> impl Iterator<Item = Portion> {
    let &PlannedStep { at, count, every, .. } = planned;
    let portions = count.min(PORTIONS);
    (0..portions).map(move |number| {
        let before = u64::from(count) * u64::from(number) / u64::from(portions);
        let at = at + every.saturating_mul(before as u32);
        Portion { at, step, times: f64::from(count) / f64::from(portions) }
    })
}

/// The timeline, played with averages.
struct Rehearsal<'a, P: Protocol> {
    outline: &'a Outline<P::Config>,
    node: P::Config,
    size: Size,
    ever: f64,
    most_links: f64,
    now: Time,
    /// Whether the protocol could tell all that it was asked.
    known: bool,
    events: f64,
    /// By step.
    events_of_step: Vec<f64>,
    /// Links that ended.
    closed: f64,
    /// Bytes of events under way at once, at most.
    under_way: f64,
    broadcasts: f64,
    deliveries: f64,
    texts: f64,
    /// Nodes in the longest status.
    listed: f64,
}

impl<'a, P: Protocol> Rehearsal<'a, P> {
    fn new(outline: &'a Outline<P::Config>) -> Rehearsal<'a, P> {
        let (nodes, links) = (outline.nodes_at_start() as f64, outline.links_at_start() as f64);
        Rehearsal {
            outline,
            node: outline.node::<P>(),
            size: Size { nodes, links },
            ever: nodes,
            most_links: links,
            known: true,
            now: Time::default(),
            events: 0.0,
            events_of_step: vec![0.0; outline.timeline.len()],
            closed: 0.0,
            under_way: 0.0,
            broadcasts: 0.0,
            deliveries: 0.0,
            texts: 0.0,
            listed: 0.0,
        }
    }

    /// Nothing is done until then, and nodes keep their network in order.
    fn idle_until(&mut self, at: Time) {
        let length = at.min(self.outline.end).nanos().saturating_sub(self.now.nanos());
        self.events += self.size.nodes * P::idle_events(&self.node) * length as f64 / 1e9;
        self.now = self.now.max(at);
    }

    fn play(&mut self, portion: &Portion, planned: &PlannedStep) {
        let Size { nodes, .. } = self.size;
        let (acts, command) = match &planned.action {
            Action::Join { .. } => (1.0, Command::Join { contacts: Vec::new() }),
            Action::Leave { who } => (self.count(who), Command::Leave),
            Action::Broadcast { from, .. } => (self.count(from), broadcast()),
            Action::Send { from, to, .. } => (self.count(from) * self.count(to), send()),
            Action::Discover { who } => (self.count(who), Command::Discover),
            Action::Status { by: Some(by), .. } => (self.count(by), Command::Census),
            Action::Shutdown => (nodes, Command::Shutdown),
            Action::Status { by: None, .. } => return self.list(),
            Action::Snapshot { .. } => return,
            Action::Fault(plan) => return self.harm(plan, portion),
        };
        let acts = acts * portion.times;
        let copies = self.copies();
        let Cost { events, links } = P::cost(&self.node, &command, self.size).unwrap_or_else(|| {
            self.known = false;
            // It may know better ways than to send everything everywhere.
            Cost::events(if let Command::Broadcast { .. } = command { 2.0 * self.size.links } else { 0.0 })
        });
        self.events += acts * events * copies;
        self.events_of_step[portion.step] += acts * events * copies;
        let together = match planned.every.is_zero() {
            true => f64::from(planned.count),
            false => f64::from(planned.count)
                .min(1.0 + self.outline.links.horizon().div_duration_f64(planned.every)),
        };
        let at_once = events * copies * acts / portion.times * together * AT_ONCE;
        self.under_way = self.under_way.max(at_once * self.bytes_per_event(&command));
        self.closed += (-acts * links).max(0.0);
        self.size.links = (self.size.links + acts * links).clamp(0.0, pairs(nodes + acts));
        self.most_links = self.most_links.max(self.size.links);
        match &planned.action {
            Action::Join { .. } => {
                self.size.nodes += acts;
                self.ever += acts;
            }
            Action::Leave { .. } | Action::Shutdown => self.size.nodes = (nodes - acts).max(0.0),
            Action::Broadcast { message, .. } => {
                self.broadcasts += acts;
                self.deliveries += acts * nodes.min(1.0 + events);
                self.texts += acts * (CONTENT + message.len() as f64);
            }
            Action::Status { .. } => self.list(),
            _ => {}
        }
    }

    /// What faults do to the size of the network. What they cost beyond that is why the run is worth its time.
    fn harm(&mut self, plan: &FaultPlan, portion: &Portion) {
        let (gone, come) = match plan {
            FaultPlan::Crash { who, lasts: None, .. } => (self.count(who) * portion.times, 0.0),
            FaultPlan::Churn(plan) => {
                let come = plan.arrivals_every.map_or(0.0, |every| plan.lasts.div_duration_f64(every));
                (0.0, come)
            }
            FaultPlan::UpTimes { times, .. } => (0.0, times.nodes() as f64),
            _ => return,
        };
        let join = Command::Join { contacts: Vec::new() };
        let cost = P::cost(&self.node, &join, self.size);
        self.known &= cost.is_some();
        let Cost { events, links } = cost.unwrap_or_default();
        let degree = 2.0 * self.size.links / self.size.nodes.max(1.0);
        self.events += come * events + gone * degree;
        self.ever += come;
        self.size.nodes = (self.size.nodes - gone + come).max(0.0);
        self.size.links = (self.size.links - gone * degree + come * links).clamp(0.0, pairs(self.size.nodes));
        self.most_links = self.most_links.max(self.size.links);
    }

    /// A status lists all nodes that are there.
    fn list(&mut self) {
        let nodes = self.size.nodes;
        self.listed = self.listed.max(if nodes <= Export::MOST_NODES as f64 { nodes } else { 0.0 });
    }

    /// How many nodes are meant.
    fn count(&self, nodes: &Nodes) -> f64 {
        match nodes {
            Nodes::All => self.size.nodes,
            Nodes::Share(share) => self.size.nodes * share,
            Nodes::Random | Nodes::Genesis | Nodes::One(_) => self.size.nodes.min(1.0),
        }
    }

    /// Bytes of an event that a command leads to.
    fn bytes_per_event(&self, command: &Command) -> f64 {
        let links = &self.outline.links;
        // What arrives at one moment stands twice when its turn comes: as it came, and in order.
        let together = matches!(links.latency, Latency::Constant(_)) && links.jitter == Jitter::None;
        match command {
            Command::Broadcast { .. } if together => 2.0 * Sim::<P, ()>::BYTES_PER_EVENT as f64,
            Command::Broadcast { .. } => Sim::<P, ()>::BYTES_PER_EVENT as f64,
            _ => STORED_EVENT,
        }
    }

    /// How many copies of a message arrive.
    fn copies(&self) -> f64 {
        match self.outline.links.kind {
            LinkKind::Stream | LinkKind::Unordered => 1.0,
            LinkKind::Datagram(datagram) => (1.0 - datagram.loss) * (1.0 + datagram.duplication),
        }
    }

    fn memory(&self) -> f64 {
        let given = self.outline.links_at_start() as f64;
        let stream = if self.outline.links.kind == LinkKind::Stream { STREAM } else { 0.0 };
        let made = (self.most_links - given).max(0.0);
        let node = Sim::<P, ()>::BYTES_PER_NODE as f64 + NODE_BESIDE;
        let link = 2.0 * SLACK * Sim::<P, ()>::BYTES_PER_LINK_END as f64;
        // An origin is remembered once, however much it has to say.
        let origins = self.broadcasts.min(self.ever);
        let others = if origins > ORIGINS { OTHER_ORIGINS + OTHER_ORIGIN * origins } else { 0.0 };
        PROCESS
            + self.ever * (node + others)
            + self.joined() * NODE_THAT_JOINS
            + given * stream
            + (made + self.closed) * link
            + self.most_links * GRAPH_LINK
            + self.deliveries * DELIVERY
            + self.texts
            + self.under_way
            + self.listed * LISTED_NODE
            + drawn(self.ever) * DRAWN_NODE
    }

    fn nanos(&self) -> f64 {
        let event = if self.joined() > 0.0 { EVENT_NANOS_AMONG_JOINED } else { EVENT_NANOS };
        PROCESS_NANOS
            + self.events * event
            + self.ever * NODE_NANOS
            + self.most_links * LINK_NANOS
            + drawn(self.ever) * DRAWN_NODE_NANOS
            + drawn(self.ever).min(1e3) * CAREFULLY_DRAWN_NODE_NANOS
    }

    /// How many nodes joined.
    fn joined(&self) -> f64 {
        self.ever - self.outline.nodes_at_start() as f64
    }

    fn quadratic(&self) -> Vec<String> {
        let steps = self.outline.timeline.iter().enumerate();
        let steps = steps.filter_map(|(number, step)| self.quadratic_step(number, step));
        self.quadratic_topology().into_iter().chain(steps).collect()
    }

    fn quadratic_topology(&self) -> Option<String> {
        let (key, remedy) = match *self.outline.file.topology.as_ref()? {
            Topology::Complete { .. } => ("complete", "take `k_out` or `random_regular`"),
            Topology::ErdosRenyi { probability, .. } if probability > 0.0 => {
                ("erdos_renyi.probability", "take `k_out`, or let it shrink as `nodes` grows")
            }
            _ => return None,
        };
        let links = self.outline.links_at_start();
        (links >= MANY).then(|| format!("topology.{key} makes {} links, {SQUARE}; {remedy}", grouped(links)))
    }

    fn quadratic_step(&self, number: usize, step: &PlannedStep) -> Option<String> {
        let many =
            |nodes: &Nodes| *nodes == Nodes::All || matches!(nodes, Nodes::Share(share) if *share > 0.0);
        let (key, remedy) = match &step.action {
            Action::Broadcast { from, .. } if many(from) => {
                ("broadcast.from", "let it be `random`, with a `count`")
            }
            Action::Send { from, to, .. } if many(from) && many(to) => {
                ("send", "let `from` or `to` be `random`")
            }
            Action::Status { by: Some(by), .. } if many(by) => {
                ("status.by", "let it be `random`: all count the same")
            }
            _ => return None,
        };
        let events = self.events_of_step[number].round() as u64;
        let takes = format!("timeline.{number}.do.{key} leads to about {} events", grouped(events));
        (self.known && events >= MANY).then(|| format!("{takes}, {SQUARE}; {remedy}"))
    }
}

/// Fewer events or links are no matter.
const MANY: u64 = 1_000_000;

/// What it means.
const SQUARE: &str = "and with twice the nodes it would be at least four times as many";

fn broadcast() -> Command {
    Command::Broadcast { title: String::new(), message: String::new() }
}

fn send() -> Command {
    Command::Send { to: crate::id::NodeId(0), title: String::new(), message: String::new() }
}

/// How many links so many nodes can have.
fn pairs(nodes: f64) -> f64 {
    nodes * (nodes - 1.0).max(0.0) / 2.0
}
