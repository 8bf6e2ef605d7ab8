//! What waits to be written to a peer. Senders never wait; who writes too much loses the session.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// So many bytes may wait: a peer that reads more slowly for so long loses its session, and gets what it missed later.
pub(super) const MOST_QUEUED: usize = 16 << 20;

/// So many bytes may wait for all peers of a node together: then whoever reads most slowly loses its session …
pub(super) const MOST_QUEUED_IN_ALL: usize = 64 << 20;

/// … unless no more than this waits for it.
pub(super) const SHARE_QUEUED: usize = 1 << 20;

/// A node whose neighbor has so many bytes waiting publishes nothing new: relays never stop reading, so the publisher is
/// who has to wait.
pub(super) const BUSY: usize = 256 << 10;

/// About so many bytes are taken at once: what was taken does not count as waiting any more.
const TAKEN: usize = 256 << 10;

/// From many senders to one writer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
    closed: Notify,
    /// What the link takes longer than the real one.
    latency: Duration,
}

/// Room that is kept for what comes next, in bytes, until the link is idle.
const KEPT: usize = 1 << 20;

#[derive(Debug, Default)]
struct Waiting {
    parts: VecDeque<Part>,
    /// Room for the next part.
    room: Vec<u8>,
    bytes: usize,
    closed: bool,
    /// Since when the writer has been at work on what it took, or on the latest record of that.
    in_hand: Option<Instant>,
}

#[derive(Debug)]
struct Part {
    due: Instant,
    bytes: Vec<u8>,
}

impl Queue {
    /// Of a link that takes so much longer than the real one.
    pub(super) fn new(latency: Duration) -> Queue {
        Queue { latency, ..Queue::default() }
    }

    /// Lets `write` append to what is to be sent, as of now; how many bytes wait then. After the end nothing is taken.
    pub(super) fn push(&self, now: Instant, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let mut waiting = self.lock();
        if waiting.closed {
            return 0;
        }
        let is_idle = waiting.parts.is_empty();
        let is_long = waiting.parts.back().is_some_and(|part| part.bytes.len() >= TAKEN);
        if is_idle || is_long || !self.latency.is_zero() {
            let bytes = std::mem::take(&mut waiting.room);
            waiting.parts.push_back(Part { due: now + self.latency, bytes });
        }
        let part = &mut waiting.parts.back_mut().expect("one is there").bytes;
        let before = part.len();
        write(part);
        let written = part.len() - before;
        waiting.bytes += written;
        let bytes = waiting.bytes;
        drop(waiting);
        if is_idle {
            self.changed.notify_one();
        }
        bytes
    }

    /// Gives back what memory nobody needs at present.
    pub(super) fn free_room(&self) {
        self.lock().room = Vec::new();
    }

    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.lock().bytes
    }

    /// What waits is still written, and no more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
        self.closed.notify_waiters();
    }

    /// Waits until it has been closed for so long.
    pub(super) async fn closed_for(&self, time: Duration) {
        let closed = self.closed.notified();
        if !self.lock().closed {
            closed.await;
        }
        sleep(time).await;
    }

    /// Takes all that is due, as soon as anything is; none when it is closed and empty. What is `spent` is used again.
    pub(super) async fn take(&self, mut spent: Vec<u8>) -> Option<Vec<u8>> {
        spent.clear();
        loop {
            let next = {
                let mut waiting = self.lock();
                waiting.in_hand = None;
                if (waiting.room.capacity()..=KEPT).contains(&spent.capacity()) {
                    waiting.room = std::mem::take(&mut spent);
                }
                match waiting.parts.front().map(|part| part.due) {
                    Some(due) if due <= Instant::now() => return Some(waiting.take_due()),
                    None if waiting.closed => return None,
                    next => next,
                }
            };
            match next {
                Some(due) => sleep_until(due).await,
                None => self.changed.notified().await,
            }
        }
    }

    /// A record was written.
    pub(super) fn moved(&self) {
        self.lock().in_hand = Some(Instant::now());
    }

    /// Whether a record has been waiting for so long until the peer reads on.
    pub(super) fn is_stuck(&self, time: Duration) -> bool {
        self.lock().in_hand.is_some_and(|since| since.elapsed() > time)
    }

    /// Takes what is due now.
    #[cfg(test)]
    pub(super) fn take_now(&self) -> Option<Vec<u8>> {
        let mut waiting = self.lock();
        let is_due = waiting.parts.front().is_some_and(|part| part.due <= Instant::now());
        is_due.then(|| waiting.take_due())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nobody panics while it is locked")
    }
}

impl Waiting {
    fn take_due(&mut self) -> Vec<u8> {
        let now = Instant::now();
        self.in_hand = Some(now);
        let mut taken = self.parts.pop_front().map(|part| part.bytes).unwrap_or_default();
        while taken.len() < TAKEN
            && let Some(part) = self.parts.pop_front_if(|part| part.due <= now)
        {
            taken.extend_from_slice(&part.bytes);
        }
        self.bytes -= taken.len();
        taken
    }
}
