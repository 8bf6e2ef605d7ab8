//! One node that reconciles, on a transport that only records; and two that talk.

use super::*;
use crate::id::Identity;
use crate::message::{Broadcast, Origin, Timestamp};
use crate::node::{NodeConfig, NodeMessage};
use crate::protocol::{Protocol, View as NodeView};
use crate::transport::{Action, Outbox};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn started(me: u32) -> (Node, Outbox<Node>) {
    let [retention, heal, every] = [10, 1, 10].map(Duration::from_secs);
    let reconcile = Some(ReconcileConfig { retention, heal, every });
    let mut net = Outbox::new(NodeId(me));
    let node = Node::start(&NodeConfig { reconcile, ..NodeConfig::default() }, &[], &mut net);
    (node, net)
}

fn repair(node: &Node) -> &Repair {
    node.aside.repair.as_ref().unwrap()
}

fn foreign(net: &mut Outbox<Node>, origin: u32, sequence: u64) -> Payload {
    let time = Timestamp::from_micros(net.now().nanos() / 1_000);
    let of = Origin { node: NodeId(origin), incarnation: 1 };
    let identity = Identity::simulated(0, NodeId(origin));
    net.receive(Broadcast::new(of, identity, sequence, String::new(), String::new(), time))
}

fn receive(node: &mut Node, net: &mut Outbox<Node>, origin: u32, sequence: u64) {
    let payload = foreign(net, origin, sequence);
    node.on_message(net, NodeId(1), NodeMessage::Data { payload, hops: 1 });
}

/// A million messages of few origins, each three times, over a thousand retentions: each is delivered once, and what is
/// remembered of them is what came in the last R + 2·T_heal.
#[test]
fn a_million_are_delivered_once_in_bounded_memory() {
    let count = 1_000_000u64;
    let (mut node, mut net) = started(0);
    for peer in 1..4 {
        node.on_link_up(&mut net, NodeId(peer));
    }
    let (mut delivered, mut synced, mut payloads) = (0, 0, Vec::new());
    for i in 0..count {
        net.set_now(LocalTime::from_nanos(i * 10_000_000));
        payloads.push(foreign(&mut net, 9 + (i % 5) as u32, i / 5));
        // The same from two others, and once more later.
        let again = payloads[i.saturating_sub(7 + i % 900) as usize];
        for (from, payload) in [(1, payloads[i as usize]), (2, payloads[i as usize]), (3, again)] {
            node.on_message(&mut net, NodeId(from), NodeMessage::Data { payload, hops: 1 });
        }
        let actions = net.take();
        synced += actions.iter().filter(|action| matches!(action, Action::Append(_))).count() as u64;
        node.on_synced(&mut net, synced);
        let is_delivery =
            |action: &&Action<_, _, _>| matches!(action, Action::Notify(Notice::Delivered { .. }));
        delivered += net.take().iter().filter(is_delivery).count() as u64;
        let store = &repair(&node).store;
        assert!(store.count_held() <= 1_202 && store.authors() <= 5, "{} after {i}", store.count_held());
        let spans = store.spans();
        assert!(spans <= 5, "{spans} spans after {i}");
    }
    let mut view = NodeView::default();
    node.inspect(&mut view);
    assert_eq!((delivered, view.delivered, view.duplicates), (count, count, 2 * count));
    // Everything is forgotten at the next occasion.
    net.set_now(LocalTime::from_nanos(count * 10_000_000 + 20 * SECOND));
    node.on_timer(&mut net, NodeTimer::Reconcile { generation: 0 });
    assert_eq!((repair(&node).store.count_held(), repair(&node).store.authors()), (0, 5));
    net.set_now(LocalTime::from_nanos(count * 10_000_000 + 200 * SECOND));
    node.on_timer(&mut net, NodeTimer::Reconcile { generation: 0 });
    assert_eq!(repair(&node).store.authors(), 0);
}

/// What is held, and whose, is what came in the last R + 2·T_heal, and in 10·R.
#[test]
fn memory_does_not_grow_with_the_number_of_origins() {
    let (mut node, mut net) = started(0);
    for i in 0..100_000u64 {
        net.set_now(LocalTime::from_nanos(i * 10_000_000));
        receive(&mut node, &mut net, 9 + (i / 500) as u32, i % 500);
        node.on_synced(&mut net, i + 1);
        net.take();
        let store = &repair(&node).store;
        assert!(store.count_held() <= 1_202, "{} after {i}", store.count_held());
        assert!(store.authors() <= 25, "{} after {i}", store.authors());
    }
}

fn gaps(net: &mut Outbox<Node>) -> Vec<(u64, u64)> {
    let gap = |action| match action {
        Action::Notify(Notice::Gap { first, last, .. }) => Some((first, last)),
        _ => None,
    };
    net.take().into_iter().filter_map(gap).collect()
}

