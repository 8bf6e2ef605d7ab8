//! Visitors: who knows the network's secret, but is no node of it, and asks one how it is. What `rumormill status`,
//! `network` and `draw --live` do.

use super::admin::AdminKey;
use super::clock::{self, today};
use super::core::Core;
use super::frame::{self, Frames};
use super::gate::Guest;
use super::hello::Hello;
use super::keys::{Keypair, KeysError, Secrets};
use super::noise::{self, Refused, Session};
use super::{DIAL, Shared};
use crate::graph::Graph;
use crate::id::{Contact, Identity, NodeId};
use crate::observe::Observer;
use crate::protocol::{Census, Command, Protocol, State};
use crate::world::Counters;
use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A visitor that asks nothing for so long has to go.
const PATIENCE: Duration = Duration::from_secs(30);

/// A census that has not ended after so long is not waited for.
const CENSUS: Duration = Duration::from_secs(20);

/// So often a visitor looks whether a node is still there.
const LOOK: Duration = Duration::from_millis(50);

/// So many nodes are asked at once for a map.
const ASKED_AT_ONCE: usize = 32;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Question {
    Status,
    Census,
    /// Will you pass on this order to shut down?
    ShutDown(String),
}

/// How a live node is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Who it is.
    pub identity: Identity,
    /// Where it can be reached.
    pub address: SocketAddr,
    /// Whether it is a part of the network.
    pub state: State,
    /// How long it has been up.
    pub uptime: Duration,
    /// The peers with which it exchanges broadcasts.
    pub neighbors: Vec<Contact>,
    /// How many nodes it knows.
    pub known: u64,
    /// How many broadcasts it delivered.
    pub delivered: u64,
    /// How many copies of broadcasts it received in vain.
    pub duplicates: u64,
    /// What it sent and received in this life.
    pub counters: Counters,
    /// Who, and what, it did not let in.
    pub refused: Refusals,
}

/// What a node refused since its process began: strangers, and peers that break the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Refusals {
    /// Connections that did not come to the end of their handshake: strangers, as a rule.
    pub handshakes: u64,
    /// Connections for which there was no place, or that had to make room for others.
    pub crowded: u64,
    /// Sessions of peers that said what cannot be understood, or is not allowed.
    pub broken: u64,
    /// Sessions of peers that read too slowly.
    pub slow: u64,
    /// Messages, and peers, for which there was no room any more: they name too many nodes, or hold too much.
    pub no_room: u64,
}

impl Refusals {
    /// All of them.
    pub fn count(&self) -> u64 {
        let Refusals { handshakes, crowded, broken, slow, no_room } = *self;
        handshakes + crowded + broken + slow + no_room
    }
}

/// A whole network, as its nodes tell of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Map {
    /// Those that answered, the first one first.
    pub nodes: Vec<Status>,
    /// Neighbors of theirs that did not.
    pub silent: Vec<Contact>,
}

/// Why a visit came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// Nobody is there.
    #[error("nobody answers at {address}: {error}; is the node up, and is that its address?")]
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// Somebody is there and does not let us in.
    #[error("{address} refuses us: {refused}; is --secret the file of that network?")]
    Refused {
        /// Where.
        address: SocketAddr,
        /// Why.
        refused: Refused,
    },
    /// The answer did not come, or is none.
    #[error("{address} gave no answer that can be understood; is it of another version?")]
    NoAnswer {
        /// Where.
        address: SocketAddr,
    },
    /// The node will not do what we ask.
    #[error("{address} does not do that: {why}")]
    Declined {
        /// Where.
        address: SocketAddr,
        /// Why not, as it says.
        why: String,
    },
    /// There is no key for the visit.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The system gives no sockets or timers.
    #[error("cannot ask anybody: {0}")]
    System(io::Error),
}

/// How many of those who read a greeting, a question or an answer understand these bytes: for tests that feed them nonsense.
#[doc(hidden)]
pub fn understands(bytes: &[u8]) -> usize {
    usize::from(Hello::decode(bytes).is_some())
        + usize::from(postcard::from_bytes::<Question>(bytes).is_ok())
        + usize::from(postcard::from_bytes::<Status>(bytes).is_ok())
        + usize::from(postcard::from_bytes::<Option<Census>>(bytes).is_ok())
}

