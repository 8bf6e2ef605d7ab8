//! How broadcasts spread: the share of nodes that have one over the time since its publication.

use super::super::canvas::{Align, Pen};
use super::super::header::Header;
use super::super::labels::Area;
use super::super::layout::Point;
use super::super::palette;
use super::super::text::thousands;
use super::axes::{Scale, draw_heights, draw_time, shown_until};
use super::{SMALL, STRONG, begin, draw_nothing};
use crate::units::human_duration;
use plotters_backend::{BackendColor, DrawingBackend};
use std::time::Duration;

/// When one broadcast arrived at those that it could reach.
#[derive(Clone, Copy, Debug)]
pub struct Arrivals<'a> {
    /// How long after its publication it was delivered, in nanoseconds, once for each node, in ascending order.
    pub delays: &'a [u64],
    /// How many nodes it could have reached. Its origin counts, if its own delivery is among the delays.
    pub possible: usize,
}

/// What share of the nodes that it can reach has a broadcast over time since its publication. Every broadcast is
/// a faint line, or a hundred of them where there are more; the mean of all is a strong one.
#[derive(Clone, Copy, Debug)]
pub struct CoverageChart<'a> {
    /// In bold at the top. What does not fit into two lines is cut off.
    pub title: &'a str,
    /// Below the title; cut off likewise.
    pub subtitle: &'a str,
    /// Every broadcast. Those that could reach nobody are left out.
    pub broadcasts: &'a [Arrivals<'a>],
}

/// Points of a line.
const COLUMNS: usize = 220;
/// So many lines can be seen through each other.
const MOST_LINES: usize = 100;
/// How wide the mean is drawn.
const BOLD: f64 = 3.2;

impl CoverageChart<'_> {
    pub(super) fn draw<DB: DrawingBackend>(&self, pen: &mut Pen<DB>) {
        let header = Header { title: self.title, subtitle: self.subtitle };
        let broadcasts: Vec<Arrivals> =
            self.broadcasts.iter().copied().filter(|arrivals| arrivals.possible > 0).collect();
        if broadcasts.is_empty() {
            draw_nothing(pen, header, "No broadcast that could have reached anybody.");
            return;
        }
        let area = begin(pen, header, 36.0);
        let last =
            broadcasts.iter().filter_map(|arrivals| arrivals.delays.last()).max().copied().unwrap_or(0);
        // Nearly all of those that are ever reached.
        let most = 0.99 * mean(&broadcasts, last, last.saturating_add(1))[0];
        let time = Scale::new(shown_until(last, time_of(most, &broadcasts, last)), 8);
        draw_heights(pen, Scale { end: 100, step: 25 }, " %", "nodes that have it", &area);
        draw_time(pen, time, &remark(last, time.end), &area);
        let faint = sampled(&broadcasts);
        let alpha = (4.0 / faint.len() as f64).clamp(0.13, 0.5);
        for arrivals in &faint {
            let curve = placed(&shares(arrivals, time.end), &area);
            pen.curve(&curve, 1.2, BackendColor { alpha, ..palette::THREAD });
        }
        let mean = mean(&broadcasts, 0, time.end);
        pen.curve(&placed(&mean, &area), BOLD, palette::PLAIN);
        draw_key(pen, broadcasts.len(), faint.len(), &area);
        for percent in [50, 90, 99] {
            let share = f64::from(percent) / 100.0;
            if mean[COLUMNS] >= share {
                draw_milestone(pen, percent, time_of(share, &broadcasts, time.end), time, &area);
            }
        }
    }
}

/// What is said of arrivals that the chart does not show.
fn remark(last: u64, end: u64) -> String {
    let late =
        || format!("; the last arrival, not shown, after {}", human_duration(Duration::from_nanos(last)));
    if last > end { late() } else { String::new() }
}

/// A hundred at even distances, or all.
fn sampled<'a>(broadcasts: &[Arrivals<'a>]) -> Vec<Arrivals<'a>> {
    let count = broadcasts.len().min(MOST_LINES);
    (0..count).map(|line| broadcasts[line * broadcasts.len() / count]).collect()
}

/// The share at the end of every column: [0] is at time 0.
fn shares(arrivals: &Arrivals, end: u64) -> Vec<f64> {
    let arrived = |until: u64| arrivals.delays.partition_point(|&delay| delay <= until);
    let share = |column: u64| arrived(moment(0, end, column)) as f64 / arrivals.possible as f64;
    (0..=COLUMNS as u64).map(|column| share(column).min(1.0)).collect()
}

/// The end of a column.
fn moment(start: u64, end: u64, column: u64) -> u64 {
    start + (u128::from(end - start) * u128::from(column) / COLUMNS as u128) as u64
}

/// The mean share of all at the end of every column between two times. One pass over the delays in between: there
/// may be millions of broadcasts, or of delays in one.
fn mean(broadcasts: &[Arrivals], start: u64, end: u64) -> Vec<f64> {
    let mut sums = vec![0.0; COLUMNS + 1];
    let columns_per_nano = COLUMNS as f64 / (end - start).max(1) as f64;
    for arrivals in broadcasts {
        let weight = 1.0 / arrivals.possible as f64;
        let delays = &arrivals.delays[..arrivals.delays.len().min(arrivals.possible)];
        let before = delays.partition_point(|&delay| delay <= start);
        let until = delays.partition_point(|&delay| delay <= end);
        sums[0] += weight * before as f64;
        for &delay in &delays[before..until] {
            // It counts from the next column on.
            let column = ((delay - start - 1) as f64 * columns_per_nano) as usize + 1;
            sums[column.min(COLUMNS)] += weight;
        }
    }
    let mut sum = 0.0;
    let grow = |arrived: f64| {
        sum += arrived;
        (sum / broadcasts.len() as f64).min(1.0)
    };
    sums.into_iter().map(grow).collect()
}

