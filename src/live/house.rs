//! Keeping house: idle sessions are kept alive and silent ones given up, slow readers cut off, and what nobody needs any more
//! is forgotten: contents, and names of nodes.

use super::core::{Core, Link};
use super::frame;
use super::{KEEP_ALIVE, SILENCE};
use crate::id::NodeId;
use crate::observe::Observer;
use crate::protocol::Protocol;
use crate::time::{Time, nanos};
use std::time::Duration;
use tokio::time::Instant;

/// The shortest encoding of a node's name.
const NAME: usize = 33;
/// So often names are freed when there is no hurry, in seconds of the node's time.
const SWEEP: u64 = 60;
/// So long nothing is tried after an attempt that freed too little.
const REST: Duration = Duration::from_secs(1);

impl<P: Protocol, O: Observer> Core<P, O> {
    /// Keeps idle sessions alive, and gives up those over which nothing is heard, or nothing can be said. (Who says that it is
    /// there and never reads would hold up for ever what its neighbors have to publish.)
    pub(super) fn keep_alive(&mut self) {
        let now = Instant::now();
        let (silence, pause) = (self.clock.real(SILENCE), self.clock.real(KEEP_ALIVE));
        let (mut silent, mut stuck) = (Vec::new(), Vec::new());
        for (index, host) in self.hosts.iter_mut().enumerate() {
            for (&peer, link) in &mut host.links {
                let Link::Up(session) = link else { continue };
                if now.duration_since(session.heard) > silence {
                    silent.push((NodeId::at(index), NodeId(peer), session.id));
                } else if session.queue.is_stuck(silence) {
                    stuck.push((NodeId::at(index), NodeId(peer)));
                } else if now.duration_since(session.told) >= pause {
                    session.queue.push(now, frame::push_keep_alive);
                    session.queue.free_room();
                    session.told = now;
                }
            }
        }
        for (node, peer, id) in silent {
            self.session_over(node, peer, id);
        }
        for (node, peer) in stuck {
            self.cut_off(node, peer);
            self.follow_up();
        }
    }

    /// Forgets contents for which no node asks any more, and names that nobody holds.
    pub(super) fn forget(&mut self) {
        let now = self.now();
        if let Some(kept) = P::keeps_contents(&self.config.node).filter(|_| self.config.forgets) {
            let oldest = now.nanos().saturating_sub(nanos(kept));
            self.contents.forget_before(Time::from_nanos(oldest));
        }
        self.contents.set_now(now);
        let seconds = now.nanos() / 1_000_000_000;
        self.names.set_now(seconds);
        if self.names.is_crowded() || self.contents.is_strewn() || seconds >= self.swept + SWEEP {
            self.free_names();
        }
    }

    /// Sees to it that a message of so many bytes can name whomever it names, if that can be.
    pub(super) fn make_room(&mut self, bytes: usize) {
        // What lacked room before has nothing to do with this message.
        _ = self.names.lacked_room() | self.contents.lacked_room();
        if self.names.room() < bytes / NAME && self.resting_until.is_none_or(|until| until <= Instant::now())
        {
            self.free_names();
            self.resting_until = self.names.is_crowded().then(|| Instant::now() + REST);
        }
    }

    fn free_names(&mut self) {
        self.swept = self.now().nanos() / 1_000_000_000;
        let mut held = self.held();
        held.sort_unstable();
        held.dedup();
        self.names.free(|node| held.binary_search(&node.0).is_ok());
        let names = &self.names;
        self.contents.forget_origins(|origin| names.knows(origin));
    }

    /// Whom somebody here holds: the nodes of this process, those to which there are links, whom the nodes show that they know,
    /// and the origins of what is kept.
    ///
    /// A node may remember more names than it shows. No number is given to somebody else for long after it was freed, so such
    /// a name then means nobody: its link is down, and its messages are lost.
    fn held(&self) -> Vec<u32> {
        let mut held: Vec<u32> = self.contents.origins().map(|node| node.0).collect();
        for (index, host) in self.hosts.iter().enumerate() {
            let view = self.view(NodeId::at(index));
            held.push(index as u32);
            held.extend(host.links.keys());
            held.extend(view.neighbors.iter().chain(&view.known).map(|node| node.0));
            held.extend(view.inbox.iter().map(|(sender, _)| sender.0));
        }
        held
    }

    /// A peer said what cannot be read. Whether its session goes on: it does if there was only no room for what it said.
    pub(super) fn refuse_message(&mut self, node: NodeId) -> bool {
        let refused = &mut self.hosts[node.index()].refused;
        // (Both are asked: both forget it.)
        let lacked_room = self.names.lacked_room() | self.contents.lacked_room();
        match lacked_room {
            true => refused.no_room += 1,
            false => refused.broken += 1,
        }
        lacked_room
    }

    /// How many bytes wait for the peers of a node.
    pub(super) fn queued(&self, node: NodeId) -> usize {
        self.hosts[node.index()].links.values().map(Link::queued).sum()
    }

    /// Ends the session for which most waits.
    pub(super) fn cut_off_slowest(&mut self, node: NodeId) {
        let links = &self.hosts[node.index()].links;
        if let Some(peer) = links.iter().max_by_key(|(_, link)| link.queued()).map(|(&peer, _)| peer) {
            self.cut_off(node, NodeId(peer));
        }
    }

    /// Ends the session with a peer that reads too slowly. What waits for it is thrown away: it learns of that by the end of
    /// the session, and gets it later.
    pub(super) fn cut_off(&mut self, node: NodeId, peer: NodeId) {
        self.hosts[node.index()].refused.slow += 1;
        if let Some(session) = self.session(node, peer) {
            session.abort();
        }
        self.close(node, peer);
    }
}
