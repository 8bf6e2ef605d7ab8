//! The tests that look at rumormill from outside, in one binary.

mod churn;
mod contract;
mod delivery;
mod determinism;
mod faults;
mod population;
mod prediction;
mod real_data;
mod schema;
mod support;

#[cfg(feature = "cli")]
mod command_line;
#[cfg(feature = "mill")]
mod mill;
#[cfg(feature = "cli")]
mod sweep;
#[cfg(feature = "cli")]
mod wrong_scenarios;
