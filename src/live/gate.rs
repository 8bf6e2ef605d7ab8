//! How many a node lets in at once: strangers that have shown nothing yet, and guests that know the secret.
//!
//! A stranger costs a socket and about a kilobyte until it has shown that it knows the secret. When all places are taken, whoever has
//! waited longest loses his to the next, but nobody in the first [`GRACE`]: until then newcomers wait in the system's queue,
//! and friends among them come in, however many strangers there are. Addresses share places fairly; those of one IPv6 network
//! of 64 bits count as one, since whoever has one of them has all.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// So many handshakes of others a node works on at once.
const STRANGERS: usize = 256;
/// So many of them from one address.
const STRANGERS_OF_ONE: usize = 16;
/// So many connections of others a node holds: neighbors (ten at most), newcomers that ask, visitors.
const GUESTS: usize = 256;
/// So many of them from one address; a network of many nodes may be behind one.
const GUESTS_OF_ONE: usize = 64;
/// So long a stranger keeps its place for certain.
const GRACE: Duration = Duration::from_millis(100);

/// The gate of one node.
#[derive(Debug, Default)]
pub(super) struct Gate {
    inside: Mutex<Inside>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    /// In the order in which they came.
    strangers: VecDeque<Stranger>,
    numbers: u64,
    guests: BTreeMap<Place, usize>,
    /// All nodes and links are there from the start: as many as that takes.
    is_open: bool,
}

#[derive(Debug)]
struct Stranger {
    number: u64,
    from: Place,
    since: Instant,
    task: Option<AbortHandle>,
}

/// Whatever is counted as one address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    network: u128,
    /// Whoever is on this machine could do worse.
    is_here: bool,
}

impl Place {
    fn of(address: IpAddr) -> Place {
        let address = address.to_canonical();
        let network = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() >> 64 << 64,
        };
        Place { network, is_here: address.is_loopback() }
    }
}

/// A guest's place; it is free again when this is gone.
#[derive(Debug)]
pub(super) struct Guest {
    gate: Arc<Gate>,
    from: Place,
}

impl Gate {
    pub(super) fn new(is_open: bool) -> Arc<Gate> {
        let inside = Mutex::new(Inside { is_open, ..Inside::default() });
        Arc::new(Gate { inside, left: Notify::new() })
    }

    /// A stranger came: its number, and whether another one had to go for it.
    pub(super) async fn let_in(&self, from: IpAddr) -> (u64, bool) {
        let from = Place::of(from);
        loop {
            let full_until = match self.lock().let_in(from, Instant::now()) {
                Ok(entered) => return entered,
                Err(full_until) => full_until,
            };
            tokio::select! {
                () = self.left.notified() => {}
                () = tokio::time::sleep_until(full_until) => {}
            }
        }
    }

    /// This task deals with a stranger.
    pub(super) fn begun(&self, number: u64, task: AbortHandle) {
        let mut inside = self.lock();
        if let Some(stranger) = inside.strangers.iter_mut().find(|stranger| stranger.number == number) {
            stranger.task = Some(task);
        }
    }

    /// A stranger is one no more, or is gone.
    pub(super) fn leave(&self, number: u64) {
        self.lock().strangers.retain(|stranger| stranger.number != number);
        self.left.notify_one();
    }

    /// A place for somebody who knows the secret, if there is one.
    pub(super) fn welcome(self: &Arc<Self>, from: IpAddr) -> Option<Guest> {
        let from = Place::of(from);
        let mut inside = self.lock();
        let all: usize = inside.guests.values().sum();
        let of_one = inside.guests.get(&from).copied().unwrap_or(0);
        let is_full = all >= GUESTS || (of_one >= GUESTS_OF_ONE && !from.is_here);
        if is_full && !inside.is_open {
            return None;
        }
        inside.guests.insert(from, of_one + 1);
        drop(inside);
        Some(Guest { gate: Arc::clone(self), from })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("nobody panics while it is locked")
    }
}

impl Inside {
    /// If there is no place yet, when there will be one.
    fn let_in(&mut self, from: Place, now: Instant) -> Result<(u64, bool), Instant> {
        let of_one = self.strangers.iter().filter(|stranger| stranger.from == from).count();
        let is_greedy = of_one >= STRANGERS_OF_ONE && !from.is_here && !self.is_open;
        let is_full = self.strangers.len() >= STRANGERS && !self.is_open;
        if is_greedy {
            self.send_away(|stranger| stranger.from == from);
        } else if is_full {
            let free_at = self.strangers.front().map_or(now, |oldest| oldest.since + GRACE);
            if free_at > now {
                return Err(free_at);
            }
            self.send_away(|_| true);
        }
        self.numbers += 1;
        self.strangers.push_back(Stranger { number: self.numbers, from, since: now, task: None });
        Ok((self.numbers, is_greedy || is_full))
    }

    /// The first of these has to go.
    fn send_away(&mut self, is_one: impl Fn(&Stranger) -> bool) {
        if let Some(place) = self.strangers.iter().position(is_one)
            && let Some(Stranger { task: Some(task), .. }) = self.strangers.remove(place)
        {
            task.abort();
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut inside = self.gate.lock();
        if let Some(count) = inside.guests.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                inside.guests.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_comes_too_often_loses_its_own_places() {
        let (mut inside, now) = (Inside::default(), Instant::now());
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| Place::of(address(text)));
        assert_eq!(inside.let_in(other, now), Ok((1, false)));
        for number in 2..2 + STRANGERS_OF_ONE as u64 {
            assert_eq!(inside.let_in(one, now), Ok((number, false)));
        }
        assert!(inside.let_in(one, now).unwrap().1);
        let numbers: Vec<u64> = inside.strangers.iter().map(|stranger| stranger.number).collect();
        assert_eq!((numbers[..2].to_vec(), numbers.len()), (vec![1, 3], 1 + STRANGERS_OF_ONE));
    }

    #[test]
    fn who_waited_longest_makes_room_but_not_at_once() {
        let (mut inside, now) = (Inside::default(), Instant::now());
        let here = Place::of(address("127.0.0.1"));
        (0..STRANGERS).for_each(|_| assert!(!inside.let_in(here, now).unwrap().1));
        assert_eq!(inside.let_in(here, now), Err(now + GRACE));
        assert!(inside.let_in(here, now + GRACE).unwrap().1);
        assert_eq!((inside.strangers.len(), inside.strangers[0].number), (STRANGERS, 2));
    }

    #[test]
    fn guests_are_bounded_and_give_their_places_back() {
        let gate = Gate::new(false);
        let guests = |from: &str, most| (0..most).map_while(|_| gate.welcome(address(from))).collect();
        let one: Vec<Guest> = guests("192.0.2.1", 1_000);
        assert_eq!(one.len(), GUESTS_OF_ONE);
        let here: Vec<Guest> = guests("::1", 1_000);
        assert_eq!(here.len(), GUESTS - GUESTS_OF_ONE);
        assert!(gate.welcome(address("192.0.2.2")).is_none());
        drop(one);
        assert!(gate.welcome(address("::ffff:192.0.2.1")).is_some());
        assert_eq!(gate.lock().guests.len(), 1);
    }

    #[test]
    fn one_network_of_64_bits_is_one_address() {
        let [a, b, c] =
            ["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"].map(|text| Place::of(address(text)));
        assert!(a == b && a != c);
    }
}
