//! Quantities as people write them in files and on the command line: durations with units, shares.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// The longest duration that a file may name: 100 years.
pub const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The units, with their length in nanoseconds; the first that divides a duration is the one it is written in.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Why a text is no duration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DurationError {
    /// There is no number in front.
    #[error("`{0}` is not a duration; write a number and a unit, such as \"10ms\"")]
    NoNumber(String),
    /// There is no unit behind.
    #[error("`{0}` has no unit; write \"{0}ms\" or \"{0}s\" (units: ns, us, ms, s, min, h, d)")]
    NoUnit(String),
    /// The unit is unknown.
    #[error("`{0}` is not a unit of time; the units are ns, us, ms, s, min, h, d")]
    UnknownUnit(String),
    /// It is below zero.
    #[error("`{0}` is negative; durations start at 0s")]
    Negative(String),
    /// It does not fit.
    #[error("`{0}` is too long; the longest duration is 36500d")]
    TooLong(String),
    /// It is finer than a nanosecond.
    #[error("`{0}` is not a whole number of nanoseconds")]
    TooFine(String),
}

/// Reads a duration: a decimal number and a unit, `10ms`, `1.5s`, `2min`. Exact: no floating point is involved.
///
/// # Errors
/// If the text is anything else, negative, longer than [`LONGEST`], or not a whole number of nanoseconds.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let trimmed = text.trim();
    if let Some(positive) = trimmed.strip_prefix('-')
        && positive.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(DurationError::Negative(trimmed.into()));
    }
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = (&trimmed[..split], trimmed[split..].trim_start());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) || fraction.contains('.') {
        return Err(DurationError::NoNumber(text.into()));
    }
    if unit.is_empty() {
        return Err(DurationError::NoUnit(trimmed.into()));
    }
    let unit = if unit == "µs" { "us" } else { unit };
    let Some(&(_, length)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(DurationError::UnknownUnit(unit.into()));
    };
    let too_long = || DurationError::TooLong(trimmed.into());
    let mut nanos = whole.parse::<u64>().map_err(|_| too_long())? as u128 * length;
    let mut place = length;
    for digit in fraction.bytes().map(|digit| u128::from(digit - b'0')) {
        match (place % 10 == 0, digit) {
            (true, _) => place /= 10,
            (false, 0) => continue,
            (false, _) => return Err(DurationError::TooFine(trimmed.into())),
        }
        nanos += digit * place;
    }
    let nanos = u64::try_from(nanos).map_err(|_| too_long())?;
    Some(Duration::from_nanos(nanos)).filter(|duration| *duration <= LONGEST).ok_or_else(too_long)
}

/// Writes a duration as [`parse_duration`] reads it, in the greatest unit of which it is a whole number.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".into();
    }
    let (unit, length) =
        UNITS.iter().find(|(_, length)| nanos.is_multiple_of(*length)).expect("1 ns divides everything");
    format!("{}{unit}", nanos / length)
}

/// A whole number with its thousands apart: `35,254`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its thousands apart.
pub fn counted(number: usize) -> String {
    grouped(number as u64)
}

