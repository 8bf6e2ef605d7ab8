//! The oracle against another way to find the same: an epidemic that is played moment by moment, and shares no code with it.

use super::*;
use crate::fault::{Condition, ConditionId, Cut, LogFate, Whom};
use crate::graph::Graph;
use crate::observe::chronicle::GIVEN;
use crate::observe::{Observation, Observer};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So many nodes are enough for everything that can go wrong, and few enough for it to go wrong often.
const NODES: u32 = 6;

/// Something that happens, after all messages of its moment have come in.
#[derive(Clone, Debug)]
enum Event {
    Crash(u32, LogFate),
    Stop(u32),
    Restart(u32),
    /// A session comes up at one end.
    Up(u32, u32, u32),
    Down(u32, u32, u32),
    Cut(u32, Cut),
    Pause(u32, Vec<u32>),
    Lift(u32),
}

/// A world that changes, by time.
#[derive(Clone, Debug)]
struct Course {
    graph: Graph,
    latencies: BTreeMap<(u32, u32), u64>,
    events: Vec<(u64, Event)>,
    /// Who publishes, after so many events.
    publication: (u32, usize),
}

impl Course {
    fn latency(&self, a: u32, b: u32) -> u64 {
        self.latencies[&(a.min(b), a.max(b))]
    }

    /// When the broadcast is published.
    fn published(&self) -> u64 {
        self.publication.1.checked_sub(1).map_or(0, |last| self.events[last].0)
    }

    /// What a chronicle writes about it.
    fn chronicle(&self) -> (Chronicle, Publication) {
        let mut chronicle = Chronicle::new(self.graph.clone());
        let mut at = Stamp::START;
        for (number, (time, event)) in self.events.iter().enumerate() {
            let time = Time::from_nanos(*time);
            tell(&mut chronicle, time, event);
            if number + 1 == self.publication.1 {
                at = Stamp { time, turn: chronicle.entries().count() as u32 };
            }
        }
        (chronicle, Publication { origin: NodeId(self.publication.0), at })
    }
}

fn tell(chronicle: &mut Chronicle, time: Time, event: &Event) {
    let condition;
    let observation = match *event {
        Event::Crash(node, log) => Observation::Crashed { node: NodeId(node), log },
        Event::Stop(node) => Observation::Stopped { node: NodeId(node) },
        Event::Restart(node) => Observation::Restarted { node: NodeId(node), is_member: true },
        Event::Up(node, peer, session) => {
            Observation::LinkUp { node: NodeId(node), peer: NodeId(peer), session }
        }
        Event::Down(node, peer, session) => {
            Observation::LinkDown { node: NodeId(node), peer: NodeId(peer), session: Some(session) }
        }
        Event::Cut(id, ref cut) => {
            condition = Condition::Cut(Arc::new(cut.clone()));
            Observation::Imposed { id: ConditionId(id), condition: &condition }
        }
        Event::Pause(id, ref nodes) => {
            condition = Condition::Pause(Whom::these(nodes.iter().map(|&node| NodeId(node))));
            Observation::Imposed { id: ConditionId(id), condition: &condition }
        }
        Event::Lift(id) => Observation::Lifted { id: ConditionId(id) },
    };
    chronicle.observe(time, observation);
}

/// A copy on a session: from, to, session. Or an end of one: node, peer, session.
type Copy = (u32, u32, u32);

/// Everybody who has the message sends it over everything, whenever anything happens.
#[derive(Default)]
struct Epidemic {
    now: u64,
    up: BTreeSet<u32>,
    has: BTreeSet<u32>,
    paused: BTreeMap<u32, Vec<u32>>,
    cuts: BTreeMap<u32, Cut>,
    /// Ends of sessions that are up, by node, peer and session; and those that were.
    ends: BTreeSet<Copy>,
    once: BTreeSet<Copy>,
    travelling: BTreeSet<(u64, Copy)>,
    /// By the cut that is in the way.
    held: BTreeSet<(u32, Copy)>,
    /// Reached a node whose end of the session was not there yet.
    early: BTreeSet<Copy>,
    /// Reached a node that is paused.
    waiting: BTreeSet<Copy>,
    first: BTreeMap<u32, u64>,
}

impl Epidemic {
    fn play(course: &Course) -> Epidemic {
        let mut world = Epidemic { up: (0..NODES).collect(), ..Epidemic::default() };
        for (a, b) in course.graph.edges() {
            world.ends.extend([(a.0, b.0, 1), (b.0, a.0, 1)]);
        }
        world.once = world.ends.clone();
        let (origin, place) = course.publication;
        if place == 0 {
            world.get(origin, course);
        }
        for (number, (time, event)) in course.events.iter().enumerate() {
            world.pass_until(*time, course);
            world.happen(event, course);
            if number + 1 == place && world.up.contains(&origin) {
                world.get(origin, course);
            }
            world.pass_until(*time, course);
        }
        world.pass_until(u64::MAX, course);
        world
    }

