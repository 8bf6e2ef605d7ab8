//! A chronicle put in order, so that the sessions and lives of a node are found at once.

use crate::fault::{Condition, ConditionId, Cut, LogFate, Whom};
use crate::graph::Graph;
use crate::id::NodeId;
use crate::observe::chronicle::{Change, Chronicle, GIVEN, Stamp};
use crate::time::Time;
use fixedbitset::FixedBitSet;
use rustc_hash::FxHashMap;

/// A chronicle by nodes.
pub(super) struct Index<'a> {
    graph: &'a Graph,
    /// How many nodes there ever were.
    nodes: usize,
    /// Nodes with an end of a session that was not up from the start to the end.
    has_ends: FixedBitSet,
    /// These ends, by node, peer and session.
    ends: Vec<End>,
    /// Both sides of every session that was not there from the start, by node: each search needs them.
    made: Vec<(NodeId, Side, Side)>,
    /// Where those of a node begin in `made`; one more than there are nodes.
    made_from: Vec<usize>,
    /// Of nodes that were not up all the time; looked up only.
    lives: FxHashMap<NodeId, Vec<Life>>,
    /// Whose they are: the spans after the first of each node, which has the node's own number.
    later_spans: Vec<NodeId>,
    cuts: Vec<During<&'a Cut>>,
    pauses: Vec<During<&'a Whom>>,
}

/// A life of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    from: Stamp,
    to: Stamp,
    end: Ending,
    /// To which span it belongs.
    pub(super) span: u32,
}

/// How a life ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// In good order, or not at all.
    Good,
    /// By a crash.
    Crash(LogFate),
}

/// One node's end of a session, while it is up.
#[derive(Clone, Copy, Debug)]
struct End {
    /// Node, peer, session.
    key: (u32, u32, u32),
    up: Stamp,
    down: Stamp,
}

/// The same, seen by a search.
#[derive(Clone, Copy)]
pub(super) struct Side {
    pub(super) up: Stamp,
    /// The end of the session there, or of the life.
    pub(super) down: Stamp,
    pub(super) span: u32,
}

struct During<T> {
    what: T,
    id: ConditionId,
    from: Stamp,
    to: Stamp,
}

impl<T> During<T> {
    fn since(from: Stamp, id: ConditionId, what: T) -> During<T> {
        During { what, id, from, to: Stamp::NEVER }
    }

    fn lift(&mut self, id: ConditionId, at: Stamp) {
        if self.id == id {
            self.to = at;
        }
    }

    fn covers(&self, stamp: Stamp) -> bool {
        self.from <= stamp && stamp < self.to
    }
}

impl<'a> Index<'a> {
    pub(super) fn of(chronicle: &'a Chronicle) -> Index<'a> {
        let mut index = Index {
            graph: chronicle.graph(),
            nodes: chronicle.graph().nodes(),
            has_ends: FixedBitSet::new(),
            ends: Vec::new(),
            made: Vec::new(),
            made_from: Vec::new(),
            lives: FxHashMap::default(),
            later_spans: Vec::new(),
            cuts: Vec::new(),
            pauses: Vec::new(),
        };
        chronicle.entries().for_each(|(at, change)| index.take(chronicle, at, change));
        index.pair_ends();
        index.number_spans();
        index.join_sides();
        index
    }

    fn take(&mut self, chronicle: &'a Chronicle, at: Stamp, change: Change) {
        match change {
            Change::Started(node) | Change::Restarted(node) => self.begin(node, at),
            Change::Stopped(node) => self.die(node, at, Ending::Good),
            Change::Crashed(node, log) => self.die(node, at, Ending::Crash(log)),
            Change::Up(node, peer, session) => {
                self.ends.push(End { key: (node.0, peer.0, session), up: at, down: Stamp::NEVER });
            }
            // To be paired with the coming up of the same end.
            Change::Down(node, peer, session) => {
                self.ends.push(End { key: (node.0, peer.0, session), up: Stamp::NEVER, down: at });
            }
            Change::Imposed(id) => match chronicle.condition(id) {
                Some(Condition::Cut(cut)) => self.cuts.push(During::since(at, id, cut)),
                Some(Condition::Pause(whom)) => self.pauses.push(During::since(at, id, whom)),
                _ => {}
            },
            Change::Lifted(id) => {
                self.cuts.iter_mut().for_each(|cut| cut.lift(id, at));
                self.pauses.iter_mut().for_each(|pause| pause.lift(id, at));
            }
        }
    }

    fn begin(&mut self, node: NodeId, from: Stamp) {
        self.nodes = self.nodes.max(node.index() + 1);
        self.lives.entry(node).or_default().push(Life::new(node, from));
    }

    fn die(&mut self, node: NodeId, at: Stamp, end: Ending) {
        let lives = self.lives.entry(node).or_insert_with(|| vec![Life::new(node, Stamp::START)]);
        let life = lives.last_mut().expect("whoever dies has lived");
        (life.to, life.end) = (at, end);
    }

    /// Makes one of the coming up of an end and its going down.
    fn pair_ends(&mut self) {
        // The sort is stable: of one end, what came first stays first.
        self.ends.sort_by_key(|end| end.key);
        let mut paired: Vec<End> = Vec::with_capacity(self.ends.len());
        for end in std::mem::take(&mut self.ends) {
            match paired.last_mut().filter(|last| last.key == end.key) {
                Some(last) => last.down = last.down.min(end.down),
                None if end.up != Stamp::NEVER => paired.push(end),
                // All links of the start came up; others that go down without that never did.
                None if end.key.2 == GIVEN => paired.push(End { up: Stamp::START, ..end }),
                None => {}
            }
        }
        self.has_ends = FixedBitSet::with_capacity(self.nodes);
        paired.iter().for_each(|end| self.has_ends.insert(end.key.0 as usize));
        self.ends = paired;
    }

    fn number_spans(&mut self) {
        for node in (0..self.nodes).map(NodeId::at) {
            let Some(lives) = self.lives.get_mut(&node) else { continue };
            for later in 1..lives.len() {
                lives[later].span = lives[later - 1].span;
                if lives[later - 1].end == Ending::Crash(LogFate::Lost) {
                    lives[later].span = (self.nodes + self.later_spans.len()) as u32;
                    self.later_spans.push(node);
                }
            }
        }
    }

    /// Looks up the other sides, once for all searches.
    fn join_sides(&mut self) {
        let mut ends = self.ends.iter().peekable();
        for node in 0..self.nodes as u32 {
            self.made_from.push(self.made.len());
            while let Some(end) = ends.next_if(|end| end.key.0 == node) {
                let (node, peer, session) = (NodeId(node), NodeId(end.key.1), end.key.2);
                let sides = self.side(node, peer, session).zip(self.side(peer, node, session));
                self.made.extend(sides.filter(|_| session != GIVEN).map(|(here, there)| (peer, here, there)));
            }
        }
        self.made_from.push(self.made.len());
    }

    /// Every node that ever was.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes as u32).map(NodeId)
    }

