//! Churn: how long nodes stay and stay away, drawn ([`Span`]) or measured ([`UpTimes`]).
//!
//! # Which span to take
//!
//! Sessions on the Internet are not exponential: many are very short, a few are very long, so that most nodes
//! that are up at one moment stay for long. An exponential span has neither. What has been measured:
//!
//! | network | what was found | source |
//! |---|---|---|
//! | BitTorrent, 3 trackers, 2003 to 2005 | sessions are Weibull of shape 0.34 (Red Hat), 0.38 (Debian), 0.59 (FlatOut); gaps between arrivals are Weibull of shape 0.53 to 0.79 | Stutzbach and Rejaie 2006 \[1\] |
//! | several, before 2006 | medians of sessions from one minute to one hour | quoted in \[1\] |
//! | KAD, half a year | sessions are Weibull | Steiner et al. 2009 \[2\] |
//! | Gnutella, ultrapeers | sessions are Pareto of shape 1.1 | Wang et al. 2009 \[3\] |
//! | IPFS, servers of its DHT, a week in spring 2022 | of those that join, half stay for about 2 hours or less, 80 % for 8 hours or less | Trautwein 2022 \[4\] |
//! | Bitcoin | 97 % of the nodes are not connected all the time | Imtiaz et al. \[5\] |
//!
//! Of \[2\], \[3\] and \[5\] this is what their abstracts say; of \[1\] what several summaries of the paper
//! agree on; \[4\] was read. A Weibull span with a median of 2 hours and shape 0.6 goes through both points
//! of \[4\] (79.7 % last 8 hours or less); this is our computation, not theirs. \[1\] and \[3\] differ about
//! tails: the first gives those of BitTorrent exponents of 2.1 to 2.7.
//!
//! 1. D. Stutzbach, R. Rejaie: "Understanding churn in peer-to-peer networks", IMC 2006.
//! 2. M. Steiner, T. En-Najjary, E. W. Biersack: "Long term study of peer behavior in the KAD DHT", IEEE/ACM
//!    Transactions on Networking 17(5), 2009.
//! 3. X. Wang, Z. Yao, D. Loguinov: "Residual-based estimation of peer and link lifetimes in P2P networks",
//!    IEEE/ACM Transactions on Networking, 2009.
//! 4. D. Trautwein: "RFM 2: uptime and churn", report in github.com/probe-lab/network-measurements, 2022.
//! 5. M. A. Imtiaz, D. Starobinski, A. Trachtenberg, N. Younis: "Churn in the Bitcoin network".
//!
//! # Who is up at the start
//!
//! A span is the length of a whole session. Nodes that are found up at some moment are in the middle of
//! theirs, and longer sessions are more likely to be met. To give them new sessions at the start of a run
//! makes more of them leave early than would later on, the more so the smaller the shape.

mod up_times;

pub use up_times::{Going, MAX_INTERVALS, UpTimes, UpTimesError};

use crate::rng::box_muller;
use crate::time::nanos;
use crate::units::LONGEST;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::f64::consts::LN_2;
use std::time::Duration;

/// The smallest shape of a Weibull or Pareto span.
pub const MIN_SHAPE: f64 = 0.1;

/// The largest shape of a Weibull or Pareto span.
pub const MAX_SHAPE: f64 = 10.0;

/// The largest sigma of a log-normal span.
pub const MAX_SIGMA: f64 = 5.0;

