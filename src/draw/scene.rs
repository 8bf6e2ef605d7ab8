//! A network in points on the page: how large its nodes are, and how strong its links.

use super::labels::{Area, Disc};
use super::layout::{Layout, Point};
use crate::graph::Graph;
use crate::id::NodeId;

/// What is drawn, before it is drawn.
pub(super) struct Scene {
    /// Every node.
    pub(super) discs: Vec<Disc>,
    /// Every link.
    pub(super) links: Vec<(Point, Point)>,
    /// How large a node is by its degree.
    pub(super) sizes: Sizes,
    /// The area of the part of the page where all this lies.
    page: f64,
}

impl Scene {
    /// The graph as large as it fits into the area.
    pub(super) fn new(graph: &Graph, layout: &Layout, area: &Area) -> Scene {
        let (width, height) = (area.right - area.left, area.bottom - area.top);
        let full = (width / Layout::WIDTH).min(height);
        // Nodes at the edge stay within the area, with their rings: that leaves less for the distances.
        let scale = full - 2.0 * (Sizes::new(graph, layout.spacing() * full).largest + 4.0);
        let sizes = Sizes::new(graph, layout.spacing() * scale);
        let middle = area.center();
        let discs: Vec<Disc> = graph
            .node_ids()
            .zip(layout.positions())
            .map(|(node, at)| Disc {
                center: Point {
                    x: middle.x + (at.x - Layout::WIDTH / 2.0) * scale,
                    y: middle.y + (at.y - 0.5) * scale,
                },
                radius: sizes.radius(graph.degree(node)),
            })
            .collect();
        let center = |node: NodeId| discs[node.index()].center;
        let links = graph.edges().map(|(a, b)| (center(a), center(b))).collect();
        Scene { discs, links, sizes, page: width * height }
    }

    /// How wide a link is drawn, and how opaque: the more links share the page, the fainter.
    pub(super) fn link_style(&self) -> (f64, f64) {
        let width = self.link_width();
        (width, (0.055 / self.link_coverage()).clamp(0.07, 0.5))
    }

    fn link_width(&self) -> f64 {
        (0.065 * self.sizes.smallest).clamp(0.5, 1.5)
    }

    /// How many times over the links would cover the area.
    pub(super) fn link_coverage(&self) -> f64 {
        let length: f64 = self.links.iter().map(|(from, to)| distance(*from, *to)).sum();
        (self.link_width() * length / self.page).max(1e-9)
    }
}

fn distance(a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    (dx * dx + dy * dy).sqrt()
}

/// How large a node is by its degree: its area grows evenly from the smallest degree to the largest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) degrees: (usize, usize),
    pub(super) smallest: f64,
    pub(super) largest: f64,
}

impl Sizes {
    /// Sizes for a graph whose nearest nodes are `spacing` apart.
    fn new(graph: &Graph, spacing: f64) -> Sizes {
        let degrees = || graph.node_ids().map(|node| graph.degree(node));
        let (least, most) = (degrees().min().unwrap_or(0), degrees().max().unwrap_or(0));
        let ratio = most.max(1) as f64 / least.max(1) as f64;
        // Even two of the largest do not touch.
        let largest = (0.3 * spacing * ratio.sqrt().min(1.55)).clamp(1.4, 34.0);
        let smallest = (largest / ratio.sqrt().min(2.3)).clamp(1.4, 24.0);
        Sizes { degrees: (least, most), smallest, largest: largest.max(smallest) }
    }

    /// The radius of a node with so many links.
    pub(super) fn radius(&self, degree: usize) -> f64 {
        let (least, most) = self.degrees;
        if least == most {
            return self.smallest;
        }
        let share = (degree - least) as f64 / (most - least) as f64;
        let (small, large) = (self.smallest * self.smallest, self.largest * self.largest);
        (small + share * (large - small)).sqrt()
    }

    /// Degrees that a legend shows: the ends, and between them one of half the largest area.
    pub(super) fn examples(&self) -> Vec<usize> {
        let (least, most) = self.degrees;
        let mut examples = vec![least, least.midpoint(most), most];
        examples.dedup();
        examples
    }
}
