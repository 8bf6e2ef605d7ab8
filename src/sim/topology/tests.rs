//! What every generator promises, and how each bad parameter is refused.

use super::*;
use crate::graph::Graph;
use crate::id::NodeId;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

fn make(topology: &Topology, seed: u64) -> Graph {
    topology.build(seed).unwrap()
}

/// Every recipe but the edge list, small, with its extremes: one node, two, all linked, none.
fn any_topology() -> impl Strategy<Value = Topology> {
    let nodes = 1u32..40;
    // Short decimals, as people write them: serde_json reads others with an error in the last bit.
    let chance =
        || prop_oneof![Just(0.0), Just(1.0), Just(1e-300), (0..=1000).prop_map(|i| f64::from(i) / 1e3)];
    let below = |n: u32| (Just(n), prop_oneof![Just(0), Just(n - 1), 0..n]);
    prop_oneof![
        nodes.clone().prop_map(|nodes| Topology::Ring { nodes }),
        nodes.clone().prop_map(|nodes| Topology::Line { nodes }),
        (1u32..9, 1u32..9).prop_map(|(width, height)| Topology::Grid { width, height }),
        nodes.clone().prop_map(|nodes| Topology::Star { nodes }),
        (nodes.clone(), 1u32..6).prop_map(|(nodes, branching)| Topology::Tree { nodes, branching }),
        nodes.clone().prop_map(|nodes| Topology::Complete { nodes }),
        nodes.clone().prop_flat_map(below).prop_map(|(nodes, degree)| Topology::RandomRegular {
            nodes,
            degree: if nodes % 2 == 1 { degree & !1 } else { degree },
        }),
        nodes.clone().prop_flat_map(below).prop_map(|(nodes, k)| Topology::KOut { nodes, k }),
        (nodes.clone(), chance())
            .prop_map(|(nodes, probability)| Topology::ErdosRenyi { nodes, probability }),
        (2u32..40)
            .prop_flat_map(|n| (Just(n), 1..n))
            .prop_map(|(nodes, links)| Topology::BarabasiAlbert { nodes, links }),
        (nodes.prop_flat_map(below), chance()).prop_map(|((nodes, neighbors), rewire)| {
            Topology::WattsStrogatz { nodes, neighbors: neighbors & !1, rewire }
        }),
    ]
}

