//! Text before it is drawn: how wide it is, where it breaks, and what of it can be drawn at all.

use ab_glyph::{Font, FontRef};
use plotters_backend::BackendColor;
use std::sync::LazyLock;

/// What an SVG names as its font. Verdana has nearly the same widths, should DejaVu not be installed.
pub(super) const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// How thick the letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

static REGULAR: LazyLock<FontRef> = LazyLock::new(|| parsed(dejavu::sans::regular()));
static BOLD: LazyLock<FontRef> = LazyLock::new(|| parsed(dejavu::sans::bold()));

fn parsed(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the font is part of the program")
}

/// The font of this weight.
pub(super) fn font(weight: Weight) -> &'static FontRef<'static> {
    match weight {
        Weight::Regular => &REGULAR,
        Weight::Bold => &BOLD,
    }
}

/// How letters look.
#[derive(Clone, Copy)]
pub(super) struct Letters {
    /// How high an em is, in points.
    pub(super) size: f64,
    pub(super) weight: Weight,
    pub(super) color: BackendColor,
}

impl Letters {
    /// How wide a line is.
    pub(super) fn width(&self, line: &str) -> f64 {
        width(line, self.size, self.weight)
    }
}

/// How wide a line is when an em is `size`.
pub(super) fn width(line: &str, size: f64, weight: Weight) -> f64 {
    glyphs(line, weight).last().map_or(0.0, |glyph| size * f64::from(glyph.end))
}

/// A letter of a line, with where it begins and ends, in em.
pub(super) struct PlacedGlyph {
    pub(super) id: ab_glyph::GlyphId,
    pub(super) start: f32,
    pub(super) end: f32,
}

/// The letters of a line, kerned.
pub(super) fn glyphs(text: &str, weight: Weight) -> impl Iterator<Item = PlacedGlyph> {
    let font = font(weight);
    let em = font.units_per_em().unwrap_or(2048.0);
    let mut before = None;
    let mut end = 0.0;
    text.chars().map(move |letter| {
        let id = font.glyph_id(letter);
        let kern = before.replace(id).map_or(0.0, |before| font.kern_unscaled(before, id));
        let start = end + kern / em;
        end = start + font.h_advance_unscaled(id) / em;
        PlacedGlyph { id, start, end }
    })
}

/// The text without what no line can show, and XML cannot hold: control characters become blanks.
pub(super) fn printable(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\u{FFFE}' | '\u{FFFF}' => '\u{FFFD}',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    text.chars().map(shown).collect()
}

/// The text in lines of at most `room`, broken between words where that is possible. What does not fit into
/// `most_lines` is cut off and marked by an ellipsis.
pub(super) fn wrapped(text: &str, letters: &Letters, room: f64, most_lines: usize) -> Vec<String> {
    let text = printable(text);
    let mut words = text.split_whitespace().peekable();
    let mut lines = Vec::new();
    while let Some(first) = words.next() {
        let mut line = first.to_string();
        let last = lines.len() + 1 == most_lines;
        while let Some(&word) = words.peek() {
            let longer = format!("{line} {word}");
            if !last && letters.width(&longer) > room {
                break;
            }
            line = longer;
            words.next();
            if last && letters.width(&line) > room {
                break;
            }
        }
        lines.push(cut(&line, letters, room));
        if last {
            break;
        }
    }
    lines
}

/// The text, or as much of its beginning as fits with an ellipsis behind it.
pub(super) fn cut(text: &str, letters: &Letters, room: f64) -> String {
    if letters.width(text) <= room {
        return text.to_string();
    }
    let room = room - letters.width("…");
    // Letters, not bytes; a letter's parts are not told apart from letters.
    let kept =
        glyphs(text, letters.weight).take_while(|glyph| letters.size * f64::from(glyph.end) <= room).count();
    let kept: String = text.chars().take(kept).collect();
    format!("{}…", kept.trim_end())
}

/// A number with commas between its thousands.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its noun: "1 link", "2,000 links".
pub(super) fn counted(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 20_777].map(|number| counted(number, "link")), ["1 link", "20,777 links"]);
    }

    fn letters(size: f64) -> Letters {
        Letters { size, weight: Weight::Bold, color: crate::draw::palette::INK }
    }

    #[test]
    fn text_breaks_between_words_and_ends_in_an_ellipsis() {
        let lines = wrapped("one two three four five six", &letters(10.0), 60.0, 2);
        assert_eq!(lines, ["one two", "three fo…"]);
        assert!(wrapped(" \n\t ", &letters(10.0), 60.0, 2).is_empty());
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_its_room(text in any::<String>(), room in 20.0..300.0f64, most in 1usize..4) {
            let lines = wrapped(&text, &letters(12.0), room, most);
            prop_assert!(lines.len() <= most);
            for line in lines {
                prop_assert!(letters(12.0).width(&line) <= room + 1e-3, "{line:?}");
                prop_assert!(!line.chars().any(char::is_control));
            }
        }
    }
}