/// When the mean reaches a share, or `end`. Every turn tells that as many times as exactly as there are columns.
fn time_of(share: f64, broadcasts: &[Arrivals], end: u64) -> u64 {
    // Many parts of a whole do not add up quite to the whole.
    let share = share - 1e-9;
    let (mut start, mut end) = (0, end);
    while end - start > (COLUMNS as u64).max(end / 1_000) {
        let mean = mean(broadcasts, start, end);
        let column = mean.iter().position(|reached| *reached >= share).unwrap_or(COLUMNS) as u64;
        if column == 0 {
            return start;
        }
        (start, end) = (moment(start, end, column - 1), end.min(moment(start, end, column) + 1));
    }
    end
}

/// A line of shares on the page, without points in the middle of level parts.
fn placed(shares: &[f64], area: &Area) -> Vec<Point> {
    let (width, height) = (area.right - area.left, area.bottom - area.top);
    let bends = |&column: &usize| {
        let level = |other: usize| shares.get(other).is_some_and(|share| *share == shares[column]);
        !(column > 0 && level(column - 1) && level(column + 1))
    };
    let point = |column: usize| Point {
        x: area.left + width * column as f64 / COLUMNS as f64,
        y: area.bottom - height * shares[column],
    };
    (0..shares.len()).filter(bends).map(point).collect()
}

/// Says above the chart what the lines are.
fn draw_key<DB: DrawingBackend>(pen: &mut Pen<DB>, all: usize, faint: usize, area: &Area) {
    const SAMPLE: f64 = 26.0;
    let each = match faint {
        1 => "the broadcast".to_string(),
        _ if faint == all => format!("each of {} broadcasts", thousands(all)),
        _ => format!("{faint} of {} broadcasts", thousands(all)),
    };
    let mut entries = vec![(each, 1.2, BackendColor { alpha: 0.5, ..palette::THREAD })];
    entries.insert(0, ("mean".to_string(), BOLD, palette::PLAIN));
    if all == 1 {
        entries.pop();
        entries[0].0 = "the broadcast".to_string();
    }
    let foot = area.top - 1.1 * SMALL.size;
    let mut x = area.right;
    for (text, width, color) in entries.iter().rev() {
        x -= SMALL.width(text);
        pen.text(text, Point { x, y: foot }, Align::Left, &SMALL);
        x -= SAMPLE + 8.0;
        let y = foot - 0.36 * SMALL.size;
        pen.line(Point { x, y }, Point { x: x + SAMPLE, y }, *width, *color);
        x -= 22.0;
    }
}

/// Marks when the mean reaches a share, and says so below: it only rises.
fn draw_milestone<DB: DrawingBackend>(pen: &mut Pen<DB>, percent: u32, nanos: u64, time: Scale, area: &Area) {
    let at = Point {
        x: area.left + time.share(nanos) * (area.right - area.left),
        y: area.bottom - f64::from(percent) / 100.0 * (area.bottom - area.top),
    };
    pen.disc(at, 5.5, palette::PAPER);
    pen.disc(at, 4.0, palette::PLAIN);
    let text = format!("{percent} % after {}", human_duration(Duration::from_nanos(nanos)));
    let width = STRONG.width(&text);
    let x = (at.x + 12.0).min(area.right - width);
    // Of the last two, which are close, the first is further down.
    let foot = at.y + if percent == 90 { 30.0 } else { 18.0 };
    let corner = Point { x: x - 3.0, y: foot - STRONG.size };
    let opposite = Point { x: x + width + 3.0, y: foot + 4.0 };
    pen.rectangle(corner, opposite, BackendColor { alpha: 0.8, ..palette::PAPER });
    pen.text(&text, Point { x, y: foot }, Align::Left, &STRONG);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_one_is_that_one() {
        let delays: Vec<u64> = (0..=220).map(|i| i * 1_000).collect();
        let one = Arrivals { delays: &delays, possible: 300 };
        let (end, mean) = (220_000, mean(&[one], 0, 220_000));
        for (a, b) in mean.iter().zip(shares(&one, end)) {
            assert!((a - b).abs() < 0.005, "{a} {b}");
        }
        assert!((mean[COLUMNS] - 221.0 / 300.0).abs() < 1e-9);
        assert!(time_of(0.5, &[one], end).abs_diff(149_000) <= COLUMNS as u64);
        assert_eq!(time_of(0.9, &[one], end), end);
    }

    #[test]
    fn at_most_a_hundred_lines_are_drawn() {
        let one = Arrivals { delays: &[0], possible: 1 };
        assert_eq!(sampled(&vec![one; 1_000]).len(), MOST_LINES);
        assert_eq!(sampled(&[one; 7]).len(), 7);
    }
}