/// How long a session or an absence lasts: always the same, or drawn anew each time. Whatever is drawn is cut
/// to between one nanosecond and 100 years.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Span {
    /// Always the same, above zero.
    #[schemars(example = json!({"constant": "10min"}))]
    Constant(#[serde(with = "crate::units::DurationText")] Duration),
    /// Exponential: whoever has stayed for long leaves as soon as whoever has just come. The textbook's
    /// choice; measured sessions are not like this.
    #[schemars(example = json!({"exponential": {"mean": "10min"}}))]
    Exponential {
        /// The mean, above zero. The median is 0.69 times that.
        #[serde(with = "crate::units::DurationText")]
        mean: Duration,
    },
    /// Weibull: below shape 1, whoever has stayed for long will stay for longer. Found of
    /// BitTorrent and KAD.
    #[schemars(example = json!({"weibull": {"median": "10min", "shape": 0.5}}))]
    Weibull {
        /// Half are shorter; above zero.
        #[serde(with = "crate::units::DurationText")]
        median: Duration,
        /// The exponent, 0.1 to 10: 1 is exponential, less has more of the very short and of the very long.
        /// Sessions of BitTorrent have 0.34 to 0.59.
        #[schemars(range(min = MIN_SHAPE, max = MAX_SHAPE))]
        shape: f64,
    },
    /// Pareto: none is shorter than a minimum, and the share of those longer than t falls as t to the power
    /// of minus the shape. The minimum follows from the median: it is the median divided by 2 to the power of
    /// 1/shape.
    #[schemars(example = json!({"pareto": {"median": "10min", "shape": 1.2}}))]
    Pareto {
        /// Half are shorter; above zero.
        #[serde(with = "crate::units::DurationText")]
        median: Duration,
        /// The exponent, 0.1 to 10: the less, the longer are the longest. Up to 1 the mean is infinite.
        #[schemars(range(min = MIN_SHAPE, max = MAX_SHAPE))]
        shape: f64,
    },
    /// Log-normal: the logarithm is normal.
    #[schemars(example = json!({"log_normal": {"median": "10min", "sigma": 1.5}}))]
    LogNormal {
        /// Half are shorter; above zero.
        #[serde(with = "crate::units::DurationText")]
        median: Duration,
        /// Deviation of the logarithm, 0 to 5: with 1.5, 95 % lie between 0.053 and 19 times the median.
        #[schemars(range(min = 0.0, max = MAX_SIGMA))]
        sigma: f64,
    },
}

/// Parameters from which no span can be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {problem}; {remedy}")]
pub struct SpanError {
    /// The field of [`Span`] at fault, as it is spelled in a file.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

impl Span {
    /// Whether spans can be drawn with these parameters.
    ///
    /// # Errors
    /// If a duration is zero or above [`LONGEST`], a shape is not in [`MIN_SHAPE`] to [`MAX_SHAPE`], or a
    /// sigma not in 0 to [`MAX_SIGMA`]; numbers that are not finite lie in no range.
    pub fn check(&self) -> Result<(), SpanError> {
        let (field, length) = self.length();
        if length.is_zero() || length > LONGEST {
            let problem = if length.is_zero() { "it is zero" } else { "it is longer than 100 years" };
            let remedy = "take a duration above 0s and up to 36500d, such as \"10min\"";
            return Err(SpanError { field, problem: problem.into(), remedy: remedy.into() });
        }
        match *self {
            Span::Constant(_) | Span::Exponential { .. } => Ok(()),
            Span::Weibull { shape, .. } => {
                within("shape", shape, MIN_SHAPE, MAX_SHAPE, "BitTorrent's sessions have 0.34 to 0.59")
            }
            Span::Pareto { shape, .. } => {
                within("shape", shape, MIN_SHAPE, MAX_SHAPE, "Gnutella's sessions have about 1.1")
            }
            Span::LogNormal { sigma, .. } => {
                within("sigma", sigma, 0.0, MAX_SIGMA, "0 makes all of them equal")
            }
        }
    }

    /// The parameter that is a duration, with its name in a file.
    fn length(&self) -> (&'static str, Duration) {
        match *self {
            Span::Constant(length) => ("constant", length),
            Span::Exponential { mean } => ("mean", mean),
            Span::Weibull { median, .. } | Span::Pareto { median, .. } | Span::LogNormal { median, .. } => {
                ("median", median)
            }
        }
    }

    /// Draws one: at least 1 ns, so that time goes on, and at most [`LONGEST`].
    ///
    /// By inversion of the distribution function, which takes one word of the stream; the log-normal one by
    /// the method of Box and Muller (1958), which takes two; a constant one takes none. The same everywhere:
    /// computed by `libm` and rounded to whole nanoseconds at once. Parameters that [`Span::check`] refuses
    /// give lengths that mean nothing, but no panic.
    pub fn sample(&self, rng: &mut impl Rng) -> Duration {
        let scale = nanos(self.length().1) as f64;
        drawn(match *self {
            Span::Constant(length) => return length,
            Span::Exponential { .. } => scale * -libm::log(unit(rng)),
            // Shorter than x are 1 - 2^-((x / median)^shape).
            Span::Weibull { shape, .. } => scale * libm::pow(-libm::log2(unit(rng)), 1.0 / shape),
            // Longer than x are (x / median)^-shape / 2.
            Span::Pareto { shape, .. } => scale * libm::pow(2.0 * unit(rng), -1.0 / shape),
            Span::LogNormal { sigma, .. } => scale * libm::exp(sigma * normal(rng)),
        })
    }

