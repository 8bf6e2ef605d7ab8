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

use crate::time::nanos;
use crate::units::{LONGEST, grouped, parse_duration};
use rand::Rng;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::f64::consts::{LN_2, TAU};
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
    let radius = (-2.0 * libm::log(unit(rng))).sqrt();
    radius * libm::cos(TAU * unit(rng))
}

/// The most intervals that a file of up times may have. Reading them takes about 65 bytes each, and the
/// names.
pub const MAX_INTERVALS: usize = 10_000_000;

/// When nodes are up, as somebody measured it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpTimes {
    names: Vec<String>,
    events: Vec<Event>,
}

/// Which way a node goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Going {
    /// It goes away.
    Down,
    /// It comes, or comes back.
    Up,
}

/// Ordered as its fields are: at one moment, all that go do so before all that come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Event {
    nanos: u64,
    going: Going,
    node: u32,
}

/// A file of up times says something that cannot be used. Who opened the file adds its path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}; {remedy}")]
pub struct UpTimesError {
    /// The line, from 1.
    pub line: usize,
    /// The place in the line in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

impl UpTimes {
    /// Reads a file of one interval a line: `NODE UP DOWN`, separated by spaces or tabs.
    ///
    /// `NODE` is any word that does not begin with `#`. `UP` and `DOWN` are seconds from the start of the
    /// churn, up to 100 years, with up to nine digits behind a decimal point, read exactly; `DOWN` is later
    /// than `UP`, or `-` for a node that stays. A node may have several intervals, in any order, that do not
    /// overlap; where one begins when another ends, the node goes down and comes up at the same moment. `#`
    /// begins a comment; blank lines are ignored.
    ///
    /// # Errors
    /// The first line that says anything else, more than [`MAX_INTERVALS`] or none, two intervals of one node
    /// that overlap, or what is not UTF-8.
    pub fn parse(text: &[u8]) -> Result<UpTimes, UpTimesError> {
        UpTimes::parse_at_most(MAX_INTERVALS, text)
    }

    fn parse_at_most(most: usize, text: &[u8]) -> Result<UpTimes, UpTimesError> {
        // (Some editors put a mark in front.)
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let (mut nodes, mut intervals) = (Nodes::default(), Vec::new());
        let mut end = Place { line: 1, column: 1 };
        for (line, bytes) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            end.line = line;
            let Some(interval) = read_line(line, bytes, &mut nodes)? else { continue };
            if intervals.len() == most {
                let problem = format!("one interval more than {}", grouped(most as u64));
                return Err(interval.place().error(problem, "take a part of the trace"));
            }
            intervals.push(interval);
        }
        if intervals.is_empty() {
            return Err(end.error("the file ends without an interval", FORM));
        }
        check_overlaps(&mut intervals, &nodes.names)?;
        Ok(UpTimes { names: nodes.names, events: events(&intervals) })
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.names.len()
    }

    /// What a node is called in the file. Nodes are numbered from 0, in the order in which the file names
    /// them first.
    pub fn name(&self, node: usize) -> Option<&str> {
        self.names.get(node).map(String::as_str)
    }

    /// Everything that happens, in the order of time: when, counted from the start of the churn, which node,
    /// and which way.
    ///
    /// Every node goes up first, and from then on down and up in turns. At one moment, those that go down
    /// come first, then those that go up, each in the order of their numbers.
    pub fn events(&self) -> impl Iterator<Item = (Duration, usize, Going)> + '_ {
        (0..self.events.len()).map_while(|number| self.event(number))
    }

    /// One of the [`events`](UpTimes::events), by its place in their order, from 0.
    pub fn event(&self, number: usize) -> Option<(Duration, usize, Going)> {
        let event = self.events.get(number)?;
        Some((Duration::from_nanos(event.nanos), event.node as usize, event.going))
    }
}

/// One line of a file. (In 32 bytes, since there may be many.)
struct Interval {
    up: u64,
    down: u64,
    line: usize,
    column: u32,
    node: u32,
}

