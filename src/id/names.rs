//! What stands on a wire for a [`NodeId`]: the node's [`Identity`], and where it can be reached.
//!
//! A process names the nodes that it has heard of by numbers of its own. [`Names`] is the table of them, and bounded: peers
//! can make a process hear of any number of nodes. Numbers are freed when nobody holds them, and a freed one means nobody for
//! long, not somebody else: the upper half of a number counts how often its place was given away. While a table is
//! [lent](Names::lend), messages that are encoded or decoded on this thread are translated by it; without one a number stays a
//! number, as within one process.

use super::{Identity, NodeId};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::net::SocketAddr;

thread_local! {
    static LENT: RefCell<Option<Names>> = const { RefCell::new(None) };
}

/// So many bits of a number are its place in the table, the rest its turn.
const PLACE_BITS: u32 = 16;
/// The turns of a place; the last one is that of [`NOBODY`].
const TURNS: u16 = u16::MAX;
/// The number of whoever is unknown; and his name, which no node can prove to have.
const NOBODY: (NodeId, Identity) = (NodeId(u32::MAX), Identity([0; 32]));
/// What was not heard of for so many seconds and is not held goes.
const DAY: u64 = 24 * 3_600;
/// In a crowded table it goes after so many: longer than any timer of a protocol runs.
const A_WHILE: u64 = 600;

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
    slots: Vec<Slot>,
    /// Looked up only.
    places: FxHashMap<Identity, NodeId>,
    /// Places that are free, those that are so for longest first.
    free: VecDeque<u16>,
    most: usize,
    /// In seconds.
    now: u64,
    speaker: Option<NodeId>,
    lacked_room: bool,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    turn: u16,
    entry: Option<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    identity: Identity,
    /// Where it was reached, or said itself that it can be.
    proven: Option<SocketAddr>,
    /// Where others said last that it can be reached.
    rumored: Option<SocketAddr>,
    /// When it was heard of last, or held.
    heard: u64,
    /// The peer that named it first, if one did.
    by: Option<NodeId>,
}

impl Names {
    /// A table for at most so many nodes, and never more than 65,536.
    pub fn new(most: usize) -> Names {
        Names {
            slots: Vec::new(),
            places: FxHashMap::default(),
            free: VecDeque::new(),
            most: most.min(1 << PLACE_BITS),
            now: 0,
            speaker: None,
            lacked_room: false,
        }
    }

    /// From now on it is this second.
    pub fn set_now(&mut self, seconds: u64) {
        self.now = seconds;
    }

    /// Whoever is named from now on is named by this peer.
    pub fn listen_to(&mut self, speaker: NodeId) {
        self.speaker = Some(speaker);
    }

    /// The number of a node, a new one if it had none; none if the table is full.
    pub fn intern(&mut self, identity: Identity) -> Option<NodeId> {
        self.enter(identity, None)
    }

    fn enter(&mut self, identity: Identity, by: Option<NodeId>) -> Option<NodeId> {
        if let Some(&node) = self.places.get(&identity) {
            let now = self.now;
            if let Some(entry) = self.entry_mut(node) {
                entry.heard = now;
            }
            return Some(node);
        }
        let place = match self.free.pop_front() {
            Some(place) => place,
            None if self.slots.len() < self.most => {
                self.slots.push(Slot { turn: 0, entry: None });
                (self.slots.len() - 1) as u16
            }
            None => {
                self.lacked_room = true;
                return None;
            }
        };
        let slot = &mut self.slots[usize::from(place)];
        slot.entry = Some(Entry { identity, proven: None, rumored: None, heard: self.now, by });
        let node = number(place, slot.turn);
        self.places.insert(identity, node);
        Some(node)
    }

    /// Somebody told of a node. What is known from the node itself stands.
    pub fn hear(&mut self, contact: Contact) -> Option<NodeId> {
        if contact.identity == NOBODY.1 {
            return Some(NOBODY.0);
        }
        let node = self.enter(contact.identity, self.speaker)?;
        let entry = self.entry_mut(node)?;
        if contact.address.is_some() && contact.address != entry.proven {
            entry.rumored = contact.address;
        }
        Some(node)
    }

