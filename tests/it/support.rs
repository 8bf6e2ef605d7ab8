//! What several tests need.

#[cfg(all(feature = "cli", feature = "live", unix))]
pub(crate) mod browser;
pub(crate) mod probe;

use proptest::prelude::*;
use rumormill::{Graph, Topology};
use std::path::PathBuf;

/// A topology with few nodes, from every generator.
pub(crate) fn any_topology() -> impl Strategy<Value = Topology> {
    let nodes = 1u32..60;
    prop_oneof![
        nodes.clone().prop_map(|nodes| Topology::Ring { nodes }),
        nodes.clone().prop_map(|nodes| Topology::Line { nodes }),
        (1u32..9, 1u32..9).prop_map(|(width, height)| Topology::Grid { width, height }),
        nodes.clone().prop_map(|nodes| Topology::Star { nodes }),
        (nodes.clone(), 1u32..5).prop_map(|(nodes, branching)| Topology::Tree { nodes, branching }),
        (1u32..20).prop_map(|nodes| Topology::Complete { nodes }),
        (2u32..60, 0u32..8).prop_map(|(nodes, degree)| {
            let degree = degree.min(nodes - 1);
            Topology::RandomRegular { nodes, degree: degree - degree * nodes % 2 }
        }),
        (2u32..60, 0u32..6).prop_map(|(nodes, k)| Topology::KOut { nodes, k: k.min(nodes - 1) }),
        (nodes.clone(), 0.0..0.2)
            .prop_map(|(nodes, probability)| Topology::ErdosRenyi { nodes, probability }),
        (2u32..60, 1u32..5)
            .prop_map(|(nodes, links)| Topology::BarabasiAlbert { nodes, links: links.min(nodes - 1) }),
        (3u32..60, 0.0..=1.0).prop_map(|(nodes, rewire)| Topology::WattsStrogatz {
            nodes,
            neighbors: 2,
            rewire
        }),
    ]
}

/// The graph of a topology.
pub(crate) fn graph(topology: &Topology, seed: u64) -> Graph {
    topology.build(seed).expect("valid parameters")
}

/// The folder of the real data sets, or `None`, said aloud, where it is absent.
pub(crate) fn data() -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data"));
    let folder = std::env::var_os("RUMORMILL_DATA").map_or(beside, PathBuf::from);
    if !folder.join("gnutella08.edges").exists() {
        eprintln!("skipped: no data sets in {} (set RUMORMILL_DATA)", folder.display());
        return None;
    }
    Some(folder)
}
