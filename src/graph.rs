//! An undirected graph: who is linked to whom. Compact (two words a link end), so that a million nodes fit.

mod metrics;

pub use metrics::{Components, Degrees, Diameter};

use crate::id::NodeId;
use petgraph::graph::UnGraph;
use prefetch_index::prefetch_index;
use std::borrow::Cow;

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

    /// The graph that has every node and every edge of these.
    pub fn union<'a>(graphs: impl IntoIterator<Item = &'a Graph>) -> Graph {
        let (mut nodes, mut edges) = (0, Vec::new());
        for graph in graphs {
            nodes = nodes.max(graph.nodes());
            edges.extend(graph.edges().map(|(a, b)| (a.0, b.0)));
            // Graphs at several moments share most edges: keep one of each before the next comes.
            edges.sort_unstable();
            edges.dedup();
        }
        Graph::from_edges(nodes, &edges)
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
    #[inline]
    pub fn neighbors(&self, node: NodeId) -> &[NodeId] {
        &self.neighbors[self.offsets[node.index()] as usize..self.offsets[node.index() + 1] as usize]
    }

    /// How many neighbors a node has.
    pub fn degree(&self, node: NodeId) -> usize {
        self.neighbors(node).len()
    }

    /// Whether two nodes are linked; nodes that are not in the graph are not.
    #[inline]
    pub fn has_edge(&self, a: NodeId, b: NodeId) -> bool {
        a.index() < self.nodes()
            && self.neighbors(a).binary_search_by_key(&b.0, |neighbor| neighbor.0).is_ok()
    }

    /// How many ends all edges have.
    #[inline]
    pub(crate) fn link_ends(&self) -> usize {
        self.neighbors.len()
    }

    /// Asks the memory for what tells where the neighbors of a node stand.
    #[inline]
    pub(crate) fn prefetch_place(&self, node: NodeId) {
        prefetch_index(&self.offsets, node.index());
    }

    /// Asks the memory for the neighbors of a node.
    #[inline]
    pub(crate) fn prefetch_neighbors(&self, node: NodeId) {
        if let Some(&offset) = self.offsets.get(node.index()) {
            prefetch_index(&self.neighbors, offset as usize);
        }
    }

    /// The place of an end of an edge, that of `node`, among all the ends there are, if the two are linked.
    pub(crate) fn link_end(&self, node: NodeId, peer: NodeId) -> Option<usize> {
        let offset = *self.offsets.get(node.index()).filter(|_| node.index() < self.nodes())?;
        let place = self.neighbors(node).binary_search_by_key(&peer.0, |neighbor| neighbor.0);
        place.ok().map(|place| offset as usize + place)
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

    /// The graph among the nodes that are kept, numbered anew in the same order; itself, if all are.
    pub fn among(&self, keep: impl Fn(NodeId) -> bool) -> Cow<'_, Graph> {
        let mut number = vec![u32::MAX; self.nodes()];
        let mut kept = 0;
        for node in self.node_ids().filter(|&node| keep(node)) {
            number[node.index()] = kept;
            kept += 1;
        }
        if kept as usize == self.nodes() {
            return Cow::Borrowed(self);
        }
        let both = |&(a, b): &(u32, u32)| a != u32::MAX && b != u32::MAX;
        let renumbered = self.edges().map(|(a, b)| (number[a.index()], number[b.index()]));
        Cow::Owned(Graph::from_edges(kept as usize, &renumbered.filter(both).collect::<Vec<_>>()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_union_has_all_nodes_and_edges_once() {
        let (early, late) =
            (Graph::from_edges(3, &[(0, 1), (1, 2)]), Graph::from_edges(5, &[(2, 1), (4, 0)]));
        let union = Graph::union([&early, &late]);
        assert_eq!(union, Graph::from_edges(5, &[(0, 1), (1, 2), (0, 4)]));
        assert_eq!(Graph::union([]).nodes(), 0);
    }

    #[test]
    fn an_edge_has_two_ends_and_strangers_have_none() {
        let graph = Graph::from_edges(3, &[(0, 2)]);
        assert!(graph.has_edge(NodeId(0), NodeId(2)) && graph.has_edge(NodeId(2), NodeId(0)));
        assert!(!graph.has_edge(NodeId(0), NodeId(1)));
        assert!(!graph.has_edge(NodeId(0), NodeId(7)) && !graph.has_edge(NodeId(7), NodeId(0)));
    }
}
