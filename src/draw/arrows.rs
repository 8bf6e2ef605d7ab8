//! Numbered arrows between nodes: who spoke to whom, in order. Each is bent so that those between the same two
//! nodes fan out, and bears its number where that covers nothing.

use super::canvas::Pen;
use super::labels::{Area, Disc};
use super::layout::Point;
use super::palette;
use super::text::{Letters, Weight};
use crate::id::NodeId;
use plotters_backend::DrawingBackend;

/// Something that went from one node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// Where it began.
    pub from: NodeId,
    /// Where it went.
    pub to: NodeId,
    /// What it was; stands in the list beside the picture.
    pub label: String,
}

/// How large the disc behind a number is.
pub(super) const BADGE: f64 = 10.5;
const WIDTH: f64 = 2.0;
const HEAD_LENGTH: f64 = 12.0;
const HEAD_WIDTH: f64 = 10.0;
/// What an arrow keeps from the rim of a node, and a number from everything.
const CLEARANCE: f64 = 4.0;
/// How far apart the middles of arrows between the same two nodes are.
const FAN: f64 = 24.0;
/// So many bends are tried on either side.
const BENDS: u32 = 8;
/// Points of a curve.
const STEPS: u32 = 160;
/// One in so many of them tells well enough where curves cross.
const COARSE: usize = 10;
/// Where on a curve a number may stand, the best place first.
const NUMBER_PLACES: [f64; 9] = [0.5, 0.44, 0.56, 0.38, 0.62, 0.31, 0.69, 0.24, 0.76];

/// An arrow in its place.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// Both ends, the smaller first.
    pair: (usize, usize),
    /// How far its middle is from the straight line, seen from the smaller end to the other.
    bend: f64,
    points: Vec<Point>,
    /// Where its number stands.
    pub(super) number: Option<Point>,
}

/// What arrows and numbers keep clear of.
pub(super) struct Obstacles<'a> {
    pub(super) discs: &'a [Disc],
    pub(super) labels: Vec<Area>,
    /// May be crossed, but better are not.
    pub(super) links: &'a [(Point, Point)],
    pub(super) page: Area,
}

/// Finds a way for every arrow, the first first. `None` for those that lead nowhere, from a node to itself or
/// to one that is not drawn, and for the seventeenth between the same two.
pub(super) fn routes(ends: &[(usize, usize)], obstacles: &Obstacles) -> Vec<Option<Route>> {
    let mut taken: Vec<Route> = Vec::new();
    ends.iter()
        .map(|&(from, to)| {
            let candidates = candidates(from, to, obstacles, &taken);
            let best = candidates.into_iter().min_by(|(a, _), (b, _)| a.total_cmp(b))?.1;
            taken.push(best.clone());
            Some(best)
        })
        .collect()
}

/// Every way of an arrow, with how bad it is.
fn candidates(from: usize, to: usize, obstacles: &Obstacles, taken: &[Route]) -> Vec<(f64, Route)> {
    let drawn = |node: usize| obstacles.discs.get(node).filter(|disc| disc.radius > 0.0);
    let (Some(start), Some(end)) = (drawn(from), drawn(to)) else { return Vec::new() };
    if from == to {
        return Vec::new();
    }
    let bends = (0..BENDS).flat_map(|bend| {
        let bend = FAN * (f64::from(bend) + 0.7);
        [bend, -bend]
    });
    let pair = (from.min(to), from.max(to));
    let is_free = |bend: &f64| !taken.iter().any(|other| other.pair == pair && other.bend == *bend);
    let route = |left: f64| {
        let bend = if from < to { left } else { -left };
        is_free(&bend).then(|| {
            let points = curve(start, end, left);
            let mut route = Route { pair, bend, points, number: None };
            let cost = place_number(&mut route, obstacles, taken)
                + left.abs()
                + discomfort(&route, obstacles, taken);
            (cost, route)
        })
    };
    bends.filter_map(route).collect()
}

