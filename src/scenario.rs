//! Scenarios: an experiment as a file. Three stages: [`ScenarioFile`] is what people write; [`Outline`] is what was
//! checked, with its data files read, and nothing about it can be wrong any more; [`Scenario`] has its graph as well.

mod check;
mod complaint;
mod data;
mod faults;
mod file;
mod outline;
mod playback;
mod reference;
mod schema;
mod source;

#[cfg_attr(
    not(feature = "cli"),
    expect(unused_imports, reason = "the command line guesses names as well")
)]
pub(crate) use complaint::did_you_mean;
pub use data::DataFolders;
pub use faults::{ChurnPlan, FaultPlan, Groups};
pub use file::*;
pub use outline::Outline;
pub use playback::{Closing, DeclaredFault, IdleStep, Playback, Progress};
pub use reference::reference;
pub use schema::schema;
pub use source::{Problem, Source};

use crate::graph::Graph;
use crate::id::NodeId;
use crate::protocol::Protocol;
use crate::sim::{Disk, Links, SimConfig};
use crate::time::Time;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A checked scenario.
#[derive(Clone, Debug)]
pub struct Scenario<C> {
    /// The file, every default filled in.
    pub file: ScenarioFile<C>,
    /// Who is linked to whom at the start.
    pub graph: Arc<Graph>,
    /// How links behave.
    pub links: Links,
    /// What happens, in the order of the file.
    pub timeline: Vec<PlannedStep>,
    /// When the run ends.
    pub end: Time,
}

/// A step of the timeline, its targets found.
#[derive(Clone, PartialEq, Debug)]
pub struct PlannedStep {
    /// When it happens first.
    pub at: Time,
    /// How many times.
    pub count: u32,
    /// How long from one time to the next.
    pub every: Duration,
    /// What happens.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// A node joins.
    Join {
        /// Through whom.
        contact: Through,
    },
    /// Nodes leave.
    Leave {
        /// Which nodes.
        who: Nodes,
    },
    /// Nodes broadcast.
    Broadcast {
        /// Which nodes.
        from: Nodes,
        /// What kind of message.
        title: String,
        /// The text.
        message: String,
    },
    /// Nodes send to single nodes.
    Send {
        /// Which nodes.
        from: Nodes,
        /// To which nodes, each of them.
        to: Nodes,
        /// What kind of message.
        title: String,
        /// The text.
        message: String,
    },
    /// Nodes ask their neighbors for nodes that they know.
    Discover {
        /// Which nodes.
        who: Nodes,
    },
    /// The status of the network is written down.
    Status {
        /// Under this name.
        name: String,
        /// These nodes count the network by themselves.
        by: Option<Nodes>,
    },
    /// Every node stops.
    Shutdown,
    /// Harm is done.
    Fault(FaultPlan),
    /// The network is drawn and exported.
    Snapshot {
        /// Under this name.
        name: String,
        /// With the messages of this node.
        follow: Option<NodeId>,
    },
}

/// Which nodes a step is about, of those that are up each time that it happens.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Nodes {
    /// One, drawn anew.
    Random,
    /// The one that everybody knows.
    Genesis,
    /// All of them.
    All,
    /// So large a share of them, drawn anew.
    Share(f64),
    /// This one.
    One(NodeId),
}

/// Through whom a node joins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Through {
    /// Those that everybody knows.
    Genesis,
    /// One, drawn anew.
    Random,
    /// This one.
    One(NodeId),
}

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read the scenario {}: {error}", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not text.
    #[error("the scenario {} is not text: byte {offset} is not UTF-8; save it as UTF-8", path.display())]
    NotText {
        /// Its path.
        path: PathBuf,
        /// The place of the first wrong byte, from 0.
        offset: usize,
    },
    /// A value to be changed has no place in it.
    #[error("cannot set {path}: {reason}")]
    NoSuchPlace {
        /// The path that was to be set.
        path: String,
        /// Why not.
        reason: String,
    },
    /// Nodes would join that cannot.
    #[error(
        "nodes are to join, but those of this scenario cannot; give them another overlay, as in \"node\": {{\"overlay\": \"regular\"}}"
    )]
    CannotJoin,
    /// There is no network to be drawn before the run.
    #[error("nobody is there at the start of this scenario; run it, and see the pictures among its results")]
    NobodyToDraw,
    /// Something in it is wrong.
    #[error("{0}")]
    Wrong(Problems),
}

