//! How long deliveries took: a histogram with its quantiles.

use super::super::canvas::{Align, Pen};
use super::super::header::Header;
use super::super::labels::Area;
use super::super::layout::Point;
use super::super::palette;
use super::super::text::thousands;
use super::axes::{Scale, draw_heights, draw_time, exact, shown_until};
use super::{STRONG, begin, draw_nothing};
use crate::units::human_duration;
use plotters_backend::DrawingBackend;
use std::time::Duration;

/// How many deliveries took how long, with marks where 50, 90 and 99 % of them had arrived.
#[derive(Clone, Copy, Debug)]
pub struct LatencyChart<'a> {
    /// In bold at the top. What does not fit into two lines is cut off.
    pub title: &'a str,
    /// Below the title; cut off likewise.
    pub subtitle: &'a str,
    /// How long every delivery took, in nanoseconds, in any order.
    pub delays: &'a [u64],
}

const PERCENTS: [u64; 3] = [50, 90, 99];
/// How high the line of a mark's label is.
const LINE: f64 = 20.0;

impl LatencyChart<'_> {
    pub(super) fn draw<DB: DrawingBackend>(&self, pen: &mut Pen<DB>) {
        let header = Header { title: self.title, subtitle: self.subtitle };
        let Some(&last) = self.delays.iter().max() else {
            draw_nothing(pen, header, "Nothing was delivered.");
            return;
        };
        let quantiles = PERCENTS.map(|percent| quantile(self.delays, percent));
        let time = Scale::new(shown_until(last, quantiles[2]), 8);
        let bins = Bins::new(self.delays, time);
        let area = begin(pen, header, LINE * PERCENTS.len() as f64 + 12.0);
        let most = bins.counts.iter().max().copied().unwrap_or(0);
        let heights = Scale::new(most, 5).rounded();
        let name = format!("deliveries per {}", exact(bins.width));
        draw_heights(pen, heights, "", &name, &area);
        for (bin, &count) in bins.counts.iter().enumerate() {
            draw_bar(pen, time.share(1) * bins.width as f64, bin, heights.share(count), &area);
        }
        let beyond = self.delays.iter().filter(|&&delay| delay > time.end).count();
        draw_time(pen, time, &remark(self.delays.len(), beyond, last), &area);
        for (row, (percent, delay)) in PERCENTS.into_iter().zip(quantiles).enumerate() {
            draw_mark(pen, row, percent, delay, time.share(delay), &area);
        }
    }
}

/// How many deliveries there were, and how many the chart does not show.
fn remark(all: usize, beyond: usize, last: u64) -> String {
    let deliveries =
        if all == 1 { "1 delivery".to_string() } else { format!("{} deliveries", thousands(all)) };
    let last = human_duration(Duration::from_nanos(last));
    match beyond {
        0 => format!("; {deliveries}"),
        _ => format!("; {deliveries}, {} of them later than shown, the last after {last}", thousands(beyond)),
    }
}

struct Bins {
    /// In nanoseconds.
    width: u64,
    counts: Vec<u64>,
}

impl Bins {
    /// The more deliveries there are, the finer: few would stand alone in fine bins.
    fn new(delays: &[u64], time: Scale) -> Bins {
        let parts = match delays.len() {
            ..200 => 2,
            200..2_000 => 5,
            _ => 10,
        };
        let width = (time.step / parts).max(1);
        let mut counts = vec![0; (time.end / width) as usize + 1];
        // A division of floats takes a fifth of the time of one of integers. A delay at the border of two bins
        // may so be counted in the wrong one: nobody can see that.
        let per_nano = 1.0 / width as f64;
        for &delay in delays.iter().filter(|delay| **delay <= time.end) {
            let bin = ((delay as f64 * per_nano) as usize).min(counts.len() - 1);
            counts[bin] += 1;
        }
        Bins { width, counts }
    }
}

/// The smallest value that at least `percent` of all do not exceed. Exact, without a sorted copy: every pass
/// tells the value's place 65,536 times as exactly.
fn quantile(values: &[u64], percent: u64) -> u64 {
    const BITS: u32 = 16;
    let mut rank = (values.len() as u128 * u128::from(percent)).div_ceil(100).max(1) as u64 - 1;
    let low = values.iter().min().copied().unwrap_or(0);
    let high = values.iter().max().copied().unwrap_or(0);
    let (mut low, mut span) = (low, high - low);
    while span > 0 {
        let shift = (u64::BITS - span.leading_zeros()).saturating_sub(BITS);
        let mut counts = vec![0u64; 1 << BITS];
        for &value in values {
            let above = value.wrapping_sub(low);
            if above <= span {
                counts[(above >> shift) as usize] += 1;
            }
        }
        let mut place = 0;
        while rank >= counts[place] {
            rank -= counts[place];
            place += 1;
        }
        let start = (place as u64) << shift;
        low += start;
        span = (span - start).min((1 << shift) - 1);
    }
    low
}

fn draw_bar<DB: DrawingBackend>(pen: &mut Pen<DB>, share: f64, bin: usize, height: f64, area: &Area) {
    let width = share * (area.right - area.left);
    let left = area.left + bin as f64 * width;
    if height > 0.0 && left < area.right {
        // Even the smallest count shows.
        let top = area.bottom - (height * (area.bottom - area.top)).max(1.0);
        let corner = Point { x: left + 0.06 * width, y: top };
        let opposite = Point { x: (left + 0.94 * width).min(area.right), y: area.bottom };
        pen.rectangle(corner, opposite, palette::PLAIN);
    }
}

/// A line with its label at the right of its upper end. Each begins lower than the one before, so that none
/// crosses the label of another.
fn draw_mark<DB: DrawingBackend>(
    pen: &mut Pen<DB>,
    row: usize,
    percent: u64,
    delay: u64,
    share: f64,
    area: &Area,
) {
    let x = area.left + share * (area.right - area.left);
    let top = area.top - LINE * (PERCENTS.len() - row) as f64 - 4.0;
    pen.line(Point { x, y: top }, Point { x, y: area.bottom }, 1.6, palette::ORIGIN);
    let text = format!("{percent} %  {}", human_duration(Duration::from_nanos(delay)));
    pen.text(&text, Point { x: x + 7.0, y: top + 0.8 * STRONG.size }, Align::Left, &STRONG);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_shown_is_said() {
        assert_eq!(remark(1, 0, 7), "; 1 delivery");
        let late = remark(1_000, 4, 2_000_000_000);
        assert_eq!(late, "; 1,000 deliveries, 4 of them later than shown, the last after 2.00 s");
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted(mut values in prop::collection::vec(any::<u64>(), 1..200), shift in 0u32..60) {
            values.iter_mut().for_each(|value| *value >>= shift);
            let found = PERCENTS.map(|percent| quantile(&values, percent));
            values.sort_unstable();
            let at = |percent: u64| values[(values.len() * percent as usize).div_ceil(100) - 1];
            prop_assert_eq!(found, PERCENTS.map(at));
        }

        #[test]
        fn every_delivery_is_in_a_bin(values in prop::collection::vec(0u64..1_000_000, 1..300)) {
            let last = *values.iter().max().unwrap();
            let bins = Bins::new(&values, Scale::new(last, 8));
            prop_assert_eq!(bins.counts.iter().sum::<u64>(), values.len() as u64);
        }
    }
}
