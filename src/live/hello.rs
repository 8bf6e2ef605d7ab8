//! What two nodes say of themselves during the handshake.

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};

/// What somebody wants of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Role {
    /// To be its peer.
    Peer,
    /// To ask how it is.
    Visitor,
}

/// A node that meets another, or somebody who visits it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) role: Role,
    /// Drawn at the start of each of its lives.
    pub(super) epoch: u64,
    /// Counts its sessions that ended in this life. Who has a session with it from the same epoch and generation knows that
    /// the node has not heard of that session yet, or still has it: both dialled at once.
    pub(super) generation: u64,
    /// Where it can be reached; a visitor cannot.
    pub(super) address: SocketAddr,
}

impl Hello {
    pub(super) fn of_visitor() -> Hello {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Hello { role: Role::Visitor, epoch: 0, generation: 0, address }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("numbers can be encoded")
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Hello> {
        match postcard::take_from_bytes(bytes) {
            Ok((hello, [])) => Some(hello),
            _ => None,
        }
    }
}