    /// Lets everything come in that is due.
    fn pass_until(&mut self, time: u64, course: &Course) {
        while let Some(&(due, copy)) = self.travelling.first().filter(|(due, _)| *due <= time) {
            self.travelling.pop_first();
            self.now = due;
            self.reach(copy, course);
        }
        self.now = time;
    }

    fn is_paused(&self, node: u32) -> bool {
        self.paused.values().any(|nodes| nodes.contains(&node))
    }

    fn reach(&mut self, (from, to, session): Copy, course: &Course) {
        let end = (to, from, session);
        if !self.once.contains(&end) {
            self.early.insert((from, to, session));
        } else if self.ends.contains(&end) {
            match self.is_paused(to) {
                true => drop(self.waiting.insert((from, to, session))),
                false => self.get(to, course),
            }
        }
    }

    fn get(&mut self, node: u32, course: &Course) {
        self.first.entry(node).or_insert(self.now);
        if self.has.insert(node) {
            self.send_all(node, course);
        }
    }

    fn send_all(&mut self, node: u32, course: &Course) {
        for (_, peer, session) in self.ends.iter().copied().filter(|end| end.0 == node).collect::<Vec<_>>() {
            self.send((node, peer, session), course);
        }
    }

    fn send(&mut self, copy: Copy, course: &Course) {
        let (from, to, _) = copy;
        match self.cuts.iter().find(|(_, cut)| cut.stops(NodeId(from), NodeId(to))) {
            Some((&id, _)) => drop(self.held.insert((id, copy))),
            None => drop(self.travelling.insert((self.now + course.latency(from, to), copy))),
        }
    }

    fn happen(&mut self, event: &Event, course: &Course) {
        match event {
            &Event::Crash(node, log) => {
                self.die(node);
                self.held.retain(|(_, copy)| copy.0 != node);
                if log == LogFate::Lost {
                    self.has.remove(&node);
                }
            }
            &Event::Stop(node) => self.die(node),
            &Event::Restart(node) => drop(self.up.insert(node)),
            &Event::Up(node, peer, session) => {
                self.ends.insert((node, peer, session));
                self.once.insert((node, peer, session));
                if self.early.remove(&(peer, node, session)) {
                    self.reach((peer, node, session), course);
                }
                // It is at work now, even if it is paused.
                if self.has.contains(&node) {
                    self.send((node, peer, session), course);
                }
            }
            &Event::Down(node, peer, session) => drop(self.ends.remove(&(node, peer, session))),
            Event::Cut(id, cut) => drop(self.cuts.insert(*id, cut.clone())),
            Event::Pause(id, nodes) => drop(self.paused.insert(*id, nodes.clone())),
            Event::Lift(id) => self.lift(*id, course),
        }
        let at_work: Vec<u32> = self.has.iter().copied().filter(|&node| !self.is_paused(node)).collect();
        at_work.into_iter().for_each(|node| self.send_all(node, course));
    }

    fn die(&mut self, node: u32) {
        self.up.remove(&node);
        self.ends.retain(|end| end.0 != node);
        self.waiting.retain(|copy| copy.1 != node);
    }

    fn lift(&mut self, id: u32, course: &Course) {
        self.cuts.remove(&id);
        self.paused.remove(&id);
        let released: Vec<(u32, Copy)> = self.held.iter().copied().filter(|held| held.0 == id).collect();
        for held in released {
            self.held.remove(&held);
            self.send(held.1, course);
        }
        for copy in std::mem::take(&mut self.waiting) {
            self.reach(copy, course);
        }
    }
}

/// Numbers from which a course is made.
type Raw = (u64, u8, u32, u32, u32);

/// Makes a course of any numbers: what cannot happen is left out.
fn course(edges: &[(u32, u32)], latencies: &[u64], raw: &[Raw], publication: (u32, usize)) -> Course {
    let graph = Graph::from_edges(NODES as usize, edges);
    let pairs = (0..NODES).flat_map(|a| (a + 1..NODES).map(move |b| (a, b)));
    let latencies = pairs.zip(latencies.iter().copied().cycle()).collect();
    let mut up: BTreeSet<u32> = (0..NODES).collect();
    let mut ends: BTreeSet<Copy> = graph.edges().flat_map(|(a, b)| [(a.0, b.0, 1), (b.0, a.0, 1)]).collect();
    // Ends of sessions that are still to come up.
    let mut wished: Vec<Copy> = Vec::new();
    let (mut sessions, mut conditions, mut in_force) = (GIVEN, 0, Vec::new());
    let mut events: Vec<(u64, Event)> = Vec::new();
    let mut time = 0;
    for &(wait, kind, a, b, bits) in raw {
        time += wait;
        let event = match kind {
            0 if up.remove(&a) => {
                ends.retain(|end| end.0 != a);
                wished.retain(|end| end.0 != a);
                Event::Crash(a, if bits % 2 == 0 { LogFate::Kept } else { LogFate::Lost })
            }
            1 if bits % 4 == 0 && up.remove(&a) => {
                ends.retain(|end| end.0 != a);
                wished.retain(|end| end.0 != a);
                Event::Stop(a)
            }
            2 if up.insert(a) => Event::Restart(a),
            3 | 4 if a != b && up.contains(&a) && up.contains(&b) => {
                sessions += 1;
                ends.insert((a, b, sessions));
                wished.push((b, a, sessions));
                Event::Up(a, b, sessions)
            }
            5 | 6 if !wished.is_empty() => {
                let end = wished.remove(bits as usize % wished.len());
                ends.insert(end);
                Event::Up(end.0, end.1, end.2)
            }
            7 if !ends.is_empty() => {
                let end = *ends.iter().nth(bits as usize % ends.len()).unwrap();
                ends.remove(&end);
                Event::Down(end.0, end.1, end.2)
            }
            8 => {
                in_force.push(conditions);
                conditions += 1;
                let groups = (0..NODES).map(|node| bits >> node & 1).collect();
                Event::Cut(conditions - 1, Cut { groups, one_way: bits >> NODES & 1 == 1 })
            }
            9 => {
                in_force.push(conditions);
                conditions += 1;
                Event::Pause(conditions - 1, (0..NODES).filter(|node| bits >> node & 1 == 1).collect())
            }
            10 | 11 if !in_force.is_empty() => Event::Lift(in_force.remove(bits as usize % in_force.len())),
            _ => continue,
        };
        events.push((time, event));
    }
    let publication = (publication.0, publication.1 % (events.len() + 1));
    Course { graph, latencies, events, publication }
}

