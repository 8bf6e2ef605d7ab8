//! The digest of a run: one number that two runs share if, and (but for chance) only if, the same events happened
//! in the same order.

use crate::id::NodeId;
use crate::message::Broadcast;
use crate::protocol::Notice;
use crate::time::Time;
use std::fmt;

/// A running digest over what happened: of every event its time, receiver, sender and kind, of a message also its size
/// and the broadcast in it, and everything that nodes publish and report. Handles and addresses never enter, nor does
/// what a protocol's own messages and timers say beyond that.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Digest(u64);

// The kinds of events that are not messages. Messages have their protocol's word, see `kind`.
pub(super) const STARTED: u64 = 1;
pub(super) const COMMAND: u64 = 2;
pub(super) const TIMER: u64 = 3;
pub(super) const OPEN: u64 = 4;
pub(super) const ACCEPTED: u64 = 5;
pub(super) const CLOSED: u64 = 6;
pub(super) const LINK_UP: u64 = 7;
pub(super) const LINK_DOWN: u64 = 8;
pub(super) const PUBLISHED: u64 = 9;
const DELIVERED: u64 = 10;
const GAP: u64 = 11;
pub(super) const STOPPED: u64 = 12;
pub(super) const JOINED: u64 = 13;
const RECEIVED: u64 = 14;
const RESOLVED: u64 = 15;
const COUNTED: u64 = 16;
pub(super) const CRASHED: u64 = 17;
pub(super) const RESTARTED: u64 = 18;
pub(super) const IMPOSED: u64 = 19;
pub(super) const LIFTED: u64 = 20;
pub(super) const SILENCE: u64 = 21;
pub(super) const SYNCED: u64 = 22;
pub(super) const RESET: u64 = 23;

/// A message's kind as a number: the first eight bytes of its word.
pub(super) fn kind(word: &str) -> u64 {
    let mut bytes = [0; 8];
    for (byte, &letter) in bytes.iter_mut().zip(word.as_bytes()) {
        *byte = letter;
    }
    u64::from_le_bytes(bytes)
}

/// A broadcast as a number: the first eight bytes of its id, which covers origin, sequence and text.
pub(super) fn content(broadcast: &Broadcast) -> u64 {
    let id = broadcast.message.id.0;
    u64::from_le_bytes([id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7]])
}

/// A notice as two numbers.
pub(super) fn notice(notice: &Notice) -> (u64, u64) {
    match *notice {
        Notice::Delivered { payload, hops } => (DELIVERED, (payload.index() as u64) << 32 | u64::from(hops)),
        Notice::Gap { origin, first, last } => (GAP, origin.incarnation ^ first.rotate_left(32) ^ last),
        Notice::Joined => (JOINED, 0),
        Notice::Received { from } => (RECEIVED, from.0.into()),
        Notice::Resolved { to, sequence, delivered } => {
            (RESOLVED, u64::from(to.0) << 32 ^ sequence << 1 ^ u64::from(delivered))
        }
        Notice::Counted(census) => (COUNTED, census.nodes ^ census.link_ends.rotate_left(32)),
    }
}

impl Digest {
    #[inline]
    pub(super) fn fold(&mut self, time: Time, to: NodeId, from: NodeId, kind: u64, content: u64) {
        self.mix(time.nanos(), u64::from(to.0) << 32 | u64::from(from.0));
        self.mix(kind, content);
    }

    /// One 64 by 64 to 128 bit multiplication, its halves xored: the step of wyhash. The rotated state stays in, so
    /// that a factor of zero does not forget the past.
    #[inline]
    fn mix(&mut self, a: u64, b: u64) {
        let product = u128::from(self.0 ^ a ^ 0xa076_1d64_78bd_642f) * u128::from(b ^ 0xe703_7ed1_a0b4_28db);
        self.0 = self.0.rotate_left(23) ^ product as u64 ^ (product >> 64) as u64;
    }
}

impl fmt::Display for Digest {
    /// 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_event_and_their_order_count() {
        let digest = |events: &[(u64, u32, u32, u64, u64)]| {
            let mut digest = Digest::default();
            for &(time, to, from, kind, content) in events {
                digest.fold(Time::from_nanos(time), NodeId(to), NodeId(from), kind, content);
            }
            digest
        };
        let base = (1, 2, 3, 4, 5);
        let all = [
            digest(&[]),
            digest(&[base]),
            digest(&[(9, 2, 3, 4, 5)]),
            digest(&[(1, 9, 3, 4, 5)]),
            digest(&[(1, 2, 9, 4, 5)]),
            digest(&[(1, 2, 3, 9, 5)]),
            digest(&[(1, 2, 3, 4, 9)]),
            digest(&[base, (9, 2, 3, 4, 5)]),
            digest(&[(9, 2, 3, 4, 5), base]),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b), "{i}");
        }
    }

    #[test]
    fn words_become_numbers() {
        assert_ne!(kind("data"), kind("date"));
        assert_eq!(kind(""), 0);
        assert_eq!(kind("reconciliation"), kind("reconcil"));
    }
}
