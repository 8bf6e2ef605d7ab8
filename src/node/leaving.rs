//! Leaving: make before break, in every overlay that can be joined.
//!
//! The leaving node names all its neighbors to each of them; each links to the one that comes after it by
//! identity, and reports when both its links on that path are there; then the node stops. So whatever hung together through
//! it hangs together along that path. Of two neighbors that leave at once the one with the smaller identity goes first;
//! the other waits, as its heir, and then begins anew.

use super::links::Errand;
use super::{Control, Node, NodeTimer, OverlayKind, Weakness};
use crate::id::NodeId;
use crate::protocol::State;
use crate::transport::Transport;
use std::time::Duration;

/// An heir tries so many times to link to the one after it.
const MOST_TRIES: u32 = 3;
/// A leaving node that waits so long for its heirs without any of them moving stops all the same.
const LEAVE_TIME: Duration = Duration::from_secs(30);

/// A node's way out, and what it owes to others on theirs.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    /// Counts deadlines: timers of earlier ones are stale.
    generation: u32,
    departure: Option<Departure>,
    duties: Vec<Duty>,
}

/// A node's way out.
#[derive(Debug)]
struct Departure {
    /// Counts the times that it named its heirs.
    round: u32,
    /// Heirs that have not released it yet.
    waiting: Vec<NodeId>,
    /// Neighbors that leave as well, and go first.
    after: Vec<NodeId>,
}

/// What a leaving neighbor waits for: the links to those before and after this node on the path of its heirs.
#[derive(Debug)]
struct Duty {
    leaver: NodeId,
    round: u32,
    awaited: Vec<NodeId>,
}

impl Node {
    pub(super) fn leave(&mut self, net: &mut impl Transport<Node>) {
        if self.aside.state == State::Leaving {
            return;
        }
        if self.aside.overlay == OverlayKind::Static {
            return self.stop(net);
        }
        self.aside.state = State::Leaving;
        self.aside.tutorial.rest();
        self.begin_departure(net);
    }

    /// Names its heirs for the first time, as soon as no neighbor relies on a way over this node (overlay `regular`).
    pub(super) fn begin_departure(&mut self, net: &mut impl Transport<Node>) {
        let waits = self.aside.state != State::Leaving || self.aside.leaving.departure.is_some();
        if !waits && !self.is_needed_as_way(net) {
            self.depart(net, 0);
        }
    }

    /// Something moved: there is time again.
    fn extend_deadline(&mut self, net: &mut impl Transport<Node>) {
        let Leaving { generation, .. } = &mut self.aside.leaving;
        *generation += 1;
        let generation = *generation;
        net.set_timer(LEAVE_TIME, NodeTimer::LeaveDeadline { generation });
    }

    /// Names its heirs to each other, and waits for them.
    fn depart(&mut self, net: &mut impl Transport<Node>, round: u32) {
        let mut heirs = self.neighbors.to_vec();
        heirs.sort_by_cached_key(|&heir| net.identity(heir));
        if self.is_regular() {
            heirs = self.along_links(heirs);
        }
        if heirs.is_empty() {
            return self.stop(net);
        }
        for &heir in &heirs {
            net.send(heir, Control::Leaving { round, heirs: heirs.clone() }.into());
        }
        self.aside.leaving.departure = Some(Departure { round, waiting: heirs, after: Vec::new() });
        self.extend_deadline(net);
    }

    /// A leaving node has one heir more, or one less, or goes on after those before it: the path begins anew.
    pub(super) fn depart_anew(&mut self, net: &mut impl Transport<Node>) {
        if let Some(departure) = &self.aside.leaving.departure
            && departure.after.is_empty()
        {
            let round = departure.round + 1;
            self.depart(net, round);
        }
    }

