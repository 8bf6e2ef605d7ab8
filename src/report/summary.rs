//! The summary of a run: a function of the scenario and its seed, so that two summaries can be compared byte by byte.

use crate::graph::{Degrees, Diameter};
use crate::id::NodeId;
use crate::judge::{
    Course, Coverage, Evidence, Judgement, Oracle, Reach, Stretch, Verdict, Watch, chronicle, judge,
};
use crate::network::Network;
use crate::observe::{Chronicle, DirectMessages, Metrics, Spread};
use crate::protocol::{Census, Protocol};
use crate::scenario::{Closing, DeclaredFault, Playback, Progress, Scenario};
use crate::sim::Sim;
use crate::time::{Time, nanos};
use crate::units::{counted, decimal, grouped, human_bytes, human_duration};
use crate::world::World;
use serde::Serialize;
use std::fmt::{self, Display};
use std::time::Duration;

/// How many broadcasts a summary lists one by one.
const MOST_LISTED: usize = 1_000;
/// How many of them a terminal shows.
const MOST_SHOWN: usize = 8;

/// How a run ended and what it cost.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Summary {
    /// The scenario's title, or its file's name if it has none.
    pub title: String,
    /// The question that it asks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub question: String,
    /// The answer that it gives to that.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub answer: String,
    /// The seed.
    pub seed: u64,
    /// The version of rumormill.
    pub version: &'static str,
    /// How it ended, and why.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// Virtual nanoseconds from start to end.
    pub ended_ns: u64,
    /// How many nodes were up at the end, or just before the shutdown.
    pub nodes: usize,
    /// How many there ever were.
    pub ever: usize,
    /// What it cost to join, if anybody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joins: Option<Joins>,
    /// What became of direct messages.
    pub direct_messages: DirectMessages,
    /// What nodes counted that took a census.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub censuses: Vec<Census>,
    /// What came of the faults that were declared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultSummary>,
    /// How many links at the end, or just before the shutdown.
    pub links: usize,
    /// How many broadcasts.
    pub broadcasts: usize,
    /// Deliveries over all broadcasts: to how many nodes entitled, possible, done.
    pub coverage: Reach,
    /// How long it took to reach a share of the nodes that could be reached, the origin apart; 50, 90, 99 and 100 %.
    pub time_to: Vec<TimeTo>,
    /// Links that a broadcast crossed to a node: the mean over all deliveries but the origins' own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hops_mean: Option<f64>,
    /// Hops of the last delivery (LDH), over all broadcasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_hop: Option<MeanAndMost>,
    /// Relative message redundancy (RMR), over all broadcasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redundancy: Option<MeanAndMost>,
    /// The delay of deliveries over the least possible one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stretch: Option<Stretch>,
    /// Messages that a node sent, over all nodes.
    pub messages_sent: MeanAndMost,
    /// Bytes that a node sent, over all nodes.
    pub bytes_sent: MeanAndMost,
    /// Broadcasts that nodes gave up on, counted once per node and broadcast.
    pub gaps: u64,
    /// How many nodes have how many links.
    pub degrees: Degrees,
    /// How many components.
    pub components: usize,
    /// The nodes of the largest component.
    pub largest_component: usize,
    /// The longest of all shortest paths in the largest component, in hops.
    pub diameter: Diameter,
    /// How many events happened.
    pub events: u64,
    /// The digest of all of them, where a run can be repeated exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The first broadcasts, one by one; at most 1,000.
    pub listed: Vec<BroadcastSummary>,
    /// The command that repeats the run.
    pub repeat: String,
}

/// What came of a fault.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FaultSummary {
    /// Its step's place in the timeline, from 0.
    pub step: usize,
    /// What the scenario calls it.
    pub fault: &'static str,
    /// Messages that it stopped, lost, doubled or delayed.
    pub messages: u64,
    /// Ends of links that were given up because of it.
    pub link_ends: u64,
    /// Nodes that it stopped, started again or brought in.
    pub nodes: u64,
    /// Things that nodes handled late, or by a wrong clock.
    pub handled: u64,
    /// Partitions that it healed.
    pub healed: u64,
    /// When it had its first effect, if it had any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_ns: Option<u64>,
    /// When it had its last effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_ns: Option<u64>,
}

