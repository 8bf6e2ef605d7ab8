//! How links come to be and are carried: dialling, accepting, reading, writing. Tasks that run outside of the lock.
//!
//! Of two nodes the one with the smaller identity decides which connection between them is the session, and says so in the
//! first frame that it sends over it. So two that dial each other at once settle on one.

use super::clock::today;
use super::core::{Core, Order};
use super::frame::{self, Frames};
use super::gate::{Gate, Guest};
use super::hello::{Hello, Role};
use super::noise::{self, Broken, MOST_PLAIN, Reader, Refused, Writer};
use super::private::hex;
use super::queue::Queue;
use super::visit::Refusals;
use super::{DIAL, Shared};
use crate::id::{Identity, NodeId};
use crate::observe::Observer;
use crate::protocol::Protocol;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

/// So long a node waits until the one that decides says which connection is the session.
const DECISION: Duration = Duration::from_secs(5);

/// So long what was written before the end of a session may take to get out to a peer that reads slowly, or not at all.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// No connection can be accepted: so long others may take to free what lacks.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// So long what a peer still sends after the end of a session is read and thrown away: if it were left unread, the system would
/// throw away what is still on its way to the peer.
const FAREWELL: Duration = Duration::from_secs(2);

/// After so many bytes at once a reader lets others do something.
const LONG: usize = 4_096;

type Session = noise::Session<TcpStream>;

/// Why nobody of the network was met at an address.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// No connection came about.
    #[error("{}", unconnected(.0))]
    Unconnected(io::Error),
    /// There was no answer at all.
    #[error("no answer within {} s", DIAL.as_secs())]
    Silent,
    /// The handshake came to nothing.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What it says of itself is in no form that this version knows.
    #[error("it speaks for another version of this program")]
    Foreign,
    /// This process knows too many nodes already.
    #[error("no room for the names of further nodes")]
    Full,
}

fn unconnected(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens there".into(),
        _ => error.to_string(),
    }
}

