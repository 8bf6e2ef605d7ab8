//! What a sweep is asked for: seeds, and the values of settings.

use super::super::Failure;
use super::super::arguments::{Changes, DEFAULT_OUT, ScenarioArguments};
use crate::report::Setting;
use crate::units::grouped;
use clap::Args;
use std::fmt::{self, Display};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Args)]
pub(in super::super) struct SweepArguments {
    /// The scenario file
    file: PathBuf,
    /// The seeds: `0..1000` (these are 0 to 999), `5`, `1,7,9`, or such parts with commas between
    #[arg(long)]
    pub(super) seeds: Seeds,
    /// Give a value of the scenario, or several in turn: `--set links.jitter.share=0,0.1,0.2`; may be repeated, and then
    /// every combination is run. A comma inside brackets, braces or double quotes belongs to the value
    #[arg(long, value_name = "PATH=VALUE[,VALUE…]")]
    set: Vec<Axis>,
    /// How many runs at once; the results do not depend on it [default: as many as there are cores, and as fit into memory]
    #[arg(long, value_name = "NUMBER")]
    pub(super) threads: Option<NonZeroUsize>,
    /// Stop at the first run that fails; runs with a later seed or setting are not among the results
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// A folder in which data files are looked for, after the scenario's own; may be repeated
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,
    /// The folder for results; they go to DIR/<scenario>/sweep/, and stand in sweep.interrupted/ until they are whole. The
    /// same command goes on with an interrupted sweep
    #[arg(long, value_name = "DIR", default_value = DEFAULT_OUT)]
    pub(super) out: PathBuf,
    /// Go on even if the memory of this machine will probably not do
    #[arg(long)]
    pub(super) force: bool,
    /// Print the summary as JSON
    #[arg(long, conflicts_with = "quiet")]
    pub(super) json: bool,
    /// Print nothing but errors; the exit code tells the worst verdict
    #[arg(long)]
    pub(super) quiet: bool,
}

/// More settings than this are a mistake: nobody could read what they say.
const MOST_SETTINGS: usize = 1_000;
/// What is kept of so many runs takes some hundred megabytes.
const MOST_RUNS: u64 = 1_000_000;

/// One setting of a sweep, and the scenario with it.
pub(super) struct Variant {
    pub(super) setting: Setting,
    pub(super) scenario: ScenarioArguments,
}

impl SweepArguments {
    /// The scenario's name, after its file.
    pub(super) fn name(&self) -> String {
        self.variant(&[]).scenario.name()
    }

    /// Every combination of the values, the last one changing fastest.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there are too many, or a path has values twice.
    pub(super) fn variants(&self) -> Result<Vec<Variant>, Failure> {
        for (number, axis) in self.set.iter().enumerate() {
            if axis.path == "seed" {
                return Err(Failure::Usage("the seeds of a sweep are given by --seeds".into()));
            }
            if self.set[..number].iter().any(|other| other.path == axis.path) {
                let path = &axis.path;
                return Err(Failure::Usage(format!("{path} is set twice; write --set {path}=VALUE,VALUE")));
            }
        }
        let mut combinations: Vec<Vec<(String, String)>> = vec![Vec::new()];
        for Axis { path, values } in &self.set {
            if combinations.len() * values.len() > MOST_SETTINGS {
                let most = grouped(MOST_SETTINGS as u64);
                return Err(Failure::Usage(format!("these are more than {most} combinations of values")));
            }
            let with = |values_before: &Vec<(String, String)>, value: &String| {
                let mut longer = values_before.clone();
                longer.push((path.clone(), value.clone()));
                longer
            };
            combinations = combinations
                .iter()
                .flat_map(|before| values.iter().map(move |value| with(before, value)))
                .collect();
        }
        let runs = u128::from(self.seeds.count()) * combinations.len() as u128;
        if runs > u128::from(MOST_RUNS) {
            let most = grouped(MOST_RUNS);
            return Err(Failure::Usage(format!("these are {runs} runs; a sweep has at most {most}")));
        }
        Ok(combinations.iter().map(|set| self.variant(set)).collect())
    }

    fn variant(&self, set: &[(String, String)]) -> Variant {
        let json = |value: &String| serde_json::from_str(value).unwrap_or_else(|_| value.clone().into());
        Variant {
            setting: set.iter().map(|(path, value)| (path.clone(), json(value))).collect(),
            scenario: ScenarioArguments {
                file: self.file.clone(),
                changes: Changes { seed: None, set: set.to_vec(), data: self.data.clone() },
                force: self.force,
            },
        }
    }
}

/// Seeds, each of them once.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Seeds(Vec<RangeInclusive<u64>>);

impl Seeds {
    /// How many.
    pub(super) fn count(&self) -> u64 {
        let count = |range: &RangeInclusive<u64>| (range.end() - range.start()).saturating_add(1);
        self.0.iter().map(count).fold(0, u64::saturating_add)
    }

