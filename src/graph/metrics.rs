//! What can be measured on a graph: its components, distances, degrees and diameter.

use super::Graph;
use crate::id::NodeId;
use serde::Serialize;
use std::fmt;

/// The diameter is exact up to this many nodes in the largest component.
const EXACT_UP_TO: usize = 20_000;

/// Searches made to bound the eccentricities. Takes and Kosters go on until the bounds meet; on real graphs a
/// handful does most of the work, and on regular graphs, where all nodes look alike, no number of them helps.
const SWEEPS: usize = 4;

/// No distance, no label: not reached yet.
const UNREACHED: u32 = u32::MAX;

impl Graph {
    /// Which nodes can reach which. Linear time.
    pub fn components(&self) -> Components {
        let mut labels = vec![UNREACHED; self.nodes()];
        let (mut sizes, mut stack) = (Vec::new(), Vec::new());
        for start in self.node_ids() {
            if labels[start.index()] != UNREACHED {
                continue;
            }
            let label = sizes.len() as u32;
            let mut size = 0;
            labels[start.index()] = label;
            stack.push(start);
            while let Some(node) = stack.pop() {
                size += 1;
                for peer in self.neighbors(node) {
                    if labels[peer.index()] == UNREACHED {
                        labels[peer.index()] = label;
                        stack.push(*peer);
                    }
                }
            }
            sizes.push(size);
        }
        Components { labels, sizes }
    }

    /// How many hops every node is away from `from`; `None` for nodes that cannot be reached.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn distances(&self, from: NodeId) -> Vec<Option<u32>> {
        let mut search = Search::new(self);
        search.run(from);
        search.distances.into_iter().map(|hops| (hops != UNREACHED).then_some(hops)).collect()
    }

    /// How many neighbors the nodes have.
    pub fn degrees(&self) -> Degrees {
        let most = self.node_ids().map(|node| self.degree(node)).max();
        let mut counts = vec![0; most.map_or(0, |most| most + 1)];
        for node in self.node_ids() {
            counts[self.degree(node)] += 1;
        }
        let table: Vec<(usize, usize)> =
            counts.into_iter().enumerate().filter(|&(_, count)| count > 0).collect();
        Degrees {
            min: table.first().map_or(0, |&(degree, _)| degree),
            mean: 2.0 * self.edge_count() as f64 / self.nodes().max(1) as f64,
            max: most.unwrap_or(0),
            table,
        }
    }

    /// The longest of the shortest paths within the largest component (of several, the one with the smallest
    /// node), in hops.
    ///
    /// Exact up to 20,000 nodes in that component; above, the bounds of Takes and Kosters, "Determining the
    /// diameter of small world networks", CIKM 2011, after four searches (which are often exact as well).
    pub fn diameter(&self) -> Diameter {
        let members = self.components().largest_members();
        // In a ring no search says anything about the next node: the one common graph where both the bounds
        // and the bit-parallel search are of no use. Its answer is known.
        if members.iter().all(|&node| self.degree(node) == 2) {
            return Diameter::exact((members.len() / 2) as u32);
        }
        let exact = members.len() <= EXACT_UP_TO;
        let mut bounds = Bounds::new(self, members);
        bounds.sweep();
        if exact {
            bounds.settle();
        }
        bounds.diameter()
    }
}

/// The connected components of a graph, numbered from 0 in the order of their smallest nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    labels: Vec<u32>,
    sizes: Vec<usize>,
}

impl Components {
    /// How many components.
    pub fn count(&self) -> usize {
        self.sizes.len()
    }

    /// How many nodes each component has.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// How many nodes the largest component has; 0 in a graph without nodes.
    pub fn largest(&self) -> usize {
        self.sizes.iter().copied().max().unwrap_or(0)
    }

    /// The number of the component that a node is in.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn of(&self, node: NodeId) -> u32 {
        self.labels[node.index()]
    }

    /// How many nodes a node can reach, itself included.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn size_of(&self, node: NodeId) -> usize {
        self.sizes[self.of(node) as usize]
    }

    /// The nodes of the largest component, of several the first, by index.
    fn largest_members(&self) -> Vec<NodeId> {
        let largest = self.sizes.iter().position(|&size| size == self.largest()).unwrap_or(0) as u32;
        (0..self.labels.len()).filter(|&i| self.labels[i] == largest).map(NodeId::at).collect()
    }
}

/// How many neighbors the nodes of a graph have. All zero for a graph without nodes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Degrees {
    /// The fewest neighbors that a node has.
    pub min: usize,
    /// The mean number of neighbors.
    pub mean: f64,
    /// The most neighbors that a node has.
    pub max: usize,
    /// How many nodes have how many neighbors: (neighbors, nodes), ascending, where there are any.
    pub table: Vec<(usize, usize)>,
}