/// A curve between the rims of two nodes whose middle is so far to the left of the straight line.
fn curve(start: &Disc, end: &Disc, left: f64) -> Vec<Point> {
    let (a, b) = (start.center, end.center);
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let length = distance(a, b).max(1e-9);
    // The middle of a quadratic Bézier curve is halfway to its control point.
    let control = Point {
        x: (a.x + b.x) / 2.0 + 2.0 * left * dy / length,
        y: (a.y + b.y) / 2.0 - 2.0 * left * dx / length,
    };
    let at = |step: u32| {
        let t = f64::from(step) / f64::from(STEPS);
        let (p, q, r) = ((1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t);
        Point { x: p * a.x + q * control.x + r * b.x, y: p * a.y + q * control.y + r * b.y }
    };
    let is_outside = |point: &Point| {
        distance(*point, a) > start.radius + CLEARANCE && distance(*point, b) > end.radius + CLEARANCE
    };
    (0..=STEPS).map(at).filter(is_outside).collect()
}

/// Gives the route its number if there is room; how bad its place is.
fn place_number(route: &mut Route, obstacles: &Obstacles, taken: &[Route]) -> f64 {
    const NO_NUMBER: f64 = 100_000.0;
    let places = NUMBER_PLACES.iter().filter_map(|share| {
        let last = route.points.len().checked_sub(1)?;
        let place = route.points[(share * last as f64) as usize];
        let hidden = taken.iter().filter(|other| passes(&other.points, place)).count();
        let shift = (share - 0.5) * 60.0;
        has_room(place, obstacles, taken).then_some((60.0 * hidden as f64 + shift.abs(), place))
    });
    let best = places.min_by(|(a, _), (b, _)| a.total_cmp(b));
    route.number = best.map(|(_, place)| place);
    best.map_or(NO_NUMBER, |(cost, _)| cost)
}

/// Whether a number here covers no node, label or number.
fn has_room(place: Point, obstacles: &Obstacles, taken: &[Route]) -> bool {
    let badge = Disc { center: place, radius: BADGE + CLEARANCE };
    let (inner, page) = (BADGE + CLEARANCE, &obstacles.page);
    let nodes = || obstacles.discs.iter().filter(|disc| disc.radius > 0.0);
    nodes().all(|disc| distance(disc.center, place) > disc.radius + inner)
        && !obstacles.labels.iter().any(|label| label.touches(&badge))
        && taken.iter().filter_map(|other| other.number).all(|other| distance(other, place) > BADGE + inner)
        && (page.left + inner..=page.right - inner).contains(&place.x)
        && (page.top + inner..=page.bottom - inner).contains(&place.y)
}

/// What makes a way hard to follow: nodes and numbers that it passes, arrows and links that it crosses.
fn discomfort(route: &Route, obstacles: &Obstacles, taken: &[Route]) -> f64 {
    let nodes = obstacles.discs.iter().enumerate().filter(|(node, disc)| {
        let own = *node == route.pair.0 || *node == route.pair.1;
        let near = |point: &Point| distance(*point, disc.center) < disc.radius + CLEARANCE;
        !own && disc.radius > 0.0 && route.points.iter().any(near)
    });
    let numbers = taken.iter().filter_map(|other| other.number).filter(|&at| passes(&route.points, at));
    let crossed = taken.iter().filter(|other| cross(&route.points, &other.points));
    let links = obstacles.links.iter().filter(|link| cross(&route.points, &[link.0, link.1]));
    let ends = [route.points.first(), route.points.last()];
    // Arrows between the same two nodes part by themselves.
    let others = taken.iter().filter(|other| other.pair != route.pair);
    let shared = others
        .flat_map(|other| [other.points.first(), other.points.last()])
        .flatten()
        .filter(|end| ends.iter().flatten().any(|own| distance(**end, **own) < HEAD_WIDTH + CLEARANCE));
    // So short that its number hides it.
    let least = BADGE + HEAD_LENGTH + CLEARANCE;
    let hidden = route.number.zip(ends[1]).is_some_and(|(number, tip)| distance(number, *tip) < least);
    let page = &obstacles.page;
    let leaves = route.points.iter().any(|point| {
        !(page.left..=page.right).contains(&point.x) || !(page.top..=page.bottom).contains(&point.y)
    });
    500.0 * nodes.count() as f64
        + 200.0 * numbers.count() as f64
        + 40.0 * crossed.count() as f64
        + 30.0 * links.count() as f64
        + 50.0 * shared.count() as f64
        + 150.0 * f64::from(hidden)
        + 1_000.0 * f64::from(leaves)
}

/// Whether a curve runs under a number.
fn passes(points: &[Point], number: Point) -> bool {
    points.iter().any(|point| distance(*point, number) < BADGE + CLEARANCE)
}

fn cross(one: &[Point], other: &[Point]) -> bool {
    let (one, other) = (coarse(one), coarse(other));
    one.windows(2).any(|a| other.windows(2).any(|b| segments_cross((a[0], a[1]), (b[0], b[1]))))
}

fn coarse(points: &[Point]) -> Vec<Point> {
    let step = if points.len() > COARSE { COARSE } else { 1 };
    points.iter().copied().step_by(step).chain(points.last().copied()).collect()
}

fn segments_cross(a: (Point, Point), b: (Point, Point)) -> bool {
    let side = |(from, to): (Point, Point), point: Point| {
        (to.x - from.x) * (point.y - from.y) - (to.y - from.y) * (point.x - from.x) > 0.0
    };
    side(a, b.0) != side(a, b.1) && side(b, a.0) != side(b, a.1)
}

fn distance(a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    (dx * dx + dy * dy).sqrt()
}

/// Draws the arrows without their numbers.
pub(super) fn draw<'a, DB: DrawingBackend>(
    pen: &mut Pen<DB>,
    routes: impl Iterator<Item = &'a Route> + Clone,
) {
    for shaft in routes.clone().map(Route::shaft) {
        // A rim of paper parts it from the links and arrows that it crosses.
        pen.curve(&shaft, WIDTH + 3.0, palette::PAPER);
        pen.curve(&shaft, WIDTH, palette::ARROW);
    }
    for head in routes.filter_map(Route::head) {
        pen.polygon(&head, palette::ARROW);
    }
}

