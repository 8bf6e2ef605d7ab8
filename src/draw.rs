//! Pictures of networks and charts of runs, as PNG and as SVG.
//!
//! How a picture comes about: [`Layout::force_directed`] decides where every node of a graph is. A
//! [`TopologyPicture`] says what to show of the graph: its part that is there at a moment (`visible`) becomes a scene
//! in points (`scene`, `labels`, `arrows`), which is drawn, together with what explains it (`header`, `legend`,
//! `rows`), by a pen. The [charts](CoverageChart) know only numbers (`charts`). The pen's strokes go through plotters
//! to one of two backends (`canvas`): pixels, by tiny-skia (`encode`), or an SVG document. The letters (`text`) are
//! DejaVu's, which is part of the program: a picture needs nothing of the system.
//!
//! The same input gives the same layout on every machine.

mod arrows;
mod canvas;
mod charts;
mod encode;
mod header;
mod labels;
mod layout;
mod legend;
mod palette;
mod rows;
mod scene;
mod text;
mod topology;
mod visible;

pub use arrows::Arrow;
pub use charts::{Arrivals, CoverageChart, DegreeChart, LatencyChart};
pub use layout::{Layout, Point};
pub use topology::TopologyPicture;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// The layout is of another graph: it does not place every node.
    #[error("the layout places {placed} nodes, but the network has {nodes}")]
    Layout {
        /// How many nodes the layout places.
        placed: usize,
        /// How many the network has.
        nodes: usize,
    },
    /// Nothing could be drawn.
    #[error("cannot draw: {0}")]
    Backend(String),
    /// The pixels could not be encoded.
    #[error("cannot encode the picture: {0}")]
    Png(#[from] png::EncodingError),
}
