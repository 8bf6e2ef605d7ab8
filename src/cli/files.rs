//! What goes into a folder of results.

#[cfg(feature = "draw")]
use crate::draw::{Arrivals, Arrow, CoverageChart, DegreeChart, LatencyChart, Layout, TopologyPicture};
use crate::graph::Graph;
use crate::network::{Network, NetworkStatus, NodeStatus};
use crate::observe::{Metrics, Utterance};
#[cfg(feature = "draw")]
use crate::report::Summary;
use crate::report::{Export, Results};
use crate::scenario::{Closing, Scenario};
use crate::units::counted;
use crate::world::World;
use serde::Serialize;
#[cfg(feature = "draw")]
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter};

/// Any of our values as JSON for people.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("our values have string keys and no failing parts")
}

/// The status of a network and of each of its nodes.
#[derive(Serialize)]
pub(super) struct Status {
    pub(super) network: NetworkStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nodes: Option<Vec<NodeStatus>>,
    /// Why there are no nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<String>,
}

pub(super) fn status<W: World>(network: &Network<W>) -> Status {
    let whole = network.status();
    if whole.nodes > Export::MOST_NODES {
        let left_out = format!("the nodes: above {} they are not listed", counted(Export::MOST_NODES));
        return Status { network: whole, nodes: None, left_out: Some(left_out) };
    }
    let nodes = network.up().map(|node| network.node_status(node)).collect();
    Status { network: whole, nodes: Some(nodes), left_out: None }
}

/// What the files of the network at the end are called.
const LAST: &str = "topology";

/// A network at a moment of a run, to be drawn and exported.
pub(super) struct Moment {
    /// What its files are called.
    pub(super) name: String,
    /// What stands below the title of its picture.
    pub(super) caption: String,
    pub(super) network: Closing,
    /// At how many hops the first broadcast had reached each node.
    pub(super) hops: Vec<Option<u32>>,
    /// Messages that are to be drawn.
    pub(super) talk: Vec<Utterance>,
}

impl Moment {
    /// The network with which a run ends.
    pub(super) fn last<C>(scenario: &Scenario<C>, network: Closing, metrics: &Metrics) -> Moment {
        let (name, caption) = (LAST.into(), scenario.file.question.clone());
        Moment { name, caption, network, hops: metrics.first_hops(), talk: Vec::new() }
    }

    /// The network with which a run starts.
    #[cfg(feature = "draw")]
    pub(super) fn first<C>(scenario: &Scenario<C>) -> Moment {
        let graph = scenario.graph.clone();
        let network =
            Closing { time: Default::default(), present: vec![true; graph.nodes()], graph, messages_sent: 0 };
        let caption = scenario.file.question.clone();
        Moment { name: "topology".into(), caption, network, hops: Vec::new(), talk: Vec::new() }
    }

    fn export<C>(&self, results: &Results, scenario: &Scenario<C>) -> io::Result<()> {
        let name_of = |node| scenario.name_of(node);
        let is_present = |node: crate::NodeId| self.network.present[node.index()];
        let export =
            Export { graph: &self.network.graph, present: &is_present, name: &name_of, hops: &self.hops };
        let file =
            |ending| File::create(results.path(&format!("{}.{ending}", self.name))).map(BufWriter::new);
        export.dot(file("dot")?)?;
        export.graphml(file("graphml")?)
    }

    /// Its picture. `since`: the network of an earlier picture, to show what is new.
    #[cfg(feature = "draw")]
    pub(super) fn picture<'a, C>(
        &'a self,
        scenario: &'a Scenario<C>,
        arrows: &'a [Arrow],
        since: Option<&'a Graph>,
    ) -> TopologyPicture<'a> {
        TopologyPicture {
            title: &scenario.file.title,
            subtitle: &self.caption,
            hops: &self.hops,
            names: &scenario.file.names,
            present: &self.network.present,
            since,
            arrows,
            ..TopologyPicture::of(&self.network.graph)
        }
    }

    #[cfg(feature = "draw")]
    fn arrows(&self) -> Vec<Arrow> {
        let arrow =
            |said: &Utterance| Arrow { from: said.from, to: said.to, label: said.kind.replace('_', " ") };
        self.talk.iter().map(arrow).collect()
    }
}

