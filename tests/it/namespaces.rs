//! Real nodes in network namespaces of Linux: loss, delay and partitions between processes that know nothing of it. It takes root,
//! `ip`, and for loss and delay `tc` with netem; what the machine does not allow is skipped, and said.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "processes live in real time")]

use crate::live_node::{Bed, until};
use std::process::{Command, Output};
use std::time::Duration;

const NODES: usize = 8;
const HALF: usize = NODES / 2;
/// So long a network may take to heal: what it guarantees, and as long again for a machine that is busy.
const HEALING: Duration = Duration::from_secs(120);

/// Namespaces that are gone when this is: one for each node, and one with two bridges, a half of the nodes at each.
struct Cables {
    name: String,
}

fn run(program: &str, arguments: &str) -> Result<(), String> {
    let output: Output = Command::new(program)
        .args(arguments.split(' '))
        .output()
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{program} {arguments}`: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

impl Cables {
    fn lay() -> Result<Cables, String> {
        let cables = Cables { name: format!("rumormill-{}", std::process::id()) };
        let hub = cables.hub();
        run("ip", &format!("netns add {hub}"))?;
        for bridge in ["left", "right"] {
            run("ip", &format!("-n {hub} link add {bridge} type bridge"))?;
            run("ip", &format!("-n {hub} link set {bridge} up"))?;
        }
        run("ip", &format!("-n {hub} link add trunk type veth peer name knurt"))?;
        run("ip", &format!("-n {hub} link set trunk master left up"))?;
        run("ip", &format!("-n {hub} link set knurt master right up"))?;
        for node in 0..NODES {
            let (space, bridge) = (cables.space(node), if node < HALF { "left" } else { "right" });
            run("ip", &format!("netns add {space}"))?;
            run("ip", &format!("-n {hub} link add node{node} type veth peer name net netns {space}"))?;
            run("ip", &format!("-n {hub} link set node{node} master {bridge} up"))?;
            run("ip", &format!("-n {space} addr add {}/24 dev net", address(node)))?;
            run("ip", &format!("-n {space} link set net up"))?;
            run("ip", &format!("-n {space} link set lo up"))?;
        }
        Ok(cables)
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.name)
    }

    fn space(&self, node: usize) -> String {
        format!("{}-{node}", self.name)
    }

    /// Every packet of every node is late, and some are lost.
    fn disturb(&self) -> Result<(), String> {
        let tc = |node| format!("-n {} qdisc add dev net root netem delay 50ms loss 20%", self.space(node));
        (0..NODES).try_for_each(|node| run("tc", &tc(node)))
    }

    fn calm_down(&self) {
        (0..NODES).for_each(|node| _ = run("tc", &format!("-n {} qdisc del dev net root", self.space(node))));
    }

    /// Takes the halves apart, or joins them.
    fn trunk(&self, way: &str) {
        run("ip", &format!("-n {} link set trunk {way}", self.hub())).unwrap();
    }
}

impl Drop for Cables {
    fn drop(&mut self) {
        (0..NODES).for_each(|node| _ = run("ip", &format!("netns del {}", self.space(node))));
        _ = run("ip", &format!("netns del {}", self.hub()));
    }
}

fn address(node: usize) -> String {
    format!("10.99.0.{}", node + 1)
}

/// Whether all neighbors of a node are in its own half.
fn is_cut_off(bed: &mut Bed, node: usize) -> bool {
    let neighbors = bed.nodes[node].ask("/peers", "neighbors");
    let half = |node: usize| node < HALF;
    let far = (0..NODES).filter(|&other| half(other) != half(node)).map(address);
    let far: Vec<String> = far.map(|address| format!("{address}:5050")).collect();
    let is_far = |neighbor: &serde_json::Value| far.iter().any(|address| neighbor["address"] == **address);
    !neighbors.as_array().unwrap().iter().any(is_far)
}

#[test]
fn a_network_lives_through_loss_delay_and_a_partition() {
    let cables = match Cables::lay() {
        Ok(cables) => cables,
        Err(why) => return eprintln!("skipped: no network namespaces here: {why}"),
    };
    let mut bed = Bed::empty();
    for node in 0..NODES {
        let (space, listen) = (cables.space(node), format!("{}:5050", address(node)));
        let first = format!("{}:5050", address(0));
        let way: &[&str] = if node == 0 { &["--genesis"] } else { &["--join", &first] };
        bed.add_inside(&["ip", "netns", "exec", &space], &listen, way);
    }
    bed.settle();
    let mut texts = bed.broadcast(0, "calm", 5);
    bed.all_have(&texts);

    match cables.disturb() {
        Ok(()) => {
            texts.extend(bed.broadcast(1, "in a storm", 10));
            texts.extend(bed.broadcast(6, "in a storm", 10));
            bed.all_have(&texts);
        }
        Err(why) => eprintln!("skipped: loss and delay: {why}"),
    }
    cables.calm_down();

    cables.trunk("down");
    for node in 0..NODES {
        let deadline = std::time::Instant::now() + HEALING;
        while !is_cut_off(&mut bed, node) {
            assert!(
                std::time::Instant::now() < deadline,
                "node {node} never noticed\n{}",
                bed.nodes[node].tell()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let left = bed.broadcast(1, "on the left", 10);
    let right = bed.broadcast(HALF + 1, "on the right", 10);
    for (half, said) in [(0..HALF, &left), (HALF..NODES, &right)] {
        for node in half {
            let process = &bed.nodes[node];
            let has_all = || said.iter().all(|text| process.texts().contains(text));
            until(&format!("node {node} has what its half said"), has_all, || process.tell());
        }
    }
    assert!(!bed.nodes[0].texts().contains(&right[0]), "there was a partition");
    cables.trunk("up");
    texts.extend(left.into_iter().chain(right));
    bed.all_have_within(&texts, HEALING);
    drop(bed);
    drop(cables);
}
