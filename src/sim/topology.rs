//! Which graphs a scenario can ask for: parameters, their check, and how large the graph will be.
//!
//! How each graph is made stands in `generate`; a graph that somebody measured is read by [`parse_edge_list`].

mod edge_list;
mod generate;

pub use edge_list::parse_edge_list;

use crate::graph::Graph;
use crate::rng::{Purpose, stream};
use crate::units::{Share, grouped};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The most nodes that a graph may have.
pub const MAX_NODES: u64 = 10_000_000;

/// The most links that a graph may have, or be expected to have: 1.6 GB.
pub const MAX_LINKS: u64 = 200_000_000;

/// A graph by its recipe. Nodes are numbered from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Topology {
    /// Each node is linked to the next, the last to the first.
    #[schemars(example = json!({"ring": {"nodes": 300}}))]
    Ring {
        /// How many nodes.
        #[schemars(range(min = 1, max = MAX_NODES))]
        nodes: u32,
    },
    /// Each node is linked to the next.
    #[schemars(example = json!({"line": {"nodes": 300}}))]
    Line {
        /// How many nodes.
        #[schemars(range(min = 1, max = MAX_NODES))]
        nodes: u32,
    },
    /// A rectangle, row by row; each node is linked to those left, right, above and below it.
    #[schemars(example = json!({"grid": {"width": 20, "height": 15}}))]
    Grid {
        /// How many nodes in a row.
        #[schemars(range(min = 1))]
        width: u32,
        /// How many rows.
        #[schemars(range(min = 1))]
        height: u32,
    },
    /// Node 0 in the middle, linked to all others.
    #[schemars(example = json!({"star": {"nodes": 300}}))]
    Star {
        /// How many nodes, the one in the middle included.
        #[schemars(range(min = 1, max = MAX_NODES))]
        nodes: u32,
    },
    /// Node 0 is the root; every level is full except perhaps the last.
    #[schemars(example = json!({"tree": {"nodes": 300, "branching": 3}}))]
    Tree {
        /// How many nodes.
        #[schemars(range(min = 1, max = MAX_NODES))]
        nodes: u32,
        /// How many children a node has.
        #[schemars(range(min = 1))]
        branching: u32,
    },
    /// Everybody is linked to everybody.
    #[schemars(example = json!({"complete": {"nodes": 50}}))]
    Complete {
        /// How many nodes.
        #[schemars(range(min = 1, max = MAX_NODES))]
        nodes: u32,
    },
    /// All nodes have the same number of links, otherwise at random. From degree 3 on it is connected with a
    /// probability that tends to 1 with its size; of degree 2 it is some rings, of degree 1 pairs.
    #[schemars(example = json!({"random_regular": {"nodes": 300, "degree": 6}}))]
    RandomRegular {
        /// How many nodes.
        #[schemars(range(min = 1, max = MAX_NODES))]
        nodes: u32,
        /// How many neighbors each has, below `nodes`. Nodes times degree must be even.
        degree: u32,
    },
    /// Each node picks others at random; a pick links both. This is what joining through a list of random
    /// contacts makes.
    #[schemars(example = json!({"k_out": {"nodes": 300, "k": 4}}))]
    KOut {
        /// How many nodes.
        #[schemars(range(min = 1, max = MAX_NODES))]
        nodes: u32,
        /// How many others each picks, below `nodes`.
        k: u32,
    },
    /// Each pair is linked with the same probability (Erdős and Rényi 1959, in the form of Gilbert 1959).
    #[schemars(example = json!({"erdos_renyi": {"nodes": 300, "probability": 0.02}}))]
    ErdosRenyi {
        /// How many nodes.
        #[schemars(range(min = 1, max = MAX_NODES))]
        nodes: u32,
        /// The probability of each link, 0 to 1.
        #[schemars(with = "Share")]
        probability: f64,
    },
    /// Newcomers prefer those who have many links already (Barabási and Albert 1999), so that a few hubs have
    /// very many.
    #[schemars(example = json!({"barabasi_albert": {"nodes": 300, "links": 3}}))]
    BarabasiAlbert {
        /// How many nodes.
        #[schemars(range(min = 1, max = MAX_NODES))]
        nodes: u32,
        /// How many links each newcomer makes, below `nodes`.
        #[schemars(range(min = 1))]
        links: u32,
    },
    /// A ring in which each node is linked to several on both sides, and some links are moved elsewhere at
    /// random (Watts and Strogatz 1998).
    #[schemars(example = json!({"watts_strogatz": {"nodes": 300, "neighbors": 6, "rewire": 0.1}}))]
    WattsStrogatz {
        /// How many nodes.
        #[schemars(range(min = 1, max = MAX_NODES))]
        nodes: u32,
        /// To how many others each node is linked at first: even, below `nodes`.
        neighbors: u32,
        /// The probability that a link is moved, 0 to 1.
        #[schemars(with = "Share")]
        rewire: f64,
    },
    /// A graph that somebody measured, from a file: one link a line, as the numbers of two nodes. Lines that begin
    /// with `#` are comments.
    #[schemars(example = json!({"edge_list": {"file": "gnutella08.edges"}}))]
    EdgeList {
        /// The path of the file.
        file: String,
        /// What it is and where to get it; shown when it is missing.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        source: String,
    },
}