    /// Half of all are shorter.
    pub fn median(&self) -> Duration {
        match *self {
            Span::Exponential { mean } => drawn(nanos(mean) as f64 * LN_2),
            _ => self.length().1,
        }
    }

    /// The mean, before anything is cut; at most [`LONGEST`]. `None` where it is infinite: [`Span::Pareto`]
    /// up to shape 1.
    ///
    /// For predictions of what a run will cost; no run depends on it. Of heavy tails even many samples have a
    /// smaller mean.
    pub fn mean(&self) -> Option<Duration> {
        let scale = nanos(self.length().1) as f64;
        Some(drawn(match *self {
            Span::Constant(length) | Span::Exponential { mean: length } => return Some(length),
            Span::Weibull { shape, .. } => {
                scale * libm::tgamma(1.0 + 1.0 / shape) / libm::pow(LN_2, 1.0 / shape)
            }
            Span::Pareto { shape, .. } if shape <= 1.0 => return None,
            Span::Pareto { shape, .. } => scale * libm::pow(2.0, -1.0 / shape) * shape / (shape - 1.0),
            Span::LogNormal { sigma, .. } => scale * libm::exp(sigma * sigma / 2.0),
        }))
    }
}

/// The time from one arrival to the next where nodes arrive independently of each other (a Poisson process):
/// exponential, with the given mean, above zero. One arrival in `mean` is a rate of 1/`mean`.
pub fn poisson_gap(mean: Duration, rng: &mut impl Rng) -> Duration {
    Span::Exponential { mean }.sample(rng)
}

fn within(field: &'static str, value: f64, min: f64, max: f64, hint: &str) -> Result<(), SpanError> {
    // (What is not a number is in no range.)
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let remedy = format!("{field} lies between {min} and {max}; {hint}");
    Err(SpanError { field, problem: format!("{value} is out of range"), remedy })
}

/// Nanoseconds as a span. `as` saturates, and makes 0 of what is not a number.
fn drawn(nanoseconds: f64) -> Duration {
    Duration::from_nanos((nanoseconds.round() as u64).clamp(1, nanos(LONGEST)))
}

/// Uniform in `(0, 1]`, in steps of 2^-53: its logarithm is finite.
fn unit(rng: &mut impl Rng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Normal with mean 0 and deviation 1.
fn normal(rng: &mut impl Rng) -> f64 {
    box_muller(unit(rng), unit(rng))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use proptest::prelude::*;

    const MEDIAN: Duration = Duration::from_secs(600);

    fn all() -> [Span; 5] {
        [
            Span::Constant(MEDIAN),
            Span::Exponential { mean: MEDIAN },
            Span::Weibull { median: MEDIAN, shape: 0.5 },
            Span::Pareto { median: MEDIAN, shape: 1.2 },
            Span::LogNormal { median: MEDIAN, sigma: 1.5 },
        ]
    }

    /// Golden values: if one of these changes, so does every run with churn.
    #[test]
    fn samples_are_what_they_were() {
        let mut rng = stream(7, Purpose::Workload);
        let samples = all().map(|span| [0; 3].map(|_| span.sample(&mut rng).as_nanos()));
        assert_eq!(
            samples,
            [
                [600_000_000_000, 600_000_000_000, 600_000_000_000],
                [1_023_761_397_897, 1_425_969_108_735, 12_731_135_635],
                [1_499_996_858_219, 1_367_277_061_597, 1_140_889_716_682],
                [361_256_732_944, 850_645_473_418, 2_471_004_497_053],
                [3_657_315_779_661, 86_544_531_066, 1_049_095_300_432],
            ]
        );
    }

    #[test]
    fn a_span_is_written_as_the_examples_show() {
        for (span, text) in all().into_iter().zip([
            r#"{"constant":"10min"}"#,
            r#"{"exponential":{"mean":"10min"}}"#,
            r#"{"weibull":{"median":"10min","shape":0.5}}"#,
            r#"{"pareto":{"median":"10min","shape":1.2}}"#,
            r#"{"log_normal":{"median":"10min","sigma":1.5}}"#,
        ]) {
            assert_eq!(serde_json::to_string(&span).unwrap(), text);
            assert_eq!(serde_json::from_str::<Span>(text).unwrap(), span);
            assert_eq!(span.check(), Ok(()));
        }
        for wrong in [
            r#"{"constant":600}"#,
            r#"{"exponential":{"mean":"10min","median":"10min"}}"#,
            r#"{"weibull":{"median":"10min"}}"#,
            r#"{"normal":{"median":"10min","sigma":1}}"#,
        ] {
            assert!(serde_json::from_str::<Span>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused_with_its_field() {
        let (zero, median) = (Duration::ZERO, MEDIAN);
        let shape = |shape| Span::Weibull { median, shape };
        let duration = "take a duration above 0s and up to 36500d, such as \"10min\"";
        let range = "shape lies between 0.1 and 10; BitTorrent's sessions have 0.34 to 0.59";
        for (span, error) in [
            (Span::Constant(zero), format!("`constant`: it is zero; {duration}")),
            (Span::Exponential { mean: zero }, format!("`mean`: it is zero; {duration}")),
            (Span::Pareto { median: zero, shape: 1.0 }, format!("`median`: it is zero; {duration}")),
            (Span::Constant(Duration::MAX), format!("`constant`: it is longer than 100 years; {duration}")),
            (shape(0.09), format!("`shape`: 0.09 is out of range; {range}")),
            (shape(10.1), format!("`shape`: 10.1 is out of range; {range}")),
            (shape(f64::NAN), format!("`shape`: NaN is out of range; {range}")),
            (shape(f64::INFINITY), format!("`shape`: inf is out of range; {range}")),
            (
                Span::LogNormal { median, sigma: -0.1 },
                "`sigma`: -0.1 is out of range; sigma lies between 0 and 5; 0 makes all of them equal".into(),
            ),
        ] {
            assert_eq!(span.check().unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn medians_and_means_are_those_of_the_textbook() {
        let mean = |span: Span| span.mean().map(|mean| mean.as_secs_f64() / 600.0);
        let [constant, exponential, weibull, pareto, log_normal] = all();
        assert_eq!(
            all().map(|span| span.median().as_millis()),
            [600_000, 415_888, 600_000, 600_000, 600_000]
        );
        assert_eq!((mean(constant), mean(exponential)), (Some(1.0), Some(1.0)));
        // Shape 1/2: the scale is median / ln(2)^2 and the mean twice that. Shape 1 is exponential.
        let near =
            |mean: Option<f64>, right: f64| assert!((mean.unwrap() / right - 1.0).abs() < 1e-9, "{mean:?}");
        near(mean(weibull), 2.0 / (LN_2 * LN_2));
        near(mean(Span::Weibull { median: MEDIAN, shape: 1.0 }), 1.0 / LN_2);
        // Shape 2: the minimum is median / sqrt(2) and the mean twice that.
        near(mean(Span::Pareto { median: MEDIAN, shape: 2.0 }), 2.0_f64.sqrt());
        near(mean(pareto), 6.0 * 0.561_231_024_154_686_5);
        assert_eq!(mean(Span::Pareto { median: MEDIAN, shape: 1.0 }), None);
        near(mean(log_normal), 3.080_216_848_918_031);
    }

    #[test]
    fn the_longest_are_cut_and_the_shortest_take_some_time() {
        let mut rng = stream(1, Purpose::Workload);
        let heavy = Span::Pareto { median: LONGEST, shape: MIN_SHAPE };
        let short = Span::Weibull { median: Duration::from_nanos(1), shape: MIN_SHAPE };
        let mut draw = |span: Span| (0..1_000).map(|_| span.sample(&mut rng)).collect::<Vec<_>>();
        let (heavy, short) = (draw(heavy), draw(short));
        assert_eq!(heavy.iter().max(), Some(&LONGEST));
        assert_eq!(short.iter().min(), Some(&Duration::from_nanos(1)));
    }

    proptest! {
        #[test]
        fn no_sample_leaves_its_bounds(length in any::<u64>(), number in any::<f64>(), seed in any::<u64>()) {
            let (median, mut rng) = (Duration::from_nanos(length), stream(seed, Purpose::Workload));
            for span in [
                Span::Exponential { mean: median },
                Span::Weibull { median, shape: number },
                Span::Pareto { median, shape: number },
                Span::LogNormal { median, sigma: number },
            ] {
                let sample = span.sample(&mut rng);
                prop_assert!(sample > Duration::ZERO && sample <= LONGEST);
                prop_assert!(span.mean().is_none_or(|mean| span.check().is_err() || mean <= LONGEST));
            }
        }
    }
}