impl FaultSummary {
    fn of(fault: &DeclaredFault) -> FaultSummary {
        let DeclaredFault { step, name, effects, .. } = *fault;
        FaultSummary {
            step,
            fault: name,
            messages: effects.messages,
            link_ends: effects.link_ends,
            nodes: effects.nodes,
            handled: effects.handled,
            healed: effects.healed,
            first_ns: effects.first.map(Time::nanos),
            last_ns: effects.last.map(Time::nanos),
        }
    }
}

impl Display for FaultSummary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "step {} ({}): ", self.step, self.fault)?;
        let (Some(first), Some(last)) = (self.first_ns, self.last_ns) else { return write!(f, "no effect") };
        let counts = [
            (self.messages, "messages"),
            (self.link_ends, "ends of links"),
            (self.nodes, "nodes"),
            (self.handled, "things handled"),
            (self.healed, "partitions healed"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, what)| format!("{} {what}", grouped(*count))).collect();
        let [first, last] = [first, last].map(Time::from_nanos);
        match first == last {
            true => write!(f, "{} at {first}", counts.join(", ")),
            false => write!(f, "{}, {first} to {last}", counts.join(", ")),
        }
    }
}

/// What it cost to join.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Joins {
    /// How many nodes joined.
    pub count: usize,
    /// How many messages that took for each, broadcasts apart: all that were sent until the latest was in, shared out.
    pub messages_mean: f64,
    /// How long it took from a node's start until it was in, in nanoseconds.
    pub took_mean_ns: u64,
    /// The longest of them.
    pub took_most_ns: u64,
}

impl Joins {
    fn of(metrics: &Metrics) -> Option<Joins> {
        let took = metrics.joins();
        let &took_most_ns = took.iter().max()?;
        let sum: u128 = took.iter().map(|&ns| u128::from(ns)).sum();
        Some(Joins {
            count: took.len(),
            messages_mean: metrics.messages_to_join() as f64 / took.len() as f64,
            took_mean_ns: (sum / took.len() as u128) as u64,
            took_most_ns,
        })
    }
}

/// A mean and a maximum.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct MeanAndMost {
    /// The mean.
    pub mean: f64,
    /// The maximum.
    pub most: f64,
}

/// How long broadcasts took to reach a share of the nodes.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct TimeTo {
    /// Of the nodes that could be reached, in percent.
    pub percent: u32,
    /// The mean over the broadcasts that reached so many, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_ns: Option<u64>,
    /// The slowest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_ns: Option<u64>,
    /// How many broadcasts never reached so many.
    pub never: usize,
}

/// One broadcast.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct BroadcastSummary {
    /// Its message id.
    pub id: String,
    /// The origin's name or number.
    pub origin: String,
    /// When it was published.
    pub published_ns: u64,
    /// To how many nodes.
    #[serde(flatten)]
    pub reach: Reach,
    /// How long the last delivery took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_ns: Option<u64>,
    /// Its hops.
    pub last_hop: u32,
    /// Messages that carried its content.
    pub payload_messages: u64,
    /// Its relative message redundancy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redundancy: Option<f64>,
}

impl Summary {
    /// Plays a scenario to its end, judges it and sums it up. After every `slice` events, `goes_on` is told how far it came,
    /// and how many events there were; if it says no, that was the end, and the course is not complete.
    pub fn simulate<P: Protocol>(
        scenario: &Scenario<P::Config>,
        slice: u64,
        mut goes_on: impl FnMut(Time, u64) -> bool,
    ) -> (Summary, Course) {
        let observers = (Metrics::with_audit(scenario.needs_audit()), chronicle(scenario));
        let mut watch = Watch::of(scenario);
        let network: Network<Sim<P, (Metrics, Chronicle)>> =
            Network::observed(scenario.sim_config::<P>(), scenario.file.seed, observers);
        let mut playback = Playback::new(network, scenario);
        let mut complete = true;
        while complete && watch.advance(&mut playback, slice) != Progress::Ended {
            complete = goes_on(playback.network().now(), playback.network().world().events());
        }
        let (course, closing) = Course::of(&playback, &watch, complete);
        let network = playback.into_network();
        let (metrics, chronicle) = network.observer();
        let summary = Summary::of(scenario, &network, metrics, chronicle, &closing, &course, String::new());
        (summary, course)
    }

