//! How links behave: what they promise ([`LinkKind`]), how long they take ([`Latency`], [`Jitter`]).
//!
//! A link's latency is drawn once per link; jitter is drawn anew for every message. (A log-normal latency drawn per
//! message is the classic mistake: no path on the Internet has the latency of another one a moment later.)

use super::matrix::Matrix;
use super::regions;
use crate::id::NodeId;
use crate::rng::{Draw, Draws};
use crate::time::nanos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How the links of a network behave.
#[derive(Clone, Debug)]
pub struct Links {
    /// What they promise.
    pub kind: LinkKind,
    /// How long a message takes at least.
    pub latency: Latency,
    /// What is added to that, anew for every message.
    pub jitter: Jitter,
    /// A link on which nothing is heard of the peer for so long is given up.
    pub silence: Duration,
    /// A link that is not there so long after it was asked for is given up.
    pub dial: Duration,
}

/// See [`Links::silence`].
pub const SILENCE: Duration = Duration::from_secs(3);
/// See [`Links::dial`].
pub const DIAL: Duration = Duration::from_secs(1);

impl Default for Links {
    /// Streams of constant 10 ms; 3 s of silence, 1 s for a dial.
    fn default() -> Links {
        let (kind, latency, jitter) = Default::default();
        Links { kind, latency, jitter, silence: SILENCE, dial: DIAL }
    }
}

/// What a link promises while its session lasts.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LinkKind {
    /// Everything arrives, once, in the order of sending: TCP.
    #[default]
    Stream,
    /// Everything arrives, once, in any order.
    Unordered,
    /// Nothing is promised: UDP.
    #[schemars(example = json!({"datagram": {"loss": 0.01, "reordering": {"share": 0.1, "by": "20ms"}}}))]
    Datagram(Datagram),
}

/// What may happen to a datagram.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Datagram {
    /// The share of messages that are lost, 0 to 1.
    #[serde(with = "crate::units::Share")]
    pub loss: f64,
    /// The share of messages that arrive twice, 0 to 1.
    #[serde(with = "crate::units::Share")]
    pub duplication: f64,
    /// Messages that are held back, so that later ones overtake them.
    pub reordering: Reordering,
}

/// Which datagrams are held back, and for how long.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reordering {
    /// The share of messages that are held back, 0 to 1.
    #[serde(with = "crate::units::Share")]
    pub share: f64,
    /// For at most how long; how long is drawn uniformly.
    #[serde(with = "crate::units::DurationText")]
    pub by: Duration,
}

/// How long a link takes, one way.
#[derive(Clone, Debug)]
pub enum Latency {
    /// The same for every link.
    Constant(Duration),
    /// Drawn once per link, uniformly; the same in both directions.
    Uniform {
        /// At least this.
        min: Duration,
        /// At most this.
        max: Duration,
    },
    /// Drawn once per link from a log-normal distribution; the same in both directions.
    LogNormal {
        /// Half of the links are faster.
        median: Duration,
        /// Deviation of the logarithm: 0.5 puts 95 % of the links between 0.37 and 2.7 times the median.
        sigma: f64,
    },
    /// Measured between hosts.
    Matrix {
        /// The measurements.
        matrix: Arc<Matrix>,
        /// On which hosts the nodes sit: node `i` on entry `i` modulo the length.
        hosts: Vec<usize>,
    },
    /// The mean between six regions of the world, with the numbers of the simulator SimBlock; each node's region is
    /// drawn once.
    Regions,
}

