//! Pictures of networks, as PNG and as SVG.
//!
//! How a picture comes about: [`Layout::force_directed`] decides where every node of a graph is. A
//! [`TopologyPicture`] says what to show of the graph. Its nodes, links and labels become a scene in points
//! (`scene`, `labels`), which is drawn, together with what explains it (`legend`, `rows`), by a pen. The pen's
//! strokes go through plotters to one of two backends (`canvas`): pixels, by tiny-skia (`encode`), or an SVG document. The
//! letters (`text`) are DejaVu's, which is part of the program: a picture needs nothing of the system.
//!
//! The same input gives the same layout on every machine.

mod canvas;
mod encode;
mod labels;
mod layout;
mod legend;
mod palette;
mod rows;
mod scene;
mod text;
mod topology;

pub use layout::{Layout, Point};
pub use topology::TopologyPicture;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// The layout is of another graph.
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
