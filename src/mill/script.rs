//! Scripts: what happens in one case, as small plain data that shrinks well, and the scenario file that each stands for.

use super::{Families, Family};
use crate::fault::{Detection, LogFate};
use crate::scenario::{
    BroadcastStep, ClockStep, Contact, CrashStep, DatagramStep, DelayStep, Division, Entry, Expectation,
    GuaranteeFile, JoinStep, LatencyFile, LeaveStep, LinksFile, PartitionStep, PauseStep, ReorderingStep,
    ResetStep, RestartStep, ScenarioFile, Selector, SendStep, SlowStep, Step, Target,
};
use crate::sim::{Datagram, LinkKind, Topology};
use std::num::NonZeroU32;
use std::time::Duration;

/// Something that happens. Nodes are numbers modulo how many there are to choose from at that moment, so that a move
/// stays possible whatever is taken out before it. All times are milliseconds.
#[derive(Clone, PartialEq, Debug)]
pub enum Move {
    /// A node broadcasts.
    Broadcast {
        /// Who, of those that have lived for a while.
        from: u8,
    },
    /// Nodes join at once, through the one that everybody knows.
    Join {
        /// How many.
        count: u8,
    },
    /// A node sends to another one.
    Send {
        /// Who, as with `Broadcast`.
        from: u8,
        /// To whom, of the living.
        to: u8,
    },
    /// A node leaves in good order.
    Leave {
        /// Who, of the living.
        who: u8,
    },
    /// A node crashes.
    Crash {
        /// Who, of the living.
        who: u8,
        /// Its peers hear nothing; otherwise its links are reset.
        is_silent: bool,
        /// Its log is lost.
        loses_log: bool,
    },
    /// A node starts again.
    Restart {
        /// Who, of those that have crashed.
        who: u8,
    },
    /// The network is cut in two.
    Cut {
        /// One side: a bit for each of the living.
        side: u32,
        /// Only what goes to that side is stopped.
        is_one_way: bool,
    },
    /// All cuts are over.
    Heal,
    /// Links break.
    Reset {
        /// Whose, of the living; of nobody: everybody's.
        who: Option<u8>,
        /// How many of them, in percent.
        share: u8,
    },
    /// Datagrams get lost.
    Loss {
        /// How many, in percent.
        share: u8,
        /// For so long.
        lasts: u16,
    },
    /// Datagrams arrive twice.
    Duplication {
        /// How many, in percent.
        share: u8,
        /// For so long.
        lasts: u16,
    },
    /// Messages overtake each other.
    Reordering {
        /// How many are held back, in percent.
        share: u8,
        /// For at most so long each.
        by: u16,
        /// For so long.
        lasts: u16,
    },
    /// Messages take longer.
    Delay {
        /// Whose, of the living; of nobody: everybody's.
        who: Option<u8>,
        /// So much longer.
        by: u16,
        /// And up to so much more, drawn for every message.
        jitter: u16,
        /// For so long.
        lasts: u16,
    },
    /// A node stands still.
    Pause {
        /// Who, of the living.
        who: u8,
        /// For so long.
        lasts: u16,
    },
    /// A node is slow.
    Slow {
        /// Who, of the living.
        who: u8,
        /// So long for each thing that it does.
        by: u16,
        /// For so long.
        lasts: u16,
    },
    /// A node's clock is wrong.
    Clock {
        /// Who, of the living.
        who: u8,
        /// So far ahead, or behind.
        ahead: i32,
        /// So many millionths too fast, or too slow.
        drift: i32,
        /// For so long.
        lasts: u16,
    },
}

/// What links promise in a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkChoice {
    /// Streams.
    Stream,
    /// Reliable, in any order.
    Unordered,
    /// Nothing.
    Datagram,
}

/// What happens in one case.
#[derive(Clone, PartialEq, Debug)]
pub struct Script {
    /// What happens, each after so many milliseconds of peace. What belongs to no family of the case, or finds nobody to
    /// happen to, does not.
    pub moves: Vec<(u16, Move)>,
    /// What may happen.
    pub families: Families,
    /// What links promise.
    pub links: LinkChoice,
    /// How long they take, in milliseconds.
    pub latency: u16,
    /// How many nodes there are at first.
    pub first: u8,
    /// At the very end, when all has come to rest, one more broadcast is to reach everybody.
    pub has_last_word: bool,
    /// The seed of the run.
    pub seed: u64,
}

