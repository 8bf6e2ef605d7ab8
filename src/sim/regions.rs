//! Latencies between six regions of the world, for those who have no measurements of their own at hand.
//!
//! The numbers are those of SimBlock's settings for 2019: `LATENCY_2019` and `REGION_DISTRIBUTION_BITCOIN_2019` in
//! `simulator/src/main/java/simblock/settings/NetworkConfiguration.java` of <https://github.com/dsg-titech/simblock>.
//! The simulator is described in Aoki and others: "SimBlock: A Blockchain Network Simulator", 2019.
//!
//! SimBlock takes each number as the mean time of one message, one way, and so do we. (They are of the size that pings
//! across these distances have there and back; networks modelled this way are rather too slow than too fast.)
//!
//! *Deviation*: SimBlock draws every message's latency from a Pareto distribution around that mean, and adds 10 ms
//! for processing. Here a link has the mean itself; what varies from message to message is
//! [`Jitter`](super::Jitter).

use crate::id::NodeId;
use crate::rng::Draws;
use std::time::Duration;

/// Mean latencies in milliseconds. Row and column: North America, Europe, South America, Asia Pacific, Japan,
/// Australia.
const LATENCY_MS: [[u64; 6]; 6] = [
    [32, 124, 184, 198, 151, 189],
    [124, 11, 227, 237, 252, 294],
    [184, 227, 88, 325, 301, 322],
    [198, 237, 325, 85, 58, 198],
    [151, 252, 301, 58, 12, 126],
    [189, 294, 322, 198, 126, 16],
];

/// How many of 10,000 nodes are in each region: those of Bitcoin in 2019.
const NODES_OF_10_000: [u64; 6] = [3_316, 4_998, 90, 1_177, 224, 195];

/// The second number of a node's draw. No node sends so many messages (draws by sender and send count), and links draw
/// with `u64::MAX`.
const REGION: u64 = u64::MAX - 1;

/// How long a message takes between two nodes; the same in both directions.
pub(super) fn one_way(draws: Draws, from: NodeId, to: NodeId) -> Duration {
    Duration::from_millis(LATENCY_MS[region(draws, from)][region(draws, to)])
}

/// The longest of all.
pub(super) fn largest() -> Duration {
    Duration::from_millis(LATENCY_MS.into_iter().flatten().max().unwrap_or_default())
}

/// Where a node is. Depends on the seed and the node alone, so that one node more moves nobody.
fn region(draws: Draws, node: NodeId) -> usize {
    let drawn = draws.at(u64::from(node.0), REGION).up_to(9_999);
    let mut end = 0;
    let chosen = NODES_OF_10_000.iter().position(|&nodes| {
        end += nodes;
        drawn < end
    });
    chosen.expect("10,000 of 10,000 nodes are somewhere")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    fn draws(seed: u64) -> Draws {
        Draws::new(seed, Purpose::Links)
    }

    #[test]
    fn the_tables_are_whole() {
        assert_eq!(NODES_OF_10_000.iter().sum::<u64>(), 10_000);
        for (a, b) in (0..6).flat_map(|a| (0..a).map(move |b| (a, b))) {
            assert_eq!(LATENCY_MS[a][b], LATENCY_MS[b][a]);
        }
    }

    #[test]
    fn regions_have_their_shares() {
        let mut counts = [0u64; 6];
        (0..100_000).for_each(|node| counts[region(draws(1), NodeId(node))] += 1);
        for (count, nodes) in counts.iter().zip(NODES_OF_10_000) {
            // Six deviations of a count; its mean is ten times the number for 10,000.
            let mean = nodes * 10;
            let deviation = ((mean * (10_000 - nodes)) as f64 / 1e4).sqrt();
            assert!(count.abs_diff(mean) as f64 <= 6.0 * deviation, "{counts:?}");
        }
    }

    #[test]
    fn a_node_stays_where_it_is_and_is_as_far_from_another_as_that_one_from_it() {
        let of = |seed, a, b| one_way(draws(seed), NodeId(a), NodeId(b));
        let all = |seed| -> Vec<Duration> { (1..100).map(|peer| of(seed, 0, peer)).collect() };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        assert!((0..100).all(|peer| of(1, 7, peer) == of(1, peer, 7)));
    }
}