/// The diameter of a graph in hops, or the bounds between which it lies, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Diameter {
    /// It is at least this: two nodes are known to be so far apart.
    pub lower: u32,
    /// It is at most this.
    pub upper: u32,
}

impl Diameter {
    fn exact(hops: u32) -> Diameter {
        Diameter { lower: hops, upper: hops }
    }

    /// Whether the bounds meet.
    pub fn is_exact(self) -> bool {
        self.lower == self.upper
    }
}

impl fmt::Display for Diameter {
    /// `9` if it is exact, else `between 9 and 14`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.is_exact() {
            write!(f, "{}", self.lower)
        } else {
            write!(f, "between {} and {}", self.lower, self.upper)
        }
    }
}

/// A breadth-first search that can be repeated without new memory.
struct Search<'a> {
    graph: &'a Graph,
    distances: Vec<u32>,
    reached: Vec<NodeId>,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph) -> Search<'a> {
        Search { graph, distances: vec![UNREACHED; graph.nodes()], reached: Vec::new() }
    }

    /// Finds all distances from a node; returns the largest, the node's eccentricity.
    fn run(&mut self, from: NodeId) -> u32 {
        for node in self.reached.drain(..) {
            self.distances[node.index()] = UNREACHED;
        }
        self.distances[from.index()] = 0;
        self.reached.push(from);
        let (mut next, mut eccentricity) = (0, 0);
        while let Some(&node) = self.reached.get(next) {
            next += 1;
            eccentricity = self.distances[node.index()];
            for &peer in self.graph.neighbors(node) {
                if self.distances[peer.index()] == UNREACHED {
                    self.distances[peer.index()] = eccentricity + 1;
                    self.reached.push(peer);
                }
            }
        }
        eccentricity
    }
}

/// What is known about the eccentricities in one component, and so about its diameter, the largest of them.
struct Bounds<'a> {
    graph: &'a Graph,
    members: Vec<NodeId>,
    /// The least and the most that each node's eccentricity can be.
    least: Vec<u32>,
    most: Vec<u32>,
    /// The longest of the shortest paths found so far.
    longest: u32,
}

impl<'a> Bounds<'a> {
    fn new(graph: &'a Graph, members: Vec<NodeId>) -> Bounds<'a> {
        let (least, most) = (vec![0; graph.nodes()], vec![UNREACHED; graph.nodes()]);
        Bounds { graph, members, least, most, longest: 0 }
    }

    /// Narrows the bounds by a few searches: by turns from where the diameter may end and from where the
    /// middle may be, which is the order of Takes and Kosters.
    fn sweep(&mut self) {
        let mut search = Search::new(self.graph);
        for turn in 0..SWEEPS {
            let open = self.members.iter().copied().filter(|&node| self.is_open(node));
            let from = if turn % 2 == 0 {
                open.max_by_key(|&node| (self.most[node.index()], self.graph.degree(node)))
            } else {
                open.min_by_key(|&node| self.least[node.index()])
            };
            let Some(from) = from else { return };
            let eccentricity = search.run(from);
            self.learn(eccentricity, &search);
        }
    }

    /// If `a` is `hops` away from `b`, their eccentricities differ by at most `hops`, and none is less.
    fn learn(&mut self, eccentricity: u32, search: &Search) {
        self.longest = self.longest.max(eccentricity);
        for node in &search.reached {
            let (i, hops) = (node.index(), search.distances[node.index()]);
            self.least[i] = self.least[i].max(hops).max(eccentricity - hops);
            self.most[i] = self.most[i].min(eccentricity.saturating_add(hops));
        }
    }

    /// Whether a path from this node may still turn out to be longer than the longest found.
    fn is_open(&self, node: NodeId) -> bool {
        self.most[node.index()] > self.longest
    }

    /// Searches from every node that is still open.
    fn settle(&mut self) {
        let mut batch = Batch::new(self.graph, &self.members);
        let mut rest = self.members.as_slice();
        while !rest.is_empty() {
            let mut sources = Vec::with_capacity(64);
            while let [node, tail @ ..] = rest
                && sources.len() < 64
            {
                sources.extend(Some(*node).filter(|&node| self.is_open(node)));
                rest = tail;
            }
            self.longest = self.longest.max(batch.run(&sources));
        }
        self.most.fill(self.longest);
    }

    fn diameter(&self) -> Diameter {
        let most = self.members.iter().map(|node| self.most[node.index()]).max();
        Diameter { lower: self.longest, upper: self.longest.max(most.unwrap_or(0)) }
    }
}

/// Breadth-first search from up to 64 nodes at once, one bit each: Then et al., "The more the merrier: efficient
/// multi-source graph traversal", VLDB 2015; with the change of direction of Beamer et al., SC 2012.
struct Batch<'a> {
    graph: &'a Graph,
    members: &'a [NodeId],
    /// Which searches have reached each node, by now, in the last step, in this step.
    seen: Vec<u64>,
    fresh: Vec<u64>,
    coming: Vec<u64>,
    /// The nodes with fresh bits, and with coming bits.
    frontier: Vec<NodeId>,
    touched: Vec<NodeId>,
}

