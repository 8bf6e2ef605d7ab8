//! Where every node is drawn: springs between all nodes that are linked, near or far, then a little more room
//! for those that ended too close, and the connected parts side by side.
//!
//! The same graph and seed give the same positions to the last bit on every machine: only `+ - * /` and square
//! roots, which IEEE 754 defines exactly, and `libm` where more is needed.

mod packing;
mod room;
mod springs;

use crate::graph::Graph;
use crate::id::NodeId;
use packing::Block;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A place on the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Downwards.
    pub y: f64,
}

/// Where every node of a graph is drawn.
///
/// It is a value of its own so that several pictures, say before and after a crash, can show the same node at the
/// same place: lay out the [union](Graph::union) of their graphs, and draw each with that layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    positions: Vec<Point>,
    spacing: f64,
}

impl Layout {
    /// How wide the area is that a layout fills; it is 1 high. A unit is as long across as down.
    pub const WIDTH: f64 = 1.1;

    /// Above this many nodes dots run into each other and a picture of them shows nothing. Such graphs are not
    /// laid out, and drawn as charts.
    pub const MOST_NODES: usize = 10_000;

    /// Above this many links, likewise.
    pub const MOST_LINKS: usize = 500_000;

    /// Lays out a graph as springs would. Of graphs that are too large it places no node at all.
    ///
    /// Nodes without any neighbor stand in a grid of their own below all others.
    pub fn force_directed(graph: &Graph, seed: u64) -> Layout {
        if !Layout::is_feasible(graph) {
            return Layout { positions: Vec::new(), spacing: 0.0 };
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (isolated, parts): (Vec<_>, Vec<_>) =
            connected_parts(graph).into_iter().partition(|part| part.len() == 1);
        let mut blocks: Vec<Block> = parts.into_iter().map(|part| arranged(graph, part, &mut rng)).collect();
        // Large parts first; the sort is stable, so that equals keep the order of their nodes.
        blocks.sort_by_key(|block| std::cmp::Reverse(block.nodes.len()));
        packing::pack(blocks, isolated.into_iter().flatten().collect(), graph.nodes())
    }

    /// Whether nodes of this graph can be shown one by one.
    pub fn is_feasible(graph: &Graph) -> bool {
        graph.nodes() <= Layout::MOST_NODES && graph.edge_count() <= Layout::MOST_LINKS
    }

    /// Whether it is that of a graph which was too large, and places no node.
    pub(super) fn is_too_large(&self) -> bool {
        self.spacing == 0.0
    }

    /// Where each node is: `x` in `0..=WIDTH`, `y` in `0..=1`.
    pub fn positions(&self) -> &[Point] {
        &self.positions
    }

    /// The upper left corner of all positions, and how far the lower right one is from it.
    pub(super) fn bounding_box(&self) -> (Point, Point) {
        packing::bounding_box(&self.positions)
    }

    /// How far nearest nodes are apart, on the whole.
    pub(super) fn spacing(&self) -> f64 {
        self.spacing
    }
}

/// One connected part, laid out for itself.
fn arranged(graph: &Graph, nodes: Vec<NodeId>, rng: &mut ChaCha8Rng) -> Block {
    let part = subgraph(graph, &nodes);
    let mut positions = springs::relaxed(&part, rng);
    room::make(&part, &mut positions, rng);
    packing::lay_flat(&mut positions);
    Block { nodes, positions }
}

/// The graph between some nodes, which are numbered as they are listed. The list is sorted and holds every
/// neighbor of its nodes.
fn subgraph(graph: &Graph, nodes: &[NodeId]) -> Graph {
    let number = |node: NodeId| nodes.binary_search_by_key(&node.0, |other| other.0).unwrap_or(0) as u32;
    let edges: Vec<(u32, u32)> = (0u32..)
        .zip(nodes)
        .flat_map(|(a, &node)| graph.neighbors(node).iter().map(move |&peer| (a, peer)))
        .map(|(a, peer)| (a, number(peer)))
        .filter(|(a, b)| a < b)
        .collect();
    Graph::from_edges(nodes.len(), &edges)
}

/// The connected parts, each sorted, in the order of their first nodes.
fn connected_parts(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut seen = vec![false; graph.nodes()];
    let mut parts = Vec::new();
    for first in graph.node_ids() {
        if std::mem::replace(&mut seen[first.index()], true) {
            continue;
        }
        let mut part = vec![first];
        let mut next = 0;
        while let Some(&node) = part.get(next) {
            next += 1;
            for &peer in graph.neighbors(node) {
                if !std::mem::replace(&mut seen[peer.index()], true) {
                    part.push(peer);
                }
            }
        }
        part.sort_unstable_by_key(|node| node.0);
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    fn ring(nodes: u32) -> Graph {
        let edges: Vec<(u32, u32)> = (0..nodes).map(|node| (node, (node + 1) % nodes)).collect();
        Graph::from_edges(nodes as usize, &edges)
    }

    fn grid(side: u32) -> Graph {
        let right = (0..side * side).filter(|node| (node + 1) % side != 0).map(|node| (node, node + 1));
        let down = (0..side * (side - 1)).map(|node| (node, node + side));
        Graph::from_edges((side * side) as usize, &right.chain(down).collect::<Vec<_>>())
    }

    fn tree(nodes: u32) -> Graph {
        let edges: Vec<(u32, u32)> = (1..nodes).map(|node| ((node - 1) / 3, node)).collect();
        Graph::from_edges(nodes as usize, &edges)
    }

    fn distance(a: Point, b: Point) -> f64 {
        ((a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y)).sqrt()
    }

    fn closest_pair(positions: &[Point]) -> f64 {
        let pairs = positions
            .iter()
            .enumerate()
            .flat_map(|(i, &a)| positions[..i].iter().map(move |&b| distance(a, b)));
        pairs.fold(f64::INFINITY, f64::min)
    }

    /// Shortest and longest link.
    fn link_lengths(graph: &Graph, layout: &Layout) -> (f64, f64) {
        let at = |node: NodeId| layout.positions[node.index()];
        graph
            .edges()
            .map(|(a, b)| distance(at(a), at(b)))
            .fold((f64::INFINITY, 0.0), |(least, most), length| {
                (f64::min(least, length), f64::max(most, length))
            })
    }

    /// Golden values: they are the same on every machine, in debug and in release.
    #[test]
    fn positions_are_what_they_were() {
        let digest = |graph: Graph| {
            let mut hash = Sha256::new();
            for point in Layout::force_directed(&graph, 7).positions {
                hash.update(point.x.to_bits().to_le_bytes());
                hash.update(point.y.to_bits().to_le_bytes());
            }
            let bytes: [u8; 32] = hash.finalize().into();
            u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
        };
        let digests = [digest(grid(6)), digest(tree(1_000)), digest(Graph::from_edges(9, &[]))];
        assert_eq!(digests, [0xd752_5b9f_73ec_84ba, 0xf6d9_adfa_a847_d731, 0x435c_27f9_e143_939d]);
    }

    #[test]
    fn a_ring_is_round_and_a_grid_unfolds() {
        let ring = Layout::force_directed(&ring(60), 1);
        let middle = Point { x: Layout::WIDTH / 2.0, y: 0.5 };
        assert!(ring.positions.iter().all(|&node| (0.47..=0.52).contains(&distance(node, middle))));
        let graph = grid(8);
        let (least, most) = link_lengths(&graph, &Layout::force_directed(&graph, 1));
        assert!(most < 1.4 * least, "{least} to {most}");
    }

    #[test]
    fn a_large_grid_unfolds_too() {
        let graph = grid(35);
        let (_, most) = link_lengths(&graph, &Layout::force_directed(&graph, 1));
        // A link of an even grid is 1/34 long; where a fold remains, some are several times as long.
        assert!(most < 2.5 / 34.0, "{most}");
    }

    #[test]
    fn no_nodes_one_node_two_nodes() {
        assert_eq!(Layout::force_directed(&Graph::from_edges(0, &[]), 1).positions, []);
        let middle = Point { x: Layout::WIDTH / 2.0, y: 0.5 };
        assert_eq!(Layout::force_directed(&Graph::from_edges(1, &[]), 1).positions, [middle]);
        let two = Layout::force_directed(&Graph::from_edges(2, &[(0, 1)]), 1).positions;
        assert!((two[0].y - two[1].y).abs() < 1e-3 && (0.2..0.5).contains(&distance(two[0], two[1])));
    }

    #[test]
    fn nodes_without_neighbors_stand_in_a_grid() {
        let layout = Layout::force_directed(&Graph::from_edges(40, &[]), 1);
        let mut columns: Vec<u64> = layout.positions.iter().map(|node| node.x.to_bits()).collect();
        columns.sort_unstable();
        columns.dedup();
        assert!((5..=8).contains(&columns.len()), "{columns:?}");
        assert!(closest_pair(&layout.positions) > 0.1);
    }

    #[test]
    fn parts_do_not_overlap() {
        let edges: Vec<(u32, u32)> =
            (0..20).flat_map(|part| (0..4).map(move |i| (part * 5 + i, part * 5 + i + 1))).collect();
        let layout = Layout::force_directed(&Graph::from_edges(100, &edges), 1);
        let boxes: Vec<(Point, Point)> = layout.positions.chunks(5).map(packing::bounding_box).collect();
        for (i, (a, size)) in boxes.iter().enumerate() {
            for (b, other) in &boxes[..i] {
                let apart =
                    a.x + size.x < b.x || b.x + other.x < a.x || a.y + size.y < b.y || b.y + other.y < a.y;
                assert!(apart);
            }
        }
    }

    #[test]
    fn graphs_that_are_too_large_are_not_laid_out() {
        let graph = Graph::from_edges(1_000_000, &[(0, 1)]);
        assert!(!Layout::is_feasible(&graph) && Layout::force_directed(&graph, 1).positions.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn every_node_has_its_own_place_within_the_page(
            nodes in 1usize..80,
            edges in prop::collection::vec((0u32..80, 0u32..80), 0..200),
            seed in any::<u64>(),
        ) {
            let edges: Vec<_> =
                edges.into_iter().filter(|&(a, b)| (a.max(b) as usize) < nodes).collect();
            let graph = Graph::from_edges(nodes, &edges);
            let layout = Layout::force_directed(&graph, seed);
            prop_assert_eq!(&layout, &Layout::force_directed(&graph, seed));
            prop_assert_eq!(layout.positions.len(), nodes);
            for at in &layout.positions {
                prop_assert!((0.0..=Layout::WIDTH).contains(&at.x) && (0.0..=1.0).contains(&at.y), "{:?}", at);
            }
            prop_assert!(closest_pair(&layout.positions) > 0.5 * layout.spacing);
        }
    }
}
