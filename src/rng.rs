//! Random streams: one per purpose, one per node, and draws by counter for what happens on links.
//!
//! Separate streams keep runs comparable: one more draw for the workload shifts no latency, one more node
//! shifts nobody else's luck.

use crate::id::NodeId;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand_chacha::ChaCha8Rng;

/// What a stream is for. The numbers are part of every digest: add, never renumber.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Purpose {
    /// Which graph a generator makes.
    Topology = 1,
    /// What links do: latency, jitter, loss. Drawn by counter, see [`Draws`].
    Links = 2,
    /// What the application does: who broadcasts.
    Workload = 3,
    /// The nodes' own streams.
    Nodes = 4,
    /// What faults do: who crashes, how long churning nodes stay.
    Faults = 5,
    /// What conditions do to single messages. Drawn by counter.
    Conditions = 6,
}

/// The stream of one purpose, for draws that are made in a fixed order.
pub fn stream(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(purpose as u64);
    rng
}

/// A node's own stream. Depends on the seed and the node alone.
pub fn node_stream(seed: u64, node: NodeId) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(mix(mix(seed, Purpose::Nodes as u64), u64::from(node.0)))
}

/// Draws by counter: the value depends on the key and two numbers, and on no draw made before.
///
/// The mixing is that of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
/// OOPSLA 2014), applied once per number.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    key: u64,
}

impl Draws {
    /// The draws of one purpose.
    pub fn new(seed: u64, purpose: Purpose) -> Draws {
        Draws { key: mix(seed, purpose as u64) }
    }

    /// The draw that belongs to the two numbers, say a sender and its send count.
    #[inline]
    pub fn at(self, a: u64, b: u64) -> Draw {
        Draw(mix(mix(self.key, a), b))
    }
}

/// One draw by counter, from which any number of independent values can be taken.
#[derive(Clone, Copy, Debug)]
pub struct Draw(u64);

impl Draw {
    /// The next 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        finish(self.0)
    }

    /// Uniform in `0..=most`.
    #[inline]
    pub fn up_to(&mut self, most: u64) -> u64 {
        // The high half of a 128-bit product (Lemire 2019, without the rejection: the bias is below 2^-20 for
        // every bound under 2^44, far under what any run could show).
        ((u128::from(self.bits()) * (u128::from(most) + 1)) >> 64) as u64
    }

    /// Uniform in `[0, 1)`, in steps of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with the given probability (0 to 1).
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }

    /// Normal with mean 0 and deviation 1, by the method of Box and Muller on `libm`, the same everywhere.
    pub fn normal(&mut self) -> f64 {
        box_muller(1.0 - self.unit(), self.unit())
    }
}

/// Normal with mean 0 and deviation 1, of two uniform numbers: one above 0 and up to 1, one from 0 to 1.
pub fn box_muller(radial: f64, angular: f64) -> f64 {
    (-2.0 * libm::log(radial)).sqrt() * libm::cos(std::f64::consts::TAU * angular)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(a: u64, b: u64) -> u64 {
    finish(a.wrapping_add(finish(b.wrapping_add(GOLDEN))))
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::seq::SliceRandom;
    use rand::{Rng, RngExt};

    /// Golden values: if one of these changes, so does every digest, and old runs cannot be repeated.
    #[test]
    fn the_streams_are_what_they_were() {
        let mut topology = stream(7, Purpose::Topology);
        let mut order: Vec<u32> = (0..6).collect();
        order.shuffle(&mut topology);
        let values = (topology.next_u64(), topology.random_range(0..1000u32), order);
        let node = node_stream(7, NodeId(3)).next_u64();
        let link = Draws::new(7, Purpose::Links).at(3, 9).bits();
        insta::assert_debug_snapshot!((values, node, link));
    }

    #[test]
    fn streams_differ_by_purpose_seed_and_node() {
        let firsts = [
            stream(1, Purpose::Topology).next_u64(),
            stream(1, Purpose::Workload).next_u64(),
            stream(2, Purpose::Topology).next_u64(),
            node_stream(1, NodeId(0)).next_u64(),
            node_stream(1, NodeId(1)).next_u64(),
            node_stream(2, NodeId(0)).next_u64(),
        ];
        for (i, a) in firsts.iter().enumerate() {
            assert!(firsts[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn draws_by_counter_look_uniform_and_normal() {
        let draws = Draws::new(1, Purpose::Links);
        let n = 100_000;
        let (mut tens, mut sum, mut squares) = ([0u32; 10], 0.0, 0.0);
        for i in 0..n {
            let mut draw = draws.at(i % 17, i / 17);
            tens[draw.up_to(9) as usize] += 1;
            let z = draw.normal();
            sum += z;
            squares += z * z;
        }
        // Six standard deviations of a bin of 10,000 are 570; of the mean 0.019; of the variance 0.027.
        assert!(tens.iter().all(|&count| (9_430..10_570).contains(&count)), "{tens:?}");
        assert!((sum / n as f64).abs() < 0.019 && (squares / n as f64 - 1.0).abs() < 0.027);
    }
}