    /// Whether a node was up at some time from `since` on.
    pub(super) fn was_up(&self, node: NodeId, since: Time) -> bool {
        self.lives.get(&node).is_none_or(|lives| lives.last().is_some_and(|life| life.to.time > since))
    }

    /// How many spans there are; they are numbered from 0.
    pub(super) fn spans(&self) -> usize {
        self.nodes + self.later_spans.len()
    }

    /// Whose span it is.
    pub(super) fn node(&self, span: u32) -> NodeId {
        match (span as usize).checked_sub(self.nodes) {
            Some(later) => self.later_spans[later],
            None => NodeId(span),
        }
    }

    /// The spans of a node, in order.
    pub(super) fn spans_of(&self, node: NodeId) -> impl Iterator<Item = u32> {
        let lives = self.lives.get(&node).map_or(&[][..], Vec::as_slice);
        std::iter::once(node.0).chain(lives.iter().skip(1).map(|life| life.span))
    }

    /// The life in which a node is at a moment.
    pub(super) fn life_at(&self, node: NodeId, at: Stamp) -> Option<Life> {
        match self.lives.get(&node) {
            Some(lives) => lives.iter().find(|life| life.from <= at && at < life.to).copied(),
            None => Some(Life::new(node, Stamp::START)),
        }
    }

    /// Visits every session of a node in a span: with the peer, and with both sides.
    pub(super) fn sessions(&self, node: NodeId, span: u32, mut visit: impl FnMut(NodeId, Side, Side)) {
        let mut visit_both = |peer: NodeId, session: u32| {
            let here = self.side(node, peer, session).filter(|here| here.span == span);
            if let Some((here, there)) = here.zip(self.side(peer, node, session)) {
                visit(peer, here, there);
            }
        };
        if node.index() < self.graph.nodes() {
            self.graph.neighbors(node).iter().for_each(|&peer| visit_both(peer, GIVEN));
        }
        let made = &self.made[self.made_from[node.index()]..self.made_from[node.index() + 1]];
        for &(peer, here, there) in made.iter().filter(|(_, here, _)| here.span == span) {
            visit(peer, here, there);
        }
    }

    fn side(&self, node: NodeId, peer: NodeId, session: u32) -> Option<Side> {
        let (up, down) = match self.end(node, peer, session) {
            Some(end) => (end.up, end.down),
            None if session == GIVEN => (Stamp::START, Stamp::NEVER),
            None => return None,
        };
        let life = self.life_at(node, up)?;
        Some(Side { up, down: down.min(life.to), span: life.span })
    }

    fn end(&self, node: NodeId, peer: NodeId, session: u32) -> Option<&End> {
        if !self.has_ends.contains(node.index()) {
            return None;
        }
        let place = self.ends.binary_search_by_key(&(node.0, peer.0, session), |end| end.key);
        place.ok().map(|place| &self.ends[place])
    }

    /// When what is sent at a moment leaves, after all cuts; `None` if it never does, or its sender crashes before.
    pub(super) fn passes_cuts(&self, from: NodeId, to: NodeId, sent: Stamp) -> Option<Stamp> {
        let mut left = sent;
        while let Some(cut) = self.cuts.iter().find(|cut| cut.covers(left) && cut.what.stops(from, to)) {
            left = cut.to;
        }
        if left == sent {
            return Some(left);
        }
        // What waits in a cut outlives its session, if the sender closed that in good order, but no crash.
        let life = self.life_at(from, sent)?;
        let is_lost = left == Stamp::NEVER || life.end != Ending::Good && life.to < left;
        (!is_lost).then_some(left)
    }

    /// When a node handles what reaches it at a moment: at once, unless it is paused.
    pub(super) fn goes_on(&self, node: NodeId, reached: Stamp) -> Stamp {
        let mut handled = reached;
        let holds = |pause: &&During<&Whom>, at| pause.covers(at) && pause.what.contains(node);
        while let Some(pause) = self.pauses.iter().find(|pause| holds(pause, handled)) {
            handled = pause.to;
        }
        handled
    }
}

impl Life {
    /// One of a node's first span that does not end.
    fn new(node: NodeId, from: Stamp) -> Life {
        Life { from, to: Stamp::NEVER, end: Ending::Good, span: node.0 }
    }
}
