//! What colors and sizes mean, what is left out; and, for networks too large to be drawn, charts of the same.

use super::arrows::{BADGE, draw_badge};
use super::canvas::{Align, Pen};
use super::labels::Area;
use super::layout::Point;
use super::palette;
use super::rows::{HEADING, Mark, Row, Table, range_name, ranges};
use super::scene::Sizes;
use super::text::{Letters, Weight, counted, cut, thousands, wrapped};
use plotters_backend::DrawingBackend;

const NOTE: Letters = Letters { size: 13.0, weight: Weight::Regular, color: palette::PENCIL };
const HOPS: &str = "Reached at hop";
const DEGREES: &str = "Links of a node";
/// So many ranges of hops or degrees fit below each other.
const MOST_ROWS: u32 = 14;

/// The column at the right of a picture.
pub(super) struct Legend {
    /// What the arrows say, in order; empty without arrows.
    pub(super) steps: Vec<Step>,
    /// How many nodes a broadcast reached at each hop; empty without a broadcast.
    pub(super) hops: Vec<Row>,
    /// What sizes mean, if they mean something.
    pub(super) sizes: Option<Sizes>,
    /// How many links are new, if something is to be said of it.
    pub(super) new_links: Option<usize>,
    /// How many there are, what is not drawn.
    pub(super) notes: Vec<String>,
}

/// What one arrow says.
pub(super) struct Step {
    /// The arrow's number, if it bears one.
    pub(super) number: Option<usize>,
    /// From whom to whom.
    pub(super) route: String,
    pub(super) label: String,
}

impl Legend {
    /// Draws the legend from the top of its column, or says only how high it is; returns where it ends.
    pub(super) fn draw<DB: DrawingBackend>(&self, mut pen: Option<&mut Pen<DB>>, column: &Area) -> f64 {
        let (x, width) = (column.left, column.right - column.left);
        let mut y = column.top;
        if !self.steps.is_empty() {
            y = draw_steps(pen.as_deref_mut(), &self.steps, Point { x, y }, width) + 24.0;
        }
        if !self.hops.is_empty() {
            let table = Table { corner: Point { x, y }, width, size: NOTE.size };
            if let Some(pen) = pen.as_deref_mut() {
                table.draw(pen, HOPS, &self.hops);
            }
            y += table.height(self.hops.len()) + 32.0;
        }
        if let Some(sizes) = self.sizes {
            if let Some(pen) = pen.as_deref_mut() {
                draw_sizes(pen, &sizes, Point { x, y }, width);
            }
            y += HEADING.size + 12.0 + 2.0 * sizes.largest + 14.0;
        }
        if let Some(count) = self.new_links {
            y += 1.4 * NOTE.size;
            if let Some(pen) = pen.as_deref_mut() {
                draw_new_links(pen, count, Point { x, y });
            }
            y += 0.5 * NOTE.size;
        }
        draw_notes(pen, Point { x, y }, width, &self.notes)
    }
}

fn draw_sizes<DB: DrawingBackend>(pen: &mut Pen<DB>, sizes: &Sizes, corner: Point, width: f64) {
    let mut y = corner.y + HEADING.size;
    pen.text(DEGREES, Point { x: corner.x, y }, Align::Left, &HEADING);
    y += 12.0 + sizes.largest;
    let mut examples = sizes.examples();
    let needed = |degree: &usize| 2.0 * sizes.radius(*degree) + 5.0 + NOTE.width(&thousands(*degree)) + 16.0;
    if examples.iter().map(needed).sum::<f64>() > width + 16.0 {
        examples.remove(1);
    }
    let mut x = corner.x;
    for degree in examples {
        let radius = sizes.radius(degree);
        Mark::Full(palette::UNREACHED).draw(pen, Point { x: x + radius, y }, radius);
        let foot = Point { x: x + 2.0 * radius + 5.0, y: y + 0.36 * NOTE.size };
        pen.text(&thousands(degree), foot, Align::Left, &NOTE);
        x += needed(&degree);
    }
}

fn draw_new_links<DB: DrawingBackend>(pen: &mut Pen<DB>, count: usize, foot: Point) {
    const SAMPLE: f64 = 26.0;
    let y = foot.y - 0.36 * NOTE.size;
    pen.line(Point { x: foot.x, y }, Point { x: foot.x + SAMPLE, y }, 2.5, palette::NEW);
    let text = counted(count, "new link");
    pen.text(&text, Point { x: foot.x + SAMPLE + 8.0, y: foot.y }, Align::Left, &NOTE);
}

