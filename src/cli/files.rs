//! What goes into a folder of results.

#[cfg(feature = "draw")]
use crate::draw::{Layout, TopologyPicture};
use crate::graph::Graph;
use crate::report::{Export, Results};
use crate::scenario::Scenario;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufWriter};

/// Any of our values as JSON for people.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("our values have string keys and no failing parts")
}

/// A network at a moment of a run.
pub(super) struct View<'a, C> {
    pub(super) scenario: &'a Scenario<C>,
    pub(super) graph: &'a Graph,
    /// At how many hops the first broadcast reached each node so far.
    pub(super) hops: &'a [Option<u32>],
    /// What stands below the title of its picture.
    pub(super) caption: &'a str,
}

impl<C> View<'_, C> {
    /// Writes it under a name: DOT, GraphML and, with feature `draw`, pictures.
    pub(super) fn write(&self, results: &Results, name: &str) -> io::Result<()> {
        let name_of = |node| self.scenario.name_of(node);
        let export = Export { graph: self.graph, name: &name_of, hops: self.hops };
        let file = |ending| File::create(results.path(&format!("{name}.{ending}"))).map(BufWriter::new);
        export.dot(file("dot")?)?;
        export.graphml(file("graphml")?)?;
        #[cfg(feature = "draw")]
        {
            let layout = self.layout();
            results.write(&format!("{name}.png"), self.png(&layout)?)?;
            results.write(&format!("{name}.svg"), self.svg(&layout)?)?;
        }
        Ok(())
    }
}

#[cfg(feature = "draw")]
impl<C> View<'_, C> {
    /// Where its nodes are drawn. Equal graphs have equal layouts.
    pub(super) fn layout(&self) -> Layout {
        Layout::force_directed(self.graph, self.scenario.file.seed)
    }

    pub(super) fn png(&self, layout: &Layout) -> io::Result<Vec<u8>> {
        self.picture().png(layout).map_err(io::Error::other)
    }

    pub(super) fn svg(&self, layout: &Layout) -> io::Result<String> {
        self.picture().svg(layout).map_err(io::Error::other)
    }

    fn picture(&self) -> TopologyPicture<'_> {
        TopologyPicture {
            title: &self.scenario.file.title,
            subtitle: self.caption,
            graph: self.graph,
            hops: self.hops,
            names: &self.scenario.file.names,
        }
    }
}