impl Route {
    /// The curve up to within the head.
    fn shaft(&self) -> Vec<Point> {
        let is_before =
            |point: &Point| self.points.last().is_some_and(|tip| distance(*point, *tip) >= 0.7 * HEAD_LENGTH);
        self.points.iter().copied().filter(is_before).collect()
    }

    /// The corners of the head; none of an arrow for which there is no room.
    fn head(&self) -> Option<[Point; 3]> {
        let (tip, neck) = (*self.points.last()?, *self.shaft().last()?);
        let length = distance(neck, tip);
        let (x, y) = ((tip.x - neck.x) / length, (tip.y - neck.y) / length);
        let corner = |side: f64| Point {
            x: tip.x - HEAD_LENGTH * x - side * HEAD_WIDTH / 2.0 * y,
            y: tip.y - HEAD_LENGTH * y + side * HEAD_WIDTH / 2.0 * x,
        };
        Some([tip, corner(1.0), corner(-1.0)])
    }
}

/// A number in its small disc.
pub(super) fn draw_badge<DB: DrawingBackend>(pen: &mut Pen<DB>, center: Point, number: usize) {
    const DIGITS: Letters = Letters { size: 12.5, weight: Weight::Bold, color: palette::PAPER };
    pen.disc(center, BADGE + 1.5, palette::PAPER);
    pen.disc(center, BADGE, palette::ARROW);
    let foot = Point { x: center.x, y: center.y + 0.36 * DIGITS.size };
    pen.text(&number.to_string(), foot, super::canvas::Align::Center, &DIGITS);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAGE: Area = Area { left: 0.0, top: 0.0, right: 600.0, bottom: 450.0 };

    fn disc(x: f64, y: f64) -> Disc {
        Disc { center: Point { x, y }, radius: 24.0 }
    }

    fn routed(discs: &[Disc], ends: &[(usize, usize)]) -> Vec<Option<Route>> {
        routes(ends, &Obstacles { discs, labels: Vec::new(), links: &[], page: PAGE })
    }

    #[test]
    fn arrows_between_two_nodes_fan_out() {
        let found = routed(&[disc(100.0, 200.0), disc(450.0, 220.0)], &[(0, 1), (1, 0), (0, 1), (1, 0)]);
        let routes: Vec<&Route> = found.iter().flatten().collect();
        assert_eq!(routes.len(), 4);
        for (i, route) in routes.iter().enumerate() {
            assert!(route.number.is_some());
            assert!(routes[..i].iter().all(|other| !cross(&route.points, &other.points)));
        }
    }

    #[test]
    fn what_leads_nowhere_is_no_arrow() {
        let gone = Disc { radius: 0.0, ..disc(300.0, 300.0) };
        let found = routed(&[disc(100.0, 200.0), gone], &[(0, 0), (0, 1), (0, 9)]);
        assert!(found.iter().all(Option::is_none));
    }

    #[test]
    fn an_arrow_goes_round_a_node_in_between() {
        let discs = [disc(100.0, 200.0), disc(300.0, 200.0), disc(500.0, 200.0)];
        let route = routed(&discs, &[(0, 2)]).remove(0).unwrap();
        assert!(route.points.iter().all(|point| distance(*point, discs[1].center) > discs[1].radius));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn numbers_cover_no_number_and_no_node(
            nodes in prop::collection::vec((30.0..570.0, 30.0..420.0f64), 1..13),
            ends in prop::collection::vec((0usize..13, 0usize..13), 0..13),
        ) {
            let discs: Vec<Disc> = nodes.iter().map(|&(x, y)| disc(x, y)).collect();
            let found = routed(&discs, &ends);
            let numbers: Vec<Point> = found.iter().flatten().filter_map(|route| route.number).collect();
            for (i, number) in numbers.iter().enumerate() {
                prop_assert!(numbers[..i].iter().all(|other| distance(*number, *other) > 2.0 * BADGE));
                prop_assert!(discs.iter().all(|disc| distance(*number, disc.center) > disc.radius + BADGE));
            }
        }
    }
}