impl<'a> Batch<'a> {
    fn new(graph: &'a Graph, members: &'a [NodeId]) -> Batch<'a> {
        let words = || vec![0; graph.nodes()];
        let (seen, fresh, coming) = (words(), words(), words());
        Batch { graph, members, seen, fresh, coming, frontier: Vec::new(), touched: Vec::new() }
    }

    /// The largest eccentricity among the sources, at most 64 different members of one component.
    fn run(&mut self, sources: &[NodeId]) -> u32 {
        self.seen.fill(0);
        for (bit, &source) in sources.iter().enumerate() {
            self.coming[source.index()] = 1 << bit;
            self.touched.push(source);
        }
        let all = (0..sources.len()).fold(0, |all, bit| all | 1 << bit);
        let mut missing = sources.len() * self.members.len() - self.advance();
        let mut steps = 0;
        while missing > 0 {
            // From a narrow frontier look outward; towards a wide one look back, where a node can stop looking as
            // soon as it has found all.
            if self.frontier.len() * 8 < self.members.len() {
                self.push()
            } else {
                self.pull(all)
            }
            missing -= self.advance();
            steps += 1;
        }
        self.clear();
        steps
    }

    fn push(&mut self) {
        for &node in &self.frontier {
            let bits = self.fresh[node.index()];
            for &peer in self.graph.neighbors(node) {
                let new = bits & !self.seen[peer.index()];
                if new != 0 {
                    let coming = &mut self.coming[peer.index()];
                    if *coming == 0 {
                        self.touched.push(peer);
                    }
                    *coming |= new;
                }
            }
        }
    }

    fn pull(&mut self, all: u64) {
        for &node in self.members {
            let wanted = all & !self.seen[node.index()];
            if wanted == 0 {
                continue;
            }
            let mut found = 0;
            for peer in self.graph.neighbors(node) {
                found |= self.fresh[peer.index()];
                if wanted & !found == 0 {
                    break;
                }
            }
            if wanted & found != 0 {
                self.coming[node.index()] = wanted & found;
                self.touched.push(node);
            }
        }
    }

    /// Makes what is coming the frontier; returns how many bits that adds.
    fn advance(&mut self) -> usize {
        self.clear();
        std::mem::swap(&mut self.frontier, &mut self.touched);
        let mut added = 0;
        for node in &self.frontier {
            let bits = std::mem::take(&mut self.coming[node.index()]);
            self.seen[node.index()] |= bits;
            self.fresh[node.index()] = bits;
            added += bits.count_ones() as usize;
        }
        added
    }

    /// Forgets the frontier.
    fn clear(&mut self) {
        for node in self.frontier.drain(..) {
            self.fresh[node.index()] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn graph(nodes: usize, edges: &[(u32, u32)]) -> Graph {
        Graph::from_edges(nodes, edges)
    }

    fn ring(nodes: u32) -> Graph {
        let edges: Vec<_> = (0..nodes).map(|i| (i, (i + 1) % nodes)).collect();
        graph(nodes as usize, &edges)
    }

    /// Links each node to one at a pseudo-random place before it: a tree of small diameter.
    fn tree(nodes: u32) -> Graph {
        let edges: Vec<_> =
            (1..nodes).map(|i| (i, (u64::from(i) * 2_654_435_761 % u64::from(i)) as u32)).collect();
        graph(nodes as usize, &edges)
    }

    /// All distances by the algorithm of Floyd and Warshall, which shares nothing with a search.
    fn all_distances(graph: &Graph) -> Vec<Vec<Option<u32>>> {
        let n = graph.nodes();
        let mut table = vec![vec![None; n]; n];
        graph.node_ids().for_each(|a| table[a.index()][a.index()] = Some(0));
        for (a, b) in graph.edges() {
            table[a.index()][b.index()] = Some(1);
            table[b.index()][a.index()] = Some(1);
        }
        for via in 0..n {
            for a in 0..n {
                for b in 0..n {
                    if let (Some(there), Some(on)) = (table[a][via], table[via][b])
                        && table[a][b].is_none_or(|old| there + on < old)
                    {
                        table[a][b] = Some(there + on);
                    }
                }
            }
        }
        table
    }

    fn any_graph() -> impl Strategy<Value = Graph> {
        (1usize..40, 0usize..90).prop_flat_map(|(nodes, edges)| {
            let node = 0..nodes as u32;
            prop::collection::vec((node.clone(), node), edges).prop_map(move |edges| graph(nodes, &edges))
        })
    }

    proptest! {
        #[test]
        fn distances_components_and_diameter_agree_with_all_pairs(graph in any_graph()) {
            let table = all_distances(&graph);
            let components = graph.components();
            for a in graph.node_ids() {
                let row = &table[a.index()];
                prop_assert_eq!(&graph.distances(a), row);
                prop_assert_eq!(components.size_of(a), row.iter().flatten().count());
                for b in graph.node_ids() {
                    prop_assert_eq!(components.of(a) == components.of(b), row[b.index()].is_some());
                }
            }
            let first = graph.node_ids().find(|&node| components.size_of(node) == components.largest());
            let members: Vec<_> =
                graph.node_ids().filter(|&node| components.of(node) == components.of(first.unwrap())).collect();
            let diameter = members.iter().flat_map(|node| &table[node.index()]).flatten().max().copied().unwrap();
            prop_assert_eq!(graph.diameter(), Diameter::exact(diameter));

            // The search in batches alone, without bounds that leave little for it to do, and the bounds alone.
            let mut batch = Batch::new(&graph, &members);
            for sources in members.chunks(64) {
                let farthest = sources.iter().flat_map(|node| table[node.index()].iter().flatten()).max();
                prop_assert_eq!(batch.run(sources), *farthest.unwrap());
            }
            let mut bounds = Bounds::new(&graph, members);
            bounds.sweep();
            let Diameter { lower, upper } = bounds.diameter();
            prop_assert!(lower <= diameter && diameter <= upper);
        }

        #[test]
        fn components_are_numbered_by_their_smallest_nodes(graph in any_graph()) {
            let components = graph.components();
            let mut firsts = 0;
            for node in graph.node_ids() {
                prop_assert!(components.of(node) <= firsts);
                firsts = firsts.max(components.of(node) + 1);
            }
            prop_assert_eq!(components.count(), firsts as usize);
            prop_assert_eq!(components.sizes().iter().sum::<usize>(), graph.nodes());
        }

        #[test]
        fn degrees_count_every_node(graph in any_graph()) {
            let degrees = graph.degrees();
            let each: Vec<usize> = graph.node_ids().map(|node| graph.degree(node)).collect();
            prop_assert_eq!(Some(&degrees.min), each.iter().min());
            prop_assert_eq!(Some(&degrees.max), each.iter().max());
            prop_assert_eq!(degrees.mean, each.iter().sum::<usize>() as f64 / each.len() as f64);
            for &(degree, count) in &degrees.table {
                prop_assert_eq!(count, each.iter().filter(|&&other| other == degree).count());
            }
            prop_assert_eq!(degrees.table.iter().map(|&(_, count)| count).sum::<usize>(), each.len());
        }
    }

    #[test]
    fn nothing_and_a_single_node_have_no_width() {
        for nodes in [0, 1] {
            let graph = graph(nodes, &[]);
            assert_eq!(graph.diameter(), Diameter::exact(0));
            assert_eq!((graph.components().count(), graph.components().largest()), (nodes, nodes));
            assert_eq!(
                graph.degrees(),
                Degrees { min: 0, mean: 0.0, max: 0, table: vec![(0, nodes); nodes] }
            );
        }
    }

    #[test]
    fn of_components_of_one_size_the_first_is_measured() {
        let star_then_line = graph(8, &[(0, 1), (0, 2), (0, 3), (4, 5), (5, 6), (6, 7)]);
        assert_eq!(star_then_line.diameter(), Diameter::exact(2));
    }

    #[test]
    fn a_ring_is_half_as_wide_as_it_is_long() {
        for (nodes, hops) in [(3, 1), (4, 2), (7, 3), (1_000_000, 500_000)] {
            assert_eq!(ring(nodes).diameter(), Diameter::exact(hops));
        }
    }

    #[test]
    fn above_the_limit_the_bounds_hold_and_the_text_says_so() {
        // Two searches find the two ends of the longest path of a tree; what is left open is how sure we are.
        let Diameter { lower, upper } = tree(EXACT_UP_TO as u32 + 1).diameter();
        assert!(0 < lower && lower <= upper && upper <= 2 * lower);
        assert_eq!(Diameter { lower: 9, upper: 14 }.to_string(), "between 9 and 14");
        assert_eq!(Diameter::exact(9).to_string(), "9");
    }
}
