//! `rumormill check`: whether scenarios are right; for a single one, what it says in full and what a run of it will cost.

use super::arguments::CheckArguments;
use super::{Failure, complain, files, print};
use crate::protocol::Protocol;
use crate::report::Prediction;
use crate::scenario::{Outline, ScenarioError};
use crate::sim::Topology;
use crate::units::{grouped, human_bytes, human_duration};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::{fs, io};

pub(super) fn check<P>(arguments: &CheckArguments) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    match arguments.paths.as_slice() {
        [file] if !file.is_dir() => check_one::<P>(arguments, file),
        _ => check_all::<P>(arguments),
    }
}

fn check_one<P>(arguments: &CheckArguments, file: &Path) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    let outline: Outline<P::Config> = load::<P>(arguments, file)?;
    print(&files::json(&outline.file))?;
    let prediction = Prediction::of::<P>(&outline);
    let events = match prediction.events {
        Some(events) => format!("about {} events", grouped(events)),
        None => "an unknown number of events".into(),
    };
    let time = prediction.time.map_or(String::new(), |time| format!("{}, ", human_duration(time)));
    complain::say(&format!(
        "the scenario is right: {}; a run takes {events}, {time}{} of memory",
        size(&outline, &prediction),
        human_bytes(prediction.memory as f64),
    ));
    prediction.quadratic.iter().for_each(|sentence| complain::say(sentence));
    Ok(0)
}

fn load<P>(arguments: &CheckArguments, file: &Path) -> Result<Outline<P::Config>, ScenarioError>
where
    P: Protocol,
    P::Config: DeserializeOwned + Default,
{
    let mut outline: Outline<P::Config> = arguments.changes.load(file)?;
    outline.check_for::<P>()?;
    outline.file.node = outline.node::<P>();
    Ok(outline)
}

/// A line for each file, whatever is wrong with those before it.
fn check_all<P>(arguments: &CheckArguments) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: DeserializeOwned + Default,
{
    let mut worst = 0;
    for file in scenario_files(&arguments.paths)? {
        match load::<P>(arguments, &file) {
            Ok(outline) => {
                let size = size(&outline, &Prediction::of::<P>(&outline));
                print(&format!("{}: ok: {size}", file.display()))?;
            }
            Err(error) => worst = Failure::from(error).report(),
        }
    }
    Ok(worst)
}

fn size<C>(outline: &Outline<C>, prediction: &Prediction) -> String {
    let by_chance =
        matches!(outline.file.topology, Some(Topology::KOut { .. } | Topology::ErdosRenyi { .. }));
    format!(
        "{} nodes, {}{} links, {} broadcasts",
        grouped(outline.nodes_at_start() + outline.joins()),
        if by_chance { "about " } else { "" },
        grouped(outline.links_at_start()),
        grouped(prediction.broadcasts),
    )
}

/// The files themselves, and the scenarios below the folders.
fn scenario_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ScenarioError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        let unreadable = |error| ScenarioError::Unreadable { path: path.clone(), error };
        collect(path, &mut files).map_err(unreadable)?;
        if files.len() == before {
            return Err(unreadable(io::Error::other("there is no .json file in this folder")));
        }
    }
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        // The type of the entry itself: a link to a folder above would never end.
        if entry.file_type()?.is_dir() {
            collect(&path, files)?;
        } else if is_scenario(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_scenario(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".json") && !name.ends_with(".schema.json")
}
