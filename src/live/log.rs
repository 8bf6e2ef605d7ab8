//! A live node's log: in memory, for networks that live and die with this process, or in a [`Journal`].

use super::core::Core;
use super::journal::Journal;
use super::{Shared, StartError};
use crate::fault::LogFate;
use crate::id::NodeId;
use crate::observe::Observer;
use crate::protocol::Protocol;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::Arc;

/// A log of records.
pub(super) enum Log<R> {
    Memory(Vec<R>),
    Disk {
        journal: Journal,
        /// What was in it at the start.
        earlier: Vec<R>,
    },
}

impl<R> Log<R> {
    /// Opens the log of a node that is about to begin its only life in this process.
    pub(super) fn open<P, O>(
        folder: &Path,
        shared: &Arc<Shared<P, O>>,
        node: NodeId,
    ) -> Result<Log<R>, StartError>
    where
        R: DeserializeOwned + Send + 'static,
        P: Protocol<Record = R>,
        P::Config: Sync,
        O: Observer + Send + 'static,
    {
        let weak = Arc::downgrade(shared);
        let on_synced = move |records| {
            if let Some(shared) = weak.upgrade() {
                shared.with(|core| core.synced(node, records));
            }
        };
        let (journal, written) = Journal::open(folder, on_synced)?;
        let mut core = shared.lock();
        let Core { names, contents, .. } = &mut *core;
        let decode = || written.iter().map(|record| postcard::from_bytes(record)).collect();
        let earlier: Result<Vec<R>, _> =
            names.lend(|| contents.without_limit(|contents| contents.lend(decode)));
        let earlier = earlier.map_err(|_| StartError::ForeignLog { folder: folder.into() })?;
        Ok(Log::Disk { journal, earlier })
    }

    /// Whether more waits to be written than should.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Log::Disk { journal, .. } if journal.is_full())
    }

    /// Why it stopped being written, if it did.
    pub(super) fn failure(&self) -> Option<String> {
        match self {
            Log::Memory(_) => None,
            Log::Disk { journal, .. } => journal.failure(),
        }
    }
}

impl<R: Clone> Log<R> {
    /// What was written before this life.
    pub(super) fn earlier(&mut self) -> Vec<R> {
        match self {
            Log::Memory(records) => records.clone(),
            Log::Disk { earlier, .. } => std::mem::take(earlier),
        }
    }

    /// The node crashed; what became of the log.
    pub(super) fn crash(&mut self, fate: LogFate) -> LogFate {
        if let (Log::Memory(records), LogFate::Lost) = (self, fate) {
            records.clear();
        }
        fate
    }
}
