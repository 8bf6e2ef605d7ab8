//! From the file to the checked scenario: what no single value shows, such as a step after the end.

use super::data::DataFolders;
use super::file::*;
use super::source::{Problem, Source};
use super::{Action, Nodes, PlannedStep, Scenario};
use crate::graph::Graph;
use crate::id::NodeId;
use crate::sim::{DataError, Latency, Links, Matrix, Topology, parse_edge_list};
use crate::time::Time;
use crate::units::{self, grouped};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How many broadcasts one scenario may ask for; each has an entry in several tables.
const MOST_BROADCASTS: u64 = 10_000_000;

/// Checks a parsed file; all problems that can be found at once.
pub(super) fn check<C>(
    file: ScenarioFile<C>,
    source: &Source,
    data: &DataFolders,
) -> Result<Scenario<C>, Vec<Problem>> {
    let mut checker = Checker { source, data, problems: Vec::new() };
    let graph = checker.graph(&file.topology, file.seed);
    let nodes = graph.as_ref().map(Graph::nodes);
    checker.names(&file.names, nodes);
    let links = checker.links(&file.links);
    let timeline = checker.timeline(&file, nodes);
    checker.expectations(&file.expect);
    match (graph, links) {
        (Some(graph), Some(links)) if checker.problems.is_empty() => {
            Ok(Scenario { graph, links, timeline, end: Time::ZERO + file.end, file })
        }
        _ => {
            checker.problems.sort_by_key(|problem| problem.span.start);
            Err(checker.problems)
        }
    }
}

