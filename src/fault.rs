//! What can go wrong with nodes and with what lies between them, as data: it can be printed, shrunk and replayed. Worlds
//! carry it out and count what came of it.

use crate::id::NodeId;
use crate::time::Time;
use fixedbitset::FixedBitSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How a node dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Crash {
    /// What becomes of its log.
    pub log: LogFate,
    /// How its peers learn of it.
    pub detection: Detection,
}

/// What becomes of the log of a node that crashes. What was not yet synced is lost either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFate {
    /// It is there when the node starts again.
    #[default]
    Kept,
    /// It is gone, as with a broken disk.
    Lost,
}

/// How peers learn that a node has crashed. They have no other way than their links to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Detection {
    /// The process died and its machine lives: links are reset at once, and new ones refused.
    #[default]
    Reset,
    /// The machine died: peers hear nothing, and give the link up when it has been silent for too long.
    Silence,
}

/// What is wrong with the network for a while.
#[derive(Clone, PartialEq, Debug)]
pub enum Condition {
    /// Nothing passes between some nodes. Reliable links hold what is sent until the cut heals or the link is given up;
    /// datagrams are lost.
    Cut(Arc<Cut>),
    /// A share of the datagrams is lost, 0 to 1.
    Loss {
        /// From or to whom.
        whom: Whom,
        /// Which share.
        share: f64,
    },
    /// A share of the datagrams arrives twice, 0 to 1.
    Duplication {
        /// From or to whom.
        whom: Whom,
        /// Which share.
        share: f64,
    },
    /// A share of the messages takes longer. Where links keep no order, later messages overtake them.
    Delay {
        /// From or to whom.
        whom: Whom,
        /// Which share, 0 to 1.
        share: f64,
        /// At least so much longer.
        min: Duration,
        /// At most so much longer; how much is drawn uniformly for every message.
        max: Duration,
    },
    /// These nodes do nothing; what reaches them waits, what the application asks of them as well. One that
    /// crashes and starts again meanwhile stands still as well.
    Pause(Whom),
    /// These nodes take so long for each thing that they handle; what reaches them meanwhile waits in a line.
    Slow {
        /// Which nodes.
        whom: Whom,
        /// How long for each.
        by: Duration,
    },
    /// The clocks of these nodes are wrong.
    Clock {
        /// Which nodes, of those that are there when it begins.
        whom: Whom,
        /// So many nanoseconds ahead of the calendar; behind it, if negative.
        skew: i64,
        /// So many millionths too fast; too slow, if negative.
        drift: i32,
    },
    /// These nodes send at most so many bytes a second; what is sent meanwhile waits in a line.
    Uplink {
        /// Which nodes.
        whom: Whom,
        /// The rate, at least 1.
        bytes_per_second: u64,
    },
}

impl Condition {
    /// What it is, in one word.
    pub fn name(&self) -> &'static str {
        match self {
            Condition::Cut(_) => "cut",
            Condition::Loss { .. } => "loss",
            Condition::Duplication { .. } => "duplication",
            Condition::Delay { .. } => "delay",
            Condition::Pause(_) => "pause",
            Condition::Slow { .. } => "slow",
            Condition::Clock { .. } => "clock",
            Condition::Uplink { .. } => "uplink",
        }
    }

    /// The same, about others.
    pub fn about(self, whom: Whom) -> Condition {
        match self {
            Condition::Cut(cut) => Condition::Cut(cut),
            Condition::Loss { share, .. } => Condition::Loss { whom, share },
            Condition::Duplication { share, .. } => Condition::Duplication { whom, share },
            Condition::Delay { share, min, max, .. } => Condition::Delay { whom, share, min, max },
            Condition::Pause(_) => Condition::Pause(whom),
            Condition::Slow { by, .. } => Condition::Slow { whom, by },
            Condition::Clock { skew, drift, .. } => Condition::Clock { whom, skew, drift },
            Condition::Uplink { bytes_per_second, .. } => Condition::Uplink { whom, bytes_per_second },
        }
    }

    /// Whether it can keep a message from a node for as long as it lasts: then nothing can be judged before it is over.
    pub fn withholds(&self) -> bool {
        match self {
            Condition::Cut(_) | Condition::Pause(_) => true,
            Condition::Loss { share, .. } => *share >= 1.0,
            _ => false,
        }
    }
}

