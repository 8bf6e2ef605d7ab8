//! Which links are up. A link is a session between two nodes; what travels in an old session is discarded.

use crate::graph::Graph;
use crate::id::NodeId;
use crate::time::Time;
use prefetch_index::prefetch_index;
use std::num::NonZeroU32;
use std::sync::Arc;

/// One life of a link. Later sessions have greater numbers; all links that are up from the start have the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Session(NonZeroU32);

impl Session {
    /// Its number.
    pub(super) fn number(self) -> u32 {
        self.0.get()
    }
}

/// The session of every link that is up from the start.
const GIVEN: Session = Session(NonZeroU32::MIN);

/// A node with so many ends looks now and then which of them can be forgotten.
const MANY: usize = 64;

/// Every node's ends of its links. What is as it was at the start takes no memory beyond the graph, which is shared.
pub(super) struct Sessions {
    /// The links that were up at the start. They still are, unless `changed` tells otherwise.
    given: Arc<Graph>,
    /// When the latest thing that must stay in order arrives at the other end, for each end of a given link; empty as long
    /// as nothing had to.
    given_arrivals: Vec<Time>,
    /// By node; sorted by peer, so that a hub finds a link as fast as a leaf does. Ends at the last node with an entry.
    changed: Vec<Vec<End>>,
    /// So many ends of given links, in their order in the graph, have been announced to their nodes: the others are not up yet.
    announced: usize,
    latest: Session,
}

/// One node's view of its link to `peer`. It stays for a while when the link is down: what is sent in a new session must
/// not overtake what the old one has under way.
struct End {
    peer: NodeId,
    link: Link,
    /// When the latest thing that must stay in order arrives at the peer.
    last_arrival: Time,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Link {
    session: Session,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// This node has asked; the peer has not answered yet.
    Opening,
    Up,
    Down,
}

/// How a node answers to the wish for a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// The link is up here now.
    Accept,
    /// The link is up here now, and the session that was up before is over: the peer has ended it, unheard.
    Replace(Session),
    /// It asked as well, and its own session goes first; the peer will agree to that one.
    PreferOwn,
    /// It is linked to the peer already.
    Refuse,
}

/// What a message finds at its receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reception {
    /// Its session.
    Up,
    /// Its session, which it brings up: it was faster than the peer's consent, which it implies.
    ComesUp,
    /// Another session, or none.
    Old,
}

impl Sessions {
    /// Bytes an end of a link that was not there at the start.
    pub(super) const LINK_END: usize = size_of::<End>();

    /// All links of a graph are to be up, as soon as they are announced.
    pub(super) fn new(given: Arc<Graph>) -> Sessions {
        Sessions { given, given_arrivals: Vec::new(), changed: Vec::new(), announced: 0, latest: GIVEN }
    }

    /// The next end of a given link, that of `node`, comes up, whatever the node did about it before.
    pub(super) fn announce(&mut self, node: NodeId, peer: NodeId) -> Session {
        self.announced += 1;
        if self.place(node, peer).is_ok() {
            self.set(node, peer, GIVEN, State::Up);
        }
        GIVEN
    }

    /// `node` asks for a link to `peer`: the new session and the one before, or `None` if there is a link or a wish already.
    pub(super) fn begin(
        &mut self,
        node: NodeId,
        peer: NodeId,
        now: Time,
    ) -> Option<(Session, Option<Session>)> {
        let before = self.link(node, peer);
        if before.is_some_and(|link| link.state != State::Down) {
            return None;
        }
        self.make_room(node, now);
        self.make_room(peer, now);
        let session = self.next();
        self.set(node, peer, session, State::Opening);
        Some((session, before.map(|link| link.session)))
    }

    fn next(&mut self) -> Session {
        self.latest = Session(self.latest.0.checked_add(1).expect("fewer than 2^32 sessions"));
        self.latest
    }

    /// A new session is up between two nodes, which had none.
    pub(super) fn connect(&mut self, a: NodeId, b: NodeId) -> Session {
        let session = self.next();
        self.set(a, b, session, State::Up);
        self.set(b, a, session, State::Up);
        session
    }

    /// `peer` asks `node` for a link; at its end, the session `ended` is over.
    pub(super) fn answer(
        &mut self,
        node: NodeId,
        peer: NodeId,
        session: Session,
        ended: Option<Session>,
    ) -> Answer {
        let answer = match self.link(node, peer) {
            Some(link) if link.state == State::Up && Some(link.session) <= ended => {
                Answer::Replace(link.session)
            }
            Some(link) if link.state == State::Up => Answer::Refuse,
            // Both asked at once. The earlier session wins, and both ends see the same two numbers.
            Some(link) if link.state == State::Opening && link.session < session => Answer::PreferOwn,
            _ => Answer::Accept,
        };
        if matches!(answer, Answer::Accept | Answer::Replace(_)) {
            self.set(node, peer, session, State::Up);
        }
        answer
    }