/// What all cases of a mill have in common.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Setting<C> {
    pub(super) node: C,
    pub(super) expect: Vec<Expectation>,
    /// At most so many nodes at once.
    pub(super) nodes: u32,
    /// Nodes join; otherwise they are linked from the start.
    pub(super) joins: bool,
    /// How long the network has to come to rest.
    pub(super) settle: Duration,
}

/// A script as a scenario.
#[derive(Clone, Debug)]
pub(super) struct Plot<C> {
    pub(super) file: ScenarioFile<C>,
    /// To which families every step of the timeline belongs.
    pub(super) families: Vec<Families>,
    /// How many moves happen.
    pub(super) moves: usize,
}

impl<C> Plot<C> {
    /// All families that stand in it.
    pub(super) fn declared(&self) -> Families {
        self.families.iter().fold(Families::default(), |all, &families| all.or(families))
    }
}

/// Between two nodes that are there at first.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Who has lived for so long is asked for broadcasts: it had time to join.
const SETTLED: Duration = Duration::from_secs(2);

/// What becomes of a script, step by step. It knows who lives as far as the script says so.
struct Telling {
    timeline: Vec<Entry>,
    families: Vec<Families>,
    allowed: Families,
    now: Duration,
    /// When the last thing that lasts is over.
    busy_until: Duration,
    /// Who lives, since when.
    living: Vec<(u32, Duration)>,
    crashed: Vec<u32>,
    /// How many nodes there ever were.
    ever: u32,
    is_cut: bool,
    links: LinkChoice,
}

impl Script {
    /// The scenario that it stands for; the same each time.
    pub(super) fn plot<C: Clone>(&self, setting: &Setting<C>, title: String, question: String) -> Plot<C> {
        let mut telling = Telling::new(self, setting);
        let mut moves = 0;
        for (pause, mv) in &self.moves {
            let before = telling.now;
            telling.now += millis(*pause);
            match telling.happen(mv, setting.nodes) {
                true => moves += 1,
                false => telling.now = before,
            }
        }
        let end = telling.calm_down(self.has_last_word, setting.settle);
        let first = u32::from(self.first);
        let guarantee = GuaranteeFile::default();
        let file = ScenarioFile {
            schema: None,
            title,
            question,
            answer: String::new(),
            seed: self.seed,
            names: Vec::new(),
            topology: (!setting.joins).then_some(Topology::Complete { nodes: first }),
            node: setting.node.clone(),
            links: LinksFile {
                kind: match self.links {
                    LinkChoice::Stream => LinkKind::Stream,
                    LinkChoice::Unordered => LinkKind::Unordered,
                    LinkChoice::Datagram => LinkKind::Datagram(Datagram::default()),
                },
                latency: LatencyFile::Constant(millis(self.latency)),
                ..LinksFile::default()
            },
            disk: Default::default(),
            timeline: telling.timeline,
            end,
            guarantee: GuaranteeFile { heal: guarantee.heal.min(setting.settle), ..guarantee },
            expect: setting.expect.clone(),
        };
        Plot { file, families: telling.families, moves }
    }
}

impl Telling {
    fn new<C>(script: &Script, setting: &Setting<C>) -> Telling {
        let first = u32::from(script.first);
        let born = |node: u32| if setting.joins { FIRST_PAUSE * node } else { Duration::ZERO };
        let mut telling = Telling {
            timeline: Vec::new(),
            families: Vec::new(),
            allowed: script.families,
            now: Duration::ZERO,
            busy_until: Duration::ZERO,
            living: (0..first).map(|node| (node, born(node))).collect(),
            crashed: Vec::new(),
            ever: first,
            is_cut: false,
            links: script.links,
        };
        if setting.joins {
            let count = NonZeroU32::new(first).unwrap_or(NonZeroU32::MIN);
            let every = if first > 1 { FIRST_PAUSE } else { Duration::ZERO };
            telling
                .tell(Families::default(), Step::Join(JoinStep { count, every, contact: Contact::Genesis }));
            telling.now = born(first - 1);
        }
        telling
    }

    /// Lets a move happen, if it can.
    fn happen(&mut self, mv: &Move, most: u32) -> bool {
        let Some((families, step)) = self.change(mv, most).or_else(|| self.condition(mv)) else {
            return false;
        };
        self.tell(families, step);
        true
    }

    fn tell(&mut self, families: Families, step: Step) {
        self.timeline.push(Entry { at: self.now, step });
        self.families.push(families);
    }

