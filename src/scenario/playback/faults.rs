//! Playing the steps that do harm: who crashes and comes back, what begins and ends; and what came of it.

use super::{ABSENT, Playback, STAYING, Turn, UP, choose};
use crate::churn::{Going, poisson_gap};
use crate::fault::{Condition, ConditionId, Crash, Cut, Detection, Effects, LogFate, Whom};
use crate::id::NodeId;
use crate::protocol::State;
use crate::scenario::{Action, ChurnPlan, Departure, FaultPlan, Groups, Nodes};
use crate::time::Time;
use crate::world::World;
use rand::seq::{IteratorRandom, SliceRandom};
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

/// What came of a fault that the scenario declares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeclaredFault {
    /// Its step's place in the timeline, from 0.
    pub step: usize,
    /// What the scenario calls it.
    pub name: &'static str,
    /// When it was to begin.
    pub at: Time,
    /// What it did.
    pub effects: Effects,
    /// Whether it goes on, and may keep messages from nodes.
    pub is_open: bool,
}

/// A fault on its way.
#[derive(Debug, Default)]
pub(super) struct Harm {
    /// What it did by itself.
    effects: Effects,
    /// What it imposed.
    conditions: Vec<ConditionId>,
    /// Whether these can keep messages from nodes.
    withholds: bool,
    /// Those of them that are not over.
    in_force: Vec<ConditionId>,
    /// Nodes come and go until then.
    restless_until: Option<Time>,
    /// The nodes of a record of up times, as they came in.
    recorded: Vec<Option<NodeId>>,
}

impl Harm {
    /// Whether it goes on, and keeps messages from nodes or lets them come and go.
    fn is_open(&self, now: Time) -> bool {
        self.withholds && !self.in_force.is_empty() || self.restless_until.is_some_and(|until| until > now)
    }
}

impl<W: World> Playback<W> {
    /// Does the harm of a step, now.
    pub(super) fn harm(&mut self, step: usize, plan: &FaultPlan) {
        match plan {
            FaultPlan::Crash { who, crash, lasts } => {
                for node in self.victims(*who, &UP) {
                    self.crash(step, node, *crash);
                    if let Some(length) = lasts {
                        self.later(self.network.now() + *length, Turn::Return { step, node: node.0 });
                    }
                }
            }
            FaultPlan::Restart { who } => {
                for node in self.victims(*who, &ABSENT) {
                    self.bring_back(step, node);
                }
            }
            FaultPlan::Partition { into, one_way, lasts } => {
                let cut = Cut { groups: self.groups(into), one_way: *one_way };
                self.impose(step, Condition::Cut(Arc::new(cut)), *lasts);
            }
            FaultPlan::Heal => self.heal(step),
            FaultPlan::Reset { who, share } => self.reset(step, *who, *share),
            FaultPlan::Condition { who, condition, lasts, .. } => {
                let whom = self.whom(*who);
                self.impose(step, condition.clone().about(whom), *lasts);
            }
            FaultPlan::Churn(plan) => self.begin_churn(step, plan),
            FaultPlan::UpTimes { times, .. } => {
                let start = self.network.now();
                let end = times.events().last().map(|(at, ..)| start + at);
                let harm = self.harm_of(step);
                (harm.recorded, harm.restless_until) = (vec![None; times.nodes()], end);
                if let Some((at, ..)) = times.event(0) {
                    self.later(start + at, Turn::Recorded { step, number: 0 });
                }
            }
        }
    }

    /// What was to come of a fault, comes.
    pub(super) fn follow_up(&mut self, turn: Turn) {
        match turn {
            Turn::Lift { step, condition } => self.lift(step, ConditionId(condition)),
            Turn::Return { step, node } => {
                let node = NodeId(node);
                if self.churn(step).is_none() {
                    // It is the crash that counts, not its end.
                    return self.rise(node);
                }
                if self.bring_back(step, node) {
                    self.depart_later(step, node);
                }
            }
            Turn::Depart { step, node } => self.depart(step, NodeId(node)),
            Turn::Arrive { step } => self.arrive(step),
            Turn::Recorded { step, number } => self.replay(step, number),
            Turn::Step { .. } => unreachable!("a step is played by itself"),
        }
    }

