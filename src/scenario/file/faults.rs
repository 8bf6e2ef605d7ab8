//! The steps that do harm, as people write them.

use super::{Selector, Target, once};
use crate::churn::Span;
use crate::fault::{Detection, LogFate};
use crate::units;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::num::NonZeroU32;
use std::time::Duration;

/// Nodes crash: they end without a word.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrashStep {
    /// Who: a node's number, its name, `"random"` (drawn anew each time), `"genesis"`, `"all"` or `{"share": 0.1}`.
    /// Default: `random`.
    #[serde(default)]
    pub who: Target,
    /// How many times. Default: 1.
    #[serde(default = "once")]
    pub count: NonZeroU32,
    /// How long from one time to the next. Default: 0s, all at once.
    #[serde(default, with = "units::DurationText")]
    pub every: Duration,
    /// What becomes of their logs. Default: `kept`.
    #[serde(default)]
    pub log: LogFate,
    /// How their peers learn of it. Default: `reset`.
    #[serde(default)]
    pub detection: Detection,
    /// They start again after so long. Default: not by themselves.
    #[serde(
        rename = "for",
        default,
        with = "units::OptionalDuration",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Duration>,
}

/// Nodes that have crashed start again, with their identity and what their logs kept, and join. Those of a given topology get
/// their links again, to the nodes that they can reach at that moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartStep {
    /// Who, of those that have crashed: as with `crash`. A node that is named may also have left. Default: `all`.
    #[serde(default = "super::all")]
    pub who: Target,
    /// How many times. Default: 1.
    #[serde(default = "once")]
    pub count: NonZeroU32,
    /// How long from one time to the next. Default: 0s, all at once.
    #[serde(default, with = "units::DurationText")]
    pub every: Duration,
}

/// The network is cut into groups between which nothing passes. What is sent on a reliable link waits, until the cut
/// heals or the link has been silent for too long; datagrams are lost.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartitionStep {
    /// Into which groups. Default: two random halves.
    #[serde(default)]
    pub into: Division,
    /// Only what goes from an earlier group to a later one is stopped. Default: false.
    #[serde(default)]
    pub one_way: bool,
    /// It heals by itself after so long. Default: not before the next `heal`.
    #[serde(
        rename = "for",
        default,
        with = "units::OptionalDuration",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Duration>,
    /// How many times: with `for` and `every`, a link that comes and goes. Default: 1.
    #[serde(default = "once")]
    pub count: NonZeroU32,
    /// How long from the beginning of one to that of the next. Default: 0s.
    #[serde(default, with = "units::DurationText")]
    pub every: Duration,
}

/// The groups of a partition.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Division {
    /// Random groups, each so large a share of the nodes that are up; who is left over, or comes later, is in the first.
    #[schemars(example = json!({"shares": [0.7, 0.3]}))]
    Shares(Vec<f64>),
    /// These groups; all others are in the first.
    #[schemars(example = json!({"groups": [[0, 1, 2], ["Alice", "Bob"]]}))]
    Groups(Vec<Vec<Selector>>),
    /// Each of these nodes is alone; all others are together.
    #[schemars(example = json!({"isolate": "random"}))]
    Isolate(Target),
}

impl Default for Division {
    fn default() -> Division {
        Division::Shares(vec![0.5, 0.5])
    }
}

/// A share of the datagrams gets lost, or arrives twice, beyond what `links` says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatagramStep {
    /// Which share of them, 0 to 1.
    #[serde(with = "units::Share")]
    pub share: f64,
    /// Those that these nodes send or receive, as with `crash`. Default: `all`.
    #[serde(default = "super::all")]
    pub who: Target,
    /// For so long. Default: to the end.
    #[serde(
        rename = "for",
        default,
        with = "units::OptionalDuration",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Duration>,
}

/// Messages are held back, so that later ones overtake them; not on streams, which keep the order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReorderingStep {
    /// Which share of them, 0 to 1.
    #[serde(with = "units::Share")]
    pub share: f64,
    /// For at most how long; how long is drawn uniformly.
    #[serde(with = "units::DurationText")]
    pub by: Duration,
    /// Those that these nodes send or receive, as with `crash`. Default: `all`.
    #[serde(default = "super::all")]
    pub who: Target,
    /// For so long. Default: to the end.
    #[serde(
        rename = "for",
        default,
        with = "units::OptionalDuration",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Duration>,
}

/// Messages take longer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DelayStep {
    /// So much longer.
    #[serde(with = "units::DurationText")]
    pub by: Duration,
    /// And up to so much more, drawn uniformly for every message. Default: 0s.
    #[serde(default, with = "units::DurationText")]
    pub jitter: Duration,
    /// Which share of them, 0 to 1. Default: 1.
    #[serde(default = "super::everyone", with = "units::Share")]
    pub share: f64,
    /// Those that these nodes send or receive, as with `crash`. Default: `all`.
    #[serde(default = "super::all")]
    pub who: Target,
    /// For so long. Default: to the end.
    #[serde(
        rename = "for",
        default,
        with = "units::OptionalDuration",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Duration>,
}

