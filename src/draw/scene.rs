//! A network in points on the page: how large its nodes are, and how strong its links.

use super::labels::{Area, Disc};
use super::layout::{Layout, Point};
use super::visible::Visible;
use crate::id::NodeId;

/// How large the picture of a layout is. It depends on nothing but the layout and the page, so that several
/// pictures of one network show each node at the same place.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    /// Points to a unit of the layout.
    scale: f64,
    /// What nodes at the edge, with their rings, and arrows round them need beyond their centers.
    edge: f64,
    /// The layout's upper left corner and its size.
    corner: Point,
    extent: Point,
}

impl Frame {
    /// The layout as large as it fits, with so much room for arrows `round` it.
    pub(super) fn new(layout: &Layout, room: Point, round: f64) -> Frame {
        let full = (room.x / Layout::WIDTH).min(room.y);
        let edge = largest_radius(layout.spacing() * full, MOST_LARGER) + 4.0 + round;
        let (corner, extent) = layout.bounding_box();
        let fit = |room: f64, extent: f64| (room - 2.0 * edge) / extent.max(1e-9);
        let scale = fit(room.x, Layout::WIDTH).min(fit(room.y, extent.y));
        Frame { scale, edge, corner, extent }
    }

    /// How high it is, nodes included.
    pub(super) fn height(&self) -> f64 {
        self.extent.y * self.scale + 2.0 * self.edge
    }

    /// Where a point of the layout is when the picture begins at the top of `area`, in its middle.
    fn place(&self, at: Point, area: &Area) -> Point {
        Point {
            x: area.center().x + (at.x - self.corner.x - self.extent.x / 2.0) * self.scale,
            y: area.top + self.edge + (at.y - self.corner.y) * self.scale,
        }
    }
}

/// What is drawn, before it is drawn.
pub(super) struct Scene {
    /// Every node; those that are absent with radius 0.
    pub(super) discs: Vec<Disc>,
    /// Every link.
    pub(super) links: Vec<(Point, Point)>,
    /// Those links that are new.
    pub(super) new_links: Vec<(Point, Point)>,
    /// How large a node is by its degree.
    pub(super) sizes: Sizes,
    /// The area of the part of the page where all this lies.
    page: f64,
}

impl Scene {
    /// What is `visible` of a network, in its place.
    pub(super) fn new(visible: &Visible, layout: &Layout, frame: &Frame, area: &Area) -> Scene {
        let sizes = Sizes::new(&visible.degrees(), layout.spacing() * frame.scale);
        let mut discs: Vec<Disc> = layout
            .positions()
            .iter()
            .map(|&at| Disc { center: frame.place(at, area), radius: 0.0 })
            .collect();
        for &node in &visible.nodes {
            discs[node.index()].radius = sizes.radius(visible.degree(node));
        }
        let ends = |&(a, b): &(NodeId, NodeId)| (discs[a.index()].center, discs[b.index()].center);
        let links = visible.links.iter().map(ends).collect();
        let new_links = visible.new_links.iter().map(ends).collect();
        let page = (area.right - area.left) * (area.bottom - area.top);
        Scene { discs, links, new_links, sizes, page }
    }

    /// Gives every node the same size: where numbers of links are not what the picture is about.
    pub(super) fn level(&mut self) {
        self.sizes.smallest = self.sizes.smallest.max(LEVEL_RADIUS).min(self.sizes.largest);
        for disc in self.discs.iter_mut().filter(|disc| disc.radius > 0.0) {
            disc.radius = self.sizes.smallest;
        }
    }

    /// How wide a link is drawn, and how opaque: the more links share the page, the fainter.
    pub(super) fn link_style(&self) -> (f64, f64) {
        let width = self.link_width();
        (width, (0.055 / self.link_coverage()).clamp(0.07, 0.5))
    }

    fn link_width(&self) -> f64 {
        (0.065 * self.sizes.smallest).clamp(0.5, 1.5)
    }

    /// How many times over all links would cover the area.
    pub(super) fn link_coverage(&self) -> f64 {
        self.coverage(&self.links)
    }

    /// How many times over these links would cover the area.
    pub(super) fn coverage(&self, links: &[(Point, Point)]) -> f64 {
        let length: f64 = links.iter().map(|(from, to)| distance(*from, *to)).sum();
        (self.link_width() * length / self.page).max(1e-9)
    }
}

fn distance(a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    (dx * dx + dy * dy).sqrt()
}

/// How many times as large as others hubs may be: even two of the largest do not touch.
const MOST_LARGER: f64 = 1.55;
/// How large nodes of equal size are at least, where there is room.
const LEVEL_RADIUS: f64 = 22.0;

/// How large the largest node is when the nearest are `spacing` apart, and degrees ask for a `ratio` of sizes.
fn largest_radius(spacing: f64, ratio: f64) -> f64 {
    (0.3 * spacing * ratio.min(MOST_LARGER)).clamp(1.4, 34.0)
}

/// How large a node is by its degree: its area grows evenly from the smallest degree to the largest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) degrees: (usize, usize),
    pub(super) smallest: f64,
    pub(super) largest: f64,
}

impl Sizes {
    /// Sizes for nodes of these degrees, whose nearest ones are `spacing` apart.
    fn new(degrees: &[usize], spacing: f64) -> Sizes {
        let least = degrees.iter().min().copied().unwrap_or(0);
        let most = degrees.iter().max().copied().unwrap_or(0);
        let ratio = (most.max(1) as f64 / least.max(1) as f64).sqrt();
        let largest = largest_radius(spacing, ratio);
        let smallest = (largest / ratio.min(2.3)).clamp(1.4, 24.0);
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
