//! Fetching (protocol.md §4): whoever lacks something asks a peer that has it, the newest first, for at most 64 messages at a
//! time, and asks somebody else when no answer comes. So no message is asked of two at once, and a link is never flooded.
//!
//! What a peer has seen and has no longer is older than R + 2·T_heal ([`store`](super::store)). When nobody else is known
//! to have it, it is given up for good: a Gap is reported, and it counts as seen. A newcomer's baseline comes about in the same
//! way: it learns the last number of every origin, and asks for all below. (Deviation: it does not wait until every
//! neighbor has said so, those with whom it was not compared yet among them: one such word proves the age.)

use super::ranges::{Key, Name};
use super::spans::{SEQUENCE_LIMIT, Spans};
use super::{Link, Local, Reconciling, Repair, back_off, local};
use crate::id::NodeId;
use crate::message::Origin;
use crate::node::{Control, Node};
use crate::transport::Transport;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// So many messages are asked of one peer at most, and not answered yet.
const MOST_ASKED: usize = 64;

/// Messages of one origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// The origin.
    pub name: Name,
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// What of an origin cannot be handed on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Gone {
    /// The origin, if it is known.
    pub origin: Option<(NodeId, u64)>,
    /// Its last message.
    pub latest: Key,
    /// What was seen and is too old.
    pub evicted: Spans,
    /// What was never seen.
    pub absent: Spans,
}

/// What was asked of a peer.
#[derive(Debug, Default)]
pub(super) struct Asks {
    outstanding: usize,
    due: Option<Local>,
    tries: u32,
    /// It is not asked before then.
    not_before: Local,
}

impl Asks {
    pub(super) fn due(&self, lacks: bool) -> Option<Local> {
        let again = (lacks && self.outstanding == 0).then_some(self.not_before);
        self.due.or(again)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.outstanding == 0
    }

    fn answered(&mut self, count: usize, now: Local) {
        self.outstanding = self.outstanding.saturating_sub(count);
        (self.tries, self.not_before) = (0, now);
        self.due = (self.outstanding > 0).then(|| now.saturating_add(back_off(0)));
    }
}

impl Repair {
    /// A message has come, from whomever.
    pub(super) fn arrived(&mut self, key: Key, now: Local) {
        if let Some(peer) = self.asked.remove(&(key.name, key.sequence))
            && let Some(place) = self.place(peer)
        {
            self.links[place].asks.answered(1, now);
        }
    }

    /// The peer does not answer: others may be asked, and it again after a while.
    pub(super) fn give_up_asking(&mut self, place: usize, now: Local) {
        let Repair { links, asked, .. } = self;
        let Link { peer, asks, .. } = &mut links[place];
        if asks.due.is_none_or(|due| due > now) {
            return;
        }
        asked.retain(|_, other| other != peer);
        asks.tries += 1;
        (asks.due, asks.outstanding) = (None, 0);
        asks.not_before = now.saturating_add(back_off(asks.tries) / 2);
    }

    /// Asks a peer for what it has and this node lacks.
    pub(super) fn fetch(&mut self, net: &mut impl Transport<Node>, place: usize, now: Local) {
        let Repair { links, asked, store, .. } = self;
        let link = &mut links[place];
        if link.lacking.is_empty() || link.asks.outstanding > MOST_ASKED / 2 || now < link.asks.not_before {
            return;
        }
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut count = 0;
        let mut done = Vec::new();
        for &(Reverse(_), name) in &link.lacking {
            let nothing = Spans::default();
            let seen = store.author(name).map_or(&nothing, |author| &author.seen);
            let has = &link.views[&name].has;
            if seen.covers(has) {
                done.push(name);
            }
            for sequence in has.missing_in(seen) {
                if link.asks.outstanding + count >= MOST_ASKED {
                    break;
                }
                if asked.contains_key(&(name, sequence)) {
                    continue;
                }
                asked.insert((name, sequence), link.peer);
                count += 1;
                match wanted.last_mut() {
                    Some(last) if last.name == name && last.first == sequence + 1 => last.first = sequence,
                    _ => wanted.push(Wanted { name, first: sequence, last: sequence }),
                }
            }
            if link.asks.outstanding + count >= MOST_ASKED {
                break;
            }
        }
        for name in done {
            link.tidy(store, name);
        }
        if count == 0 {
            // Others were asked for all that: look again when they had their time.
            link.asks.not_before = now.saturating_add(back_off(link.asks.tries));
        } else {
            link.asks.outstanding += count;
            link.asks.due = Some(now.saturating_add(back_off(link.asks.tries)));
            net.send(link.peer, Control::Reconciling(Reconciling::Want(wanted)).into());
        }
    }

