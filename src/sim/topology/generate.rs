//! How each graph is made. Time and memory are linear in nodes and links (random regular graphs aside, see
//! there), and no loop waits for luck: each has a bound that does not depend on what is drawn.
//!
//! All parameters have passed [`super::Topology::check`].

use super::pairs;
use crate::graph::Graph;
use crate::id::NodeId;
use rand::{Rng, RngExt};

/// An edge on its way into a [`Graph`].
type Edge = (u32, u32);

/// No node.
const NOBODY: u32 = u32::MAX;

/// How often a draw that hit a taken place is repeated, before a method that cannot fail takes over.
const TRIES: u32 = 32;

pub(super) fn ring(nodes: u32) -> Graph {
    // The loop of one node and the repeated edge of two are left out by the graph.
    let edges: Vec<Edge> = (0..nodes).map(|node| (node, (node + 1) % nodes)).collect();
    graph(nodes, &edges)
}

/// Also a line, of one child each, and a star, where all are children of the first.
pub(super) fn tree(nodes: u32, branching: u32) -> Graph {
    let edges: Vec<Edge> = (1..nodes).map(|node| ((node - 1) / branching, node)).collect();
    graph(nodes, &edges)
}

pub(super) fn grid(width: u32, height: u32) -> Graph {
    let nodes = width * height;
    let across = (0..nodes).filter(|node| (node + 1) % width != 0).map(|node| (node, node + 1));
    let down = (0..nodes - width).map(|node| (node, node + width));
    graph(nodes, &across.chain(down).collect::<Vec<Edge>>())
}

pub(super) fn complete(nodes: u32) -> Graph {
    let edges: Vec<Edge> = (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b))).collect();
    graph(nodes, &edges)
}

/// A regular graph that is shuffled by switches: two links `a–b` and `c–d` become `a–d` and `c–b`, wherever that
/// makes no loop and no repeated link. Switches keep all degrees, reach every regular graph, and favor none
/// (Cooper, Dyer, Greenhill, "Sampling regular graphs and a peer-to-peer network", CPC 2007).
///
/// Unlike the pairing of link ends at random, with a new start after each failure, this ends for every degree.
/// A switch costs a look at two rows of `degree` entries.
pub(super) fn random_regular(nodes: u32, degree: u32, rng: &mut impl Rng) -> Graph {
    // In a dense graph hardly any switch is possible. What it lacks is sparse, and as regular.
    if degree > (nodes - 1) / 2 {
        return complement(&random_regular(nodes, nodes - 1 - degree, rng));
    }
    let mut ends = Ends::circulant(nodes, degree);
    ends.shuffle(rng);
    graph(nodes, &ends.edges())
}

/// A regular graph as link ends: `degree` of them at each node, and which end is the other end of which.
struct Ends {
    degree: u32,
    /// The ends of node `i` are the entries from `i * degree` on.
    mates: Vec<u32>,
}

impl Ends {
    /// Links each node to its nearest on a ring, and for an odd degree to the one across.
    fn circulant(nodes: u32, degree: u32) -> Ends {
        let half = degree / 2;
        let mut mates = vec![0; nodes as usize * degree as usize];
        let mut join = |a: u32, b: u32| (mates[a as usize], mates[b as usize]) = (b, a);
        for node in 0..nodes {
            // End `2i` of a node leads `i + 1` onward and meets an end `2i + 1`; the last end leads across.
            for i in 0..half {
                join(node * degree + 2 * i, (node + i + 1) % nodes * degree + 2 * i + 1);
            }
            if degree % 2 == 1 {
                join(node * degree + degree - 1, (node + nodes / 2) % nodes * degree + degree - 1);
            }
        }
        Ends { degree, mates }
    }

    /// Twice over all ends, each is switched with one drawn at random. One round alone is the shuffle of Fisher and
    /// Yates, but for the switches that are refused; each link has two ends and is drawn as often as it draws,
    /// so it takes part in eight attempts on average. Tests compare distances and triangles with theory.
    fn shuffle(&mut self, rng: &mut impl Rng) {
        let ends = self.mates.len() as u32;
        for _ in 0..2 {
            for end in 0..ends {
                self.switch(end, rng.random_range(0..ends));
            }
        }
    }

