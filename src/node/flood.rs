//! Flooding: forward once to all neighbors but the sender. The oldest broadcast there is: it takes the fastest path
//! to every node, for 2E - (n - 1) messages.

use super::{Node, NodeMessage, Weakness};
use crate::id::NodeId;
use crate::message::Payload;
use crate::transport::Transport;

/// Passes on a payload that is new here. `hops` counts the links it crossed to get here.
#[inline]
pub(super) fn spread(
    net: &mut impl Transport<Node>,
    node: &Node,
    from: Option<NodeId>,
    payload: Payload,
    hops: u32,
) {
    let most = if node.lacks(Weakness::OneNeighbor) { 1 } else { usize::MAX };
    for peer in node.neighbors.iter().filter(|&peer| Some(peer) != from).take(most) {
        net.send(peer, NodeMessage::Data { payload, hops: hops + 1 });
    }
}