/// What holds for this graph whatever was drawn.
fn check_promises(topology: &Topology, graph: &Graph) {
    let (links, degrees) = (topology.links().unwrap() as usize, graph.degrees());
    match *topology {
        Topology::KOut { nodes, k } => {
            assert!(degrees.min >= k as usize);
            let (most, all) = (nodes as usize * k as usize, pairs(nodes.into()) as usize);
            assert!((most.div_ceil(2)..=most.min(all)).contains(&graph.edge_count()));
            assert!((most.div_ceil(2)..=most.min(all)).contains(&links));
        }
        Topology::ErdosRenyi { probability, .. } => {
            if probability == 0.0 || probability == 1.0 {
                assert_eq!(graph.edge_count(), links);
            }
        }
        Topology::RandomRegular { degree, .. } => {
            assert_eq!((degrees.min, degrees.max), (degree as usize, degree as usize));
            assert_eq!(graph.edge_count(), links);
        }
        Topology::BarabasiAlbert { links: each, .. } => {
            assert_eq!((graph.components().count(), graph.edge_count()), (1, links));
            assert_eq!(degrees.min, each as usize);
        }
        Topology::WattsStrogatz { neighbors, rewire, .. } => {
            assert_eq!(graph.edge_count(), links);
            assert!(degrees.min >= neighbors as usize / 2);
            assert!(rewire > 0.0 || degrees.max == neighbors as usize);
        }
        _ => assert_eq!((graph.components().count(), graph.edge_count()), (1, links)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_graph_is_simple_and_as_promised(topology in any_topology(), seed: u64) {
        topology.check().unwrap();
        let graph = make(&topology, seed);
        prop_assert_eq!(graph.nodes() as u64, topology.nodes().unwrap());
        for node in graph.node_ids() {
            let peers = graph.neighbors(node);
            prop_assert!(peers.is_sorted_by(|a, b| a.0 < b.0) && !peers.contains(&node));
        }
        check_promises(&topology, &graph);
        prop_assert_eq!(make(&topology, seed), graph);
    }

    #[test]
    fn a_recipe_survives_json(topology in any_topology()) {
        let text = serde_json::to_string(&topology).unwrap();
        prop_assert_eq!(serde_json::from_str::<Topology>(&text).unwrap(), topology);
    }
}

/// A generator that waits for luck hangs on this one.
struct Stuck(u64);

impl rand::TryRng for Stuck {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0 as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(self.0 as u8);
        Ok(())
    }
}

proptest! {
    #[test]
    fn no_generator_waits_for_luck(topology in any_topology(), ones: bool) {
        // All ones would be drawn again by the range sampler itself, whose bound is none of ours.
        let stuck = if ones { u64::MAX << 40 } else { 0 };
        let graph = topology.generate(&mut Stuck(stuck)).unwrap();
        check_promises(&topology, &graph);
    }
}

#[test]
fn a_wrong_parameter_is_named() {
    use Topology::*;
    let nan = f64::NAN;
    for (topology, field) in [
        (Ring { nodes: 0 }, "nodes"),
        (Line { nodes: 10_000_001 }, "nodes"),
        (Grid { width: 0, height: 3 }, "width"),
        (Grid { width: 3, height: 0 }, "height"),
        (Grid { width: 0, height: 0 }, "width"),
        (Grid { width: u32::MAX, height: u32::MAX }, "width"),
        (Grid { width: 10, height: 1_000_001 }, "height"),
        (Star { nodes: u32::MAX }, "nodes"),
        (Tree { nodes: 0, branching: 2 }, "nodes"),
        (Tree { nodes: 5, branching: 0 }, "branching"),
        (Complete { nodes: 1_000_000 }, "nodes"),
        (RandomRegular { nodes: 0, degree: 0 }, "nodes"),
        (RandomRegular { nodes: 6, degree: 6 }, "degree"),
        (RandomRegular { nodes: 7, degree: 3 }, "degree"),
        (RandomRegular { nodes: 10_000_000, degree: 42 }, "degree"),
        (KOut { nodes: 6, k: 6 }, "k"),
        (KOut { nodes: 10_000_000, k: 30 }, "k"),
        (ErdosRenyi { nodes: 6, probability: -0.1 }, "probability"),
        (ErdosRenyi { nodes: 6, probability: 1.1 }, "probability"),
        (ErdosRenyi { nodes: 6, probability: nan }, "probability"),
        (ErdosRenyi { nodes: 10_000_000, probability: 0.5 }, "probability"),
        (BarabasiAlbert { nodes: 6, links: 0 }, "links"),
        (BarabasiAlbert { nodes: 6, links: 6 }, "links"),
        (BarabasiAlbert { nodes: 10_000_000, links: 21 }, "links"),
        (WattsStrogatz { nodes: 6, neighbors: 3, rewire: 0.1 }, "neighbors"),
        (WattsStrogatz { nodes: 6, neighbors: 6, rewire: 0.1 }, "neighbors"),
        (WattsStrogatz { nodes: 10_000_000, neighbors: 42, rewire: 0.1 }, "neighbors"),
        (WattsStrogatz { nodes: 6, neighbors: 2, rewire: 1.5 }, "rewire"),
        (WattsStrogatz { nodes: 6, neighbors: 2, rewire: nan }, "rewire"),
    ] {
        let error = topology.check().unwrap_err();
        assert_eq!(error.field, field, "{topology:?}: {error}");
        assert_eq!(topology.build(1), Err(error));
    }
}

#[test]
fn messages_say_what_is_wrong_and_what_would_be_right() {
    use Topology::*;
    let file = EdgeList { file: "x.edges".into(), source: String::new() };
    assert_eq!((file.check(), file.nodes(), file.links()), (Ok(()), None, None));
    insta::assert_snapshot!(
        [
            Complete { nodes: 1_000_000 },
            Grid { width: 70_000, height: 70_000 },
            RandomRegular { nodes: 7, degree: 3 },
            KOut { nodes: 6, k: 6 },
            ErdosRenyi { nodes: 6, probability: 1.5 },
            WattsStrogatz { nodes: 6, neighbors: 3, rewire: 0.1 },
            Tree { nodes: 6, branching: 0 },
            file,
        ]
        .map(|topology| topology.build(1).unwrap_err().to_string())
        .join("\n")
    );
}

#[test]
fn a_key_that_does_not_exist_is_refused() {
    let read = |text: &str| serde_json::from_str::<Topology>(text);
    let all = [
        (r#""ring": {"nodes": 5"#, Topology::Ring { nodes: 5 }),
        (r#""random_regular": {"nodes": 8, "degree": 3"#, Topology::RandomRegular { nodes: 8, degree: 3 }),
        (r#""k_out": {"nodes": 8, "k": 3"#, Topology::KOut { nodes: 8, k: 3 }),
        (r#""edge_list": {"file": "a""#, Topology::EdgeList { file: "a".into(), source: String::new() }),
    ];
    for (start, topology) in all {
        assert_eq!(read(&format!("{{{start}}}}}")).unwrap(), topology);
        let error = read(&format!(r#"{{{start}, "nods": 1}}}}"#)).unwrap_err().to_string();
        assert!(error.starts_with("unknown field `nods`, expected"), "{error}");
    }
    assert!(
        read(r#"{"rings": {"nodes": 5}}"#).unwrap_err().to_string().starts_with("unknown variant `rings`")
    );
}

/// Golden values: if one of these changes, old runs cannot be repeated.
#[test]
fn the_graphs_are_what_they_were() {
    use Topology::*;
    let nodes = 1_000;
    let all = [
        Ring { nodes },
        Line { nodes },
        Grid { width: 40, height: 25 },
        Star { nodes },
        Tree { nodes, branching: 3 },
        Complete { nodes },
        RandomRegular { nodes, degree: 6 },
        RandomRegular { nodes, degree: 900 },
        KOut { nodes, k: 4 },
        ErdosRenyi { nodes, probability: 0.01 },
        BarabasiAlbert { nodes, links: 3 },
        WattsStrogatz { nodes, neighbors: 6, rewire: 0.1 },
    ];
    insta::assert_snapshot!(
        all.map(|topology| {
            let graph = make(&topology, 7);
            let mut hash = Sha256::new();
            for (a, b) in graph.edges() {
                hash.update(a.0.to_le_bytes());
                hash.update(b.0.to_le_bytes());
            }
            let hash: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{hash} {:6} {topology:?}", graph.edge_count())
        })
        .join("\n")
    );
}

fn mean_distance(graph: &Graph, from: NodeId) -> f64 {
    let distances: Vec<u32> = graph.distances(from).into_iter().flatten().collect();
    f64::from(distances.iter().sum::<u32>()) / (distances.len() - 1) as f64
}

fn triangles(graph: &Graph) -> usize {
    let closes = |a: NodeId, b: NodeId| {
        let above = |node: NodeId| graph.neighbors(node).iter().filter(move |peer| peer.0 > b.0);
        above(a).filter(|c| above(b).any(|d| d == *c)).count()
    };
    graph.edges().map(|(a, b)| closes(a, b)).sum()
}

/// In a random graph of degree 6. Of `ends` that lead on from the nodes at one distance, each ends at a node not
/// yet reached with the probability that is left.
fn expected_mean_distance(nodes: u32) -> f64 {
    let n = f64::from(nodes);
    let (mut reached, mut ends, mut sum) = (1.0, 6.0, 0.0);
    for hops in 1..30 {
        let shell = (n - reached) * (1.0 - libm::exp(-ends / n));
        reached += shell;
        ends = 5.0 * shell;
        sum += f64::from(hops) * shell;
    }
    sum / (reached - 1.0)
}

/// In a random graph of degree d, the number of triangles is Poisson with mean (d-1)³/6 whatever its size
/// (Bollobás 1980).
#[test]
fn regular_graphs_look_random() {
    let (nodes, degree, graphs) = (2_000, 6, 40);
    let expected = expected_mean_distance(nodes);
    let mut sum = 0;
    for seed in 0..graphs {
        let graph = make(&Topology::RandomRegular { nodes, degree }, seed);
        assert_eq!(graph.components().count(), 1);
        assert!((6..=8).contains(&graph.diameter().lower), "{}", graph.diameter());
        sum += triangles(&graph);
        let found = mean_distance(&graph, NodeId(0));
        assert!((found - expected).abs() < 0.15, "{found} {expected}");
    }
    // Mean 20.8 a graph: the sum of 40 has mean 833 and deviation 28.9; five of those.
    assert!((689..977).contains(&sum), "{sum}");
}

#[test]
fn random_graphs_have_the_links_that_are_expected() {
    for seed in 0..20 {
        let (nodes, probability) = (2_000, 0.005);
        let gnp = Topology::ErdosRenyi { nodes, probability };
        // Mean 9,995, deviation 99.7.
        assert!(make(&gnp, seed).edge_count().abs_diff(gnp.links().unwrap() as usize) < 500);
        let k_out = Topology::KOut { nodes, k: 4 };
        // Mean 7,992; about eight pairs pick each other, so the deviation is 2.8.
        assert!(make(&k_out, seed).edge_count().abs_diff(k_out.links().unwrap() as usize) < 15);
    }
}

/// Each of the pairs is linked equally often: the skipping loses neither the first nor the last.
#[test]
fn every_pair_is_linked_with_the_probability_asked_for() {
    let mut counts = [0; 10];
    for seed in 0..4_000 {
        let graph = make(&Topology::ErdosRenyi { nodes: 5, probability: 0.3 }, seed);
        graph.edges().for_each(|(a, b)| counts[(b.0 * (b.0 - 1) / 2 + a.0) as usize] += 1);
    }
    // Mean 1,200, deviation 29.
    assert!(counts.iter().all(|count| (1_055..1_345).contains(count)), "{counts:?}");
}

#[test]
fn newcomers_make_hubs() {
    let degrees = make(&Topology::BarabasiAlbert { nodes: 10_000, links: 3 }, 1).degrees();
    // P(degree >= x) is about links (links + 1) / x²: the largest of 10,000 is around 350, and 2.9 % reach 20.
    let hubs: usize = degrees.table.iter().filter(|(degree, _)| *degree >= 20).map(|(_, nodes)| nodes).sum();
    assert!(degrees.max > 150 && (230..350).contains(&hubs), "{} {hubs}", degrees.max);
}

#[test]
fn rewiring_shortens_a_ring_and_fully_rewired_it_is_random() {
    let make = |rewire| make(&Topology::WattsStrogatz { nodes: 2_000, neighbors: 6, rewire }, 1);
    let [ring, small_world, random] = [0.0, 0.1, 1.0].map(make);
    assert_eq!(ring.diameter().lower, 334);
    // Watts and Strogatz: a tenth of the links moved, and distances fall at once while most triangles stay.
    assert!(mean_distance(&small_world, NodeId(0)) < 8.0 && triangles(&small_world) > triangles(&ring) / 2);
    assert!(triangles(&random) < 100);
}
