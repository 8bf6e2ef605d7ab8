//! Latencies between real hosts, as somebody measured them: a table of one-way delays from a file of round
//! trips.

use super::data::{DataError, Place, quoted, utf8};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The longest round trip that is taken for one, in milliseconds: an hour.
const LONGEST_MS: f64 = 3_600_000.0;

/// One-way delays between hosts, in whole nanoseconds: half of each round trip, since nobody measured more.
///
/// Two nodes on one host, and two hosts whose round trip is given as zero (closer than the clock could tell),
/// are as far apart as the nearest two hosts: no message of a simulation takes no time at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    hosts: usize,
    names: Option<Vec<String>>,
    /// Row by row, all positive.
    nanos: Vec<u64>,
    largest: u64,
}

impl Matrix {
    /// Reads round trips in milliseconds, 0 to 3,600,000 (an hour). The first byte that is not blank tells the
    /// shapes apart:
    ///
    /// - `{`: JSON, `{"data": {FROM: {TO: ms}}}`. Every host needs an entry for every other, its own is
    ///   optional. Hosts are numbered by name in ascending order. Other keys beside `data` are ignored.
    /// - else a square of numbers, a row a line, separated by spaces or tabs. Blank lines are ignored.
    ///
    /// # Errors
    /// If the file is not such a square, names a value outside that range, or has no positive entry.
    pub fn parse(bytes: &[u8]) -> Result<Matrix, DataError> {
        let text = utf8(bytes)?;
        if text.trim_start().starts_with('{') { parse_json(text) } else { parse_square(text) }
    }

    /// Takes round trips in milliseconds, row by row.
    fn from_round_trips(hosts: usize, names: Option<Vec<String>>, ms: &[f64]) -> Result<Matrix, DataError> {
        let half = |ms: &f64| (ms * 500_000.0).round() as u64;
        let mut nanos: Vec<u64> = ms.iter().map(half).collect();
        let Some(smallest) = nanos.iter().copied().filter(|&nanos| nanos > 0).min() else {
            return Err(DataError::new(Place::File, "no positive entry", "round trips in milliseconds"));
        };
        nanos.iter_mut().for_each(|nanos| *nanos = smallest.max(*nanos));
        for host in 0..hosts {
            nanos[host * hosts + host] = smallest;
        }
        let largest = nanos.iter().copied().max().unwrap_or(smallest);
        Ok(Matrix { hosts, names, nanos, largest })
    }

    /// How many hosts; at least one.
    pub fn hosts(&self) -> usize {
        self.hosts
    }

    /// The names of the hosts, ascending, if the file has names.
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// The number of the host with this name.
    pub fn host_named(&self, name: &str) -> Option<usize> {
        self.names()?.binary_search_by(|other| other.as_str().cmp(name)).ok()
    }

    /// How long a message takes from one host to another, or between two nodes on one host. Never zero.
    ///
    /// # Panics
    /// If there is no such host.
    pub fn one_way(&self, from: usize, to: usize) -> Duration {
        assert!(to < self.hosts, "host {to} of {}", self.hosts);
        Duration::from_nanos(self.nanos[from * self.hosts + to])
    }

    /// The longest of all delays. Never zero.
    pub fn largest(&self) -> Duration {
        Duration::from_nanos(self.largest)
    }
}

fn parse_square(text: &str) -> Result<Matrix, DataError> {
    let rows: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if rows.is_empty() {
        return Err(DataError::new(Place::File, "nothing", "at least one host"));
    }
    let mut entries = Vec::new();
    for (row, line) in (1..).zip(&rows) {
        let before = entries.len();
        for (column, word) in (1..).zip(line.split_whitespace()) {
            entries.push(round_trip(word.parse().ok(), word, || Place::Entry { row, column })?);
        }
        let length = entries.len() - before;
        if length != rows.len() {
            let expected = format!("{}, as many as there are rows", rows.len());
            return Err(DataError::new(Place::Row(row), format!("{length} entries"), expected));
        }
    }
    Matrix::from_round_trips(rows.len(), None, &entries)
}

