//! What two nodes say of themselves during the handshake.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// A node that meets another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// Drawn at the start of each of its lives.
    pub(super) epoch: u64,
    /// Counts its sessions that ended in this life. Who has a session with it from the same epoch and generation knows that
    /// the node has not heard of that session yet, or still has it: both dialled at once.
    pub(super) generation: u64,
    /// Where it can be reached.
    pub(super) address: SocketAddr,
}

impl Hello {
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