    /// What happens at once to who is there.
    fn change(&mut self, mv: &Move, most: u32) -> Option<(Families, Step)> {
        let quiet = Families::default();
        Some(match *mv {
            Move::Broadcast { from } => (quiet, broadcast(self.settled(from))),
            Move::Heal if self.is_cut => {
                self.is_cut = false;
                (quiet, Step::Heal)
            }
            Move::Join { count } => {
                let families = self.of(Family::Join)?;
                let room = most.saturating_sub(self.living.len() as u32);
                let count = NonZeroU32::new(room.min(count.into()))?;
                self.living.extend((self.ever..self.ever + count.get()).map(|node| (node, self.now)));
                self.ever += count.get();
                (families, Step::Join(JoinStep { count, every: Duration::ZERO, contact: Contact::Genesis }))
            }
            Move::Send { from, to } => (self.of(Family::Send)?, self.send(from, to)?),
            Move::Leave { who } => {
                let families = self.of(Family::Leave)?;
                let who = one(self.take(who)?);
                (families, Step::Leave(LeaveStep { who, count: NonZeroU32::MIN, every: Duration::ZERO }))
            }
            Move::Crash { who, is_silent, loses_log } => self.crash(who, is_silent, loses_log)?,
            Move::Restart { who } if !self.crashed.is_empty() => {
                let families = self.of(Family::Restart)?;
                let who = self.crashed.remove(usize::from(who) % self.crashed.len());
                self.living.push((who, self.now));
                let (count, every) = (NonZeroU32::MIN, Duration::ZERO);
                (families, Step::Restart(RestartStep { who: one(who), count, every }))
            }
            Move::Cut { side, is_one_way } => {
                let families = self.of(if is_one_way { Family::OneWay } else { Family::Cut })?;
                let step = self.cut(side, is_one_way)?;
                self.is_cut = true;
                (families, step)
            }
            Move::Reset { who, share } => {
                let (families, who) = (self.of(Family::Reset)?, self.whom(who));
                let (count, every) = (NonZeroU32::MIN, Duration::ZERO);
                (families, Step::Reset(ResetStep { who, share: percent(share), count, every }))
            }
            _ => return None,
        })
    }

    /// What is wrong for a while.
    fn condition(&mut self, mv: &Move) -> Option<(Families, Step)> {
        let all = Target::All;
        let (family, step, lasts) = match *mv {
            Move::Loss { share, lasts } if self.links == LinkChoice::Datagram => {
                let share = percent(share);
                (Family::Loss, Step::Loss(DatagramStep { share, who: all, lasts: for_so_long(lasts) }), lasts)
            }
            Move::Duplication { share, lasts } if self.links == LinkChoice::Datagram => {
                let step = DatagramStep { share: percent(share), who: all, lasts: for_so_long(lasts) };
                (Family::Duplication, Step::Duplication(step), lasts)
            }
            Move::Reordering { share, by, lasts } if self.links != LinkChoice::Stream => {
                let (share, by) = (percent(share), millis(by));
                let step = ReorderingStep { share, by, who: all, lasts: for_so_long(lasts) };
                (Family::Reordering, Step::Reordering(step), lasts)
            }
            Move::Delay { who, by, jitter, lasts } => {
                let (who, by, jitter) = (self.whom(who), millis(by), millis(jitter));
                let step = DelayStep { by, jitter, share: 1.0, who, lasts: for_so_long(lasts) };
                (Family::Delay, Step::Delay(step), lasts)
            }
            Move::Pause { who, lasts } => {
                let (who, count, every) = (one(self.alive(who)), NonZeroU32::MIN, Duration::ZERO);
                let step = PauseStep { who, lasts: millis(lasts), count, every };
                (Family::Pause, Step::Pause(step), lasts)
            }
            Move::Slow { who, by, lasts } => {
                let step = SlowStep { who: one(self.alive(who)), by: millis(by), lasts: for_so_long(lasts) };
                (Family::Slow, Step::Slow(step), lasts)
            }
            Move::Clock { who, ahead, drift, lasts } => {
                let length = Duration::from_millis(u64::from(ahead.unsigned_abs()));
                let [ahead, behind] =
                    if ahead > 0 { [length, Duration::ZERO] } else { [Duration::ZERO, length] };
                let who = one(self.alive(who));
                let step = ClockStep { who, ahead, behind, drift_ppm: drift, lasts: for_so_long(lasts) };
                (Family::Clock, Step::Clock(step), lasts)
            }
            _ => return None,
        };
        let families = self.of(family)?;
        self.busy_until = self.busy_until.max(self.now + millis(lasts));
        Some((families, step))
    }

