//! What stands at the top of every picture.

use super::canvas::{Align, Pen, WIDTH};
use super::layout::Point;
use super::palette;
use super::text::{Letters, Weight, wrapped};
use plotters_backend::DrawingBackend;

/// The margin round every page.
pub(super) const MARGIN: f64 = 40.0;

const TITLE: Letters = Letters { size: 25.0, weight: Weight::Bold, color: palette::INK };
const SUBTITLE: Letters = Letters { size: 15.5, weight: Weight::Regular, color: palette::PENCIL };

/// A title and what stands below it. What does not fit into two lines each is cut off.
#[derive(Clone, Copy)]
pub(super) struct Header<'a> {
    pub(super) title: &'a str,
    pub(super) subtitle: &'a str,
}

impl Header<'_> {
    /// Where the picture begins below it.
    pub(super) fn bottom(self) -> f64 {
        self.lines().last().map_or(MARGIN - 8.0, |(_, _, y)| *y) + 24.0
    }

    pub(super) fn draw<DB: DrawingBackend>(self, pen: &mut Pen<DB>) {
        for (line, letters, y) in self.lines() {
            pen.text(&line, Point { x: MARGIN, y }, Align::Left, &letters);
        }
    }

    /// Each line, and where its letters stand.
    fn lines(self) -> Vec<(String, Letters, f64)> {
        let room = f64::from(WIDTH) - 2.0 * MARGIN;
        let mut y = MARGIN - 8.0;
        let mut lines = Vec::new();
        for (text, letters, leading) in [(self.title, TITLE, 1.2), (self.subtitle, SUBTITLE, 1.45)] {
            for line in wrapped(text, &letters, room, 2) {
                y += leading * letters.size;
                lines.push((line, letters, y));
            }
        }
        lines
    }
}
