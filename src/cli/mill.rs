//! `rumormill mill`: random fault scripts, many at once, and the smallest that fails.

use super::arguments::{program, quoted};
use super::progress::{Tally, interrupted};
use super::{Failure, print, workers};
use crate::judge::Verdict;
use crate::mill::{self, FailedCase, Family, Ground, Mill, Ran};
use crate::protocol::Protocol;
use crate::report::Verdicts;
use crate::scenario::{DataFolders, Expectation, Outline, Source};
use clap::Args;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread;

#[derive(Args)]
pub(in crate::cli) struct MillArguments {
    /// What all nodes have in common, as `node` in a scenario: '{"overlay": "tutorial"}'
    #[arg(long, value_name = "JSON", default_value = "{}")]
    node: String,
    /// How many cases
    #[arg(long, value_name = "NUMBER", default_value_t = mill::CASES, value_parser = clap::value_parser!(u64).range(1..))]
    cases: u64,
    /// Where all chance comes from
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// How many nodes there are at once at most, 2 to 255
    #[arg(long, value_name = "NUMBER", default_value_t = mill::NODES, value_parser = clap::value_parser!(u32).range(2..=255))]
    nodes: u32,
    /// What must hold, as `expect` in a scenario: names with commas between them, or a JSON array
    #[arg(long, value_name = "LIST")]
    expect: Option<String>,
    /// What may not happen; may be repeated
    #[arg(long, value_name = "FAMILY", value_delimiter = ',', conflicts_with = "only")]
    without: Vec<Family>,
    /// What alone may happen; may be repeated
    #[arg(long, value_name = "FAMILY", value_delimiter = ',')]
    only: Vec<Family>,
    /// Write the scenario of a failure to this file
    #[arg(long, value_name = "FILE", default_value = "mill.json")]
    out: PathBuf,
    /// Do not stop at the first case that fails, but count what fails in all of them
    #[arg(long)]
    all: bool,
    /// How many cases at once; as many as there are cores unless this says otherwise
    #[arg(long, value_name = "NUMBER")]
    threads: Option<NonZeroUsize>,
    /// Print nothing but errors; the exit code tells the verdict
    #[arg(long)]
    quiet: bool,
}

pub(super) fn run<P>(arguments: &MillArguments) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    let mill = arguments.mill::<P>()?;
    let result = grind(&mill, arguments);
    let (text, verdict) = match result? {
        Ok(ground) => (arguments.report(&ground), ground.verdict()),
        Err(mill::Failure::Vacuous(ground)) => (arguments.report(&ground), Verdict::Vacuous),
        Err(mill::Failure::Case(case)) => (told(&case)?, Verdict::Fail),
        Err(mill::Failure::Wrong(error)) => return Err(error.into()),
    };
    if !arguments.quiet {
        print(&text)?;
    }
    Ok(verdict.exit_code())
}

/// Grinds all cases, several at once, as if it was one after the other.
fn grind<P>(
    mill: &Mill<P>,
    arguments: &MillArguments,
) -> Result<Result<Ground, mill::Failure<P::Config>>, Failure>
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = arguments.threads.map_or_else(cores, NonZeroUsize::get);
    let copy = mill.clone();
    let tasks = (0..arguments.cases).map(move |case| (case, copy.clone()));
    let work = |(case, mill): (u64, Mill<P>), _: &_| (!interrupted()).then(|| mill.attempt(case));
    let mut tally = Tally::start(arguments.cases, 0, arguments.quiet);
    let (mut ground, mut failed, mut verdicts) = (mill.nothing_yet(), None, Verdicts::default());
    // A panic is told with its script; it would be told again with every script on the way to the smallest.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    workers::in_order(threads, tasks, work, |result: Result<Ran, _>| {
        match result {
            Ok(Ran { breach: Some(breach), .. }) if !arguments.all => failed = Some(Ok(breach)),
            Ok(ran) => {
                ground.take(&ran);
                verdicts.add(ran.verdict);
                tally.show(verdicts);
            }
            Err(wrong) => failed = Some(Err(wrong)),
        }
        if failed.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    tally.finish();
    let failure =
        failed.map(|failed| failed.map_or_else(|wrong| wrong, |breach| mill.shrink(ground.cases(), breach)));
    std::panic::set_hook(hook);
    match failure {
        Some(failure) => Ok(Err(failure)),
        None if ground.cases() < arguments.cases => Err(Failure::Interrupted),
        None if arguments.all => Ok(Ok(ground)),
        None => Ok(mill.conclude(ground)),
    }
}

