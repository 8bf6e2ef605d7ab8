//! `rumormill check`: whether a scenario is right, what it says in full, and what a run of it will cost.

use super::arguments::ScenarioArguments;
use super::{Failure, files, print};
use crate::protocol::Protocol;
use crate::report::Prediction;
use crate::scenario::Scenario;
use crate::units::{counted, grouped, human_bytes};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) fn check<P>(arguments: &ScenarioArguments) -> Result<u8, Failure>
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    let scenario: Scenario<P::Config> = arguments.load()?;
    print(&files::json(&scenario.file))?;
    super::complain::say(&prediction::<P>(&scenario));
    Ok(0)
}

fn prediction<P: Protocol>(scenario: &Scenario<P::Config>) -> String {
    let Prediction { broadcasts, messages, memory } = Prediction::of::<P>(scenario);
    let events =
        messages.map_or("an unknown number of".into(), |messages| format!("about {}", grouped(messages)));
    format!(
        "the scenario is right. Nodes: {}, links: {}, broadcasts: {}. A run takes {events} events and about {} of memory.",
        counted(scenario.graph.nodes()),
        counted(scenario.graph.edge_count()),
        grouped(broadcasts),
        human_bytes(memory as f64),
    )
}