    /// One of them by its number, in the order in which they were named.
    ///
    /// # Panics
    /// If there are not so many.
    pub(super) fn nth(&self, mut number: u64) -> u64 {
        for range in &self.0 {
            match range.end() - range.start() {
                more if number <= more => return range.start() + number,
                more => number -= more + 1,
            }
        }
        panic!("there are only {} seeds", self.count());
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seeds, String> {
        let ranges: Vec<_> = text.split(',').map(range).collect::<Result<_, String>>()?;
        let mut sorted: Vec<_> = ranges.iter().collect();
        sorted.sort_unstable_by_key(|range| *range.start());
        match sorted.windows(2).find(|pair| pair[0].end() >= pair[1].start()) {
            Some(pair) => Err(format!("seed {} is named twice", pair[1].start())),
            None => Ok(Seeds(ranges)),
        }
    }
}

fn range(text: &str) -> Result<RangeInclusive<u64>, String> {
    let number = |text: &str| {
        let number: Result<u64, _> = text.trim().parse();
        number.map_err(|_| {
            format!(
                "`{}` is not a seed; write numbers from 0 to 2^64 - 1, as in 0..1000 or 1,7,9",
                text.trim()
            )
        })
    };
    let Some((first, end)) = text.split_once("..") else {
        let seed = number(text)?;
        return Ok(seed..=seed);
    };
    let (first, end) = (number(first)?, number(end)?);
    match end.checked_sub(1) {
        Some(last) if last >= first => Ok(first..=last),
        _ => Err(format!("there is no seed from {first} up to, but not with, {end}")),
    }
}

impl Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (number, range) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}..{}", last + 1)?,
            }
        }
        Ok(())
    }
}

/// The values that a place in the scenario takes in turn.
#[derive(Clone, PartialEq, Debug)]
struct Axis {
    path: String,
    values: Vec<String>,
}

impl FromStr for Axis {
    type Err = String;

    fn from_str(text: &str) -> Result<Axis, String> {
        let (path, values) = match text.split_once('=') {
            Some((path, values)) if !path.is_empty() => (path, split(values)?),
            _ => return Err("write PATH=VALUE or PATH=VALUE,VALUE, as in links.jitter.share=0,0.1".into()),
        };
        for (number, value) in values.iter().enumerate() {
            if value.is_empty() {
                return Err("a value is missing; for an empty text, write two double quotes".into());
            }
            if values[..number].contains(value) {
                return Err(format!("the value {value} stands there twice"));
            }
        }
        Ok(Axis { path: path.into(), values })
    }
}

/// Splits at commas, but for those inside brackets, braces and double quotes.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut values = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (0u32, false, false);
    for c in text.chars() {
        match c {
            ',' if depth == 0 && !quoted => {
                values.push(String::new());
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        values.last_mut().expect("there is always one").push(c);
    }
    if depth > 0 || quoted {
        return Err("a bracket, brace or quote is never closed".into());
    }
    Ok(values.iter().map(|value| value.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_as_they_are_written() {
        for (text, count, first, last) in [
            ("0..1000", 1000, 0, 999),
            ("5", 1, 5, 5),
            ("1,7,9", 3, 1, 9),
            ("9,1", 2, 9, 1),
            ("7..9, 3", 3, 7, 3),
            ("18446744073709551614..18446744073709551615,18446744073709551615", 2, u64::MAX - 1, u64::MAX),
        ] {
            let seeds: Seeds = text.parse().unwrap();
            let ends = (seeds.nth(0), seeds.nth(count - 1));
            assert_eq!((seeds.count(), ends), (count, (first, last)), "{text}");
            assert_eq!(seeds.to_string().parse(), Ok(seeds), "{text}");
        }
        assert_eq!("0..18446744073709551615".parse::<Seeds>().map(|seeds| seeds.count()), Ok(u64::MAX));
        for wrong in [
            "", "one", "-1", "1.5", "5..5", "9..3", "0..", "..5", "0..=9", "1,,2", "1,1", "0..10,9", "3,0..4",
        ] {
            assert!(wrong.parse::<Seeds>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_are_split_where_no_value_goes_on() {
        for (text, values) in [
            ("1,2,3", vec!["1", "2", "3"]),
            ("10ms, 20ms", vec!["10ms", "20ms"]),
            ("[1,2],[3]", vec!["[1,2]", "[3]"]),
            (r#"{"a": [1, 2], "b": "}"},none"#, vec![r#"{"a": [1, 2], "b": "}"}"#, "none"]),
            (r#""a,b","\",""#, vec![r#""a,b""#, r#""\",""#]),
        ] {
            let axis: Axis = format!("path={text}").parse().unwrap();
            assert_eq!(axis.values, values, "{text}");
        }
        for wrong in ["path", "=1", "path=", "path=1,,2", "path=1,1", "path=[1,2", "path=\"a"] {
            assert!(wrong.parse::<Axis>().is_err(), "{wrong}");
        }
    }
}
