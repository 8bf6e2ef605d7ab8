//! Pixels to a PNG file of few colors. Pictures of networks have few colors and many shades between them, which
//! nobody tells apart but which make a file in full color three times as large.

use super::DrawError;
use plotters_backend::BackendColor;

type Rgb = [u8; 3];

/// How many bits of each channel decide which colors are taken as one. With 5, files are a tenth larger.
const BITS: u32 = 4;
/// A byte could name 256, but the eye gains nothing from the second half.
const MOST_COLORS: usize = 128;

/// Colors that are nearly equal.
#[derive(Clone, Copy, Default)]
struct Shade {
    /// How many pixels.
    pixels: u32,
    /// The color of most of them (Boyer and Moore's majority vote), so that areas keep their very color.
    color: Rgb,
    votes: u32,
}

impl Shade {
    fn add(&mut self, color: Rgb) {
        self.pixels += 1;
        if self.votes == 0 {
            self.color = color;
        }
        if self.color == color { self.votes += 1 } else { self.votes -= 1 }
    }
}

/// The place of a color's shade in a table of all.
fn shade_of(color: Rgb) -> usize {
    color.iter().fold(0, |place, &channel| place << BITS | usize::from(channel >> (8 - BITS)))
}

/// The pixels, row by row, as a PNG file. These `exact` colors are in it whatever the pixels are.
pub(super) fn png(
    pixels: &[Rgb],
    width: u32,
    height: u32,
    exact: &[BackendColor],
) -> Result<Vec<u8>, DrawError> {
    let mut shades = vec![Shade::default(); 1 << (3 * BITS)];
    for &pixel in pixels {
        shades[shade_of(pixel)].add(pixel);
    }
    let colors = most_frequent(&shades, exact);
    let nearest: Vec<u8> = shades.iter().map(|shade| nearest(shade, &colors)).collect();
    let indexed: Vec<u8> = pixels.iter().map(|&pixel| nearest[shade_of(pixel)]).collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(colors.concat());
    encoder.set_compression(png::Compression::Balanced);
    // Neighboring numbers of colors mean nothing, so there is nothing to predict.
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&indexed)?;
    writer.finish()?;
    Ok(file)
}

fn most_frequent(shades: &[Shade], exact: &[BackendColor]) -> Vec<Rgb> {
    let mut used: Vec<&Shade> = shades.iter().filter(|shade| shade.pixels > 0).collect();
    used.sort_by_key(|shade| (std::cmp::Reverse(shade.pixels), shade.color));
    let exact = exact.iter().map(|color| [color.rgb.0, color.rgb.1, color.rgb.2]);
    let mut colors: Vec<Rgb> = exact.chain(used.iter().map(|shade| shade.color)).collect();
    colors.truncate(MOST_COLORS);
    colors
}

fn nearest(shade: &Shade, colors: &[Rgb]) -> u8 {
    if shade.pixels == 0 {
        return 0;
    }
    let difference = |color: &Rgb| -> u32 {
        color.iter().zip(shade.color).map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    (0..=u8::MAX).zip(colors).min_by_key(|(_, color)| difference(color)).map_or(0, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::palette::{ALWAYS, PAPER};

    #[test]
    fn areas_keep_their_color_and_shades_come_near() {
        let paper = [PAPER.rgb.0, PAPER.rgb.1, PAPER.rgb.2];
        // More shades than a byte can name, on paper.
        let shade = |i: usize| [(i * 7 % 256) as u8, (i * 11 % 256) as u8, (i * 13 % 256) as u8];
        let pixels: Vec<Rgb> = (0..10_000).map(|i| if i < 5_000 { paper } else { shade(i) }).collect();
        let file = png(&pixels, 100, 100, &ALWAYS).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut bytes).unwrap();
        let seen: Vec<&[u8]> = bytes.chunks(3).collect();
        assert!(seen[..5_000].iter().all(|pixel| *pixel == paper));
        for (pixel, seen) in pixels.iter().zip(seen) {
            assert!(pixel.iter().zip(seen).all(|(a, b)| a.abs_diff(*b) < 64), "{pixel:?} {seen:?}");
        }
    }
}
