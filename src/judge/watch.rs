//! Looks at the overlay while a scenario is played: whenever a link or a node has come or gone, in small networks; now and
//! then in large ones. What is judged at the end only needs none of this.

use super::Knowledge;
use crate::graph::Graph;
use crate::id::NodeId;
use crate::network::Network;
use crate::protocol::State;
use crate::scenario::{Expectation, Playback, Progress, Scenario};
use crate::time::Time;
use crate::units::grouped;
use crate::world::World;
use std::sync::Arc;
use std::time::Duration;

/// Up to so many nodes, every change is looked at.
pub const MOST_WATCHED: usize = 200;

/// So many events pass between two looks at a larger network, or so many for each of its nodes, if that is less.
const PAUSE: u64 = 10_000;
const PAUSE_PER_NODE: u64 = 4;

/// No node may ever have more neighbors (protocol.md, `d_hard`).
pub const HARD_DEGREE: usize = 10;

/// An eye on the overlay: the nodes that are members, and the links among them.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    is_open: bool,
    /// How many events there had been at the latest look.
    events: u64,
    /// Changes of the world then, and whether a fault went on.
    changes: (u64, bool),
    seen: Seen,
    /// So long after the latest harm, links that it broke may still be taken for alive.
    settling: Duration,
    /// How many components there were at the latest look, if no harm was felt then, and of which nodes.
    components: Option<(usize, Vec<bool>)>,
    /// Whether it matters who knows whom.
    asks: bool,
    /// Handshakes that are under way then are over at the end.
    almost_end: Option<Time>,
    /// When calm began, and who knew whom then, if the protocol shows that.
    knowledge: Option<(Time, Option<Knowledge>)>,
}

/// What was seen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// How often the overlay was looked at.
    pub looks: u64,
    /// How often when no harm was felt.
    pub calm_looks: u64,
    /// The first node with too many neighbors, how many, and when.
    pub too_many: Option<(NodeId, usize, Time)>,
    /// The first time that the overlay fell into more components though nobody had done any harm.
    pub fell_apart: Option<(Time, usize, usize)>,
    /// Since when the overlay has been in one component, if it is.
    pub whole_since: Option<Time>,
    /// Shortly before the end: nodes, and those that they take for neighbors and that do not know of it. No handshake that
    /// is under way then is still under way at the end.
    pub one_sided: Option<Vec<(NodeId, NodeId)>>,
}

impl Watch {
    /// Open, if one of the scenario's expectations needs it.
    pub fn of<C>(scenario: &Scenario<C>) -> Watch {
        let needs = |expectation: &Expectation| {
            matches!(expectation, Expectation::Degree | Expectation::NoCut | Expectation::Repair)
        };
        let presumes = |expectation: &Expectation| {
            matches!(
                expectation,
                Expectation::Agreement
                    | Expectation::NoSilentLoss
                    | Expectation::Repair
                    | Expectation::Degree
            )
        };
        let Scenario { file, links, .. } = scenario;
        let settling = links.silence + links.dial + links.horizon();
        let is_open = file.expect.iter().any(needs);
        let asks = file.expect.iter().any(presumes);
        let almost_end = scenario.end.nanos().checked_sub(settling.as_nanos() as u64).map(Time::from_nanos);
        Watch { is_open, settling, asks, almost_end: almost_end.filter(|_| is_open), ..Watch::default() }
    }

    /// Who knew whom when calm began, if that matters and the protocol shows it.
    pub fn knowledge(&self) -> Option<Knowledge> {
        self.knowledge.and_then(|(_, knowledge)| knowledge)
    }

    /// What was seen so far, if anybody looked.
    pub fn seen(&self) -> Option<&Seen> {
        self.is_open.then_some(&self.seen)
    }

    /// Plays on as [`Playback::advance`] does, and looks.
    pub fn advance<W: World>(&mut self, playback: &mut Playback<W>, most: u64) -> Progress {
        if !self.is_open {
            return self.go_on(playback, most);
        }
        // A network to which nothing happens is as it is from its start on.
        if self.seen.looks == 0 {
            self.look(playback, true);
        }
        let size = playback.network().size();
        let slice = if size <= MOST_WATCHED { 1 } else { PAUSE.min(PAUSE_PER_NODE * size as u64) };
        for _ in 0..most.div_ceil(slice) {
            let progress = self.go_on(playback, slice);
            self.look_at_both_sides(playback);
            let events = playback.network().world().events();
            let is_due = slice == 1 || events - self.events >= slice;
            if is_due || progress != Progress::Going {
                self.events = events;
                self.look(playback, progress == Progress::Ended);
            }
            if progress != Progress::Going {
                return progress;
            }
        }
        Progress::Going
    }

