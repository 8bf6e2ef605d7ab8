//! Flooding: forward once to all neighbors but the sender. The oldest broadcast there is: it takes the fastest path
//! to every node, for 2E - (n - 1) messages.

use super::{Neighbors, Node, NodeMessage};
use crate::id::NodeId;
use crate::message::Payload;
use crate::transport::Transport;

/// Passes on a payload that is new here. `hops` counts the links it crossed to get here.
pub(super) fn spread(
    net: &mut impl Transport<Node>,
    neighbors: &Neighbors,
    from: Option<NodeId>,
    payload: Payload,
    hops: u32,
) {
    // (A peer may have sent any number.)
    let hops = hops.saturating_add(1);
    for peer in neighbors.iter().filter(|&peer| Some(peer) != from) {
        net.send(peer, NodeMessage::Data { payload, hops });
    }
}
