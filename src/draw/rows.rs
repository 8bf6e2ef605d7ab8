//! Counted kinds as rows: a mark, a name, a bar, a number. Legend and bar chart in one.

use super::canvas::{Align, Pen};
use super::layout::Point;
use super::palette;
use super::text::{Letters, Weight, cut, thousands};
use plotters_backend::{BackendColor, DrawingBackend};
use std::ops::RangeInclusive;

/// One kind of node, and how many of them there are.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) count: usize,
    pub(super) mark: Mark,
}

/// How a kind of node is drawn.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// A disc.
    Full(BackendColor),
    /// A disc within a ring: where a broadcast began.
    Target(BackendColor),
    /// A ring: not reached.
    Hollow(BackendColor),
}

impl Mark {
    pub(super) fn color(self) -> BackendColor {
        let (Mark::Full(color) | Mark::Target(color) | Mark::Hollow(color)) = self;
        color
    }

    /// The color of a text upon it.
    pub(super) fn text_color(self) -> BackendColor {
        match self {
            Mark::Full(color) | Mark::Target(color) => palette::text_upon(color),
            Mark::Hollow(_) => palette::INK,
        }
    }

    /// The node itself, with a rim of paper that parts it from links and other nodes.
    pub(super) fn draw<DB: DrawingBackend>(self, pen: &mut Pen<DB>, center: Point, radius: f64) {
        // Nodes as small as dots stand so close that rims would eat them up.
        if radius > 2.0 {
            pen.disc(center, radius + (0.12 * radius).clamp(0.4, 1.6), palette::PAPER);
        }
        pen.disc(center, radius, self.color());
        match self {
            Mark::Full(_) => {}
            Mark::Target(color) => {
                let ring = (0.16 * radius).clamp(0.8, 2.2);
                pen.disc(center, radius + 2.2 * ring, color);
                pen.disc(center, radius + 1.1 * ring, palette::PAPER);
                pen.disc(center, radius, color);
            }
            Mark::Hollow(_) => pen.disc(center, radius - (0.22 * radius).clamp(0.5, 2.0), palette::PAPER),
        }
    }
}

/// The type of headings.
pub(super) const HEADING: Letters = Letters { size: 13.5, weight: Weight::Bold, color: palette::INK };

/// Where rows stand, and how large they are.
pub(super) struct Table {
    pub(super) corner: Point,
    pub(super) width: f64,
    /// How high letters are; all else follows.
    pub(super) size: f64,
}

impl Table {
    /// How high so many rows with their heading are.
    pub(super) fn height(&self, rows: usize) -> f64 {
        (1.04 + 1.7 * rows as f64) * self.size
    }

    /// Draws the rows below a heading; returns where they end.
    pub(super) fn draw<DB: DrawingBackend>(&self, pen: &mut Pen<DB>, heading: &str, rows: &[Row]) -> f64 {
        let size = self.size;
        let head = Letters { size: 1.04 * size, ..HEADING };
        let name = Letters { weight: Weight::Regular, size, ..HEADING };
        let count = Letters { color: palette::PENCIL, ..name };
        let x = self.corner.x;
        let mut y = self.corner.y + head.size;
        pen.text(&cut(heading, &head, self.width), Point { x, y }, Align::Left, &head);
        let names = x + 1.55 * size;
        let bars = names + widest(rows.iter().map(|row| name.width(&row.name))) + 0.9 * size;
        let counts = widest(rows.iter().map(|row| count.width(&thousands(row.count))));
        let room = (x + self.width - counts - 0.6 * size - bars).max(0.0);
        let most = rows.iter().map(|row| row.count).max().unwrap_or(0).max(1);
        for row in rows {
            y += 1.7 * size;
            let middle = y - 0.36 * size;
            row.mark.draw(pen, Point { x: x + 0.55 * size, y: middle }, 0.42 * size);
            pen.text(&row.name, Point { x: names, y }, Align::Left, &name);
            // Even the smallest count shows.
            let end = bars + (room * row.count as f64 / most as f64).max(1.5);
            let (top, bottom) = (middle - 0.38 * size, middle + 0.38 * size);
            if row.count > 0 {
                pen.rectangle(Point { x: bars, y: top }, Point { x: end, y: bottom }, row.mark.color());
            }
            let after = Point { x: end + 0.5 * size, y };
            pen.text(&thousands(row.count), after, Align::Left, &count);
        }
        y
    }
}

fn widest(widths: impl Iterator<Item = f64>) -> f64 {
    widths.fold(0.0, f64::max)
}

/// The smallest of 1, 2, 5, 10, 20, 50 and so on of which at most `most` cover all up to `last`.
pub(super) fn round_step(last: u64, most: u64) -> u64 {
    let mut round = (0..19).flat_map(|power| [1, 2, 5].map(|digit| digit * 10u64.pow(power)));
    round.find(|step| last.div_ceil(*step) <= most).unwrap_or(10u64.pow(19))
}

/// The numbers from 1 to `last` in at most `most` ranges of equal, round length.
pub(super) fn ranges(last: u32, most: u32) -> Vec<RangeInclusive<u32>> {
    let length = round_step(u64::from(last), u64::from(most));
    (0..u64::from(last).div_ceil(length))
        .map(|range| (range * length + 1) as u32..=((range + 1) * length).min(u64::from(last)) as u32)
        .collect()
}

/// "7", or "5–8".
pub(super) fn range_name(range: &RangeInclusive<u32>) -> String {
    let (first, last) = (thousands(*range.start() as usize), thousands(*range.end() as usize));
    if first == last { first } else { format!("{first}–{last}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_round_and_few() {
        assert_eq!(ranges(3, 12), [1..=1, 2..=2, 3..=3]);
        assert_eq!(ranges(23, 12).last(), Some(&(23..=23)));
        assert_eq!(ranges(300, 12)[0], 1..=50);
        assert_eq!(ranges(0, 12), []);
        for last in [1, 12, 13, 9_999, u32::MAX] {
            let ranges = ranges(last, 12);
            assert!(ranges.len() <= 12 && *ranges[ranges.len() - 1].end() == last);
        }
    }
}
