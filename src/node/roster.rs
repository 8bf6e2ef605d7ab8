//! A list of nodes that finds its members fast, however long it is.

use crate::id::NodeId;
use rand::seq::IndexedRandom;
use rustc_hash::FxHashSet;
use std::ops::Index;

/// A list of at most so many nodes is searched faster than a set, and takes less memory.
const SHORT: usize = 64;

/// Nodes in the order in which they came, none of them twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster {
    nodes: Vec<NodeId>,
    /// The same nodes, from the day on which there were too many to search the list. Looked up only.
    members: Option<Box<FxHashSet<NodeId>>>,
}

impl Roster {
    pub(super) fn contains(&self, node: NodeId) -> bool {
        match &self.members {
            Some(members) => members.contains(&node),
            None => self.nodes.contains(&node),
        }
    }

    /// Appends a node that is known to be new.
    pub(super) fn push(&mut self, node: NodeId) {
        self.nodes.push(node);
        if let Some(members) = &mut self.members {
            members.insert(node);
        } else if self.nodes.len() > SHORT {
            self.members = Some(Box::new(self.nodes.iter().copied().collect()));
        }
    }

    /// Removes a node; whether it was there. All others stay in their order.
    pub(super) fn remove(&mut self, node: NodeId) -> bool {
        let Some(place) = self.place(node) else { return false };
        self.nodes.remove(place);
        if let Some(members) = &mut self.members {
            members.remove(&node);
        }
        true
    }

    /// Puts a new node in the place of another one.
    pub(super) fn replace(&mut self, place: usize, node: NodeId) {
        let old = std::mem::replace(&mut self.nodes[place], node);
        if let Some(members) = &mut self.members {
            members.remove(&old);
            members.insert(node);
        }
    }

    pub(super) fn as_slice(&self) -> &[NodeId] {
        &self.nodes
    }

    /// All but this one.
    pub(super) fn without(&self, node: NodeId) -> Without<'_> {
        Without { nodes: &self.nodes, gap: self.place(node).unwrap_or(self.nodes.len()) }
    }

    fn place(&self, node: NodeId) -> Option<usize> {
        // Most of those that are looked for are not there, and a set knows that at once.
        if !self.contains(node) {
            return None;
        }
        self.nodes.iter().position(|&other| other == node)
    }
}

/// A roster without one of its nodes: to draw from as from the list of the others, without making that list.
#[derive(Debug)]
pub(super) struct Without<'a> {
    nodes: &'a [NodeId],
    /// Who is left out; the length of the list if nobody is.
    gap: usize,
}

impl Index<usize> for Without<'_> {
    type Output = NodeId;

    fn index(&self, at: usize) -> &NodeId {
        &self.nodes[at + usize::from(at >= self.gap)]
    }
}

impl IndexedRandom for Without<'_> {
    fn len(&self) -> usize {
        self.nodes.len() - usize::from(self.gap < self.nodes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Few nodes and many changes, around the length at which a roster gets its set.
    fn changes() -> impl Strategy<Value = Vec<(u8, u32)>> {
        prop::collection::vec((0u8..4, 0..2 * SHORT as u32), 0..600)
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_list(changes in changes()) {
            let (mut roster, mut list) = (Roster::default(), Vec::new());
            for (change, node) in changes {
                let node = NodeId(node);
                let place = list.iter().position(|&other| other == node);
                prop_assert_eq!(roster.contains(node), place.is_some());
                match (change, place) {
                    (0, _) => {
                        prop_assert_eq!(roster.remove(node), place.is_some());
                        list.retain(|&other| other != node);
                    }
                    (1, None) if !list.is_empty() => {
                        roster.replace(list.len() / 2, node);
                        let middle = list.len() / 2;
                        list[middle] = node;
                    }
                    (_, None) => {
                        roster.push(node);
                        list.push(node);
                    }
                    _ => {}
                }
                prop_assert_eq!(roster.as_slice(), &list);
            }
        }

        #[test]
        fn draws_are_those_from_a_list_without_that_one(
            nodes in 0u32..200,
            left_out in 0u32..200,
            seed: u64,
        ) {
            let mut roster = Roster::default();
            (0..nodes).for_each(|node| roster.push(NodeId(node)));
            let list: Vec<NodeId> = (0..nodes).filter(|&node| node != left_out).map(NodeId).collect();
            let without = roster.without(NodeId(left_out));
            let stream = || ChaCha8Rng::seed_from_u64(seed);
            prop_assert_eq!(without.choose(&mut stream()), list.choose(&mut stream()));
            let sample: Vec<&NodeId> = without.sample(&mut stream(), 5).collect();
            prop_assert_eq!(sample, list.sample(&mut stream(), 5).collect::<Vec<_>>());
        }
    }
}
