//! The colors of all pictures.

use plotters_backend::BackendColor;

/// The page: white with a little warmth.
pub(super) const PAPER: BackendColor = rgb(250, 250, 248);
/// Titles, labels.
pub(super) const INK: BackendColor = rgb(33, 37, 41);
/// What comes second: subtitles, counts, notes.
pub(super) const PENCIL: BackendColor = rgb(92, 98, 106);
/// Links.
pub(super) const THREAD: BackendColor = rgb(84, 96, 112);
/// Where a broadcast began. Vermilion stands apart from every color of [`by_hop`], also for the color-blind.
pub(super) const ORIGIN: BackendColor = rgb(213, 70, 20);
/// What no broadcast reached.
pub(super) const UNREACHED: BackendColor = rgb(176, 176, 172);
/// Nodes when there is no broadcast to tell them apart by.
pub(super) const PLAIN: BackendColor = rgb(49, 104, 142);
/// Links that are new. Amber is seen beside the gray of other links, also by the color-blind.
pub(super) const NEW: BackendColor = rgb(226, 140, 5);
/// Arrows and their numbers.
pub(super) const ARROW: BackendColor = rgb(176, 42, 74);
/// The lines of a chart that carry no data.
pub(super) const GRID: BackendColor = rgb(222, 223, 222);

/// Colors that stand for something even where they cover few pixels, an origin say.
pub(super) const ALWAYS: [BackendColor; 9] = [PAPER, INK, PENCIL, ORIGIN, UNREACHED, PLAIN, NEW, ARROW, GRID];

const fn rgb(red: u8, green: u8, blue: u8) -> BackendColor {
    BackendColor { alpha: 1.0, rgb: (red, green, blue) }
}

/// The middle of viridis (by Smith and van der Walt, CC0): even steps to the eye, also without color. Its yellow
/// end would vanish on paper.
const VIRIDIS: [(u8, u8, u8); 9] = [
    (70, 20, 100),
    (71, 45, 123),
    (62, 73, 137),
    (49, 104, 142),
    (38, 130, 142),
    (31, 158, 137),
    (62, 184, 114),
    (118, 208, 82),
    (176, 221, 47),
];

/// The color of a node that a broadcast reached at this hop, in a picture where the last was reached at `last`:
/// dark near the origin, light far away.
pub(super) fn by_hop(hop: u32, last: u32) -> BackendColor {
    match hop {
        0 => ORIGIN,
        // So few hops are told apart best by colors that are not at the ends.
        _ if last <= 2 => mixed(0.25 + 0.45 * f64::from(hop - 1)),
        _ => mixed(f64::from(hop.min(last) - 1) / f64::from(last - 1)),
    }
}

fn mixed(share: f64) -> BackendColor {
    let place = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let left = (place as usize).min(VIRIDIS.len() - 2);
    let between =
        |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * (place - left as f64)).round() as u8;
    let (a, b) = (VIRIDIS[left], VIRIDIS[left + 1]);
    rgb(between(a.0, b.0), between(a.1, b.1), between(a.2, b.2))
}

/// The color for text upon this one.
pub(super) fn text_upon(color: BackendColor) -> BackendColor {
    let (red, green, blue) = color.rgb;
    // How bright the eye sees it (ITU-R BT.601).
    let brightness = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    if brightness > 145_000 { INK } else { rgb(255, 255, 255) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hop_has_its_own_color() {
        for last in [1, 2, 3, 7, 30] {
            let colors: Vec<_> = (0..=last).map(|hop| by_hop(hop, last).rgb).collect();
            for (hop, color) in colors.iter().enumerate() {
                assert!(!colors[..hop].contains(color), "hop {hop} of {last}");
            }
        }
    }
}
