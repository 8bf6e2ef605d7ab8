//! The scenario file as people write it: one JSON object. Unknown keys are errors, durations carry units, and steps,
//! topologies and expectations are objects with one key, so that a wrong value is reported at its exact place. `C` is the
//! configuration of the protocol's nodes.
//!
//! The doc comments in this file are read by users: schema and reference are made of them.

mod expect;
mod faults;

pub use expect::*;
pub use faults::*;

use crate::sim::{DIAL, Jitter, LinkKind, SILENCE, Topology};
use crate::units;
use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// An experiment: a network, what happens to it, and what must hold.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(deserialize = "C: Deserialize<'de> + Default"))]
#[schemars(bound = "C: JsonSchema + Serialize + Default")]
pub struct ScenarioFile<C> {
    /// The schema by which an editor completes and checks. Nothing else looks at it.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// What is shown above results and pictures.
    #[serde(default)]
    pub title: String,
    /// The question that the scenario answers.
    #[serde(default)]
    pub question: String,
    /// What the answer is, for whoever reads on. Default: none is given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
    /// Where all chance comes from. Default: 1.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Names of the first nodes, for targets and pictures. The others have their number.
    #[serde(default)]
    #[schemars(example = json!(["Alice", "Bob"]))]
    pub names: Vec<String>,
    /// Who is linked to whom at the start. Default: there is nobody yet; nodes join on the timeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<Topology>,
    /// What all nodes have in common.
    #[serde(default)]
    pub node: C,
    /// How links behave.
    #[serde(default)]
    pub links: LinksFile,
    /// Where nodes keep their logs.
    #[serde(default)]
    pub disk: DiskFile,
    /// What happens when.
    pub timeline: Vec<Entry>,
    /// When the run ends.
    #[serde(with = "units::DurationText")]
    #[schemars(example = "60s")]
    pub end: Duration,
    /// The bounds of what a network guarantees, for the expectations that are about that.
    #[serde(default)]
    pub guarantee: GuaranteeFile,
    /// What must hold. Default: `["everyone_delivers"]`.
    #[serde(default = "default_expectations")]
    pub expect: Vec<Expectation>,
}

impl<C> ScenarioFile<C> {
    /// Whether it names data files.
    pub fn names_data(&self) -> bool {
        matches!(self.topology, Some(Topology::EdgeList { .. }))
            || matches!(self.links.latency, LatencyFile::Matrix(_))
            || self.timeline.iter().any(|entry| matches!(entry.step, Step::UpTimes(_)))
    }
}

fn default_seed() -> u64 {
    1
}

fn default_expectations() -> Vec<Expectation> {
    vec![Expectation::EveryoneDelivers]
}

/// How links behave.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LinksFile {
    /// What they promise. Default: `stream`.
    pub kind: LinkKind,
    /// How long they take, one way, drawn once per link. Default: 10 ms.
    pub latency: LatencyFile,
    /// What is added to that, drawn anew for every message. Default: `none`.
    pub jitter: Jitter,
    /// A link on which nothing is heard of the peer for so long is given up. Default: 3s.
    #[serde(with = "units::DurationText")]
    pub silence: Duration,
    /// A link that is not there so long after it was asked for is given up. Default: 1s.
    #[serde(with = "units::DurationText")]
    pub dial: Duration,
}

impl Default for LinksFile {
    fn default() -> LinksFile {
        let (kind, latency, jitter) = Default::default();
        LinksFile { kind, latency, jitter, silence: SILENCE, dial: DIAL }
    }
}

/// The bounds of what a network guarantees: once nothing happens to it any more, it needs a time to heal; then everybody has
/// every broadcast that is not too old.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GuaranteeFile {
    /// What was published longer ago need not be with those who came later. Default: 1h.
    #[serde(with = "units::DurationText")]
    pub retention: Duration,
    /// So long may healing take after the last fault, join or leave; before, what is missing is no failure. Default: 60s.
    #[serde(with = "units::DurationText")]
    pub heal: Duration,
}