/// Which exports are left out, and why, if any are.
pub(super) fn left_out(moments: &[Moment], closing: &Closing) -> Option<String> {
    let networks = moments.iter().map(|moment| (moment.name.as_str(), &moment.network));
    let networks = networks.chain([(LAST, closing)]);
    let large = networks.filter(|(_, network)| !Export::is_useful(&network.graph));
    let names: Vec<String> = large.map(|(name, _)| format!("{name}.dot, {name}.graphml")).collect();
    let (nodes, links) = (counted(Export::MOST_NODES), counted(Export::MOST_LINKS));
    let why = format!("more than {nodes} nodes or {links} links");
    (!names.is_empty()).then(|| format!("{}: {why}", names.join(", ")))
}

/// Exports the network at these moments.
pub(super) fn exports<C>(results: &Results, scenario: &Scenario<C>, moments: &[&Moment]) -> io::Result<()> {
    let mut useful = moments.iter().filter(|moment| Export::is_useful(&moment.network.graph));
    useful.try_for_each(|moment| moment.export(results, scenario))
}

/// Draws the network at these moments. Every node stands at the same place in all pictures.
#[cfg(feature = "draw")]
pub(super) fn pictures<C>(results: &Results, scenario: &Scenario<C>, moments: &[&Moment]) -> io::Result<()> {
    let union = union(moments);
    let layout = Layout::force_directed(&union, scenario.file.seed);
    let mut since = None;
    for (number, moment) in moments.iter().enumerate() {
        // What is new belongs to a series of snapshots, not to the picture of the whole run.
        let is_snapshot = number + 1 < moments.len();
        let arrows = moment.arrows();
        let picture = moment.picture(scenario, &arrows, since.filter(|_| is_snapshot));
        let name = &moment.name;
        results.write(&format!("{name}.png"), picture.png(&layout).map_err(io::Error::other)?)?;
        results.write(&format!("{name}.svg"), picture.svg(&layout).map_err(io::Error::other)?)?;
        since = Some(&moment.network.graph);
    }
    Ok(())
}

/// Every link of these moments; a single graph as it is, for it may be large.
#[cfg(feature = "draw")]
fn union<'a>(moments: &[&'a Moment]) -> Cow<'a, Graph> {
    match moments {
        [moment] => Cow::Borrowed(&moment.network.graph),
        _ => Cow::Owned(Graph::union(moments.iter().map(|moment| &*moment.network.graph))),
    }
}

/// Writes the charts of a run that has broadcasts.
#[cfg(feature = "draw")]
pub(super) fn charts(results: &Results, summary: &Summary, metrics: &Metrics) -> io::Result<()> {
    let write = |name: &str, png: Result<Vec<u8>, _>, svg: Result<String, _>| {
        results.write(&format!("{name}.png"), png.map_err(io::Error::other::<crate::draw::DrawError>)?)?;
        results.write(&format!("{name}.svg"), svg.map_err(io::Error::other::<crate::draw::DrawError>)?)
    };
    let title = summary.title.as_str();
    let table = &summary.degrees.table;
    let degrees = DegreeChart { title, subtitle: "How many nodes have how many links", table };
    write("degrees", degrees.png(), degrees.svg())?;
    if metrics.spreads().is_empty() {
        return Ok(());
    }
    let reaches = &summary.judgement.coverage.reaches;
    let arrivals = metrics.delays().zip(reaches);
    let broadcasts: Vec<Arrivals<'_>> =
        arrivals.map(|(delays, reach)| Arrivals { delays, possible: reach.possible }).collect();
    let subtitle = "How long broadcasts took to reach how many";
    let coverage = CoverageChart { title, subtitle, broadcasts: &broadcasts };
    write("coverage", coverage.png(), coverage.svg())?;
    // The origins have their own broadcasts at once: that is no delivery over the network.
    let delays: Vec<u64> = metrics.delays().flat_map(|delays| delays.iter().skip(1)).copied().collect();
    let latency = LatencyChart { title, subtitle: "How long deliveries took", delays: &delays };
    write("latency", latency.png(), latency.svg())
}
