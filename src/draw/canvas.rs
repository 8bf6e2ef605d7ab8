//! What pictures are drawn on. One drawing routine serves both formats: it holds a [`Pen`], which counts in
//! points and hands fine integer units to plotters' [`DrawingBackend`]: to [`Bitmap`], which renders them by
//! tiny-skia, or to plotters' own SVG writer.

use super::DrawError;
use super::encode;
use super::layout::Point;
use super::palette;
use super::text::{self, Letters, Weight};
use ab_glyph::{Font, OutlineCurve};
use plotters::style::{IntoFont, TextStyle};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle,
    FontTransform,
};
use tiny_skia::{FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

/// How wide every page is, in points. Shown 900 pixels wide, as in a README, a point is a little less than a pixel.
pub(super) const WIDTH: u32 = 1000;
/// Plotters counts in integers; at one unit a point, curves would show kinks.
const UNITS_PER_POINT: u32 = 8;
/// For screens with two pixels to the point.
const PIXELS_PER_POINT: u32 = 2;
/// Plotters' font size is that of a line, not of an em.
const LINE_PER_EM: f64 = 1.24;
/// From a line's top to where its letters stand, in em, for plotters and thus for [`Bitmap`].
const ASCENT: f64 = 0.76;

/// How a text lies around its point.
#[derive(Clone, Copy)]
pub(super) enum Align {
    Left,
    Center,
    Right,
}

/// Draws in points. A failure is kept, and tells in [`Pen::finish`]; until then drawing just goes on.
pub(super) struct Pen<DB: DrawingBackend> {
    backend: DB,
    failure: Option<DrawError>,
}

struct Line {
    color: BackendColor,
    width: u32,
}

impl BackendStyle for Line {
    fn color(&self) -> BackendColor {
        self.color
    }

    fn stroke_width(&self) -> u32 {
        self.width
    }
}

impl<DB: DrawingBackend> Pen<DB> {
    fn new(backend: DB, height: u32) -> Pen<DB> {
        let mut pen = Pen { backend, failure: None };
        let corner = Point { x: f64::from(WIDTH), y: f64::from(height) };
        pen.rectangle(Point { x: 0.0, y: 0.0 }, corner, palette::PAPER);
        pen
    }

    fn finish(mut self) -> Result<(), DrawError> {
        let presented = self.backend.present();
        self.keep(presented);
        self.failure.map_or(Ok(()), Err)
    }

    fn keep(&mut self, result: Result<(), DrawingErrorKind<DB::ErrorType>>) {
        if let Err(error) = result {
            self.failure.get_or_insert(DrawError::Backend(error.to_string()));
        }
    }

    /// A straight line.
    pub(super) fn line(&mut self, from: Point, to: Point, width: f64, color: BackendColor) {
        let line = Line { color, width: units(width).max(1) as u32 };
        let result = self.backend.draw_line(coordinates(from), coordinates(to), &line);
        self.keep(result);
    }

    /// A line through several points.
    pub(super) fn curve(&mut self, points: &[Point], width: f64, color: BackendColor) {
        let line = Line { color, width: units(width).max(1) as u32 };
        let result = self.backend.draw_path(points.iter().map(|&point| coordinates(point)), &line);
        self.keep(result);
    }

    /// A filled area between corners.
    pub(super) fn polygon(&mut self, corners: &[Point], color: BackendColor) {
        let result = self.backend.fill_polygon(corners.iter().map(|&corner| coordinates(corner)), &color);
        self.keep(result);
    }

    /// A filled circle.
    pub(super) fn disc(&mut self, center: Point, radius: f64, color: BackendColor) {
        let radius = units(radius).max(1) as u32;
        let result = self.backend.draw_circle(coordinates(center), radius, &color, true);
        self.keep(result);
    }

    /// A filled rectangle between two corners.
    pub(super) fn rectangle(&mut self, upper_left: Point, lower_right: Point, color: BackendColor) {
        let (from, to) = (coordinates(upper_left), coordinates(lower_right));
        let result = self.backend.draw_rect(from, to, &color, true);
        self.keep(result);
    }

    /// One line of text; its letters stand on `at.y`.
    pub(super) fn text(&mut self, line: &str, at: Point, align: Align, letters: &Letters) {
        let font_style = match letters.weight {
            Weight::Regular => FontStyle::Normal,
            Weight::Bold => FontStyle::Bold,
        };
        let h_pos = match align {
            Align::Left => HPos::Left,
            Align::Center => HPos::Center,
            Align::Right => HPos::Right,
        };
        let em = letters.size * f64::from(UNITS_PER_POINT);
        let mut style = TextStyle::from((text::FAMILY, em * LINE_PER_EM, font_style).into_font())
            .pos(Pos { h_pos, v_pos: VPos::Top });
        style.color = letters.color;
        let top = Point { x: at.x, y: at.y - ASCENT * letters.size };
        let result = self.backend.draw_text(&text::printable(line), &style, coordinates(top));
        self.keep(result);
    }
}

fn units(points: f64) -> i32 {
    (points * f64::from(UNITS_PER_POINT)).round() as i32
}

fn coordinates(point: Point) -> BackendCoord {
    (units(point.x), units(point.y))
}

/// Renders what `draw` draws upon a page of this height as a PNG file.
pub(super) fn png(height: u32, draw: impl FnOnce(&mut Pen<&mut Bitmap>)) -> Result<Vec<u8>, DrawError> {
    let mut bitmap = Bitmap::new(height)?;
    let mut pen = Pen::new(&mut bitmap, height);
    draw(&mut pen);
    pen.finish()?;
    bitmap.encoded()
}

/// Writes what `draw` draws upon a page of this height as an SVG document.
pub(super) fn svg(
    height: u32,
    draw: impl FnOnce(&mut Pen<plotters::prelude::SVGBackend>),
) -> Result<String, DrawError> {
    let (across, down) = (WIDTH * UNITS_PER_POINT, height * UNITS_PER_POINT);
    let mut document = String::new();
    let backend = plotters::prelude::SVGBackend::with_string(&mut document, (across, down));
    let mut pen = Pen::new(backend, height);
    draw(&mut pen);
    pen.finish()?;
    // The view box stays in fine units; only the size at which it is shown is that of the page.
    let fine = format!(r#"width="{across}" height="{down}""#);
    Ok(document.replacen(&fine, &format!(r#"width="{WIDTH}" height="{height}""#), 1))
}

/// A picture in pixels.
pub(super) struct Bitmap {
    pixmap: Pixmap,
}

impl Bitmap {
    fn new(height: u32) -> Result<Bitmap, DrawError> {
        let pixmap = Pixmap::new(WIDTH * PIXELS_PER_POINT, height * PIXELS_PER_POINT);
        Ok(Bitmap { pixmap: pixmap.ok_or_else(|| DrawError::Backend("no memory for the picture".into()))? })
    }

    fn fill(&mut self, path: Option<Path>, color: BackendColor) {
        if let Some(path) = path {
            self.pixmap.fill_path(&path, &paint(color), FillRule::Winding, to_pixels(), None);
        }
    }

    fn stroke<S: BackendStyle>(&mut self, path: Option<Path>, style: &S) {
        let stroke = Stroke {
            width: style.stroke_width() as f32,
            line_cap: LineCap::Butt,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        if let Some(path) = path {
            self.pixmap.stroke_path(&path, &paint(style.color()), &stroke, to_pixels(), None);
        }
    }

    /// The picture as a PNG file. The paper covers every pixel, so that none is transparent.
    fn encoded(&self) -> Result<Vec<u8>, DrawError> {
        let pixels: Vec<[u8; 3]> =
            self.pixmap.pixels().iter().map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect();
        encode::png(&pixels, self.pixmap.width(), self.pixmap.height(), &palette::ALWAYS)
    }
}

fn to_pixels() -> Transform {
    let scale = PIXELS_PER_POINT as f32 / UNITS_PER_POINT as f32;
    Transform::from_scale(scale, scale)
}

fn paint(color: BackendColor) -> Paint<'static> {
    let (red, green, blue) = color.rgb;
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, (color.alpha * 255.0).round() as u8);
    paint.anti_alias = true;
    paint
}

type Drawn = Result<(), DrawingErrorKind<std::io::Error>>;

/// On a borrowed bitmap, for plotters keeps what it draws on, and the pixels are needed afterwards.
impl DrawingBackend for &mut Bitmap {
    type ErrorType = std::io::Error;

    fn get_size(&self) -> (u32, u32) {
        let units = |pixels: u32| pixels / PIXELS_PER_POINT * UNITS_PER_POINT;
        (units(self.pixmap.width()), units(self.pixmap.height()))
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        let (x, y) = (point.0 as f32, point.1 as f32);
        self.fill(Rect::from_xywh(x, y, 1.0, 1.0).map(PathBuilder::from_rect), color);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        lower_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let (left, right) = ordered(upper_left.0, lower_right.0);
        let (top, bottom) = ordered(upper_left.1, lower_right.1);
        let path = Rect::from_ltrb(left, top, right, bottom).map(PathBuilder::from_rect);
        if fill {
            self.fill(path, style.color())
        } else {
            self.stroke(path, style)
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.stroke(polyline(path).finish(), style);
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let path = PathBuilder::from_circle(center.0 as f32, center.1 as f32, radius as f32);
        if fill {
            self.fill(path, style.color())
        } else {
            self.stroke(path, style)
        }
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let mut polygon = polyline(path);
        polygon.close();
        self.fill(polygon.finish(), style.color());
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(&mut self, line: &str, style: &T, at: BackendCoord) -> Drawn {
        let weight = if matches!(style.style(), FontStyle::Bold) { Weight::Bold } else { Weight::Regular };
        let em = style.size() / LINE_PER_EM;
        let left = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -0.5 * text::width(line, em, weight),
            HPos::Right => -text::width(line, em, weight),
        };
        let baseline = em
            * match style.anchor().v_pos {
                VPos::Top => ASCENT,
                VPos::Center => 0.36,
                VPos::Bottom => -0.24,
            };
        let place = turned(&style.transform())
            .post_translate(at.0 as f32, at.1 as f32)
            .pre_translate(left as f32, baseline as f32);
        self.fill(outline(line, weight, em as f32).and_then(|path| path.transform(place)), style.color());
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        line: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Self::ErrorType>> {
        let weight = if matches!(style.style(), FontStyle::Bold) { Weight::Bold } else { Weight::Regular };
        let em = style.size() / LINE_PER_EM;
        Ok((text::width(line, em, weight).ceil() as u32, em.ceil() as u32))
    }
}

fn ordered(a: i32, b: i32) -> (f32, f32) {
    (a.min(b) as f32, a.max(b) as f32)
}

fn polyline(points: impl IntoIterator<Item = BackendCoord>) -> PathBuilder {
    let mut path = PathBuilder::new();
    for (x, y) in points {
        if path.is_empty() { path.move_to(x as f32, y as f32) } else { path.line_to(x as f32, y as f32) }
    }
    path
}

fn turned(transform: &FontTransform) -> Transform {
    match transform {
        FontTransform::None => Transform::identity(),
        FontTransform::Rotate90 => Transform::from_row(0.0, 1.0, -1.0, 0.0, 0.0, 0.0),
        FontTransform::Rotate180 => Transform::from_row(-1.0, 0.0, 0.0, -1.0, 0.0, 0.0),
        FontTransform::Rotate270 => Transform::from_row(0.0, -1.0, 1.0, 0.0, 0.0, 0.0),
    }
}

/// The outlines of a line of text that begins at (0, 0) and stands on the x axis.
fn outline(line: &str, weight: Weight, em: f32) -> Option<Path> {
    let font = text::font(weight);
    let scale = em / font.units_per_em()?;
    let mut path = PathBuilder::new();
    for glyph in text::glyphs(line, weight) {
        // Fonts count upwards, pages downwards.
        let at = |p: ab_glyph::Point| (glyph.start * em + p.x * scale, -p.y * scale);
        let mut end = None;
        for curve in font.outline(glyph.id).map_or(Vec::new(), |outline| outline.curves) {
            let (OutlineCurve::Line(start, to)
            | OutlineCurve::Quad(start, _, to)
            | OutlineCurve::Cubic(start, _, _, to)) = curve;
            if end != Some(start) {
                let (x, y) = at(start);
                path.move_to(x, y);
            }
            end = Some(to);
            let (x, y) = at(to);
            match curve {
                OutlineCurve::Line(..) => path.line_to(x, y),
                OutlineCurve::Quad(_, control, _) => path.quad_to(at(control).0, at(control).1, x, y),
                OutlineCurve::Cubic(_, a, b, _) => path.cubic_to(at(a).0, at(a).1, at(b).0, at(b).1, x, y),
            }
        }
    }
    path.finish()
}
