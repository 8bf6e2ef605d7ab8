//! What runs leave behind: the summary of one or of many, and the network in formats of others.

mod export;
mod fidelity;
mod predict;
mod results;
mod score;
mod summary;
mod sweep;

pub use export::Export;
pub use fidelity::Fidelity;
pub use predict::{Prediction, memory_to_draw};
pub use results::Results;
pub use score::{Score, WeakRun};
pub use summary::{BroadcastSummary, MeanAndMost, Summary, TimeTo};
pub use sweep::{
    Ending, FailureProbability, METRICS, Measured, Metric, MetricSummary, NotPassed, Setting, SettingSummary,
    Sweep, SweepRun, SweepSummary, Verdicts,
};
