//! Which links are up. A link is a session between two nodes; what travels in an old session is discarded.

use crate::graph::Graph;
use crate::id::NodeId;
use crate::time::Time;

/// One life of a link. Later sessions have greater numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Session(u32);

/// Every node's ends of its links.
#[derive(Default)]
pub(super) struct Sessions {
    /// By node; sorted by peer, so that a hub finds a link as fast as a leaf does.
    ends: Vec<Vec<End>>,
    latest: u32,
}

/// One node's view of its link to `peer`. It stays when the link is down: what is sent in a new session must not
/// overtake what the old one has under way.
struct End {
    peer: NodeId,
    session: Session,
    state: State,
    /// When the latest thing that must stay in order arrives at the peer.
    last_arrival: Time,
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
    /// It asked as well, and its own session goes first; the peer will agree to that one.
    PreferOwn,
    /// It is linked to the peer already.
    Refuse,
}

impl Sessions {
    /// Bytes a node, and an end of a link.
    pub(super) const NODE: usize = size_of::<Vec<End>>();
    pub(super) const LINK_END: usize = size_of::<End>();

    pub(super) fn add_node(&mut self) {
        self.ends.push(Vec::new());
    }

    /// The number of a new session.
    pub(super) fn fresh(&mut self) -> Session {
        self.latest = self.latest.checked_add(1).expect("fewer than 2^32 sessions");
        Session(self.latest)
    }

    /// `node` asks for a link to `peer`: the new session, or `None` if there is a link or a wish already.
    pub(super) fn begin(&mut self, node: NodeId, peer: NodeId) -> Option<Session> {
        if self.end_of(node, peer).is_some_and(|end| end.state != State::Down) {
            return None;
        }
        let session = self.fresh();
        self.set(node, peer, session, State::Opening);
        Some(session)
    }

    /// A session is up at `node`.
    pub(super) fn set_up(&mut self, node: NodeId, peer: NodeId, session: Session) {
        self.set(node, peer, session, State::Up);
    }

    /// `peer` asks `node` for a link.
    pub(super) fn answer(&mut self, node: NodeId, peer: NodeId, session: Session) -> Answer {
        let answer = match self.end_of(node, peer) {
            Some(end) if end.state == State::Up => Answer::Refuse,
            // Both asked at once. The earlier session wins, and both ends see the same two numbers.
            Some(end) if end.state == State::Opening && end.session < session => Answer::PreferOwn,
            _ => Answer::Accept,
        };
        if answer == Answer::Accept {
            self.set_up(node, peer, session);
        }
        answer
    }

    /// `node` learns that `peer` agreed; whether the session comes up by that.
    pub(super) fn come_up(&mut self, node: NodeId, peer: NodeId, session: Session) -> bool {
        let opening =
            self.end_of(node, peer).is_some_and(|e| e.session == session && e.state == State::Opening);
        if opening {
            self.set_up(node, peer, session);
        }
        opening
    }

    /// Whether this session is up at `node`.
    pub(super) fn is_up(&self, node: NodeId, peer: NodeId, session: Session) -> bool {
        self.up(node, peer) == Some(session)
    }

    /// The session that is up at `node`.
    pub(super) fn up(&self, node: NodeId, peer: NodeId) -> Option<Session> {
        self.end_of(node, peer).filter(|end| end.state == State::Up).map(|end| end.session)
    }

    /// `node` closes its link; the session that it ends by that.
    pub(super) fn close(&mut self, node: NodeId, peer: NodeId) -> Option<Session> {
        let session = self.end_of(node, peer).filter(|end| end.state != State::Down)?.session;
        self.set(node, peer, session, State::Down);
        Some(session)
    }

    /// `node` closes all its links; the sessions that it ends by that.
    pub(super) fn close_all(&mut self, node: NodeId) -> Vec<(NodeId, Session)> {
        let open = self.ends[node.index()].iter_mut().filter(|end| end.state != State::Down);
        open.map(|end| {
            end.state = State::Down;
            (end.peer, end.session)
        })
        .collect()
    }

    /// The peer ended a session; whether that was the one that `node` has.
    pub(super) fn end(&mut self, node: NodeId, peer: NodeId, session: Session) -> bool {
        let current = self.end_of(node, peer).is_some_and(|e| e.session == session && e.state != State::Down);
        if current {
            self.set(node, peer, session, State::Down);
        }
        current
    }

    /// The time at which something arrives that was to arrive at `time`, but not before what was sent earlier.
    pub(super) fn in_order(&mut self, node: NodeId, peer: NodeId, time: Time) -> Time {
        let end = self.place(node, peer).map(|at| &mut self.ends[node.index()][at]);
        match end {
            Ok(end) => {
                end.last_arrival = end.last_arrival.max(time);
                end.last_arrival
            }
            Err(_) => time,
        }
    }

    /// The links that are up at both ends.
    pub(super) fn graph(&self) -> Graph {
        let mut edges = Vec::new();
        for (node, ends) in self.ends.iter().enumerate() {
            let node = NodeId::at(node);
            for end in ends.iter().filter(|end| node.0 < end.peer.0 && end.state == State::Up) {
                if self.is_up(end.peer, node, end.session) {
                    edges.push((node.0, end.peer.0));
                }
            }
        }
        Graph::from_edges(self.ends.len(), &edges)
    }

    fn set(&mut self, node: NodeId, peer: NodeId, session: Session, state: State) {
        let place = self.place(node, peer);
        let ends = &mut self.ends[node.index()];
        match place {
            Ok(at) => (ends[at].session, ends[at].state) = (session, state),
            Err(at) => ends.insert(at, End { peer, session, state, last_arrival: Time::ZERO }),
        }
    }

    fn end_of(&self, node: NodeId, peer: NodeId) -> Option<&End> {
        self.place(node, peer).ok().map(|at| &self.ends[node.index()][at])
    }

    fn place(&self, node: NodeId, peer: NodeId) -> Result<usize, usize> {
        self.ends[node.index()].binary_search_by_key(&peer.0, |end| end.peer.0)
    }
}