/// One of each of them.
#[doc(hidden)]
pub fn examples() -> Vec<Vec<u8>> {
    let contact = Contact { identity: Identity([3; 32]), address: Some(([127, 0, 0, 1], 5050).into()) };
    let status = Status {
        identity: Identity([4; 32]),
        address: ([0; 16], 5051).into(),
        state: State::Member,
        uptime: Duration::from_secs(99),
        neighbors: vec![contact; 6],
        known: 20,
        delivered: 300,
        duplicates: 4_000,
        counters: Counters::default(),
        refused: Refusals { handshakes: 7, ..Refusals::default() },
    };
    let census = Some(Census { nodes: 300, link_ends: 1_800, least_neighbors: 5, most_neighbors: 8 });
    let examples = [
        postcard::to_allocvec(&Question::Status),
        postcard::to_allocvec(&Question::Census),
        postcard::to_allocvec(&Question::ShutDown("1 2 3".into())),
        postcard::to_allocvec(&status),
        postcard::to_allocvec(&census),
        Ok(Hello::of_visitor().encode()),
    ];
    examples.into_iter().filter_map(Result::ok).collect()
}

/// Somebody who asks.
pub struct Visitor {
    keypair: Keypair,
    secrets: Secrets,
    runtime: tokio::runtime::Runtime,
}

impl Visitor {
    /// A visitor who knows a network's secrets.
    ///
    /// # Errors
    /// If the system gives no random numbers or sockets.
    pub fn new(secrets: Secrets) -> Result<Visitor, VisitError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Visitor { keypair: Keypair::random()?, secrets, runtime: runtime.map_err(VisitError::System)? })
    }

    /// How a node is.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn status(&self, address: SocketAddr) -> Result<Status, VisitError> {
        self.runtime.block_on(ask(&self.keypair, &self.secrets, address, Question::Status))
    }

    /// Lets a node count its network; none if that took too long.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn census(&self, address: SocketAddr) -> Result<Option<Census>, VisitError> {
        self.runtime.block_on(ask(&self.keypair, &self.secrets, address, Question::Census))
    }

    /// Asks a node, its neighbors, theirs, and so on, up to so many.
    ///
    /// # Errors
    /// If the first one does not answer.
    pub fn map(&self, address: SocketAddr, most: usize) -> Result<Map, VisitError> {
        Ok(self.map_around(self.status(address)?, most, Duration::MAX))
    }

    /// Lets a node pass on the order that all nodes of the network shut down.
    ///
    /// # Errors
    /// If it does not answer, or will not.
    pub fn shut_down(&self, address: SocketAddr, key: &AdminKey) -> Result<(), VisitError> {
        let question = Question::ShutDown(key.order_shutdown(clock::now()));
        let answer: Result<(), String> =
            self.runtime.block_on(ask(&self.keypair, &self.secrets, address, question))?;
        answer.map_err(|why| VisitError::Declined { address, why })
    }

    /// Whether nobody listens any more, before so much time has passed.
    pub fn sees_the_end(&self, address: SocketAddr, patience: Duration) -> bool {
        let gone = async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::time::sleep(LOOK).await;
            }
        };
        self.runtime.block_on(async { timeout(patience, gone).await.is_ok() })
    }

    /// The same around a node of which it is known how it is. Those that have not answered after so long are
    /// left out.
    pub fn map_around(&self, first: Status, most: usize, patience: Duration) -> Map {
        let mut map = Map { nodes: Vec::new(), silent: Vec::new() };
        self.runtime.block_on(async { _ = timeout(patience, self.explore(first, most, &mut map)).await });
        map
    }

    async fn explore(&self, first: Status, most: usize, map: &mut Map) {
        let mut seen = FxHashMap::from_iter([(first.identity, ())]);
        let mut to_ask: Vec<Contact> = Vec::new();
        let mut asked = JoinSet::new();
        let mut answer = Some(Ok(first));
        loop {
            match answer.take() {
                Some(Ok(status)) => {
                    let neighbors = status.neighbors.iter();
                    to_ask.extend(neighbors.filter(|peer| seen.insert(peer.identity, ()).is_none()));
                    map.nodes.push(status);
                }
                Some(Err(contact)) => map.silent.push(contact),
                None => {}
            }
            while asked.len() < ASKED_AT_ONCE && map.nodes.len() + asked.len() < most {
                let Some(contact) = to_ask.pop() else { break };
                let (keypair, secrets) = (self.keypair.clone(), self.secrets.clone());
                asked.spawn(async move {
                    let address = contact.address.ok_or(contact)?;
                    ask::<Status>(&keypair, &secrets, address, Question::Status).await.map_err(|_| contact)
                });
            }
            match asked.join_next().await {
                Some(joined) => answer = joined.ok(),
                None => return,
            }
        }
    }
}

