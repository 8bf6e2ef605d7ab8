//! What happens to live nodes, told through `tracing` to whatever the application listens with: events with the fields
//! `node`, `peer` and so on, all as text. Nothing is told of single messages between peers: a trace of a simulation has those.

use super::private::hex;
use crate::id::{Names, NodeId};
use crate::message::Broadcasts;
use crate::observe::Observation;
use crate::protocol::Notice;
use tracing::{debug, info, warn};

/// Tells of something that was observed.
pub(super) fn tell(names: &Names, broadcasts: &Broadcasts, event: &Observation<'_>) {
    let who = |node: &NodeId| hex(&names.identity(*node).0);
    match event {
        Observation::Started { node, .. } | Observation::Restarted { node, .. } => {
            let address = names.contact(*node).address;
            info!(node = who(node), address = address.map(tracing::field::display), "started");
        }
        Observation::Stopped { node } => info!(node = who(node), "stopped"),
        Observation::Crashed { node, .. } => info!(node = who(node), "crashed"),
        Observation::LinkUp { node, peer, .. } => {
            let address = names.contact(*peer).address;
            info!(
                node = who(node),
                peer = who(peer),
                address = address.map(tracing::field::display),
                "link up"
            );
        }
        Observation::LinkDown { node, peer, session: Some(_) } => {
            info!(node = who(node), peer = who(peer), "link down");
        }
        Observation::LinkDown { node, peer, session: None } => {
            debug!(node = who(node), peer = who(peer), "dialled in vain");
        }
        Observation::Published { broadcast, .. } => {
            debug!(node = who(&broadcast.origin.node), id = %broadcast.message.id, "published");
        }
        Observation::Noticed { node, notice } => notice_of(names, broadcasts, *node, notice),
        _ => {}
    }
}

fn notice_of(names: &Names, broadcasts: &Broadcasts, node: NodeId, notice: &Notice) {
    let node = || hex(&names.identity(node).0);
    match notice {
        Notice::Joined => info!(node = node(), "joined"),
        Notice::Delivered { payload, hops } => {
            let broadcast = broadcasts.get(*payload);
            debug!(node = node(), id = %broadcast.message.id, origin = hex(&broadcast.identity.0), hops, "delivered");
        }
        Notice::Gap { origin, first, last } => {
            warn!(
                node = node(),
                origin = hex(&names.identity(origin.node).0),
                first,
                last,
                "broadcasts that will never come"
            );
        }
        _ => {}
    }
}
