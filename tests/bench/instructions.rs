//! How many instructions the simulator needs: the same number on every run, whatever else the machine does.
//!
//! It needs valgrind, and the runner of gungraun in the version that stands in Cargo.lock:
//!
//! ```sh
//! cargo install --version 0.20.0 gungraun-runner
//! cargo bench --features bench-instructions --bench instructions
//! ```

#![allow(missing_docs, reason = "what the macros make")]

mod workload;

use gungraun::{library_benchmark, library_benchmark_group, main};
use rumormill::node::OverlayKind;
use rumormill::observe::Metrics;
use rumormill::{Graph, Network, Node, NodeConfig, Sim, SimConfig};
use std::time::Duration;
use workload::{SIZES, Workload};

type Simulated = Network<Sim<Node, Metrics>>;

fn built(size: Workload) -> (Workload, Simulated) {
    (size, size.build(1))
}

#[library_benchmark]
#[bench::nodes_1000(args = (SIZES[0]), setup = built)]
#[bench::nodes_10000(args = (SIZES[1]), setup = built)]
fn flood((size, mut network): (Workload, Simulated)) -> Simulated {
    size.flood(&mut network, 1);
    network
}

fn nobody(seed: u64) -> Simulated {
    let node = NodeConfig { overlay: Some(OverlayKind::Tutorial), ..NodeConfig::default() };
    Network::simulated(SimConfig::new(Graph::from_edges(0, &[])).node(node), seed)
}

#[library_benchmark]
#[bench::nodes_1000(args = (1), setup = nobody)]
fn join(mut network: Simulated) -> Simulated {
    for _ in 0..1_000 {
        network.join();
        network.run_for(Duration::from_millis(10));
    }
    network.run_for(Duration::from_secs(20));
    network
}

library_benchmark_group!(name = simulator, benchmarks = [flood, join]);
main!(library_benchmark_groups = simulator);