fn any_course() -> impl Strategy<Value = Course> {
    let node = 0..NODES;
    let edges = prop::collection::vec((node.clone(), node.clone()), 0..8);
    let latencies = prop::collection::vec(0u64..5, 15);
    let raw = prop::collection::vec((0u64..3, 0u8..12, node.clone(), node.clone(), any::<u32>()), 0..60);
    (edges, latencies, raw, (node, 0usize..30))
        .prop_map(|(edges, latencies, raw, publication)| course(&edges, &latencies, &raw, publication))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn it_agrees_with_an_epidemic(course in any_course()) {
        let (chronicle, publication) = course.chronicle();
        let latency = |from: NodeId, to: NodeId| Duration::from_nanos(course.latency(from.0, to.0));
        let oracle = Oracle::new(&chronicle, &latency);
        let earliest = oracle.ask(publication);
        let epidemic = Epidemic::play(&course);
        for node in 0..NODES {
            let expected = epidemic.first.get(&node).map(|&time| Time::from_nanos(time));
            prop_assert_eq!(earliest.at(NodeId(node)), expected, "node {}", node);
            // Nobody who has it at the end could not have it.
            if epidemic.up.contains(&node) {
                prop_assert_eq!(earliest.at_last(NodeId(node)).is_some(), epidemic.has.contains(&node));
            }
            let path = earliest.path(NodeId(node));
            prop_assert_eq!(path.is_some(), expected.is_some());
            let mut last = (NodeId(publication.origin.0), Time::from_nanos(course.published()));
            for leg in path.iter().flatten() {
                prop_assert_eq!(leg.from, last.0);
                prop_assert!(leg.left >= last.1 && leg.arrived >= leg.left + latency(leg.from, leg.to));
                last = (leg.to, leg.arrived);
            }
            prop_assert!(expected.is_none() || last == (NodeId(node), expected.unwrap()));
        }
    }
}

/// Whether an oracle that knows nothing of some events is right all the same.
fn is_right_without(course: &Course, what: fn(&Event) -> bool) -> bool {
    let mut blind = course.clone();
    let before = course.events[..course.publication.1].iter().filter(|(_, event)| !what(event)).count();
    blind.events.retain(|(_, event)| !what(event));
    blind.publication.1 = before;
    let (chronicle, mut publication) = blind.chronicle();
    publication.at.time = Time::from_nanos(course.published());
    let latency = |from: NodeId, to: NodeId| Duration::from_nanos(course.latency(from.0, to.0));
    let oracle = Oracle::new(&chronicle, &latency);
    let (earliest, epidemic) = (oracle.ask(publication), Epidemic::play(course));
    (0..NODES).all(|node| earliest.at(NodeId(node)).map(Time::nanos) == epidemic.first.get(&node).copied())
}

/// The courses are worth something: whoever leaves out one kind of event is found out.
#[test]
fn every_kind_of_event_matters() {
    let mut runner = TestRunner::deterministic();
    let courses: Vec<Course> =
        (0..2_000).map(|_| any_course().new_tree(&mut runner).unwrap().current()).collect();
    type Kind = (&'static str, fn(&Event) -> bool);
    let kinds: [Kind; 5] = [
        ("crashes that lose logs", |event| matches!(event, Event::Crash(_, LogFate::Lost))),
        ("sessions", |event| matches!(event, Event::Up(..))),
        ("ends of sessions", |event| matches!(event, Event::Down(..))),
        ("cuts", |event| matches!(event, Event::Cut(..))),
        ("pauses", |event| matches!(event, Event::Pause(..))),
    ];
    for (name, what) in kinds {
        let wrong = courses.iter().filter(|course| !is_right_without(course, what)).count();
        assert!(wrong >= 50, "without {name}, {wrong} of 2,000 courses are judged wrongly");
    }
}