    /// The same for the origin of a broadcast. Origins, which are held for as long as their broadcasts, never take the last
    /// quarter of the table: newcomers find room, however many origins somebody made up.
    pub fn hear_origin(&mut self, contact: Contact) -> Option<NodeId> {
        if self.room() < self.most / 4 && !self.places.contains_key(&contact.identity) {
            self.lacked_room = true;
            return None;
        }
        self.hear(contact)
    }

    /// The node itself said, or showed, where it can be reached.
    pub fn prove(&mut self, node: NodeId, address: SocketAddr) {
        if let Some(entry) = self.entry_mut(node) {
            entry.proven = Some(address);
            entry.rumored = entry.rumored.filter(|&rumored| rumored != address);
        }
    }

    /// Whether a number means somebody.
    pub fn knows(&self, node: NodeId) -> bool {
        self.entry(node).is_some()
    }

    /// Who a number means. If it was freed, that is nobody: an identity that no node has.
    pub fn identity(&self, node: NodeId) -> Identity {
        self.entry(node).map_or(NOBODY.1, |entry| entry.identity)
    }

    /// Where to look for a node, the likeliest place first.
    pub fn addresses(&self, node: NodeId) -> Vec<SocketAddr> {
        let known = self.entry(node).map(|entry| [entry.proven, entry.rumored]);
        known.into_iter().flatten().flatten().collect()
    }

    /// How others are told of a node.
    pub fn contact(&self, node: NodeId) -> Contact {
        let known = self.entry(node);
        let address = known.and_then(|entry| entry.proven.or(entry.rumored));
        Contact { identity: known.map_or(NOBODY.1, |entry| entry.identity), address }
    }

    fn entry(&self, node: NodeId) -> Option<&Entry> {
        let slot = self.slots.get(place(node))?;
        slot.entry.as_ref().filter(|_| slot.turn == turn(node))
    }

    fn entry_mut(&mut self, node: NodeId) -> Option<&mut Entry> {
        let slot = self.slots.get_mut(place(node))?;
        slot.entry.as_mut().filter(|_| slot.turn == turn(node))
    }

    /// How many nodes are in it.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many more it takes.
    pub fn room(&self) -> usize {
        self.most - self.places.len()
    }

    /// Whether more than half of it is taken.
    pub fn is_crowded(&self) -> bool {
        self.len() > self.most / 2
    }

    /// Whether somebody was not taken in since this was asked last.
    pub fn lacked_room(&mut self) -> bool {
        std::mem::take(&mut self.lacked_room)
    }

    /// Frees the numbers of those that nobody holds and nobody has spoken of for a day. In a crowded table more have to go,
    /// until three quarters of it are free: first whatever was named by peers that name very many, then what nobody has spoken
    /// of for ten minutes. How many went.
    pub fn free(&mut self, is_held: impl Fn(NodeId) -> bool) -> usize {
        let before = self.len();
        let mut idle: Vec<(NodeId, Entry)> = Vec::new();
        let mut named: FxHashMap<Option<NodeId>, usize> = FxHashMap::default();
        for at in 0..self.slots.len() {
            let Slot { turn, entry: Some(entry) } = &mut self.slots[at] else { continue };
            let node = number(at as u16, *turn);
            if is_held(node) {
                entry.heard = self.now;
            } else {
                *named.entry(entry.by).or_default() += 1;
                idle.push((node, *entry));
            }
        }
        let (now, many) = (self.now, self.most / 64);
        let is_flood = |entry: &Entry| entry.by.is_some() && named[&entry.by] > many;
        idle.sort_unstable_by_key(|(_, entry)| (Reverse(is_flood(entry)), entry.heard));
        for (node, entry) in &idle {
            let age = now.saturating_sub(entry.heard);
            let has_to_go = self.len() > self.most / 4 && before > self.most / 2;
            if age >= DAY || (has_to_go && (age >= A_WHILE || is_flood(entry))) {
                self.release(*node);
            }
        }
        before - self.len()
    }