impl<P: Protocol, O: Observer + Send + 'static> Shared<P, O>
where
    P::Config: Sync,
{
    /// Does what the nodes ordered while the lock was held.
    pub(super) fn carry_out(self: &Arc<Self>, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Dial { node, peer, attempt } => {
                    self.runtime.spawn(Arc::clone(self).dial(node, peer, attempt));
                }
                Order::LookAtTimers => self.timers_changed.notify_one(),
                Order::TellOfCensus => self.counted.notify_waiters(),
            }
        }
    }

    /// Accepts whoever comes to a node of this process.
    pub(super) async fn listen(self: Arc<Self>, node: NodeId, life: u64, listener: TcpListener) {
        let gate = Gate::new(self.lock().config.is_given);
        loop {
            let (stream, from) = match listener.accept().await {
                Ok(came) => came,
                // Who came has gone again.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(_) => {
                    // Out of descriptors, perhaps: others may be freed soon.
                    sleep(EXHAUSTED).await;
                    continue;
                }
            };
            let (number, is_crowded) = gate.let_in(from.ip()).await;
            if is_crowded {
                self.refuse(node, |refused| &mut refused.crowded);
            }
            let stranger = Arc::clone(&self).attend(node, life, Arc::clone(&gate), number, (stream, from));
            gate.begun(number, self.runtime.spawn(stranger).abort_handle());
        }
    }

    /// Counts somebody, or something, that was not let in.
    fn refuse(self: &Arc<Self>, node: NodeId, why: impl FnOnce(&mut Refusals) -> &mut u64) {
        *why(&mut self.lock().hosts[node.index()].refused) += 1;
    }

    /// Deals with a stranger, and with the guest that it may become.
    pub(super) async fn attend(
        self: Arc<Self>,
        node: NodeId,
        life: u64,
        gate: Arc<Gate>,
        number: u64,
        (stream, from): (TcpStream, SocketAddr),
    ) {
        let met = self.answer(node, stream, from).await;
        gate.leave(number);
        let Some((session, hello)) = met else {
            return self.refuse(node, |refused| &mut refused.handshakes);
        };
        let Some(guest) = gate.welcome(from.ip()) else {
            return self.refuse(node, |refused| &mut refused.crowded);
        };
        // (Boxed, so that a stranger does not take the room that a guest needs.)
        match hello.role {
            Role::Visitor => Box::pin(self.serve(node, session, guest)).await,
            Role::Peer => _ = Box::pin(self.settle(node, life, session, hello, Some(guest))).await,
        }
    }

    async fn answer(
        self: &Arc<Self>,
        node: NodeId,
        stream: TcpStream,
        from: SocketAddr,
    ) -> Option<(Session, Hello)> {
        stream.set_nodelay(true).ok()?;
        let (keypair, own) = self.introduction(node);
        let secrets = self.secrets();
        let accepted = noise::accept(stream, &keypair, secrets.valid(today()), &own.encode()).await;
        let session = accepted.inspect_err(|why| tracing::warn!(%from, %why, "turned away")).ok()?;
        let hello = Hello::decode(&session.hello)?.seen_from(from);
        Some((session, hello))
    }

    fn introduction(self: &Arc<Self>, node: NodeId) -> (Arc<super::keys::Keypair>, Hello) {
        self.with(|core| (Arc::clone(&core.hosts[node.index()].keypair), core.hello(node)))
    }

    async fn dial(self: Arc<Self>, node: NodeId, peer: NodeId, attempt: u64) {
        let (life, identity, addresses) = self.with(|core| {
            (core.hosts[node.index()].life, core.names.identity(peer), core.names.addresses(peer))
        });
        for address in addresses {
            match self.reach(node, address, Some(identity)).await {
                Ok((session, hello)) => {
                    if self.settle(node, life, session, hello, None).await {
                        return;
                    }
                }
                Err(why) => tracing::debug!(%address, peer = hex(&identity.0), %why, "not reached"),
            }
        }
        self.with(|core| core.dial_failed(node, peer, attempt));
    }

    /// Dials an address and shakes hands with whoever is there, or with nobody but the one that is expected.
    async fn reach(
        self: &Arc<Self>,
        node: NodeId,
        address: SocketAddr,
        expected: Option<Identity>,
    ) -> Result<(Session, Hello), Unmet> {
        let (keypair, own) = self.introduction(node);
        let mut refused = Refused::Unanswered;
        for secret in self.secrets().valid(today()) {
            let connected = timeout(DIAL, TcpStream::connect(address)).await.map_err(|_| Unmet::Silent)?;
            let stream = connected.map_err(Unmet::Unconnected)?;
            stream.set_nodelay(true).map_err(Unmet::Unconnected)?;
            match noise::dial(stream, &keypair, secret, &own.encode(), expected).await {
                Ok(session) => {
                    let hello = Hello::decode(&session.hello).ok_or(Unmet::Foreign)?;
                    return Ok((session, hello.seen_from(address)));
                }
                Err(error) => refused = error,
            }
        }
        Err(refused.into())
    }

    /// Who is at an address.
    pub(super) async fn who_is(self: &Arc<Self>, node: NodeId, address: SocketAddr) -> Result<NodeId, Unmet> {
        let (session, hello) = self.reach(node, address, None).await?;
        self.with(|core| core.meet(session.peer, hello.address)).ok_or(Unmet::Full)
    }

    /// Two nodes have shaken hands. Whether the connection became their session, or another one is.
    async fn settle(
        self: &Arc<Self>,
        node: NodeId,
        life: u64,
        session: Session,
        hello: Hello,
        guest: Option<Guest>,
    ) -> bool {
        let noise::Session { peer: identity, reader, writer, .. } = session;
        let Some(peer) = self.with(|core| core.meet(identity, hello.address)) else {
            self.refuse(node, |refused| &mut refused.no_room);
            return false;
        };
        let mut carrier = Carrier { node, peer, reader, frames: Frames::default() };
        if self.with(|core| core.decides(node, identity)) {
            let Some((queue, id, number)) = self.with(|core| core.accept(node, life, peer, &hello)) else {
                // The peer has not heard of the session yet. If this connection ended first, its dial would have failed.
                sleep(DECISION).await;
                return true;
            };
            queue.push(Instant::now(), |bytes| {
                _ = frame::push(bytes, |body| body.extend_from_slice(&number.to_le_bytes()))
            });
            self.carry(carrier, queue, id, writer, guest);
            return true;
        }
        let Ok(Some(number)) = timeout(DECISION, carrier.decision()).await else {
            return self.with(|core| core.session(node, peer).is_some());
        };
        match self.with(|core| core.adopt(node, life, peer, &hello, number)) {
            Some((queue, id)) => {
                self.carry(carrier, queue, id, writer, guest);
                true
            }
            None => false,
        }
    }

    fn carry(
        self: &Arc<Self>,
        carrier: Carrier,
        queue: Arc<Queue>,
        id: u64,
        writer: Writer<WriteHalf<TcpStream>>,
        guest: Option<Guest>,
    ) {
        let Carrier { node, peer, .. } = carrier;
        let guest = guest.map(Arc::new);
        let write = Arc::clone(self).write(node, peer, id, queue, (writer, guest.clone()));
        let write = self.runtime.spawn(write);
        let read = self.runtime.spawn(Arc::clone(self).read(carrier, id, guest));
        self.with(|core| {
            core.carried_by(node, peer, id, vec![write.abort_handle(), read.abort_handle()]);
            core.follow_up();
        });
    }

    async fn write(
        self: Arc<Self>,
        node: NodeId,
        peer: NodeId,
        id: u64,
        queue: Arc<Queue>,
        (mut writer, _guest): (Writer<WriteHalf<TcpStream>>, Option<Arc<Guest>>),
    ) {
        let mut spent = Vec::new();
        while let Some(bytes) = queue.take(spent).await {
            let is_written = tokio::select! {
                biased;
                is_written = say(&mut writer, &bytes, &queue) => is_written,
                // Who does not read would hold all this for ever.
                () = queue.closed_for(LAST_WORDS) => false,
            };
            if !is_written {
                break;
            }
            spent = bytes;
        }
        _ = writer.close().await;
        self.with(|core| core.session_over(node, peer, id));
    }

    async fn read(self: Arc<Self>, mut carrier: Carrier, id: u64, _guest: Option<Arc<Guest>>) {
        let Carrier { node, peer, .. } = carrier;
        // What came together with the decision.
        let mut goes_on = self.with(|core| core.receive(node, peer, id, &mut carrier.frames));
        while goes_on {
            goes_on = match carrier.reader.read(carrier.frames.buffer_mut()).await {
                Ok(()) => self.take_in(&mut carrier, id).await,
                Err(broken) => {
                    if matches!(broken, Broken::Forged) {
                        self.refuse(node, |refused| &mut refused.broken);
                    }
                    false
                }
            };
        }
        self.with(|core| core.session_over(node, peer, id));
        let rest = async {
            let mut thrown_away = Vec::new();
            while carrier.reader.read(&mut thrown_away).await.is_ok() {
                thrown_away.clear();
            }
        };
        _ = timeout(FAREWELL, rest).await;
    }

    /// A peer's messages are received; whether its session goes on.
    async fn take_in(self: &Arc<Self>, carrier: &mut Carrier, id: u64) -> bool {
        let Carrier { node, peer, .. } = *carrier;
        let is_long = carrier.frames.buffer_mut().len() > LONG;
        let goes_on = self.with(|core| core.receive(node, peer, id, &mut carrier.frames));
        if is_long {
            // Whoever reads all that there is before anything is written lets queues grow, here and elsewhere.
            yield_now().await;
        }
        goes_on
    }

    /// Fires timers when they are due, for as long as the process lives.
    pub(super) async fn keep_time(self: Arc<Self>) {
        loop {
            let next = self.with(Core::fire_timers);
            tokio::select! {
                () = self.timers_changed.notified() => {}
                () = async { tokio::time::sleep_until(next.expect("checked")).await }, if next.is_some() => {}
            }
        }
    }

    /// Keeps idle sessions alive and memory small, for as long as the process lives.
    pub(super) async fn keep_house(self: Arc<Self>, pause: Duration) {
        loop {
            sleep(pause).await;
            self.with(|core| {
                core.keep_alive();
                core.forget();
                core.report_late();
            });
        }
    }
}

/// Writes all of it, a record at a time. Whether that went well.
async fn say(writer: &mut Writer<WriteHalf<TcpStream>>, bytes: &[u8], queue: &Queue) -> bool {
    for record in bytes.chunks(MOST_PLAIN) {
        if writer.write(record).await.is_err() {
            return false;
        }
        queue.moved();
    }
    true
}

/// One end of a connection that reads.
struct Carrier {
    node: NodeId,
    peer: NodeId,
    reader: Reader<ReadHalf<TcpStream>>,
    frames: Frames,
}

impl Carrier {
    /// The first frame: the session's number, from the one that decides.
    async fn decision(&mut self) -> Option<u32> {
        loop {
            if let Some(body) = self.frames.next().ok()? {
                return body.try_into().ok().map(u32::from_le_bytes);
            }
            self.reader.read(self.frames.buffer_mut()).await.ok()?;
        }
    }
}

impl Hello {
    /// A node that listens everywhere can be reached where it came from.
    fn seen_from(mut self, from: SocketAddr) -> Hello {
        if self.address.ip().is_unspecified() {
            self.address.set_ip(from.ip());
        }
        self
    }
}
