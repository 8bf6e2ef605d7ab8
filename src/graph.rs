//! An undirected graph: who is linked to whom. Compact (two words a link end), so that a million nodes fit.

mod metrics;

pub use metrics::{Components, Degrees, Diameter};

use crate::id::NodeId;
use petgraph::graph::UnGraph;

/// A simple undirected graph over the nodes `0..n`, as adjacency lists in one array (compressed sparse rows).
/// The neighbors of a node are sorted by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// Where each node's neighbors start; one entry more than there are nodes.
    offsets: Vec<u32>,
    neighbors: Vec<NodeId>,
}

impl Graph {
    /// The graph with these edges. Loops and repeated edges are left out.
    ///
    /// # Panics
    /// If an edge names a node that is not below `nodes`, or if there are more than 2^31 edges.
    pub fn from_edges(nodes: usize, edges: &[(u32, u32)]) -> Graph {
        let mut counts = vec![0u32; nodes + 1];
        for &(a, b) in edges.iter().filter(|(a, b)| a != b) {
            counts[a as usize + 1] += 1;
            counts[b as usize + 1] += 1;
        }
        for i in 0..nodes {
            counts[i + 1] = counts[i + 1].checked_add(counts[i]).expect("at most 2^31 edges");
        }
        let mut next = counts.clone();
        let mut neighbors = vec![NodeId(0); counts[nodes] as usize];
        for &(a, b) in edges.iter().filter(|(a, b)| a != b) {
            for (from, to) in [(a, b), (b, a)] {
                neighbors[next[from as usize] as usize] = NodeId(to);
                next[from as usize] += 1;
            }
        }
        Graph { offsets: counts, neighbors }.sorted_and_deduplicated()
    }

    fn sorted_and_deduplicated(mut self) -> Graph {
        let (mut start, mut kept) = (0, 0);
        for node in 0..self.nodes() {
            let end = self.offsets[node + 1] as usize;
            self.neighbors[start..end].sort_unstable_by_key(|peer| peer.0);
            self.offsets[node] = kept as u32;
            for i in start..end {
                if i == start || self.neighbors[i] != self.neighbors[i - 1] {
                    self.neighbors[kept] = self.neighbors[i];
                    kept += 1;
                }
            }
            start = end;
        }
        self.neighbors.truncate(kept);
        *self.offsets.last_mut().expect("there is always a last offset") = kept as u32;
        self
    }

    /// How many nodes.
    pub fn nodes(&self) -> usize {
        self.offsets.len() - 1
    }

    /// How many edges.
    pub fn edge_count(&self) -> usize {
        self.neighbors.len() / 2
    }

    /// The neighbors of a node, sorted by index.
    pub fn neighbors(&self, node: NodeId) -> &[NodeId] {
        &self.neighbors[self.offsets[node.index()] as usize..self.offsets[node.index() + 1] as usize]
    }

    /// How many neighbors a node has.
    pub fn degree(&self, node: NodeId) -> usize {
        self.neighbors(node).len()
    }

    /// Every node.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes() as u32).map(NodeId)
    }

    /// Every edge once, the smaller index first, in ascending order.
    pub fn edges(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        self.node_ids()
            .flat_map(|a| self.neighbors(a).iter().filter(move |b| a.0 < b.0).map(move |&b| (a, b)))
    }

    /// The same graph as petgraph's, for its algorithms. Node and edge weights carry nothing.
    pub fn to_petgraph(&self) -> UnGraph<(), ()> {
        let mut graph = UnGraph::with_capacity(self.nodes(), self.edge_count());
        for _ in 0..self.nodes() {
            graph.add_node(());
        }
        for (a, b) in self.edges() {
            graph.add_edge(a.0.into(), b.0.into(), ());
        }
        graph
    }
}
