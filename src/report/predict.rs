//! What a run will cost, told before it starts.

use crate::protocol::{Command, Cost, Protocol, Size};
use crate::scenario::{Action, Nodes, Outline, PlannedStep};
use crate::sim::{LinkKind, Sim, Topology};
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
const PROCESS: f64 = 30e6;
/// Bytes that a node keeps elsewhere, and that observers keep of it.
const NODE_BESIDE: f64 = 640.0;
/// Bytes for a node and for a link in graphs and lists of edges: the scenario's, the one with which the simulator starts, the
/// one at the end, and what these are made from. Most are gone before the next is there.
const GRAPH_NODE: f64 = 16.0;
const GRAPH_LINK: f64 = 32.0;
/// Lists grow by doubling: so much of what the ends of links fill is filled twice.
const SLACK: f64 = 1.5;
/// Bytes that a node keeps of an origin: an entry of a hash table with its slack.
const SEEN_ORIGIN: f64 = 135.0;
/// Bytes that observers keep of a delivery.
const DELIVERY: f64 = 8.0;
/// Bytes of a broadcast in tables, its text apart.
const CONTENT: f64 = 300.0;
/// Bytes for the place of a node in a picture that shows it.
const DRAWN_NODE: f64 = 2_300.0;
/// Up to so many nodes are shown one by one.
const MOST_DRAWN: f64 = 10_000.0;

/// Nanoseconds for an event, from so many nodes on, or so many events under way: what does not fit into caches is slow.
const EVENT_NANOS: [(f64, f64); 4] = [(0.0, 500.0), (3e4, 900.0), (2e5, 2_000.0), (2e6, 3_000.0)];
/// Nanoseconds of everything else: for the process, a node, a link, and the place of a node in a picture.
const PROCESS_NANOS: f64 = 2e8;
const NODE_NANOS: f64 = 6e3;
const LINK_NANOS: f64 = 1e3;
const DRAWN_NODE_NANOS: f64 = 4e5;

/// For so long the events of an act are under way, half of them at once.
const UNDER_WAY: Duration = Duration::from_secs(1);
/// A step that happens more often is played in so many portions.
const PORTIONS: u32 = 100;

impl Prediction {
    /// Predicts a run of a scenario. A network in pieces, and nodes that fail to do what is asked of them, are not
    /// considered: they are why a run is worth its time.
    pub fn of<P: Protocol>(outline: &Outline<P::Config>) -> Prediction {
        let mut rehearsal = Rehearsal::<P>::new(outline);
        let mut portions: Vec<Portion> = outline.timeline.iter().enumerate().flat_map(portions).collect();
        portions.sort_by_key(|portion| portion.at);
        portions.iter().for_each(|portion| rehearsal.play(portion, &outline.timeline[portion.step]));
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
    (PROCESS + nodes * GRAPH_NODE + links * GRAPH_LINK + drawn(nodes) * DRAWN_NODE) as u64
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
    size: Size,
    ever: f64,
    most_links: f64,
    /// Whether the protocol could tell all that it was asked.
    known: bool,
    events: f64,
    /// By step.
    events_of_step: Vec<f64>,
    /// Events under way at once, at most.
    under_way: f64,
    broadcasts: f64,
    deliveries: f64,
    texts: f64,
}

impl<'a, P: Protocol> Rehearsal<'a, P> {
    fn new(outline: &'a Outline<P::Config>) -> Rehearsal<'a, P> {
        let (nodes, links) = (outline.nodes_at_start() as f64, outline.links_at_start() as f64);
        Rehearsal {
            outline,
            size: Size { nodes, links },
            ever: nodes,
            most_links: links,
            known: true,
            events: 0.0,
            events_of_step: vec![0.0; outline.timeline.len()],
            under_way: 0.0,
            broadcasts: 0.0,
            deliveries: 0.0,
            texts: 0.0,
        }
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
            Action::Status { by: None, .. } | Action::Snapshot { .. } => return,
        };
        let acts = acts * portion.times;
        let copies = self.copies();
        let Cost { events, links } =
            P::cost(&self.outline.file.node, &command, self.size).unwrap_or_else(|| {
                self.known = false;
                // It may know better ways than to send everything everywhere.
                Cost::events(if let Command::Broadcast { .. } = command {
                    2.0 * self.size.links
                } else {
                    0.0
                })
            });
        self.events += acts * events * copies;
        self.events_of_step[portion.step] += acts * events * copies;
        let together = match planned.every.is_zero() {
            true => f64::from(planned.count),
            false => f64::from(planned.count).min(1.0 + UNDER_WAY.div_duration_f64(planned.every)),
        };
        self.under_way = self.under_way.max(events * copies * acts / portion.times * together / 2.0);
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
                self.deliveries += acts * nodes;
                self.texts += acts * (CONTENT + message.len() as f64);
            }
            _ => {}
        }
    }

    /// How many nodes are meant.
    fn count(&self, nodes: &Nodes) -> f64 {
        match nodes {
            Nodes::All => self.size.nodes,
            Nodes::Share(share) => self.size.nodes * share,
            Nodes::Random | Nodes::One(_) => self.size.nodes.min(1.0),
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
        let node = Sim::<P, ()>::BYTES_PER_NODE as f64 + NODE_BESIDE + GRAPH_NODE;
        let link = 2.0 * SLACK * Sim::<P, ()>::BYTES_PER_LINK_END as f64 + GRAPH_LINK;
        // An origin is remembered once, however much it has to say.
        let remembered = self.deliveries.min(self.ever * self.ever);
        PROCESS
            + self.ever * node
            + self.most_links * link
            + remembered * SEEN_ORIGIN
            + self.deliveries * DELIVERY
            + self.texts
            + self.under_way * Sim::<P, ()>::BYTES_PER_EVENT as f64
            + drawn(self.ever) * DRAWN_NODE
    }

    fn nanos(&self) -> f64 {
        let crowd = self.ever.max(self.under_way);
        let event =
            EVENT_NANOS.iter().rev().find(|(from, _)| *from <= crowd).map_or(0.0, |(_, nanos)| *nanos);
        PROCESS_NANOS
            + self.events * event
            + self.ever * NODE_NANOS
            + self.most_links * LINK_NANOS
            + drawn(self.ever) * DRAWN_NODE_NANOS
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
        let links = grouped(self.outline.links_at_start());
        Some(format!("topology.{key} makes {links} links, {SQUARE}; {remedy}"))
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
        let events = match self.known {
            true => format!("about {} events", grouped(self.events_of_step[number].round() as u64)),
            false => "a number of events".into(),
        };
        Some(format!("timeline.{number}.do.{key} takes {events}, {SQUARE}; {remedy}"))
    }
}

/// What it means.
const SQUARE: &str = "at least four times as many for twice the nodes";

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