    fn switch(&mut self, a: u32, c: u32) {
        let (b, d) = (self.mates[a as usize], self.mates[c as usize]);
        if self.can_join(a, d) && self.can_join(c, b) {
            for (from, to) in [(a, d), (d, a), (c, b), (b, c)] {
                self.mates[from as usize] = to;
            }
        }
    }

    /// Whether the nodes of two ends are different and not linked.
    fn can_join(&self, a: u32, b: u32) -> bool {
        let degree = self.degree;
        let (here, there) = (a - a % degree, b - b % degree);
        let row = &self.mates[here as usize..(here + degree) as usize];
        // Without a branch for each entry, so that the compiler compares many at once.
        let leads_there =
            |part: &[u32]| part.iter().fold(false, |any, &mate| any | (mate.wrapping_sub(there) < degree));
        here != there && !row.chunks(64).any(leads_there)
    }

    fn edges(&self) -> Vec<Edge> {
        let each = (0u32..).zip(&self.mates).filter(|&(end, &mate)| end < mate);
        each.map(|(end, mate)| (end / self.degree, mate / self.degree)).collect()
    }
}

/// The graph with just the links that this one lacks.
fn complement(other: &Graph) -> Graph {
    let nodes = other.nodes() as u32;
    let mut edges = Vec::new();
    for a in other.node_ids() {
        let mut from = a.0 + 1;
        let above = other.neighbors(a).iter().copied().filter(|b| b.0 > a.0);
        for b in above.chain([NodeId(nodes)]) {
            edges.extend((from..b.0).map(|b| (a.0, b)));
            from = b.0 + 1;
        }
    }
    graph(nodes, &edges)
}

/// Each node's picks are a random set by Floyd's method (Bentley and Floyd, CACM 30:9, 1987): one draw a pick,
/// and none is repeated.
pub(super) fn k_out(nodes: u32, k: u32, rng: &mut impl Rng) -> Graph {
    let mut edges = Vec::with_capacity(nodes as usize * k as usize);
    let mut picked_by = vec![NOBODY; nodes as usize];
    for node in 0..nodes {
        let others = nodes - 1;
        for last in others - k..others {
            // Places count the others only; the one that is free for sure is the last.
            let drawn = skipping(node, rng.random_range(0..=last));
            let pick = if picked_by[drawn as usize] == node { skipping(node, last) } else { drawn };
            picked_by[pick as usize] = node;
            edges.push((node, pick));
        }
    }
    graph(nodes, &edges)
}

/// The node at a place among all nodes but one.
fn skipping(node: u32, place: u32) -> u32 {
    if place < node { place } else { place + 1 }
}

/// Draws how many pairs to skip until the next link, instead of each pair: Batagelj and Brandes, "Efficient
/// generation of large random networks", Physical Review E 71, 2005, algorithm 1.
pub(super) fn erdos_renyi(nodes: u32, probability: f64, rng: &mut impl Rng) -> Graph {
    if probability == 0.0 {
        return graph(nodes, &[]);
    }
    if probability == 1.0 {
        return complete(nodes);
    }
    // log1p, where the paper has log: for a small probability, 1 - p would round to 1.
    let scale = libm::log1p(-probability);
    let all = pairs(nodes.into());
    let mut edges = Vec::new();
    // The pairs in order are (1,0), (2,0), (2,1), (3,0) …; `row` is the larger node, `start` its first pair.
    let (mut row, mut start, mut next) = (1, 0, 0u64);
    loop {
        let unit: f64 = rng.random();
        // A float beyond 64 bits becomes the largest integer.
        next = next.saturating_add((libm::log(1.0 - unit) / scale) as u64);
        if next >= all {
            return graph(nodes, &edges);
        }
        while next >= start + u64::from(row) {
            start += u64::from(row);
            row += 1;
        }
        edges.push((row, (next - start) as u32));
        next += 1;
    }
}

