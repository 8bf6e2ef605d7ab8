//! What came out of a mill: how much went through it, and what of the faults really happened.

use super::trial::Ran;
use super::{Families, Family};
use crate::judge::Verdict;
use crate::units::grouped;
use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// Everything that went through a mill, in numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ground {
    /// What failed first in how many cases.
    pub failed: BTreeMap<String, u64>,
    /// How many cases held.
    pub passed: u64,
    /// In how many something was still on its way at the end.
    pub unknown: u64,
    /// In how many nothing was tested: no broadcast could reach anybody.
    pub vacuous: u64,
    /// How many broadcasts there were.
    pub broadcasts: u64,
    /// How many deliveries.
    pub deliveries: u64,
    /// How many events.
    pub events: u64,
    /// One for every family that may happen.
    pub families: Vec<Effect>,
}

/// What came of one family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effect {
    /// Which one.
    pub family: Family,
    /// In how many cases it stood in the script.
    pub declared: u64,
    /// In how many of them it had an effect.
    pub effective: u64,
}

impl Ground {
    pub(super) fn new(enabled: Families) -> Ground {
        let effect = |family| Effect { family, declared: 0, effective: 0 };
        Ground {
            failed: BTreeMap::new(),
            passed: 0,
            unknown: 0,
            vacuous: 0,
            broadcasts: 0,
            deliveries: 0,
            events: 0,
            families: enabled.iter().map(effect).collect(),
        }
    }

    /// Adds a case.
    pub fn take(&mut self, ran: &Ran) {
        *match (&ran.breach, ran.verdict) {
            (Some(breach), _) => self.failed.entry(breach.what.to_string()).or_default(),
            (None, Verdict::Pass) => &mut self.passed,
            (None, Verdict::Unknown) => &mut self.unknown,
            (None, Verdict::Vacuous | Verdict::Fail) => &mut self.vacuous,
        } += 1;
        self.broadcasts += ran.broadcasts;
        self.deliveries += ran.deliveries;
        self.events += ran.events;
        for effect in &mut self.families {
            effect.declared += u64::from(ran.declared.contains(effect.family));
            effect.effective += u64::from(ran.effective.contains(effect.family));
        }
    }

    /// What may happen in its cases.
    pub fn enabled(&self) -> Families {
        self.families.iter().map(|effect| effect.family).collect()
    }

    /// How many cases there were.
    pub fn cases(&self) -> u64 {
        self.failures() + self.passed + self.unknown + self.vacuous
    }

    /// How many of them failed.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The families that may happen and never had an effect: nothing is known of them.
    pub fn idle(&self) -> impl Iterator<Item = Family> {
        self.families.iter().filter(|effect| effect.effective == 0).map(|effect| effect.family)
    }

    /// Whether that was a test: fail if one failed, vacuous if no case held or some family never had an effect.
    pub fn verdict(&self) -> Verdict {
        if self.failures() > 0 {
            return Verdict::Fail;
        }
        match self.passed {
            0 => Verdict::Vacuous,
            _ if self.idle().next().is_some() => Verdict::Vacuous,
            _ => Verdict::Pass,
        }
    }
}

impl Display for Ground {
    /// As a terminal shows it.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "  {}\n", self.verdict().to_string().to_uppercase())?;
        let [cases, passed, unknown, vacuous] =
            [self.cases(), self.passed, self.unknown, self.vacuous].map(grouped);
        let failed = grouped(self.failures());
        let ended = format!("{passed} passed, {failed} failed, {unknown} unknown, {vacuous} vacuous");
        writeln!(f, "  cases        {cases}: {ended}")?;
        for (what, count) in &self.failed {
            writeln!(f, "  failed       {what}: {}", grouped(*count))?;
        }
        let [broadcasts, deliveries, events] = [self.broadcasts, self.deliveries, self.events].map(grouped);
        writeln!(f, "  broadcasts   {broadcasts}, {deliveries} deliveries, {events} events\n")?;
        write!(f, "  {:<12} {:>11} {:>11}", "family", "declared in", "effective in")?;
        for Effect { family, declared, effective } in &self.families {
            write!(f, "\n  {family:<12} {:>11} {:>11}", grouped(*declared), grouped(*effective))?;
        }
        let idle: Vec<&str> = self.idle().map(Family::name).collect();
        if !idle.is_empty() {
            let names = idle.join(", ");
            write!(f, "\n\n  nothing was tested of: {names}; take more cases, or leave it out")?;
        }
        Ok(())
    }
}
