//! The property mill: random scripts of joins, crashes, cuts and broadcasts go through the simulator, and every one is judged.
//! The smallest script that fails is told as a scenario file, which `rumormill run` repeats.
//!
//! A case is a script: moves, each a little after the one before. Then all faults end, the network has time
//! to come to rest, and what was expected must hold. Every case draws which [families](Family) of faults may happen in it
//! (*swarm testing*, Groce et al., ISSTA 2012).
//!
//! The commonest lie of such tools is a green run in which the faults never happened. So a mill counts in how many cases each
//! family really had an effect, and one in which some family never had any has not passed.
//!
//! Cases depend on the mill's seed and their number alone; no file, no environment, no clock has a say.

mod family;
mod ground;
mod script;
mod shrink;
mod strategy;
mod text;
mod trial;

pub use family::{Families, Family};
pub use ground::{Effect, Ground};
pub use script::{LinkChoice, Move, Script};
pub use trial::{Breach, Broken, Ran};

use crate::judge::Verdict;
use crate::protocol::Protocol;
use crate::scenario::{Expectation, ScenarioError, ScenarioFile};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use script::Setting;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{self, Debug, Display};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

/// How many cases a mill has unless it is told otherwise.
pub const CASES: u64 = 1_000;
/// How many nodes there are at once at most, unless it is told otherwise.
pub const NODES: u32 = 30;
/// How long the network has to come to rest, unless it is told otherwise.
const SETTLE: Duration = Duration::from_secs(120);
/// A case with more events has run away.
const MOST_EVENTS: u64 = 2_000_000;

/// What a mill expects unless it is told otherwise: what any broadcast that calls itself reliable promises, whatever the
/// overlay looks like.
pub fn promises() -> Vec<Expectation> {
    vec![
        Expectation::Integrity,
        Expectation::NoDuplication,
        Expectation::Validity,
        Expectation::Agreement,
        Expectation::NoSilentLoss,
        Expectation::Repair,
    ]
}

/// Puts a protocol through the mill: a test in one line.
///
/// # Panics
/// If a script fails, with the smallest one that was found, as a scenario file; or if nothing was tested.
pub fn mill<P>(config: P::Config) -> Ground
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    Mill::<P>::new(config).run().unwrap_or_else(|failure| panic!("{failure}"))
}

/// A mill, to be set up and run.
#[must_use = "a mill that does not run grinds nothing"]
pub struct Mill<P: Protocol> {
    setting: Setting<P::Config>,
    families: Families,
    cases: u64,
    seed: u64,
    most_events: u64,
    keep: Option<PathBuf>,
    protocol: PhantomData<fn() -> P>,
}

/// Why a mill did not pass. It shows itself, as what `unwrap` says too, as a person would read it.
pub enum Failure<C> {
    /// A case failed.
    Case(Box<FailedCase<C>>),
    /// Nothing was tested, or nothing of some family.
    Vacuous(Ground),
    /// What it was told to do makes no scenarios.
    Wrong(ScenarioError),
}

/// A case that failed, and what is left of it after shrinking.
#[derive(Clone, Debug)]
pub struct FailedCase<C> {
    /// Its number, from 0.
    pub case: u64,
    /// What the smallest script breaks.
    pub breach: Breach,
    /// The smallest script.
    pub script: Script,
    /// How many of its moves happen.
    pub moves: usize,
    /// The scenario that it stands for.
    pub scenario: ScenarioFile<C>,
    /// The text of that as a file.
    pub text: String,
    /// Where it was written, or why it was not.
    pub kept: Option<Result<PathBuf, String>>,
}