/// What is missing below what is too old is given up, once, and not before.
#[test]
fn a_hole_that_nobody_fills_is_given_up_in_the_end() {
    let (mut node, mut net) = started(0);
    for (second, sequence) in [(0, 0), (1, 5), (12, 6)] {
        net.set_now(LocalTime::from_nanos(second * SECOND));
        receive(&mut node, &mut net, 9, sequence);
        assert_eq!(gaps(&mut net), [], "R + 2·T_heal is 12 s");
    }
    for (second, sequence, expected) in [(14, 7, vec![(1, 4)]), (40, 8, vec![])] {
        net.set_now(LocalTime::from_nanos(second * SECOND));
        receive(&mut node, &mut net, 9, sequence);
        assert_eq!(gaps(&mut net), expected);
    }
}

/// Two nodes and a link between them that loses what is flooded, and nothing else.
struct Pair {
    nodes: [(Node, Outbox<Node>); 2],
    now: u64,
    /// When which node is woken, and by what.
    timers: Vec<(u64, usize, NodeTimer)>,
    sent: Vec<(usize, NodeMessage)>,
}

impl Pair {
    /// Carries out what they want.
    fn carry_out(&mut self) {
        for place in 0..2 {
            for action in self.nodes[place].1.take() {
                match action {
                    Action::Send(NodeId(to), message @ NodeMessage::Control(_)) if to < 2 => {
                        self.sent.push((to as usize, message));
                    }
                    Action::SetTimer(after, timer) => {
                        self.timers.push((self.now + after.as_nanos() as u64, place, timer));
                    }
                    _ => {}
                }
            }
        }
    }

    fn run_for(&mut self, seconds: u64) {
        let end = self.now + seconds * SECOND;
        for _ in 0..100_000 {
            self.carry_out();
            if let Some((to, message)) = (!self.sent.is_empty()).then(|| self.sent.remove(0)) {
                let (node, net) = &mut self.nodes[to];
                node.on_message(net, NodeId(1 - to as u32), message);
                continue;
            }
            let Some(next) = (0..self.timers.len()).min_by_key(|&at| self.timers[at].0) else { return };
            if self.timers[next].0 > end {
                break;
            }
            let (time, place, timer) = self.timers.remove(next);
            self.now = time;
            let (node, net) = &mut self.nodes[place];
            net.set_now(LocalTime::from_nanos(time));
            node.on_timer(net, timer);
        }
        assert!(self.sent.is_empty(), "they never come to an end");
        self.now = end;
        for (_, net) in &mut self.nodes {
            net.set_now(LocalTime::from_nanos(end));
        }
    }
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0u64..40,
        (spans::SEQUENCE_LIMIT - 3..spans::SEQUENCE_LIMIT + 3),
        (u64::MAX - 2..=u64::MAX),
        any::<u64>(),
    ]
}

fn name() -> impl Strategy<Value = Name> {
    let known = (7u32..11).prop_map(|node| Name::of(Identity::simulated(0, NodeId(node)), 1));
    prop_oneof![known, any::<[u8; 8]>().prop_map(Name)]
}

/// Sound ones and others.
fn any_spans() -> impl Strategy<Value = Spans> {
    let any = prop::collection::vec((number(), number()), 0..4);
    let many = (1u64..90).prop_map(|count| (0..count).map(|i| (3 * i, 3 * i + 1)).collect());
    let one = number().prop_map(|last| vec![(0, last)]);
    prop_oneof![any, many, one].prop_map(|list: Vec<(u64, u64)>| {
        postcard::from_bytes(&postcard::to_allocvec(&list).unwrap()).unwrap()
    })
}

fn key() -> impl Strategy<Value = Key> {
    (prop_oneof![0u32..5, any::<u32>()], name(), number()).prop_map(|(bucket, name, sequence)| Key {
        bucket,
        name,
        sequence,
    })
}

fn any_range() -> impl Strategy<Value = Range> {
    use ranges::{Body, Run};
    let runs = || {
        let run = (key(), prop_oneof![0u32..30, any::<u32>()]).prop_map(|(first, more)| Run { first, more });
        prop::collection::vec(run, 0..20)
    };
    let body = prop_oneof![
        Just(Body::Skip),
        any::<[u8; 16]>().prop_map(Body::Fingerprint),
        runs().prop_map(Body::All),
        runs().prop_map(Body::Some),
    ];
    (prop::option::of(key()), body).prop_map(|(end, body)| Range { end, body })
}

