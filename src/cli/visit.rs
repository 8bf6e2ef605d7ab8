//! `rumormill status`, `network` and `draw --live`: asks nodes that run how they are. And `rumormill shutdown`.

use super::node::{ShutdownArguments, VisitArguments, admin_beside, default_secret, show};
use super::{Failure, complain, files, print};
use crate::live::admin::AdminKey;
use crate::live::keys::{KeysError, Secrets};
#[cfg(feature = "draw")]
use crate::live::visit::Map;
use crate::live::visit::Visitor;
#[cfg(feature = "draw")]
use crate::units::counted;
use crate::units::grouped;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// So long the node that was asked may take to end.
const MOST_SHUTDOWN: Duration = Duration::from_secs(10);

/// A map of more nodes is nothing to look at.
#[cfg(feature = "draw")]
const MOST_DRAWN: usize = 10_000;

fn secret_file(address: SocketAddr, secret: Option<&Path>) -> Result<PathBuf, Failure> {
    secret.map_or_else(|| default_secret(address.port()), |file| Ok(file.to_owned()))
}

fn visitor(address: SocketAddr, secret: Option<&Path>) -> Result<Visitor, Failure> {
    let file = secret_file(address, secret)?;
    let secrets = Secrets::load(&file).map_err(|error| match error {
        KeysError::Missing(_) if secret.is_none() => Failure::Usage(format!(
            "no node of this machine listens there by {}: name the file of the network's secret with --secret FILE",
            file.display()
        )),
        error => unusable(error),
    })?;
    Visitor::new(secrets).map_err(unusable)
}

fn unusable(error: impl std::fmt::Display) -> Failure {
    Failure::Unusable(error.to_string())
}

/// How one node is.
pub(super) fn status(arguments: &VisitArguments) -> Result<u8, Failure> {
    let visitor = visitor(arguments.address, arguments.secret.as_deref())?;
    let status = visitor.status(arguments.address).map_err(unusable)?;
    if arguments.json {
        print(&files::json(&show::status_with_neighbors(&status)))?;
    } else {
        let mut lines = show::status(&status);
        lines.extend(status.neighbors.iter().map(|peer| format!("neighbor     {}", show::node(peer))));
        print(&lines.join("\n"))?;
    }
    Ok(0)
}

/// How the whole network is, as one of its nodes counts it.
pub(super) fn network(arguments: &VisitArguments) -> Result<u8, Failure> {
    let visitor = visitor(arguments.address, arguments.secret.as_deref())?;
    let Some(census) = visitor.census(arguments.address).map_err(unusable)? else {
        complain::say(
            "the node did not come to an end of counting; the network changes too fast, or is very large",
        );
        return Ok(2);
    };
    match arguments.json {
        true => print(&files::json(&census))?,
        false => print(&show::census(&census))?,
    }
    Ok(0)
}

/// Ends a whole network.
pub(super) fn shutdown(arguments: &ShutdownArguments) -> Result<u8, Failure> {
    let (address, secret) = (arguments.address, arguments.secret.as_deref());
    let visitor = visitor(address, secret)?;
    let beside = admin_beside(&secret_file(address, secret)?);
    let key = AdminKey::load(arguments.admin.as_ref().unwrap_or(&beside)).map_err(|error| match error {
        KeysError::Missing(file) if arguments.admin.is_none() => Failure::Usage(format!(
            "only the network's admin can shut it down, and {} is not here: name the file of the admin key, which --genesis \
             made where the network was founded, with --admin FILE",
            file.display()
        )),
        error => unusable(error),
    })?;
    let nodes = visitor.census(address).map_err(unusable)?.map(|census| census.nodes);
    visitor.shut_down(address, &key).map_err(unusable)?;
    complain::say(&match nodes {
        Some(1) => "the network of one node is being shut down".to_owned(),
        Some(nodes) => format!("the network of {} nodes is being shut down", grouped(nodes)),
        None => "the network, whose nodes could not be counted, is being shut down".to_owned(),
    });
    if visitor.sees_the_end(address, MOST_SHUTDOWN) {
        return Ok(0);
    }
    complain::say(&format!("{address} has passed the order on, but is still there"));
    Ok(1)
}

/// The picture of a network that runs.
#[cfg(feature = "draw")]
pub(super) fn draw(arguments: &super::arguments::DrawArguments, address: SocketAddr) -> Result<u8, Failure> {
    use crate::draw::{Layout, TopologyPicture};
    let map = visitor(address, arguments.secret.as_deref())?.map(address, MOST_DRAWN).map_err(unusable)?;
    let graph = map.graph();
    let names: Vec<String> = map.nodes.iter().map(|node| node.identity.to_string()).collect();
    let title = format!("The network around {address}");
    let subtitle = caption(&map, graph.edge_count());
    let picture =
        TopologyPicture { title: &title, subtitle: &subtitle, names: &names, ..TopologyPicture::of(&graph) };
    super::draw::write(&picture, &Layout::force_directed(&graph, 0), &arguments.out)?;
    complain::say(&subtitle);
    Ok(0)
}

#[cfg(feature = "draw")]
fn caption(map: &Map, links: usize) -> String {
    let silent = match map.silent.len() {
        0 => String::new(),
        silent => format!("; {} of their neighbors did not answer", counted(silent)),
    };
    format!("{} nodes and {} links{silent}", counted(map.nodes.len()), counted(links))
}
