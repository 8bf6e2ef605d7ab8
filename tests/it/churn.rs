//! How long nodes stay has the distributions that are asked for, by the test of Kolmogorov and Smirnov on two
//! samples: ours, and one of an implementation that others made.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp, LogNormal, Pareto, Weibull};
use rumormill::churn::{Span, poisson_gap};
use rumormill::rng::{Purpose, stream};
use serde_json::json;
use std::f64::consts::LN_2;
use std::time::Duration;

/// How many are drawn on either side.
const N: usize = 20_000;

/// Samples of equal distributions are further apart than this with a probability of 1e-4: sqrt(-ln(1e-4 / 2)
/// / 2) * sqrt(2 / N) (Smirnov 1939, the limit for large samples). The seeds are fixed, so a test that passes
/// always passes.
const CRITICAL: f64 = 2.2253 * 0.01;

/// In seconds, as the mean of an exponential and the median of all others.
const LENGTH: f64 = 600.0;

const MEDIAN: Duration = Duration::from_secs(600);

/// The greatest difference between the two empirical distribution functions.
fn distance(a: &mut [f64], b: &mut [f64]) -> f64 {
    a.sort_unstable_by(f64::total_cmp);
    b.sort_unstable_by(f64::total_cmp);
    let (mut i, mut j, mut greatest) = (0, 0, 0.0_f64);
    while i < a.len() && j < b.len() {
        let next = a[i].min(b[j]);
        while i < a.len() && a[i] <= next {
            i += 1;
        }
        while j < b.len() && b[j] <= next {
            j += 1;
        }
        greatest = greatest.max((i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs());
    }
    greatest
}

/// The distance between what we draw and what they draw, in seconds.
fn apart(ours: impl Fn(&mut ChaCha8Rng) -> Duration, theirs: impl Distribution<f64>) -> f64 {
    let (mut left, mut right) = (stream(1, Purpose::Workload), stream(2, Purpose::Workload));
    let mut ours: Vec<f64> = (0..N).map(|_| ours(&mut left).as_secs_f64()).collect();
    let mut theirs: Vec<f64> = (0..N).map(|_| theirs.sample(&mut right)).collect();
    distance(&mut ours, &mut theirs)
}

fn exponential(mean: f64) -> Exp<f64> {
    Exp::new(1.0 / mean).unwrap()
}

fn weibull(shape: f64) -> Weibull<f64> {
    Weibull::new(LENGTH / libm::pow(LN_2, 1.0 / shape), shape).unwrap()
}

fn pareto(shape: f64) -> Pareto<f64> {
    Pareto::new(LENGTH / libm::pow(2.0, 1.0 / shape), shape).unwrap()
}

fn log_normal(sigma: f64) -> LogNormal<f64> {
    LogNormal::new(libm::log(LENGTH), sigma).unwrap()
}

/// Distances between each span and the distribution that it names, with its parameter times `error`.
fn distances(error: f64) -> Vec<(Span, f64)> {
    let (mean, median) = (MEDIAN, MEDIAN);
    let mut found = Vec::new();
    let mut compare = |span: Span, theirs: &dyn Fn(&Span) -> f64| found.push((span, theirs(&span)));
    compare(Span::Exponential { mean }, &|span| apart(|rng| span.sample(rng), exponential(LENGTH * error)));
    for shape in [0.34, 0.59, 1.0, 4.0] {
        compare(Span::Weibull { median, shape }, &|span| {
            apart(|rng| span.sample(rng), weibull(shape * error))
        });
    }
    for shape in [0.5, 1.1, 3.0] {
        compare(Span::Pareto { median, shape }, &|span| apart(|rng| span.sample(rng), pareto(shape * error)));
    }
    for sigma in [0.3, 1.5, 5.0] {
        compare(Span::LogNormal { median, sigma }, &|span| {
            apart(|rng| span.sample(rng), log_normal(sigma * error))
        });
    }
    found
}

#[test]
fn spans_have_the_distribution_that_they_name() {
    for (span, distance) in distances(1.0) {
        assert!(distance < CRITICAL, "{span:?}: {distance}");
    }
}

/// The test above can fail: a parameter that is a fifth too large is found out, and so is another
/// distribution of the same median.
#[test]
fn another_distribution_is_told_apart() {
    for (span, distance) in distances(1.2) {
        assert!(distance > CRITICAL, "{span:?}: {distance}");
    }
    let weibull_half = Span::Weibull { median: MEDIAN, shape: 0.5 };
    for distance in [
        apart(|rng| weibull_half.sample(rng), log_normal(1.5)),
        apart(|rng| weibull_half.sample(rng), exponential(LENGTH / LN_2)),
        apart(|rng| weibull_half.sample(rng), pareto(1.1)),
    ] {
        assert!(distance > CRITICAL, "{distance}");
    }
}

#[test]
fn gaps_between_arrivals_are_exponential() {
    let distance = apart(|rng| poisson_gap(MEDIAN, rng), exponential(LENGTH));
    assert!(distance < CRITICAL, "{distance}");
    // As many arrivals in 10,000 means as expected: six deviations of a Poisson count of 10,000 are 600.
    let mut rng = stream(3, Purpose::Workload);
    let mut now = Duration::ZERO;
    let arrivals = std::iter::from_fn(|| {
        now += poisson_gap(MEDIAN, &mut rng);
        (now < 10_000 * MEDIAN).then_some(())
    });
    let arrivals = arrivals.count();
    assert!(arrivals.abs_diff(10_000) < 600, "{arrivals}");
}

/// What is said of spans is true of samples.
#[test]
fn samples_have_the_median_and_the_mean_that_are_told() {
    let median = MEDIAN;
    for (span, deviation) in [
        // Deviations of the mean, in means: 1 for an exponential, less for what follows; six of them over
        // sqrt(N).
        (Span::Exponential { mean: median }, 1.0),
        (Span::Weibull { median, shape: 1.5 }, 0.7),
        (Span::Pareto { median, shape: 4.0 }, 0.36),
        (Span::LogNormal { median, sigma: 0.5 }, 0.54),
    ] {
        let mut rng = stream(4, Purpose::Workload);
        let samples: Vec<Duration> = (0..N).map(|_| span.sample(&mut rng)).collect();
        let shorter = samples.iter().filter(|&&sample| sample < span.median()).count();
        // Six deviations of a count of N / 2 are 3 sqrt(N).
        assert!(shorter.abs_diff(N / 2) < 425, "{span:?}: {shorter}");
        let mean = samples.iter().sum::<Duration>().as_secs_f64() / N as f64;
        let off = (mean / span.mean().unwrap().as_secs_f64() - 1.0).abs();
        assert!(off < 6.0 * deviation / (N as f64).sqrt(), "{span:?}: {off}");
    }
}

/// The schema of scenario files will take its description of spans from the type.
#[test]
fn the_schema_of_a_span_shows_every_choice_and_refuses_what_is_out_of_range() {
    let schema = schemars::schema_for!(Span).to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let choices = schema["oneOf"].as_array().unwrap();
    assert_eq!(choices.len(), 5);
    for choice in choices {
        let example = &choice["examples"][0];
        assert!(validator.is_valid(example), "{example}");
        assert_eq!(serde_json::from_value::<Span>(example.clone()).unwrap().check(), Ok(()), "{example}");
    }
    for wrong in [
        json!({"constant": "10 parsecs"}),
        json!({"weibull": {"median": "10min", "shape": 0.05}}),
        json!({"pareto": {"median": "10min", "shape": 11}}),
        json!({"log_normal": {"median": "10min", "sigma": -1}}),
        json!({"exponential": {"mean": "10min", "median": "10min"}}),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}
