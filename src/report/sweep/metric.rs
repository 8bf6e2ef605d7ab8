//! What a sweep measures in each run.

use super::super::{MeanAndMost, Summary};
use crate::judge::Reach;
use crate::units::{decimal, grouped, human_bytes, human_duration};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::time::Duration;

/// A number that a run has, or has not.
#[derive(Debug)]
pub struct Metric {
    /// Its name in files, its unit last.
    pub name: &'static str,
    pub(super) worse: Worse,
    unit: Unit,
    of: fn(&Summary) -> Option<f64>,
}

/// By name: each is there once.
impl PartialEq for Metric {
    fn eq(&self, other: &Metric) -> bool {
        self.name == other.name
    }
}

/// Which values one would rather not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Worse {
    More,
    Less,
}

/// How people read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Share,
    Ratio,
    Nanos,
    Bytes,
    Number,
}

/// All of them, in the order in which they are shown.
pub static METRICS: [Metric; 29] = {
    use Unit::{Bytes, Nanos, Number, Ratio, Share};
    use Worse::{Less, More};
    [
        metric("coverage", Less, Share, coverage),
        metric("time_to_50_percent_mean_ns", More, Nanos, |run| mean_time_to(run, 50)),
        metric("time_to_90_percent_mean_ns", More, Nanos, |run| mean_time_to(run, 90)),
        metric("time_to_99_percent_mean_ns", More, Nanos, |run| mean_time_to(run, 99)),
        metric("time_to_100_percent_mean_ns", More, Nanos, |run| mean_time_to(run, 100)),
        metric("time_to_100_percent_most_ns", More, Nanos, |run| slowest(run, 100)),
        metric("hops_mean", More, Number, |run| run.hops_mean),
        metric("last_hop_most", More, Number, |run| run.last_hop.map(|MeanAndMost { most, .. }| most)),
        metric("redundancy_mean", More, Ratio, |run| run.redundancy.map(|MeanAndMost { mean, .. }| mean)),
        metric("stretch_mean", More, Ratio, |run| run.stretch.map(|stretch| stretch.mean)),
        metric("stretch_most", More, Ratio, |run| run.stretch.map(|stretch| stretch.most)),
        metric("messages_sent_mean", More, Number, |run| Some(run.messages_sent.mean)),
        metric("messages_sent_most", More, Number, |run| Some(run.messages_sent.most)),
        metric("bytes_sent_mean", More, Bytes, |run| Some(run.bytes_sent.mean)),
        metric("bytes_sent_most", More, Bytes, |run| Some(run.bytes_sent.most)),
        metric("gaps", More, Number, |run| Some(run.gaps as f64)),
        metric("join_messages_mean", More, Number, |run| run.joins.map(|joins| joins.messages_mean)),
        metric("join_took_mean_ns", More, Nanos, |run| run.joins.map(|joins| joins.took_mean_ns as f64)),
        metric("join_took_most_ns", More, Nanos, |run| run.joins.map(|joins| joins.took_most_ns as f64)),
        metric("direct_messages_lost", More, Number, direct_messages_lost),
        metric("nodes", Less, Number, |run| Some(run.nodes as f64)),
        metric("links", More, Number, |run| Some(run.links as f64)),
        metric("degree_least", Less, Number, |run| Some(run.degrees.min as f64)),
        metric("degree_mean", More, Number, |run| Some(run.degrees.mean)),
        metric("degree_most", More, Number, |run| Some(run.degrees.max as f64)),
        metric("components", More, Number, |run| Some(run.components as f64)),
        metric("largest_component", Less, Number, |run| Some(run.largest_component as f64)),
        metric("diameter_at_least", More, Number, |run| Some(f64::from(run.diameter.lower))),
        metric("events", More, Number, |run| Some(run.events as f64)),
    ]
};

const fn metric(name: &'static str, worse: Worse, unit: Unit, of: fn(&Summary) -> Option<f64>) -> Metric {
    Metric { name, worse, unit, of }
}

fn coverage(run: &Summary) -> Option<f64> {
    let Reach { possible, delivered, .. } = run.coverage;
    (possible > 0).then(|| delivered as f64 / possible as f64)
}

/// Of a run in which some broadcast never reached so many there is none: the others alone would look too good.
fn mean_time_to(run: &Summary, percent: u32) -> Option<f64> {
    let time = run.time_to.iter().find(|time| time.percent == percent && time.never == 0)?;
    time.mean_ns.map(|ns| ns as f64)
}

fn slowest(run: &Summary, percent: u32) -> Option<f64> {
    let time = run.time_to.iter().find(|time| time.percent == percent && time.never == 0)?;
    time.most_ns.map(|ns| ns as f64)
}

fn direct_messages_lost(run: &Summary) -> Option<f64> {
    let direct = run.direct_messages;
    (direct.delivered + direct.lost > 0).then_some(direct.lost as f64)
}

impl Metric {
    /// What people call it.
    pub(super) fn label(&self) -> String {
        self.name.trim_end_matches("_ns").replace('_', " ")
    }

    /// A value of it, as people read it.
    pub(super) fn show(&self, value: f64) -> String {
        match self.unit {
            // Almost all is not all: what falls short must not be rounded up.
            Unit::Share => format!("{} %", (value * 1e6).floor() / 1e4),
            Unit::Ratio => format!("{value:.4}"),
            Unit::Nanos => human_duration(Duration::from_nanos(value as u64)),
            Unit::Bytes => human_bytes(value),
            Unit::Number if value.fract() == 0.0 => grouped(value as u64),
            Unit::Number => decimal(value),
        }
    }
}

/// A metric by its name.
pub(super) fn name<S: Serializer>(metric: &&'static Metric, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(metric.name)
}

/// The metrics of a run: an object with those that it has.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Measured([Option<f64>; METRICS.len()]);

impl Measured {
    /// Those of a run.
    pub fn of(summary: &Summary) -> Measured {
        Measured(METRICS.each_ref().map(|metric| (metric.of)(summary)))
    }

    /// In the order of [`METRICS`].
    pub fn values(&self) -> impl Iterator<Item = Option<f64>> {
        self.0.iter().copied()
    }
}

impl From<Map<String, Value>> for Measured {
    fn from(object: Map<String, Value>) -> Measured {
        Measured(METRICS.each_ref().map(|metric| object.get(metric.name).and_then(Value::as_f64)))
    }
}

impl From<Measured> for Map<String, Value> {
    fn from(measured: Measured) -> Map<String, Value> {
        let named = METRICS.iter().zip(measured.values());
        named.filter_map(|(metric, value)| Some((metric.name.into(), number(value?)))).collect()
    }
}

/// Whole numbers are written as such.
pub(super) fn number(value: f64) -> Value {
    let whole = value as i64;
    if whole as f64 == value { whole.into() } else { value.into() }
}
