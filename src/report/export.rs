//! The network in formats that other programs read: DOT (Graphviz) and GraphML (Gephi, yEd, NetworkX). Written node by
//! node, so that a million of them need no memory.

use crate::graph::Graph;
use crate::id::NodeId;
use std::io::{self, Write};

/// A graph, the names of its nodes, and at how many hops the first broadcast reached each (nothing where it did not).
pub struct Export<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Which nodes are there; the others are left out.
    pub present: &'a dyn Fn(NodeId) -> bool,
    /// A node's name.
    pub name: &'a dyn Fn(NodeId) -> String,
    /// Hops; may be shorter than there are nodes.
    pub hops: &'a [Option<u32>],
}

impl Export<'_> {
    /// No program opens a drawing of more nodes in any useful time …
    pub const MOST_NODES: usize = 100_000;
    /// … or of more links.
    pub const MOST_LINKS: usize = 1_000_000;

    /// Whether other programs can be expected to open this graph.
    pub fn is_useful(graph: &Graph) -> bool {
        graph.nodes() <= Export::MOST_NODES && graph.edge_count() <= Export::MOST_LINKS
    }

    /// Writes DOT. Nodes have a `label` and, where they were reached, `hops`.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn dot(&self, mut out: impl Write) -> io::Result<()> {
        writeln!(out, "graph {{")?;
        for node in self.present() {
            let label = (self.name)(node).replace('\\', "\\\\").replace('"', "\\\"");
            let hops = self.hops(node).map_or(String::new(), |hops| format!(" hops={hops}"));
            writeln!(out, "  {} [label=\"{label}\"{hops}]", node.0)?;
        }
        for (a, b) in self.graph.edges() {
            writeln!(out, "  {} -- {}", a.0, b.0)?;
        }
        writeln!(out, "}}")?;
        out.flush()
    }

    /// Writes GraphML, with the same attributes.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn graphml(&self, mut out: impl Write) -> io::Result<()> {
        out.write_all(GRAPHML_HEAD.as_bytes())?;
        for node in self.present() {
            let label = escaped(&(self.name)(node));
            let hops =
                self.hops(node).map_or(String::new(), |hops| format!("<data key=\"hops\">{hops}</data>"));
            writeln!(out, "    <node id=\"n{}\"><data key=\"label\">{label}</data>{hops}</node>", node.0)?;
        }
        for (a, b) in self.graph.edges() {
            writeln!(out, "    <edge source=\"n{}\" target=\"n{}\"/>", a.0, b.0)?;
        }
        out.write_all(b"  </graph>\n</graphml>\n")?;
        out.flush()
    }

    fn present(&self) -> impl Iterator<Item = NodeId> {
        self.graph.node_ids().filter(|&node| (self.present)(node))
    }

    fn hops(&self, node: NodeId) -> Option<u32> {
        self.hops.get(node.index()).copied().flatten()
    }
}

const GRAPHML_HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="label" for="node" attr.name="label" attr.type="string"/>
  <key id="hops" for="node" attr.name="hops" attr.type="int"/>
  <graph edgedefault="undirected">
"#;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_nothing_is_left_out() {
        let graph = Graph::from_edges(4, &[(0, 1)]);
        let name = |node: NodeId| ["a\"<&\\>", "b", "c"][node.index()].to_owned();
        let export =
            Export { graph: &graph, present: &|node| node.0 < 3, name: &name, hops: &[Some(0), Some(1)] };
        let mut text = Vec::new();
        export.dot(&mut text).unwrap();
        export.graphml(&mut text).unwrap();
        insta::assert_snapshot!(String::from_utf8(text).unwrap());
    }
}
