//! From the file to the outline of a scenario: what no single value shows, such as a step after the end.

mod faults;
mod timeline;

use super::Outline;
use super::complaint::did_you_mean;
use super::data::DataFolders;
use super::file::*;
use super::source::{Problem, Source};
use crate::graph::Graph;
use crate::sim::{Latency, Links, MAX_NODES, Matrix, Topology, parse_edge_list};
use crate::time::Time;
use crate::units::grouped;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

/// Checks a parsed file; all problems that can be found at once.
pub(super) fn check<C>(
    file: ScenarioFile<C>,
    source: &Source,
    data: &DataFolders,
) -> Result<Outline<C>, Vec<Problem>> {
    let mut checker = Checker { source, data, problems: Vec::new() };
    let (nodes, measured) = match &file.topology {
        Some(topology) => checker.topology(topology),
        None => (Some(0), None),
    };
    // Those that join are numbered on.
    let joins = timeline::joins(&file.timeline);
    let population = nodes.map(|nodes| Population { nodes: nodes + joins, names: &file.names });
    checker.population(population.as_ref(), joins, faults::arrivals(&file.timeline));
    let links = checker.links(&file.links);
    let timeline = checker.timeline(&file, population.as_ref());
    checker.expectations(&file.expect, population.as_ref());
    match links {
        Some(links) if checker.problems.is_empty() => {
            Ok(Outline { measured, links, timeline, end: Time::ZERO + file.end, file })
        }
        _ => {
            checker.problems.sort_by_key(|problem| problem.span.start);
            Err(checker.problems)
        }
    }
}

/// Everybody who is there at the start or joins later.
struct Population<'a> {
    nodes: u64,
    /// Of the first of them.
    names: &'a [String],
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

    /// How many nodes a topology has, if nothing is wrong with it, and the graph, if that is read from a file.
    fn topology(&mut self, topology: &Topology) -> (Option<u64>, Option<Graph>) {
        let kind = topology.name();
        if let Topology::EdgeList { file, source } = topology {
            let path = format!("topology.{kind}.file");
            let graph = self.data_file(&path, file, source, parse_edge_list);
            return (graph.as_ref().map(|graph| graph.nodes() as u64), graph);
        }
        match topology.check() {
            Ok(()) => (topology.nodes(), None),
            Err(error) => {
                self.complain(&format!("topology.{kind}.{}", error.field), error.problem, error.remedy);
                (None, None)
            }
        }
    }

    /// Reads and parses a data file.
    fn data_file<T, E: Display>(
        &mut self,
        path: &str,
        file: &str,
        source: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, E>,
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

    fn population(&mut self, population: Option<&Population>, joins: u64, arrivals: u64) {
        let Some(&Population { nodes, names }) = population else { return };
        if nodes + arrivals == 0 {
            self.complain(
                "timeline",
                "nobody is there, and nobody joins",
                "add a `topology`, or `join` steps",
            );
        } else if nodes.saturating_add(arrivals) > MAX_NODES {
            let message = format!("{} nodes would join", grouped(joins.saturating_add(arrivals)));
            self.complain("timeline", message, format!("a network has at most {} nodes", grouped(MAX_NODES)));
        } else if names.len() as u64 > nodes {
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
            } else if ["random", "all", "genesis"].contains(&name.as_str())
                || name.chars().all(|c| c.is_ascii_digit()) && !name.is_empty()
            {
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
        let &LinksFile { kind, jitter, silence, dial, .. } = links;
        Some(Links { kind, latency, jitter, silence, dial })
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
            LatencyFile::Regions => Some(Latency::Regions),
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
                    let remedy = match (matrix.names(), host) {
                        (Some(names), Selector::Name(name)) => {
                            let guess = did_you_mean(name, names.iter().map(String::as_str));
                            format!("{guess}its hosts are {}", names.join(", "))
                        }
                        (Some(names), _) => format!("its hosts are {}", names.join(", ")),
                        (None, _) => format!("its hosts are the rows 0 to {}", matrix.hosts() - 1),
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

    fn expectations(&mut self, expectations: &[Expectation], population: Option<&Population>) {
        for (i, expectation) in expectations.iter().enumerate() {
            match expectation {
                Expectation::Redundancy(range) => self.range(&format!("expect.{i}.redundancy"), range),
                Expectation::Messages(range) => self.range(&format!("expect.{i}.messages"), range),
                Expectation::Peers(range) => self.range(&format!("expect.{i}.peers"), range),
                Expectation::Size(range) => self.range(&format!("expect.{i}.size"), range),
                Expectation::Received(received) => {
                    let path = format!("expect.{i}.received");
                    if received.count >= 1_024 {
                        self.complain(
                            &format!("{path}.count"),
                            "an inbox holds 1,024 messages",
                            "expect fewer",
                        );
                    }
                    self.node(&format!("{path}.node"), &received.node, population);
                    if let Some(from) = &received.from {
                        self.node(&format!("{path}.from"), from, population);
                    }
                }
                Expectation::Latency(latency) if latency.share == 0.0 => {
                    self.complain(
                        &format!("expect.{i}.latency.share"),
                        "nobody is no expectation",
                        "take more than 0",
                    );
                }
                Expectation::EveryoneDelivers
                | Expectation::Connected
                | Expectation::Latency(_)
                | Expectation::Stopped
                | Expectation::Integrity
                | Expectation::NoDuplication
                | Expectation::Validity
                | Expectation::Agreement
                | Expectation::NoSilentLoss
                | Expectation::Degree
                | Expectation::NoCut
                | Expectation::Repair
                | Expectation::BoundedCost
                | Expectation::BoundedMemory => {}
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
