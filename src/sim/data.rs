//! What can be wrong with a data file: a graph or a matrix that somebody measured.

use std::fmt;

/// A data file says something that cannot be used. Who opened the file adds its path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}found {found}, expected {expected}")]
pub struct DataError {
    /// Where in the file.
    pub place: Place,
    /// What stands there, short and printable.
    pub found: String,
    /// What should stand there.
    pub expected: String,
}

/// Where in a data file something is wrong. Lines, rows and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A line of the file.
    Line(usize),
    /// A row of a matrix; blank lines are not counted.
    Row(usize),
    /// One entry of a matrix.
    Entry {
        /// Its row; blank lines are not counted.
        row: usize,
        /// Its place within the row.
        column: usize,
    },
    /// The entry between two hosts that have names.
    Pair {
        /// The host that the entry leads from.
        from: String,
        /// The host that it leads to.
        to: String,
    },
}

impl fmt::Display for Place {
    /// Ready to be put before a message: `line 3: `; nothing for the whole file.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Place::File => Ok(()),
            Place::Line(line) => write!(f, "line {line}: "),
            Place::Row(row) => write!(f, "row {row}: "),
            Place::Entry { row, column } => write!(f, "row {row}, column {column}: "),
            Place::Pair { from, to } => write!(f, "{} to {}: ", quoted(from), quoted(to)),
        }
    }
}

impl DataError {
    pub(crate) fn new(place: Place, found: impl Into<String>, expected: impl Into<String>) -> DataError {
        DataError { place, found: found.into(), expected: expected.into() }
    }
}

/// The file as text, without the mark that some editors put in front.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, DataError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let byte = bytes[error.valid_up_to()];
        DataError::new(Place::Line(line), format!("the byte 0x{byte:02x}"), "text in UTF-8")
    })
}

/// A piece of the file for a message: without control characters, and cut short, because a wrong file may hold
/// anything.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut shown: String = text.chars().take(LONGEST).map(printable).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// For tests: a file of the measured data that lies beside the project, if `RUMORMILL_DATA` says where.
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the data is not part of the repository; no run depends on it")]
pub(crate) fn measured(file: &str) -> Option<Vec<u8>> {
    let Ok(folder) = std::env::var("RUMORMILL_DATA") else {
        eprintln!("skipped: RUMORMILL_DATA does not say where {file} is");
        return None;
    };
    Some(
        std::fs::read(std::path::Path::new(&folder).join(file))
            .expect("RUMORMILL_DATA names the data's folder"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_it_is_and_what_was_expected() {
        let pair = Place::Pair { from: "a".into(), to: "b".into() };
        for (place, text) in [
            (Place::File, "found x, expected y"),
            (Place::Line(3), "line 3: found x, expected y"),
            (Place::Row(3), "row 3: found x, expected y"),
            (Place::Entry { row: 3, column: 4 }, "row 3, column 4: found x, expected y"),
            (pair, "`a` to `b`: found x, expected y"),
        ] {
            assert_eq!(DataError::new(place, "x", "y").to_string(), text);
        }
    }

    #[test]
    fn what_is_not_text_is_found_by_its_line() {
        assert_eq!(utf8("\u{feff}0 1".as_bytes()), Ok("0 1"));
        let error = utf8(b"0 1\n0 \xff\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: found the byte 0xff, expected text in UTF-8");
    }

    #[test]
    fn a_quotation_is_short_and_printable() {
        assert_eq!(quoted("a\tb\u{1b}"), "`a\u{fffd}b\u{fffd}`");
        assert_eq!(quoted(&"é".repeat(41)), format!("`{}…`", "é".repeat(40)));
    }
}
