//! The connected parts side by side on one page: in rows, the large ones first, as lines of text are set.

use super::{Layout, Point};
use crate::id::NodeId;

/// A connected part with positions that begin at (0, 0).
pub(super) struct Block {
    /// Its nodes …
    pub(super) nodes: Vec<NodeId>,
    /// … and where each is.
    pub(super) positions: Vec<Point>,
}

/// The gap between two parts, and between nodes that have no neighbors, in distances of nearest nodes.
const GAP: f64 = 1.6;

/// How much of the page's height one distance between nearest nodes may fill: two nodes need not sit at opposite
/// edges of the page.
const WIDEST_SPACING: f64 = 0.36;

/// Turns positions so that their bounding box is as small as it can be and lies on its longer side, and moves
/// its corner to (0, 0).
pub(super) fn lay_flat(positions: &mut [Point]) {
    // By eye, then to a hair's breadth: two nodes on a line that is not quite level look like a mistake.
    let roughly = best_turn(positions, std::f64::consts::FRAC_PI_4, std::f64::consts::FRAC_PI_4);
    let angle = best_turn(positions, roughly, std::f64::consts::FRAC_PI_4 / 15.0);
    let mut flat = turned(positions, libm::cos(angle), libm::sin(angle));
    if bounding_box(&flat).1.x < bounding_box(&flat).1.y {
        flat = turned(&flat, 0.0, 1.0);
    }
    let (corner, _) = bounding_box(&flat);
    for (point, flat) in positions.iter_mut().zip(flat) {
        *point = Point { x: flat.x - corner.x, y: flat.y - corner.y };
    }
}

/// The angle about as far from `middle` as `reach` at most whose bounding box is smallest.
fn best_turn(positions: &[Point], middle: f64, reach: f64) -> f64 {
    let area = |angle: f64| {
        let (_, size) = bounding_box(&turned(positions, libm::cos(angle), libm::sin(angle)));
        (size.x + GAP) * (size.y + GAP)
    };
    (-15..=15)
        .map(|step| middle + reach * f64::from(step) / 15.0)
        .map(|angle| (area(angle), angle))
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
        .map_or(middle, |(_, angle)| angle)
}

fn turned(positions: &[Point], cos: f64, sin: f64) -> Vec<Point> {
    positions.iter().map(|p| Point { x: cos * p.x - sin * p.y, y: sin * p.x + cos * p.y }).collect()
}

/// The upper left corner, and how far the lower right one is from it.
pub(super) fn bounding_box(positions: &[Point]) -> (Point, Point) {
    let Some(&first) = positions.first() else {
        return (Point { x: 0.0, y: 0.0 }, Point { x: 0.0, y: 0.0 });
    };
    let (low, high) = positions.iter().fold((first, first), |(low, high), p| {
        (Point { x: low.x.min(p.x), y: low.y.min(p.y) }, Point { x: high.x.max(p.x), y: high.y.max(p.y) })
    });
    (low, Point { x: high.x - low.x, y: high.y - low.y })
}

/// Places the blocks in rows, the nodes without neighbors in a grid below, and scales all to the page.
pub(super) fn pack(blocks: Vec<Block>, isolated: Vec<NodeId>, nodes: usize) -> Layout {
    let sizes: Vec<Point> = blocks.iter().map(|block| bounding_box(&block.positions).1).collect();
    let width = best_width(&sizes, isolated.len());
    let (corners, height) = in_rows(&sizes, width);
    let mut positions = vec![Point { x: 0.0, y: 0.0 }; nodes];
    for (block, corner) in blocks.iter().zip(&corners) {
        for (node, at) in block.nodes.iter().zip(&block.positions) {
            positions[node.index()] = Point { x: corner.x + at.x, y: corner.y + at.y };
        }
    }
    let below = if blocks.is_empty() { 0.0 } else { height + GAP };
    let columns = columns(width);
    // A last row that is not full, and fewer nodes than columns, begin at the left like text.
    for (place, node) in isolated.iter().enumerate() {
        let (column, row) = ((place % columns) as f64, (place / columns) as f64);
        positions[node.index()] = Point { x: column * GAP, y: below + row * GAP };
    }
    let spacing = fill_page(&mut positions);
    Layout { positions, spacing }
}

/// How many nodes without neighbors stand in a row.
fn columns(width: f64) -> usize {
    (width / GAP) as usize + 1
}

/// Where blocks of these sizes stand in rows of at most this width, and how high the rows are together.
fn in_rows(sizes: &[Point], width: f64) -> (Vec<Point>, f64) {
    let (mut x, mut top, mut bottom) = (0.0, 0.0, 0.0f64);
    let mut corners = Vec::with_capacity(sizes.len());
    for size in sizes {
        if x > 0.0 && x + size.x > width {
            (x, top) = (0.0, bottom + GAP);
        }
        corners.push(Point { x, y: top });
        x += size.x + GAP;
        bottom = bottom.max(top + size.y);
    }
    (corners, bottom)
}

/// The width of rows with which all appears largest on the page.
fn best_width(sizes: &[Point], isolated: usize) -> f64 {
    let widest = sizes.iter().map(|size| size.x).fold(0.0, f64::max);
    let all: f64 = sizes.iter().map(|size| size.x + GAP).sum();
    let most = all.max(widest).max(isolated as f64 * GAP);
    let magnification = |width: f64| {
        let (_, height) = in_rows(sizes, width);
        let height = height + GAP * isolated.div_ceil(columns(width)) as f64;
        (Layout::WIDTH / (width + GAP)).min(1.0 / (height + GAP))
    };
    const STEPS: u32 = 60;
    // Equal ratios: the right width lies near the small end when there are thousands of parts.
    let low = widest.max(GAP);
    let ratio = libm::pow(most.max(low) / low, 1.0 / f64::from(STEPS));
    let mut width = low;
    let mut best = (magnification(low), low);
    for _ in 0..STEPS {
        width *= ratio;
        let seen = magnification(width);
        if seen > best.0 {
            best = (seen, width);
        }
    }
    best.1
}

/// Scales and centers positions within the page; returns how long a distance of 1 has become.
fn fill_page(positions: &mut [Point]) -> f64 {
    let (corner, size) = bounding_box(positions);
    let fit = (Layout::WIDTH / size.x.max(1e-9)).min(1.0 / size.y.max(1e-9)).min(WIDEST_SPACING);
    let margin = Point { x: (Layout::WIDTH - size.x * fit) / 2.0, y: (1.0 - size.y * fit) / 2.0 };
    for point in positions {
        // Rounding may step over the edge by a last bit.
        point.x = (margin.x + (point.x - corner.x) * fit).clamp(0.0, Layout::WIDTH);
        point.y = (margin.y + (point.y - corner.y) * fit).clamp(0.0, 1.0);
    }
    fit
}
