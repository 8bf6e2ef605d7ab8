//! `rumormill draw`: the network with which a scenario starts.

use super::arguments::DrawArguments;
use super::files::View;
use super::{Failure, print};
use crate::protocol::Protocol;
use crate::scenario::Scenario;
use serde::de::DeserializeOwned;
use std::io;

pub(super) fn draw<P>(arguments: &DrawArguments) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: DeserializeOwned + Default,
{
    let mut scenario: Scenario<P::Config> = arguments.scenario.load()?;
    if scenario.file.title.is_empty() {
        scenario.file.title = arguments.scenario.name();
    }
    let out = &arguments.out;
    let unwritten = || Failure::output(out.display().to_string());
    let view =
        View { scenario: &scenario, graph: &scenario.graph, hops: &[], caption: &scenario.file.question };
    let layout = view.layout();
    let content = match out.extension().and_then(|extension| extension.to_str()) {
        Some("png") => view.png(&layout).map_err(unwritten())?,
        Some("svg") => view.svg(&layout).map_err(unwritten())?.into_bytes(),
        _ => return Err(unwritten()(io::Error::other("name a .png or .svg file"))),
    };
    std::fs::write(out, content).map_err(unwritten())?;
    print(&out.display().to_string())?;
    Ok(0)
}