    /// `node` gets something that `peer` said in a session. If it waited for the peer's consent, it has that now.
    #[inline]
    pub(super) fn receive(&mut self, node: NodeId, peer: NodeId, session: Session) -> Reception {
        if session == GIVEN && !self.has_changed(node) {
            return Reception::Up;
        }
        match self.link(node, peer).filter(|link| link.session == session).map(|link| link.state) {
            Some(State::Up) => Reception::Up,
            Some(State::Opening) => {
                self.set(node, peer, session, State::Up);
                Reception::ComesUp
            }
            Some(State::Down) | None => Reception::Old,
        }
    }

    /// The session that is up at `node`, found fast if the node speaks to its peers in ascending order: then `hint`, which
    /// begins at zero, is the place of the next one.
    #[inline]
    pub(super) fn up_next(&self, node: NodeId, peer: NodeId, hint: &mut usize) -> Option<Session> {
        if self.has_changed(node) || self.announced < self.given.link_ends() {
            return self.up(node, peer);
        }
        let peers = self.given_peers(node);
        if peers.get(*hint) != Some(&peer) {
            *hint = peers.binary_search_by_key(&peer.0, |peer| peer.0).ok()?;
        }
        *hint += 1;
        Some(GIVEN)
    }

    /// Asks the memory for what tells where the links of a node stand …
    #[inline]
    pub(super) fn prefetch_place(&self, node: NodeId) {
        self.given.prefetch_place(node);
        prefetch_index(&self.changed, node.index());
    }

    /// … and then for these: those with which [`up_next`](Sessions::up_next) begins, and the middle of what is searched.
    #[inline]
    pub(super) fn prefetch_links(&self, node: NodeId) {
        match self.changed.get(node.index()).filter(|ends| !ends.is_empty()) {
            Some(ends) => [0, ends.len() / 2, ends.len() - 1].iter().for_each(|&at| prefetch_index(ends, at)),
            None => self.given.prefetch_neighbors(node),
        }
    }

    /// The session that is up at `node`.
    #[inline]
    pub(super) fn up(&self, node: NodeId, peer: NodeId) -> Option<Session> {
        self.link(node, peer).filter(|link| link.state == State::Up).map(|link| link.session)
    }

    /// `node` closes its link; the session that it ends by that.
    pub(super) fn close(&mut self, node: NodeId, peer: NodeId) -> Option<Session> {
        let session = self.link(node, peer).filter(|link| link.state != State::Down)?.session;
        self.set(node, peer, session, State::Down);
        Some(session)
    }

    /// The links of a node that are up or being opened, in the order of the peers; and whether they are up.
    pub(super) fn of(&self, node: NodeId) -> Vec<(NodeId, Session, bool)> {
        let live = |peer| {
            let link = self.link(node, peer).filter(|link| link.state != State::Down)?;
            Some((peer, link.session, link.state == State::Up))
        };
        self.peers(node).into_iter().filter_map(live).collect()
    }

    /// The nodes to which the topology gave a link.
    pub(super) fn given(&self, node: NodeId) -> Vec<NodeId> {
        self.given_peers(node).to_vec()
    }

    /// Everybody to whom a node ever had a link, in order.
    fn peers(&self, node: NodeId) -> Vec<NodeId> {
        let mut peers = self.given(node);
        peers.extend(self.changed.get(node.index()).into_iter().flatten().map(|end| end.peer));
        peers.sort_unstable_by_key(|peer| peer.0);
        peers.dedup();
        peers
    }

    /// `node` closes all its links; the sessions that it ends by that, in the order of the peers.
    pub(super) fn close_all(&mut self, node: NodeId) -> Vec<(NodeId, Session)> {
        self.peers(node).into_iter().filter_map(|peer| Some((peer, self.close(node, peer)?))).collect()
    }

    /// The peer ended a session; whether that was the one that `node` has.
    pub(super) fn end(&mut self, node: NodeId, peer: NodeId, session: Session) -> bool {
        let current =
            self.link(node, peer).is_some_and(|link| link.session == session && link.state != State::Down);
        if current {
            self.set(node, peer, session, State::Down);
        }
        current
    }

