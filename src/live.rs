//! World 2: real nodes over TCP. The [`Node`](crate::Node) that the simulator runs, unchanged, and any other
//! [`Protocol`].
//!
//! [`Live`] holds any number of nodes in this process, each with its own listener, keys and connections; a process with one
//! node is a network's peer, a process with fifty is a network of its own in which a scenario can be played. What the nodes do
//! happens under one lock, one thing after the other; connections are carried by tasks around it:
//!
//! ```text
//! socket -> noise (decrypt) -> frame -> core: Protocol::on_message -> queue -> frame -> noise (encrypt) -> socket
//! ```
//!
//! Strangers are kept out: every connection is a Noise handshake in which both ends show that they know the network's secret.

pub mod admin;
mod clock;
mod core;
mod events;
pub mod frame;
mod gate;
mod hello;
mod house;
mod journal;
pub mod keys;
mod link;
mod log;
pub mod noise;
mod private;
mod queue;
mod report;
mod transport;
pub mod visit;
mod window;
mod world;

use self::core::{Core, Order};
use crate::graph::Graph;
use crate::id::{Contact, Identity, NodeId};
use crate::message::{Broadcast, Broadcasts, Message};
use crate::network::Network;
use crate::observe::Observer;
use crate::protocol::{Notice, Protocol};
use crate::world::World;
#[cfg(feature = "cli")]
pub(crate) use clock::today;
pub use journal::JournalError;
use keys::{Keypair, Secrets};
pub use link::Unmet;
use log::Log;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Notify;
use tokio::time::Instant;
use visit::Status;
pub use window::{Glimpse, Window};

/// A connection over which nothing was said for so long is given up.
const SILENCE: Duration = Duration::from_secs(8);
/// A node that has nothing to say over a connection says so as often.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// So long a node waits for a connection.
const DIAL: Duration = Duration::from_secs(1);
/// So many bytes of broadcasts a process keeps, unless it is told otherwise.
const MOST_CONTENTS: usize = 1 << 30;
/// So long the application waits at once; then it may look at other things.
const GLANCE: Duration = Duration::from_millis(20);

impl<P: Protocol> LiveConfig<P> {
    /// In real time, over links as they are, with nothing there at the start and nothing forgotten.
    pub fn new(node: P::Config, secrets: Secrets) -> LiveConfig<P> {
        let contents = MOST_CONTENTS;
        LiveConfig {
            node,
            secrets,
            speed: 1.0,
            latency: None,
            seed: None,
            forgets: false,
            is_given: false,
            contents,
        }
    }
}

/// So long it may take to set up the links of a network that is there from the start.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a message takes from one node to another, in addition to what the network takes.
pub type Latencies = Arc<dyn Fn(NodeId, NodeId) -> Duration + Send + Sync>;

/// What the nodes of a live network have in common.
#[derive(Clone)]
pub struct LiveConfig<P: Protocol> {
    /// The nodes' own configuration.
    pub node: P::Config,
    /// What strangers do not know.
    pub secrets: Secrets,
    /// How many times faster than real time everything goes, above 0; 1 is real time.
    pub speed: f64,
    /// What links take longer than the real ones, if anything.
    pub latency: Option<Latencies>,
    /// Where the nodes' chance comes from; none: from the system.
    pub seed: Option<u64>,
    /// Whether broadcasts are forgotten when no node needs them any more. Who wants to look at all of them in the end, as the
    /// judges of a scenario do, forgets none.
    pub forgets: bool,
    /// Whether all nodes and their links are there from the start, as [`Live::give`] gives them.
    pub is_given: bool,
    /// So many bytes of broadcasts are kept at most; others are refused until some are forgotten, and this process publishes no
    /// more (it [is busy](Live::is_busy)).
    pub contents: usize,
}

/// Where a node lives.
pub struct Place {
    /// Its keys; the public one is its identity.
    pub keypair: Keypair,
    /// Where it listens; port 0 lets the system choose one.
    pub listen: SocketAddr,
    /// Where others can reach it, if that is not where it listens.
    pub advertised: Option<SocketAddr>,
    /// The folder of its log; without one the log is kept in memory, and lost with the process.
    pub log: Option<PathBuf>,
}

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nobody can listen there.
    #[error("cannot listen at {address}: {error}; choose another address with --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] JournalError),
    /// The log holds something else than this program writes.
    #[error("the log in {} was written by another version of this program; move the folder away", folder.display())]
    ForeignLog {
        /// Its folder.
        folder: PathBuf,
    },
}