impl<P> Mill<P>
where
    P: Protocol,
    P::Config: Serialize + DeserializeOwned + Default,
{
    /// A mill for nodes with this configuration. Nobody joins if such nodes cannot.
    pub fn new(config: P::Config) -> Mill<P> {
        let joins = P::can_join(&P::resolved(config.clone(), false));
        let families = if joins { Families::ALL } else { Families::ALL.without(Family::Join) };
        Mill {
            setting: Setting { node: config, expect: promises(), nodes: NODES, joins, settle: SETTLE },
            families,
            cases: CASES,
            seed: 1,
            most_events: MOST_EVENTS,
            keep: None,
            protocol: PhantomData,
        }
    }

    /// So many cases. Default: 1,000.
    pub fn cases(self, cases: u64) -> Self {
        Mill { cases, ..self }
    }

    /// Other cases. Default: 1.
    pub fn seed(self, seed: u64) -> Self {
        Mill { seed, ..self }
    }

    /// At most so many nodes at once, 2 to 255. Default: 30.
    ///
    /// # Panics
    /// If it is fewer or more.
    pub fn nodes(mut self, nodes: u32) -> Self {
        assert!((2..=255).contains(&nodes), "2 to 255 nodes, not {nodes}");
        self.setting.nodes = nodes;
        self
    }

    /// What must hold in every case. Default: [`promises`].
    pub fn expect(mut self, expect: impl IntoIterator<Item = Expectation>) -> Self {
        self.setting.expect = expect.into_iter().collect();
        self
    }

    /// Only these families may happen. Default: all that can.
    pub fn families(mut self, families: impl IntoIterator<Item = Family>) -> Self {
        self.families = families.into_iter().collect();
        self
    }

    /// These families may not happen. Without [`Family::Join`] the network is there from the start, everybody linked to
    /// everybody: then no crash can cut it.
    pub fn without(mut self, families: impl IntoIterator<Item = Family>) -> Self {
        self.families = families.into_iter().fold(self.families, Families::without);
        self
    }

    /// How long the network has to come to rest when all faults are over. Default: 120 s.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.setting.settle = settle;
        self
    }

    /// A case with more events has run away, and failed. Default: 2,000,000.
    pub fn most_events(self, most_events: u64) -> Self {
        Mill { most_events, ..self }
    }

    /// Writes the scenario of a failure to this file.
    pub fn keep(self, file: impl Into<PathBuf>) -> Self {
        Mill { keep: Some(file.into()), ..self }
    }

    /// Runs all cases, or up to the first that fails, which is made small.
    ///
    /// # Errors
    /// [`Failure`]: a case failed, or nothing was tested.
    pub fn run(self) -> Result<Ground, Failure<P::Config>> {
        let mut ground = self.nothing_yet();
        for case in 0..self.cases {
            let ran = self.attempt(case)?;
            match ran.breach {
                None => ground.take(&ran),
                Some(breach) => return Err(self.shrink(case, breach)),
            }
        }
        self.conclude(ground)
    }

    /// Runs all cases, and counts those that fail.
    ///
    /// # Errors
    /// [`Failure::Wrong`].
    pub fn survey(self) -> Result<Ground, Failure<P::Config>> {
        let mut ground = self.nothing_yet();
        for case in 0..self.cases {
            ground.take(&self.attempt(case)?);
        }
        Ok(ground)
    }

    /// What there is before the first case.
    pub(crate) fn nothing_yet(&self) -> Ground {
        Ground::new(self.enabled())
    }

    /// What all cases come to.
    pub(crate) fn conclude(&self, ground: Ground) -> Result<Ground, Failure<P::Config>> {
        if ground.verdict() == Verdict::Pass { Ok(ground) } else { Err(Failure::Vacuous(ground)) }
    }

    /// One case by itself.
    pub(crate) fn attempt(&self, case: u64) -> Result<Ran, Failure<P::Config>> {
        self.attempt_script(&self.draw(case).current())
    }

    fn attempt_script(&self, script: &Script) -> Result<Ran, Failure<P::Config>> {
        trial::attempt::<P>(script, &self.setting(), self.most_events).map_err(Failure::Wrong)
    }

    /// The smallest script that breaks what a case broke.
    pub(crate) fn shrink(&self, case: u64, breach: Breach) -> Failure<P::Config> {
        let attempt = |script: &Script| self.attempt_script(script).ok()?.breach;
        let (script, breach) = shrink::shrink(&mut self.draw(case), breach, attempt);
        let title = format!("Case {case} of the mill with seed {}", self.seed);
        let question = format!("Does it hold: {}?", breach.what);
        let plot = script.plot(&self.setting(), title, question);
        let text = text::text(&plot.file);
        let kept = self.keep.clone().map(|path| match std::fs::write(&path, &text) {
            Ok(()) => Ok(path),
            Err(error) => Err(format!("cannot write {}: {error}", path.display())),
        });
        let (moves, scenario) = (plot.moves, plot.file);
        Failure::Case(Box::new(FailedCase { case, breach, script, moves, scenario, text, kept }))
    }

    /// The script of a case, which can shrink. It depends on the seed and the number of the case alone.
    fn draw(&self, case: u64) -> impl ValueTree<Value = Script> {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&case.to_le_bytes());
        let chance = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), chance);
        let scripts = strategy::any_script(self.enabled(), self.setting.nodes);
        scripts.new_tree(&mut runner).expect("no script is refused")
    }

    fn enabled(&self) -> Families {
        self.families.possible()
    }

    fn setting(&self) -> Setting<P::Config> {
        Setting { joins: self.families.contains(Family::Join), ..self.setting.clone() }
    }
}

impl<P: Protocol> Clone for Mill<P> {
    fn clone(&self) -> Self {
        Mill { setting: self.setting.clone(), keep: self.keep.clone(), ..*self }
    }
}

impl<C> Failure<C> {
    /// As a run would be judged; `None` if there was none.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Failure::Case(_) => Some(Verdict::Fail),
            Failure::Vacuous(_) => Some(Verdict::Vacuous),
            Failure::Wrong(_) => None,
        }
    }
}

impl<C> FailedCase<C> {
    /// The command that repeats it, and before that what there is to know. `program`: what the command line is called.
    pub fn tell(&self, program: &str) -> String {
        let FailedCase { case, breach, moves, text, kept, .. } = self;
        let Breach { what, evidence } = breach;
        let remark = match kept {
            Some(Ok(_)) => String::new(),
            Some(Err(error)) => format!("{error}\n"),
            None => "(save it as mill.json)\n".into(),
        };
        let file = match kept {
            Some(Ok(path)) => path.display().to_string(),
            _ => "mill.json".into(),
        };
        let count = if *moves == 1 { "one move".into() } else { format!("{moves} moves") };
        format!(
            "  FAIL\n  fail     {what}: {evidence}\n\ncase {case}, shrunk to {count}:\n\n{text}\n{remark}repeat: {program} run {file}"
        )
    }
}

impl<C> Display for Failure<C> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Failure::Case(case) => f.write_str(&case.tell("rumormill")),
            Failure::Vacuous(ground) => write!(f, "{ground}"),
            Failure::Wrong(error) => write!(f, "{error}"),
        }
    }
}

impl<C> Debug for Failure<C> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

impl<C> std::error::Error for Failure<C> {}