impl MillArguments {
    fn mill<P>(&self) -> Result<Mill<P>, Failure>
    where
        P: Protocol,
        P::Config: Serialize + DeserializeOwned + Default,
    {
        let (node, expect) = self.read::<P::Config>()?;
        let mill = Mill::<P>::new(node).cases(self.cases).seed(self.seed).nodes(self.nodes).keep(&self.out);
        let mill = if self.only.is_empty() { mill } else { mill.families(self.only.iter().copied()) };
        Ok(mill.without(self.without.iter().copied()).expect(expect))
    }

    /// What stands in `--node` and `--expect`, read as in a scenario, so that a mistake is shown at its place.
    fn read<C: DeserializeOwned + Default>(&self) -> Result<(C, Vec<Expectation>), Failure> {
        let expect = self.expect.as_ref().map(|list| match list.trim_start().starts_with('[') {
            true => list.clone(),
            false => serde_json::json!(list.split(',').map(str::trim).collect::<Vec<_>>()).to_string(),
        });
        for (name, text) in [("node", Some(&self.node)), ("expect", expect.as_ref())] {
            if let Some(Err(error)) = text.map(|text| serde_json::from_str::<IgnoredAny>(text)) {
                return Err(Failure::Usage(format!("what --{name} says is no JSON: {error}")));
            }
        }
        let entry = expect.as_ref().map_or(String::new(), |list| format!(",\n  \"expect\": {list}"));
        // (A network of two that does nothing is a right scenario, but for these two values.)
        let rest = "\"topology\": {\"ring\": {\"nodes\": 2}}, \"timeline\": [], \"end\": \"1s\"";
        let text = format!("{{\n  \"node\": {}{entry},\n  {rest}\n}}", self.node);
        let source = Source { name: "the command line, as a scenario".into(), text };
        let file = Outline::parse(&source, &DataFolders::default())?.file;
        Ok((file.node, if expect.is_some() { file.expect } else { mill::promises() }))
    }

    fn report(&self, ground: &Ground) -> String {
        format!("{ground}\n\nrepeat: {}", self.repeat())
    }

    /// The command that does it all again.
    fn repeat(&self) -> String {
        let MillArguments { node, cases, seed, nodes, expect, without, only, out, all, .. } = self;
        let names = |option: &str, families: &[Family]| match families {
            [] => String::new(),
            families => {
                let names: Vec<&str> = families.iter().map(|family| family.name()).collect();
                format!(" --{option} {}", names.join(","))
            }
        };
        let expect = expect.as_ref().map_or(String::new(), |list| format!(" --expect {}", quoted(list)));
        let (without, only) = (names("without", without), names("only", only));
        let all = if *all { " --all" } else { "" };
        let (program, node, out) = (quoted(&program()), quoted(node), quoted(&out.to_string_lossy()));
        format!(
            "{program} mill --node {node} --cases {cases} --seed {seed} --nodes {nodes}{expect}{without}{only}{all} --out {out}"
        )
    }
}

/// A case that failed, if its scenario could be written.
fn told<C>(case: &FailedCase<C>) -> Result<String, Failure> {
    match &case.kept {
        Some(Err(error)) => Err(Failure::output("the scenario")(std::io::Error::other(error.clone()))),
        _ => Ok(case.tell(&quoted(&program()))),
    }
}