/// Everything that is wrong with a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problems {
    /// Its text.
    pub source: Source,
    /// What is wrong, in the order of the text. Never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Problems {
    /// One line each: `file:line:column: path: message (remedy)`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let (line, column) = self.source.line_and_column(problem.span.start);
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{line}:{column}: {problem}", self.source.name)?;
        }
        Ok(())
    }
}

/// No scenario needs more bytes.
const LARGEST_SCENARIO: u64 = 64 << 20;

impl Source {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// If it cannot be read or is not UTF-8.
    pub fn read(path: &Path) -> Result<Source, ScenarioError> {
        let bytes = data::read_file(path, LARGEST_SCENARIO)
            .map_err(|error| ScenarioError::Unreadable { path: path.into(), error })?;
        let text = String::from_utf8(bytes).map_err(|error| ScenarioError::NotText {
            path: path.into(),
            offset: error.utf8_error().valid_up_to(),
        })?;
        // Some editors begin a text with a byte order mark.
        let text = text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned);
        Ok(Source { name: path.display().to_string(), text })
    }
}

impl<C: DeserializeOwned + Default> Scenario<C> {
    /// Parses and checks a scenario, reads its data files and builds its graph.
    ///
    /// # Errors
    /// If anything is wrong; all problems that can be found at once are told at once.
    pub fn parse(source: &Source, data: &DataFolders) -> Result<Scenario<C>, ScenarioError> {
        Outline::parse(source, data).map(Outline::build)
    }
}

impl<C: Clone> Scenario<C> {
    /// What the simulator needs of it.
    pub fn sim_config<P: Protocol<Config = C>>(&self) -> SimConfig<P> {
        let (links, disk, node) = (self.links.clone(), self.disk(), self.file.node.clone());
        SimConfig { graph: Arc::clone(&self.graph), links, disk, node }
    }

    /// Logs are only kept where somebody may start again, or where it takes time to write them.
    fn disk(&self) -> Disk {
        let takes_time = !self.file.disk.sync.is_zero();
        let restarts = |step: &PlannedStep| matches!(&step.action, Action::Fault(plan) if plan.restarts());
        if takes_time || self.timeline.iter().any(restarts) {
            Disk::Syncs(self.file.disk.sync)
        } else {
            Disk::None
        }
    }
}

impl<C> Scenario<C> {
    /// Whether an expectation needs an [audit](crate::observe::Audit).
    pub fn needs_audit(&self) -> bool {
        let needs = |expectation: &Expectation| {
            matches!(
                expectation,
                Expectation::Integrity
                    | Expectation::Validity
                    | Expectation::NoSilentLoss
                    | Expectation::BoundedCost
            )
        };
        self.file.expect.iter().any(needs)
    }

    /// The nodes whose messages are to be drawn.
    pub fn followed(&self) -> impl Iterator<Item = NodeId> {
        self.timeline.iter().filter_map(|step| match step.action {
            Action::Snapshot { follow, .. } => follow,
            _ => None,
        })
    }

    /// The node with this name or number, whether there is one or not.
    pub fn find(&self, selector: &Selector) -> Option<NodeId> {
        find_node(&self.file.names, selector)
    }

    /// A node's name: the one it was given, or its number.
    pub fn name_of(&self, node: NodeId) -> String {
        self.file.names.get(node.index()).cloned().unwrap_or_else(|| node.0.to_string())
    }
}

fn find_node(names: &[String], selector: &Selector) -> Option<NodeId> {
    match selector {
        Selector::Number(number) => u32::try_from(*number).ok().map(NodeId),
        Selector::Name(name) => names.iter().position(|candidate| candidate == name).map(NodeId::at),
    }
}
