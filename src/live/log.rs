//! A live node's log: in memory, for networks that live and die with this process, or in a [`Journal`].

use super::StartError;
use super::core::Core;
use super::journal::Journal;
use crate::fault::LogFate;
use crate::observe::Observer;
use crate::protocol::Protocol;
use serde::de::DeserializeOwned;
use std::path::Path;

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
    pub(super) fn open<P, O>(folder: &Path, core: &mut Core<P, O>) -> Result<Log<R>, StartError>
    where
        R: DeserializeOwned,
        P: Protocol<Record = R>,
        O: Observer,
    {
        let (journal, written) = Journal::open(folder)?;
        let Core { names, contents, .. } = core;
        let decode = || written.iter().map(|record| postcard::from_bytes(record)).collect();
        let earlier: Result<Vec<R>, _> =
            names.lend(|| contents.without_limit(|contents| contents.lend(decode)));
        let earlier = earlier.map_err(|_| StartError::ForeignLog { folder: folder.into() })?;
        Ok(Log::Disk { journal, earlier })
    }

    /// Whether it is not written any more.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self, Log::Disk { journal, .. } if journal.has_failed())
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
