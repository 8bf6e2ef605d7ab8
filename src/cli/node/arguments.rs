//! What can be asked of live nodes on the command line.

use super::diary::Weight;
use crate::units::parse_duration;
use clap::{Args, Subcommand};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

pub(in super::super) const HELP: &str = "\
A line that is typed, or piped in, is broadcast; empty lines are not. A line that begins with `/` is a command (/help lists \
them); `//` stands for a text that begins with `/`. Lines wait until the node is a part of the network, and while its \
neighbors or its disk are behind. At the end of piped input the node stays, as a service, unless --leave-at-end is given; \
with </dev/null it is one from the start. On a terminal Ctrl-D leaves. Ctrl-C and SIGTERM leave in good order, within 8 s; \
a second one ends at once.

Two nodes on one machine:
  rumormill node --listen 127.0.0.1:5050 --genesis
  (in another terminal, the line that this prints)
Later each comes back by the same line, knows its neighbors, and catches up.

Exit codes: 0 it left, or was told to /quit; 1 it could not leave in good order in time; 64 wrong usage; 65 it cannot start: \
address, key, secret or log are not usable; 74 output or the log cannot be written; 130 a second Ctrl-C";

#[derive(Args)]
pub(in super::super) struct NodeArguments {
    /// Where to listen, such as 127.0.0.1:5050, or 0.0.0.0:5050 for all networks; port 0 lets the system choose
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub(super) listen: SocketAddr,
    /// Be the first node: make the network's secret, if there is none yet, and print the line with which others join
    #[arg(long, conflicts_with = "join")]
    pub(super) genesis: bool,
    /// Join through the node at this address; may be repeated; tried until one of them answers
    #[arg(long, value_name = "ADDR")]
    pub(super) join: Vec<String>,
    /// The file of the network's secret; default: `secret` in the node's home
    #[arg(long, value_name = "FILE")]
    pub(super) secret: Option<PathBuf>,
    /// The folder of its key and its log; default: `rumormill/node-PORT` in your data folder (~/.local/share)
    #[arg(long, value_name = "DIR")]
    pub(super) home: Option<PathBuf>,
    /// Where others reach it, if that is not where it listens: behind a router, or with 0.0.0.0
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub(super) advertise: Option<SocketAddr>,
    /// Print each message as a JSON object on a line of its own (a direct message has the title #DIRECT); answers
    /// to commands are such lines, too, and everything else goes to standard error
    #[arg(long)]
    pub(super) json: bool,
    /// Show at this address how the node is, to browsers (/) and programs (/status, /network, /events, /metrics). Whoever
    /// reaches it can read everything, and change nothing; off unless given
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub(super) http: Option<SocketAddr>,
    /// Write what happens to this file, a JSON object a line: links, who was turned away, the node's life; `-` is standard error
    #[arg(long, value_name = "FILE")]
    pub(super) events: Option<PathBuf>,
    /// From which weight on events are written
    #[arg(long, value_name = "WEIGHT", default_value = "info", requires = "events")]
    pub(super) weight: Weight,
    /// Leave when the input ends, once everything is sent
    #[arg(long)]
    pub(super) leave_at_end: bool,
}

#[derive(Args)]
pub(in super::super) struct VisitArguments {
    /// Where the node can be reached
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub(in super::super) address: SocketAddr,
    /// The file of the network's secret; default: that of the node of that port on this machine
    #[arg(long, value_name = "FILE")]
    pub(in super::super) secret: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    pub(in super::super) json: bool,
}

#[derive(Args)]
pub(in super::super) struct ShutdownArguments {
    /// Where any node of the network can be reached
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub(in super::super) address: SocketAddr,
    /// The file of the network's secret; default: that of the node of that port on this machine
    #[arg(long, value_name = "FILE")]
    pub(in super::super) secret: Option<PathBuf>,
    /// The file of the network's admin key; default: that of the secret with `.admin` added, where --genesis made it
    #[arg(long, value_name = "FILE")]
    pub(in super::super) admin: Option<PathBuf>,
}

#[derive(Args)]
pub(in super::super) struct SecretArguments {
    #[command(subcommand)]
    pub(in super::super) order: SecretOrder,
}

#[derive(Subcommand)]
pub(in super::super) enum SecretOrder {
    /// Print the secret: who has it is in
    Show {
        #[command(flatten)]
        file: SecretFile,
    },
    /// Replace the secret by a new one; the old one holds for a while, so that nodes can change over one by one
    Rotate {
        #[command(flatten)]
        file: SecretFile,
        /// So long the old secret holds; 0s ends it at once
        #[arg(long = "for", value_name = "DURATION", default_value = "1d", value_parser = parse_duration)]
        period: Duration,
    },
}

#[derive(Args)]
pub(in super::super) struct SecretFile {
    /// The file of the network's secret
    #[arg(long = "secret", value_name = "FILE")]
    pub(in super::super) path: PathBuf,
}

#[derive(Args)]
pub(in super::super) struct ClusterArguments {
    /// How many nodes
    #[arg(default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(in super::super) nodes: u32,
    /// The folder for the homes of the nodes, to have the same network again; default: a new one, removed at the end
    #[arg(long, value_name = "DIR")]
    pub(in super::super) home: Option<PathBuf>,
}

/// An address as people write it; a name stands for the first of its addresses.
pub(in super::super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let wrong = |why: &str| format!("{why}; an address is a host and a port, such as 127.0.0.1:5050");
    let mut found = text.to_socket_addrs().map_err(|error| wrong(&error.to_string()))?;
    found.next().ok_or_else(|| wrong("there is no such host"))
}
