//! What a process of the benchmark heard, and what it is asked by the one that started it: a line, and a line back.

use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The length of every text.
pub(crate) const SIZE: usize = 1_024;

/// What a process counts.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Heard {
    /// Different texts.
    pub(crate) count: u64,
    pub(crate) duplicates: u64,
    /// Texts that came after one with a greater number.
    pub(crate) disorder: u64,
    /// Bytes of messages sent.
    pub(crate) sent: u64,
    /// Links, or neighbors.
    pub(crate) links: u64,
}

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) heard: Heard,
    /// When each came, in seconds after its publication; below zero: it did not.
    delays: Vec<f64>,
    /// The greatest number so far, and one.
    next: usize,
    /// Says so when all below this number are here.
    wanted: usize,
    /// All below this number are here.
    whole: usize,
    /// All below this number came in an earlier life.
    before: usize,
}

impl Tally {
    /// A text was delivered.
    pub(crate) fn hear(&mut self, text: &str) {
        let mut words = text.split(' ');
        let (Some(number), Some(published)) = (words.next(), words.next()) else { panic!("no text of ours") };
        let number: usize = number.parse().expect("a text begins with its number");
        let published: f64 = published.parse().expect("then comes when it was published");
        if self.delays.len() <= number {
            self.delays.resize(number + 1, -1.0);
        }
        if number < self.before || self.delays[number] >= 0.0 {
            self.heard.duplicates += 1;
            return;
        }
        self.delays[number] = (now() - published).max(0.0);
        self.heard.count += 1;
        self.heard.disorder += u64::from(number < self.next);
        self.next = self.next.max(number + 1);
        if number == self.whole {
            self.look();
        }
    }

    /// Says `done` when all below a number are here.
    fn expect(&mut self, wanted: usize) {
        self.wanted = wanted;
        self.look();
    }

    fn look(&mut self) {
        while self.delays.get(self.whole).is_some_and(|&delay| delay >= 0.0) {
            self.whole += 1;
        }
        if self.wanted > 0 && self.whole >= self.wanted {
            self.wanted = 0;
            println!("done");
        }
    }

    /// After an earlier life, all below this number are here.
    fn had(&mut self, before: usize) {
        (self.before, self.whole, self.next) = (before, before, before);
    }
}

/// A text with its number and the moment, of the right length.
pub(crate) fn text(number: u64) -> String {
    let head = format!("{number} {:.9} ", now());
    let filling = SIZE - head.len();
    head + &"x".repeat(filling)
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs_f64()
}

/// A process that is measured.
pub(crate) trait Contestant {
    /// Links to those who are there already; with nobody, it is the first.
    fn link(&mut self, addresses: &[&str]);
    /// Bytes sent, and links.
    fn wire(&mut self) -> (u64, u64);
    /// Publishes texts with these numbers, as fast as back-pressure lets it, or with pauses.
    fn publish(&mut self, first: u64, count: u64, pause: Duration);
}

/// Answers the questions of the one that started this process, until it ends.
pub(crate) fn answer(tally: &Arc<Mutex<Tally>>, contestant: &mut impl Contestant) {
    let locked = || tally.lock().expect("nobody panics while it is locked");
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let number = |at: usize| words[at].parse::<u64>().expect("a number");
        match words[0] {
            "link" => contestant.link(&words[1..]),
            "had" => locked().had(number(1) as usize),
            "expect" => locked().expect(number(1) as usize),
            "publish" => contestant.publish(number(1), number(2), Duration::from_micros(number(3))),
            "heard" => {
                let (sent, links) = contestant.wire();
                let heard = Heard { sent, links, ..locked().heard.clone() };
                println!("= {}", serde_json::to_string(&heard).expect("plain numbers"));
            }
            "delays" => {
                let delays = locked().delays[number(1) as usize..].to_vec();
                println!("= {}", serde_json::to_string(&delays).expect("plain numbers"));
            }
            other => panic!("nobody knows what `{other}` means"),
        }
    }
}
