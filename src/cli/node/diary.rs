//! `--events FILE`: what happens to a node, as lines of JSON for other programs.
//!
//! (Not its log, which is what it delivers from; and not for people, who read the console.)

use crate::cli::Failure;
use clap::ValueEnum;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use tracing::level_filters::LevelFilter;

/// From which weight on events are written down.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in super::super) enum Weight {
    /// What endangers the node
    Error,
    /// And who was turned away or broke the rules
    Warn,
    /// And links and life of the node
    Info,
    /// And each broadcast, and each dial in vain
    Debug,
}

/// From now on all that the process tells of its nodes goes to a file, behind what is there; `-` is standard error.
pub(super) fn open(file: &Path, weight: Weight) -> Result<(), Failure> {
    let output: Box<dyn Write + Send> = if file == Path::new("-") {
        Box::new(io::stderr())
    } else {
        let opened = OpenOptions::new().append(true).create(true).open(file);
        Box::new(opened.map_err(|error| Failure::Output { what: file.display().to_string(), error })?)
    };
    let level = match weight {
        Weight::Error => LevelFilter::ERROR,
        Weight::Warn => LevelFilter::WARN,
        Weight::Info => LevelFilter::INFO,
        Weight::Debug => LevelFilter::DEBUG,
    };
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level)
        .with_writer(Mutex::new(output))
        .try_init()
        .map_err(|error| Failure::Usage(error.to_string()))
}
