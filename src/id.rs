//! Who is who: [`NodeId`], an index that means something in this process only, and [`Identity`], the global name.

mod names;

pub(crate) use names::lent;
pub use names::{Contact, Names};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use std::fmt;

/// A node, as an index into the tables of this process: dense, cheap, local.
///
/// It is deliberately not ordered: what a protocol sorts or hashes must be the same in every process, and that
/// is the [`Identity`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The node at `index` of a table.
    ///
    /// # Panics
    /// If `index` does not fit into 32 bits; no world holds that many nodes.
    pub fn at(index: usize) -> NodeId {
        NodeId(u32::try_from(index).expect("a world holds at most 2^32 nodes"))
    }

    /// Its place in a table.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl Serialize for NodeId {
    /// A number for people. On a wire it is a [`Contact`], by the table of [`Names`] that is lent; within one process the
    /// index is all that is needed, in the first four of the 32 bytes that an identity takes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_u32(self.0);
        }
        if let Some(contact) = lent(|names| names.contact(*self)) {
            return contact.serialize(serializer);
        }
        let mut name = [0u8; 32];
        name[..4].copy_from_slice(&self.0.to_le_bytes());
        name.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NodeId, D::Error> {
        if deserializer.is_human_readable() {
            return u32::deserialize(deserializer).map(NodeId);
        }
        if lent(|_| ()).is_some() {
            let contact = Contact::deserialize(deserializer)?;
            let node = lent(|names| names.hear(contact)).flatten();
            return node.ok_or_else(|| de::Error::custom("no room for the names of further nodes"));
        }
        let name = <[u8; 32]>::deserialize(deserializer)?;
        Ok(NodeId(u32::from_le_bytes([name[0], name[1], name[2], name[3]])))
    }
}

/// A node's global name: 32 bytes that no other node has. Ordered, hashed and printed where a name is needed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity(pub [u8; 32]);

impl Identity {
    /// The identity of a simulated node: a hash of the run's seed and the node's index, so that it looks like
    /// the public key that a live node has, and repeats.
    pub fn simulated(seed: u64, node: NodeId) -> Identity {
        let mut hash = Sha256::new();
        hash.update(b"rumormill simulated identity");
        hash.update(seed.to_le_bytes());
        hash.update(node.0.to_le_bytes());
        Identity(hash.finalize().into())
    }
}

impl fmt::Display for Identity {
    /// The first eight hexadecimal digits: enough to tell nodes apart by eye.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self}…")
    }
}
