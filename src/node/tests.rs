//! What one node does, on a transport that only records.

use super::*;
use crate::id::Identity;
use crate::message::{Broadcast, Origin, Timestamp};
use crate::transport::{Action, Outbox};

fn node_with_neighbors(peers: &[u32]) -> (Node, Outbox<Node>) {
    let mut net = Outbox::new(NodeId(0));
    let mut node = Node::start(&NodeConfig::default(), &[], &mut net);
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

#[test]
fn data_is_packed_as_if_it_were_encoded() {
    let mut net = Outbox::<Node>::new(NodeId(0));
    let payload = net.receive(foreign(0));
    for hops in [0, 1, 127, 128, 16_383, 16_384, u32::MAX] {
        let message = NodeMessage::Data { payload, hops };
        let size = postcard::to_allocvec(&message).unwrap().len() as u32;
        let (word, packed) = message.pack().unwrap();
        assert_eq!((packed, NodeMessage::unpack(word)), (size, (message, size)));
    }
    assert_eq!(NodeMessage::from(Control::AskNode).pack(), None);
}