    /// The time at which something arrives that was to arrive at `time`, but not before what was sent earlier.
    pub(super) fn in_order(&mut self, node: NodeId, peer: NodeId, time: Time) -> Time {
        let last_arrival = if let Ok(at) = self.place(node, peer) {
            &mut self.changed[node.index()][at].last_arrival
        } else if let Some(end) = self.given.link_end(node, peer) {
            if self.given_arrivals.is_empty() {
                self.given_arrivals = vec![Time::ZERO; self.given.link_ends()];
            }
            &mut self.given_arrivals[end]
        } else {
            return time;
        };
        *last_arrival = time.max(*last_arrival);
        *last_arrival
    }

    /// The links that are up at both ends, among so many nodes.
    pub(super) fn graph(&self, nodes: usize) -> Arc<Graph> {
        if self.changed.is_empty() && self.given.nodes() == nodes {
            return Arc::clone(&self.given);
        }
        let mut edges = Vec::new();
        for node in (0..nodes).map(NodeId::at) {
            let ends = self.changed.get(node.index()).into_iter().flatten();
            let made = ends.filter(|end| end.link.state == State::Up).map(|end| end.peer);
            let given =
                self.given_peers(node).iter().copied().filter(|&peer| self.place(node, peer).is_err());
            for peer in made.chain(given).filter(|peer| node.0 < peer.0) {
                if self.up(node, peer).is_some_and(|session| self.up(peer, node) == Some(session)) {
                    edges.push((node.0, peer.0));
                }
            }
        }
        Arc::new(Graph::from_edges(nodes, &edges))
    }

    /// Forgets links that are down at both ends and have nothing under way, if the memory for a node's ends is used up.
    /// Nodes that dial each other now and then would have as many ends as there are nodes.
    fn make_room(&mut self, node: NodeId, now: Time) {
        let Some(ends) = self.changed.get(node.index()) else { return };
        if ends.len() < MANY || ends.len() < ends.capacity() {
            return;
        }
        let over: Vec<NodeId> =
            ends.iter().map(|end| end.peer).filter(|&peer| self.is_over(node, peer, now)).collect();
        if 2 * over.len() < ends.len() {
            let further = ends.len();
            self.changed[node.index()].reserve(further);
        }
        for peer in over {
            for (node, peer) in [(node, peer), (peer, node)] {
                if let Ok(at) = self.place(node, peer) {
                    self.changed[node.index()].remove(at);
                }
            }
        }
    }

    fn is_over(&self, node: NodeId, peer: NodeId, now: Time) -> bool {
        let is_over = |node, peer| match self.place(node, peer) {
            Ok(at) => {
                let end = &self.changed[node.index()][at];
                end.link.state == State::Down && end.last_arrival < now
            }
            Err(_) => true,
        };
        self.given.link_end(node, peer).is_none() && is_over(node, peer) && is_over(peer, node)
    }

    fn set(&mut self, node: NodeId, peer: NodeId, session: Session, state: State) {
        let link = Link { session, state };
        if self.changed.len() <= node.index() {
            self.changed.resize_with(node.index() + 1, Vec::new);
        }
        match self.place(node, peer) {
            Ok(at) => self.changed[node.index()][at].link = link,
            Err(at) => {
                let given = self.given.link_end(node, peer);
                let last_arrival = given.and_then(|end| self.given_arrivals.get(end).copied());
                let last_arrival = last_arrival.unwrap_or(Time::ZERO);
                self.changed[node.index()].insert(at, End { peer, link, last_arrival });
            }
        }
    }

    #[inline]
    fn link(&self, node: NodeId, peer: NodeId) -> Option<Link> {
        if self.has_changed(node)
            && let Ok(at) = self.place(node, peer)
        {
            return Some(self.changed[node.index()][at].link);
        }
        let is_up = self.given.link_end(node, peer).is_some_and(|end| end < self.announced);
        is_up.then_some(Link { session: GIVEN, state: State::Up })
    }

    #[inline]
    fn has_changed(&self, node: NodeId) -> bool {
        self.changed.get(node.index()).is_some_and(|ends| !ends.is_empty())
    }

    #[inline]
    fn place(&self, node: NodeId, peer: NodeId) -> Result<usize, usize> {
        let ends = self.changed.get(node.index()).map_or(&[][..], Vec::as_slice);
        ends.binary_search_by_key(&peer.0, |end| end.peer.0)
    }

    #[inline]
    fn given_peers(&self, node: NodeId) -> &[NodeId] {
        if node.index() < self.given.nodes() { self.given.neighbors(node) } else { &[] }
    }
}
