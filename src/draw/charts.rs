//! Charts of a run: how broadcasts spread over time, how long deliveries took, how many links nodes have.

mod axes;
mod coverage;
mod degrees;
mod latency;

pub use coverage::{Arrivals, CoverageChart};
pub use degrees::DegreeChart;
pub use latency::LatencyChart;

use super::DrawError;
use super::canvas::{self, Align, Pen, WIDTH};
use super::header::{Header, MARGIN};
use super::labels::Area;
use super::layout::Point;
use super::palette;
use super::text::{Letters, Weight};
use plotters_backend::DrawingBackend;

/// The page's height.
const HEIGHT: u32 = 560;
/// Numbers at the axes, notes.
const SMALL: Letters = Letters { size: 13.0, weight: Weight::Regular, color: palette::PENCIL };
/// What marks in the chart say.
const STRONG: Letters = Letters { size: 13.0, weight: Weight::Bold, color: palette::INK };
/// What the numbers left of a chart need, and those below with the axis' name.
const LEFT: f64 = 62.0;
const BELOW: f64 = 54.0;

/// Gives charts that can `draw` themselves their two kinds of files.
macro_rules! files_of {
    ($($chart:ident),*) => {$(
        impl $chart<'_> {
            /// The chart as a PNG file, 2000 pixels wide.
            ///
            /// # Errors
            /// If it cannot be drawn.
            pub fn png(&self) -> Result<Vec<u8>, DrawError> {
                canvas::png(HEIGHT, |pen| self.draw(pen))
            }

            /// The chart as an SVG document.
            ///
            /// # Errors
            /// If it cannot be drawn.
            pub fn svg(&self) -> Result<String, DrawError> {
                canvas::svg(HEIGHT, |pen| self.draw(pen))
            }
        }
    )*};
}

files_of!(CoverageChart, DegreeChart, LatencyChart);

/// Draws the header; returns the area that the data may fill, with so much room left `above`.
fn begin<DB: DrawingBackend>(pen: &mut Pen<DB>, header: Header, above: f64) -> Area {
    header.draw(pen);
    Area {
        left: MARGIN + LEFT,
        top: header.bottom() + above,
        right: f64::from(WIDTH) - MARGIN - 8.0,
        bottom: f64::from(HEIGHT) - 0.8 * MARGIN - BELOW,
    }
}

/// Says in the middle of an empty chart why it is empty.
fn draw_nothing<DB: DrawingBackend>(pen: &mut Pen<DB>, header: Header, why: &str) {
    const LARGE: Letters = Letters { size: 17.0, ..SMALL };
    let area = begin(pen, header, 0.0);
    let middle = Point { x: f64::from(WIDTH) / 2.0, y: area.center().y };
    pen.text(why, middle, Align::Center, &LARGE);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn coverage<'a>(broadcasts: &'a [Arrivals<'a>]) -> CoverageChart<'a> {
        CoverageChart { title: "t", subtitle: "s", broadcasts }
    }

    fn latency(delays: &[u64]) -> LatencyChart<'_> {
        LatencyChart { title: "t", subtitle: "s", delays }
    }

    fn degrees(table: &[(usize, usize)]) -> DegreeChart<'_> {
        DegreeChart { title: "t", subtitle: "s", table }
    }

    #[test]
    fn empty_charts_say_so() {
        assert!(coverage(&[]).svg().unwrap().contains("No broadcast"));
        assert!(coverage(&[Arrivals { delays: &[], possible: 0 }]).svg().unwrap().contains("No broadcast"));
        assert!(latency(&[]).svg().unwrap().contains("Nothing was delivered"));
        assert!(degrees(&[]).svg().unwrap().contains("no nodes"));
        assert!(degrees(&[(4, 0)]).svg().unwrap().contains("no nodes"));
    }

    #[test]
    fn the_same_data_twice_is_the_same_file() {
        let delays: Vec<u64> = (0..500).map(|i| i * i * 1_000).collect();
        let broadcasts =
            [Arrivals { delays: &delays, possible: 600 }, Arrivals { delays: &delays[..9], possible: 9 }];
        assert_eq!(coverage(&broadcasts).png().unwrap(), coverage(&broadcasts).png().unwrap());
        assert_eq!(latency(&delays).png().unwrap(), latency(&delays).png().unwrap());
        let table = [(1, 4), (2, 9), (700, 1)];
        assert_eq!(degrees(&table).png().unwrap(), degrees(&table).png().unwrap());
    }

    #[test]
    fn much_data_makes_no_large_file() {
        let delays: Vec<u64> = (0..2_000).map(|i| i * 1_000_003).collect();
        let broadcasts = vec![Arrivals { delays: &delays, possible: 2_000 }; 1_000];
        assert!(coverage(&broadcasts).svg().unwrap().len() < 500_000);
        assert!(latency(&delays.repeat(100)).svg().unwrap().len() < 50_000);
        let table: Vec<(usize, usize)> = (1..5_000).map(|links| (links, 5_000 / links)).collect();
        assert!(degrees(&table).svg().unwrap().len() < 50_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn no_data_is_refused(
            mut delays in prop::collection::vec(any::<u64>(), 0..60),
            possible in any::<usize>(),
            table in prop::collection::vec((any::<u32>(), any::<u32>()), 0..40),
        ) {
            latency(&delays).svg().unwrap();
            delays.sort_unstable();
            coverage(&[Arrivals { delays: &delays, possible }]).svg().unwrap();
            let table: Vec<_> = table.into_iter().map(|(a, b)| (a as usize, b as usize)).collect();
            degrees(&table).svg().unwrap();
        }
    }
}