/// What the application may want to know of a node.
#[derive(Clone, PartialEq, Debug)]
pub enum Report {
    /// It has a broadcast. Those of one origin are told of in their order, unless one does not come for ten seconds.
    Delivered(Broadcast),
    /// It has a message for it alone.
    Received {
        /// From whom.
        from: Identity,
        /// The message.
        message: Message,
    },
    /// Anything else that it noticed.
    Noticed(Notice),
    /// The network's admin wants all nodes to end; it has passed that on.
    ToShutDown,
    /// Its life is over.
    Stopped,
}

/// Nodes in this process, and their connections to each other and to those of other processes.
pub struct Live<P: Protocol, O: Observer = ()> {
    shared: Arc<Shared<P, O>>,
    /// What was broadcast, as of the last time that this thread looked; nothing, if it is forgotten in time.
    broadcasts: Broadcasts,
    /// Last: its tasks end when all else is gone.
    runtime: Option<Runtime>,
}

/// What tasks and threads of the process share.
struct Shared<P: Protocol, O> {
    core: Mutex<Core<P, O>>,
    timers_changed: Notify,
    counted: Notify,
    runtime: Handle,
}

impl<P: Protocol, O: Observer + Send + 'static> Shared<P, O>
where
    P::Config: Sync,
{
    /// Does something with the nodes, and then what they ordered meanwhile.
    fn with<T>(self: &Arc<Self>, work: impl FnOnce(&mut Core<P, O>) -> T) -> T {
        let mut core = self.lock();
        core.moment = Instant::now();
        let result = work(&mut core);
        let orders: Vec<Order> = std::mem::take(&mut core.orders);
        drop(core);
        self.carry_out(orders);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Core<P, O>> {
        self.core.lock().expect("a node panicked; what it was about to do nobody knows")
    }

    fn secrets(&self) -> Secrets {
        self.lock().config.secrets.clone()
    }
}

impl<P: Protocol, O: Observer + Send + 'static> Live<P, O>
where
    P::Config: Sync,
{
    /// A live world without nodes.
    ///
    /// # Errors
    /// If the system gives no threads or timers.
    pub fn new(config: LiveConfig<P>, observer: O) -> io::Result<Live<P, O>> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut core = Core::new(config, observer);
        if !core.config.is_given {
            core.clock.start();
        }
        let pause = core.clock.real(KEEP_ALIVE) / 3;
        let shared = Arc::new(Shared {
            core: Mutex::new(core),
            timers_changed: Notify::new(),
            counted: Notify::new(),
            runtime: runtime.handle().clone(),
        });
        runtime.spawn(Arc::clone(&shared).keep_time());
        runtime.spawn(Arc::clone(&shared).keep_house(pause));
        Ok(Live { shared, broadcasts: Broadcasts::default(), runtime: Some(runtime) })
    }

    /// Starts a node. What it wrote into its log before is there again.
    ///
    /// # Errors
    /// If nobody can listen there, or its log cannot be read.
    pub fn start(&mut self, place: Place) -> Result<NodeId, StartError> {
        let Place { keypair, listen, advertised, log } = place;
        let unusable = |error| StartError::Listen { address: listen, error };
        let listener = self.shared.runtime.block_on(TcpListener::bind(listen)).map_err(unusable)?;
        let address = advertised.unwrap_or(listener.local_addr().map_err(unusable)?);
        let node = self.shared.lock().add(keypair, address);
        if let Some(folder) = log {
            let mut core = self.shared.lock();
            core.hosts[node.index()].log = Log::open(&folder, &mut core)?;
        }
        self.bring_up(node, listener);
        Ok(node)
    }

    /// From now on tells a function what the application may want to know of the nodes of this process. It must return soon, and
    /// may not use the network.
    pub fn report_to(&mut self, tell: impl Fn(NodeId, Report) + Send + 'static) {
        self.shared.lock().reports = Some(Box::new(tell));
    }

    /// From now on these are what strangers do not know. Connections that are up stay.
    pub fn set_secrets(&self, secrets: Secrets) {
        tracing::info!("the network's secret was replaced");
        self.shared.lock().config.secrets = secrets;
    }

    /// How a node is, as a visitor would be told.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn status(&self, node: NodeId) -> Status {
        self.shared.lock().status(node)
    }

    /// Whether a node's neighbors are behind with what it has to say, or its log is not written any more: who broadcasts should wait.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn is_busy(&self, node: NodeId) -> bool {
        self.shared.lock().is_busy(node)
    }

    /// Why a node's log stopped being written, if it did.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn log_failure(&self, node: NodeId) -> Option<String> {
        self.shared.lock().hosts[node.index()].log.failure()
    }

    /// Who a number means, and where to find it; for numbers that this process gave and has not freed.
    pub fn contact(&self, node: NodeId) -> Contact {
        self.shared.lock().names.contact(node)
    }

    fn bring_up(&mut self, node: NodeId, listener: TcpListener) {
        let life = self.shared.with(|core| {
            core.begin_life(node);
            core.follow_up();
            core.hosts[node.index()].life
        });
        let task = self.shared.runtime.spawn(Arc::clone(&self.shared).listen(node, life, listener));
        self.shared.lock().hosts[node.index()].listener = Some(task.abort_handle());
    }

    /// Starts all nodes of a graph, on loopback, and links them; then time begins to pass.
    ///
    /// # Errors
    /// If the links are not all up within half a minute.
    pub fn give(&mut self, graph: &Graph) -> io::Result<()> {
        graph.node_ids().for_each(|_| _ = self.spawn());
        self.shared.with(|core| graph.edges().for_each(|(a, b)| core.open(a, b)));
        let deadline = Instant::now() + PATIENCE;
        while self.topology().edge_count() < graph.edge_count() {
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "not all links came up"));
            }
            self.shared.runtime.block_on(async { tokio::time::sleep(GLANCE).await });
        }
        self.shared.with(|core| core.clock.start());
        Ok(())
    }

    /// Stops everything where it stands, and gives the observer back.
    pub fn end(&mut self) -> O
    where
        O: Default,
    {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
        self.look();
        std::mem::take(&mut self.shared.lock().observer)
    }

    /// Who is at this address. It takes up to some seconds to learn that nobody is who belongs to the network.
    ///
    /// # Errors
    /// If nobody is, why.
    pub fn who_is(&self, node: NodeId, address: SocketAddr) -> Result<NodeId, Unmet> {
        self.shared.runtime.block_on(self.shared.who_is(node, address))
    }

    /// What this thread sees of the broadcasts is brought up to date.
    fn look(&mut self) {
        let core = self.shared.lock();
        if core.config.forgets {
            return;
        }
        for broadcast in core.contents.broadcasts().iter().skip(self.broadcasts.len()) {
            self.broadcasts.insert(broadcast.clone());
        }
    }

    /// Whether nothing is under way between the nodes of this process: no message, no dial, no timer, no link that only one
    /// end knows of. Nodes of other processes do not count.
    pub fn is_settled(&self) -> bool {
        self.shared.lock().is_settled()
    }

    /// Looks at a node's state machine.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn look_at<T>(&self, node: NodeId, look: impl FnOnce(&P) -> T) -> T {
        look(
            self.shared.lock().hosts[node.index()]
                .node
                .as_ref()
                .expect("nobody is at work while it is locked"),
        )
    }

    /// Does something with the observer.
    pub fn observed<T>(&self, look: impl FnOnce(&O) -> T) -> T {
        look(&self.shared.lock().observer)
    }
}

impl<P: Protocol, O: Observer> Drop for Live<P, O> {
    /// Ends all tasks, and waits until the disk has the logs.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
        let Ok(mut core) = self.shared.core.lock() else { return };
        core.hosts.iter_mut().for_each(|host| host.log = Log::Memory(Vec::new()));
    }
}

impl<P: Protocol, O: Observer + Send + 'static> Network<Live<P, O>>
where
    P::Config: Sync,
{
    /// A live network without nodes yet, all of whose nodes will live in this process and listen on loopback.
    ///
    /// # Errors
    /// If the system gives no threads or timers.
    pub fn live(config: LiveConfig<P>, observer: O) -> io::Result<Self> {
        Live::new(config, observer).map(Network::of)
    }
}
