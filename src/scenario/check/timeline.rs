//! The steps of a timeline: whether each can happen, and whom it is about.

use super::faults::is_fault;
use super::{Checker, Population};
use crate::id::NodeId;
use crate::scenario::complaint::did_you_mean;
use crate::scenario::file::*;
use crate::scenario::{Action, Nodes, PlannedStep, Through, find_node};
use crate::time::Time;
use crate::units::{format_duration, grouped};
use std::collections::BTreeSet;
use std::time::Duration;

/// How many broadcasts, and how many direct messages, one scenario may ask for; each has an entry in several tables.
const MOST_MESSAGES: u64 = 10_000_000;

/// How often faults may happen in one scenario, their repetitions counted.
const MOST_FAULTS: u64 = 20_000;

/// How many nodes join.
pub(super) fn joins(timeline: &[Entry]) -> u64 {
    let join =
        |entry: &Entry| if let Step::Join(step) = &entry.step { u64::from(step.count.get()) } else { 0 };
    timeline.iter().map(join).sum()
}

impl Checker<'_> {
    pub(super) fn timeline<C>(
        &mut self,
        file: &ScenarioFile<C>,
        population: Option<&Population>,
    ) -> Vec<PlannedStep> {
        let mut names = BTreeSet::new();
        let mut planned = Vec::new();
        let shutdowns = file.timeline.iter().filter(|entry| entry.step == Step::Shutdown);
        let shutdown = shutdowns.map(|entry| entry.at).min();
        for (i, Entry { at, step }) in file.timeline.iter().enumerate() {
            let path = format!("timeline.{i}");
            // A fault that never comes makes the run vacuous, and says so there.
            if !is_fault(step) {
                self.before_end(&path, *at, file.end);
            }
            let counts = matches!(
                step,
                Step::Snapshot(_) | Step::Status(StatusStep { by: None, .. }) | Step::Shutdown
            );
            if !counts && shutdown.is_some_and(|shutdown| *at >= shutdown) {
                let message = "this happens when nobody is there any more";
                self.complain(&format!("{path}.at"), message, "let it happen before the shutdown");
            }
            if let Step::Snapshot(SnapshotStep { name, .. }) | Step::Status(StatusStep { name, .. }) = step {
                self.file_name(&format!("{path}.do.{}.name", step.name()), name, &mut names);
            }
            let (count, every) = repetition(step);
            let path = format!("{path}.do.{}", step.name());
            if !is_fault(step) {
                self.last_before_end(&format!("{path}.count"), (*at, count, every), file.end);
            }
            let action = match is_fault(step) {
                true => self.fault(&path, step, &file.links, population).map(Action::Fault),
                false => self.action(&path, step, population),
            };
            if let Some(action) = action {
                planned.push(PlannedStep { at: Time::ZERO + *at, count, every, action });
            }
        }
        self.few_enough(&planned, population);
        self.few_enough_faults(&planned);
        planned
    }

    fn action(&mut self, path: &str, step: &Step, population: Option<&Population>) -> Option<Action> {
        Some(match step {
            Step::Join(JoinStep { contact, .. }) => Action::Join {
                contact: match contact {
                    Contact::Genesis => Through::Genesis,
                    Contact::Random => Through::Random,
                    Contact::One(selector) => {
                        Through::One(self.node(&format!("{path}.contact"), selector, population)?)
                    }
                },
            },
            Step::Leave(LeaveStep { who, .. }) => {
                Action::Leave { who: self.nodes(path, "who", who, population)? }
            }
            Step::Broadcast(BroadcastStep { from, title, message, .. }) => Action::Broadcast {
                from: self.nodes(path, "from", from, population)?,
                title: title.clone(),
                message: message.clone(),
            },
            Step::Send(SendStep { from, to, title, message, .. }) => Action::Send {
                from: self.nodes(path, "from", from, population)?,
                to: self.nodes(path, "to", to, population)?,
                title: title.clone(),
                message: message.clone(),
            },
            Step::Discover(DiscoverStep { who }) => {
                Action::Discover { who: self.nodes(path, "who", who, population)? }
            }
            Step::Status(StatusStep { name, by }) => Action::Status {
                name: name.clone(),
                by: match by {
                    Some(by) => Some(self.nodes(path, "by", by, population)?),
                    None => None,
                },
            },
            Step::Shutdown => Action::Shutdown,
            Step::Snapshot(SnapshotStep { name, follow }) => Action::Snapshot {
                name: name.clone(),
                follow: match follow {
                    Some(follow) => Some(self.node(&format!("{path}.follow"), follow, population)?),
                    None => None,
                },
            },
            _ => return None,
        })
    }

    pub(super) fn nodes(
        &mut self,
        path: &str,
        key: &str,
        target: &Target,
        population: Option<&Population>,
    ) -> Option<Nodes> {
        Some(match target {
            Target::Random => Nodes::Random,
            Target::Genesis => Nodes::Genesis,
            Target::All => Nodes::All,
            Target::Share(share) => Nodes::Share(*share),
            Target::One(selector) => Nodes::One(self.node(&format!("{path}.{key}"), selector, population)?),
        })
    }

    /// The node that is meant, if there will ever be one.
    pub(super) fn node(
        &mut self,
        path: &str,
        selector: &Selector,
        population: Option<&Population>,
    ) -> Option<NodeId> {
        let &Population { nodes, names } = population?;
        let found = find_node(names, selector).filter(|node| u64::from(node.0) < nodes);
        if found.is_none() {
            let mut remedy =
                format!("nodes are 0 to {}, \"random\", \"genesis\" or \"all\"", nodes.saturating_sub(1));
            if !names.is_empty() {
                remedy = format!("{remedy}, or one of {}", names.join(", "));
            }
            let message = match selector {
                Selector::Number(number) => format!("there is no node {number}"),
                Selector::Name(name) => {
                    let known = names.iter().map(String::as_str).chain(["random", "genesis", "all"]);
                    remedy = format!("{}{remedy}", did_you_mean(name, known));
                    format!("there is no node `{name}`")
                }
            };
            self.complain(path, message, remedy);
        }
        found
    }

    fn before_end(&mut self, path: &str, time: Duration, end: Duration) {
        if time > end {
            let message = format!("this happens at {}, after the end", format_duration(time));
            let remedy = format!("let it happen earlier, or the run end later than {}", format_duration(end));
            self.complain(&format!("{path}.at"), message, remedy);
        }
    }

    fn last_before_end(&mut self, path: &str, (at, count, every): (Duration, u32, Duration), end: Duration) {
        let last =
            every.checked_mul(count - 1).and_then(|span| at.checked_add(span)).unwrap_or(Duration::MAX);
        if at <= end && last > end {
            let message = format!("the last of the {count} would come after the end");
            self.complain(path, message, "ask for fewer, for shorter pauses, or for a later end");
        }
    }

    fn few_enough(&mut self, planned: &[PlannedStep], population: Option<&Population>) {
        let nodes = population.map_or(1, |population| population.nodes.max(1));
        let of = |who: &Nodes| if matches!(who, Nodes::All | Nodes::Share(_)) { nodes } else { 1 };
        let messages = planned.iter().map(|step| match &step.action {
            Action::Broadcast { from, .. } => u64::from(step.count).saturating_mul(of(from)),
            Action::Send { from, to, .. } => {
                u64::from(step.count).saturating_mul(of(from)).saturating_mul(of(to))
            }
            _ => 0,
        });
        let messages = messages.fold(0, u64::saturating_add);
        if messages > MOST_MESSAGES {
            let message = format!("{} broadcasts and direct messages are too many", grouped(messages));
            self.complain("timeline", message, format!("a scenario has at most {}", grouped(MOST_MESSAGES)));
        }
    }

    fn few_enough_faults(&mut self, planned: &[PlannedStep]) {
        let faults = planned.iter().filter(|step| matches!(step.action, Action::Fault(_)));
        let faults = faults.map(|step| u64::from(step.count)).fold(0, u64::saturating_add);
        if faults > MOST_FAULTS {
            let message = format!("{} faults are too many", grouped(faults));
            let remedy = format!("a scenario has at most {}; `who` may be a share", grouped(MOST_FAULTS));
            self.complain("timeline", message, remedy);
        }
    }

    fn file_name<'a>(&mut self, path: &str, name: &'a str, taken: &mut BTreeSet<&'a str>) {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            let remedy = "use up to 64 letters, digits, - and _";
            self.complain(path, format!("`{name}` cannot be the name of a file"), remedy);
        } else if RESERVED.contains(&name) {
            self.complain(path, format!("`{name}` is a file of every run"), "choose another name");
        } else if !taken.insert(name) {
            self.complain(path, format!("two files would be called `{name}`"), "rename one of them");
        }
    }
}

/// The files that every run writes.
const RESERVED: [&str; 7] = ["topology", "scenario", "summary", "trace", "coverage", "latency", "degrees"];

/// How many times a step happens, and how long from one time to the next.
fn repetition(step: &Step) -> (u32, Duration) {
    match step {
        Step::Join(JoinStep { count, every, .. })
        | Step::Leave(LeaveStep { count, every, .. })
        | Step::Broadcast(BroadcastStep { count, every, .. })
        | Step::Send(SendStep { count, every, .. })
        | Step::Crash(CrashStep { count, every, .. })
        | Step::Restart(RestartStep { count, every, .. })
        | Step::Partition(PartitionStep { count, every, .. })
        | Step::Reset(ResetStep { count, every, .. })
        | Step::Pause(PauseStep { count, every, .. }) => (count.get(), *every),
        _ => (1, Duration::ZERO),
    }
}
