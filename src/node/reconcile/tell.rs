//! Digests (protocol.md §4): on each link what was seen of the origins of which something changed, at most every 250 ms,
//! repeated with growing pauses until the peer's own digest shows it. Idempotent: a lost one only delays, and however long a
//! peer does not hear of it, it is told again.

use super::ranges::Name;
use super::spans::Spans;
use super::{Key, Link, Local, MOST_VIEWS, Reconciling, Repair, Store, back_off, length, local};
use crate::id::NodeId;
use crate::node::{Control, Node};
use crate::transport::Transport;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// At most one digest a link in this time. (Deviation: the first one waits for it too, so that it tells of all of a flood.)
const PAUSE: Duration = Duration::from_millis(250);
/// A frame tells of so many origins.
const MOST_KNOWN: usize = 64;

/// What was seen of one origin.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Known {
    /// The origin.
    pub name: Name,
    /// What was seen.
    pub seen: Spans,
}

/// What a peer is to be told, or was told and has not confirmed.
#[derive(Debug, Default)]
pub(super) struct Tells {
    news: BTreeSet<Name>,
    /// It asked for these, whether there is anything or not.
    answers: BTreeSet<Name>,
    unconfirmed: BTreeSet<Name>,
    tell_at: Option<Local>,
    repeat_at: Option<Local>,
    repeats: u32,
}

impl Tells {
    pub(super) fn changed(&mut self, name: Name, now: Local, is_open: bool) {
        self.news.insert(name);
        if is_open {
            self.open(now);
        }
    }

    /// What is new may be told from now on.
    pub(super) fn open(&mut self, now: Local) {
        if !self.news.is_empty() {
            self.tell_soon(now);
        }
    }

    fn tell_soon(&mut self, now: Local) {
        self.tell_at.get_or_insert(now.saturating_add(length(PAUSE)));
    }

    fn answer(&mut self, name: Name, now: Local) {
        // Whoever asks for more asks again.
        if self.answers.len() < MOST_VIEWS {
            self.answers.insert(name);
            self.tell_soon(now);
        }
    }

    pub(super) fn awaits(&self, name: Name) -> bool {
        self.unconfirmed.contains(&name)
    }

    pub(super) fn forget(&mut self, name: Name) {
        self.news.remove(&name);
        self.unconfirmed.remove(&name);
        self.answers.remove(&name);
    }

    /// Both ends have been compared, from a bucket on. Only of origins whose calendars are older than that is anything left to
    /// be told.
    pub(super) fn compared(&mut self, store: &Store, low: u32) {
        let is_older = |name: &Name| store.latest(*name).is_some_and(|latest| latest.bucket < low);
        self.news.retain(is_older);
        self.unconfirmed.retain(is_older);
        if self.unconfirmed.is_empty() {
            self.repeat_at = None;
        }
    }

    pub(super) fn dues(&self) -> [Option<Local>; 2] {
        [self.tell_at, self.repeat_at]
    }

    fn confirmed(&mut self, name: Name) {
        self.repeats = 0;
        self.unconfirmed.remove(&name);
        if self.unconfirmed.is_empty() {
            self.repeat_at = None;
        }
    }
}

impl Repair {
    pub(super) fn on_seen(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        again: bool,
        known: Vec<Known>,
    ) {
        let now = local(net.now());
        let Some(place) = self.place(from) else { return };
        let Repair { store, links, .. } = self;
        let link = &mut links[place];
        if !link.reconciled || known.len() > MOST_KNOWN || !known.iter().all(|known| known.seen.is_sound()) {
            return;
        }
        for Known { name, seen: theirs } in known {
            let nothing = Spans::default();
            let mine = store.author(name).map_or(&nothing, |author| &author.seen);
            if !mine.covers(&theirs) {
                let key = Key { bucket: u32::MAX, name, sequence: 0 };
                link.has(key, &theirs);
                if let Some(view) = link.views.get_mut(&name) {
                    view.absent.disclaim(&theirs);
                }
            }
            if theirs.covers(mine) {
                link.tells.confirmed(name);
            } else if !link.tells.awaits(name) {
                link.tells.changed(name, now, true);
            }
            if again {
                link.tells.answer(name, now);
            }
            link.tidy(store, name);
        }
    }

    pub(super) fn tell_if_due(&mut self, net: &mut impl Transport<Node>, place: usize, now: Local) {
        let Repair { store, links, .. } = self;
        let Link { peer, tells, .. } = &mut links[place];
        if tells.tell_at.is_some_and(|due| due <= now) {
            tells.tell_at = None;
            let news = std::mem::take(&mut tells.news);
            say(net, store, *peer, false, &(&std::mem::take(&mut tells.answers) | &news));
            if !news.is_empty() {
                tells.unconfirmed.extend(news);
                tells.repeats = 0;
                let soon = now.saturating_add(back_off(0));
                tells.repeat_at = Some(tells.repeat_at.map_or(soon, |due| due.min(soon)));
            }
        }
        if tells.repeat_at.is_some_and(|due| due <= now) {
            tells.repeats = tells.repeats.saturating_add(1);
            tells.repeat_at = Some(now.saturating_add(back_off(tells.repeats)));
            say(net, store, *peer, true, &tells.unconfirmed);
        }
    }
}

fn say(net: &mut impl Transport<Node>, store: &Store, peer: NodeId, again: bool, names: &BTreeSet<Name>) {
    let names: Vec<Name> = names.iter().copied().collect();
    for names in names.chunks(MOST_KNOWN) {
        let seen = |name| store.author(name).map(|author| author.seen.clone()).unwrap_or_default();
        let known = names.iter().map(|&name| Known { name, seen: seen(name) }).collect();
        net.send(peer, Control::Reconciling(Reconciling::Seen { again, known }).into());
    }
}

#[cfg(test)]
impl Tells {
    pub(super) fn assert_bounded(&self, authors: usize) {
        assert!(self.news.len() <= authors && self.unconfirmed.len() <= authors);
        assert!(self.answers.len() <= MOST_VIEWS);
    }
}