impl Default for GuaranteeFile {
    fn default() -> GuaranteeFile {
        GuaranteeFile { retention: Duration::from_secs(3_600), heal: Duration::from_secs(60) }
    }
}

/// Where nodes keep their logs.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiskFile {
    /// What is written is safe after so long; a crash loses what is not. Default: 0s, at once.
    #[serde(with = "units::DurationText")]
    pub sync: Duration,
}

/// How long links take, one way.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LatencyFile {
    /// The same for all links.
    #[schemars(example = json!({"constant": "10ms"}))]
    Constant(#[serde(with = "units::DurationText")] Duration),
    /// Uniform between two bounds.
    #[schemars(example = json!({"uniform": {"min": "10ms", "max": "50ms"}}))]
    Uniform(UniformFile),
    /// Log-normal: most links are near the median, a few are much slower.
    #[schemars(example = json!({"log_normal": {"median": "40ms", "sigma": 0.5}}))]
    LogNormal(LogNormalFile),
    /// Measured between hosts: half the round trip.
    #[schemars(example = json!({"matrix": {"file": "planetlab-490-rtt-ms.txt"}}))]
    Matrix(MatrixFile),
    /// As between six regions of the world: North America, Europe, South America, Asia Pacific, Japan, Australia.
    /// Where a node sits is drawn once, with the shares of Bitcoin's nodes in 2019; add `jitter` for what varies
    /// from message to message.
    Regions,
}

impl Default for LatencyFile {
    fn default() -> LatencyFile {
        LatencyFile::Constant(Duration::from_millis(10))
    }
}

/// A uniform latency.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UniformFile {
    /// At least this.
    #[serde(with = "units::DurationText")]
    pub min: Duration,
    /// At most this.
    #[serde(with = "units::DurationText")]
    pub max: Duration,
}

/// A log-normal latency.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogNormalFile {
    /// Half of the links are faster.
    #[serde(with = "units::DurationText")]
    pub median: Duration,
    /// Deviation of the logarithm, 0 to 3.
    #[schemars(range(min = 0, max = 3))]
    pub sigma: f64,
}

/// Latencies from a file of round-trip times in milliseconds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({"at": "1s", "do": {"broadcast": {"from": "random"}}}))]
pub struct Entry {
    /// When, counted from the start of the run.
    #[serde(with = "units::DurationText")]
    pub at: Duration,
    /// What happens then.
    #[serde(rename = "do")]
    pub step: Step,
}

