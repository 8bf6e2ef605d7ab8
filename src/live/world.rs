//! The live world as a scenario sees it: all its nodes live in this process and listen on loopback.

use super::keys::Keypair;
use super::{GLANCE, Live, Place};
use crate::fault::{Condition, ConditionId, Crash, Effects};
use crate::graph::Graph;
use crate::id::{Identity, NodeId};
use crate::message::{Broadcasts, Payload};
use crate::observe::Observer;
use crate::protocol::{Command, Protocol, State, View};
use crate::time::Time;
use crate::world::{Counters, InFlight, World};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// # Panics
/// `impose` and what goes with it: nothing can be imposed on real connections. `spawn` and `restart`, if no port can be had.
impl<P: Protocol, O: Observer + Send + 'static> World for Live<P, O>
where
    P::Config: Sync,
{
    fn now(&self) -> Time {
        self.shared.lock().now()
    }

    fn size(&self) -> usize {
        self.shared.lock().hosts.len()
    }

    fn spawn(&mut self) -> NodeId {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let keypair = Keypair::random().expect("the system gives random numbers");
        let place = Place { keypair, listen: loopback, advertised: None, log: None };
        self.start(place).expect("loopback has a free port")
    }

    fn is_up(&self, node: NodeId) -> bool {
        self.shared.lock().hosts[node.index()].is_up
    }

    fn command(&mut self, node: NodeId, command: Command) {
        self.shared.with(|core| core.command(node, command));
        self.look();
    }

    fn state(&self, node: NodeId) -> State {
        self.shared.lock().state(node)
    }

    fn view(&self, node: NodeId) -> View {
        self.shared.lock().view(node)
    }

    fn uptime(&self, node: NodeId) -> Duration {
        let core = self.shared.lock();
        let host = &core.hosts[node.index()];
        host.ended.unwrap_or(core.now()).since(host.started)
    }

    fn identity(&self, node: NodeId) -> Identity {
        self.shared.lock().names.identity(node)
    }

    fn crash(&mut self, node: NodeId, crash: Crash) {
        self.shared.with(|core| core.end_life(node, Some(crash.log)));
    }

    fn restart(&mut self, node: NodeId) {
        if self.is_up(node) {
            return;
        }
        let address = self.shared.lock().hosts[node.index()].address;
        let listener = self.shared.runtime.block_on(TcpListener::bind(address));
        self.bring_up(node, listener.expect("its own port is free again"));
    }

    fn reset(&mut self, a: NodeId, b: NodeId) -> bool {
        self.shared.with(|core| {
            let Some(id) = core.session(a, b).map(|session| session.id) else { return false };
            core.session_over(a, b, id);
            true
        })
    }

    fn impose(&mut self, condition: Condition) -> ConditionId {
        panic!("a {} cannot be imposed on real connections", condition.name())
    }

    fn lift(&mut self, _id: ConditionId) -> bool {
        false
    }

    fn is_cut(&self, _a: NodeId, _b: NodeId) -> bool {
        false
    }

    fn effects(&self, _id: ConditionId) -> Effects {
        unreachable!("nothing was imposed")
    }

    fn latency(&self, from: NodeId, to: NodeId) -> Duration {
        let core = self.shared.lock();
        core.config.latency.as_ref().map_or(Duration::ZERO, |latency| latency(from, to))
    }

    fn advance(&mut self, until: Time, _most: u64) -> bool {
        let (until, glance) = (self.shared.lock().clock.instant(until), Instant::now() + GLANCE);
        self.shared.runtime.block_on(async { tokio::time::sleep_until(until.min(glance)).await });
        self.look();
        Instant::now() >= until
    }

    fn events(&self) -> u64 {
        self.shared.lock().events
    }

    fn changes(&self) -> u64 {
        self.shared.lock().changes
    }

    fn in_flight(&self) -> InFlight {
        self.shared.lock().in_flight
    }

    fn counters(&self, node: NodeId) -> Counters {
        self.shared.lock().hosts[node.index()].counters
    }

    fn broadcasts(&self) -> &Broadcasts {
        &self.broadcasts
    }

    fn published(&self) -> (u64, Option<Payload>) {
        self.shared.lock().published
    }

    fn topology(&self) -> Arc<Graph> {
        let core = self.shared.lock();
        let is_up = |node: usize, peer: u32| core.session(NodeId::at(node), NodeId(peer)).map(|s| s.number);
        let mut edges = Vec::new();
        for (node, host) in core.hosts.iter().enumerate() {
            let peers = host.links.keys().copied().filter(|&peer| (node as u32) < peer);
            for peer in peers.filter(|&peer| (peer as usize) < core.hosts.len()) {
                let number = is_up(node, peer);
                if number.is_some() && number == is_up(peer as usize, node as u32) {
                    edges.push((node as u32, peer));
                }
            }
        }
        Arc::new(Graph::from_edges(core.hosts.len(), &edges))
    }
}