/// When nodes go down that stay: later than anything that a file can say.
const STAYS: u64 = u64::MAX;

const FORM: &str = "write `NODE UP DOWN`, with `-` for DOWN if the node stays";

/// The nodes that a file has named so far.
#[derive(Default)]
struct Nodes<'a> {
    numbers: FxHashMap<&'a str, u32>,
    names: Vec<String>,
}

impl<'a> Nodes<'a> {
    fn number(&mut self, name: &'a str) -> u32 {
        *self.numbers.entry(name).or_insert_with(|| {
            self.names.push(name.into());
            self.names.len() as u32 - 1
        })
    }
}

#[derive(Clone, Copy)]
struct Place {
    line: usize,
    column: usize,
}

impl Place {
    fn error(self, problem: impl Into<String>, remedy: impl Into<String>) -> UpTimesError {
        let Place { line, column } = self;
        UpTimesError { line, column, problem: problem.into(), remedy: remedy.into() }
    }
}

impl Interval {
    fn place(&self) -> Place {
        Place { line: self.line, column: self.column as usize }
    }
}

/// The interval that a line tells of; `None` if it is blank or a comment.
fn read_line<'a>(
    line: usize,
    bytes: &'a [u8],
    nodes: &mut Nodes<'a>,
) -> Result<Option<Interval>, UpTimesError> {
    let text = text_of(line, bytes)?;
    let place = |column| Place { line, column };
    let mut words = words(text).take_while(|(_, word)| !word.starts_with('#'));
    let Some((column, name)) = words.next() else { return Ok(None) };
    let mut time = |what: &str| {
        let end = text.trim_end().chars().count() + 1;
        words.next().ok_or_else(|| place(end).error(format!("{what} is missing"), FORM))
    };
    let ((up_at, up), (down_at, down)) = (time("UP")?, time("DOWN")?);
    if let Some((at, word)) = words.next() {
        let remedy = "write one interval a line, `NODE UP DOWN`; a comment begins with `#`";
        return Err(place(at).error(format!("{} is one word too many", quoted(word)), remedy));
    }
    let starts = seconds(up).map_err(|(problem, remedy)| place(up_at).error(problem, remedy))?;
    let ends = match down {
        "-" => STAYS,
        _ => seconds(down).map_err(|(problem, remedy)| place(down_at).error(problem, remedy))?,
    };
    if ends <= starts {
        let problem = format!("DOWN, {}, is not later than UP, {}", quoted(down), quoted(up));
        return Err(place(down_at).error(problem, "DOWN is later than UP, or `-` if the node stays"));
    }
    let column = u32::try_from(column).unwrap_or(u32::MAX);
    Ok(Some(Interval { up: starts, down: ends, line, column, node: nodes.number(name) }))
}

fn text_of(line: usize, bytes: &[u8]) -> Result<&str, UpTimesError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let (before, after) = bytes.split_at(error.valid_up_to());
        let column = String::from_utf8_lossy(before).chars().count() + 1;
        let problem = format!("the byte 0x{:02x} is no text", after[0]);
        Place { line, column }.error(problem, "save the file as UTF-8")
    })
}

/// The words of a line, each with its column.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut next = 1;
    line.split(char::is_whitespace).filter_map(move |word| {
        let column = next;
        next += word.chars().count() + 1;
        (!word.is_empty()).then_some((column, word))
    })
}

/// Decimal seconds in nanoseconds, exactly; or what is wrong with them, and what would be right.
fn seconds(word: &str) -> Result<u64, (String, &'static str)> {
    use crate::units::DurationError::{TooFine, TooLong};
    let plain = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match plain.then(|| parse_duration(&format!("{word}s"))) {
        Some(Ok(duration)) => Ok(nanos(duration)),
        Some(Err(TooFine(_))) => Err((
            format!("{} is not a whole number of nanoseconds", quoted(word)),
            "write at most nine digits behind the point",
        )),
        Some(Err(TooLong(_))) => {
            Err((format!("{} is too late", quoted(word)), "the latest is 100 years, 3153600000"))
        }
        _ => Err((
            format!("{} is not a number of seconds", quoted(word)),
            "write seconds from the start of the churn, 0 or more, such as 12.5",
        )),
    }
}

