//! Who knows whom when calm begins (the graph K of protocol.md §1). What falls apart there nobody can put together
//! again: a guarantee that is broken after that was never given.

use crate::id::NodeId;
use crate::protocol::View;
use crate::scenario::Playback;
use crate::world::World;
use petgraph::unionfind::UnionFind;
use std::collections::BTreeMap;

/// How far those that were up knew of each other, through links and address books of anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Knowledge {
    /// In how many parts they were, none of which knew anybody of another.
    pub parts: usize,
    /// How many nodes were in the smallest of them.
    pub smallest: usize,
    /// One of those.
    pub example: NodeId,
}

impl Knowledge {
    /// As it is now; none if nobody is up, or if the protocol shows nothing of what its nodes know: then there is no excuse.
    /// Who is leaving counts no more.
    pub fn of<W: World>(playback: &Playback<W>) -> Option<Knowledge> {
        let (network, stays) = (playback.network(), |node| playback.stays(node));
        let nodes = || (0..network.size()).map(NodeId::at).filter(|&node| stays(node));
        let mut parts = UnionFind::<usize>::new(network.size());
        for (a, b) in network.topology().edges().filter(|&(a, b)| stays(a) && stays(b)) {
            parts.union(a.index(), b.index());
        }
        let mut shows_any = false;
        for node in nodes() {
            let View { neighbors, known, .. } = network.view(node);
            shows_any |= !(neighbors.is_empty() && known.is_empty());
            for peer in neighbors.into_iter().chain(known).filter(|&peer| stays(peer)) {
                parts.union(node.index(), peer.index());
            }
        }
        let mut sizes = BTreeMap::<usize, (usize, usize)>::new();
        for node in nodes() {
            sizes.entry(parts.find(node.index())).or_insert((0, node.index())).0 += 1;
        }
        let &(smallest, example) = sizes.values().min().filter(|_| shows_any)?;
        Some(Knowledge { parts: sizes.len(), smallest, example: NodeId::at(example) })
    }

    /// Whether everybody could be reached through somebody's links or address book.
    pub fn is_whole(&self) -> bool {
        self.parts == 1
    }
}
