//! One node's part in flips, among peers that fall silent, repeat themselves, or lie.

use super::super::HARD;
use super::*;
use crate::node::{Control, NodeConfig, NodeMessage, NodeTimer, OverlayKind};
use crate::protocol::{Command, Protocol};
use crate::transport::{Action, Outbox};
use proptest::prelude::*;

/// So many neighbors the node has at first: 1, 2, and so on.
const FIRST: u32 = 6;
/// A node that is no neighbor.
const STRANGER: u32 = 11;
/// Longer than any hold, and long enough for an alarm since.
const LONG: Duration = Duration::from_secs(20);

/// What a peer does.
#[derive(Clone, PartialEq, Debug)]
enum Deed {
    /// It says something about a flip.
    Says(u32, (NodeId, u32), Flip),
    /// It opens a link, and wants to be a neighbor for a flip.
    Woos(u32, (NodeId, u32)),
    /// It consents to a link, if one is being opened, and to whatever is asked over it.
    Consents(u32),
    /// Its link breaks.
    Breaks(u32),
    /// It says nothing for so many milliseconds, nor does anybody else.
    Waits(u64),
}

/// Node 0, and the world around it.
struct Bench {
    node: Node,
    net: Outbox<Node>,
    nanos: u64,
    timers: Vec<(u64, NodeTimer)>,
    opening: Vec<NodeId>,
    up: Vec<NodeId>,
    said: Vec<(NodeId, Flip)>,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(FIRST)
    }

    fn with(neighbors: u32) -> Bench {
        let mut net = Outbox::new(NodeId(0));
        let config = NodeConfig { overlay: Some(OverlayKind::Regular), ..NodeConfig::default() };
        let node = Node::start(&config, &[], &mut net);
        let (timers, opening, said) = (Vec::new(), Vec::new(), Vec::new());
        let mut bench = Bench { node, net, nanos: 0, timers, opening, up: Vec::new(), said };
        for peer in (1..=neighbors).map(NodeId) {
            bench.up.push(peer);
            bench.node.on_link_up(&mut bench.net, peer);
        }
        bench.wait(Duration::from_secs(1));
        bench
    }

    fn neighbors(&self) -> Vec<u32> {
        let mut neighbors: Vec<u32> = self.node.neighbors.iter().map(|peer| peer.0).collect();
        neighbors.sort_unstable();
        neighbors
    }

    fn now(&self) -> LocalTime {
        LocalTime::from_nanos(self.nanos)
    }

    /// Whether it keeps anything for a flip.
    fn holds(&self) -> bool {
        self.node.aside.regular.flip.is_some_and(|part| self.now() < part.until)
    }

    /// The world does what the node has asked for.
    fn settle(&mut self) {
        loop {
            let actions = self.net.take();
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.act(action);
            }
        }
        assert!(self.node.neighbors.len() <= HARD, "{:?}", self.neighbors());
    }

    fn act(&mut self, action: Action<NodeMessage, NodeTimer, crate::node::NodeRecord>) {
        match action {
            Action::Open(peer) if !self.up.contains(&peer) && !self.opening.contains(&peer) => {
                self.opening.push(peer);
            }
            Action::Close(peer) => self.end(peer),
            Action::SetTimer(after, timer) => self.timers.push((self.nanos + after.as_nanos() as u64, timer)),
            Action::Send(to, NodeMessage::Control(control)) if self.up.contains(&to) => {
                if let Control::Regular(Word::Flip(_, word)) = *control {
                    self.said.push((to, word));
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, peer: NodeId) {
        let before = self.up.len() + self.opening.len();
        self.up.retain(|&other| other != peer);
        self.opening.retain(|&other| other != peer);
        if self.up.len() + self.opening.len() < before {
            self.node.on_link_down(&mut self.net, peer);
        }
    }

    fn link(&mut self, peer: NodeId) {
        self.opening.retain(|&other| other != peer);
        if !self.up.contains(&peer) {
            self.up.push(peer);
            self.node.on_link_up(&mut self.net, peer);
        }
    }

    fn hear(&mut self, from: NodeId, message: impl Into<NodeMessage>) {
        if self.up.contains(&from) {
            self.node.on_message(&mut self.net, from, message.into());
        }
    }

    fn wait(&mut self, time: Duration) {
        self.settle();
        let until = self.nanos + time.as_nanos() as u64;
        while let Some(place) = (0..self.timers.len()).min_by_key(|&place| self.timers[place].0)
            && self.timers[place].0 <= until
        {
            let (at, timer) = self.timers.swap_remove(place);
            self.nanos = self.nanos.max(at);
            self.net.set_now(self.now());
            self.node.on_timer(&mut self.net, timer);
            self.settle();
        }
        self.nanos = until;
        self.net.set_now(self.now());
    }

    fn happen(&mut self, deed: &Deed) {
        match *deed {
            Deed::Says(from, flip, ref word) => self.hear(NodeId(from), Word::Flip(flip, word.clone())),
            Deed::Woos(from, flip) => {
                self.link(NodeId(from));
                self.hear(NodeId(from), Word::Woo { member: true, why: Why::Flip(flip) });
            }
            Deed::Consents(peer) if self.opening.contains(&NodeId(peer)) => {
                self.link(NodeId(peer));
                self.settle();
                self.hear(NodeId(peer), Control::Welcome { member: true });
            }
            Deed::Consents(_) => {}
            Deed::Breaks(peer) => self.end(NodeId(peer)),
            Deed::Waits(millis) => self.wait(Duration::from_millis(millis)),
        }
        self.settle();
    }
}

/// What those beside a node at each place do, in the order in which a flip needs it, and the neighbor that goes, if it is certain.
fn courses() -> [(Vec<Deed>, Option<u32>); 4] {
    use Deed::{Breaks, Consents, Says, Woos};
    let (a, b, c) = ((NodeId(0), 7), (NodeId(1), 7), (NodeId(STRANGER), 7));
    let d = (NodeId(12), 7);
    let new = NodeId(STRANGER);
    [
        (vec![Says(1, a, Flip::Begin), Says(1, a, Flip::Go(new)), Consents(STRANGER), Breaks(1)], Some(1)),
        (
            vec![
                Says(1, b, Flip::Second(List::default())),
                Woos(STRANGER, b),
                Says(STRANGER, b, Flip::Linked),
                Says(1, b, Flip::Linked),
            ],
            Some(1),
        ),
        (vec![Says(2, c, Flip::Third(List::default())), Woos(STRANGER, c), Says(2, c, Flip::End)], None),
        (vec![Says(2, d, Flip::Fourth(new)), Consents(STRANGER), Breaks(2)], Some(2)),
    ]
}

#[test]
fn at_each_place_one_neighbor_comes_and_then_one_goes() {
    for (place, (deeds, goes)) in courses().into_iter().enumerate() {
        let mut bench = Bench::new();
        for deed in &deeds {
            assert!(bench.neighbors().len() >= FIRST as usize, "place {place}: make before break");
            bench.happen(deed);
        }
        let neighbors = bench.neighbors();
        assert_eq!(neighbors.len(), FIRST as usize, "place {place}: {neighbors:?}");
        assert!(neighbors.contains(&STRANGER), "place {place}: {neighbors:?}");
        assert!(goes.is_none_or(|goes| !neighbors.contains(&goes)), "place {place}: {neighbors:?}");
        // It is no loss: nobody is dialled for it.
        bench.wait(Duration::from_millis(500));
        assert_eq!(bench.opening, [], "place {place}");
    }
}

/// What has been begun is given up after a while: no neighbor fewer, at most one more, nothing is held, and the node may leave.
#[test]
fn peers_may_fall_silent_at_any_stage() {
    for (place, (deeds, _)) in courses().into_iter().enumerate() {
        for stage in 1..deeds.len() {
            let mut bench = Bench::new();
            deeds[..stage].iter().for_each(|deed| bench.happen(deed));
            assert!(bench.holds(), "place {place}, stage {stage}");
            bench.wait(LONG);
            assert!(!bench.holds(), "place {place}, stage {stage}");
            let neighbors = bench.neighbors().len();
            assert!((FIRST..=FIRST + 1).contains(&(neighbors as u32)), "place {place}, stage {stage}");
            assert_eq!(bench.node.load(), neighbors, "place {place}, stage {stage}");
            // What comes then, comes too late.
            deeds[stage..]
                .iter()
                .filter(|deed| matches!(deed, Deed::Says(..)))
                .for_each(|deed| bench.happen(deed));
            assert_eq!(bench.neighbors().len(), neighbors, "place {place}, stage {stage}");
            bench.node.on_command(&mut bench.net, Command::Leave);
            let is_leaving = |action| {
                let Action::Send(_, NodeMessage::Control(control)) = action else { return false };
                matches!(*control, Control::Leaving { .. })
            };
            assert!(bench.net.take().into_iter().any(is_leaving), "place {place}, stage {stage}");
        }
    }
}

/// A link that breaks in the middle ends nothing that has not been replaced, and nothing is held longer for it.
#[test]
fn links_may_break_at_any_stage() {
    for (place, (deeds, _)) in courses().into_iter().enumerate() {
        for stage in 1..deeds.len() {
            for broken in (1..=FIRST).chain([STRANGER]) {
                let mut bench = Bench::new();
                deeds[..stage].iter().for_each(|deed| bench.happen(deed));
                let before = bench.neighbors();
                bench.happen(&Deed::Breaks(broken));
                bench.happen(&deeds[stage]);
                let lost = before.iter().filter(|peer| !bench.neighbors().contains(peer)).count();
                let may_lose = usize::from(before.contains(&broken));
                let flipped = usize::from(stage + 1 == deeds.len() && before.contains(&STRANGER));
                assert!(lost <= may_lose + flipped, "place {place}, stage {stage}, without {broken}");
                bench.wait(LONG);
                assert!(!bench.holds(), "place {place}, stage {stage}, without {broken}");
            }
        }
    }
}

#[test]
fn messages_may_come_twice() {
    for (place, (deeds, _)) in courses().into_iter().enumerate() {
        let (mut once, mut twice) = (Bench::new(), Bench::new());
        for deed in &deeds {
            once.happen(deed);
            twice.happen(deed);
            if matches!(deed, Deed::Says(..) | Deed::Woos(..)) {
                twice.happen(deed);
            }
            assert_eq!(once.neighbors(), twice.neighbors(), "place {place}: {deed:?}");
        }
        assert_eq!(once.said, twice.said, "place {place}");
    }
}

#[test]
fn who_takes_part_in_a_flip_refuses_others_and_splits_and_sheds_none_of_its_links() {
    for (place, (deeds, _)) in courses().into_iter().enumerate() {
        let mut bench = Bench::new();
        bench.happen(&deeds[0]);
        bench.said.clear();
        bench.happen(&Deed::Says(3, (NodeId(3), 8), Flip::Second(List::default())));
        assert_eq!(bench.said, [(NodeId(3), Flip::No)], "place {place}");
        let now = bench.now();
        let part = bench.node.aside.regular.flip.unwrap();
        assert!(bench.node.is_locked(now, part.old) && bench.node.is_shed(now, part.old), "place {place}");
        assert!(part.middle.is_none_or(|middle| bench.node.is_locked(now, middle)), "place {place}");
    }
}

/// It would have nine for a moment. In calm nobody has more than eight.
#[test]
fn who_has_eight_neighbors_takes_part_in_no_flip() {
    for (place, (deeds, _)) in courses().into_iter().enumerate() {
        let mut bench = Bench::with(SOFT as u32);
        bench.happen(&deeds[0]);
        assert!(!bench.holds(), "place {place}");
        let mut bench = Bench::with(SOFT as u32 - 1);
        deeds.iter().for_each(|deed| bench.happen(deed));
        assert!(bench.neighbors().contains(&STRANGER), "place {place}");
    }
}

/// Peers that follow nothing: whatever they say, the node has ten neighbors at most, ends a link for a flip only where it
/// has another one for it, and is free again soon after they are silent.
fn any_deed() -> impl Strategy<Value = Deed> {
    let peer = || prop_oneof![1u32..=FIRST, STRANGER..STRANGER + 12];
    let flip = (prop_oneof![Just(0u32), Just(1), Just(2), Just(STRANGER), Just(99)], 7u32..9)
        .prop_map(|(first, number)| (NodeId(first), number));
    let list = prop::collection::vec(0u32..30, 0..20).prop_map(|nodes| {
        let mut list = List::default();
        list.nodes = nodes.into_iter().map(NodeId).collect();
        list
    });
    let node = (0u32..STRANGER + 12).prop_map(NodeId);
    let word = prop_oneof![
        Just(Flip::Begin),
        list.clone().prop_map(Flip::Second),
        list.prop_map(Flip::Third),
        node.clone().prop_map(Flip::Fourth),
        Just(Flip::No),
        Just(Flip::Linked),
        node.prop_map(Flip::Go),
        Just(Flip::End),
    ];
    prop_oneof![
        6 => (peer(), flip.clone(), word).prop_map(|(from, flip, word)| Deed::Says(from, flip, word)),
        2 => (peer(), flip).prop_map(|(from, flip)| Deed::Woos(from, flip)),
        3 => peer().prop_map(Deed::Consents),
        1 => peer().prop_map(Deed::Breaks),
        1 => (0u64..4_000).prop_map(Deed::Waits),
    ]
}

proptest! {
    #[test]
    fn peers_may_say_anything(deeds in prop::collection::vec(any_deed(), 0..120)) {
        let mut bench = Bench::new();
        for deed in &deeds {
            let before = bench.neighbors();
            bench.happen(deed);
            let now = bench.neighbors();
            let lost = before.iter().filter(|peer| !now.contains(peer)).count();
            match deed {
                Deed::Says(_, _, Flip::Linked | Flip::End) => {
                    let new = bench.node.aside.regular.flip.and_then(|part| part.new);
                    let has_come = new.is_some_and(|new| now.contains(&new.0));
                    prop_assert!(lost == 0 || (lost == 1 && has_come), "{deed:?}: {before:?}, {now:?}");
                }
                Deed::Says(..) | Deed::Woos(..) | Deed::Consents(_) => prop_assert_eq!(lost, 0),
                Deed::Breaks(_) | Deed::Waits(_) => {}
            }
        }
        // It may have begun one itself meanwhile: then a little later.
        let is_free = (0..30).any(|_| {
            bench.wait(Duration::from_secs(1));
            !bench.holds()
        });
        prop_assert!(is_free);
    }
}
