//! `rumormill draw`: the network with which a scenario starts.

use super::arguments::{DrawArguments, PictureFile};
use super::files::View;
use super::{Failure, print};
use crate::protocol::Protocol;
use crate::scenario::Scenario;
use serde::de::DeserializeOwned;

pub(super) fn draw<P>(arguments: &DrawArguments) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: DeserializeOwned + Default,
{
    let scenario: Scenario<P::Config> = arguments.scenario.load()?;
    let view =
        View { scenario: &scenario, graph: &scenario.graph, hops: &[], caption: &scenario.file.question };
    let layout = view.layout();
    let (path, content) = match &arguments.out {
        PictureFile::Png(path) => (path, view.png(&layout)),
        PictureFile::Svg(path) => (path, view.svg(&layout).map(String::into_bytes)),
    };
    let written = content.and_then(|content| std::fs::write(path, content));
    written.map_err(Failure::output(path.display().to_string()))?;
    print(&path.display().to_string())?;
    Ok(0)
}