/// What is added to a link's latency, drawn uniformly for every message.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Jitter {
    /// Nothing.
    #[default]
    None,
    /// Up to so much, whatever the latency.
    #[schemars(example = json!({"up_to": "5ms"}))]
    UpTo(#[serde(with = "crate::units::DurationText")] Duration),
    /// Up to so large a share of the link's latency, 0 to 1.
    #[schemars(example = json!({"share": 0.2}))]
    Share(#[serde(with = "crate::units::Share")] f64),
}

impl Default for Latency {
    /// 10 ms on every link.
    fn default() -> Latency {
        Latency::Constant(Duration::from_millis(10))
    }
}

impl Links {
    /// The latency of the link from one node to another without jitter, in nanoseconds.
    #[inline]
    pub fn latency(&self, draws: Draws, from: NodeId, to: NodeId) -> u64 {
        match self.latency {
            Latency::Constant(latency) => nanos(latency),
            _ => self.varied_latency(draws, from, to),
        }
    }

    fn varied_latency(&self, draws: Draws, from: NodeId, to: NodeId) -> u64 {
        // The same draw for both directions.
        let mut draw = draws.at(u64::from(from.0.min(to.0)) << 32 | u64::from(from.0.max(to.0)), u64::MAX);
        match &self.latency {
            Latency::Constant(latency) => nanos(*latency),
            Latency::Uniform { min, max } => {
                nanos(*min) + draw.up_to(nanos(*max).saturating_sub(nanos(*min)))
            }
            Latency::LogNormal { median, sigma } => {
                // `as` saturates: an absurd sigma makes a link that never delivers, not a panic.
                (nanos(*median) as f64 * libm::exp(sigma * draw.normal())).round() as u64
            }
            Latency::Matrix { matrix, hosts } => {
                let host = |node: NodeId| hosts[node.index() % hosts.len()];
                nanos(matrix.one_way(host(from), host(to)))
            }
            Latency::Regions => nanos(regions::one_way(draws, from, to)),
        }
    }

    /// At most one message of a hundred takes longer.
    pub fn horizon(&self) -> Duration {
        let latency = match &self.latency {
            Latency::Constant(latency) => *latency,
            Latency::Uniform { max, .. } => *max,
            Latency::LogNormal { median, sigma } => {
                Duration::from_nanos((nanos(*median) as f64 * libm::exp(2.33 * sigma)) as u64)
            }
            Latency::Matrix { matrix, .. } => matrix.largest(),
            Latency::Regions => regions::largest(),
        };
        let jitter = match self.jitter {
            Jitter::None => 0,
            Jitter::UpTo(most) => nanos(most),
            Jitter::Share(share) => (nanos(latency) as f64 * share) as u64,
        };
        let held_back = match self.kind {
            LinkKind::Datagram(Datagram { reordering, .. }) if reordering.share >= 0.01 => {
                nanos(reordering.by)
            }
            _ => 0,
        };
        Duration::from_nanos(nanos(latency).saturating_add(jitter).saturating_add(held_back))
    }

    /// After how many nanoseconds the copies of one message arrive: none if it is lost, two if it is duplicated.
    #[inline(always)]
    pub(super) fn copies(&self, latency: u64, draw: &mut Draw) -> [Option<u64>; 2] {
        match self.kind {
            LinkKind::Stream | LinkKind::Unordered => [Some(self.travel(latency, draw)), None],
            LinkKind::Datagram(datagram) => self.datagram_copies(datagram, latency, draw),
        }
    }

    fn datagram_copies(&self, datagram: Datagram, latency: u64, draw: &mut Draw) -> [Option<u64>; 2] {
        if draw.chance(datagram.loss) {
            return [None, None];
        }
        let copy = |draw: &mut Draw| {
            let held_back = if draw.chance(datagram.reordering.share) {
                draw.up_to(nanos(datagram.reordering.by))
            } else {
                0
            };
            self.travel(latency, draw).saturating_add(held_back)
        };
        let first = copy(draw);
        let second = draw.chance(datagram.duplication).then(|| copy(draw));
        [Some(first), second]
    }

    #[inline(always)]
    pub(super) fn travel(&self, latency: u64, draw: &mut Draw) -> u64 {
        let jitter = match self.jitter {
            Jitter::None => 0,
            Jitter::UpTo(most) => draw.up_to(nanos(most)),
            Jitter::Share(share) => draw.up_to((latency as f64 * share) as u64),
        };
        latency.saturating_add(jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    fn draws() -> Draws {
        Draws::new(1, Purpose::Links)
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_link_keeps_its_latency_and_has_it_in_both_directions() {
        for latency in
            [Latency::Uniform { min: ms(1), max: ms(100) }, Latency::LogNormal { median: ms(50), sigma: 0.6 }]
        {
            let links = Links { latency, ..Links::default() };
            let of = |a, b| links.latency(draws(), NodeId(a), NodeId(b));
            assert_eq!(of(3, 8), of(8, 3));
            assert_ne!(of(3, 8), of(3, 9));
        }
    }

    #[test]
    fn latencies_have_the_promised_distribution() {
        let sample = |latency| {
            let links = Links { latency, ..Links::default() };
            let mut all: Vec<u64> =
                (1..=10_000).map(|peer| links.latency(draws(), NodeId(0), NodeId(peer))).collect();
            all.sort_unstable();
            all
        };
        let uniform = sample(Latency::Uniform { min: ms(10), max: ms(110) });
        assert!(uniform[0] >= 10_000_000 && *uniform.last().unwrap() <= 110_000_000);
        // The median of 10,000 uniform draws deviates by 0.5 ms; of the log-normal ones by 0.4 ms.
        assert!(uniform[5_000].abs_diff(60_000_000) < 3_000_000, "{}", uniform[5_000]);
        let log_normal = sample(Latency::LogNormal { median: ms(50), sigma: 0.6 });
        assert!(log_normal[5_000].abs_diff(50_000_000) < 2_400_000, "{}", log_normal[5_000]);
        // One deviation above the median lie 15.87 %: exp(0.6) * 50 ms = 91.1 ms.
        assert!(log_normal[8_413].abs_diff(91_100_000) < 6_000_000, "{}", log_normal[8_413]);
    }

    #[test]
    fn datagrams_are_lost_and_duplicated_as_often_as_asked() {
        let datagram = Datagram { loss: 0.2, duplication: 0.1, ..Datagram::default() };
        let links = Links { kind: LinkKind::Datagram(datagram), ..Links::default() };
        let (mut lost, mut doubled) = (0, 0);
        for i in 0..10_000 {
            let copies = links.copies(1_000, &mut draws().at(0, i));
            lost += u32::from(copies[0].is_none());
            doubled += u32::from(copies[1].is_some());
        }
        // Six deviations: 240 of 2,000 lost, 163 of 800 doubled.
        assert!(lost.abs_diff(2_000) < 240 && doubled.abs_diff(800) < 163, "{lost} {doubled}");
    }

    #[test]
    fn jitter_stays_in_its_range() {
        for (jitter, most) in
            [(Jitter::None, 0), (Jitter::UpTo(ms(3)), 3_000_000), (Jitter::Share(0.5), 5_000_000)]
        {
            let links = Links { jitter, ..Links::default() };
            let times: Vec<u64> =
                (0..1_000).filter_map(|i| links.copies(10_000_000, &mut draws().at(0, i))[0]).collect();
            assert_eq!(times.len(), 1_000);
            assert!(times.iter().all(|time| (10_000_000..=10_000_000 + most).contains(time)));
            assert!(most == 0 || times.iter().any(|time| *time > 10_000_000 + most / 2));
        }
    }
}
