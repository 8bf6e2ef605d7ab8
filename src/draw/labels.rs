//! Where labels go: inside the node where they fit, else beside it, never upon another node or label.

use super::layout::Point;

/// A rectangle in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    fn around(center: Point, width: f64, height: f64) -> Area {
        let (x, y) = (width / 2.0, height / 2.0);
        Area { left: center.x - x, top: center.y - y, right: center.x + x, bottom: center.y + y }
    }

    /// The point in the middle.
    pub(super) fn center(&self) -> Point {
        Point { x: (self.left + self.right) / 2.0, y: (self.top + self.bottom) / 2.0 }
    }

    fn contains(&self, other: &Area) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && other.right <= self.right
            && other.bottom <= self.bottom
    }

    fn overlaps(&self, other: &Area) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    /// Whether any of the disc is within.
    pub(super) fn touches(&self, disc: &Disc) -> bool {
        let dx = disc.center.x - disc.center.x.clamp(self.left, self.right);
        let dy = disc.center.y - disc.center.y.clamp(self.top, self.bottom);
        dx * dx + dy * dy < disc.radius * disc.radius
    }

    /// Whether a straight line runs through it (Liang and Barsky 1984: clip by one side after the other).
    fn is_crossed_by(&self, (from, to): &(Point, Point)) -> bool {
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let (mut enter, mut leave) = (0.0f64, 1.0f64);
        let sides = [
            (-dx, from.x - self.left),
            (dx, self.right - from.x),
            (-dy, from.y - self.top),
            (dy, self.bottom - from.y),
        ];
        for (speed, room) in sides {
            if speed == 0.0 && room < 0.0 {
                return false;
            }
            if speed < 0.0 {
                enter = enter.max(room / speed);
            } else if speed > 0.0 {
                leave = leave.min(room / speed);
            }
        }
        enter < leave
    }
}

/// A node as drawn. One that is not drawn has radius 0, and is in nobody's way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disc {
    pub(super) center: Point,
    pub(super) radius: f64,
}

/// A label that is wanted at a node, with the size of its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) node: usize,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A label's place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    /// Which wish this fulfils.
    pub(super) wish: usize,
    pub(super) area: Area,
    /// Whether it stands upon its own node.
    pub(super) inside: bool,
}

/// How far a label keeps from its node, so that it is clear of the ring round an origin.
const GAP: f64 = 5.0;

/// Directions from a node to its label, the most readable first.
const SIDES: [(f64, f64); 8] = [
    (1.0, 0.0),
    (-1.0, 0.0),
    (0.0, -1.0),
    (0.0, 1.0),
    (0.75, -0.75),
    (0.75, 0.75),
    (-0.75, -0.75),
    (-0.75, 0.75),
];

/// Places as many labels as fit, the first wishes first. Beside a node, the side with the fewest links is taken.
pub(super) fn place(wishes: &[Wish], discs: &[Disc], links: &[(Point, Point)], page: &Area) -> Vec<Placed> {
    let mut placed: Vec<Placed> = Vec::new();
    for (number, wish) in wishes.iter().enumerate() {
        let Some(disc) = discs.get(wish.node) else { continue };
        let upon = Area::around(disc.center, wish.width, wish.height);
        let inside = fits_inside(wish, disc) && is_free(&upon, wish.node, discs, &placed, page);
        let place = if inside { Some(upon) } else { beside(wish, discs, links, &placed, page) };
        placed.extend(place.map(|area| Placed { wish: number, area, inside }));
    }
    placed
}

fn fits_inside(wish: &Wish, disc: &Disc) -> bool {
    let diameter = 2.0 * 0.92 * disc.radius;
    wish.width * wish.width + wish.height * wish.height <= diameter * diameter
}

fn beside(
    wish: &Wish,
    discs: &[Disc],
    links: &[(Point, Point)],
    placed: &[Placed],
    page: &Area,
) -> Option<Area> {
    let disc = discs[wish.node];
    SIDES
        .iter()
        .map(|(x, y)| {
            let reach = disc.radius + GAP;
            let center = Point {
                x: disc.center.x + x * reach + x.signum() * f64::from(*x != 0.0) * wish.width / 2.0,
                y: disc.center.y + y * reach + y.signum() * f64::from(*y != 0.0) * wish.height / 2.0,
            };
            Area::around(center, wish.width, wish.height)
        })
        // No node is left out: also its own must stay visible.
        .filter(|area| is_free(area, usize::MAX, discs, placed, page))
        .min_by_key(|area| links.iter().filter(|link| area.is_crossed_by(link)).count())
}

fn is_free(area: &Area, except: usize, discs: &[Disc], placed: &[Placed], page: &Area) -> bool {
    page.contains(area)
        && !placed.iter().any(|other| other.area.overlaps(area))
        && !discs.iter().enumerate().any(|(node, disc)| node != except && area.touches(disc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAGE: Area = Area { left: 0.0, top: 0.0, right: 300.0, bottom: 200.0 };

    proptest! {
        #[test]
        fn labels_keep_clear_of_each_other_and_of_nodes(
            nodes in prop::collection::vec((0.0..300.0, 0.0..200.0, 1.0..25.0, 5.0..90.0f64), 0..40)
        ) {
            let discs: Vec<Disc> = nodes
                .iter()
                .map(|&(x, y, radius, _)| Disc { center: Point { x, y }, radius })
                .collect();
            let wishes: Vec<Wish> = nodes
                .iter()
                .enumerate()
                .map(|(node, &(.., width))| Wish { node, width, height: 10.0 })
                .collect();
            let placed = place(&wishes, &discs, &[], &PAGE);
            for (i, label) in placed.iter().enumerate() {
                prop_assert!(PAGE.contains(&label.area));
                prop_assert!(placed[..i].iter().all(|other| !other.area.overlaps(&label.area)));
                let own = if label.inside { wishes[label.wish].node } else { usize::MAX };
                prop_assert!(discs.iter().enumerate().all(|(n, disc)| n == own || !label.area.touches(disc)));
            }
        }
    }

    #[test]
    fn a_label_stands_inside_a_large_node_and_beside_a_small_one() {
        let disc = |radius| Disc { center: Point { x: 100.0, y: 100.0 }, radius };
        let wish = Wish { node: 0, width: 20.0, height: 10.0 };
        assert!(place(&[wish], &[disc(20.0)], &[], &PAGE)[0].inside);
        let beside = place(&[wish], &[disc(5.0)], &[], &PAGE)[0];
        assert!(!beside.inside && beside.area.left > 105.0);
    }

    #[test]
    fn a_label_avoids_the_links() {
        let node = Point { x: 100.0, y: 100.0 };
        let links = [(node, Point { x: 200.0, y: 100.0 })];
        let wish = Wish { node: 0, width: 20.0, height: 10.0 };
        let label = place(&[wish], &[Disc { center: node, radius: 5.0 }], &links, &PAGE)[0];
        assert!(label.area.right < 95.0);
    }
}
