//! Nodes that are not ready for what reaches them: they stand still, or are slow. It waits for them in a line.

use super::super::Core;
use super::super::event::{Event, Stored, What};
use super::super::queue::Queue;
use super::Faults;
use crate::fault::{Condition, ConditionId};
use crate::id::NodeId;
use crate::observe::Observer;
use crate::protocol::Protocol;
use crate::time::Time;
use std::collections::VecDeque;
use std::time::Duration;

impl<P: Protocol, O: Observer, Q: Queue<Event>> Core<P, O, Q> {
    /// Whether an event has to wait, because its node is not ready for it.
    #[cold]
    #[inline(never)]
    pub(in crate::sim) fn postpones(&mut self, event: Event) -> bool {
        let (now, to) = (self.now, event.to);
        let stored = match event.what() {
            What::Word { .. } => None,
            What::Stored(place) => Some(self.events.look_at(place)),
        };
        // What is the machine's business, and not the node's, goes on.
        if matches!(stored, Some(Stored::Wake | Stored::Uplink)) || !self.up.contains(to.index()) {
            return false;
        }
        let opening = match stored {
            Some(&Stored::Open { from, session, .. }) => Some((from, session)),
            _ => None,
        };
        let Some(faults) = self.faults.as_deref_mut() else { return false };
        if let Some(pause) = faults.pause(to) {
            faults.affect(pause, |effects| effects.on_handled(now));
            faults.lines.entry(to).or_default().push_back(event);
            if let Some((from, session)) = opening {
                self.hush(from, to, session, self.links.dial, pause);
            }
            return true;
        }
        if let Some(line) = faults.lines.get_mut(&to).filter(|line| !line.is_empty()) {
            // It will be woken for those before.
            line.push_back(event);
            return true;
        }
        let Some(free) = faults.occupy(now, to) else { return false };
        faults.lines.entry(to).or_default().push_back(event);
        faults.slow_down(now, to);
        self.wake_at(to, free);
        true
    }

    /// What is to happen at a node that stands still has to wait; otherwise it comes back.
    pub(in crate::sim) fn postpones_stored(&mut self, node: NodeId, stored: Stored<P>) -> Option<Stored<P>> {
        let now = self.now;
        let Some(faults) = self.faults.as_deref_mut() else { return Some(stored) };
        let Some(pause) = faults.pause(node) else { return Some(stored) };
        faults.affect(pause, |effects| effects.on_handled(now));
        let event = self.events.aside(node, stored);
        faults.lines.entry(node).or_default().push_back(event);
        None
    }

    pub(super) fn wake_at(&mut self, node: NodeId, time: Time) {
        let now = self.now;
        let Some(faults) = self.faults.as_deref_mut() else { return };
        let is_planned = faults.wakes.get(&node).is_some_and(|planned| (now..=time).contains(planned));
        if !is_planned {
            faults.wakes.insert(node, time);
            self.events.push(time, node, Stored::Wake);
        }
    }

    /// The node is woken.
    pub(in crate::sim) fn woken(&mut self, node: NodeId) {
        let now = self.now;
        if let Some(faults) = self.faults.as_deref_mut()
            && faults.wakes.get(&node) == Some(&now)
        {
            faults.wakes.remove(&node);
        }
    }

    /// The next event that a node is ready for now, of those that wait.
    pub(in crate::sim) fn next_in_line(&mut self, node: NodeId) -> Option<Event> {
        let now = self.now;
        let faults = self.faults.as_deref_mut()?;
        faults.lines.get(&node).filter(|line| !line.is_empty())?;
        if faults.pause(node).is_some() {
            // It will be woken.
            return None;
        }
        if let Some(free) = faults.occupy(now, node) {
            // Whatever is the next has to wait for that.
            faults.slow_down(now, node);
            self.wake_at(node, free);
            return None;
        }
        faults.lines.get_mut(&node)?.pop_front()
    }

    /// Takes away all that waits for a node that has ended its life.
    pub(in crate::sim) fn take_line(&mut self, node: NodeId) -> VecDeque<Event> {
        self.faults.as_deref_mut().and_then(|faults| faults.lines.remove(&node)).unwrap_or_default()
    }

    /// Whether two nodes cannot be linked now: a cut is between them, or one stands still.
    pub(in crate::sim) fn is_apart(&self, a: NodeId, b: NodeId) -> bool {
        self.faults.as_deref().is_some_and(|faults| faults.hears_nothing(a, b) || faults.pause(a).is_some())
    }
}

impl<P: Protocol> Faults<P> {
    /// What makes a node slow, and by how much.
    fn slowness(&self, node: NodeId) -> Vec<(ConditionId, Duration)> {
        let slow = self.in_force().filter_map(|(id, condition)| match condition {
            Condition::Slow { whom, by } if whom.contains(node) => Some((id, *by)),
            _ => None,
        });
        slow.collect()
    }

    /// If a slow node is at work, until when it is; otherwise it begins to work.
    fn occupy(&mut self, now: Time, node: NodeId) -> Option<Time> {
        let slowness = self.slowness(node);
        let free_at = |&(id, _): &(ConditionId, Duration)| self.imposed[id.0 as usize].free_at.get(&node);
        let busy = slowness.iter().filter_map(free_at).copied().filter(|&free| free > now).max();
        if busy.is_none() {
            for (id, by) in slowness {
                self.imposed[id.0 as usize].free_at.insert(node, now + by);
            }
        }
        busy
    }

    /// Something has to wait at a slow node.
    fn slow_down(&self, now: Time, node: NodeId) {
        self.slowness(node).iter().for_each(|&(id, _)| self.affect(id, |effects| effects.on_handled(now)));
    }
}