    /// A neighbor leaves: link to the one that comes after this node among its heirs.
    pub(super) fn on_leaving(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        round: u32,
        heirs: Vec<NodeId>,
    ) {
        let goes_first = net.identity(from) < net.identity(net.me());
        match &mut self.aside.leaving.departure {
            // It will hear of this node's end, and begin anew.
            Some(departure) if departure.after.is_empty() && !goes_first => return,
            Some(departure) if goes_first && !departure.after.contains(&from) => departure.after.push(from),
            _ => {}
        }
        self.forget_address(from);
        if self.is_regular() {
            self.aside.regular.expect_leave(from);
        }
        let Some(place) = heirs.iter().position(|&heir| heir == net.me()) else { return };
        let predecessor = place.checked_sub(1).map(|before| heirs[before]);
        let successor = heirs.get(place + 1).copied().filter(|&heir| !self.neighbors.contains(heir));
        if self.lacks(Weakness::NoRepair) {
            return net.send(from, Control::Released { round }.into());
        }
        // Both links have to be there: until then, the leaver is the way between them.
        let awaited: Vec<NodeId> =
            predecessor.filter(|&heir| !self.neighbors.contains(heir)).into_iter().chain(successor).collect();
        self.forget_duties(from);
        if awaited.is_empty() {
            return net.send(from, Control::Released { round }.into());
        }
        // In the overlay `regular` this node may just have ended its link to the predecessor, who did not know that yet, and
        // does not dial.
        let dialled = if self.is_regular() { awaited.clone() } else { Vec::from_iter(successor) };
        self.aside.leaving.duties.push(Duty { leaver: from, round, awaited });
        for heir in dialled {
            self.visit(net, heir, Errand::Inherit { leaver: from, round, tries: 1 });
        }
    }

    /// The link to a peer is there, or will not come: whoever leaves and waited only for that is released.
    pub(super) fn perform_duties(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        let duties = &mut self.aside.leaving.duties;
        duties.iter_mut().for_each(|duty| duty.awaited.retain(|&awaited| awaited != peer));
        for Duty { leaver, round, .. } in duties.extract_if(.., |duty| duty.awaited.is_empty()) {
            net.send(leaver, Control::Released { round }.into());
        }
    }

    pub(super) fn on_released(&mut self, net: &mut impl Transport<Node>, from: NodeId, round: u32) {
        let Some(departure) = self.aside.leaving.departure.as_mut().filter(|d| d.round == round) else {
            return;
        };
        departure.waiting.retain(|&peer| peer != from);
        if departure.waiting.is_empty() && departure.after.is_empty() {
            return self.stop(net);
        }
        self.extend_deadline(net);
    }

    /// An heir could not link to the one after it.
    pub(super) fn inherit_failed(&mut self, net: &mut impl Transport<Node>, heir: NodeId, errand: Errand) {
        let most_tries = if self.lacks(Weakness::NoRetry) { 1 } else { MOST_TRIES };
        match errand {
            // The other end may just have closed a link that it had opened to ask something.
            Errand::Inherit { leaver, round, tries } if tries < most_tries => {
                self.visit(net, heir, Errand::Inherit { leaver, round, tries: tries + 1 });
            }
            _ => self.perform_duties(net, heir),
        }
    }

    /// A link is gone: whoever leaves over it waits for nothing any more.
    pub(super) fn forget_duties(&mut self, leaver: NodeId) {
        self.aside.leaving.duties.retain(|duty| duty.leaver != leaver);
    }

    /// A neighbor is gone: it no longer goes first, and is no heir.
    pub(super) fn neighbor_left(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        if let Some(departure) = &mut self.aside.leaving.departure {
            departure.after.retain(|&other| other != peer);
            self.depart_anew(net);
        }
    }

    pub(super) fn on_leave_deadline(&mut self, net: &mut impl Transport<Node>, generation: u32) {
        let Some(departure) = self.aside.leaving.departure.as_ref() else { return };
        if generation != self.aside.leaving.generation {
            return;
        }
        if departure.after.is_empty() {
            return self.stop(net);
        }
        // Those before it have deadlines of their own.
        self.extend_deadline(net);
    }
}
