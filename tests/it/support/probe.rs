//! A protocol that does what it is told and remembers what it saw.

use rand::Rng;
use rumormill::protocol::{Command, Protocol, Wire};
use rumormill::transport::{Durability, Transport};
use rumormill::{LocalTime, NodeId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Say(pub u32);

impl Wire for Say {}

/// What a probe saw or did, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Did {
    Wished(u32),
    Closed(u32),
    Up(u32),
    Down(u32),
    Heard(u32, u32),
    /// A timer of so many milliseconds fired; whether that was too early.
    Fired(u32, bool),
    StoodStill(bool),
    Drew(u64),
    /// It began a life with these records in its log.
    Began(Vec<u32>),
    /// It wrote a record; whether that was safe at once.
    Wrote(u32, bool),
    /// So many records of this life are safe.
    Synced(u64),
}

/// Commands come as the title of a broadcast: `open 1`, `close 1`, `reopen 1`, `send 1 5`, `timer 30`, `draw`,
/// `look-twice 1`, `write 5`.
pub(crate) struct Probe {
    pub saw: Vec<Did>,
    set_at: LocalTime,
}

impl Protocol for Probe {
    type Config = ();
    type Message = Say;
    type Timer = u32;
    type Record = u32;

    fn start(_: &(), log: &[u32], net: &mut impl Transport<Probe>) -> Probe {
        let saw = if log.is_empty() { vec![] } else { vec![Did::Began(log.to_vec())] };
        Probe { saw, set_at: net.now() }
    }

    fn on_command(&mut self, net: &mut impl Transport<Probe>, command: Command) {
        let Command::Broadcast { title, .. } = command else { panic!("probes know one command") };
        let words: Vec<&str> = title.split(' ').collect();
        let number = |at: usize| words[at].parse::<u32>().expect("a number");
        match words[0] {
            "open" => self.open(net, number(1)),
            "close" => self.close(net, number(1)),
            "reopen" => {
                self.close(net, number(1));
                self.open(net, number(1));
            }
            "stop" => net.stop(),
            "close-all" => {
                let up = |did: &Did| if let Did::Up(peer) = did { Some(*peer) } else { None };
                self.saw.iter().filter_map(up).for_each(|peer| net.close(NodeId(peer)));
            }
            "send" => net.send(NodeId(number(1)), Say(number(2))),
            "timer" => {
                self.set_at = net.now();
                net.set_timer(Duration::from_millis(number(1).into()), number(1));
            }
            "write" => {
                let is_safe = net.append(number(1)) == Durability::Synced;
                self.saw.push(Did::Wrote(number(1), is_safe));
            }
            "draw" => {
                let drawn = net.rng().next_u64();
                self.saw.push(Did::Drew(drawn));
            }
            "look-twice" => {
                let before = net.now();
                net.send(NodeId(number(1)), Say(0));
                net.set_timer(Duration::ZERO, 0);
                self.saw.push(Did::StoodStill(before == net.now()));
            }
            other => panic!("unknown command {other}"),
        }
    }

    fn on_message(&mut self, _: &mut impl Transport<Probe>, from: NodeId, Say(text): Say) {
        self.saw.push(Did::Heard(from.0, text));
    }

    fn on_timer(&mut self, net: &mut impl Transport<Probe>, milliseconds: u32) {
        let early = net.now() - self.set_at < Duration::from_millis(milliseconds.into());
        self.saw.push(Did::Fired(milliseconds, early));
    }

    fn on_synced(&mut self, _: &mut impl Transport<Probe>, records: u64) {
        self.saw.push(Did::Synced(records));
    }

    fn on_link_up(&mut self, _: &mut impl Transport<Probe>, peer: NodeId) {
        self.saw.push(Did::Up(peer.0));
    }

    fn on_link_down(&mut self, _: &mut impl Transport<Probe>, peer: NodeId) {
        self.saw.push(Did::Down(peer.0));
    }
}

impl Probe {
    fn open(&mut self, net: &mut impl Transport<Probe>, peer: u32) {
        self.saw.push(Did::Wished(peer));
        net.open(NodeId(peer));
    }

    fn close(&mut self, net: &mut impl Transport<Probe>, peer: u32) {
        self.saw.push(Did::Closed(peer));
        net.close(NodeId(peer));
    }
}
