//! `--check-determinism`: two runs of one scenario side by side, event by event.

use super::Failure;
use super::progress::interrupted;
use crate::network::Network;
use crate::protocol::Protocol;
use crate::scenario::{Playback, Progress, Scenario};
use crate::sim::Sim;
use crate::world::World;

/// Runs the scenario twice in lockstep; how many events it had.
///
/// # Errors
/// [`Failure::Internal`] at the first event in which the two differ; [`Failure::Interrupted`] after Ctrl-C.
pub(super) fn lockstep<P: Protocol>(scenario: &Scenario<P::Config>) -> Result<u64, Failure> {
    let fresh = || {
        let network = Network::observed(scenario.sim_config::<P>(), scenario.file.seed, ());
        Playback::<Sim<P, ()>>::new(network, scenario)
    };
    let (mut one, mut other) = (fresh(), fresh());
    loop {
        let (progress, other_progress) = (one.advance(1), other.advance(1));
        let (network, other_network) = (one.network(), other.network());
        if network.digest() != other_network.digest() || progress != other_progress {
            return Err(Failure::Internal(format!(
                "not deterministic: two runs differ at event {} (at {} in one, at {} in the other); \
                 does the protocol look at anything but its transport?",
                network.world().events(),
                network.now(),
                other_network.now()
            )));
        }
        if progress == Progress::Ended {
            return Ok(network.world().events());
        }
        if interrupted() {
            return Err(Failure::Interrupted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeId;
    use crate::protocol::{Command, Wire};
    use crate::scenario::{DataFolders, Source};
    use crate::transport::Transport;
    use serde::{Deserialize, Serialize};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    /// A protocol that reaches past its transport.
    struct Rogue;
    static OUTSIDE: AtomicU32 = AtomicU32::new(0);

    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Nothing;
    impl Wire for Nothing {}

    impl Protocol for Rogue {
        type Config = ();
        type Message = Nothing;
        type Timer = ();
        type Record = ();

        fn start(_: &(), _: &[()], _: &mut impl Transport<Rogue>) -> Rogue {
            Rogue
        }

        fn on_command(&mut self, net: &mut impl Transport<Rogue>, _: Command) {
            net.set_timer(Duration::from_millis(1 + u64::from(OUTSIDE.fetch_add(1, Ordering::Relaxed))), ());
        }

        fn on_message(&mut self, _: &mut impl Transport<Rogue>, _: NodeId, _: Nothing) {}
    }

    fn scenario<C: serde::de::DeserializeOwned + Default>() -> Scenario<C> {
        let text = r#"{"topology": {"ring": {"nodes": 5}}, "end": "1s",
            "timeline": [{"at": "0s", "do": {"broadcast": {"from": 0}}}]}"#;
        let source = Source { name: "test".into(), text: text.into() };
        Scenario::parse(&source, &DataFolders::default()).unwrap()
    }

    #[test]
    fn the_shipped_node_is_deterministic() {
        assert!(lockstep::<crate::Node>(&scenario()).unwrap() > 5);
    }

    #[test]
    fn a_protocol_that_cheats_is_caught_at_its_first_event() {
        let error = lockstep::<Rogue>(&scenario()).unwrap_err();
        assert!(error.to_string().contains("differ at event 1 (at 0.001s"), "{error}");
    }
}