/// The file in JSON. Entries stay untyped, so that an error can name the two hosts.
#[derive(serde::Deserialize)]
struct Named {
    data: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

fn parse_json(text: &str) -> Result<Matrix, DataError> {
    let expected = r#"{"data": {FROM: {TO: milliseconds}}}"#;
    let Named { data } = serde_json::from_str(text)
        .map_err(|error| DataError::new(Place::Line(error.line()), error.to_string(), expected))?;
    let names: BTreeSet<&String> = data.keys().chain(data.values().flat_map(BTreeMap::keys)).collect();
    if names.is_empty() {
        return Err(DataError::new(Place::File, "nothing below `data`", "at least one host"));
    }
    let mut entries = Vec::new();
    for &from in &names {
        for &to in &names {
            let place = || Place::Pair { from: from.clone(), to: to.clone() };
            entries.push(match data.get(from).and_then(|row| row.get(to)) {
                Some(value) => round_trip(value.as_f64(), &value.to_string(), place)?,
                None if from == to => 0.0,
                None => return Err(DataError::new(place(), "no entry", "a round trip in milliseconds")),
            });
        }
    }
    Matrix::from_round_trips(names.len(), Some(names.into_iter().cloned().collect()), &entries)
}

/// A round trip in milliseconds, if it is one.
fn round_trip(ms: Option<f64>, text: &str, place: impl FnOnce() -> Place) -> Result<f64, DataError> {
    // A comparison with NaN is false, so NaN is refused as well.
    ms.filter(|ms| (0.0..=LONGEST_MS).contains(ms)).ok_or_else(|| {
        let expected = "a round trip in milliseconds, 0 to 3600000 (an hour)";
        DataError::new(place(), quoted(text), expected)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::data::measured;

    fn fails(text: &str) -> String {
        Matrix::parse(text.as_bytes()).unwrap_err().to_string()
    }

    fn nanos(matrix: &Matrix, from: usize, to: usize) -> u64 {
        crate::time::nanos(matrix.one_way(from, to))
    }

    #[test]
    fn a_square_is_halved_and_rounded() {
        let matrix = Matrix::parse(b"\r\n0\t10.5  0.000003\r\n\n20 7 0\n 1 0.5 0\n").unwrap();
        assert_eq!((matrix.hosts(), matrix.names(), matrix.host_named("0")), (3, None, None));
        // 0.0000015 ms are 1.5 ns, rounded up.
        assert_eq!((nanos(&matrix, 0, 2), nanos(&matrix, 0, 0)), (2, 2));
        assert_eq!(matrix.largest(), matrix.one_way(1, 0));
        assert_eq!((nanos(&matrix, 0, 1), nanos(&matrix, 1, 0)), (5_250_000, 10_000_000));
        assert_eq!((nanos(&matrix, 2, 0), nanos(&matrix, 2, 1)), (500_000, 250_000));
    }

    #[test]
    fn one_host_and_hosts_at_no_distance_are_as_near_as_the_nearest() {
        let matrix = Matrix::parse(b"0 8 4\n8 6 0\n4 0 0").unwrap();
        for (from, to) in [(0, 0), (1, 1), (2, 2), (1, 2), (2, 1)] {
            assert_eq!(nanos(&matrix, from, to), 2_000_000);
        }
    }

    #[test]
    fn hosts_with_names_are_in_the_order_of_their_names() {
        let text = r#"{"unit": "ms", "data": {"b": {"a": 4}, "c": {"b": 7, "a": 6, "c": 1}, "a": {"b": 2, "c": 3.5}}}"#;
        let text = text.replace(r#""b": {"a": 4}"#, r#""b": {"a": 4, "c": 5}"#);
        let matrix = Matrix::parse(text.as_bytes()).unwrap();
        assert_eq!(matrix.names().unwrap(), ["a", "b", "c"]);
        assert_eq!((matrix.host_named("c"), matrix.host_named("d")), (Some(2), None));
        assert_eq!((nanos(&matrix, 0, 2), nanos(&matrix, 2, 0)), (1_750_000, 3_000_000));
        assert_eq!((nanos(&matrix, 0, 0), nanos(&matrix, 1, 1)), (500_000, 500_000));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let range = "expected a round trip in milliseconds, 0 to 3600000 (an hour)";
        for (text, error) in [
            ("", "found nothing, expected at least one host".into()),
            (" \n\t\n", "found nothing, expected at least one host".into()),
            ("0 1\n1 0 2\n", "row 2: found 3 entries, expected 2, as many as there are rows".into()),
            ("0 1\n1 0\n2 2", "row 1: found 2 entries, expected 3, as many as there are rows".into()),
            ("0 1\n\nx,y 0", format!("row 2, column 1: found `x,y`, {range}")),
            ("0 -1\n1 0", format!("row 1, column 2: found `-1`, {range}")),
            ("0 NaN\n1 0", format!("row 1, column 2: found `NaN`, {range}")),
            ("0 1\ninf 0", format!("row 2, column 1: found `inf`, {range}")),
            ("0 1\n3600000.1 0", format!("row 2, column 1: found `3600000.1`, {range}")),
            ("0", "found no positive entry, expected round trips in milliseconds".into()),
            (r#"{"data": {}}"#, "found nothing below `data`, expected at least one host".into()),
            (
                r#"{"data": {"a": {}}}"#,
                "found no positive entry, expected round trips in milliseconds".into(),
            ),
            (r#"{"data": {"a": {"b": "4"}}}"#, format!("`a` to `b`: found `\"4\"`, {range}")),
            (r#"{"data": {"a": {"b": -4}}}"#, format!("`a` to `b`: found `-4`, {range}")),
            (
                r#"{"data": {"a": {"b": 4}}}"#,
                "`b` to `a`: found no entry, expected a round trip in milliseconds".into(),
            ),
        ] {
            assert_eq!(fails(text), error, "{text}");
        }
        assert!(fails("{\n\"date\": {}}").starts_with("line 2: found missing field `data`"));
        assert_eq!(
            Matrix::parse(b"0 \xff").unwrap_err().to_string(),
            "line 1: found the byte 0xff, expected text in UTF-8"
        );
    }

    #[test]
    fn one_host_is_enough() {
        let matrix = Matrix::parse(br#"{"data": {"a": {"a": 3}}}"#).unwrap();
        assert_eq!((matrix.hosts(), nanos(&matrix, 0, 0)), (1, 1_500_000));
    }

    #[test]
    fn planetlab_is_read() {
        let Some(bytes) = measured("planetlab-490-rtt-ms.txt") else { return };
        let matrix = Matrix::parse(&bytes).unwrap();
        assert_eq!((matrix.hosts(), matrix.names()), (490, None));
        for from in 0..490 {
            assert!((0..from).all(|to| matrix.one_way(from, to) == matrix.one_way(to, from)));
        }
        assert_eq!(nanos(&matrix, 0, 3), 60_710_000);
        assert_eq!(nanos(&matrix, 7, 7), 43_000);
    }

    #[test]
    fn the_regions_of_aws_are_read() {
        let Some(bytes) = measured("aws-33-p50-ms.json") else { return };
        let matrix = Matrix::parse(&bytes).unwrap();
        let host = |name| matrix.host_named(name).unwrap();
        assert_eq!((matrix.hosts(), matrix.names().unwrap()[0].as_str()), (33, "af-south-1"));
        // 16.704 ms there and back.
        assert_eq!(nanos(&matrix, host("us-east-1"), host("ca-central-1")), 8_352_000);
    }
}
