//! The nodes' durable logs. A record is safe when its sync is over; one sync takes along all that was written before it
//! began (group commit), and only one is under way at a node.

use crate::fault::LogFate;
use crate::id::NodeId;
use crate::transport::Durability;
use rustc_hash::FxHashMap;
use std::time::Duration;

/// Where nodes keep their logs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Disk {
    /// Nowhere: for a network in which nobody starts again. A record counts as safe at once.
    #[default]
    None,
    /// On a disk that needs so long to make records safe; zero: they are at once.
    Syncs(Duration),
}

/// All logs.
pub(super) struct Logs<R> {
    disk: Disk,
    /// Looked up only.
    by_node: FxHashMap<NodeId, Log<R>>,
}

struct Log<R> {
    records: Vec<R>,
    /// So many were there when this life began.
    earlier: usize,
    /// So many are safe.
    safe: usize,
    /// So many will be, when the sync that is under way is over.
    syncing: Option<usize>,
}

impl<R> Default for Log<R> {
    fn default() -> Log<R> {
        Log { records: Vec::new(), earlier: 0, safe: 0, syncing: None }
    }
}

impl<R> Logs<R> {
    pub(super) fn new(disk: Disk) -> Logs<R> {
        Logs { disk, by_node: FxHashMap::default() }
    }

    /// Writes a record; and how long the sync takes that has to begin for it, if one has.
    pub(super) fn append(&mut self, node: NodeId, record: R) -> (Durability, Option<Duration>) {
        let Disk::Syncs(length) = self.disk else { return (Durability::Synced, None) };
        let log = self.by_node.entry(node).or_default();
        log.records.push(record);
        if length.is_zero() {
            log.safe = log.records.len();
            return (Durability::Synced, None);
        }
        (Durability::Pending, log.begin_sync().then_some(length))
    }

    /// A sync is over: so many records of this life are safe; and how long the next one takes, if one has to begin.
    pub(super) fn synced(&mut self, node: NodeId) -> (u64, Option<Duration>) {
        let Disk::Syncs(length) = self.disk else { return (0, None) };
        let log = self.by_node.entry(node).or_default();
        log.safe = log.syncing.take().unwrap_or(log.safe);
        ((log.safe - log.earlier) as u64, log.begin_sync().then_some(length))
    }

    /// The node crashes: what becomes of its log in truth. One without any safe record has nothing to keep.
    pub(super) fn crash(&mut self, node: NodeId, fate: LogFate) -> LogFate {
        match self.by_node.get_mut(&node).filter(|log| fate == LogFate::Kept && log.safe > 0) {
            Some(log) => {
                log.records.truncate(log.safe);
                log.syncing = None;
                LogFate::Kept
            }
            None => {
                self.by_node.remove(&node);
                LogFate::Lost
            }
        }
    }

    /// The node starts again: takes out what it wrote in earlier lives, to be put [back](Logs::put_back). Of what was not
    /// safe when it stopped it was never told that it is; so it is not.
    pub(super) fn take(&mut self, node: NodeId) -> Vec<R> {
        let Some(Log { mut records, safe, .. }) = self.by_node.remove(&node) else { return Vec::new() };
        records.truncate(safe);
        records
    }

    /// Puts earlier records back before those of this life.
    pub(super) fn put_back(&mut self, node: NodeId, mut earlier: Vec<R>) {
        let log = self.by_node.entry(node).or_default();
        let count = earlier.len();
        earlier.append(&mut log.records);
        log.records = earlier;
        (log.earlier, log.safe) = (count, log.safe + count);
        log.syncing = log.syncing.map(|syncing| syncing + count);
    }
}

impl<R> Log<R> {
    /// Begins a sync, if none is under way and there is something to be made safe.
    fn begin_sync(&mut self) -> bool {
        let begins = self.syncing.is_none() && self.safe < self.records.len();
        if begins {
            self.syncing = Some(self.records.len());
        }
        begins
    }
}
