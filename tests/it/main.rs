//! The tests that look at rumormill from outside, in one binary.

mod churn;
mod contract;
mod delivery;
mod determinism;
mod faults;
mod guarantee;
mod oracle;
mod population;
mod prediction;
mod real_data;
mod reconcile;
mod regular;
mod schema;
mod support;
mod weaknesses;

#[cfg(feature = "cli")]
mod command_line;
#[cfg(feature = "cli")]
mod explain;
#[cfg(all(feature = "cli", feature = "live", unix))]
mod hostile;
#[cfg(all(feature = "cli", feature = "live", unix))]
mod http;
#[cfg(feature = "live")]
mod live;
#[cfg(all(feature = "cli", feature = "live", unix))]
mod live_node;
#[cfg(feature = "live")]
mod lossy;
#[cfg(feature = "mill")]
mod mill;
#[cfg(all(feature = "cli", feature = "live", target_os = "linux"))]
mod namespaces;
#[cfg(feature = "cli")]
mod sweep;
#[cfg(feature = "cli")]
mod wrong_scenarios;
