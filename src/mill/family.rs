//! The kinds of things that can go wrong in a script, and sets of them.

use std::fmt::{self, Display};
use std::str::FromStr;

/// A kind of change or fault. Every case of a mill draws which of them may happen in it: a case in which everything
/// happens at once hides what a few would show.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Family {
    /// Nodes join later. Without it the network is there from the start, as a topology.
    Join,
    /// Nodes send to single nodes.
    Send,
    /// Nodes leave in good order.
    Leave,
    /// Nodes crash, and their links are reset.
    Crash,
    /// Nodes crash, and their peers hear nothing.
    Silence,
    /// Nodes that have crashed start again.
    Restart,
    /// Nodes that crash lose their logs.
    LostLog,
    /// The network is cut in two.
    Cut,
    /// It is cut in one direction only.
    OneWay,
    /// Datagrams get lost.
    Loss,
    /// Datagrams arrive twice.
    Duplication,
    /// Messages overtake each other.
    Reordering,
    /// Messages take longer.
    Delay,
    /// Links break.
    Reset,
    /// Nodes stand still.
    Pause,
    /// Nodes are slow.
    Slow,
    /// Clocks are wrong.
    Clock,
}

impl Family {
    /// All of them.
    pub const ALL: [Family; 17] = [
        Family::Join,
        Family::Send,
        Family::Leave,
        Family::Crash,
        Family::Silence,
        Family::Restart,
        Family::LostLog,
        Family::Cut,
        Family::OneWay,
        Family::Loss,
        Family::Duplication,
        Family::Reordering,
        Family::Delay,
        Family::Reset,
        Family::Pause,
        Family::Slow,
        Family::Clock,
    ];

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Family::Join => "join",
            Family::Send => "send",
            Family::Leave => "leave",
            Family::Crash => "crash",
            Family::Silence => "silence",
            Family::Restart => "restart",
            Family::LostLog => "lost_log",
            Family::Cut => "cut",
            Family::OneWay => "one_way",
            Family::Loss => "loss",
            Family::Duplication => "duplication",
            Family::Reordering => "reordering",
            Family::Delay => "delay",
            Family::Reset => "reset",
            Family::Pause => "pause",
            Family::Slow => "slow",
            Family::Clock => "clock",
        }
    }
}

impl Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Family {
    type Err = String;

    fn from_str(text: &str) -> Result<Family, String> {
        let names = Family::ALL.map(Family::name);
        Family::ALL
            .into_iter()
            .find(|family| family.name() == text)
            .ok_or_else(|| format!("`{text}` is none of {}", names.join(", ")))
    }
}

/// A set of families.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Families(u32);

impl Families {
    /// All of them.
    pub const ALL: Families = Families((1 << Family::ALL.len()) - 1);

    /// One number for the set: a bit for each.
    pub(super) fn bits(self) -> u32 {
        self.0
    }

    pub(super) fn from_bits(bits: u32) -> Families {
        Families(bits & Families::ALL.0)
    }

    /// Whether a family is among them.
    pub fn contains(self, family: Family) -> bool {
        self.0 >> family as u8 & 1 == 1
    }

    /// Those of this set and one more.
    pub fn with(self, family: Family) -> Families {
        Families(self.0 | 1 << family as u8)
    }

    /// Those of this set but one.
    pub fn without(self, family: Family) -> Families {
        Families(self.0 & !(1 << family as u8))
    }

    /// Those that are in one of the sets.
    pub fn or(self, other: Families) -> Families {
        Families(self.0 | other.0)
    }

    /// Those that can have an effect at all beside the others: without a crash nobody starts again, and without a
    /// restart nobody misses a log.
    pub(super) fn possible(self) -> Families {
        let crashes = self.contains(Family::Crash) || self.contains(Family::Silence);
        let restarts = crashes && self.contains(Family::Restart);
        let without = |families: Families, family, holds: bool| {
            if holds { families } else { families.without(family) }
        };
        without(without(self, Family::Restart, crashes), Family::LostLog, restarts)
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Family> {
        Family::ALL.into_iter().filter(move |&family| self.contains(family))
    }
}

impl FromIterator<Family> for Families {
    fn from_iter<I: IntoIterator<Item = Family>>(families: I) -> Families {
        families.into_iter().fold(Families::default(), Families::with)
    }
}

impl fmt::Debug for Families {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_stand_at_the_place_of_their_number_and_read_their_own_names() {
        for (place, family) in Family::ALL.into_iter().enumerate() {
            assert_eq!(family as usize, place);
            assert_eq!(family.name().parse(), Ok(family));
        }
        assert!("crush".parse::<Family>().unwrap_err().contains("crash"));
    }

    #[test]
    fn what_depends_on_another_family_goes_with_it() {
        let quiet = Families::ALL.without(Family::Crash);
        assert_eq!(quiet.possible(), quiet, "there are silent crashes still");
        let quiet = quiet.without(Family::Silence).possible();
        assert!(!quiet.contains(Family::Restart) && !quiet.contains(Family::LostLog));
        assert_eq!(Families::ALL.iter().collect::<Families>(), Families::ALL);
    }
}
