//! When nodes are up, as somebody measured it: a file of intervals.

use crate::time::nanos;
use crate::units::{grouped, parse_duration};
use rustc_hash::FxHashMap;
use std::time::Duration;

/// The most intervals that a file of up times may have. Reading them takes about 65 bytes each, and the
/// names.
pub const MAX_INTERVALS: usize = 10_000_000;

/// When nodes are up, as somebody measured it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpTimes {
    names: Vec<String>,
    events: Vec<Event>,
}

/// Which way a node goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Going {
    /// It goes away.
    Down,
    /// It comes, or comes back.
    Up,
}

/// Ordered as its fields are: at one moment, all that go do so before all that come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Event {
    nanos: u64,
    going: Going,
    node: u32,
}

/// A file of up times says something that cannot be used. Who opened the file adds its path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}; {remedy}")]
pub struct UpTimesError {
    /// The line, from 1.
    pub line: usize,
    /// The place in the line in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

impl UpTimes {
    /// Reads a file of one interval a line: `NODE UP DOWN`, separated by spaces or tabs.
    ///
    /// `NODE` is any word that does not begin with `#`. `UP` and `DOWN` are seconds from the start of the
    /// churn, up to 100 years, with up to nine digits behind a decimal point, read exactly; `DOWN` is later
    /// than `UP`, or `-` for a node that stays. A node may have several intervals, in any order, that do not
    /// overlap; where one begins when another ends, the node goes down and comes up at the same moment. `#`
    /// begins a comment; blank lines are ignored.
    ///
    /// # Errors
    /// The first line that says anything else, more than [`MAX_INTERVALS`] or none, two intervals of one node
    /// that overlap, or what is not UTF-8.
    pub fn parse(text: &[u8]) -> Result<UpTimes, UpTimesError> {
        UpTimes::parse_at_most(MAX_INTERVALS, text)
    }

    fn parse_at_most(most: usize, text: &[u8]) -> Result<UpTimes, UpTimesError> {
        // (Some editors put a mark in front.)
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let (mut nodes, mut intervals) = (Nodes::default(), Vec::new());
        let mut end = Place { line: 1, column: 1 };
        for (line, bytes) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            end.line = line;
            let Some(interval) = read_line(line, bytes, &mut nodes)? else { continue };
            if intervals.len() == most {
                let problem = format!("one interval more than {}", grouped(most as u64));
                return Err(interval.place().error(problem, "take a part of the trace"));
            }
            intervals.push(interval);
        }
        if intervals.is_empty() {
            return Err(end.error("the file ends without an interval", FORM));
        }
        check_overlaps(&mut intervals, &nodes.names)?;
        Ok(UpTimes { names: nodes.names, events: events(&intervals) })
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.names.len()
    }

    /// What a node is called in the file. Nodes are numbered from 0, in the order in which the file names
    /// them first.
    pub fn name(&self, node: usize) -> Option<&str> {
        self.names.get(node).map(String::as_str)
    }

    /// Everything that happens, in the order of time: when, counted from the start of the churn, which node,
    /// and which way.
    ///
    /// Every node goes up first, and from then on down and up in turns. At one moment, those that go down
    /// come first, then those that go up, each in the order of their numbers.
    pub fn events(&self) -> impl Iterator<Item = (Duration, usize, Going)> + '_ {
        (0..self.events.len()).map_while(|number| self.event(number))
    }

    /// One of the [`events`](UpTimes::events), by its place in their order, from 0.
    pub fn event(&self, number: usize) -> Option<(Duration, usize, Going)> {
        let event = self.events.get(number)?;
        Some((Duration::from_nanos(event.nanos), event.node as usize, event.going))
    }
}

/// One line of a file. (In 32 bytes, since there may be many.)
struct Interval {
    up: u64,
    down: u64,
    line: usize,
    column: u32,
    node: u32,
}

/// When nodes go down that stay: later than anything that a file can say.
const STAYS: u64 = u64::MAX;

