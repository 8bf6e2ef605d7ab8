//! The network in formats that other programs read: DOT (Graphviz) and GraphML (Gephi, yEd, NetworkX).

use crate::graph::Graph;
use petgraph::dot::{Config, Dot};
use petgraph::graph::{NodeIndex, UnGraph};
use petgraph_graphml::GraphMl;
use std::borrow::Cow;

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
pub fn to_graphml(graph: &Graph, name: impl Fn(u32) -> String, hops: &[Option<u32>]) -> String {
    let graph = attributed(graph, name, hops);
    GraphMl::new(&graph).pretty_print(true).export_node_weights(Box::new(weights)).to_string()
}

fn weights(node: &Attributes) -> Vec<(Cow<'static, str>, Cow<'_, str>)> {
    let hops = node.hops.map(|hops| ("hops".into(), hops.to_string().into()));
    [("label".into(), Cow::from(&node.label))].into_iter().chain(hops).collect()
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