    fn crash(&mut self, who: u8, is_silent: bool, loses_log: bool) -> Option<(Families, Step)> {
        let mut families = self.of(if is_silent { Family::Silence } else { Family::Crash })?;
        let loses_log = loses_log && self.allowed.contains(Family::LostLog);
        if loses_log {
            families = families.with(Family::LostLog);
        }
        let who = self.take(who)?;
        self.crashed.push(who);
        let step = CrashStep {
            who: one(who),
            count: NonZeroU32::MIN,
            every: Duration::ZERO,
            log: if loses_log { LogFate::Lost } else { LogFate::Kept },
            detection: if is_silent { Detection::Silence } else { Detection::Reset },
            lasts: None,
        };
        Some((families, Step::Crash(step)))
    }

    fn send(&self, from: u8, to: u8) -> Option<Step> {
        let (from, to) = (self.settled(from), self.alive(to));
        let (count, every) = (NonZeroU32::MIN, Duration::ZERO);
        let (title, message) = (crate::network::DIRECT_TITLE.into(), "For you alone".into());
        (from != to)
            .then(|| Step::Send(SendStep { from: one(from), to: one(to), count, every, title, message }))
    }

    /// The nodes on that side on the one side; whoever comes later is with the others.
    fn cut(&self, side: u32, is_one_way: bool) -> Option<Step> {
        let there = |place: usize| side >> (place % 32) & 1 == 1;
        let group = |is_there: bool| -> Vec<Selector> {
            let nodes = self.living.iter().enumerate().filter(|&(place, _)| there(place) == is_there);
            nodes.map(|(_, &(node, _))| Selector::Number(node.into())).collect()
        };
        let groups = vec![group(false), group(true)];
        let divides = groups.iter().all(|group| !group.is_empty());
        let step = PartitionStep {
            into: Division::Groups(groups),
            one_way: is_one_way,
            lasts: None,
            count: NonZeroU32::MIN,
            every: Duration::ZERO,
        };
        divides.then_some(Step::Partition(step))
    }

    /// Everything is healed, and there is time to come to rest. When the run ends.
    fn calm_down(&mut self, has_last_word: bool, settle: Duration) -> Duration {
        if self.is_cut {
            self.tell(Families::default(), Step::Heal);
        }
        self.now = self.now.max(self.busy_until) + settle;
        if !has_last_word {
            return self.now;
        }
        self.tell(Families::default(), broadcast(self.settled(0)));
        self.now + settle
    }

    /// A set of one family, if it may happen.
    fn of(&self, family: Family) -> Option<Families> {
        self.allowed.contains(family).then(|| Families::default().with(family))
    }

    fn alive(&self, who: u8) -> u32 {
        self.living[usize::from(who) % self.living.len()].0
    }

    fn whom(&self, who: Option<u8>) -> Target {
        who.map_or(Target::All, |who| one(self.alive(who)))
    }

    /// One of those that had time to join; if nobody had, of all.
    fn settled(&self, who: u8) -> u32 {
        let had_time = |&&(_, since): &&(u32, Duration)| since + SETTLED <= self.now;
        let count = self.living.iter().filter(had_time).count();
        match count {
            0 => self.alive(who),
            _ => {
                self.living.iter().filter(had_time).nth(usize::from(who) % count).map_or(0, |&(node, _)| node)
            }
        }
    }

    /// Takes a node from the living. Somebody stays whom others can come back to; where nobody comes, there is somebody to
    /// talk to.
    fn take(&mut self, who: u8) -> Option<u32> {
        let others_come = self.allowed.contains(Family::Join) || self.allowed.contains(Family::Restart);
        let least = if others_come { 1 } else { 2 };
        (self.living.len() > least).then(|| self.living.remove(usize::from(who) % self.living.len()).0)
    }
}

fn broadcast(from: u32) -> Step {
    Step::Broadcast(BroadcastStep {
        from: one(from),
        count: NonZeroU32::MIN,
        every: Duration::ZERO,
        title: crate::network::BROADCAST_TITLE.into(),
        message: "Hello world".into(),
    })
}

fn one(node: u32) -> Target {
    Target::One(Selector::Number(node.into()))
}

fn millis(ms: u16) -> Duration {
    Duration::from_millis(ms.into())
}

fn for_so_long(ms: u16) -> Option<Duration> {
    Some(millis(ms))
}

fn percent(share: u8) -> f64 {
    f64::from(share) / 100.0
}
