//! What a run leaves behind: the summary, and the network in formats of others.

mod export;
mod predict;
mod results;
mod summary;

pub use export::Export;
pub use predict::{Prediction, memory_to_draw};
pub use results::Results;
pub use summary::{BroadcastSummary, MeanAndMost, Summary, TimeTo};