    /// Plays on, and asks who knows whom at the moment at which calm begins.
    fn go_on<W: World>(&mut self, playback: &mut Playback<W>, most: u64) -> Progress {
        let stop = if self.seen.one_sided.is_none() { self.almost_end } else { None };
        let progress = playback.advance_to(stop.unwrap_or(Time::MAX), most);
        let disturbed = playback.disturbed();
        let is_known = self.knowledge.is_some_and(|(since, _)| since == disturbed);
        if self.asks && !is_known && playback.is_calm_for_good() {
            self.knowledge = Some((disturbed, Knowledge::of(playback)));
        }
        progress
    }

    fn look_at_both_sides<W: World>(&mut self, playback: &Playback<W>) {
        let is_almost_over = self.almost_end.is_some_and(|almost| playback.network().now() >= almost);
        if is_almost_over && self.seen.one_sided.is_none() {
            self.seen.one_sided = Some(one_sided(playback.network()));
        }
    }

    /// Looks, if anything has changed; in any case, if it `is_certain`.
    fn look<W: World>(&mut self, playback: &Playback<W>, is_certain: bool) {
        let network = playback.network();
        let changes = (network.world().changes(), playback.is_harmed());
        // What is judged is the network as it was before it was shut down.
        if playback.shutdown().is_some() || (changes == self.changes && !is_certain) {
            return;
        }
        self.changes = changes;
        self.seen.looks += 1;
        let now = network.now();
        // Neighbors have links. (Two fewer would do: their own ends may not be up yet.) To ask everybody takes long.
        let links = network.topology();
        let may_have_too_many = |node: NodeId| links.degree(node) + 2 > HARD_DEGREE;
        let is_member = |node: NodeId| network.state(node) == State::Member;
        let nodes = (0..network.size()).map(NodeId::at);
        for node in nodes.filter(|&node| may_have_too_many(node) && is_member(node)) {
            let degree = network.view(node).neighbors.len();
            if degree > HARD_DEGREE {
                self.seen.too_many.get_or_insert((node, degree, now));
            }
        }
        let open = uncut(playback, links);
        // Who is leaving holds its neighbors together until they are linked.
        let holds = |node| matches!(network.state(node), State::Member | State::Leaving);
        let held: Vec<bool> = (0..network.size()).map(|node| holds(NodeId::at(node))).collect();
        let components = open.among(|node| held[node.index()]).components().count();
        self.look_for_cut(playback, &open, components, held);
        if components != 1 {
            self.seen.whole_since = None;
        } else {
            self.seen.whole_since.get_or_insert(now);
        }
    }

    /// Steps that nodes take by themselves never cut the overlay. What faults lead to, for as long as links take to notice,
    /// is another matter; and so is a newcomer that found nobody and takes itself for a network.
    fn look_for_cut<W: World>(
        &mut self,
        playback: &Playback<W>,
        open: &Graph,
        components: usize,
        held: Vec<bool>,
    ) {
        let now = playback.network().now();
        let harmed = playback.harmed().map(|harmed| harmed + self.settling);
        if harmed.is_some_and(|calm| now < calm) || playback.is_harmed() {
            self.components = None;
            return;
        }
        self.calm_look(now, open, components, &held);
        self.components = Some((components, held));
    }

    fn calm_look(&mut self, now: Time, open: &Graph, components: usize, held: &[bool]) {
        self.seen.calm_looks += 1;
        let Some((before, held_before)) = &self.components else { return };
        if components <= (*before).max(1) {
            return;
        }
        let stayed = |node: NodeId| held[node.index()] && held_before.get(node.index()) == Some(&true);
        let parts = open.among(stayed).components().count();
        if parts > (*before).max(1) {
            self.seen.fell_apart.get_or_insert((now, *before, parts));
        }
    }
}

/// Those of the links over which something can pass.
fn uncut<W: World>(playback: &Playback<W>, links: Arc<Graph>) -> Arc<Graph> {
    if !playback.is_harmed() {
        return links;
    }
    let open = links.edges().filter(|&(a, b)| !playback.network().world().is_cut(a, b));
    let open: Vec<(u32, u32)> = open.map(|(a, b)| (a.0, b.0)).collect();
    Arc::new(Graph::from_edges(links.nodes(), &open))
}

fn one_sided<W: World>(network: &Network<W>) -> Vec<(NodeId, NodeId)> {
    let nodes = || (0..network.size()).map(NodeId::at);
    let neighbors: Vec<Vec<NodeId>> = nodes().map(|node| network.view(node).neighbors).collect();
    let members = nodes().filter(|&node| network.state(node) == State::Member);
    let pairs = members.flat_map(|node| neighbors[node.index()].iter().map(move |&peer| (node, peer)));
    pairs.filter(|&(node, peer)| !neighbors[peer.index()].contains(&node)).collect()
}

impl Seen {
    /// How often, as a text.
    pub fn looks(&self) -> String {
        format!("{} looks", grouped(self.looks))
    }
}
