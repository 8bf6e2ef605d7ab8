//! rumormill: a laboratory for peer-to-peer networks.

pub mod graph;
pub mod id;
pub mod rng;
pub mod time;