    /// Judges a run and sums it up. `repeat`: the command that repeats it.
    pub fn of<C, W: World>(
        scenario: &Scenario<C>,
        network: &Network<W>,
        metrics: &Metrics,
        chronicle: &Chronicle,
        closing: &Closing,
        course: &Course,
        repeat: String,
    ) -> Summary {
        let graph = closing.present_graph();
        let (in_flight, end) = (network.world().in_flight(), network.now());
        let view = |node| network.view(node);
        let find = |selector: &_| scenario.find(selector);
        let latency = |from, to| network.world().latency(from, to);
        let evidence = Evidence {
            metrics,
            oracle: &Oracle::new(chronicle, &latency),
            closing,
            in_flight,
            end,
            course,
            broadcasts: network.world().broadcasts(),
            guarantee: &scenario.file.guarantee,
            view: &view,
            find: &find,
        };
        let judgement = judge(&scenario.file.expect, evidence);
        let coverage = &judgement.coverage;
        let spreads = metrics.spreads();
        let counters = || (0..network.size()).map(|node| network.counters(NodeId::at(node)));
        let components = graph.components();
        Summary {
            title: scenario.file.title.clone(),
            question: scenario.file.question.clone(),
            answer: scenario.file.answer.clone(),
            seed: scenario.file.seed,
            version: env!("CARGO_PKG_VERSION"),
            ended_ns: network.now().nanos(),
            nodes: graph.nodes(),
            ever: network.size(),
            joins: Joins::of(metrics),
            direct_messages: metrics.direct_messages(),
            censuses: metrics.censuses().iter().map(|&(_, census)| census).collect(),
            faults: course.faults.iter().map(FaultSummary::of).collect(),
            links: graph.edge_count(),
            broadcasts: spreads.len(),
            coverage: coverage.total(),
            time_to: [50, 90, 99, 100].map(|percent| TimeTo::of(percent, spreads, coverage)).into(),
            hops_mean: hops_mean(spreads),
            last_hop: MeanAndMost::of(
                spreads
                    .iter()
                    .filter(|spread| spread.receivers() > 1)
                    .map(|spread| f64::from(spread.last_hops)),
            ),
            redundancy: MeanAndMost::of(spreads.iter().filter_map(Spread::redundancy)),
            stretch: judgement.stretch,
            messages_sent: MeanAndMost::of(counters().map(|c| c.messages_sent as f64)).unwrap_or_default(),
            bytes_sent: MeanAndMost::of(counters().map(|c| c.bytes_sent as f64)).unwrap_or_default(),
            gaps: metrics.gaps(),
            degrees: graph.degrees(),
            components: components.count(),
            largest_component: components.largest(),
            diameter: graph.diameter(),
            events: network.world().events(),
            digest: network.world().digest(),
            listed: listed(scenario, network, metrics, coverage),
            repeat,
            judgement,
        }
    }

    /// How it ended.
    pub fn verdict(&self) -> Verdict {
        self.judgement.verdict
    }
}

fn listed<C, W: World>(
    scenario: &Scenario<C>,
    network: &Network<W>,
    metrics: &Metrics,
    coverage: &Coverage,
) -> Vec<BroadcastSummary> {
    let broadcasts = network.world().broadcasts().iter();
    broadcasts
        .zip(metrics.spreads())
        .zip(&coverage.reaches)
        .take(MOST_LISTED)
        .map(|((broadcast, spread), reach)| BroadcastSummary {
            id: broadcast.message.id.to_string(),
            origin: scenario.name_of(spread.origin),
            published_ns: spread.published.nanos(),
            reach: *reach,
            last_ns: spread.time_to(spread.receivers()).map(nanos),
            last_hop: spread.last_hops,
            payload_messages: spread.payload_messages,
            redundancy: spread.redundancy(),
        })
        .collect()
}

