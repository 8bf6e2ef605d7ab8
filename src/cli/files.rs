//! What goes into a folder of results.

use crate::graph::Graph;
use crate::id::NodeId;
use crate::report::{Results, to_dot, to_graphml};
use crate::scenario::Scenario;
use serde::Serialize;
use std::io;

/// Any of our values as JSON for people.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("our values have string keys and no failing parts")
}

/// The network under a name: DOT, GraphML and, with feature `draw`, pictures.
pub(super) fn network<C: Clone>(
    results: &Results,
    name: &str,
    scenario: &Scenario<C>,
    graph: &Graph,
    hops: &[Option<u32>],
) -> io::Result<()> {
    let node_name = |node| scenario.name_of(NodeId(node));
    results.write(&format!("{name}.dot"), to_dot(graph, node_name, hops))?;
    results.write(&format!("{name}.graphml"), to_graphml(graph, node_name, hops))
}
