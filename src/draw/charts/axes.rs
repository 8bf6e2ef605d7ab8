//! Axes: round numbers at even distances, with units, and faint lines behind the data.

use super::super::canvas::{Align, Pen};
use super::super::labels::Area;
use super::super::layout::Point;
use super::super::palette;
use super::super::rows::round_step;
use super::super::text::thousands;
use super::{BELOW, SMALL};
use plotters_backend::DrawingBackend;

/// How far a number is from the axis.
const GAP: f64 = 8.0;

/// A scale from 0 to `end`, with a mark at every `step`.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    pub(super) end: u64,
    pub(super) step: u64,
}

impl Scale {
    /// A scale that reaches to `last`, with at most so many steps.
    pub(super) fn new(last: u64, most_steps: u64) -> Scale {
        let last = last.max(1);
        Scale { end: last, step: round_step(last, most_steps) }
    }

    /// The same scale up to its next mark.
    pub(super) fn rounded(self) -> Scale {
        Scale { end: self.end.div_ceil(self.step).saturating_mul(self.step), ..self }
    }

    /// Where a value lies, from 0 to 1.
    pub(super) fn share(self, value: u64) -> f64 {
        value as f64 / self.end as f64
    }

    fn marks(self) -> impl Iterator<Item = u64> {
        (0..=self.end / self.step).map(move |mark| mark * self.step)
    }
}

/// Draws a scale of the time since a publication, in nanoseconds, below the chart, with what is to be `said` of it.
pub(super) fn draw_time<DB: DrawingBackend>(pen: &mut Pen<DB>, scale: Scale, said: &str, area: &Area) {
    let (unit, length) = unit(scale.end / 2);
    for mark in scale.marks() {
        let x = area.left + scale.share(mark) * (area.right - area.left);
        pen.line(Point { x, y: area.bottom }, Point { x, y: area.bottom + 5.0 }, 1.0, palette::PENCIL);
        let foot = Point { x, y: area.bottom + 7.0 + SMALL.size };
        pen.text(&decimal(mark, length), foot, Align::Center, &SMALL);
    }
    draw_base(pen, &format!("time since publication ({unit}){said}"), area);
}

/// Draws the line below a chart, and what it stands for.
pub(super) fn draw_base<DB: DrawingBackend>(pen: &mut Pen<DB>, name: &str, area: &Area) {
    let corner = Point { x: area.left, y: area.bottom };
    pen.line(corner, Point { x: area.right, ..corner }, 1.0, palette::PENCIL);
    let foot = Point { x: area.center().x, y: area.bottom + BELOW };
    pen.text(name, foot, Align::Center, &SMALL);
}

/// Draws the lines of a scale from below upwards, with numbers at the left and their `name` above them.
pub(super) fn draw_heights<DB: DrawingBackend>(
    pen: &mut Pen<DB>,
    scale: Scale,
    suffix: &str,
    name: &str,
    area: &Area,
) {
    for mark in scale.marks() {
        let y = area.bottom - scale.share(mark) * (area.bottom - area.top);
        pen.line(Point { x: area.left, y }, Point { x: area.right, y }, 1.0, palette::GRID);
        let foot = Point { x: area.left - GAP, y: y + 0.36 * SMALL.size };
        pen.text(&format!("{}{suffix}", thousands(mark as usize)), foot, Align::Right, &SMALL);
    }
    let foot = Point { x: super::MARGIN, y: area.top - 1.1 * SMALL.size };
    pen.text(name, foot, Align::Left, &SMALL);
}

/// Up to when a chart goes on if nearly all is over at `nearly`: far enough that what stands beside a mark there has
/// room, but not so far that a few latecomers press all others together.
pub(super) fn shown_until(last: u64, nearly: u64) -> u64 {
    let (least, most) = (nearly.saturating_add(nearly / 4), nearly.saturating_mul(2));
    if nearly == 0 { last } else { last.clamp(least, most) }
}

/// A duration with all its digits: "2.5 ms".
pub(super) fn exact(nanos: u64) -> String {
    let (unit, length) = unit(nanos);
    format!("{} {unit}", decimal(nanos, length))
}

/// The greatest unit that is not above a time, and how many nanoseconds it is.
fn unit(time: u64) -> (&'static str, u64) {
    const UNITS: [(&str, u64); 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000), ("ns", 1)];
    UNITS.into_iter().find(|(_, length)| time >= *length).unwrap_or(("ns", 1))
}

/// A value in a unit of so many nanoseconds, exactly, without needless zeros.
fn decimal(value: u64, length: u64) -> String {
    let whole = thousands((value / length) as usize);
    let digits = length.ilog10() as usize;
    let rest = if digits == 0 { String::new() } else { format!("{:0digits$}", value % length) };
    match rest.trim_end_matches('0') {
        "" => whole,
        rest => format!("{whole}.{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_have_units() {
        let scale = Scale::new(437_000_000, 8);
        assert_eq!(scale.step, 100_000_000);
        let (name, length) = unit(scale.end / 2);
        let marks: Vec<String> = scale.marks().map(|mark| decimal(mark, length)).collect();
        assert_eq!((name, marks.join(" ").as_str()), ("ms", "0 100 200 300 400"));
        assert_eq!(scale.rounded().end, 500_000_000);
        assert_eq!(unit(1_000_000_000).0, "s");
        assert_eq!(decimal(2_500_000_000, 1_000_000_000), "2.5");
        assert_eq!(exact(2_500_000), "2.5 ms");
        assert_eq!(decimal(1_234_000_000_000, 1_000_000_000), "1,234");
    }

    #[test]
    fn a_late_few_do_not_press_all_others_together() {
        assert_eq!(shown_until(1_000, 700), 1_000);
        assert_eq!(shown_until(1_000, 1_000), 1_250);
        assert_eq!(shown_until(100_000, 900), 1_800);
        assert_eq!(shown_until(100, 0), 100);
        assert_eq!(shown_until(u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn the_longest_time_has_a_scale() {
        let scale = Scale::new(u64::MAX, 8);
        assert!(scale.marks().count() <= 9 && scale.rounded().end >= scale.step);
    }
}
