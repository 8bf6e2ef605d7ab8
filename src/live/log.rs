//! A live node's log: in memory, for networks that live and die with this process, or in a [`Journal`].

use super::journal::Journal;
use crate::fault::LogFate;

/// A log of records.
pub(super) enum Log<R> {
    Memory(Vec<R>),
    Disk {
        journal: Journal,
        /// What was in it at the start.
        earlier: Vec<R>,
    },
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
