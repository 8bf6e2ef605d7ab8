//! What waits in the queue. A million-node flood has millions of events under way, and their size decides its speed: a
//! message of a few bytes travels inside its event, everything else stands apart.

use super::queue::Queue;
use super::sessions::Session;
use crate::id::NodeId;
use crate::protocol::{Command, Protocol};
use crate::time::Time;
use slab::Slab;
use std::time::Duration;

/// An entry of the simulator's queue: something that will happen to a node.
///
/// Plain numbers, not an enum of two variants: an enum is put together on the stack and copied from there to the queue, and the
/// copy waits for its parts.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub(super) to: NodeId,
    /// Who sent the message; means nothing without a session.
    from: NodeId,
    /// The session of a message in eight bytes. Without one, this is anything else, and stands in the store.
    session: Option<Session>,
    /// Half of the message, or the place in the store.
    low: u32,
    high: u32,
}

const _: () = assert!(size_of::<Event>() <= 20, "with four bytes of time, an event takes at most 24 bytes");

/// What an event says.
pub(super) enum What {
    /// A message in eight bytes.
    Word { from: NodeId, session: Session, word: u64 },
    /// Anything else, by its place in the store.
    Stored(u32),
}

impl Event {
    #[inline(always)]
    fn word(to: NodeId, from: NodeId, session: Session, word: u64) -> Event {
        Event { to, from, session: Some(session), low: word as u32, high: (word >> 32) as u32 }
    }

    fn stored(to: NodeId, place: u32) -> Event {
        Event { to, from: to, session: None, low: place, high: 0 }
    }

    #[inline(always)]
    pub(super) fn what(self) -> What {
        let Event { from, session, low, high, .. } = self;
        match session {
            Some(session) => What::Word { from, session, word: u64::from(high) << 32 | u64::from(low) },
            None => What::Stored(low),
        }
    }
}

/// All that does not travel inside its event.
pub(super) enum Stored<P: Protocol> {
    /// A message, and the size of its encoding.
    Message { from: NodeId, session: Session, message: P::Message, bytes: u32 },
    /// A timer, set in this life of the node.
    Timer { timer: P::Timer, life: u32 },
    /// What the node wrote into its log in this life is safe, as far as it was written when the sync began.
    Synced { life: u32 },
    /// The application asked for something while the node stood still.
    Command(Command),
    /// The node is ready for what waits for it.
    Wake,
    /// `from` asks for a link; at its end, the session before is over.
    Open { from: NodeId, session: Session, ended: Option<Session> },
    /// `from` agreed to a link.
    Accepted { from: NodeId, session: Session },
    /// `from` ended the session, or did not want it.
    Closed { from: NodeId, session: Session },
    /// The peer in a session is gone without a word, and that was long enough ago.
    Silence { peer: NodeId, session: Session },
    /// For a time nothing was heard of the peer; or that was over before.
    Hushed { peer: NodeId },
    /// What leaves the node first over its narrow uplink is through.
    Uplink,
    /// There is no `peer`.
    Unreachable { peer: NodeId },
}

/// A message under way.
#[derive(Clone)]
pub(super) enum Letter<M> {
    Word(u64),
    /// With the size of its encoding.
    Whole(M, u32),
}

/// All events to come.
pub(super) struct Events<P: Protocol, Q> {
    queue: Q,
    stored: Slab<Stored<P>>,
    popped: u64,
}

impl<P: Protocol, Q: Queue<Event>> Events<P, Q> {
    pub(super) fn new(horizon: Duration) -> Events<P, Q> {
        Events { queue: Q::new(horizon), stored: Slab::new(), popped: 0 }
    }

    /// # Panics
    /// If `time` lies before an event that has happened already.
    pub(super) fn push(&mut self, time: Time, to: NodeId, stored: Stored<P>) {
        let event = self.aside(to, stored);
        self.queue.push(time, event);
    }

    /// # Panics
    /// As [`push`](Events::push).
    #[inline(always)]
    pub(super) fn push_letter(
        &mut self,
        time: Time,
        to: NodeId,
        (from, session): (NodeId, Session),
        letter: Letter<P::Message>,
    ) {
        match letter {
            Letter::Word(word) => self.queue.push(time, Event::word(to, from, session, word)),
            Letter::Whole(message, bytes) => {
                self.push(time, to, Stored::Message { from, session, message, bytes })
            }
        }
    }

    /// The earliest event, unless it comes after `until`.
    #[inline]
    pub(super) fn pop_until(&mut self, until: Time) -> Option<(Time, Event)> {
        let popped = self.queue.pop_until(until)?;
        self.popped += 1;
        Some(popped)
    }

    /// Takes out what an event left in the store.
    pub(super) fn take(&mut self, place: u32) -> Stored<P> {
        self.stored.remove(place as usize)
    }

    /// An event that is not in the queue, but waits elsewhere.
    pub(super) fn aside(&mut self, to: NodeId, stored: Stored<P>) -> Event {
        let place = u32::try_from(self.stored.insert(stored)).expect("fewer than 2^32 events");
        Event::stored(to, place)
    }

    /// What an event left in the store.
    pub(super) fn look_at(&self, place: u32) -> &Stored<P> {
        &self.stored[place as usize]
    }

    /// Whom the event concerns that is `steps` after the next one, as far as that is known cheaply.
    #[inline]
    pub(super) fn ahead(&self, steps: usize) -> Option<NodeId> {
        self.queue.ahead(steps).map(|event| event.to)
    }

    /// How many events have happened.
    pub(super) fn popped(&self) -> u64 {
        self.popped
    }
}