const FORM: &str = "write `NODE UP DOWN`, with `-` for DOWN if the node stays";

/// The nodes that a file has named so far.
#[derive(Default)]
struct Nodes<'a> {
    numbers: FxHashMap<&'a str, u32>,
    names: Vec<String>,
}

impl<'a> Nodes<'a> {
    fn number(&mut self, name: &'a str) -> u32 {
        *self.numbers.entry(name).or_insert_with(|| {
            self.names.push(name.into());
            self.names.len() as u32 - 1
        })
    }
}

#[derive(Clone, Copy)]
struct Place {
    line: usize,
    column: usize,
}

impl Place {
    fn error(self, problem: impl Into<String>, remedy: impl Into<String>) -> UpTimesError {
        let Place { line, column } = self;
        UpTimesError { line, column, problem: problem.into(), remedy: remedy.into() }
    }
}

impl Interval {
    fn place(&self) -> Place {
        Place { line: self.line, column: self.column as usize }
    }
}

/// The interval that a line tells of; `None` if it is blank or a comment.
fn read_line<'a>(
    line: usize,
    bytes: &'a [u8],
    nodes: &mut Nodes<'a>,
) -> Result<Option<Interval>, UpTimesError> {
    let text = text_of(line, bytes)?;
    let place = |column| Place { line, column };
    let mut words = words(text).take_while(|(_, word)| !word.starts_with('#'));
    let Some((column, name)) = words.next() else { return Ok(None) };
    let mut time = |what: &str| {
        let end = text.trim_end().chars().count() + 1;
        words.next().ok_or_else(|| place(end).error(format!("{what} is missing"), FORM))
    };
    let ((up_at, up), (down_at, down)) = (time("UP")?, time("DOWN")?);
    if let Some((at, word)) = words.next() {
        let remedy = "write one interval a line, `NODE UP DOWN`; a comment begins with `#`";
        return Err(place(at).error(format!("{} is one word too many", quoted(word)), remedy));
    }
    let starts = seconds(up).map_err(|(problem, remedy)| place(up_at).error(problem, remedy))?;
    let ends = match down {
        "-" => STAYS,
        _ => seconds(down).map_err(|(problem, remedy)| place(down_at).error(problem, remedy))?,
    };
    if ends <= starts {
        let problem = format!("DOWN, {}, is not later than UP, {}", quoted(down), quoted(up));
        return Err(place(down_at).error(problem, "DOWN is later than UP, or `-` if the node stays"));
    }
    let column = u32::try_from(column).unwrap_or(u32::MAX);
    Ok(Some(Interval { up: starts, down: ends, line, column, node: nodes.number(name) }))
}

fn text_of(line: usize, bytes: &[u8]) -> Result<&str, UpTimesError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let (before, after) = bytes.split_at(error.valid_up_to());
        let column = String::from_utf8_lossy(before).chars().count() + 1;
        let problem = format!("the byte 0x{:02x} is no text", after[0]);
        Place { line, column }.error(problem, "save the file as UTF-8")
    })
}

/// The words of a line, each with its column.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut next = 1;
    line.split(char::is_whitespace).filter_map(move |word| {
        let column = next;
        next += word.chars().count() + 1;
        (!word.is_empty()).then_some((column, word))
    })
}

/// Decimal seconds in nanoseconds, exactly; or what is wrong with them, and what would be right.
fn seconds(word: &str) -> Result<u64, (String, &'static str)> {
    use crate::units::DurationError::{TooFine, TooLong};
    let plain = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match plain.then(|| parse_duration(&format!("{word}s"))) {
        Some(Ok(duration)) => Ok(nanos(duration)),
        Some(Err(TooFine(_))) => Err((
            format!("{} is not a whole number of nanoseconds", quoted(word)),
            "write at most nine digits behind the point",
        )),
        Some(Err(TooLong(_))) => {
            Err((format!("{} is too late", quoted(word)), "the latest is 100 years, 3153600000"))
        }
        _ => Err((
            format!("{} is not a number of seconds", quoted(word)),
            "write seconds from the start of the churn, 0 or more, such as 12.5",
        )),
    }
}

