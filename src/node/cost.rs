//! What a node's acts cost, so that a run can be predicted. Nothing else uses it.
//!
//! Numbers that follow from the protocol stand as formulas. Those that chance decides were measured: joins of 6 to 100,000
//! nodes, at once or up to a second apart, on links of 10 to 50 ms. From 300 nodes on the events of all joins were within 8 % of
//! what stands here; of ten or fewer nodes that join at once there were much fewer, since they find each other waiting.

use super::{NodeConfig, OverlayKind};
use crate::protocol::{Command, Cost, Size};

/// Links that a newcomer makes: three to five are named to it, and few of those twice.
const LINKS_PER_JOIN: f64 = 3.95;
/// What a search costs, its links apart: four messages, three timers, and a link to one or two nodes to ask them, which takes
/// three events each.
const SEARCH: f64 = 10.8;
/// Wish, consent, hello and welcome.
const LINK: f64 = 4.0;
/// Newcomers who find fewer than three others go on asking: about four searches of seven events over the links they have.
const ASKING_ON: f64 = 30.0;
/// In the overlay `regular`: the walks, six links of which three replace others, lists of neighbors, timers.
const REGULAR_JOIN: f64 = 86.0;
/// Those who leave that overlay leave links over that are shed by walks.
const REGULAR_SHED: f64 = 45.0;
/// Fewer nodes of that overlay all neighbor each other.
const COMPLETE: f64 = 7.0;
/// Probes, shuffles, flips and their timers in that overlay, a node and second: measured in networks of 10 to 5,000 nodes.
const REGULAR_IDLE: f64 = 0.79;
/// Wish, consent, message, acknowledgement, timer, end of the link.
const DIRECT: f64 = 6.0;

/// How many events a node causes in a second, whatever it is told.
pub(super) fn idle(config: &NodeConfig) -> f64 {
    if config.overlay == Some(OverlayKind::Regular) { REGULAR_IDLE } else { 0.0 }
}

/// What a command costs a network of this size on average.
pub(super) fn of(config: &NodeConfig, command: &Command, size: Size) -> Cost {
    let Size { nodes, links } = size;
    let neighbors = if nodes > 0.0 { 2.0 * links / nodes } else { 0.0 };
    match (command, config.overlay.unwrap_or_default()) {
        (Command::Join { .. }, _) if nodes < 1.0 => Cost::default(),
        // Up to seven nodes: a complete graph, of which everybody hears.
        (Command::Join { .. }, OverlayKind::Regular) if nodes < COMPLETE => {
            Cost { events: SEARCH + 3.0 * LINK * nodes, links: nodes }
        }
        (Command::Join { .. }, OverlayKind::Regular) => Cost { events: REGULAR_JOIN, links: 3.0 },
        (Command::Join { .. }, _) => {
            let made = LINKS_PER_JOIN.min(nodes);
            let asking_on = if nodes < 3.0 { ASKING_ON } else { 0.0 };
            Cost { events: SEARCH + LINK * made + asking_on, links: made }
        }
        // A flood crosses every link twice but for those by which a node first heard: 2E - (n - 1).
        // Those who reconcile tell each other over every link, both ways, that they have it.
        (Command::Broadcast { .. }, _) => {
            let told = if config.reconcile.is_some() { 2.0 * links } else { 0.0 };
            Cost::events((2.0 * links - (nodes - 1.0)).max(0.0) + told)
        }
        (Command::Send { .. }, _) => Cost::events(DIRECT),
        (Command::Discover, _) => Cost::events(2.0 * neighbors),
        // As many explorations as a flood has messages, and an echo from everybody but the initiator.
        (Command::Census, _) => Cost::events(2.0 * links),
        // Each heir hears of it, links to the next, reports, and sees the link end; a timer runs meanwhile.
        (Command::Leave, OverlayKind::Regular) => {
            Cost { events: neighbors * (LINK + 4.0) + REGULAR_SHED, links: -neighbors / 2.0 }
        }
        (Command::Leave, OverlayKind::Tutorial) => {
            Cost { events: neighbors * (LINK + 4.0), links: -neighbors / 2.0 }
        }
        (Command::Leave | Command::Shutdown, _) => Cost { events: neighbors, links: -neighbors },
    }
}
