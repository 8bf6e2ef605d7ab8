//! From a script that fails to a small one that fails in the same way.

use super::{Breach, LinkChoice, Move, Script};
use proptest::strategy::ValueTree;

/// So many scripts are tried on the way at most.
const MOST_TRIALS: u32 = 4_000;

/// The smallest script that was found to break what `script` breaks. `attempt`: what a script breaks.
pub(super) fn shrink(
    tree: &mut impl ValueTree<Value = Script>,
    breach: Breach,
    attempt: impl Fn(&Script) -> Option<Breach>,
) -> (Script, Breach) {
    let mut best = Best { script: tree.current(), breach, trials: 0, attempt };
    best.follow(tree);
    // Shrinking one value after the other leaves what only a later change made superfluous.
    while best.try_simpler() {}
    (best.script, best.breach)
}

struct Best<F> {
    script: Script,
    breach: Breach,
    trials: u32,
    attempt: F,
}

impl<F: Fn(&Script) -> Option<Breach>> Best<F> {
    /// Takes a script if it breaks the same.
    fn take(&mut self, script: Script) -> bool {
        if self.trials >= MOST_TRIALS {
            return false;
        }
        self.trials += 1;
        match (self.attempt)(&script).filter(|breach| breach.what == self.breach.what) {
            Some(breach) => {
                (self.script, self.breach) = (script, breach);
                true
            }
            None => false,
        }
    }

    /// As proptest shrinks: simpler as long as it fails, and back a little when it does not.
    fn follow(&mut self, tree: &mut impl ValueTree<Value = Script>) {
        let mut goes_on = tree.simplify();
        while goes_on && self.trials < MOST_TRIALS {
            goes_on = if self.take(tree.current()) { tree.simplify() } else { tree.complicate() };
        }
    }

    /// Tries everything that is one thing simpler. Whether anything of it will do.
    fn try_simpler(&mut self) -> bool {
        let mut found = false;
        for place in (0..self.script.moves.len()).rev() {
            found |= self.try_change(|script| _ = script.moves.remove(place));
        }
        for place in 0..self.script.moves.len() {
            found |= self.try_change(|script| script.moves[place].0 = 0);
            // What only gives a cut its time is better said by its end.
            found |= self.try_change(|script| script.moves[place].1 = Move::Heal);
        }
        found |= self.try_change(|script| script.has_last_word = false);
        found |= self.try_change(|script| script.links = LinkChoice::Stream);
        found |= self.try_change(|script| script.first = (script.first - 1).max(1));
        found
    }

    fn try_change(&mut self, change: impl FnOnce(&mut Script)) -> bool {
        let mut script = self.script.clone();
        change(&mut script);
        script != self.script && self.take(script)
    }
}