/// A word for a message: printable and short, because a wrong file may hold anything.
fn quoted(word: &str) -> String {
    const LONGEST: usize = 40;
    let more = if word.chars().nth(LONGEST).is_some() { "…" } else { "" };
    let shown: String = word.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    format!("`{shown}{more}`")
}

/// Sorts the intervals by node and time, and finds two that overlap.
fn check_overlaps(intervals: &mut [Interval], names: &[String]) -> Result<(), UpTimesError> {
    intervals.sort_unstable_by_key(|interval| (interval.node, interval.up, interval.line));
    // If any two overlap, then so do two that stand side by side.
    for pair in intervals.windows(2) {
        let [first, second] = pair else { unreachable!("windows of two") };
        if first.node == second.node && second.up < first.down {
            let (earlier, later) = if first.line < second.line { (first, second) } else { (second, first) };
            let name = quoted(&names[first.node as usize]);
            let problem = format!("{name} is already up for a part of that time, by line {}", earlier.line);
            return Err(later
                .place()
                .error(problem, "the intervals of a node do not overlap; make them one"));
        }
    }
    Ok(())
}

fn events(intervals: &[Interval]) -> Vec<Event> {
    let mut events = Vec::with_capacity(2 * intervals.len());
    for &Interval { up, down, node, .. } in intervals {
        events.push(Event { nanos: up, going: Going::Up, node });
        if down != STAYS {
            events.push(Event { nanos: down, going: Going::Down, node });
        }
    }
    events.sort_unstable();
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn parsed(text: &str) -> Vec<(u128, usize, Going)> {
        let up_times = UpTimes::parse(text.as_bytes()).unwrap();
        up_times.events().map(|(at, node, going)| (at.as_millis(), node, going)).collect()
    }

    #[test]
    fn events_come_in_the_order_of_time() {
        use Going::{Down, Up};
        let text = "\u{feff}# node up down\r\nb 5 7.25\r\n\n  a\t0   5 # the first\nb 0.001 5\nc 5 -\n#";
        let events = [
            (0, 1, Up),
            (1, 0, Up),
            (5_000, 0, Down),
            (5_000, 1, Down),
            (5_000, 0, Up),
            (5_000, 2, Up),
            (7_250, 0, Down),
        ];
        assert_eq!(parsed(text), events);
        let up_times = UpTimes::parse(text.as_bytes()).unwrap();
        assert_eq!((up_times.nodes(), up_times.events().count()), (3, 7));
        assert_eq!([0, 1, 2, 3].map(|node| up_times.name(node)), [Some("b"), Some("a"), Some("c"), None]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let number =
            "is not a number of seconds; write seconds from the start of the churn, 0 or more, such as 12.5";
        let overlap = "the intervals of a node do not overlap; make them one";
        let later = "DOWN is later than UP, or `-` if the node stays";
        for (text, error) in [
            ("", format!("line 1, column 1: the file ends without an interval; {FORM}")),
            ("# a 0 1\n\n", format!("line 3, column 1: the file ends without an interval; {FORM}")),
            ("a", format!("line 1, column 2: UP is missing; {FORM}")),
            ("a 0 1\n é 0 # 5", format!("line 2, column 9: DOWN is missing; {FORM}")),
            ("a x 1", format!("line 1, column 3: `x` {number}")),
            ("é 0 1e3", format!("line 1, column 5: `1e3` {number}")),
            ("a -1 3", format!("line 1, column 3: `-1` {number}")),
            ("a - 3", format!("line 1, column 3: `-` {number}")),
            ("a 1. 3", format!("line 1, column 3: `1.` {number}")),
            ("a 0 5m", format!("line 1, column 5: `5m` {number}")),
            ("a 0 \u{1b}", format!("line 1, column 5: `\\u{{1b}}` {number}")),
            ("a 3 2.5", format!("line 1, column 5: DOWN, `2.5`, is not later than UP, `3`; {later}")),
            ("a 3 3.0", format!("line 1, column 5: DOWN, `3.0`, is not later than UP, `3`; {later}")),
            (
                "a 0 1 2",
                "line 1, column 7: `2` is one word too many; write one interval a line, `NODE UP DOWN`; a \
                 comment begins with `#`"
                    .into(),
            ),
            (
                "a 0 0.0000000001",
                "line 1, column 5: `0.0000000001` is not a whole number of nanoseconds; write at most nine \
                 digits behind the point"
                    .into(),
            ),
            (
                "a 0 3153600001",
                "line 1, column 5: `3153600001` is too late; the latest is 100 years, 3153600000".into(),
            ),
            (
                "a 0 5\nb 1 2\n a 4 6",
                format!("line 3, column 2: `a` is already up for a part of that time, by line 1; {overlap}"),
            ),
            (
                "a 9 11\na 0 -",
                format!("line 2, column 1: `a` is already up for a part of that time, by line 1; {overlap}"),
            ),
        ] {
            assert_eq!(UpTimes::parse(text.as_bytes()).unwrap_err().to_string(), error, "{text}");
        }
        let error = UpTimes::parse(b"a 0 1\n\xc3\xa9 \xff").unwrap_err().to_string();
        assert_eq!(error, "line 2, column 3: the byte 0xff is no text; save the file as UTF-8");
        let error = UpTimes::parse_at_most(1, b"a 0 1\n# b\n b 0 1").unwrap_err().to_string();
        assert_eq!(error, "line 3, column 2: one interval more than 1; take a part of the trace");
    }

    /// What a trace of whole nanoseconds looks like in a file.
    fn written(trace: &BTreeMap<u8, Vec<(u64, Option<u64>)>>) -> String {
        let seconds = |nanos: u64| format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
        let line = |node: &u8, (up, down): &(u64, Option<u64>)| {
            format!("n{node} {} {}\n", seconds(*up), down.map_or("-".into(), seconds))
        };
        trace.iter().flat_map(|(node, spans)| spans.iter().rev().map(move |span| line(node, span))).collect()
    }

    /// A trace from its gaps: some nodes, each with intervals that touch at most.
    fn any_trace() -> impl Strategy<Value = BTreeMap<u8, Vec<(u64, Option<u64>)>>> {
        let gap = || 0u64..5_000_000_000;
        let intervals = proptest::collection::vec((gap(), gap()), 1..6);
        let node = (intervals, any::<bool>()).prop_map(|(gaps, stays)| {
            let mut now = 0;
            let mut spans = Vec::new();
            for (away, up) in gaps {
                spans.push((now + away, Some(now + away + up + 1)));
                now += away + up + 1;
            }
            if stays {
                spans.last_mut().unwrap().1 = None;
            }
            spans
        });
        proptest::collection::btree_map(any::<u8>(), node, 1..8)
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(trace in any_trace()) {
            let up_times = UpTimes::parse(written(&trace).as_bytes()).unwrap();
            let mut read: BTreeMap<u8, Vec<(u64, Option<u64>)>> = BTreeMap::new();
            let mut before = Duration::ZERO;
            for (at, node, going) in up_times.events() {
                prop_assert!(before <= at);
                before = at;
                let spans = read.entry(up_times.name(node).unwrap()[1..].parse().unwrap()).or_default();
                match going {
                    Going::Up => spans.push((nanos(at), None)),
                    Going::Down => spans.last_mut().unwrap().1 = Some(nanos(at)),
                }
            }
            prop_assert_eq!(read, trace);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = UpTimes::parse(&bytes);
        }

        #[test]
        fn no_file_that_is_almost_right_makes_it_panic(
            lines in proptest::collection::vec("[abé#]{1,2}[ \t][0-9.-]{1,3} [0-9.-]{1,11}[\r #]{0,2}", 0..8)
        ) {
            let _ = UpTimes::parse(lines.join("\n").as_bytes());
        }
    }
}
