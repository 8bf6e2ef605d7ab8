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
            Action::Append(NodeRecord::Delivered { payload }),
            Action::Send(NodeId(1), onward.clone()),
            Action::Send(NodeId(3), onward),
        ]
    );
    node.on_synced(&mut net, 1);
    assert_eq!(net.take(), [Action::Notify(Notice::Delivered { payload, hops: 4 })]);
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
    node.on_synced(&mut net, 1);
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

fn published(net: &mut Outbox<Node>) -> Vec<Payload> {
    let published = |action| if let Action::Publish(payload) = action { Some(payload) } else { None };
    net.take().into_iter().filter_map(published).collect()
}

/// An origin says nothing before its own record is safe; then it delivers first, in order.
#[test]
fn an_origin_delivers_and_sends_when_its_record_is_safe() {
    let (mut node, mut net) = node_with_neighbors(&[1]);
    node.on_command(&mut net, broadcast("one"));
    node.on_command(&mut net, broadcast("two"));
    let [one, two] = published(&mut net)[..] else { panic!("two broadcasts") };
    let told = |payload| {
        let data = NodeMessage::Data { payload, hops: 1 };
        [Action::Notify(Notice::Delivered { payload, hops: 0 }), Action::Send(NodeId(1), data)]
    };
    node.on_synced(&mut net, 1);
    assert_eq!(net.take(), told(one));
    node.on_synced(&mut net, 2);
    assert_eq!(net.take(), told(two));
    let mut view = View::default();
    node.inspect(&mut view);
    assert_eq!(view.delivered, 2);
}

/// The next life delivers nothing again, and its series goes on right where the log ends.
#[test]
fn a_node_that_has_its_log_goes_on_where_it_ended() {
    let (mut node, mut net) = node_with_neighbors(&[1]);
    let payload = net.receive(foreign(0));
    node.on_message(&mut net, NodeId(1), NodeMessage::Data { payload, hops: 4 });
    node.on_command(&mut net, broadcast("safe"));
    node.on_command(&mut net, broadcast("lost"));
    let own = published(&mut net);
    let log = [NodeRecord::Delivered { payload }, NodeRecord::Published { payload: own[0] }];

    let mut node = Node::start(&NodeConfig::default(), &log, &mut net);
    node.on_message(&mut net, NodeId(1), NodeMessage::Data { payload, hops: 4 });
    assert_eq!(net.take(), [], "delivered in the life before");
    node.on_command(&mut net, broadcast("next"));
    let next = published(&mut net)[0];
    let (before, after) = (net.broadcast(own[0]), net.broadcast(next));
    assert_eq!((after.origin, after.sequence), (before.origin, before.sequence + 1));

    // Without its log it begins a new series, and goes on with that one even if a peer told it of the old one.
    let log = [NodeRecord::Delivered { payload: own[0] }];
    for log in [&log[..], &[]] {
        let mut node = Node::start(&NodeConfig::default(), log, &mut net);
        node.on_command(&mut net, broadcast("anew"));
        let anew = published(&mut net)[0];
        let anew = net.broadcast(anew);
        assert_ne!(anew.origin.incarnation, net.broadcast(next).origin.incarnation);
        assert_eq!(anew.sequence, 0);
    }
}

/// A node that takes more than its disk does ends the links over which it comes; what it took it keeps.
#[test]
fn what_waits_for_the_disk_is_bounded() {
    let (mut node, mut net) = node_with_neighbors(&[1]);
    let mut closed = false;
    for sequence in 0.. {
        let payload = net.receive(foreign(sequence));
        node.on_message(&mut net, NodeId(1), NodeMessage::Data { payload, hops: 1 });
        closed = net.take().contains(&Action::Close(NodeId(1)));
        if closed || sequence > 100_000 {
            break;
        }
    }
    assert!(closed);
    node.on_command(&mut net, broadcast("one more"));
    assert_eq!(net.take(), []);
    node.on_synced(&mut net, 1);
    net.take();
    node.on_command(&mut net, broadcast("one more"));
    assert_eq!(published(&mut net).len(), 1);
}

/// An heir dials both beside it whom it lacks: the one before it may take it for linked, if it has ended that link a moment ago.
#[test]
fn an_heir_releases_a_leaver_when_it_is_linked_to_both_beside_it() {
    let mut net = Outbox::new(NodeId(0));
    let config = NodeConfig { overlay: Some(OverlayKind::Regular), ..NodeConfig::default() };
    let mut node = Node::start(&config, &[], &mut net);
    [1, 2, 3].into_iter().for_each(|peer| node.on_link_up(&mut net, NodeId(peer)));
    net.set_now(LocalTime::from_nanos(1_000_000_000));
    net.take();
    let heirs = [7, 0, 8].map(NodeId).to_vec();
    node.on_message(&mut net, NodeId(1), Control::Leaving { round: 0, heirs }.into());
    let actions = net.take();
    let released = Action::Send(NodeId(1), Control::Released { round: 0 }.into());
    assert!(!actions.contains(&released), "{actions:?}");
    for heir in [7, 8].map(NodeId) {
        assert!(actions.contains(&Action::Open(heir)), "{actions:?}");
        assert!(!net.take().contains(&released));
        node.on_link_up(&mut net, heir);
        node.on_message(&mut net, heir, Control::Welcome { member: true }.into());
    }
    assert!(net.take().contains(&released));
}

/// What a node may hand on for an hour is not forgotten by its process before.
#[test]
fn contents_are_kept_for_longer_than_they_are_handed_on() {
    let config = Node::resolved(NodeConfig::default(), false);
    let ReconcileConfig { retention, heal, .. } = config.reconcile.clone().expect("it is the default");
    assert!(Node::keeps_contents(&config).expect("not for ever") > retention + 2 * heal);
}
