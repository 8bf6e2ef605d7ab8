//! What a scenario expects, as people write it.

use super::{Selector, everyone};
use crate::units;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// What must hold at the end.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// Every node that is up from a broadcast to the end, and could be reached, delivers it exactly once.
    EveryoneDelivers,
    /// All nodes are in one component at the end.
    Connected,
    /// The mean relative message redundancy (RMR) of all broadcasts.
    #[schemars(example = json!({"redundancy": {"max": 0.1}}))]
    Redundancy(Range<f64>),
    /// How long it takes until a share of the nodes has a broadcast.
    #[schemars(example = json!({"latency": {"share": 0.99, "max": "1s"}}))]
    Latency(LatencyExpectation),
    /// The payload messages of every single broadcast.
    #[schemars(example = json!({"messages": {"min": 299, "max": 1500}}))]
    Messages(Range<u64>),
    /// The links of every node that is up.
    #[schemars(example = json!({"peers": {"min": 3}}))]
    Peers(Range<u64>),
    /// How many nodes are up; and how many the last census counted, if one was asked for.
    #[schemars(example = json!({"size": {"min": 280, "max": 280}}))]
    Size(Range<u64>),
    /// The direct messages in a node's inbox.
    #[schemars(example = json!({"received": {"node": 1, "from": 0, "count": 1}}))]
    Received(ReceivedExpectation),
    /// After the shutdown no node is up, and none has sent anything.
    Stopped,
    /// Nothing is published twice under one number of its origin, and nobody delivers what never came to it.
    Integrity,
    /// Nobody delivers a broadcast twice, unless it lost its log between.
    NoDuplication,
    /// Every origin delivers what it publishes, before it sends it to anybody.
    Validity,
    /// Whoever is alive at the end, joiners included, has every broadcast that anybody alive has, down to the retention.
    Agreement,
    /// What anybody alive has, everybody alive has delivered, or reported that it never will.
    NoSilentLoss,
    /// Nobody ever has more than 10 neighbors; at the end everybody has 3 to 8 (or all others, if they are fewer), and
    /// neighbors agree that they are.
    Degree,
    /// Without faults the overlay never falls apart, whoever joins or leaves. Looked at after every change among up to 200
    /// nodes, and now and then among more.
    NoCut,
    /// After the last fault, join or leave the overlay is in one component in time.
    Repair,
    /// No broadcast crosses a link more than once in each direction, nor goes back to whom it came from.
    BoundedCost,
    /// What a node remembers of others is bounded: 1,024 addresses and as many direct messages.
    BoundedMemory,
}

/// Direct messages in a node's inbox.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceivedExpectation {
    /// Whose inbox: a number or a name.
    pub node: Selector,
    /// From whom. Default: from anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Selector>,
    /// With this text. Default: with any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Exactly so many, below 1,024: an inbox holds no more. Default: 1.
    #[serde(default = "one")]
    pub count: u64,
}

fn one() -> u64 {
    1
}

/// From here to there, both included. What is left out has no bound.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(deserialize = "T: Deserialize<'de>"))]
pub struct Range<T> {
    /// At least this.
    #[serde(default = "none::<T>", skip_serializing_if = "Option::is_none")]
    pub min: Option<T>,
    /// At most this.
    #[serde(default = "none::<T>", skip_serializing_if = "Option::is_none")]
    pub max: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

/// A bound on the time that every broadcast takes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatencyExpectation {
    /// Until so large a share of the nodes that could be reached has it. Default: 1, all of them.
    #[serde(default = "everyone", with = "units::Share")]
    pub share: f64,
    /// At most so long.
    #[serde(with = "units::DurationText")]
    pub max: Duration,
}