/// The mean over all deliveries but the origins' own.
fn hops_mean(spreads: &[Spread]) -> Option<f64> {
    let others: usize = spreads.iter().map(|spread| spread.receivers().saturating_sub(1)).sum();
    let hops: u64 = spreads.iter().map(Spread::hops_total).sum();
    (others > 0).then(|| hops as f64 / others as f64)
}

impl MeanAndMost {
    fn of(values: impl Iterator<Item = f64>) -> Option<MeanAndMost> {
        let (count, sum, most) = values.fold((0u64, 0.0, f64::MIN), |(count, sum, most), value| {
            (count + 1, sum + value, if value > most { value } else { most })
        });
        (count > 0).then(|| MeanAndMost { mean: sum / count as f64, most })
    }
}

impl Default for MeanAndMost {
    fn default() -> MeanAndMost {
        MeanAndMost { mean: 0.0, most: 0.0 }
    }
}

impl TimeTo {
    fn of(percent: u32, spreads: &[Spread], coverage: &Coverage) -> TimeTo {
        let (mut sum, mut most, mut count, mut never) = (0u128, None, 0u128, 0);
        for (spread, reach) in spreads.iter().zip(&coverage.reaches).filter(|(_, reach)| reach.others() > 0) {
            let wanted = 1 + (reach.others() * percent as usize).div_ceil(100);
            match spread.time_to(wanted) {
                Some(time) => {
                    sum += u128::from(nanos(time));
                    most = most.max(Some(nanos(time)));
                    count += 1;
                }
                None => never += 1,
            }
        }
        let mean_ns = sum.checked_div(count).map(|mean| mean as u64);
        TimeTo { percent, mean_ns, most_ns: most, never }
    }
}

impl Display for Summary {
    /// As a terminal shows it.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        if !self.question.is_empty() {
            writeln!(f, "{}", self.question)?;
        }
        if !self.answer.is_empty() {
            writeln!(f, "{}", self.answer)?;
        }
        writeln!(f, "\n  {}", self.verdict().to_string().to_uppercase())?;
        for finding in &self.judgement.findings {
            writeln!(f, "  {:<8} {}: {}", finding.verdict, finding.expectation, finding.evidence)?;
        }
        writeln!(f)?;
        self.figures().iter().try_for_each(|(name, value)| writeln!(f, "  {name:<12} {value}"))?;
        self.table(f)
    }
}