/// Links break. Both ends learn of it at once; what is on its way in them is lost.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetStep {
    /// Whose links, as with `crash`. Default: `all`.
    #[serde(default = "super::all")]
    pub who: Target,
    /// Which share of them, drawn anew each time. Default: 1.
    #[serde(default = "super::everyone", with = "units::Share")]
    pub share: f64,
    /// How many times. Default: 1.
    #[serde(default = "once")]
    pub count: NonZeroU32,
    /// How long from one time to the next. Default: 0s.
    #[serde(default, with = "units::DurationText")]
    pub every: Duration,
}

/// Nodes stand still for a while; what reaches them waits. Their peers hear nothing of them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseStep {
    /// Who, as with `crash`. Default: `random`.
    #[serde(default)]
    pub who: Target,
    /// For so long.
    #[serde(rename = "for", with = "units::DurationText")]
    pub lasts: Duration,
    /// How many times. Default: 1.
    #[serde(default = "once")]
    pub count: NonZeroU32,
    /// How long from the beginning of one to that of the next. Default: 0s.
    #[serde(default, with = "units::DurationText")]
    pub every: Duration,
}

/// Nodes are slow: they handle one thing after the other, and each takes its time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowStep {
    /// Who, as with `crash`. Default: `random`.
    #[serde(default)]
    pub who: Target,
    /// How long each thing takes.
    #[serde(with = "units::DurationText")]
    pub by: Duration,
    /// For so long. Default: to the end.
    #[serde(
        rename = "for",
        default,
        with = "units::OptionalDuration",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Duration>,
}

/// Clocks are wrong.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockStep {
    /// Whose, as with `crash`. Default: `random`.
    #[serde(default)]
    pub who: Target,
    /// So far ahead of the calendar. Default: 0s.
    #[serde(default, with = "units::DurationText")]
    pub ahead: Duration,
    /// So far behind it. Default: 0s.
    #[serde(default, with = "units::DurationText")]
    pub behind: Duration,
    /// So many millionths too fast, or too slow if negative; -500,000 to 1,000,000. Default: 0.
    #[serde(default)]
    #[schemars(range(min = -500_000, max = 1_000_000))]
    pub drift_ppm: i32,
    /// For so long. Default: to the end.
    #[serde(
        rename = "for",
        default,
        with = "units::OptionalDuration",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Duration>,
}

/// Nodes send at most so many bytes a second; what is sent meanwhile waits in a line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UplinkStep {
    /// Who, as with `crash`. Default: `all`.
    #[serde(default = "super::all")]
    pub who: Target,
    /// The rate.
    pub bytes_per_second: std::num::NonZeroU64,
    /// For so long. Default: to the end.
    #[serde(
        rename = "for",
        default,
        with = "units::OptionalDuration",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Duration>,
}

/// Nodes come and go.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChurnStep {
    /// For so long; then those that are up stay, and those that are away stay away.
    #[serde(rename = "for", with = "units::DurationText")]
    pub lasts: Duration,
    /// The mean time between two newcomers, who come as in a Poisson process. Default: nobody new comes.
    #[serde(default, with = "units::OptionalDuration", skip_serializing_if = "Option::is_none")]
    pub arrivals_every: Option<Duration>,
    /// Who of those that are there takes part, as with `crash`. Newcomers all do. Default: `all`.
    #[serde(default = "super::all")]
    pub who: Target,
    /// How long a node stays each time.
    pub session: Span,
    /// How long it stays away before it comes back, with its identity. Default: for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absence: Option<Span>,
    /// How nodes go. Default: `crash`.
    #[serde(default)]
    pub departure: Departure,
    /// What becomes of the logs of those that crash. Default: `kept`.
    #[serde(default)]
    pub log: LogFate,
}

/// Nodes come and go as was recorded somewhere.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpTimesStep {
    /// A file with a line `NODE UP DOWN` for every session: a word, and seconds since this step; `-` for DOWN if it stays.
    pub file: String,
    /// What it is and where to get it; shown when it is missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// How nodes go. Default: `crash`.
    #[serde(default)]
    pub departure: Departure,
    /// What becomes of the logs of those that crash. Default: `kept`.
    #[serde(default)]
    pub log: LogFate,
}

/// How nodes go that come and go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Departure {
    /// In good order.
    Leave,
    /// They crash, and their links are reset.
    #[default]
    Crash,
    /// They crash, and their peers hear nothing.
    Silence,
}