/// The list of what the arrows say; returns where it ends.
fn draw_steps<DB: DrawingBackend>(
    mut pen: Option<&mut Pen<DB>>,
    steps: &[Step],
    corner: Point,
    width: f64,
) -> f64 {
    const ROUTE: Letters = Letters { size: 14.0, ..HEADING };
    const LABEL: Letters = Letters { weight: Weight::Regular, ..ROUTE };
    let routes = corner.x + if steps[0].number.is_some() { 2.0 * BADGE + 10.0 } else { 0.0 };
    let widest = steps.iter().map(|step| ROUTE.width(&step.route)).fold(0.0, f64::max).min(0.4 * width);
    let labels = routes + widest + 12.0;
    let mut y = corner.y;
    for step in steps {
        y += 1.5 * BADGE + 0.36 * ROUTE.size;
        if let Some(pen) = pen.as_deref_mut() {
            if let Some(number) = step.number {
                draw_badge(pen, Point { x: corner.x + BADGE, y: y - 0.36 * ROUTE.size }, number);
            }
            pen.text(&cut(&step.route, &ROUTE, widest), Point { x: routes, y }, Align::Left, &ROUTE);
        }
        for (number, line) in wrapped(&step.label, &LABEL, corner.x + width - labels, 3).iter().enumerate() {
            y += if number == 0 { 0.0 } else { 1.3 * LABEL.size };
            if let Some(pen) = pen.as_deref_mut() {
                pen.text(line, Point { x: labels, y }, Align::Left, &LABEL);
            }
        }
        y += 0.9 * BADGE;
    }
    y
}

/// Returns where they end.
fn draw_notes<DB: DrawingBackend>(
    mut pen: Option<&mut Pen<DB>>,
    corner: Point,
    width: f64,
    notes: &[String],
) -> f64 {
    let mut y = corner.y;
    for note in notes {
        for line in wrapped(note, &NOTE, width, 6) {
            y += 1.4 * NOTE.size;
            if let Some(pen) = pen.as_deref_mut() {
                pen.text(&line, Point { x: corner.x, y }, Align::Left, &NOTE);
            }
        }
        y += 0.5 * NOTE.size;
    }
    y
}

/// The picture of a network whose nodes cannot be shown one by one; returns where it ends.
pub(super) fn draw_charts<DB: DrawingBackend>(
    pen: &mut Pen<DB>,
    area: &Area,
    hops: &[Row],
    degrees: &[usize],
    notes: &[String],
) -> f64 {
    const SPACE_BETWEEN: f64 = 50.0;
    let width = (area.right - area.left - SPACE_BETWEEN) / 2.0;
    let degrees = degree_rows(degrees);
    // As large as both charts fit, with their headings and the notes.
    let rows = hops.len().max(degrees.len()) as f64;
    let size = ((area.bottom - area.top - 90.0) / (1.7 * rows + 1.0)).clamp(NOTE.size, 21.0);
    let (mut x, mut bottom) = (area.left, area.top);
    for (heading, rows) in [(HOPS, hops), (DEGREES, &degrees)] {
        if !rows.is_empty() {
            let table = Table { corner: Point { x, y: area.top }, width, size };
            bottom = f64::max(bottom, table.draw(pen, heading, rows));
            x += width + SPACE_BETWEEN;
        }
    }
    draw_notes(Some(pen), Point { x: area.left, y: bottom + 20.0 }, area.right - area.left, notes)
}

/// How many nodes were reached at each hop.
pub(super) fn hop_rows(hops: &[Option<u32>]) -> Vec<Row> {
    let last = hops.iter().flatten().max().copied().unwrap_or(0);
    let origin = ("origin".to_string(), 0..=0, Mark::Target(palette::ORIGIN));
    let later = ranges(last, MOST_ROWS).into_iter().map(|range| {
        let color = palette::by_hop(range.start().midpoint(*range.end()), last);
        (range_name(&range), range, Mark::Full(color))
    });
    let mut rows: Vec<Row> = std::iter::once(origin)
        .chain(later)
        .map(|(name, range, mark)| {
            let count = hops.iter().flatten().filter(|hop| range.contains(hop)).count();
            Row { name, count, mark }
        })
        .collect();
    let never = hops.iter().filter(|hop| hop.is_none()).count();
    rows.push(Row { name: "not reached".into(), count: never, mark: Mark::Hollow(palette::UNREACHED) });
    // An origin that left is no row, nor is "not reached" when all were reached; a hop in between that is empty is one.
    rows.retain(|row| row.count > 0 || matches!(row.mark, Mark::Full(_)));
    rows
}

/// How many nodes have how many links: 0, 1, 2, 3–4, 5–8 and so on, for hubs have many times more than most.
fn degree_rows(degrees: &[usize]) -> Vec<Row> {
    let degrees: Vec<u32> = degrees.iter().map(|&degree| degree as u32).collect();
    let (Some(&least), Some(&most)) = (degrees.iter().min(), degrees.iter().max()) else { return Vec::new() };
    let buckets = if most - least < MOST_ROWS {
        (least..=most).map(|degree| degree..=degree).collect()
    } else {
        doubling_ranges(most)
    };
    buckets
        .into_iter()
        .map(|range| Row {
            name: range_name(&range),
            count: degrees.iter().filter(|degree| range.contains(degree)).count(),
            mark: Mark::Full(palette::PLAIN),
        })
        .skip_while(|row| row.count == 0)
        .collect()
}

/// 0, 1, 2, 3–4, 5–8 and so on.
pub(super) fn doubling_ranges(most: u32) -> Vec<std::ops::RangeInclusive<u32>> {
    let ends = std::iter::successors(Some(1u64), |end| Some(end * 2));
    let mut ranges = vec![0..=0];
    for end in ends.take_while(|end| end / 2 < u64::from(most)) {
        ranges.push((end / 2 + 1) as u32..=end.min(u64::from(u32::MAX)) as u32);
    }
    ranges
}