struct Checker<'a> {
    source: &'a Source,
    data: &'a DataFolders,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn complain(&mut self, path: &str, message: impl Into<String>, remedy: impl Into<String>) {
        let span = self.source.span(path).unwrap_or(0..0);
        self.problems.push(Problem {
            span,
            path: path.into(),
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    fn graph(&mut self, topology: &Topology, seed: u64) -> Option<Graph> {
        let kind = topology.name();
        if let Topology::EdgeList { file, source } = topology {
            let path = format!("topology.{kind}.file");
            return self.data_file(&path, file, source, parse_edge_list);
        }
        match topology.build(seed) {
            Ok(graph) => Some(graph),
            Err(error) => {
                self.complain(&format!("topology.{kind}.{}", error.field), error.problem, error.remedy);
                None
            }
        }
    }

    /// Reads and parses a data file.
    fn data_file<T>(
        &mut self,
        path: &str,
        file: &str,
        source: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, DataError>,
    ) -> Option<T> {
        let bytes = match self.data.read(file) {
            Ok(bytes) => bytes,
            Err(missing) => {
                let mut remedy = "name its folder with --data DIR or in RUMORMILL_DATA".to_owned();
                if !source.is_empty() {
                    remedy = format!("it is {source}; {remedy}");
                }
                self.complain(path, missing, remedy);
                return None;
            }
        };
        match parse(&bytes) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.complain(path, format!("in the data file `{file}`, {error}"), "mend the file");
                None
            }
        }
    }

    fn names(&mut self, names: &[String], nodes: Option<usize>) {
        if nodes.is_some_and(|nodes| names.len() > nodes) {
            self.complain(
                "names",
                format!("{} names for fewer nodes", names.len()),
                "remove some, or add nodes",
            );
        }
        let mut seen = BTreeSet::new();
        for (i, name) in names.iter().enumerate() {
            let path = format!("names.{i}");
            if !seen.insert(name) {
                self.complain(&path, format!("two nodes are called `{name}`"), "rename one of them");
            } else if name == "random" || name == "all" {
                self.complain(
                    &path,
                    format!("`{name}` means something else as a target"),
                    "choose another name",
                );
            } else if name.trim().is_empty() || name.chars().any(char::is_control) {
                self.complain(&path, "a name needs letters that can be seen", "choose another name");
            }
        }
    }

    fn links(&mut self, links: &LinksFile) -> Option<Links> {
        let latency = self.latency(&links.latency)?;
        Some(Links { kind: links.kind, latency, jitter: links.jitter })
    }

    fn latency(&mut self, latency: &LatencyFile) -> Option<Latency> {
        match latency {
            LatencyFile::Constant(latency) => Some(Latency::Constant(*latency)),
            LatencyFile::Uniform(UniformFile { min, max }) => {
                if min > max {
                    self.complain(
                        "links.latency.uniform.min",
                        "`min` is greater than `max`",
                        "exchange them",
                    );
                }
                Some(Latency::Uniform { min: *min, max: *max })
            }
            LatencyFile::LogNormal(LogNormalFile { median, sigma }) => {
                if !(0.0..=3.0).contains(sigma) {
                    let remedy = "sigma lies between 0 and 3; paths on the Internet have about 0.5";
                    self.complain(
                        "links.latency.log_normal.sigma",
                        format!("`{sigma}` is out of range"),
                        remedy,
                    );
                }
                Some(Latency::LogNormal { median: *median, sigma: *sigma })
            }
            LatencyFile::Matrix(MatrixFile { file, source, hosts }) => {
                let matrix = self.data_file("links.latency.matrix.file", file, source, Matrix::parse)?;
                let hosts = self.hosts(&matrix, hosts);
                Some(Latency::Matrix { matrix: Arc::new(matrix), hosts })
            }
        }
    }

    fn hosts(&mut self, matrix: &Matrix, hosts: &[Selector]) -> Vec<usize> {
        if hosts.is_empty() {
            return (0..matrix.hosts()).collect();
        }
        let mut found = Vec::new();
        for (i, host) in hosts.iter().enumerate() {
            let index = match host {
                Selector::Number(number) => {
                    usize::try_from(*number).ok().filter(|&index| index < matrix.hosts())
                }
                Selector::Name(name) => matrix.host_named(name),
            };
            match index {
                Some(index) => found.push(index),
                None => {
                    let remedy = match matrix.names() {
                        Some(names) => format!("its hosts are {}", names.join(", ")),
                        None => format!("its hosts are the rows 0 to {}", matrix.hosts() - 1),
                    };
                    self.complain(
                        &format!("links.latency.matrix.hosts.{i}"),
                        "the file has no such host",
                        remedy,
                    );
                }
            }
        }
        found
    }

    fn timeline<C>(&mut self, file: &ScenarioFile<C>, nodes: Option<usize>) -> Vec<PlannedStep> {
        let mut snapshots = BTreeSet::new();
        let mut broadcasts = 0u64;
        let mut planned = Vec::new();
        for (i, Entry { at, step }) in file.timeline.iter().enumerate() {
            let path = format!("timeline.{i}");
            self.before_end(&path, "at", *at, file.end);
            match step {
                Step::Broadcast(step) => {
                    let all = if step.from == Target::All { nodes.unwrap_or(1) as u64 } else { 1 };
                    broadcasts = broadcasts.saturating_add(u64::from(step.count.get()).saturating_mul(all));
                    planned.extend(self.broadcast(&path, *at, step, file, nodes));
                }
                Step::Snapshot(SnapshotStep { name }) => {
                    let path = format!("{path}.do.snapshot.name");
                    self.snapshot_name(&path, name);
                    if !snapshots.insert(name) {
                        self.complain(
                            &path,
                            format!("two snapshots are called `{name}`"),
                            "rename one of them",
                        );
                    }
                    let action = Action::Snapshot { name: name.clone() };
                    planned.push(PlannedStep {
                        at: Time::ZERO + *at,
                        count: 1,
                        every: Duration::ZERO,
                        action,
                    });
                }
            }
        }
        if broadcasts > MOST_BROADCASTS {
            let message = format!("{} broadcasts are too many", grouped(broadcasts));
            self.complain(
                "timeline",
                message,
                format!("a scenario has at most {}", grouped(MOST_BROADCASTS)),
            );
        }
        planned
    }

    fn before_end(&mut self, path: &str, key: &str, time: Duration, end: Duration) {
        if time > end {
            let message = format!("this happens at {}, after the end", units::format_duration(time));
            let remedy =
                format!("let it happen earlier, or the run end later than {}", units::format_duration(end));
            self.complain(&format!("{path}.{key}"), message, remedy);
        }
    }

    fn broadcast<C>(
        &mut self,
        path: &str,
        at: Duration,
        step: &BroadcastStep,
        file: &ScenarioFile<C>,
        nodes: Option<usize>,
    ) -> Option<PlannedStep> {
        let path = format!("{path}.do.broadcast");
        let count = step.count.get();
        let last =
            step.every.checked_mul(count - 1).and_then(|span| at.checked_add(span)).unwrap_or(Duration::MAX);
        if at <= file.end && last > file.end {
            let message = format!("the last of the {count} would come after the end");
            self.complain(
                &format!("{path}.count"),
                message,
                "ask for fewer, for shorter pauses, or for a later end",
            );
        }
        let from = match &step.from {
            Target::Random => Nodes::Random,
            Target::All => Nodes::All,
            Target::One(selector) => {
                Nodes::One(self.node(&format!("{path}.from"), selector, &file.names, nodes?)?)
            }
        };
        let action = Action::Broadcast { from, title: step.title.clone(), message: step.message.clone() };
        Some(PlannedStep { at: Time::ZERO + at, count, every: step.every, action })
    }

    fn node(&mut self, path: &str, selector: &Selector, names: &[String], nodes: usize) -> Option<NodeId> {
        let found = match selector {
            Selector::Number(number) => usize::try_from(*number).ok().filter(|&index| index < nodes),
            Selector::Name(name) => names.iter().position(|candidate| candidate == name),
        };
        if found.is_none() {
            let numbers = format!("nodes are 0 to {}, \"random\" or \"all\"", nodes - 1);
            let (message, remedy) = match selector {
                Selector::Number(number) => (format!("there is no node {number}"), numbers),
                Selector::Name(name) if names.is_empty() => (format!("there is no node `{name}`"), numbers),
                Selector::Name(name) => (
                    format!("there is no node `{name}`"),
                    format!("{numbers}, or one of {}", names.join(", ")),
                ),
            };
            self.complain(path, message, remedy);
        }
        found.map(NodeId::at)
    }

    fn snapshot_name(&mut self, path: &str, name: &str) {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            let remedy = "use up to 64 letters, digits, - and _";
            self.complain(path, format!("`{name}` cannot be the name of a file"), remedy);
        } else if name == "topology" {
            self.complain(path, "`topology` is the picture at the end", "choose another name");
        }
    }

    fn expectations(&mut self, expectations: &[Expectation]) {
        for (i, expectation) in expectations.iter().enumerate() {
            match expectation {
                Expectation::Redundancy(range) => self.range(&format!("expect.{i}.redundancy"), range),
                Expectation::Messages(range) => self.range(&format!("expect.{i}.messages"), range),
                Expectation::Latency(latency) if latency.share == 0.0 => {
                    self.complain(
                        &format!("expect.{i}.latency.share"),
                        "nobody is no expectation",
                        "take more than 0",
                    );
                }
                Expectation::EveryoneDelivers | Expectation::Connected | Expectation::Latency(_) => {}
            }
        }
    }

    fn range<T: PartialOrd>(&mut self, path: &str, range: &Range<T>) {
        match (&range.min, &range.max) {
            (None, None) => {
                self.complain(path, "a range without bounds expects nothing", "give `min`, `max` or both")
            }
            (Some(min), Some(max)) if min > max => {
                self.complain(&format!("{path}.min"), "`min` is greater than `max`", "exchange them");
            }
            _ => {}
        }
    }
}
