//! Direct messages: to one node, by its id. At most once; acknowledged, sent again while there is hope, and in the end
//! reported as delivered or lost. They are numbered by sender and receiver, apart from broadcasts, and anew in every life:
//! no log keeps these numbers.

use super::frontier::Frontiers;
use super::links::Errand;
use super::{Control, Node, NodeTimer, Weakness};
use crate::id::NodeId;
use crate::message::{Message, Origin};
use crate::protocol::Notice;
use crate::transport::Transport;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::time::Duration;

/// How many messages an inbox holds; of more, the oldest is dropped.
const INBOX: usize = 1_024;
/// How many lives of senders a node tells apart. Of more, a sender's earlier ones are forgotten: maybe it made them up.
const MOST_LIVES: usize = 1 << 16;
/// After this time without an answer a message is sent again, after twice that time a third time, and so on.
const PATIENCE: Duration = Duration::from_secs(2);
/// It is sent so many times at most, links that could not be opened for it included.
const MOST_TRIES: u32 = 5;

/// A node's direct messages.
#[derive(Debug, Default)]
pub(super) struct Direct {
    /// The next number, by receiver. Looked up only.
    next: FxHashMap<NodeId, u64>,
    /// Not acknowledged yet.
    unresolved: Vec<Outgoing>,
    /// What came in, by sender and its incarnation.
    seen: Frontiers,
    inbox: VecDeque<(NodeId, Message)>,
}

#[derive(Debug)]
struct Outgoing {
    to: NodeId,
    sequence: u64,
    message: Message,
    tries: u32,
    /// Whether it was sent over the link that is up now.
    sent: bool,
}

impl Direct {
    pub(super) fn inbox(&self) -> impl Iterator<Item = &(NodeId, Message)> {
        self.inbox.iter()
    }

    pub(super) fn is_waiting_for(&self, peer: NodeId) -> bool {
        self.unresolved.iter().any(|outgoing| outgoing.to == peer)
    }

    /// The node stops: nobody will tell any more what became of these.
    pub(super) fn give_up_everything(&mut self, net: &mut impl Transport<Node>) {
        for Outgoing { to, sequence, .. } in self.unresolved.drain(..) {
            net.notify(Notice::Resolved { to, sequence, delivered: false });
        }
    }

    fn receive(&mut self, net: &mut impl Transport<Node>, from: NodeId, message: Message) {
        if self.inbox.len() == INBOX {
            self.inbox.pop_front();
        }
        self.inbox.push_back((from, message));
        net.notify(Notice::Received { from });
    }
}

impl Node {
    pub(super) fn send_direct(
        &mut self,
        net: &mut impl Transport<Node>,
        to: NodeId,
        title: String,
        message: String,
    ) {
        let origin = (net.identity(net.me()), self.aside.publisher.life(net));
        let direct = &mut self.aside.direct;
        let next = direct.next.entry(to).or_default();
        let sequence = *next;
        *next += 1;
        let message = Message::new(origin, Some(net.identity(to)), sequence, title, message, net.calendar());
        if to == net.me() {
            direct.receive(net, to, message);
            return net.notify(Notice::Resolved { to, sequence, delivered: true });
        }
        direct.unresolved.push(Outgoing { to, sequence, message, tries: 0, sent: false });
        self.visit(net, to, Errand::Deliver);
    }

    /// Sends all that waits for a peer to which there is a link, and was not sent over it yet.
    pub(super) fn transmit(&mut self, net: &mut impl Transport<Node>, to: NodeId) {
        let incarnation = self.aside.publisher.life(net);
        let waiting = self.aside.direct.unresolved.iter_mut().filter(|outgoing| outgoing.to == to);
        for outgoing in waiting.filter(|outgoing| !outgoing.sent) {
            let Outgoing { sequence, ref message, .. } = *outgoing;
            net.send(to, Control::Direct { incarnation, sequence, message: message.clone() }.into());
            outgoing.sent = true;
            outgoing.tries += 1;
            net.set_timer(PATIENCE * outgoing.tries, NodeTimer::Resend { to, sequence });
        }
    }

    pub(super) fn on_resend_timer(&mut self, net: &mut impl Transport<Node>, to: NodeId, sequence: u64) {
        let mut unresolved = self.aside.direct.unresolved.iter_mut();
        if let Some(outgoing) = unresolved.find(|o| (o.to, o.sequence, o.sent) == (to, sequence, true)) {
            outgoing.sent = false;
            self.try_again(net, to);
        }
    }

    /// The link to a peer is gone; what it has not acknowledged may be lost.
    pub(super) fn direct_link_lost(&mut self, net: &mut impl Transport<Node>, peer: NodeId) {
        for outgoing in self.aside.direct.unresolved.iter_mut().filter(|outgoing| outgoing.to == peer) {
            // What was sent counts already.
            outgoing.tries += u32::from(!outgoing.sent);
            outgoing.sent = false;
        }
        self.try_again(net, peer);
    }

    /// Sends again what was not sent too often, and reports the rest as lost.
    fn try_again(&mut self, net: &mut impl Transport<Node>, to: NodeId) {
        let most = if self.lacks(Weakness::NoRetry) { 1 } else { MOST_TRIES };
        let unresolved = &mut self.aside.direct.unresolved;
        for Outgoing { sequence, .. } in
            unresolved.extract_if(.., |o| o.to == to && !o.sent && o.tries >= most)
        {
            net.notify(Notice::Resolved { to, sequence, delivered: false });
        }
        if self.aside.direct.unresolved.iter().any(|outgoing| outgoing.to == to && !outgoing.sent) {
            self.visit(net, to, Errand::Deliver);
        } else {
            self.part_from(net, to);
        }
    }

    pub(super) fn on_direct(
        &mut self,
        net: &mut impl Transport<Node>,
        from: NodeId,
        incarnation: u64,
        sequence: u64,
        message: Message,
    ) {
        let direct = &mut self.aside.direct;
        let sender = Origin { node: from, incarnation };
        if direct.seen.len() >= MOST_LIVES {
            direct.seen.forget_other_lives(sender);
        }
        if direct.seen.record(sender, sequence).is_new {
            direct.receive(net, from, message);
        }
        net.send(from, Control::Ack { sequence }.into());
    }

    pub(super) fn on_ack(&mut self, net: &mut impl Transport<Node>, from: NodeId, sequence: u64) {
        let unresolved = &mut self.aside.direct.unresolved;
        let before = unresolved.len();
        unresolved.retain(|outgoing| (outgoing.to, outgoing.sequence) != (from, sequence));
        if unresolved.len() < before {
            net.notify(Notice::Resolved { to: from, sequence, delivered: true });
            self.part_from(net, from);
        }
    }
}