    pub(super) fn on_want(&mut self, net: &mut impl Transport<Node>, from: NodeId, wanted: &[Wanted]) {
        let now = local(net.now());
        let is_sound = |w: &Wanted| w.first <= w.last && w.last < SEQUENCE_LIMIT;
        let count = |w: &Wanted| w.last.saturating_sub(w.first).saturating_add(1);
        if !wanted.iter().all(is_sound)
            || wanted.iter().map(count).fold(0, u64::saturating_add) > MOST_ASKED as u64
        {
            return;
        }
        for &Wanted { name, first, last } in wanted {
            let mut told = Spans::default();
            for sequence in (first..=last).rev() {
                if let Some(held) = self.store.held(name, sequence) {
                    let age = u64::try_from(now.saturating_sub(held.born)).unwrap_or(0) / 1_000_000;
                    let hops = held.hops.saturating_add(1);
                    let copy = Reconciling::Copy { payload: held.payload, hops, age };
                    net.send(from, Control::Reconciling(copy).into());
                } else if !told.contains(sequence) {
                    // With all around it, for which it would have to ask next: what is too old for a newcomer is one gap.
                    let (first, last) = self.store.not_held_around(name, sequence);
                    told.insert(first, last);
                    let gone = self.gone(name, &Spans::of(first, last));
                    net.send(from, Control::Reconciling(Reconciling::Gone(gone)).into());
                }
            }
        }
    }

    /// Why these are not held.
    fn gone(&self, name: Name, missing: &Spans) -> Gone {
        let author = self.store.author(name);
        let absent = author.map_or(missing.clone(), |author| missing.minus(&author.seen));
        let origin = author.map(|author| (author.origin.node, author.origin.incarnation));
        let latest = self.store.latest(name).unwrap_or(Key { name, ..Key::default() });
        Gone { origin, latest, evicted: missing.minus(&absent), absent }
    }

    pub(super) fn on_gone(&mut self, net: &mut impl Transport<Node>, from: NodeId, gone: Gone) {
        let now = local(net.now());
        let Gone { origin, latest, ref evicted, ref absent } = gone;
        let name = latest.name;
        let is_sound = evicted.is_sound() && absent.is_sound() && latest.sequence < SEQUENCE_LIMIT;
        let Some(place) = self.place(from).filter(|_| is_sound) else { return };
        let Repair { links, asked, store, .. } = self;
        let link = &mut links[place];
        let Some(view) = link.views.get_mut(&name) else { return };
        // Nobody can make a node give up what it did not want of him.
        let evicted = evicted.minus(&evicted.minus(&view.has));
        for spans in [&evicted, absent] {
            view.has.disclaim(spans);
            view.absent.claim(spans);
            let mut answered = 0;
            for &(first, last) in spans.as_slice() {
                let these = asked.range((name, first)..=(name, last)).filter(|(_, peer)| **peer == from);
                let these: Vec<(Name, u64)> = these.map(|(key, _)| *key).collect();
                answered += these.len();
                asked.retain(|key, _| these.binary_search(key).is_err());
            }
            if answered > 0 {
                link.asks.answered(answered, now);
            }
        }
        link.tidy(store, name);
        let is_named = |(node, incarnation)| Name::of(net.identity(node), incarnation) == name;
        if !evicted.is_empty() && origin.is_some_and(is_named) {
            match self.evicted.get_mut(&name) {
                Some(known) => known.evicted.claim(&evicted),
                None => drop(self.evicted.insert(name, Gone { evicted, ..gone })),
            }
        }
        self.resolve(net, name);
    }

    /// Gives up what somebody has no longer, unless somebody else is known to have it.
    pub(super) fn resolve(&mut self, net: &mut impl Transport<Node>, name: Name) {
        let now = local(net.now());
        let Some(gone) = self.evicted.remove(&name) else { return };
        let Gone { origin: Some((node, incarnation)), latest, ref evicted, .. } = gone else { return };
        let origin = Origin { node, incarnation };
        let mut lost = self.store.author(name).map_or(evicted.clone(), |author| evicted.minus(&author.seen));
        let all = lost.clone();
        for view in self.links.iter().filter_map(|link| link.views.get(&name)) {
            lost = lost.minus(&view.has);
        }
        for &(first, last) in lost.as_slice() {
            let voids = self.store.give_up(origin, latest, first, last, now);
            self.report(net, voids);
        }
        if !lost.is_empty() {
            self.changed(name, now);
        }
        let left = all.minus(&lost);
        if !left.is_empty() {
            self.evicted.insert(name, Gone { evicted: left, ..gone });
        }
    }
}
