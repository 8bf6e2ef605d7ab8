//! Room for every node: pairs that are much closer than others are pushed apart. What looks alike to the springs,
//! say all leaves of one hub, would else be drawn at one place.

use super::Point;
use super::packing::bounding_box;
use crate::graph::Graph;
use rand::{Rng, RngExt};

/// How often all pairs are looked at, at most.
const ROUNDS: usize = 200;

/// How many nodes to the right are looked at for each. It bounds the time when thousands stand in one column.
const REACH: usize = 300;

/// Scales the positions so that 1 is the least distance that every pair can have, and pushes closer ones apart.
pub(super) fn make(graph: &Graph, positions: &mut [Point], rng: &mut impl Rng) {
    let unit = least_distance(graph, positions);
    for point in positions.iter_mut() {
        // The jitter parts nodes at the very same place, which have no direction to be pushed in.
        point.x = point.x / unit + 1e-4 * rng.random::<f64>();
        point.y = point.y / unit + 1e-4 * rng.random::<f64>();
    }
    for _ in 0..ROUNDS {
        if !push_apart(positions) {
            break;
        }
    }
}

/// How far apart nodes should be at least: as far as nearest ones are on the whole, or, where they heap up, as far
/// as an even spread over the same area allows, but no further than linked nodes are. So a ring stays a ring.
fn least_distance(graph: &Graph, positions: &[Point]) -> f64 {
    let (_, size) = bounding_box(positions);
    let even = 0.7 * (size.x * size.y / positions.len() as f64).sqrt();
    let nearest = 0.85 * mean(nearest_distances(positions));
    nearest.max(even.min(0.85 * median_link(graph, positions))).max(1e-9)
}

fn median_link(graph: &Graph, positions: &[Point]) -> f64 {
    let mut lengths: Vec<f64> =
        graph.edges().map(|(a, b)| square(positions[a.index()], positions[b.index()]).sqrt()).collect();
    lengths.sort_by(f64::total_cmp);
    lengths.get(lengths.len() / 2).copied().unwrap_or(0.0)
}

fn mean(values: Vec<f64>) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn nearest_distances(positions: &[Point]) -> Vec<f64> {
    let order = from_left_to_right(positions);
    let mut nearest = vec![f64::MAX; positions.len()];
    for (place, &a) in order.iter().enumerate() {
        for &b in order[place + 1..].iter().take(REACH) {
            let square = square(positions[a], positions[b]);
            nearest[a] = nearest[a].min(square);
            nearest[b] = nearest[b].min(square);
        }
    }
    nearest.iter().map(|square| square.sqrt()).collect()
}

fn square(a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    dx * dx + dy * dy
}

/// One round; whether any pair was too close.
fn push_apart(positions: &mut [Point]) -> bool {
    let order = from_left_to_right(positions);
    let mut pushed = false;
    for (place, &a) in order.iter().enumerate() {
        for &b in order[place + 1..].iter().take(REACH) {
            // The order is that before this round, whose pushes have moved nodes a little: look further than 1.
            if positions[b].x - positions[a].x > 1.5 {
                break;
            }
            let square = square(positions[a], positions[b]);
            if square < 0.97 {
                let distance = square.sqrt().max(1e-6);
                let share = 0.5 * (1.0 - distance) / distance;
                let (dx, dy) = (positions[b].x - positions[a].x, positions[b].y - positions[a].y);
                positions[a].x -= share * dx;
                positions[a].y -= share * dy;
                positions[b].x += share * dx;
                positions[b].y += share * dy;
                pushed = true;
            }
        }
    }
    pushed
}

fn from_left_to_right(positions: &[Point]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|&a, &b| positions[a].x.total_cmp(&positions[b].x));
    order
}