    fn release(&mut self, node: NodeId) {
        let slot = &mut self.slots[place(node)];
        if let Some(entry) = slot.entry.take() {
            slot.turn = (slot.turn + 1) % TURNS;
            self.places.remove(&entry.identity);
            self.free.push_back(place(node) as u16);
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

fn number(place: u16, turn: u16) -> NodeId {
    NodeId(u32::from(turn) << PLACE_BITS | u32::from(place))
}

fn place(node: NodeId) -> usize {
    (node.0 & ((1 << PLACE_BITS) - 1)) as usize
}

fn turn(node: NodeId) -> u16 {
    (node.0 >> PLACE_BITS) as u16
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
        let nodes: Vec<NodeId> = (1..4).map(|number| here.intern(identity(number)).unwrap()).collect();
        let bytes = encoded(&mut here, &nodes);
        assert!(there.lend(|| postcard::from_bytes::<Vec<NodeId>>(&bytes)).is_err());
        assert!(there.lacked_room() && !there.lacked_room());
        there.set_now(DAY);
        assert_eq!(there.free(|node| node == NodeId(1)), 1);
        assert_eq!(there.intern(identity(7)), Some(NodeId(1 << 16)), "the place again, and another number");
        assert_eq!(there.intern(identity(2)), Some(NodeId(1)));
        assert_eq!(there.intern(identity(8)), None);
    }

    #[test]
    fn a_number_that_was_freed_means_nobody() {
        let (mut names, mut other) = (Names::new(10), Names::new(10));
        let gone = names.intern(identity(1)).unwrap();
        names.prove(gone, "127.0.0.1:1".parse().unwrap());
        names.set_now(DAY);
        names.free(|_| false);
        let next = names.intern(identity(2)).unwrap();
        names.prove(gone, "127.0.0.1:2".parse().unwrap());
        assert_eq!((names.knows(gone), names.identity(gone)), (false, NOBODY.1));
        assert!(names.addresses(gone).is_empty() && names.addresses(next).is_empty());
        let bytes = encoded(&mut names, &[gone, next]);
        let read: Vec<NodeId> = other.lend(|| postcard::from_bytes(&bytes)).unwrap();
        assert_eq!((read[0], read[1], other.len()), (NOBODY.0, NodeId(0), 1));
    }

    fn flood(names: &mut Names, by: u32, count: u32) {
        names.listen_to(NodeId(by));
        for number in 0..count {
            let mut identity = [by as u8; 32];
            identity[..4].copy_from_slice(&number.to_le_bytes());
            names.hear(Contact { identity: Identity(identity), address: None });
        }
    }

    #[test]
    fn a_flood_of_names_pushes_out_its_own_names_first() {
        let mut names = Names::new(1 << 16);
        flood(&mut names, 1, 500);
        flood(&mut names, 2, 1_000);
        flood(&mut names, 3, 100_000);
        assert_eq!((names.room(), names.lacked_room()), (0, true));
        names.set_now(5);
        // (Somebody holds 100 of them.)
        assert_eq!(names.free(|node| (20_000..20_100).contains(&node.0)), 49_152);
        assert!((0..1_500).all(|node| names.knows(NodeId(node))), "what others have said a moment ago");
        assert!((20_000..20_100).all(|node| names.knows(NodeId(node))));
        assert_eq!(names.free(|_| false), 0, "there is room");
    }

    #[test]
    fn origins_leave_room_for_others() {
        let mut names = Names::new(8);
        let contact = |number| Contact { identity: identity(number), address: None };
        let origins = (1..=8).filter(|&number| names.hear_origin(contact(number)).is_some()).count();
        assert_eq!((origins, names.hear_origin(contact(1)).is_some()), (7, true));
        assert!(names.hear(contact(8)).is_some());
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