/// A duration with about three digits that count: `81.3 ms`.
pub fn human_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos() as f64;
    let (value, unit) = match duration.as_nanos() {
        0 => return "0".into(),
        1..1_000 => (nanos, "ns"),
        1_000..1_000_000 => (nanos / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanos / 1e6, "ms"),
        1_000_000_000..120_000_000_000 => (nanos / 1e9, "s"),
        120_000_000_000..7_200_000_000_000 => (nanos / 60e9, "min"),
        7_200_000_000_000..172_800_000_000_000 => (nanos / 3_600e9, "h"),
        _ => (nanos / 86_400e9, "d"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// A number with as many digits behind the point as its size calls for.
pub fn decimal(value: f64) -> String {
    let digits = if value.abs() < 10.0 { 2 } else { usize::from(value.abs() < 1000.0) };
    format!("{value:.digits$}")
}

/// A number of bytes: `1.5 kB`.
pub fn human_bytes(bytes: f64) -> String {
    let (value, unit) = match bytes {
        ..1e3 => return format!("{bytes:.0} B"),
        ..1e6 => (bytes / 1e3, "kB"),
        ..1e9 => (bytes / 1e6, "MB"),
        ..1e12 => (bytes / 1e9, "GB"),
        _ => (bytes / 1e12, "TB"),
    };
    format!("{} {unit}", decimal(value))
}

/// How durations stand in files, for serde and the schema: `#[serde(with = "units::DurationText")]`.
pub struct DurationText;

impl DurationText {
    /// As [`format_duration`].
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(*duration))
    }

    /// As [`parse_duration`].
    ///
    /// # Errors
    /// Those of [`parse_duration`], and for anything that is not a string.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_str(DurationText)
    }
}

impl Visitor<'_> for DurationText {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a duration with its unit, such as \"10ms\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse_duration(text).map_err(E::custom)
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration: a number and its unit (ns, us, ms, s, min, h, d).",
            "type": "string",
            "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(ns|us|µs|ms|s|min|h|d)\s*$",
            "examples": ["10ms", "1.5s", "2min"],
        })
    }
}

/// As [`DurationText`], for what may be left out.
pub struct OptionalDuration;

impl OptionalDuration {
    /// As [`DurationText::serialize`].
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => DurationText::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// As [`DurationText::deserialize`].
    ///
    /// # Errors
    /// Those of [`DurationText::deserialize`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        DurationText::deserialize(deserializer).map(Some)
    }
}

impl JsonSchema for OptionalDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OptionalDuration".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<DurationText>()
    }
}

/// How shares and probabilities, 0 to 1, stand in files: `#[serde(with = "units::Share")]`.
pub struct Share;

impl Share {
    /// A plain number.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(share: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*share)
    }

    /// A number from 0 to 1.
    ///
    /// # Errors
    /// For anything else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let share = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&share) {
            return Ok(share);
        }
        Err(de::Error::custom(format_args!("`{share}` is not a share; a share lies between 0 and 1")))
    }
}

impl JsonSchema for Share {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_exactly_or_refused() {
        let nanos =
            |text: &str| parse_duration(text).map(|duration| duration.as_nanos()).map_err(|e| e.to_string());
        for (text, expected) in [
            ("10ms", 10_000_000),
            ("0s", 0),
            ("1.5s", 1_500_000_000),
            ("0.000000001s", 1),
            ("2 min", 120_000_000_000),
            ("1.25h", 4_500_000_000_000),
            ("7us", 7_000),
            ("7µs", 7_000),
            ("0.1min", 6_000_000_000),
        ] {
            assert_eq!(nanos(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "ms",
            "-1s",
            "5",
            "5 parsecs",
            "1.2.3s",
            "1.s",
            ".5s",
            "1e3s",
            "0.5ns",
            "0.0000000000001s",
            "0.01234567890012min",
            "999999999d",
            "99999999999999999999s",
            "∞",
            "NaN",
        ] {
            assert!(nanos(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_read_well() {
        for (nanos, text) in [
            (0, "0"),
            (999, "999 ns"),
            (81_340_000, "81.3 ms"),
            (1_500, "1.50 µs"),
            (1_500_000_000, "1.50 s"),
            (180_000_000_000, "3.00 min"),
        ] {
            assert_eq!(human_duration(Duration::from_nanos(nanos)), text);
        }
        for (bytes, text) in
            [(12.0, "12 B"), (1_500.0, "1.50 kB"), (64e6, "64.0 MB"), (2.1e9, "2.10 GB"), (3e12, "3.00 TB")]
        {
            assert_eq!(human_bytes(bytes), text);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (35_254, "35,254"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(nanos in 0u64..3_000_000_000_000_000_000) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = parse_duration(&text);
        }
    }
}
