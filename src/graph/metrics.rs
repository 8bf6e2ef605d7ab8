//! Components, distances and the diameter of a graph.
/// x
pub struct Components;
/// x
pub struct Diameter;
