//! The peer that we ship: an overlay (who neighbors whom) and a broadcast (how a message reaches everyone), over a
//! memory of what was seen.
//!
//! Layers pass each other plain values; only the node's own handlers hold the transport. What a node guarantees so
//! far: in a network that stays as it is, every broadcast reaches every node of the origin's component once.

mod flood;
mod frontier;
mod overlay;

use crate::id::NodeId;
use crate::message::Payload;
use crate::protocol::{Command, Notice, Protocol, Wire};
use crate::transport::Transport;
use frontier::Frontiers;
use overlay::Neighbors;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// What all nodes of a network have in common.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Who neighbors whom.
    pub overlay: OverlayKind,
    /// How a broadcast spreads.
    pub broadcast: BroadcastKind,
}

/// The overlays to choose from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlayKind {
    /// The topology is given: a node neighbors whom the world linked it to, and never opens or closes a link.
    #[default]
    Static,
}

/// The ways to spread a broadcast.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BroadcastKind {
    /// Forward once to all neighbors but the sender.
    #[default]
    Flood,
}

/// What nodes say to each other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum NodeMessage {
    /// A broadcast's content on its way.
    Data {
        /// The content.
        payload: Payload,
        /// How many links it has crossed when it arrives.
        hops: u32,
    },
}

impl Wire for NodeMessage {
    fn payload(&self) -> Option<Payload> {
        match *self {
            NodeMessage::Data { payload, .. } => Some(payload),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            NodeMessage::Data { .. } => "data",
        }
    }
}

/// One peer.
#[derive(Debug)]
pub struct Node {
    neighbors: Neighbors,
    seen: Frontiers,
    publisher: Publisher,
}

/// A node's own series of broadcasts.
#[derive(Debug, Default)]
struct Publisher {
    /// Drawn at the first broadcast of this life: a life without one needs none.
    incarnation: Option<u64>,
    next_sequence: u64,
}

impl Protocol for Node {
    type Config = NodeConfig;
    type Message = NodeMessage;
    type Timer = ();

    fn start(config: &NodeConfig, _net: &mut impl Transport<Node>) -> Node {
        let OverlayKind::Static = config.overlay;
        let BroadcastKind::Flood = config.broadcast;
        Node { neighbors: Neighbors::default(), seen: Frontiers::default(), publisher: Publisher::default() }
    }

    fn on_command(&mut self, net: &mut impl Transport<Node>, command: Command) {
        match command {
            Command::Broadcast { title, message } => {
                let incarnation = *self.publisher.incarnation.get_or_insert_with(|| net.rng().next_u64());
                let payload = net.publish(incarnation, self.publisher.next_sequence, title, message);
                self.publisher.next_sequence += 1;
                self.receive(net, None, payload, 0);
            }
        }
    }

    fn on_message(&mut self, net: &mut impl Transport<Node>, from: NodeId, message: NodeMessage) {
        match message {
            NodeMessage::Data { payload, hops } => self.receive(net, Some(from), payload, hops),
        }
    }

    fn on_link_up(&mut self, _net: &mut impl Transport<Node>, peer: NodeId) {
        self.neighbors.add(peer);
    }

    fn on_link_down(&mut self, _net: &mut impl Transport<Node>, peer: NodeId) {
        self.neighbors.remove(peer);
    }

    /// A flood crosses every link twice but for the links by which a node first heard: 2E - (n - 1).
    fn messages_per_broadcast(_config: &NodeConfig, nodes: u64, links: u64) -> Option<u64> {
        Some((2 * links).saturating_sub(nodes.saturating_sub(1)))
    }
}

impl Node {
    /// A broadcast came in, from a neighbor or from the application: deliver and pass it on, if it is new.
    fn receive(&mut self, net: &mut impl Transport<Node>, from: Option<NodeId>, payload: Payload, hops: u32) {
        let broadcast = net.broadcast(payload);
        let (origin, sequence) = (broadcast.origin, broadcast.sequence);
        let sight = self.seen.record(origin, sequence);
        if let Some((first, last)) = sight.given_up {
            net.notify(Notice::Gap { origin, first, last });
        }
        if sight.is_new {
            net.notify(Notice::Delivered { payload, hops });
            flood::spread(net, &self.neighbors, from, payload, hops);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Identity;
    use crate::message::{Broadcast, Origin, Timestamp};
    use crate::transport::{Action, Outbox};

    fn node_with_neighbors(peers: &[u32]) -> (Node, Outbox<Node>) {
        let mut net = Outbox::new(NodeId(0));
        let mut node = Node::start(&NodeConfig::default(), &mut net);
        for &peer in peers {
            node.on_link_up(&mut net, NodeId(peer));
        }
        (node, net)
    }

    fn foreign(sequence: u64) -> Broadcast {
        let origin = Origin { node: NodeId(9), incarnation: 1 };
        let identity = Identity::simulated(0, NodeId(9));
        Broadcast::new(origin, identity, sequence, "#BROADCAST".into(), "hello".into(), Timestamp::default())
    }

    fn broadcast(text: &str) -> Command {
        Command::Broadcast { title: "#BROADCAST".into(), message: text.into() }
    }

    #[test]
    fn a_new_broadcast_is_delivered_and_passed_to_all_but_its_sender_once() {
        let (mut node, mut net) = node_with_neighbors(&[1, 2, 3]);
        let payload = net.receive(foreign(0));
        node.on_message(&mut net, NodeId(2), NodeMessage::Data { payload, hops: 4 });
        let onward = NodeMessage::Data { payload, hops: 5 };
        assert_eq!(
            net.take(),
            [
                Action::Notify(Notice::Delivered { payload, hops: 4 }),
                Action::Send(NodeId(1), onward.clone()),
                Action::Send(NodeId(3), onward),
            ]
        );
        node.on_message(&mut net, NodeId(3), NodeMessage::Data { payload, hops: 9 });
        assert_eq!(net.take(), []);
    }

    #[test]
    fn the_same_text_twice_is_two_messages() {
        let (mut node, mut net) = node_with_neighbors(&[1]);
        node.on_command(&mut net, broadcast("hello"));
        node.on_command(&mut net, broadcast("hello"));
        let published: Vec<Payload> = net
            .take()
            .iter()
            .filter_map(|action| if let Action::Publish(payload) = action { Some(*payload) } else { None })
            .collect();
        let (a, b) = (net.broadcast(published[0]), net.broadcast(published[1]));
        assert_ne!(a.message.id, b.message.id);
        assert_eq!((a.sequence, b.sequence, a.origin), (0, 1, b.origin));
    }

    #[test]
    fn a_link_that_went_down_is_not_used() {
        let (mut node, mut net) = node_with_neighbors(&[1, 2]);
        node.on_link_down(&mut net, NodeId(1));
        node.on_command(&mut net, broadcast("hello"));
        let receivers: Vec<NodeId> = net
            .take()
            .iter()
            .filter_map(|action| if let Action::Send(to, _) = action { Some(*to) } else { None })
            .collect();
        assert_eq!(receivers, [NodeId(2)]);
    }
}
