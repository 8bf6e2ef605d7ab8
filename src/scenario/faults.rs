//! What a step does that does harm, its targets found.

use super::{Departure, Nodes};
use crate::churn::{Span, UpTimes};
use crate::fault::{Condition, Crash, LogFate};
use crate::id::NodeId;
use std::sync::Arc;
use std::time::Duration;

/// A fault that a scenario declares.
#[derive(Clone, PartialEq, Debug)]
pub enum FaultPlan {
    /// Nodes crash.
    Crash {
        /// Which nodes.
        who: Nodes,
        /// How.
        crash: Crash,
        /// They start again after so long, if at all.
        lasts: Option<Duration>,
    },
    /// Nodes that have crashed start again.
    Restart {
        /// Which of them.
        who: Nodes,
    },
    /// The network is cut into groups.
    Partition {
        /// Which groups.
        into: Groups,
        /// Only what goes from an earlier group to a later one is stopped.
        one_way: bool,
        /// For so long; without, until a `Heal`.
        lasts: Option<Duration>,
    },
    /// All partitions are over.
    Heal,
    /// Links break.
    Reset {
        /// Whose.
        who: Nodes,
        /// Which share of them, 0 to 1.
        share: f64,
    },
    /// Something is wrong for a while.
    Condition {
        /// What a scenario file calls it.
        name: &'static str,
        /// With which nodes.
        who: Nodes,
        /// What; about whom it says itself means nothing.
        condition: Condition,
        /// For so long; without, to the end.
        lasts: Option<Duration>,
    },
    /// Nodes come and go by chance.
    Churn(Arc<ChurnPlan>),
    /// Nodes come and go as was recorded.
    UpTimes {
        /// When who is up.
        times: Arc<UpTimes>,
        /// How nodes go.
        departure: Departure,
        /// What becomes of the logs of those that crash.
        log: LogFate,
    },
}

/// The groups of a partition.
#[derive(Clone, PartialEq, Debug)]
pub enum Groups {
    /// Random ones, each so large a share.
    Shares(Vec<f64>),
    /// These.
    Named(Vec<Vec<NodeId>>),
    /// Each of these alone.
    Isolated(Nodes),
}

/// How nodes come and go.
#[derive(Clone, PartialEq, Debug)]
pub struct ChurnPlan {
    /// For so long.
    pub lasts: Duration,
    /// The mean time between two newcomers.
    pub arrivals_every: Option<Duration>,
    /// Who of those that are there takes part.
    pub who: Nodes,
    /// How long a node stays.
    pub session: Span,
    /// How long it stays away.
    pub absence: Option<Span>,
    /// How it goes.
    pub departure: Departure,
    /// What becomes of its log if it crashes.
    pub log: LogFate,
}

impl FaultPlan {
    /// What a scenario file calls it.
    pub fn name(&self) -> &'static str {
        match self {
            FaultPlan::Crash { .. } => "crash",
            FaultPlan::Restart { .. } => "restart",
            FaultPlan::Partition { .. } => "partition",
            FaultPlan::Heal => "heal",
            FaultPlan::Reset { .. } => "reset",
            FaultPlan::Condition { name, .. } => name,
            FaultPlan::Churn(_) => "churn",
            FaultPlan::UpTimes { .. } => "up_times",
        }
    }

    /// Whether nodes may start again because of it.
    pub fn restarts(&self) -> bool {
        match self {
            FaultPlan::Restart { .. } | FaultPlan::UpTimes { .. } => true,
            FaultPlan::Crash { lasts, .. } => lasts.is_some(),
            FaultPlan::Churn(plan) => plan.absence.is_some(),
            _ => false,
        }
    }
}
