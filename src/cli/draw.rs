//! `rumormill draw`: the network with which a scenario starts.

use super::arguments::{DrawArguments, PictureFile};
use super::files::Moment;
use super::{Failure, memory, print};
use crate::draw::Layout;
use crate::protocol::Protocol;
use crate::report::memory_to_draw;
use crate::scenario::{Outline, ScenarioError};
use serde::de::DeserializeOwned;

pub(super) fn draw<P>(arguments: &DrawArguments) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: DeserializeOwned + Default,
{
    let outline: Outline<P::Config> = arguments.scenario.load()?;
    if outline.nodes_at_start() == 0 {
        return Err(ScenarioError::NobodyToDraw.into());
    }
    if !arguments.scenario.force {
        memory::ensure_room(memory_to_draw(&outline))?;
    }
    let scenario = outline.build();
    let moment = Moment::first(&scenario);
    let layout = Layout::force_directed(&scenario.graph, scenario.file.seed);
    let picture = moment.picture(&scenario, &[], None);
    let (path, content) = match &arguments.out {
        PictureFile::Png(path) => (path, picture.png(&layout)),
        PictureFile::Svg(path) => (path, picture.svg(&layout).map(String::into_bytes)),
    };
    let content = content.map_err(std::io::Error::other);
    let written = content.and_then(|content| std::fs::write(path, content));
    written.map_err(Failure::output(path.display().to_string()))?;
    print(&path.display().to_string())?;
    Ok(0)
}