impl Map {
    /// Who neighbors whom, as at least one of the two says; nodes in the order of `nodes`.
    pub fn graph(&self) -> Graph {
        let places: FxHashMap<Identity, u32> =
            self.nodes.iter().zip(0..).map(|(node, place)| (node.identity, place)).collect();
        let ends = |node: &Status, place: u32| {
            let peers: Vec<u32> =
                node.neighbors.iter().filter_map(|peer| places.get(&peer.identity).copied()).collect();
            peers.into_iter().map(move |peer| (place.min(peer), place.max(peer)))
        };
        let mut edges: Vec<(u32, u32)> =
            self.nodes.iter().zip(0..).flat_map(|(node, place)| ends(node, place)).collect();
        edges.sort_unstable();
        edges.dedup();
        Graph::from_edges(self.nodes.len(), &edges)
    }
}

async fn ask<T: DeserializeOwned>(
    keypair: &Keypair,
    secrets: &Secrets,
    address: SocketAddr,
    question: Question,
) -> Result<T, VisitError> {
    let mut session = meet(keypair, secrets, address).await?;
    let no_answer = || VisitError::NoAnswer { address };
    let answered = async {
        write(&mut session, &question).await?;
        read(&mut session, &mut Frames::default()).await
    };
    timeout(CENSUS + DIAL, answered).await.ok().flatten().ok_or_else(no_answer)
}

/// Shakes hands as a visitor.
async fn meet(
    keypair: &Keypair,
    secrets: &Secrets,
    address: SocketAddr,
) -> Result<Session<TcpStream>, VisitError> {
    let hello = Hello::of_visitor().encode();
    let mut outcome = None;
    for secret in secrets.valid(today()) {
        let connected = timeout(DIAL, TcpStream::connect(address)).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = connected.map_err(|error| VisitError::Unreachable { address, error })?;
        match noise::dial(stream, keypair, secret, &hello, None).await {
            Err(refused @ Refused::Unanswered) => outcome = Some(refused),
            other => return other.map_err(|refused| VisitError::Refused { address, refused }),
        }
    }
    let refused = outcome.unwrap_or(Refused::WrongSecret);
    Err(VisitError::Refused { address, refused })
}

async fn write(session: &mut Session<TcpStream>, what: &impl Serialize) -> Option<()> {
    let (body, mut bytes) = (postcard::to_allocvec(what).ok()?, Vec::new());
    frame::push(&mut bytes, |frame| frame.extend_from_slice(&body)).ok()?;
    session.writer.write(&bytes).await.ok()
}

async fn read<T: DeserializeOwned>(session: &mut Session<TcpStream>, frames: &mut Frames) -> Option<T> {
    loop {
        match frames.next().ok()? {
            Some(body) => return postcard::from_bytes(body).ok(),
            None => session.reader.read(frames.buffer_mut()).await.ok()?,
        }
    }
}

impl<P: Protocol, O: Observer + Send + 'static> Shared<P, O>
where
    P::Config: Sync,
{
    /// Answers a visitor's questions, one after the other.
    pub(super) async fn serve(self: Arc<Self>, node: NodeId, mut session: Session<TcpStream>, _guest: Guest) {
        let mut frames = Frames::default();
        while let Ok(Some(question)) = timeout(PATIENCE, read(&mut session, &mut frames)).await {
            let answered = match question {
                Question::Status => {
                    let status = self.with(|core| core.status(node));
                    timeout(PATIENCE, write(&mut session, &status)).await
                }
                Question::Census => {
                    let census = self.count(node).await;
                    timeout(PATIENCE, write(&mut session, &census)).await
                }
                Question::ShutDown(order) => {
                    let answer = self.with(|core| core.pass_on_order(node, order));
                    let answer = answer.map_err(|why| why.to_string());
                    timeout(PATIENCE, write(&mut session, &answer)).await
                }
            };
            if !matches!(answered, Ok(Some(()))) {
                return;
            }
        }
    }

    async fn count(self: &Arc<Self>, node: NodeId) -> Option<Census> {
        let counted = self.counted.notified();
        self.with(|core| {
            core.hosts[node.index()].census = None;
            core.command(node, Command::Census);
        });
        let census = || self.with(|core| core.hosts[node.index()].census);
        if census().is_none() {
            _ = timeout(CENSUS, counted).await;
        }
        census()
    }
}

impl<P: Protocol, O: Observer> Core<P, O> {
    /// How a node is, for somebody outside.
    pub(super) fn status(&self, node: NodeId) -> Status {
        let (host, view) = (&self.hosts[node.index()], self.view(node));
        Status {
            identity: self.names.identity(node),
            address: host.address,
            state: self.state(node),
            uptime: host.ended.unwrap_or(self.now()).since(host.started),
            neighbors: view.neighbors.iter().map(|&peer| self.names.contact(peer)).collect(),
            known: view.known.len() as u64,
            delivered: view.delivered,
            duplicates: view.duplicates,
            counters: host.counters,
            refused: host.refused,
        }
    }
}
