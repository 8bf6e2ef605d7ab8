//! How probable a failure is, seen from how many seeds failed.

use crate::units::grouped;
use serde::Serialize;

/// What a number of failing seeds says about the probability that a seed fails, at 95 % confidence.
///
/// The interval is exact (Clopper and Pearson, 1934): whatever the true probability, at most 5 % of all sweeps have an
/// interval that misses it. If no seed failed, all of these 5 % are on the upper side: of the famous "rule of three",
/// 3/n, this is the exact form, 1 - 0.05^(1/n).
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct FailureProbability {
    /// How many seeds failed.
    pub failed: u64,
    /// How many passed or failed. What is unknown or vacuous is no evidence either way.
    pub judged: u64,
    /// The share that failed.
    pub share: f64,
    /// The probability is at least this.
    pub low: f64,
    /// It is at most this.
    pub high: f64,
}

/// How often, at most, an interval misses the truth.
const ERROR: f64 = 0.05;

impl FailureProbability {
    /// `failed` seeds of `judged`; `None` if there are none.
    pub fn of(failed: u64, judged: u64) -> Option<FailureProbability> {
        if judged == 0 {
            return None;
        }
        let each_side = if failed == 0 { ERROR } else { ERROR / 2.0 };
        // The fewer failures are to be expected, the larger is the chance of at most so many.
        let high = |p: f64| at_most(failed, judged, p) > each_side;
        let low = |p: f64| 1.0 - at_most(failed - 1, judged, p) < each_side;
        Some(FailureProbability {
            failed,
            judged,
            share: failed as f64 / judged as f64,
            low: if failed == 0 { 0.0 } else { boundary(low) },
            high: match failed {
                0 => 1.0 - libm::pow(ERROR, 1.0 / judged as f64),
                all if all == judged => 1.0,
                _ => boundary(high),
            },
        })
    }

    /// As a sentence: `0 of 1,000 seeds failed: probability of failure below 0.3 % at 95 % confidence`.
    pub fn sentence(&self) -> String {
        let (failed, judged) = (grouped(self.failed), grouped(self.judged));
        let share = match self.failed {
            0 => String::new(),
            _ => format!("{}; ", nearest_percent(self.share)),
        };
        let bounds = match self.failed {
            0 => format!("probability of failure {}", self.bounds()),
            _ => format!("probability of failure between {}", self.bounds()),
        };
        format!("{failed} of {judged} seeds failed: {share}{bounds} at 95 % confidence")
    }

    /// `below 0.3 %`, or `0.31 % and 4.4 %`; rounded outwards.
    fn bounds(&self) -> String {
        let high = percent(self.high, f64::ceil);
        if self.failed == 0 {
            return format!("below {high}");
        }
        format!("{} and {high}", percent(self.low, f64::floor))
    }

    /// For a table: `below 0.3 %`, or `0.31 % to 4.4 %`.
    pub(super) fn interval(&self) -> String {
        self.bounds().replace(" and ", " to ")
    }
}

/// The chance of at most so many failures of so many seeds, if each fails with probability `p`, between 0 and 1.
fn at_most(failures: u64, seeds: u64, p: f64) -> f64 {
    let (ln_p, ln_q) = (libm::log(p), libm::log1p(-p));
    let ln_factorial = |n: u64| libm::lgamma(n as f64 + 1.0);
    let of_all = ln_factorial(seeds);
    let chance = |k: u64| {
        let ways = of_all - ln_factorial(k) - ln_factorial(seeds - k);
        libm::exp(ways + k as f64 * ln_p + (seeds - k) as f64 * ln_q)
    };
    (0..=failures).map(chance).sum()
}

/// Where a condition that holds for small probabilities ends to hold.
fn boundary(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // Each step gives a bit; there are more than any text shows.
    for _ in 0..48 {
        let middle = (low + high) / 2.0;
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

fn nearest_percent(share: f64) -> String {
    percent(share, f64::round)
}

/// Two digits that count.
fn percent(share: f64, round: fn(f64) -> f64) -> String {
    let percent = share * 100.0;
    if percent <= 0.0 {
        return "0 %".into();
    }
    let digits = (1.0 - libm::log10(percent).floor()).max(0.0);
    let scale = libm::pow(10.0, digits);
    // What is a round number but for its last bits is a round number.
    let scaled = (percent * scale * 1e9).round() / 1e9;
    let text = format!("{:.*}", digits as usize, round(scaled) / scale);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(failed: u64, judged: u64) -> (f64, f64) {
        let FailureProbability { low, high, .. } = FailureProbability::of(failed, judged).unwrap();
        (low, high)
    }

    /// The intervals of R's `binom.test(failed, judged)$conf.int`; for no failure, one-sided: `alternative = "less"`.
    #[test]
    fn intervals_are_those_of_the_tables() {
        for (failed, judged, low, high) in [
            (0, 1, 0.0, 0.95),
            (0, 10, 0.0, 0.258_865_6),
            (0, 100, 0.0, 0.029_513_05),
            (0, 1_000, 0.0, 0.002_991_249),
            (1, 10, 0.002_528_579, 0.445_016_1),
            (5, 10, 0.187_086_0, 0.812_914_0),
            (9, 10, 0.554_983_9, 0.997_471_4),
            (10, 10, 0.691_502_9, 1.0),
            (3, 200, 0.003_104_108, 0.043_208_28),
        ] {
            let (l, h) = bounds(failed, judged);
            assert!((l - low).abs() < 1e-6 && (h - high).abs() < 1e-6, "{failed} of {judged}: {l} to {h}");
        }
        assert_eq!(FailureProbability::of(0, 0), None);
    }

    #[test]
    fn intervals_hold_the_share_and_shrink() {
        let mut widest = 1.0;
        for judged in [2, 20, 200, 20_000, 1_000_000] {
            let (low, high) = bounds(judged / 2, judged);
            assert!(low < 0.5 && 0.5 < high && high - low < widest, "{judged}: {low} to {high}");
            widest = high - low;
        }
    }

    #[test]
    fn sentences_round_outwards() {
        let sentence = |failed, judged| FailureProbability::of(failed, judged).unwrap().sentence();
        for (failed, judged, expected) in [
            (0, 1_000, "0 of 1,000 seeds failed: probability of failure below 0.3 % at 95 % confidence"),
            (0, 200, "0 of 200 seeds failed: probability of failure below 1.5 % at 95 % confidence"),
            (0, 1, "0 of 1 seeds failed: probability of failure below 95 % at 95 % confidence"),
            (
                3,
                200,
                "3 of 200 seeds failed: 1.5 %; probability of failure between 0.31 % and 4.4 % at 95 % confidence",
            ),
            (
                10,
                10,
                "10 of 10 seeds failed: 100 %; probability of failure between 69 % and 100 % at 95 % confidence",
            ),
        ] {
            assert_eq!(sentence(failed, judged), expected);
        }
    }
}
