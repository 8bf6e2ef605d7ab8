//! A scenario before its graph is made.

use super::check;
use super::complaint;
use super::{Action, DataFolders, PlannedStep, Problems, Scenario, ScenarioError, ScenarioFile, Source};
use crate::graph::Graph;
use crate::protocol::Protocol;
use crate::sim::{Links, Topology};
use crate::time::Time;
use serde::de::DeserializeOwned;

/// A checked scenario whose graph is not made yet: what it will cost can be told before anything is spent on it.
#[derive(Clone, Debug)]
pub struct Outline<C> {
    /// The file, every default filled in.
    pub file: ScenarioFile<C>,
    /// How links behave.
    pub links: Links,
    /// What happens, in the order of the file.
    pub timeline: Vec<PlannedStep>,
    /// When the run ends.
    pub end: Time,
    /// The graph, if it was read from a file.
    pub(super) measured: Option<Graph>,
}

impl<C: DeserializeOwned + Default> Outline<C> {
    /// Parses and checks a scenario, and reads its data files.
    ///
    /// # Errors
    /// If anything is wrong; all problems that can be found at once are told at once.
    pub fn parse(source: &Source, data: &DataFolders) -> Result<Outline<C>, ScenarioError> {
        let wrong = |problems| ScenarioError::Wrong(Problems { source: source.clone(), problems });
        let file = complaint::parse(source).map_err(|problem| wrong(vec![problem]))?;
        check::check(file, source, data).map_err(wrong)
    }
}

impl<C> Outline<C> {
    /// What its nodes have in common, nothing left open.
    pub fn node<P: Protocol<Config = C>>(&self) -> C
    where
        C: Clone,
    {
        P::resolved(self.file.node.clone(), self.file.topology.is_some())
    }

    /// Whether nodes that run `P` can do what it asks of them.
    ///
    /// # Errors
    /// [`ScenarioError::CannotJoin`].
    pub fn check_for<P: Protocol<Config = C>>(&self) -> Result<(), ScenarioError>
    where
        C: Clone,
    {
        if self.joins() > 0 && !P::can_join(&self.node::<P>()) {
            return Err(ScenarioError::CannotJoin);
        }
        Ok(())
    }

    /// How many nodes are there at the start.
    pub fn nodes_at_start(&self) -> u64 {
        let generated = self.file.topology.as_ref().and_then(Topology::nodes);
        self.measured.as_ref().map(|graph| graph.nodes() as u64).or(generated).unwrap_or(0)
    }

    /// How many links are there at the start; the expected number, where [`Topology::links`] gives that.
    pub fn links_at_start(&self) -> u64 {
        let generated = self.file.topology.as_ref().and_then(Topology::links);
        self.measured.as_ref().map(|graph| graph.edge_count() as u64).or(generated).unwrap_or(0)
    }

    /// How many nodes join.
    pub fn joins(&self) -> u64 {
        let joins = self.timeline.iter().filter(|step| matches!(step.action, Action::Join { .. }));
        joins.map(|step| u64::from(step.count)).sum()
    }

    /// Makes the graph.
    pub fn build(self) -> Scenario<C> {
        let Outline { file, links, timeline, end, measured } = self;
        let graph = match (measured, &file.topology) {
            (Some(graph), _) => graph,
            (None, Some(topology)) => topology.build(file.seed).expect("its parameters were checked"),
            (None, None) => Graph::from_edges(0, &[]),
        };
        Scenario { file, graph: graph.into(), links, timeline, end }
    }
}