/// What happens at a moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Nodes join.
    #[schemars(example = json!({"join": {"count": 300, "every": "20ms"}}))]
    Join(JoinStep),
    /// Nodes leave in good order.
    #[schemars(example = json!({"leave": {"who": "random", "count": 20, "every": "100ms"}}))]
    Leave(LeaveStep),
    /// Nodes broadcast.
    #[schemars(example = json!({"broadcast": {"from": "random", "count": 30, "every": "100ms", "message": "Hello world"}}))]
    Broadcast(BroadcastStep),
    /// Nodes send to single nodes.
    #[schemars(example = json!({"send": {"from": 0, "to": 1, "message": "For you alone"}}))]
    Send(SendStep),
    /// Nodes ask their neighbors for nodes that they know.
    #[schemars(example = json!({"discover": {"who": "all"}}))]
    Discover(DiscoverStep),
    /// The status of the network and its nodes is written down.
    #[schemars(example = json!({"status": {"name": "before", "by": "random"}}))]
    Status(StatusStep),
    /// Every node stops.
    Shutdown,
    /// Nodes crash: they end without a word.
    #[schemars(example = json!({"crash": {"who": {"share": 0.5}}}))]
    Crash(CrashStep),
    /// Nodes that have crashed start again.
    #[schemars(example = json!({"restart": {"who": "all"}}))]
    Restart(RestartStep),
    /// The network is cut into groups between which nothing passes.
    #[schemars(example = json!({"partition": {"into": {"shares": [0.5, 0.5]}, "for": "60s"}}))]
    Partition(PartitionStep),
    /// All partitions are over.
    Heal,
    /// Datagrams get lost.
    #[schemars(example = json!({"loss": {"share": 0.1, "for": "30s"}}))]
    Loss(DatagramStep),
    /// Datagrams arrive twice.
    #[schemars(example = json!({"duplication": {"share": 0.1, "for": "30s"}}))]
    Duplication(DatagramStep),
    /// Messages are held back, so that later ones overtake them.
    #[schemars(example = json!({"reordering": {"share": 0.1, "by": "100ms", "for": "30s"}}))]
    Reordering(ReorderingStep),
    /// Messages take longer.
    #[schemars(example = json!({"delay": {"by": "500ms", "who": "random", "for": "30s"}}))]
    Delay(DelayStep),
    /// Links break.
    #[schemars(example = json!({"reset": {"share": 0.1}}))]
    Reset(ResetStep),
    /// Nodes stand still for a while.
    #[schemars(example = json!({"pause": {"who": "random", "for": "10s"}}))]
    Pause(PauseStep),
    /// Nodes are slow.
    #[schemars(example = json!({"slow": {"who": {"share": 0.1}, "by": "5ms"}}))]
    Slow(SlowStep),
    /// Clocks are wrong.
    #[schemars(example = json!({"clock": {"who": {"share": 0.5}, "ahead": "10min", "drift_ppm": 200}}))]
    Clock(ClockStep),
    /// Nodes send at most so many bytes a second.
    #[schemars(example = json!({"uplink": {"who": "all", "bytes_per_second": 1_000_000}}))]
    Uplink(UplinkStep),
    /// Nodes come and go by chance.
    #[schemars(example = json!({"churn": {"for": "10min", "arrivals_every": "1s", "session": {"exponential": {"mean": "5min"}}}}))]
    Churn(ChurnStep),
    /// Nodes come and go as was recorded.
    #[schemars(example = json!({"up_times": {"file": "sessions.txt"}}))]
    UpTimes(UpTimesStep),
    /// The network is drawn and exported as it is now.
    #[schemars(example = json!({"snapshot": {"name": "on-its-way"}}))]
    Snapshot(SnapshotStep),
}

impl Step {
    /// Its key in the file.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Join(_) => "join",
            Step::Leave(_) => "leave",
            Step::Broadcast(_) => "broadcast",
            Step::Send(_) => "send",
            Step::Discover(_) => "discover",
            Step::Status(_) => "status",
            Step::Shutdown => "shutdown",
            Step::Crash(_) => "crash",
            Step::Restart(_) => "restart",
            Step::Partition(_) => "partition",
            Step::Heal => "heal",
            Step::Loss(_) => "loss",
            Step::Duplication(_) => "duplication",
            Step::Reordering(_) => "reordering",
            Step::Delay(_) => "delay",
            Step::Reset(_) => "reset",
            Step::Pause(_) => "pause",
            Step::Slow(_) => "slow",
            Step::Clock(_) => "clock",
            Step::Uplink(_) => "uplink",
            Step::Churn(_) => "churn",
            Step::UpTimes(_) => "up_times",
            Step::Snapshot(_) => "snapshot",
        }
    }
}

/// Nodes join.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinStep {
    /// How many, one after the other. Default: 1.
    #[serde(default = "once")]
    pub count: NonZeroU32,
    /// How long from one to the next. Default: 0s, all at once.
    #[serde(default, with = "units::DurationText")]
    pub every: Duration,
    /// Through whom: `"genesis"` (the first node, or the one that has lived longest since it left), `"random"`, a node's
    /// number or its name. Default: `genesis`.
    #[serde(default)]
    pub contact: Contact,
}

/// Nodes leave in good order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaveStep {
    /// Who: a node's number, its name, `"random"` (drawn anew each time), `"all"` or `{"share": 0.1}`. Default: `random`.
    #[serde(default)]
    pub who: Target,
    /// How many times. Default: 1.
    #[serde(default = "once")]
    pub count: NonZeroU32,
    /// How long from one time to the next. Default: 0s, all at once.
    #[serde(default, with = "units::DurationText")]
    pub every: Duration,
}