/// Parameters from which no graph can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {problem}; {remedy}")]
pub struct TopologyError {
    /// The field of [`Topology`] at fault, as it is spelled in a file.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

impl TopologyError {
    fn new(field: &'static str, problem: impl Into<String>, remedy: impl Into<String>) -> TopologyError {
        TopologyError { field, problem: problem.into(), remedy: remedy.into() }
    }
}

impl Topology {
    /// Whether a graph can be made from these parameters. An edge list is not opened.
    ///
    /// # Errors
    /// The first parameter that is out of range, or that asks for more than [`MAX_NODES`] or [`MAX_LINKS`].
    pub fn check(&self) -> Result<(), TopologyError> {
        self.check_nodes()?;
        self.check_shape()?;
        self.check_links()
    }

    fn check_nodes(&self) -> Result<(), TopologyError> {
        let field = match *self {
            Topology::Grid { width, height } if width == 0 || height > width => "height",
            Topology::Grid { .. } => "width",
            _ => "nodes",
        };
        match self.nodes() {
            Some(0) if matches!(self, Topology::Grid { width: 0, .. }) => Err(from_one("width")),
            Some(0) => Err(from_one(if field == "nodes" { "nodes" } else { "height" })),
            Some(nodes) if nodes > MAX_NODES => Err(TopologyError::new(
                field,
                format!("{} nodes are too many", grouped(nodes)),
                format!("a graph has at most {}", grouped(MAX_NODES)),
            )),
            _ => Ok(()),
        }
    }

    fn check_shape(&self) -> Result<(), TopologyError> {
        match *self {
            Topology::Tree { branching: 0, .. } => Err(from_one("branching")),
            Topology::RandomRegular { nodes, degree } => {
                below_nodes("degree", degree, nodes)?;
                if u64::from(nodes) * u64::from(degree) % 2 == 1 {
                    return Err(TopologyError::new(
                        "degree",
                        format!("{nodes} nodes of degree {degree} have an odd number of link ends"),
                        "make one of the two even",
                    ));
                }
                Ok(())
            }
            Topology::KOut { nodes, k } => below_nodes("k", k, nodes),
            Topology::ErdosRenyi { probability, .. } => is_probability("probability", probability),
            Topology::BarabasiAlbert { links: 0, .. } => Err(from_one("links")),
            Topology::BarabasiAlbert { nodes, links } => below_nodes("links", links, nodes),
            Topology::WattsStrogatz { nodes, neighbors, rewire } => {
                below_nodes("neighbors", neighbors, nodes)?;
                if neighbors % 2 == 1 {
                    let remedy = "take an even number, half of them on each side";
                    return Err(TopologyError::new("neighbors", format!("{neighbors} is odd"), remedy));
                }
                is_probability("rewire", rewire)
            }
            _ => Ok(()),
        }
    }

    fn check_links(&self) -> Result<(), TopologyError> {
        let field = match self {
            Topology::RandomRegular { .. } => "degree",
            Topology::KOut { .. } => "k",
            Topology::ErdosRenyi { .. } => "probability",
            Topology::BarabasiAlbert { .. } => "links",
            Topology::WattsStrogatz { .. } => "neighbors",
            _ => "nodes",
        };
        match self.links() {
            Some(links) if links > MAX_LINKS => Err(TopologyError::new(
                field,
                format!("{} links are too many", grouped(links)),
                format!("a graph has at most {}", grouped(MAX_LINKS)),
            )),
            _ => Ok(()),
        }
    }

    /// Its name in a scenario file.
    pub fn name(&self) -> &'static str {
        match self {
            Topology::Ring { .. } => "ring",
            Topology::Line { .. } => "line",
            Topology::Grid { .. } => "grid",
            Topology::Star { .. } => "star",
            Topology::Tree { .. } => "tree",
            Topology::Complete { .. } => "complete",
            Topology::RandomRegular { .. } => "random_regular",
            Topology::KOut { .. } => "k_out",
            Topology::ErdosRenyi { .. } => "erdos_renyi",
            Topology::BarabasiAlbert { .. } => "barabasi_albert",
            Topology::WattsStrogatz { .. } => "watts_strogatz",
            Topology::EdgeList { .. } => "edge_list",
        }
    }

