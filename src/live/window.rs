//! A window into a node: through it other threads see how the node is, and can do nothing to it.

use super::keys::Secrets;
use super::visit::{Map, Status, VisitError, Visitor};
use super::{Live, Shared};
use crate::id::NodeId;
use crate::observe::Observer;
use crate::protocol::{Census, Protocol};
use std::sync::Arc;
use std::time::Duration;

/// Sees one node of this process, from any thread. It keeps the node's memory alive, but not the node.
#[derive(Clone)]
pub struct Window(Arc<dyn See + Send + Sync>);

/// What is seen in one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Glimpse {
    /// How the node is, as a visitor would be told.
    pub status: Status,
    /// What it counted last of the network.
    pub census: Option<Census>,
    /// How many bytes wait to be sent to its neighbors.
    pub queued: u64,
    /// Whether its log stopped being written.
    pub log_failed: bool,
}

/// Forgets for which protocol the node runs.
trait See {
    fn glimpse(&self) -> Glimpse;
    fn secrets(&self) -> Secrets;
}

struct Pane<P: Protocol, O> {
    shared: Arc<Shared<P, O>>,
    node: NodeId,
}

impl Window {
    /// How the node is now. It waits for the node's lock, and is as much work for it as a message.
    pub fn glimpse(&self) -> Glimpse {
        self.0.glimpse()
    }

    /// Asks the node's neighbors, theirs, and so on, up to `most` nodes, and for at most `patience`. It blocks until then.
    ///
    /// # Errors
    /// If nobody can be asked.
    pub fn map(&self, most: usize, patience: Duration) -> Result<Map, VisitError> {
        Ok(Visitor::new(self.0.secrets())?.map_around(self.glimpse().status, most, patience))
    }
}

impl<P: Protocol, O: Observer + Send + 'static> Live<P, O>
where
    P::Config: Sync,
{
    /// A window into a node of this process.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn window(&self, node: NodeId) -> Window {
        assert!(node.index() < self.shared.lock().hosts.len(), "{node:?} is no node of this process");
        Window(Arc::new(Pane { shared: Arc::clone(&self.shared), node }))
    }
}

impl<P: Protocol, O: Observer + Send + 'static> See for Pane<P, O>
where
    P::Config: Sync,
{
    fn glimpse(&self) -> Glimpse {
        let core = self.shared.lock();
        let host = &core.hosts[self.node.index()];
        Glimpse {
            status: core.status(self.node),
            census: host.census,
            queued: core.queued(self.node) as u64,
            log_failed: host.log.failure().is_some(),
        }
    }

    fn secrets(&self) -> Secrets {
        self.shared.secrets()
    }
}
