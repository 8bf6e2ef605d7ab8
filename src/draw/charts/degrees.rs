//! How many nodes have how many links.

use super::super::canvas::{Align, Pen};
use super::super::header::Header;
use super::super::labels::Area;
use super::super::layout::Point;
use super::super::legend::doubling_ranges;
use super::super::palette;
use super::super::rows::{range_name, round_step};
use super::super::text::thousands;
use super::axes::{Scale, draw_base, draw_heights};
use super::{SMALL, begin, draw_nothing};
use plotters_backend::DrawingBackend;
use std::ops::RangeInclusive;

/// How many nodes have how many links: a bar for each number of links or, where hubs have many times more than
/// most, for 1, 2, 3–4, 5–8 and so on.
#[derive(Clone, Copy, Debug)]
pub struct DegreeChart<'a> {
    /// In bold at the top. What does not fit into two lines is cut off.
    pub title: &'a str,
    /// Below the title; cut off likewise.
    pub subtitle: &'a str,
    /// Numbers of links, and how many nodes have so many. In any order.
    pub table: &'a [(usize, usize)],
}

/// So many bars of one number each fit beside each other.
const MOST_BARS: u32 = 60;
/// A bar with its gap is at most so wide.
const WIDEST: f64 = 90.0;

/// How many nodes have a number of links in this range.
struct Bar {
    range: RangeInclusive<u32>,
    nodes: usize,
}

impl DegreeChart<'_> {
    pub(super) fn draw<DB: DrawingBackend>(&self, pen: &mut Pen<DB>) {
        let header = Header { title: self.title, subtitle: self.subtitle };
        let bars = bars(self.table);
        if bars.is_empty() {
            draw_nothing(pen, header, "There are no nodes.");
            return;
        }
        let area = begin(pen, header, 30.0);
        let most = bars.iter().map(|bar| bar.nodes).max().unwrap_or(0);
        let heights = Scale::new(most as u64, 5).rounded();
        draw_heights(pen, heights, "", "nodes", &area);
        draw_bars(pen, &bars, heights, &area);
        draw_base(pen, "links of a node", &area);
    }
}

fn bars(table: &[(usize, usize)]) -> Vec<Bar> {
    let degree = |links: usize| u32::try_from(links).unwrap_or(u32::MAX);
    let some = || table.iter().filter(|(_, nodes)| *nodes > 0).map(|(links, _)| degree(*links));
    let (Some(least), Some(most)) = (some().min(), some().max()) else { return Vec::new() };
    let ranges: Vec<RangeInclusive<u32>> = if most - least < MOST_BARS {
        (least..=most).map(|links| links..=links).collect()
    } else {
        doubling_ranges(most).into_iter().filter(|range| *range.end() >= least).collect()
    };
    let mut bars: Vec<Bar> = ranges.into_iter().map(|range| Bar { range, nodes: 0 }).collect();
    for &(links, nodes) in table {
        let place = bars.partition_point(|bar| *bar.range.end() < degree(links));
        if let Some(bar) = bars.get_mut(place).filter(|_| nodes > 0) {
            bar.nodes = bar.nodes.saturating_add(nodes);
        }
    }
    bars
}

fn draw_bars<DB: DrawingBackend>(pen: &mut Pen<DB>, bars: &[Bar], heights: Scale, area: &Area) {
    let slot = ((area.right - area.left) / bars.len() as f64).min(WIDEST);
    let widest = |names: &dyn Fn(&Bar) -> String| {
        bars.iter().map(|bar| SMALL.width(&names(bar))).fold(0.0, f64::max) + 2.0
    };
    let counts_fit = widest(&|bar| thousands(bar.nodes)) <= slot;
    // Where not every bar has room for its name, round numbers have; ranges stand in two lines.
    let named = |bar: &Bar| names(bar, slot).concat();
    let are_single = bars.iter().all(|bar| bar.range.start() == bar.range.end());
    let apart = if are_single { round_step((widest(&named) / slot).ceil() as u64, 1) as u32 } else { 1 };
    let start = area.center().x - slot * bars.len() as f64 / 2.0;
    for (place, bar) in bars.iter().enumerate() {
        let middle = start + (place as f64 + 0.5) * slot;
        let top = draw_bar(pen, bar.nodes, heights, (middle, 0.41 * slot), area);
        if counts_fit && bar.nodes > 0 {
            let foot = Point { x: middle, y: top - 5.0 };
            pen.text(&thousands(bar.nodes), foot, Align::Center, &SMALL);
        }
        if bar.range.start().is_multiple_of(apart) {
            for (line, name) in (1..).zip(names(bar, slot)) {
                let foot = Point { x: middle, y: area.bottom + 6.0 + 1.15 * SMALL.size * f64::from(line) };
                pen.text(&name, foot, Align::Center, &SMALL);
            }
        }
    }
}

/// What stands below a bar: "5–8", in two lines if one is too wide.
fn names(bar: &Bar, slot: f64) -> Vec<String> {
    let name = range_name(&bar.range);
    match name.split_once('–') {
        Some((first, last)) if SMALL.width(&name) + 8.0 > slot => vec![first.to_string(), format!("–{last}")],
        _ => vec![name],
    }
}

/// Returns where it ends.
fn draw_bar<DB: DrawingBackend>(
    pen: &mut Pen<DB>,
    nodes: usize,
    heights: Scale,
    (middle, half): (f64, f64),
    area: &Area,
) -> f64 {
    if nodes == 0 {
        return area.bottom;
    }
    // Even the smallest count shows.
    let top = area.bottom - (heights.share(nodes as u64) * (area.bottom - area.top)).max(1.5);
    let opposite = Point { x: middle + half, y: area.bottom };
    pen.rectangle(Point { x: middle - half, y: top }, opposite, palette::PLAIN);
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_degrees_have_a_bar_each_and_hubs_share() {
        let near = bars(&[(5, 2), (3, 1), (5, 1)]);
        assert_eq!(near.iter().map(|bar| bar.nodes).collect::<Vec<_>>(), [1, 0, 3]);
        let hubs = bars(&[(1, 100), (2, 50), (3, 20), (4, 7), (900, 1)]);
        assert_eq!(hubs[2].range, 3..=4);
        assert_eq!(hubs.iter().map(|bar| bar.nodes).sum::<usize>(), 178);
        assert_eq!(hubs[2].nodes, 27);
    }
}
