//! What stands on a wire for a [`NodeId`]: the node's [`Identity`], and where it can be reached.
//!
//! A process names the nodes that it has heard of by dense numbers of its own. [`Names`] is the table of them, and
//! bounded: peers can make a process hear of any number of nodes. While a table is [lent](Names::lend), messages that are
//! encoded or decoded on this thread are translated by it; without one a number stays a number, as within one process.

use super::{Identity, NodeId};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::net::SocketAddr;

thread_local! {
    static LENT: RefCell<Option<Names>> = const { RefCell::new(None) };
}

/// A node as others are told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contact {
    /// Who it is.
    pub identity: Identity,
    /// Where it says it can be reached, if that is known.
    pub address: Option<SocketAddr>,
}

/// Which node is which number.
#[derive(Clone, Debug)]
pub struct Names {
    entries: Vec<Option<Entry>>,
    /// Looked up only.
    places: FxHashMap<Identity, NodeId>,
    free: Vec<NodeId>,
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    identity: Identity,
    /// Where it was reached, or said itself that it can be.
    proven: Option<SocketAddr>,
    /// Where others said last that it can be reached.
    rumored: Option<SocketAddr>,
}

impl Names {
    /// A table for at most so many nodes.
    pub fn new(most: usize) -> Names {
        Names { entries: Vec::new(), places: FxHashMap::default(), free: Vec::new(), most }
    }

    /// The number of a node, a new one if it had none; none if the table is full.
    pub fn intern(&mut self, identity: Identity) -> Option<NodeId> {
        if let Some(&node) = self.places.get(&identity) {
            return Some(node);
        }
        let entry = Some(Entry { identity, proven: None, rumored: None });
        let node = match self.free.pop() {
            Some(node) => {
                self.entries[node.index()] = entry;
                node
            }
            None if self.entries.len() < self.most => {
                self.entries.push(entry);
                NodeId::at(self.entries.len() - 1)
            }
            None => return None,
        };
        self.places.insert(identity, node);
        Some(node)
    }

    /// Somebody told of a node. What is known from the node itself stands.
    pub fn hear(&mut self, contact: Contact) -> Option<NodeId> {
        let node = self.intern(contact.identity)?;
        let entry = self.entries[node.index()].as_mut()?;
        if contact.address.is_some() && contact.address != entry.proven {
            entry.rumored = contact.address;
        }
        Some(node)
    }

    /// The node itself said, or showed, where it can be reached.
    pub fn prove(&mut self, node: NodeId, address: SocketAddr) {
        if let Some(entry) = &mut self.entries[node.index()] {
            entry.proven = Some(address);
            entry.rumored = entry.rumored.filter(|&rumored| rumored != address);
        }
    }

    /// Whether a number means somebody.
    pub fn knows(&self, node: NodeId) -> bool {
        self.entries.get(node.index()).is_some_and(Option::is_some)
    }

    /// Who a number means.
    ///
    /// # Panics
    /// If it means nobody.
    pub fn identity(&self, node: NodeId) -> Identity {
        self.entry(node).identity
    }

    /// Where to look for a node, the likeliest place first.
    pub fn addresses(&self, node: NodeId) -> Vec<SocketAddr> {
        let Entry { proven, rumored, .. } = self.entry(node);
        proven.iter().chain(rumored).copied().collect()
    }

    /// How others are told of a node.
    ///
    /// # Panics
    /// If the number means nobody.
    pub fn contact(&self, node: NodeId) -> Contact {
        let &Entry { identity, proven, rumored } = self.entry(node);
        Contact { identity, address: proven.or(rumored) }
    }

    fn entry(&self, node: NodeId) -> &Entry {
        self.entries.get(node.index()).and_then(Option::as_ref).expect("a number that this table gave")
    }

    /// How many nodes are in it.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Frees the numbers of all others.
    pub fn retain(&mut self, is_held: impl Fn(NodeId) -> bool) {
        for (index, place) in self.entries.iter_mut().enumerate() {
            let node = NodeId::at(index);
            if let Some(entry) = place.take_if(|_| !is_held(node)) {
                self.places.remove(&entry.identity);
                self.free.push(node);
            }
        }
    }

    /// Translates by this table whatever `work` encodes and decodes.
    pub fn lend<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let own = std::mem::replace(self, Names::new(0));
        LENT.with_borrow_mut(|lent| *lent = Some(own));
        let result = work();
        *self = LENT.with_borrow_mut(Option::take).expect("it was lent above");
        result
    }
}

/// What `look` finds in the table that is lent on this thread, if one is.
pub(crate) fn lent<T>(look: impl FnOnce(&mut Names) -> T) -> Option<T> {
    LENT.with_borrow_mut(|lent| lent.as_mut().map(look))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: u8) -> Identity {
        Identity([number; 32])
    }

    fn encoded(names: &mut Names, nodes: &[NodeId]) -> Vec<u8> {
        names.lend(|| postcard::to_allocvec(nodes)).unwrap()
    }

    #[test]
    fn a_message_means_the_same_nodes_in_another_process() {
        let (mut here, mut there) = (Names::new(10), Names::new(10));
        let nodes = [3u8, 1, 2].map(|number| here.intern(identity(number)).unwrap());
        here.prove(nodes[0], "127.0.0.1:5050".parse().unwrap());
        assert_eq!(there.intern(identity(1)), Some(NodeId(0)));
        let bytes = encoded(&mut here, &nodes);
        let read: Vec<NodeId> = there.lend(|| postcard::from_bytes(&bytes)).unwrap();
        assert_eq!(
            read.iter().map(|&node| there.identity(node)).collect::<Vec<_>>(),
            [3, 1, 2].map(identity)
        );
        assert_eq!(read[1], NodeId(0));
        assert_eq!(there.addresses(read[0]), ["127.0.0.1:5050".parse().unwrap()]);
    }

    #[test]
    fn a_full_table_is_an_error_and_room_can_be_made() {
        let (mut here, mut there) = (Names::new(10), Names::new(2));
        let nodes: Vec<NodeId> = (0..3).map(|number| here.intern(identity(number)).unwrap()).collect();
        let bytes = encoded(&mut here, &nodes);
        assert!(there.lend(|| postcard::from_bytes::<Vec<NodeId>>(&bytes)).is_err());
        there.retain(|node| node == NodeId(1));
        assert_eq!(there.len(), 1);
        assert_eq!(there.intern(identity(7)), Some(NodeId(0)));
        assert_eq!(there.intern(identity(1)), Some(NodeId(1)));
        assert_eq!(there.intern(identity(8)), None);
    }

    #[test]
    fn who_shows_where_it_is_is_believed_more_than_others() {
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let mut names = Names::new(10);
        let node = names.hear(Contact { identity: identity(1), address: Some(address(1)) }).unwrap();
        names.prove(node, address(2));
        names.hear(Contact { identity: identity(1), address: Some(address(3)) });
        names.hear(Contact { identity: identity(1), address: None });
        assert_eq!(names.addresses(node), [address(2), address(3)]);
        names.prove(node, address(3));
        assert_eq!(names.addresses(node), [address(3)]);
    }
}