    fn disturb_by_harm(&mut self) {
        self.disturbed = self.network.now();
        self.harmed = Some(self.disturbed);
    }

    /// What came of all the faults that the scenario declares, in the order of the timeline.
    pub fn faults(&self) -> Vec<DeclaredFault> {
        let now = self.network.now();
        let steps = self.timeline.iter().enumerate();
        let declared = steps.filter_map(|(step, planned)| match &planned.action {
            Action::Fault(plan) => Some((step, planned.at, plan.name())),
            _ => None,
        });
        declared
            .map(|(step, at, name)| {
                let harm = self.harms.get(&step);
                let effects = harm.map_or(Effects::default(), |harm| {
                    let imposed = harm.conditions.iter().map(|&id| self.network.world().effects(id));
                    imposed.fold(harm.effects, Effects::plus)
                });
                let is_open = harm.is_some_and(|harm| harm.is_open(now));
                DeclaredFault { step, name, at, effects, is_open }
            })
            .collect()
    }

    /// The step that imposed a condition, by its place in the timeline, and what the scenario calls it.
    pub fn step_of(&self, id: ConditionId) -> Option<(usize, &'static str)> {
        let (&step, _) = self.harms.iter().find(|(_, harm)| harm.conditions.contains(&id))?;
        let Action::Fault(plan) = &self.timeline[step].action else { return None };
        Some((step, plan.name()))
    }

    /// When something was done to the network for the last time, or had an effect that keeps messages from nodes: a fault, a
    /// join, a leave; zero, if never.
    pub fn calm_since(&self) -> Time {
        let withheld = self.harms.values().filter(|harm| harm.withholds).flat_map(|harm| &harm.conditions);
        let latest = withheld.filter_map(|&id| self.network.world().effects(id).last).max();
        self.disturbed.max(latest.unwrap_or(Time::ZERO))
    }

    /// When anything was done for the last time that harms the network or changes who is in it; zero, if never.
    pub fn disturbed(&self) -> Time {
        self.disturbed
    }

    /// Whether a node is up and is to stay. One that was told to leave may not have heard it yet, if it stands still.
    pub fn stays(&self, node: NodeId) -> bool {
        STAYING.contains(&self.network.state(node)) && !self.leaving.contains(&node.0)
    }

    /// Whether nothing of that kind goes on or is to come.
    pub fn is_calm_for_good(&self) -> bool {
        let disturbs = |turn: Turn| match turn {
            Turn::Step { step, .. } => matches!(
                self.timeline[step].action,
                Action::Join { .. } | Action::Leave { .. } | Action::Fault(_)
            ),
            _ => true,
        };
        let is_to_come = |&Reverse((time, turn)): &Reverse<(Time, Turn)>| time <= self.end && disturbs(turn);
        !self.upcoming.iter().any(is_to_come) && !self.is_harmed()
    }

    /// Whether a fault goes on that keeps messages from nodes, or lets them come and go.
    pub fn is_harmed(&self) -> bool {
        let now = self.network.now();
        self.harms.values().any(|harm| harm.is_open(now))
    }

    /// When harm was done for the last time, if ever.
    pub fn harmed(&self) -> Option<Time> {
        self.harmed
    }

    fn harm_of(&mut self, step: usize) -> &mut Harm {
        self.harms.entry(step).or_default()
    }

    fn later(&mut self, time: Time, turn: Turn) {
        self.upcoming.push(Reverse((time, turn)));
    }

    /// Those of the nodes that are in one of these states now; drawn from the stream of the faults, so that a fault more
    /// or less shifts nobody's workload.
    fn victims(&mut self, who: Nodes, states: &[State]) -> Vec<NodeId> {
        choose(&mut self.network, &mut self.chance, who, states)
    }

    /// The same for a condition: all means those as well that come later.
    fn whom(&mut self, who: Nodes) -> Whom {
        match who {
            Nodes::All => Whom::Everybody,
            who => Whom::these(self.victims(who, &UP)),
        }
    }

