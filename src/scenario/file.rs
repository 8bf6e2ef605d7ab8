//! The scenario file as people write it: one JSON object. Unknown keys are errors, durations carry units, and steps,
//! topologies and expectations are objects with one key, so that a wrong value is reported at its exact place.

use crate::sim::{Jitter, LinkKind, Topology};
use crate::units;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// A scenario file. `C` is the configuration of the protocol's nodes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "C: Deserialize<'de> + Default"))]
pub struct ScenarioFile<C> {
    /// The schema by which an editor completes and checks. Ignored here.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// What is shown above results and pictures.
    #[serde(default)]
    pub title: String,
    /// The question that the scenario answers.
    #[serde(default)]
    pub question: String,
    /// Where all chance comes from. Default: 1.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Names of the first nodes, for targets and pictures. The others have their number.
    #[serde(default)]
    pub names: Vec<String>,
    /// Who is linked to whom at the start.
    pub topology: Topology,
    /// What all nodes have in common.
    #[serde(default)]
    pub node: C,
    /// How links behave.
    #[serde(default)]
    pub links: LinksFile,
    /// What happens when.
    pub timeline: Vec<Entry>,
    /// When the run ends.
    #[serde(with = "units::duration")]
    pub end: Duration,
    /// What must hold. Default: `["everyone_delivers"]`.
    #[serde(default = "default_expectations")]
    pub expect: Vec<Expectation>,
}

fn default_seed() -> u64 {
    1
}

fn default_expectations() -> Vec<Expectation> {
    vec![Expectation::EveryoneDelivers]
}

/// How links behave.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinksFile {
    /// What they promise. Default: `stream`.
    pub kind: LinkKind,
    /// How long they take, drawn once per link. Default: 10 ms.
    pub latency: LatencyFile,
    /// What is added to that, drawn anew for every message. Default: `none`.
    pub jitter: Jitter,
}

/// How long links take, one way.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatencyFile {
    /// The same for all.
    Constant(#[serde(with = "units::duration")] Duration),
    /// Uniform in a range.
    Uniform(UniformFile),
    /// Log-normal.
    LogNormal(LogNormalFile),
    /// Measured between hosts: half the round trip.
    Matrix(MatrixFile),
}

impl Default for LatencyFile {
    fn default() -> LatencyFile {
        LatencyFile::Constant(Duration::from_millis(10))
    }
}

/// A uniform latency.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UniformFile {
    /// At least this.
    #[serde(with = "units::duration")]
    pub min: Duration,
    /// At most this.
    #[serde(with = "units::duration")]
    pub max: Duration,
}

/// A log-normal latency.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogNormalFile {
    /// Half of the links are faster.
    #[serde(with = "units::duration")]
    pub median: Duration,
    /// Deviation of the logarithm, 0 to 3.
    pub sigma: f64,
}

/// Latencies from a file of round-trip times in milliseconds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixFile {
    /// The file: a square of numbers, or `{"data": {FROM: {TO: MILLISECONDS}}}`.
    pub file: String,
    /// What it is and where to get it; shown when it is missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The hosts on which nodes sit, by name, or by row from 0: node `i` on entry `i` modulo the length.
    /// Default: all hosts in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Selector>,
}

/// An entry of the timeline.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When.
    #[serde(with = "units::duration")]
    pub at: Duration,
    /// What.
    #[serde(rename = "do")]
    pub step: Step,
}

/// What happens at a moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Nodes broadcast.
    Broadcast(BroadcastStep),
    /// The network is drawn and exported as it is now.
    Snapshot(SnapshotStep),
}

/// Nodes broadcast.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BroadcastStep {
    /// Who: a node's number, its name, `"random"` (drawn anew each time) or `"all"`. Default: `random`.
    #[serde(default)]
    pub from: Target,
    /// How many times. Default: 1.
    #[serde(default = "once")]
    pub count: NonZeroU32,
    /// How long from one time to the next. Default: 0s, all at once.
    #[serde(default, with = "units::duration")]
    pub every: Duration,
    /// What kind of message it is to the application. Default: `#BROADCAST`.
    #[serde(default = "default_title")]
    pub title: String,
    /// The text. Default: `Hello world`.
    #[serde(default = "default_message")]
    pub message: String,
}

fn once() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn default_title() -> String {
    crate::network::BROADCAST_TITLE.into()
}

fn default_message() -> String {
    "Hello world".into()
}

/// The network is drawn and exported.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotStep {
    /// The name of the files: letters, digits, `-` and `_`.
    pub name: String,
}

/// Which nodes a step is about.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Target {
    /// One node, drawn anew each time.
    #[default]
    Random,
    /// Every node.
    All,
    /// One node.
    One(Selector),
}

/// One of several things, by its number from 0 or by its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Selector {
    /// By number.
    Number(u64),
    /// By name.
    Name(String),
}

/// What must hold at the end.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// Every node that is up from a broadcast to the end, and could be reached, delivers it exactly once.
    EveryoneDelivers,
    /// All nodes are in one component at the end.
    Connected,
    /// The mean relative message redundancy (RMR) of all broadcasts.
    Redundancy(Range<f64>),
    /// How long it takes until a share of the nodes has a broadcast.
    Latency(LatencyExpectation),
    /// The payload messages of every single broadcast.
    Messages(Range<u64>),
}

/// From here to there, both included. What is left out has no bound.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "T: Deserialize<'de>"))]
pub struct Range<T> {
    /// At least this.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub min: Option<T>,
    /// At most this.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub max: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

/// A bound on the time that every broadcast takes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatencyExpectation {
    /// Until so large a share of the nodes that could be reached has it. Default: 1, all of them.
    #[serde(default = "everyone", with = "units::share")]
    pub share: f64,
    /// At most so long.
    #[serde(with = "units::duration")]
    pub max: Duration,
}

fn everyone() -> f64 {
    1.0
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Selector::Number(number) => serializer.serialize_u64(*number),
            Selector::Name(name) => serializer.serialize_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Selector, D::Error> {
        deserializer.deserialize_any(NumberOrName)
    }
}

/// Reads a number or a string, and says so where it is neither. (Serde's `untagged` would not say where.)
struct NumberOrName;

impl Visitor<'_> for NumberOrName {
    type Value = Selector;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number from 0 or a name")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Selector, E> {
        Ok(Selector::Number(number))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Selector, E> {
        Ok(Selector::Name(name.into()))
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Target::Random => serializer.serialize_str("random"),
            Target::All => serializer.serialize_str("all"),
            Target::One(selector) => selector.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
        Ok(match Selector::deserialize(deserializer)? {
            Selector::Name(name) if name == "random" => Target::Random,
            Selector::Name(name) if name == "all" => Target::All,
            selector => Target::One(selector),
        })
    }
}
