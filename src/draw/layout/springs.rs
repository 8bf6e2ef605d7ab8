//! The shape of a connected graph: between any two nodes a spring as long as the shortest path between them.
//!
//! Springs between all pairs, and not only between neighbors, are what unfolds rings, grids and trees (Kamada and
//! Kawai 1989). They are relaxed one at a time in random order, by ever smaller steps (Zheng, Pawar, Goodman:
//! "Graph drawing by stochastic gradient descent", IEEE TVCG 2019). In large graphs each node is tied only to its
//! neighbors and to a few pivots, each of which stands for the nodes around it (Ortmann, Klimenta, Brandes: "A
//! sparse stress model", JGAA 2017).

use super::Point;
use crate::graph::Graph;
use crate::id::NodeId;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// Up to here every pair of nodes gets its spring.
const ALL_PAIRS_UP_TO: usize = 800;

/// How many pivots each node is tied to otherwise.
const PIVOTS: usize = 200;

/// How often every spring is relaxed. The paper finds 15 enough for most graphs; 30 smooths the last folds.
const ROUNDS: u32 = 30;

/// The last step, as a share of the full one, of the strongest spring. The paper's 0.1 leaves a hexagon a little
/// askew …
const LAST_STEP: f64 = 0.02;

/// … but with pivots, smaller steps only draw the nodes into clusters that the graph does not have.
const LAST_STEP_TO_PIVOTS: f64 = 0.1;

/// A spring from one node to another. Single precision halves the memory, and its conversion is exact.
struct Spring {
    from: u32,
    to: u32,
    length: f32,
    pull_from: f32,
    /// Zero if `to` is a pivot: it feels the nodes around it through the other pivots.
    pull_to: f32,
}

impl Spring {
    fn between(from: u32, to: u32, length: u32) -> Spring {
        let pull = 1.0 / (length * length) as f32;
        Spring { from, to, length: length as f32, pull_from: pull, pull_to: pull }
    }

    fn relax(&self, positions: &mut [Point], step: f64) {
        let (a, b) = (positions[self.from as usize], positions[self.to as usize]);
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        // Two nodes at the very same place are left to other springs.
        let distance = (dx * dx + dy * dy).sqrt().max(1e-9);
        let half = (distance - f64::from(self.length)) / (2.0 * distance);
        for (node, pull) in [(self.from, self.pull_from), (self.to, -self.pull_to)] {
            let share = (step * f64::from(pull)).clamp(-1.0, 1.0) * half;
            positions[node as usize].x += share * dx;
            positions[node as usize].y += share * dy;
        }
    }
}

/// Positions for a connected graph, in which linked nodes are about 1 apart.
pub(super) fn relaxed(graph: &Graph, rng: &mut impl Rng) -> Vec<Point> {
    let nodes = graph.nodes();
    let mut positions: Vec<Point> = (0..nodes).map(|_| Point { x: rng.random(), y: rng.random() }).collect();
    let (mut springs, last_step) = if nodes <= ALL_PAIRS_UP_TO {
        (all_pairs(graph), LAST_STEP)
    } else {
        (to_pivots(graph, rng), LAST_STEP_TO_PIVOTS)
    };
    let longest = springs.iter().map(|spring| spring.length).fold(1.0, f32::max);
    // From a step that satisfies even the weakest spring down to the last one, by equal ratios.
    let first_step = f64::from(longest) * f64::from(longest);
    let ratio = libm::pow(last_step / first_step, 1.0 / f64::from(ROUNDS - 1));
    let mut step = first_step;
    for _ in 0..ROUNDS {
        springs.shuffle(rng);
        springs.iter().for_each(|spring| spring.relax(&mut positions, step));
        step *= ratio;
    }
    positions
}

fn all_pairs(graph: &Graph) -> Vec<Spring> {
    let mut springs = Vec::with_capacity(graph.nodes() * graph.nodes().saturating_sub(1) / 2);
    for from in graph.node_ids() {
        let distances = distances_from(graph, from);
        springs.extend(
            (from.0 + 1..graph.nodes() as u32).map(|to| Spring::between(from.0, to, distances[to as usize])),
        );
    }
    springs
}

fn to_pivots(graph: &Graph, rng: &mut impl Rng) -> Vec<Spring> {
    let mut springs: Vec<Spring> = graph.edges().map(|(a, b)| Spring::between(a.0, b.0, 1)).collect();
    let pivots = Pivots::at_random(graph, PIVOTS, rng);
    for (number, (pivot, distances)) in (0..).zip(pivots.nodes.iter().zip(&pivots.distances)) {
        let within = pivots.region_within(number, distances);
        for node in graph.node_ids().filter(|node| node != pivot) {
            let distance = distances[node.index()];
            if distance > 1 {
                // The pivot stands for those of its region that are nearer to it than the node is (Ortmann, §3).
                let stands_for = within[distance as usize / 2] as f32;
                let mut spring = Spring::between(node.0, pivot.0, distance);
                spring.pull_from *= stands_for;
                spring.pull_to = 0.0;
                springs.push(spring);
            }
        }
    }
    springs
}

/// Some nodes of the graph, and how far every node is from each.
struct Pivots {
    nodes: Vec<NodeId>,
    distances: Vec<Vec<u32>>,
    /// Which pivot, by its place in `nodes`, is nearest to each node.
    nearest: Vec<u32>,
}

impl Pivots {
    /// Pivots are drawn at random: so they lie where the nodes are. (As far apart as can be, they would all lie at
    /// the rim of a network that is densest in the middle, as most are.)
    fn at_random(graph: &Graph, count: usize, rng: &mut impl Rng) -> Pivots {
        let mut nodes: Vec<NodeId> = graph.node_ids().collect();
        nodes.shuffle(rng);
        nodes.truncate(count);
        let distances: Vec<Vec<u32>> = nodes.iter().map(|&pivot| distances_from(graph, pivot)).collect();
        let nearest = (0..graph.nodes())
            .map(|node| (0..).zip(&distances).min_by_key(|(_, to)| to[node]).map_or(0, |(number, _)| number))
            .collect();
        Pivots { nodes, distances, nearest }
    }

    /// How many nodes of the pivot's region are at most so many hops from it.
    fn region_within(&self, number: u32, distances: &[u32]) -> Vec<u32> {
        let mut within = vec![0; distances.iter().max().map_or(1, |&most| most as usize + 1)];
        for (node, &distance) in distances.iter().enumerate() {
            if self.nearest[node] == number {
                within[distance as usize] += 1;
            }
        }
        for hops in 1..within.len() {
            within[hops] += within[hops - 1];
        }
        within
    }
}

/// How many hops every node of a connected graph is away.
fn distances_from(graph: &Graph, start: NodeId) -> Vec<u32> {
    let mut distances = vec![u32::MAX; graph.nodes()];
    distances[start.index()] = 0;
    let mut reached = vec![start];
    let mut next = 0;
    while let Some(&node) = reached.get(next) {
        next += 1;
        for &peer in graph.neighbors(node) {
            if distances[peer.index()] == u32::MAX {
                distances[peer.index()] = distances[node.index()] + 1;
                reached.push(peer);
            }
        }
    }
    distances
}