/// Nodes send to single nodes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendStep {
    /// Who sends, as with `broadcast`. Default: `random`.
    #[serde(default)]
    pub from: Target,
    /// To whom; to each of them, if there are several. Default: `random`.
    #[serde(default)]
    pub to: Target,
    /// How many times. Default: 1.
    #[serde(default = "once")]
    pub count: NonZeroU32,
    /// How long from one time to the next. Default: 0s, all at once.
    #[serde(default, with = "units::DurationText")]
    pub every: Duration,
    /// What kind of message it is to the application. Default: `#DIRECT`.
    #[serde(default = "default_direct_title")]
    pub title: String,
    /// The text. Default: `Hello world`.
    #[serde(default = "default_message")]
    pub message: String,
}

fn default_direct_title() -> String {
    crate::network::DIRECT_TITLE.into()
}

/// Nodes ask their neighbors for nodes that they know.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscoverStep {
    /// Who, as with `leave`. Default: `all`.
    #[serde(default = "all")]
    pub who: Target,
}

fn all() -> Target {
    Target::All
}

/// The status of the network and its nodes is written down.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusStep {
    /// The name of the file: letters, digits, `-` and `_`.
    pub name: String,
    /// This node also counts the network by itself, through the network. Default: nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Target>,
}

/// Nodes broadcast.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BroadcastStep {
    /// Who: a node's number, its name, `"random"` (drawn anew each time), `"all"` or `{"share": 0.1}`. Default: `random`.
    #[serde(default)]
    pub from: Target,
    /// How many times. Default: 1.
    #[serde(default = "once")]
    pub count: NonZeroU32,
    /// How long from one time to the next. Default: 0s, all at once.
    #[serde(default, with = "units::DurationText")]
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
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotStep {
    /// The name of the files: letters, digits, `-` and `_`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    pub name: String,
    /// The messages of this node so far are drawn as numbered arrows. Default: of nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow: Option<Selector>,
}

/// Which nodes a step is about, of those that are up.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Target {
    /// One node, drawn anew each time.
    #[default]
    Random,
    /// The node that everybody knows: the one that has lived longest.
    Genesis,
    /// Every node.
    All,
    /// So large a share of the nodes, drawn anew each time.
    Share(f64),
    /// One node.
    One(Selector),
}

/// Through whom newcomers join.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Contact {
    /// The node that everybody knows.
    #[default]
    Genesis,
    /// A random node.
    Random,
    /// This node.
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

fn everyone() -> f64 {
    1.0
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Selector::Number(number) => write!(f, "{number}"),
            Selector::Name(name) => f.write_str(name),
        }
    }
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
            Target::Genesis => serializer.serialize_str("genesis"),
            Target::All => serializer.serialize_str("all"),
            Target::Share(share) => ShareOfNodes { share: *share }.serialize(serializer),
            Target::One(selector) => selector.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
        deserializer.deserialize_any(NodesOfAStep)
    }
}

/// `{"share": 0.1}`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShareOfNodes {
    #[serde(with = "units::Share")]
    share: f64,
}

/// Reads a number, a name or a share.
struct NodesOfAStep;

impl<'de> Visitor<'de> for NodesOfAStep {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number from 0, a name, \"random\", \"genesis\", \"all\" or {\"share\": 0.1}")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Target, E> {
        Ok(Target::One(Selector::Number(number)))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Target, E> {
        Ok(match name {
            "random" => Target::Random,
            "genesis" => Target::Genesis,
            "all" => Target::All,
            name => Target::One(Selector::Name(name.into())),
        })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Target, A::Error> {
        let ShareOfNodes { share } = Deserialize::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Target::Share(share))
    }
}

impl Serialize for Contact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Contact::Genesis => serializer.serialize_str("genesis"),
            Contact::Random => serializer.serialize_str("random"),
            Contact::One(selector) => selector.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Contact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Contact, D::Error> {
        Ok(match Selector::deserialize(deserializer)? {
            Selector::Name(name) if name == "genesis" => Contact::Genesis,
            Selector::Name(name) if name == "random" => Contact::Random,
            selector => Contact::One(selector),
        })
    }
}