    /// Whether it was up.
    fn crash(&mut self, step: usize, node: NodeId, crash: Crash) -> bool {
        if node.index() < self.network.size() && self.network.is_up(node) {
            self.network.crash(node, crash);
            self.tell_of_node(step);
            return true;
        }
        false
    }

    /// The step had an effect on a node.
    fn tell_of_node(&mut self, step: usize) {
        let now = self.network.now();
        self.harm_of(step).effects.on_node(now);
        self.disturb_by_harm();
    }

    fn restart(&mut self, node: NodeId) {
        self.leaving.remove(&node.0);
        self.network.restart(node);
    }

    /// A node that was down starts again.
    fn rise(&mut self, node: NodeId) {
        if !self.network.is_up(node) {
            self.restart(node);
            self.disturb_by_harm();
        }
    }

    /// Whether it was down.
    fn bring_back(&mut self, step: usize, node: NodeId) -> bool {
        let is_down = node.index() < self.network.size() && !self.network.is_up(node);
        if is_down {
            self.restart(node);
            self.tell_of_node(step);
        }
        is_down
    }

    fn impose(&mut self, step: usize, condition: Condition, lasts: Option<Duration>) {
        let withholds = condition.withholds();
        let id = self.network.impose(condition);
        self.disturb_by_harm();
        let harm = self.harm_of(step);
        harm.withholds = withholds;
        harm.conditions.push(id);
        harm.in_force.push(id);
        if let Some(length) = lasts {
            self.later(self.network.now() + length, Turn::Lift { step, condition: id.0 });
        }
    }

    fn lift(&mut self, step: usize, id: ConditionId) {
        if self.network.lift(id) {
            self.disturb_by_harm();
        }
        self.harm_of(step).in_force.retain(|&other| other != id);
    }

    /// Ends all partitions.
    fn heal(&mut self, step: usize) {
        let is_partition =
            |step: usize| matches!(&self.timeline[step].action, Action::Fault(FaultPlan::Partition { .. }));
        let partitions = self.harms.iter().filter(|(step, _)| is_partition(**step));
        let cuts: Vec<(usize, ConditionId)> =
            partitions.flat_map(|(&step, harm)| harm.in_force.iter().map(move |&id| (step, id))).collect();
        let now = self.network.now();
        for (partition, id) in cuts {
            self.lift(partition, id);
            self.harm_of(step).effects.on_cut_healed(now);
        }
    }

    fn groups(&mut self, into: &Groups) -> Vec<u32> {
        let mut groups = vec![0; self.network.size()];
        match into {
            Groups::Shares(shares) => {
                let mut nodes: Vec<NodeId> = self.network.up().collect();
                nodes.shuffle(&mut self.chance);
                let count = nodes.len() as f64;
                let mut before = 0.0;
                for (group, share) in shares.iter().enumerate() {
                    let bounds = [before, before + share].map(|sum: f64| (count * sum).round() as usize);
                    for node in &nodes[bounds[0].min(nodes.len())..bounds[1].min(nodes.len())] {
                        groups[node.index()] = group as u32;
                    }
                    before += share;
                }
            }
            Groups::Named(named) => {
                // Those that are named may be yet to come.
                let last = named.iter().flatten().map(|node| node.index() + 1).max().unwrap_or(0);
                groups.resize(groups.len().max(last), 0);
                for (group, nodes) in named.iter().enumerate() {
                    for node in nodes {
                        if let Some(of) = groups.get_mut(node.index()) {
                            *of = group as u32;
                        }
                    }
                }
            }
            Groups::Isolated(who) => {
                for (number, node) in self.victims(*who, &UP).into_iter().enumerate() {
                    if let Some(of) = groups.get_mut(node.index()) {
                        *of = number as u32 + 1;
                    }
                }
            }
        }
        groups
    }

