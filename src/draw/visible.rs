//! What of a network is drawn at a moment: who is present, which links there are, which of them are new.

use crate::graph::Graph;
use crate::id::NodeId;

/// The present part of a graph.
pub(super) struct Visible {
    /// How many links each node has, absent ones none.
    degrees: Vec<usize>,
    /// Who is present, in ascending order.
    pub(super) nodes: Vec<NodeId>,
    /// Every link between two that are present.
    pub(super) links: Vec<(NodeId, NodeId)>,
    /// Those that an earlier graph did not have.
    pub(super) new_links: Vec<(NodeId, NodeId)>,
    /// How many links of the earlier graph are no more.
    pub(super) gone: usize,
}

impl Visible {
    /// Who is `present` in a graph (all if nothing is said), and what is new `since` another.
    pub(super) fn new(graph: &Graph, present: &[bool], since: Option<&Graph>) -> Visible {
        let is_present =
            |node: NodeId| present.is_empty() || present.get(node.index()).copied().unwrap_or(false);
        let links: Vec<(NodeId, NodeId)> =
            graph.edges().filter(|&(a, b)| is_present(a) && is_present(b)).collect();
        let new = |&(a, b): &(NodeId, NodeId)| since.is_some_and(|earlier| !earlier.has_edge(a, b));
        let new_links: Vec<_> = links.iter().copied().filter(new).collect();
        let kept = links.len() - new_links.len();
        let gone = since.map_or(0, |earlier| earlier.edge_count().saturating_sub(kept));
        let mut degrees = vec![0; graph.nodes()];
        for &(a, b) in &links {
            degrees[a.index()] += 1;
            degrees[b.index()] += 1;
        }
        let nodes = graph.node_ids().filter(|&node| is_present(node)).collect();
        Visible { degrees, nodes, links, new_links, gone }
    }

    /// How many links a node has.
    pub(super) fn degree(&self, node: NodeId) -> usize {
        self.degrees[node.index()]
    }

    /// How many links every present node has.
    pub(super) fn degrees(&self) -> Vec<usize> {
        self.nodes.iter().map(|&node| self.degree(node)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_absent_and_their_links_are_not_seen() {
        let graph = Graph::from_edges(4, &[(0, 1), (1, 2), (2, 3)]);
        let all = Visible::new(&graph, &[], None);
        assert_eq!((all.nodes.len(), all.links.len(), all.new_links.len(), all.gone), (4, 3, 0, 0));
        let some = Visible::new(&graph, &[true, true, true], None);
        assert_eq!((some.nodes.len(), some.links.len()), (3, 2));
    }

    #[test]
    fn links_come_and_go() {
        let (earlier, later) =
            (Graph::from_edges(3, &[(0, 1), (1, 2)]), Graph::from_edges(4, &[(0, 1), (0, 3)]));
        let visible = Visible::new(&later, &[], Some(&earlier));
        assert_eq!(visible.new_links, [(NodeId(0), NodeId(3))]);
        assert_eq!(visible.gone, 1);
    }
}
