//! The command line: the only place that knows everything, and the only one that looks at a clock or a terminal.
//!
//! Results go to standard output; progress and complaints go to standard error. Exit codes: 0 pass, 1 fail,
//! 2 unknown, 3 vacuous, 64 wrong usage, 65 wrong scenario or data (or one too large for this machine, or a node that cannot
//! start), 70 internal error, 74 output that cannot be written, 130 interrupted.

mod arguments;
mod check;
#[cfg(feature = "live")]
mod cluster;
mod complain;
#[cfg(feature = "draw")]
mod draw;
mod explain;
mod files;
mod halt;
#[cfg(feature = "live")]
mod live;
mod lockstep;
mod memory;
mod mill;
#[cfg(feature = "live")]
mod node;
mod progress;
mod run;
mod schema;
#[cfg(feature = "live")]
mod secret;
mod shipped;
mod sweep;
#[cfg(feature = "live")]
mod visit;
mod weaken;
mod workers;

use crate::protocol::Protocol;
use crate::scenario::ScenarioError;
use crate::units::human_bytes;
use arguments::{Arguments, SubCommand};
use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Write};
use std::process::ExitCode;

/// The whole program, for nodes that run the protocol `P`: a `main` of one line for one's own protocol.
///
/// The `node` of a scenario file is `P::Config`: serde reads it, and its `JsonSchema` (of `schemars` 1) is what
/// `rumormill schema` says about it.
pub fn main_with<P>() -> ExitCode
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default + JsonSchema + Sync,
{
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    progress::listen();
    let result = match arguments.command {
        SubCommand::Run(run) => run::run::<P>(&run),
        SubCommand::Sweep(arguments) => sweep::sweep::<P>(&arguments),
        SubCommand::Explain(arguments) => explain::explain::<P>(&arguments),
        SubCommand::Mill(mill) => mill::run::<P>(&mill),
        SubCommand::Check(check) => check::check::<P>(&check),
        #[cfg(feature = "draw")]
        SubCommand::Draw(draw) => draw::draw::<P>(draw),
        #[cfg(feature = "live")]
        SubCommand::Node(arguments) => node::run::<P>(&arguments),
        #[cfg(feature = "live")]
        SubCommand::Status(arguments) => visit::status(&arguments),
        #[cfg(feature = "live")]
        SubCommand::Network(arguments) => visit::network(&arguments),
        #[cfg(feature = "live")]
        SubCommand::Shutdown(arguments) => visit::shutdown(&arguments),
        #[cfg(feature = "live")]
        SubCommand::Secret(arguments) => secret::run(&arguments),
        #[cfg(feature = "live")]
        SubCommand::Cluster(arguments) => cluster::run(&arguments),
        SubCommand::Schema(arguments) => schema::print_schema::<P::Config>(&arguments),
        SubCommand::Completions { shell } => shipped::completions(shell),
        SubCommand::Man { folder } => shipped::man(&folder),
    };
    ExitCode::from(result.unwrap_or_else(|failure| failure.report()))
}

/// Why a command did not come to a result.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The scenario, or a file that it names, is wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// What was asked for contradicts itself, which only shows when all of it is read.
    #[error("{0}; see --help")]
    Usage(String),
    /// It would not fit into memory.
    #[error(
        "this takes about {} of memory, and this machine has {} to give; take fewer nodes, links or broadcasts, or go on all the same with --force",
        human_bytes(*needed as f64),
        human_bytes(*available as f64)
    )]
    TooLarge { needed: u64, available: u64 },
    /// A live node, or its key, secret, log or address, is not usable.
    #[cfg(feature = "live")]
    #[error("{0}")]
    Unusable(String),
    /// Output cannot be written.
    #[error("cannot write {what}: {error}")]
    Output { what: String, error: io::Error },
    /// The person has pressed Ctrl-C before there was anything to keep.
    #[error("interrupted")]
    Interrupted,
    /// The program contradicts itself.
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    fn output(what: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
        let what = what.into();
        move |error| Failure::Output { what, error }
    }

    /// Tells it on standard error; the exit code.
    fn report(self) -> u8 {
        match self {
            Failure::Scenario(ref error) => {
                complain::complain(error);
                65
            }
            Failure::Usage(_) => {
                complain::say(&self.to_string());
                64
            }
            Failure::TooLarge { .. } => {
                complain::say(&self.to_string());
                65
            }
            #[cfg(feature = "live")]
            Failure::Unusable(_) => {
                complain::say(&self.to_string());
                65
            }
            // A reader that has seen enough is no error of ours.
            Failure::Output { ref error, .. } if error.kind() == io::ErrorKind::BrokenPipe => 74,
            Failure::Output { .. } => {
                complain::say(&self.to_string());
                74
            }
            Failure::Interrupted => 130,
            Failure::Internal(_) => {
                complain::say(&self.to_string());
                70
            }
        }
    }
}

/// Clap's own answer: help and version are no errors.
fn usage(error: &clap::Error) -> ExitCode {
    let written = error.print();
    if !error.use_stderr() {
        return written.map_or(ExitCode::from(74), |()| ExitCode::SUCCESS);
    }
    ExitCode::from(64)
}

/// A text without what could give orders to a terminal: titles and names of files may hold anything.
fn harmless(text: &str) -> String {
    // (The second kind turns the direction in which text runs, so that it reads as something else.)
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.replace(|c: char| (c.is_control() && c != '\n') || turns(c), "\u{fffd}")
}

/// Prints a line, or several, on standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", harmless(text))
        .and_then(|()| out.flush())
        .map_err(Failure::output("to standard output"))
}