/// Which nodes a condition is about.
#[derive(Clone, PartialEq, Debug)]
pub enum Whom {
    /// All of them, those included that come later.
    Everybody,
    /// These.
    Some(Arc<FixedBitSet>),
}

impl Whom {
    /// These nodes.
    pub fn these(nodes: impl IntoIterator<Item = NodeId>) -> Whom {
        Whom::Some(Arc::new(nodes.into_iter().map(NodeId::index).collect()))
    }

    /// Whether a node is among them.
    #[inline]
    pub fn contains(&self, node: NodeId) -> bool {
        match self {
            Whom::Everybody => true,
            Whom::Some(nodes) => nodes.contains(node.index()),
        }
    }
}

/// Nodes in groups between which nothing passes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cut {
    /// By node. Those that come later are in group 0.
    pub groups: Vec<u32>,
    /// Only what goes from a lower group to a higher one is stopped.
    pub one_way: bool,
}

impl Cut {
    /// Whether it stops what `from` sends to `to`.
    #[inline]
    pub fn stops(&self, from: NodeId, to: NodeId) -> bool {
        let group = |node: NodeId| self.groups.get(node.index()).copied().unwrap_or(0);
        let (from, to) = (group(from), group(to));
        if self.one_way { from < to } else { from != to }
    }

    /// Whether it stops anything between the two.
    pub fn separates(&self, a: NodeId, b: NodeId) -> bool {
        self.stops(a, b) || self.stops(b, a)
    }
}

/// A condition that was imposed on a world: the number of it, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ConditionId(pub u32);

/// What came of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Effects {
    /// Messages that it stopped, lost, doubled or delayed.
    pub messages: u64,
    /// Ends of links that were given up because of it.
    pub link_ends: u64,
    /// Nodes that it stopped, started again or brought in.
    pub nodes: u64,
    /// Things that nodes handled late, or by a wrong clock.
    pub handled: u64,
    /// Cuts that it healed.
    pub healed: u64,
    /// When it had its first effect.
    pub first: Option<Time>,
    /// When it had its last effect.
    pub last: Option<Time>,
}

impl Effects {
    /// Whether it had any.
    pub fn is_none(&self) -> bool {
        self.first.is_none()
    }

    /// It had an effect on a message.
    pub fn on_message(&mut self, time: Time) {
        self.messages += 1;
        self.at(time);
    }

    /// It ended a link at one of its ends.
    pub fn on_link_end(&mut self, time: Time) {
        self.link_ends += 1;
        self.at(time);
    }

    /// It stopped a node, started it again, or brought it in.
    pub fn on_node(&mut self, time: Time) {
        self.nodes += 1;
        self.at(time);
    }

    /// It had an effect on something that a node handled.
    pub fn on_handled(&mut self, time: Time) {
        self.handled += 1;
        self.at(time);
    }

    /// It healed a cut.
    pub fn on_cut_healed(&mut self, time: Time) {
        self.healed += 1;
        self.at(time);
    }

    fn at(&mut self, time: Time) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = self.last.max(Some(time));
    }

    /// Both together.
    pub fn plus(self, other: Effects) -> Effects {
        Effects {
            messages: self.messages + other.messages,
            link_ends: self.link_ends + other.link_ends,
            nodes: self.nodes + other.nodes,
            handled: self.handled + other.handled,
            healed: self.healed + other.healed,
            first: self.first.into_iter().chain(other.first).min(),
            last: self.last.max(other.last),
        }
    }
}