/// The list of all link ends holds each node as often as it has links: an entry drawn from it is a node with the
/// right preference (Batagelj and Brandes 2005, algorithm 5; there a newcomer may draw one node twice).
///
/// Barabási and Albert leave the start open. Here the first `links + 1` nodes are linked all to all, so that
/// every node has at least `links` links.
pub(super) fn barabasi_albert(nodes: u32, links: u32, rng: &mut impl Rng) -> Graph {
    let mut edges: Vec<Edge> = (0..=links).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
    let end = |edges: &[Edge], i: usize| if i.is_multiple_of(2) { edges[i / 2].0 } else { edges[i / 2].1 };
    let mut chosen_by = vec![NOBODY; nodes as usize];
    for newcomer in links + 1..nodes {
        let known = edges.len();
        let ends = 2 * known as u32;
        for _ in 0..links {
            let is_free = |&i: &u32| chosen_by[end(&edges, i as usize) as usize] != newcomer;
            let mut draw = rng.random_range(0..ends);
            for _ in 1..TRIES {
                if is_free(&draw) {
                    break;
                }
                draw = rng.random_range(0..ends);
            }
            // Hardly ever is none of them free; then the next in the list is taken.
            let found = (draw..ends).chain(0..draw).find(is_free).expect("more than `links` nodes are known");
            let peer = end(&edges, found as usize);
            chosen_by[peer as usize] = newcomer;
            edges.push((newcomer, peer));
        }
    }
    graph(nodes, &edges)
}

/// Goes over the nodes once; each moves its links to those after it, where the paper goes around once per
/// distance. In a graph so dense that a link finds no free place in a few draws, it stays.
pub(super) fn watts_strogatz(nodes: u32, neighbors: u32, rewire: f64, rng: &mut impl Rng) -> Graph {
    let half = neighbors / 2;
    // The links that a node made stand together: to the next, the one after …
    let mut edges: Vec<Edge> =
        (0..nodes).flat_map(|a| (1..=half).map(move |distance| (a, (a + distance) % nodes))).collect();
    let mut moved = Moved::new(nodes);
    // Whose neighbor each node is, as far as the node now in turn is concerned.
    let mut linked_to = vec![NOBODY; nodes as usize];
    for node in 0..nodes {
        linked_to[node as usize] = node;
        for distance in 1..=half {
            let before = (node + nodes - distance) % nodes;
            let link = |node: u32| edges[node as usize * half as usize + distance as usize - 1].1;
            linked_to[link(node) as usize] = node;
            if link(before) == node {
                linked_to[before as usize] = node;
            }
        }
        moved.sources(node).for_each(|source| linked_to[source as usize] = node);
        for link in node as usize * half as usize..(node as usize + 1) * half as usize {
            let wanted = rng.random::<f64>() < rewire;
            let free = |to: &u32| linked_to[*to as usize] != node;
            let Some(to) = (0..TRIES).filter(|_| wanted).map(|_| rng.random_range(0..nodes)).find(free)
            else {
                continue;
            };
            linked_to[edges[link].1 as usize] = NOBODY;
            linked_to[to as usize] = node;
            edges[link].1 = to;
            moved.add(node, to);
        }
    }
    graph(nodes, &edges)
}

/// Where moved links came from, by where they went: chains in one array.
struct Moved {
    /// The last entry for each node, and for each entry its source and the entry before it.
    last: Vec<u32>,
    entries: Vec<(u32, u32)>,
}

impl Moved {
    fn new(nodes: u32) -> Moved {
        Moved { last: vec![NOBODY; nodes as usize], entries: Vec::new() }
    }

    fn add(&mut self, from: u32, to: u32) {
        let before = std::mem::replace(&mut self.last[to as usize], self.entries.len() as u32);
        self.entries.push((from, before));
    }

    fn sources(&self, to: u32) -> impl Iterator<Item = u32> {
        let entry = |i: u32| self.entries.get(i as usize);
        std::iter::successors(entry(self.last[to as usize]), move |(_, before)| entry(*before)).map(|e| e.0)
    }
}

fn graph(nodes: u32, edges: &[Edge]) -> Graph {
    Graph::from_edges(nodes as usize, edges)
}
