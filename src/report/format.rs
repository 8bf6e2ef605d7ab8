//! Numbers as people read them.

use std::time::Duration;

/// A duration with about three digits that count: `81.3 ms`.
pub fn human_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos() as f64;
    let (value, unit) = match duration.as_nanos() {
        0 => return "0".into(),
        ..1_000 => (nanos, "ns"),
        ..1_000_000 => (nanos / 1e3, "µs"),
        ..1_000_000_000 => (nanos / 1e6, "ms"),
        ..120_000_000_000 => (nanos / 1e9, "s"),
        _ => (nanos / 60e9, "min"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// A number with as many digits behind the point as its size calls for.
pub(super) fn decimal(value: f64) -> String {
    let digits = if value.abs() < 10.0 { 2 } else { usize::from(value.abs() < 1000.0) };
    format!("{value:.digits$}")
}

/// A number of bytes: `1.5 kB`.
pub fn human_bytes(bytes: f64) -> String {
    let (value, unit) = match bytes {
        ..1e3 => return format!("{bytes:.0} B"),
        ..1e6 => (bytes / 1e3, "kB"),
        ..1e9 => (bytes / 1e6, "MB"),
        _ => (bytes / 1e9, "GB"),
    };
    format!("{} {unit}", decimal(value))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for (bytes, text) in [(12.0, "12 B"), (1_500.0, "1.50 kB"), (64e6, "64.0 MB"), (2.1e9, "2.10 GB")] {
            assert_eq!(human_bytes(bytes), text);
        }
    }
}