/// A word for a message: printable and short, because a wrong file may hold anything.
fn quoted(word: &str) -> String {
    const LONGEST: usize = 40;
    let more = if word.chars().nth(LONGEST).is_some() { "…" } else { "" };
    let shown: String = word.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    format!("`{shown}{more}`")
}

/// Sorts the intervals by node and time, and finds two that overlap.
fn check_overlaps(intervals: &mut [Interval], names: &[String]) -> Result<(), UpTimesError> {
    intervals.sort_unstable_by_key(|interval| (interval.node, interval.up, interval.line));
    // If any two overlap, then so do two that stand side by side.
    for pair in intervals.windows(2) {
        let [first, second] = pair else { unreachable!("windows of two") };
        if first.node == second.node && second.up < first.down {
            let (earlier, later) = if first.line < second.line { (first, second) } else { (second, first) };
            let name = quoted(&names[first.node as usize]);
            let problem = format!("{name} is already up for a part of that time, by line {}", earlier.line);
            return Err(later
                .place()
                .error(problem, "the intervals of a node do not overlap; make them one"));
        }
    }
    Ok(())
}

fn events(intervals: &[Interval]) -> Vec<Event> {
    let mut events = Vec::with_capacity(2 * intervals.len());
    for &Interval { up, down, node, .. } in intervals {
        events.push(Event { nanos: up, going: Going::Up, node });
        if down != STAYS {
            events.push(Event { nanos: down, going: Going::Down, node });
        }
    }
    events.sort_unstable();
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

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

    fn parsed(text: &str) -> Vec<(u128, usize, Going)> {
        let up_times = UpTimes::parse(text.as_bytes()).unwrap();
        up_times.events().map(|(at, node, going)| (at.as_millis(), node, going)).collect()
    }

    #[test]
    fn events_come_in_the_order_of_time() {
        use Going::{Down, Up};
        let text = "\u{feff}# node up down\r\nb 5 7.25\r\n\n  a\t0   5 # the first\nb 0.001 5\nc 5 -\n#";
        let events = [
            (0, 1, Up),
            (1, 0, Up),
            (5_000, 0, Down),
            (5_000, 1, Down),
            (5_000, 0, Up),
            (5_000, 2, Up),
            (7_250, 0, Down),
        ];
        assert_eq!(parsed(text), events);
        let up_times = UpTimes::parse(text.as_bytes()).unwrap();
        assert_eq!((up_times.nodes(), up_times.events().count()), (3, 7));
        assert_eq!([0, 1, 2, 3].map(|node| up_times.name(node)), [Some("b"), Some("a"), Some("c"), None]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let number =
            "is not a number of seconds; write seconds from the start of the churn, 0 or more, such as 12.5";
        let overlap = "the intervals of a node do not overlap; make them one";
        let later = "DOWN is later than UP, or `-` if the node stays";
        for (text, error) in [
            ("", format!("line 1, column 1: the file ends without an interval; {FORM}")),
            ("# a 0 1\n\n", format!("line 3, column 1: the file ends without an interval; {FORM}")),
            ("a", format!("line 1, column 2: UP is missing; {FORM}")),
            ("a 0 1\n é 0 # 5", format!("line 2, column 9: DOWN is missing; {FORM}")),
            ("a x 1", format!("line 1, column 3: `x` {number}")),
            ("é 0 1e3", format!("line 1, column 5: `1e3` {number}")),
            ("a -1 3", format!("line 1, column 3: `-1` {number}")),
            ("a - 3", format!("line 1, column 3: `-` {number}")),
            ("a 1. 3", format!("line 1, column 3: `1.` {number}")),
            ("a 0 5m", format!("line 1, column 5: `5m` {number}")),
            ("a 0 \u{1b}", format!("line 1, column 5: `\\u{{1b}}` {number}")),
            ("a 3 2.5", format!("line 1, column 5: DOWN, `2.5`, is not later than UP, `3`; {later}")),
            ("a 3 3.0", format!("line 1, column 5: DOWN, `3.0`, is not later than UP, `3`; {later}")),
            (
                "a 0 1 2",
                "line 1, column 7: `2` is one word too many; write one interval a line, `NODE UP DOWN`; a \
                 comment begins with `#`"
                    .into(),
            ),
            (
                "a 0 0.0000000001",
                "line 1, column 5: `0.0000000001` is not a whole number of nanoseconds; write at most nine \
                 digits behind the point"
                    .into(),
            ),
            (
                "a 0 3153600001",
                "line 1, column 5: `3153600001` is too late; the latest is 100 years, 3153600000".into(),
            ),
            (
                "a 0 5\nb 1 2\n a 4 6",
                format!("line 3, column 2: `a` is already up for a part of that time, by line 1; {overlap}"),
            ),
            (
                "a 9 11\na 0 -",
                format!("line 2, column 1: `a` is already up for a part of that time, by line 1; {overlap}"),
            ),
        ] {
            assert_eq!(UpTimes::parse(text.as_bytes()).unwrap_err().to_string(), error, "{text}");
        }
        let error = UpTimes::parse(b"a 0 1\n\xc3\xa9 \xff").unwrap_err().to_string();
        assert_eq!(error, "line 2, column 3: the byte 0xff is no text; save the file as UTF-8");
        let error = UpTimes::parse_at_most(1, b"a 0 1\n# b\n b 0 1").unwrap_err().to_string();
        assert_eq!(error, "line 3, column 2: one interval more than 1; take a part of the trace");
    }

    /// What a trace of whole nanoseconds looks like in a file.
    fn written(trace: &BTreeMap<u8, Vec<(u64, Option<u64>)>>) -> String {
        let seconds = |nanos: u64| format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
        let line = |node: &u8, (up, down): &(u64, Option<u64>)| {
            format!("n{node} {} {}\n", seconds(*up), down.map_or("-".into(), seconds))
        };
        trace.iter().flat_map(|(node, spans)| spans.iter().rev().map(move |span| line(node, span))).collect()
    }

    /// A trace from its gaps: some nodes, each with intervals that touch at most.
    fn any_trace() -> impl Strategy<Value = BTreeMap<u8, Vec<(u64, Option<u64>)>>> {
        let gap = || 0u64..5_000_000_000;
        let intervals = proptest::collection::vec((gap(), gap()), 1..6);
        let node = (intervals, any::<bool>()).prop_map(|(gaps, stays)| {
            let mut now = 0;
            let mut spans = Vec::new();
            for (away, up) in gaps {
                spans.push((now + away, Some(now + away + up + 1)));
                now += away + up + 1;
            }
            if stays {
                spans.last_mut().unwrap().1 = None;
            }
            spans
        });
        proptest::collection::btree_map(any::<u8>(), node, 1..8)
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

        #[test]
        fn what_is_written_can_be_read(trace in any_trace()) {
            let up_times = UpTimes::parse(written(&trace).as_bytes()).unwrap();
            let mut read: BTreeMap<u8, Vec<(u64, Option<u64>)>> = BTreeMap::new();
            let mut before = Duration::ZERO;
            for (at, node, going) in up_times.events() {
                prop_assert!(before <= at);
                before = at;
                let spans = read.entry(up_times.name(node).unwrap()[1..].parse().unwrap()).or_default();
                match going {
                    Going::Up => spans.push((nanos(at), None)),
                    Going::Down => spans.last_mut().unwrap().1 = Some(nanos(at)),
                }
            }
            prop_assert_eq!(read, trace);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = UpTimes::parse(&bytes);
        }

        #[test]
        fn no_file_that_is_almost_right_makes_it_panic(
            lines in proptest::collection::vec("[abé#]{1,2}[ \t][0-9.-]{1,3} [0-9.-]{1,11}[\r #]{0,2}", 0..8)
        ) {
            let _ = UpTimes::parse(lines.join("\n").as_bytes());
        }
    }
}
