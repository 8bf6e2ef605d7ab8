//! `rumormill draw`: the network with which a scenario starts, or one that runs.

use super::arguments::{DrawArguments, PictureFile, ScenarioArguments};
use super::files::Moment;
use super::{Failure, memory, print};
use crate::draw::{Layout, TopologyPicture};
use crate::protocol::Protocol;
use crate::report::memory_to_draw;
use crate::scenario::{Outline, ScenarioError};
use serde::de::DeserializeOwned;

pub(super) fn draw<P>(arguments: DrawArguments) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: DeserializeOwned + Default,
{
    #[cfg(feature = "live")]
    if let Some(address) = arguments.live {
        return super::visit::draw(&arguments, address);
    }
    let DrawArguments { file, changes, force, out, .. } = arguments;
    let chosen = ScenarioArguments { file: file.expect("clap demands one"), changes, force };
    let outline: Outline<P::Config> = chosen.load()?;
    if outline.nodes_at_start() == 0 {
        return Err(ScenarioError::NobodyToDraw.into());
    }
    if !chosen.force {
        memory::ensure_room(memory_to_draw(&outline))?;
    }
    let scenario = outline.build();
    let moment = Moment::first(&scenario);
    let layout = Layout::force_directed(&scenario.graph, scenario.file.seed);
    write(&moment.picture(&scenario, &[], None), &layout, &out)?;
    Ok(0)
}

/// Writes a picture, and prints where to.
pub(super) fn write(
    picture: &TopologyPicture<'_>,
    layout: &Layout,
    file: &PictureFile,
) -> Result<(), Failure> {
    let (path, content) = match file {
        PictureFile::Png(path) => (path, picture.png(layout)),
        PictureFile::Svg(path) => (path, picture.svg(layout).map(String::into_bytes)),
    };
    let content = content.map_err(std::io::Error::other);
    let written = content.and_then(|content| std::fs::write(path, content));
    written.map_err(Failure::output(path.display().to_string()))?;
    print(&path.display().to_string())
}