    fn reset(&mut self, step: usize, who: Nodes, share: f64) {
        let whom = self.whom(who);
        let topology = self.network.topology();
        let links: Vec<(NodeId, NodeId)> =
            topology.edges().filter(|&(a, b)| whom.contains(a) || whom.contains(b)).collect();
        let count = (links.len() as f64 * share).round() as usize;
        let mut chosen = links.into_iter().sample(&mut self.chance, count);
        chosen.sort_unstable_by_key(|(a, b)| (a.0, b.0));
        for (a, b) in chosen {
            if self.network.reset(a, b) {
                self.disturb_by_harm();
                let now = self.network.now();
                let effects = &mut self.harm_of(step).effects;
                effects.on_link_end(now);
                effects.on_link_end(now);
            }
        }
    }
}

/// Nodes that come and go.
impl<W: World> Playback<W> {
    fn begin_churn(&mut self, step: usize, plan: &ChurnPlan) {
        let now = self.network.now();
        self.harm_of(step).restless_until = Some(now + plan.lasts);
        self.disturb_by_harm();
        for node in self.victims(plan.who, &STAYING) {
            self.depart_later(step, node);
        }
        self.arrive_later(step);
    }

    /// The plan by which a step lets nodes come and go, and until when.
    fn churn(&self, step: usize) -> Option<(Arc<ChurnPlan>, Time)> {
        let Action::Fault(FaultPlan::Churn(plan)) = &self.timeline[step].action else { return None };
        Some((Arc::clone(plan), self.harms.get(&step)?.restless_until?))
    }

    fn arrive_later(&mut self, step: usize) {
        let Some((plan, until)) = self.churn(step) else { return };
        let Some(mean) = plan.arrivals_every else { return };
        let time = self.network.now() + poisson_gap(mean, &mut self.chance);
        if time <= until {
            self.later(time, Turn::Arrive { step });
        }
    }

    /// The node goes when its session is over, if that is before the end of the churn.
    fn depart_later(&mut self, step: usize, node: NodeId) {
        let Some((plan, until)) = self.churn(step) else { return };
        let time = self.network.now() + plan.session.sample(&mut self.chance);
        if time <= until {
            self.later(time, Turn::Depart { step, node: node.0 });
        }
    }

    fn arrive(&mut self, step: usize) {
        let node = self.network.join();
        self.tell_of_node(step);
        self.depart_later(step, node);
        self.arrive_later(step);
    }

    fn depart(&mut self, step: usize, node: NodeId) {
        let Some((plan, until)) = self.churn(step) else { return };
        let went = self.go(step, node, plan.departure, plan.log);
        if let Some(absence) = plan.absence.filter(|_| went) {
            let time = self.network.now() + absence.sample(&mut self.chance);
            if time <= until {
                self.later(time, Turn::Return { step, node: node.0 });
            }
        }
    }

    /// Whether it was there to go.
    fn go(&mut self, step: usize, node: NodeId, departure: Departure, log: LogFate) -> bool {
        let detection = match departure {
            Departure::Crash => Detection::Reset,
            Departure::Silence => Detection::Silence,
            Departure::Leave => {
                let stays = STAYING.contains(&self.network.state(node));
                if stays {
                    self.leave(node);
                    self.tell_of_node(step);
                }
                return stays;
            }
        };
        self.crash(step, node, Crash { log, detection })
    }

    /// What was recorded happens again.
    fn replay(&mut self, step: usize, number: usize) {
        let Action::Fault(FaultPlan::UpTimes { times, departure, log }) = &self.timeline[step].action else {
            return;
        };
        let (departure, log) = (*departure, *log);
        let Some((at, recorded, going)) = times.event(number) else { return };
        if let Some((next, ..)) = times.event(number + 1) {
            self.later(self.network.now() + (next - at), Turn::Recorded { step, number: number + 1 });
        }
        match (going, self.harm_of(step).recorded[recorded]) {
            (Going::Up, None) => {
                let node = self.network.join();
                self.harm_of(step).recorded[recorded] = Some(node);
                self.tell_of_node(step);
            }
            (Going::Up, Some(node)) => {
                self.bring_back(step, node);
            }
            (Going::Down, Some(node)) => {
                self.go(step, node, departure, log);
            }
            (Going::Down, None) => {}
        }
    }
}