impl Summary {
    fn figures(&self) -> Vec<(&'static str, String)> {
        let ended = human_duration(Time::from_nanos(self.ended_ns).since(Time::ZERO));
        let gone =
            if self.ever > self.nodes { format!(" of {} ever", counted(self.ever)) } else { String::new() };
        let size = format!("{} nodes{gone}, {} links", counted(self.nodes), counted(self.links));
        let mut figures =
            vec![("network", format!("{size}, {ended} of virtual time")), ("coverage", self.coverage_text())];
        if let Some(Joins { count, messages_mean, took_mean_ns, took_most_ns }) = self.joins {
            let [mean, most] =
                [took_mean_ns, took_most_ns].map(|ns| human_duration(Duration::from_nanos(ns)));
            let messages = decimal(messages_mean);
            let text =
                format!("{}, {messages} messages each; linked after {mean}, at most {most}", counted(count));
            figures.push(("joins", text));
        }
        if let DirectMessages { delivered, lost } = self.direct_messages
            && delivered + lost > 0
        {
            figures.push(("direct", format!("{} delivered, {} lost", grouped(delivered), grouped(lost))));
        }
        if let Some(census) = self.censuses.last() {
            let degrees = format!("{} to {} neighbors", census.least_neighbors, census.most_neighbors);
            figures.push(("census", format!("{} nodes with {degrees}", grouped(census.nodes))));
        }
        if self.broadcasts > 0 {
            figures.push(("time to", self.times_text(|time| time.mean_ns, "mean")));
            figures.push(("", self.times_text(|time| time.most_ns, "slowest")));
        }
        if let (Some(mean), Some(last)) = (self.hops_mean, self.last_hop) {
            let last = format!("last delivery mean {}, most {}", decimal(last.mean), last.most);
            figures.push(("hops", format!("mean {}; {last}", decimal(mean))));
        }
        if let Some(MeanAndMost { mean, most }) = self.redundancy {
            figures.push(("redundancy", format!("RMR mean {mean:.4}, most {most:.4}")));
        }
        if let Some(Stretch { mean, most, broadcasts, .. }) = self.stretch {
            let over = match broadcasts < self.broadcasts {
                true => format!(", over the first {} broadcasts", counted(broadcasts)),
                false => String::new(),
            };
            figures.push(("stretch", format!("mean {mean:.4}, most {most:.4}{over}")));
        }
        for (number, fault) in self.faults.iter().take(MOST_SHOWN).enumerate() {
            figures.push((if number == 0 { "faults" } else { "" }, fault.to_string()));
        }
        if let more @ 1.. = self.faults.len().saturating_sub(MOST_SHOWN) {
            figures.push(("", format!("… and {} more", counted(more))));
        }
        let MeanAndMost { mean, most } = self.messages_sent;
        figures.push((
            "messages",
            format!("sent by a node: mean {}, most {}", decimal(mean), counted(most as usize)),
        ));
        let MeanAndMost { mean, most } = self.bytes_sent;
        figures.push((
            "bytes",
            format!("sent by a node: mean {}, most {}", human_bytes(mean), human_bytes(most)),
        ));
        if self.gaps > 0 {
            figures.push(("gaps", format!("{} deliveries given up", grouped(self.gaps))));
        }
        let Degrees { min, mean, max, .. } = &self.degrees;
        figures.push(("degrees", format!("{} to {}, mean {}", counted(*min), counted(*max), decimal(*mean))));
        let largest = match self.components {
            0 | 1 => String::new(),
            _ => format!("; the largest has {} nodes", counted(self.largest_component)),
        };
        figures.push(("components", format!("{}{largest}", counted(self.components))));
        figures.push(("diameter", format!("{} hops", self.diameter)));
        let events = grouped(self.events);
        figures.push(match &self.digest {
            Some(digest) => ("digest", format!("{digest} over {events} events")),
            None => ("events", events),
        });
        figures
    }

    fn coverage_text(&self) -> String {
        let Reach { entitled, possible, delivered } = self.coverage;
        let share = if possible == 0 { 0.0 } else { 100.0 * delivered as f64 / possible as f64 };
        let impossible = match entitled - possible {
            0 => String::new(),
            others => format!("; {} impossible", counted(others)),
        };
        let (broadcasts, done, all) = (counted(self.broadcasts), counted(delivered), counted(possible));
        format!("{share:.4} % of {broadcasts} broadcasts: {done} of {all} possible deliveries{impossible}")
    }

    fn times_text(&self, pick: impl Fn(&TimeTo) -> Option<u64>, name: &str) -> String {
        let texts: Vec<String> = self
            .time_to
            .iter()
            .map(|time| {
                let duration =
                    pick(time).map_or("never".into(), |ns| human_duration(Duration::from_nanos(ns)));
                let never = if time.never > 0 { format!(" ({} never)", time.never) } else { String::new() };
                format!("{} % {duration}{never}", time.percent)
            })
            .collect();
        format!("{} ({name})", texts.join(" · "))
    }

    fn table(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.listed.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n  broadcast      origin       delivered   last delivery  after hops  payload msgs     RMR"
        )?;
        for (number, listed) in self.listed.iter().take(MOST_SHOWN).enumerate() {
            let delivered = format!("{}/{}", counted(listed.reach.delivered), counted(listed.reach.possible));
            let last = listed.last_ns.map_or("never".into(), |ns| human_duration(Duration::from_nanos(ns)));
            let redundancy = listed.redundancy.map_or("-".into(), |rmr| format!("{rmr:.4}"));
            writeln!(
                f,
                "  {number:<4} {} {:>9} {delivered:>15} {last:>15} {:>11} {:>13} {redundancy:>7}",
                &listed.id[..8],
                shorten(&listed.origin),
                listed.last_hop,
                grouped(listed.payload_messages),
            )?;
        }
        match self.broadcasts.saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "  … and {} more", counted(more)),
        }
    }
}

/// At most nine characters of a name.
fn shorten(name: &str) -> String {
    if name.chars().count() <= 9 { name.into() } else { name.chars().take(8).chain(['…']).collect() }
}
