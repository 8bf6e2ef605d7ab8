//! The network in formats that other programs read: DOT (Graphviz) and GraphML (Gephi, yEd, NetworkX).

use crate::graph::Graph;
use petgraph::dot::{Config, Dot};
use petgraph::graph::{NodeIndex, UnGraph};

/// What is written of a node.
#[derive(Debug)]
struct Attributes {
    /// Its name or number.
    label: String,
    /// At how many hops the first broadcast reached it.
    hops: Option<u32>,
}

/// The graph in DOT. Nodes carry their name as `label` and, as `hops`, at how many hops the first broadcast reached
/// them.
pub fn to_dot(graph: &Graph, name: impl Fn(u32) -> String, hops: &[Option<u32>]) -> String {
    let attributes = |_: &_, (_, node): (NodeIndex, &Attributes)| {
        let label = node.label.replace('\\', "\\\\").replace('"', "\\\"");
        let hops = node.hops.map_or(String::new(), |hops| format!(" hops={hops}"));
        format!("label=\"{label}\"{hops}")
    };
    let config = [Config::EdgeNoLabel, Config::NodeNoLabel];
    let graph = attributed(graph, name, hops);
    format!("{:?}", Dot::with_attr_getters(&graph, &config, &|_, _| String::new(), &attributes))
}

/// The graph in GraphML, with the same attributes.
///
/// (Written by hand: the crate for petgraph's graphs declares the attributes in a random order.)
pub fn to_graphml(graph: &Graph, name: impl Fn(u32) -> String, hops: &[Option<u32>]) -> String {
    let mut xml = String::from(GRAPHML_HEAD);
    for node in graph.node_ids() {
        let hops = hops.get(node.index()).copied().flatten();
        let hops = hops.map_or(String::new(), |hops| format!("<data key=\"hops\">{hops}</data>"));
        let label = escaped(&name(node.0));
        xml += &format!("    <node id=\"n{}\"><data key=\"label\">{label}</data>{hops}</node>\n", node.0);
    }
    for (a, b) in graph.edges() {
        xml += &format!("    <edge source=\"n{}\" target=\"n{}\"/>\n", a.0, b.0);
    }
    xml + "  </graph>\n</graphml>\n"
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

fn attributed(graph: &Graph, name: impl Fn(u32) -> String, hops: &[Option<u32>]) -> UnGraph<Attributes, ()> {
    graph.to_petgraph().map(
        |node, ()| Attributes {
            label: name(node.index() as u32),
            hops: hops.get(node.index()).copied().flatten(),
        },
        |_, ()| (),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_nothing_is_left_out() {
        let graph = Graph::from_edges(3, &[(0, 1)]);
        let name = |node| ["a\"<&\\>", "b", "c"][node as usize].to_owned();
        let hops = [Some(0), Some(1), None];
        insta::assert_snapshot!(to_dot(&graph, name, &hops) + &to_graphml(&graph, name, &hops));
    }
}