    /// How many nodes the graph will have; `None` if only a file can tell.
    pub fn nodes(&self) -> Option<u64> {
        match *self {
            Topology::Ring { nodes }
            | Topology::Line { nodes }
            | Topology::Star { nodes }
            | Topology::Tree { nodes, .. }
            | Topology::Complete { nodes }
            | Topology::RandomRegular { nodes, .. }
            | Topology::KOut { nodes, .. }
            | Topology::ErdosRenyi { nodes, .. }
            | Topology::BarabasiAlbert { nodes, .. }
            | Topology::WattsStrogatz { nodes, .. } => Some(nodes.into()),
            Topology::Grid { width, height } => Some(u64::from(width) * u64::from(height)),
            Topology::EdgeList { .. } => None,
        }
    }

    /// How many links the graph will have: exactly, except for [`Topology::KOut`] and [`Topology::ErdosRenyi`],
    /// where it is the expected number. `None` if only a file can tell. Means nothing for parameters that
    /// [`Topology::check`] refuses.
    pub fn links(&self) -> Option<u64> {
        let n = self.nodes()?;
        Some(match *self {
            Topology::Ring { .. } if n < 3 => n.saturating_sub(1),
            Topology::Ring { .. } => n,
            Topology::Line { .. } | Topology::Star { .. } | Topology::Tree { .. } => n.saturating_sub(1),
            Topology::Grid { width, height } => (2 * n).saturating_sub(u64::from(width) + u64::from(height)),
            Topology::Complete { .. } => pairs(n),
            Topology::RandomRegular { degree, .. } => n * u64::from(degree) / 2,
            // Two who pick each other share one link; each of the pairs does so with probability (k/(n-1))².
            Topology::KOut { k, .. } => {
                let (n, k) = (n as f64, f64::from(k));
                (n * k - n * k * k / (2.0 * (n - 1.0).max(1.0))).round() as u64
            }
            Topology::ErdosRenyi { probability, .. } => (pairs(n) as f64 * probability).round() as u64,
            Topology::BarabasiAlbert { links, .. } => {
                let links = u64::from(links);
                pairs(links + 1) + n.saturating_sub(links + 1) * links
            }
            Topology::WattsStrogatz { neighbors, .. } => n * u64::from(neighbors) / 2,
            Topology::EdgeList { .. } => return None,
        })
    }

    /// Makes the graph that a run with this seed begins with.
    ///
    /// # Errors
    /// As [`generate`](Topology::generate).
    pub fn build(&self, seed: u64) -> Result<Graph, TopologyError> {
        self.generate(&mut stream(seed, Purpose::Topology))
    }

    /// Makes the graph. Equal parameters and equal random numbers make equal graphs.
    ///
    /// # Errors
    /// Those of [`Topology::check`]; and an edge list cannot be made, only read.
    pub fn generate(&self, rng: &mut impl Rng) -> Result<Graph, TopologyError> {
        self.check()?;
        Ok(match *self {
            Topology::Ring { nodes } => generate::ring(nodes),
            Topology::Line { nodes } => generate::tree(nodes, 1),
            Topology::Grid { width, height } => generate::grid(width, height),
            Topology::Star { nodes } => generate::tree(nodes, nodes),
            Topology::Tree { nodes, branching } => generate::tree(nodes, branching),
            Topology::Complete { nodes } => generate::complete(nodes),
            Topology::RandomRegular { nodes, degree } => generate::random_regular(nodes, degree, rng),
            Topology::KOut { nodes, k } => generate::k_out(nodes, k, rng),
            Topology::ErdosRenyi { nodes, probability } => generate::erdos_renyi(nodes, probability, rng),
            Topology::BarabasiAlbert { nodes, links } => generate::barabasi_albert(nodes, links, rng),
            Topology::WattsStrogatz { nodes, neighbors, rewire } => {
                generate::watts_strogatz(nodes, neighbors, rewire, rng)
            }
            Topology::EdgeList { .. } => {
                let problem = "a measured graph cannot be generated";
                return Err(TopologyError::new("file", problem, "read the file with `parse_edge_list`"));
            }
        })
    }
}

/// How many pairs there are of `n` things.
fn pairs(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}

fn from_one(field: &'static str) -> TopologyError {
    TopologyError::new(field, "0 is too few", "take at least 1")
}

fn below_nodes(field: &'static str, value: u32, nodes: u32) -> Result<(), TopologyError> {
    if value < nodes {
        return Ok(());
    }
    let problem = format!("{value} is too many, each of the {nodes} nodes has {} others", nodes - 1);
    Err(TopologyError::new(field, problem, "take a number below `nodes`"))
}

fn is_probability(field: &'static str, value: f64) -> Result<(), TopologyError> {
    // False for NaN as well.
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(TopologyError::new(field, format!("{value} is no probability"), "take a number from 0 to 1"))
}

#[cfg(test)]
mod tests;