fn any_message() -> impl Strategy<Value = Reconciling> {
    let known = (name(), any_spans()).prop_map(|(name, seen)| Known { name, seen });
    let window = || {
        let bucket = || prop_oneof![0u32..5, any::<u32>(), Just(u32::MAX)];
        (bucket(), bucket(), bucket()).prop_map(|(silent_low, low, until)| Window { silent_low, low, until })
    };
    let wanted = (name(), number(), number()).prop_map(|(name, first, last)| Wanted { name, first, last });
    let origin = prop::option::of((7u32..11, Just(1u64))).prop_map(|o| o.map(|(node, i)| (NodeId(node), i)));
    let gone = (origin, key(), any_spans(), any_spans()).prop_map(|(origin, latest, evicted, absent)| Gone {
        origin,
        latest,
        evicted,
        absent,
    });
    let mut ranges = prop::collection::vec(any_range(), 0..6).boxed();
    ranges = prop_oneof![
        ranges.clone(),
        // In order, as they have to be.
        ranges.prop_map(|mut ranges| {
            ranges.sort_by_key(|range| (range.end.is_none(), range.end));
            ranges.dedup_by_key(|range| range.end);
            ranges
        })
    ]
    .boxed();
    prop_oneof![
        (any::<bool>(), prop::collection::vec(known, 0..70))
            .prop_map(|(again, known)| Reconciling::Seen { again, known }),
        (window(), any::<[u8; 32]>()).prop_map(|(window, theirs)| Reconciling::Compare(window, theirs)),
        any::<[u8; 8]>().prop_map(Reconciling::Same),
        Just(Reconciling::Later),
        (window(), ranges).prop_map(|(window, ranges)| Reconciling::Ranges(window, ranges)),
        prop::collection::vec(wanted, 0..5).prop_map(Reconciling::Want),
        (0usize..10, any::<u32>(), prop_oneof![0u64..30_000, any::<u64>()]).prop_map(
            |(payload, hops, age)| {
                Reconciling::Copy { payload: Payload::from_word(payload as u32), hops, age }
            }
        ),
        gone.prop_map(Reconciling::Gone),
    ]
}

fn is_bounded(repair: &Repair) {
    for link in &repair.links {
        assert!(link.views.len() <= MOST_VIEWS && link.lacking.len() <= link.views.len());
        assert!(link.views.values().all(|view| view.has.as_slice().len() <= 4 * spans::MOST_SPANS));
        assert!(link.views.values().all(|view| view.absent.as_slice().len() <= 4 * spans::MOST_SPANS));
        link.tells.assert_bounded(repair.store.authors());
    }
    assert!(repair.asked.len() <= 64 * repair.links.len(), "{}", repair.asked.len());
    assert!(repair.store.spans() <= (spans::MOST_SPANS + 1) * repair.store.authors());
    assert!(repair.evicted.len() <= MOST_VIEWS * repair.links.len());
}

proptest! {
    /// Whatever a neighbor and a stranger say, a node stands it, in bounded memory; and with an honest neighbor it agrees
    /// about everything else.
    #[test]
    fn it_stands_whatever_is_said(
        said in prop::collection::vec((any::<bool>(), any_message(), 0u64..3), 0..40),
        held in prop::collection::btree_set((11u32..14, 0u64..30), 0..40),
    ) {
        let mut pair = Pair { nodes: [started(0), started(1)], now: 0, timers: Vec::new(), sent: Vec::new() };
        // So that handles mean the same at both.
        let mut payloads = BTreeMap::new();
        let all = (0..10).map(|i| (7 + i % 4, u64::from(i / 4))).chain(held.iter().copied());
        for of in all.collect::<Vec<_>>() {
            let [a, b] = pair.nodes.each_mut().map(|(_, net)| foreign(net, of.0, of.1));
            prop_assert_eq!(a, b);
            payloads.insert(of, a);
        }
        let (victim, net) = &mut pair.nodes[0];
        victim.on_link_up(net, NodeId(1));
        victim.on_link_up(net, NodeId(2));
        let (honest, net) = &mut pair.nodes[1];
        honest.on_link_up(net, NodeId(0));
        for (is_neighbor, message, pause) in said {
            pair.now += pause * SECOND;
            pair.nodes.iter_mut().for_each(|(_, net)| net.set_now(LocalTime::from_nanos(pair.now)));
            let (victim, net) = &mut pair.nodes[0];
            let from = NodeId(if is_neighbor { 2 } else { 3 });
            let control = Control::Reconciling(message);
            victim.on_message(net, from, NodeMessage::Control(Box::new(control)));
            is_bounded(repair(victim));
        }
        let (victim, net) = &mut pair.nodes[0];
        victim.on_link_down(net, NodeId(2));
        let (honest, net) = &mut pair.nodes[1];
        for of in &held {
            let payload = payloads[of];
            honest.on_message(net, NodeId(9), NodeMessage::Data { payload, hops: 1 });
        }
        pair.run_for(8);
        let (victim, _) = &pair.nodes[0];
        for &(origin, sequence) in &held {
            let name = Name::of(Identity::simulated(0, NodeId(origin)), 1);
            let store = &repair(victim).store;
            prop_assert!(store.author(name).is_some_and(|author| author.seen.contains(sequence)), "{} of {}", sequence, origin);
        }
        is_bounded(repair(victim));
    }
}
