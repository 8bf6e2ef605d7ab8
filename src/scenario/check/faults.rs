//! The steps that do harm: whether each can be, and whom it is about.

use super::{Checker, Population};
use crate::churn::{Span, UpTimes};
use crate::fault::{Condition, Crash, Whom};
use crate::scenario::file::*;
use crate::scenario::{ChurnPlan, FaultPlan, Groups};
use crate::sim::{LinkKind, MAX_NODES};
use crate::time::nanos;
use crate::units::grouped;
use std::sync::Arc;
use std::time::Duration;

/// About how many nodes come by churn.
pub(super) fn arrivals(timeline: &[Entry]) -> u64 {
    let of = |entry: &Entry| match &entry.step {
        Step::Churn(ChurnStep { lasts, arrivals_every: Some(every), .. }) => {
            nanos(*lasts) / nanos(*every).max(1)
        }
        // As many as there are in the file, at least one.
        Step::UpTimes(_) => 1,
        _ => 0,
    };
    timeline.iter().map(of).fold(0, u64::saturating_add)
}

impl Checker<'_> {
    /// The fault that a step declares, if it is one and nothing is wrong with it.
    pub(super) fn fault(
        &mut self,
        path: &str,
        step: &Step,
        links: &LinksFile,
        population: Option<&Population>,
    ) -> Option<FaultPlan> {
        let whom = Whom::Everybody;
        let (name, who, condition, lasts) = match step {
            Step::Loss(DatagramStep { share, who, lasts }) => {
                self.needs_datagrams(path, links, "streams lose nothing; `reset` breaks them");
                ("loss", who, Condition::Loss { whom, share: *share }, *lasts)
            }
            Step::Duplication(DatagramStep { share, who, lasts }) => {
                self.needs_datagrams(path, links, "streams duplicate nothing");
                ("duplication", who, Condition::Duplication { whom, share: *share }, *lasts)
            }
            Step::Reordering(ReorderingStep { share, by, who, lasts }) => {
                if links.kind == LinkKind::Stream {
                    let remedy = "take `unordered` or `datagram` links, or a `delay`";
                    self.complain(path, "streams keep the order", remedy);
                }
                let condition = Condition::Delay { whom, share: *share, min: Duration::ZERO, max: *by };
                ("reordering", who, condition, *lasts)
            }
            Step::Delay(DelayStep { by, jitter, share, who, lasts }) => {
                let max = by.saturating_add(*jitter);
                ("delay", who, Condition::Delay { whom, share: *share, min: *by, max }, *lasts)
            }
            Step::Pause(PauseStep { who, lasts, .. }) => ("pause", who, Condition::Pause(whom), Some(*lasts)),
            Step::Slow(SlowStep { who, by, lasts }) => {
                ("slow", who, Condition::Slow { whom, by: *by }, *lasts)
            }
            Step::Clock(step) => ("clock", &step.who, self.clock(path, step), step.lasts),
            Step::Uplink(UplinkStep { who, bytes_per_second, lasts }) => {
                let bytes_per_second = bytes_per_second.get();
                ("uplink", who, Condition::Uplink { whom, bytes_per_second }, *lasts)
            }
            _ => return self.other_fault(path, step, population),
        };
        let who = self.nodes(path, "who", who, population)?;
        Some(FaultPlan::Condition { name, who, condition, lasts })
    }

    fn other_fault(&mut self, path: &str, step: &Step, population: Option<&Population>) -> Option<FaultPlan> {
        Some(match step {
            &Step::Crash(CrashStep { ref who, log, detection, lasts, .. }) => FaultPlan::Crash {
                who: self.nodes(path, "who", who, population)?,
                crash: Crash { log, detection },
                lasts,
            },
            Step::Restart(RestartStep { who, .. }) => {
                FaultPlan::Restart { who: self.nodes(path, "who", who, population)? }
            }
            Step::Partition(PartitionStep { into, one_way, lasts, .. }) => FaultPlan::Partition {
                into: self.groups(path, into, population)?,
                one_way: *one_way,
                lasts: *lasts,
            },
            Step::Heal => FaultPlan::Heal,
            Step::Reset(ResetStep { who, share, .. }) => {
                FaultPlan::Reset { who: self.nodes(path, "who", who, population)?, share: *share }
            }
            Step::Churn(step) => FaultPlan::Churn(Arc::new(self.churn(path, step, population)?)),
            Step::UpTimes(UpTimesStep { file, source, departure, log }) => FaultPlan::UpTimes {
                times: Arc::new(self.data_file(&format!("{path}.file"), file, source, UpTimes::parse)?),
                departure: *departure,
                log: *log,
            },
            _ => return None,
        })
    }

    fn needs_datagrams(&mut self, path: &str, links: &LinksFile, why: &str) {
        if !matches!(links.kind, LinkKind::Datagram(_)) {
            let remedy = "let the links be datagrams: \"links\": {\"kind\": {\"datagram\": {}}}";
            self.complain(path, why, remedy);
        }
    }

    fn clock(&mut self, path: &str, step: &ClockStep) -> Condition {
        let &ClockStep { ahead, behind, drift_ppm, .. } = step;
        if !(-500_000..=1_000_000).contains(&drift_ppm) {
            let remedy = "a drift lies between -500000 (half as fast) and 1000000 (twice as fast)";
            self.complain(&format!("{path}.drift_ppm"), format!("`{drift_ppm}` is out of range"), remedy);
        }
        let [ahead, behind] = [ahead, behind].map(|length| i64::try_from(nanos(length)).unwrap_or(i64::MAX));
        Condition::Clock { whom: Whom::Everybody, skew: ahead - behind, drift: drift_ppm }
    }

    fn groups(&mut self, path: &str, into: &Division, population: Option<&Population>) -> Option<Groups> {
        match into {
            Division::Shares(shares) => {
                let sum: f64 = shares.iter().sum();
                if !shares.iter().all(|share| (0.0..=1.0).contains(share)) || sum > 1.0 + 1e-9 {
                    let remedy = "shares lie between 0 and 1, and are 1 together at most";
                    self.complain(&format!("{path}.into.shares"), "these are no shares of a whole", remedy);
                }
                Some(Groups::Shares(shares.clone()))
            }
            Division::Groups(groups) => {
                let mut named = Vec::new();
                for (i, group) in groups.iter().enumerate() {
                    let mut nodes = Vec::new();
                    for (j, selector) in group.iter().enumerate() {
                        let path = format!("{path}.into.groups.{i}.{j}");
                        let node = self.node(&path, selector, population)?;
                        if named.iter().flatten().chain(&nodes).any(|&other| other == node) {
                            self.complain(&path, "this node is in a group already", "name it once");
                        }
                        nodes.push(node);
                    }
                    named.push(nodes);
                }
                Some(Groups::Named(named))
            }
            Division::Isolate(who) => {
                Some(Groups::Isolated(self.nodes(&format!("{path}.into"), "isolate", who, population)?))
            }
        }
    }

    fn churn(&mut self, path: &str, step: &ChurnStep, population: Option<&Population>) -> Option<ChurnPlan> {
        let ChurnStep { lasts, arrivals_every, who, session, absence, departure, log } = step;
        self.span(&format!("{path}.session"), session);
        if let Some(absence) = absence {
            self.span(&format!("{path}.absence"), absence);
        }
        if let Some(every) = arrivals_every {
            let count = nanos(*lasts) / nanos(*every).max(1);
            if every.is_zero() || count > MAX_NODES {
                let message = format!("about {} nodes would come", grouped(count));
                self.complain(&format!("{path}.arrivals_every"), message, "let them come less often");
            }
        }
        Some(ChurnPlan {
            lasts: *lasts,
            arrivals_every: *arrivals_every,
            who: self.nodes(path, "who", who, population)?,
            session: *session,
            absence: *absence,
            departure: *departure,
            log: *log,
        })
    }

    fn span(&mut self, path: &str, span: &Span) {
        if let Err(error) = span.check() {
            let kind = match span {
                Span::Constant(_) => {
                    return self.complain(&format!("{path}.constant"), error.problem, error.remedy);
                }
                Span::Exponential { .. } => "exponential",
                Span::Weibull { .. } => "weibull",
                Span::Pareto { .. } => "pareto",
                Span::LogNormal { .. } => "log_normal",
            };
            self.complain(&format!("{path}.{kind}.{}", error.field), error.problem, error.remedy);
        }
    }
}

/// Whether a step does harm.
pub(super) fn is_fault(step: &Step) -> bool {
    match step {
        Step::Join(_)
        | Step::Leave(_)
        | Step::Broadcast(_)
        | Step::Send(_)
        | Step::Discover(_)
        | Step::Status(_)
        | Step::Shutdown
        | Step::Snapshot(_) => false,
        Step::Crash(_)
        | Step::Restart(_)
        | Step::Partition(_)
        | Step::Heal
        | Step::Loss(_)
        | Step::Duplication(_)
        | Step::Reordering(_)
        | Step::Delay(_)
        | Step::Reset(_)
        | Step::Pause(_)
        | Step::Slow(_)
        | Step::Clock(_)
        | Step::Uplink(_)
        | Step::Churn(_)
        | Step::UpTimes(_) => true,
    }
}
