//! How scripts are drawn, and so how they shrink: to fewer moves, sooner after each other, of simpler kinds.

use super::{Families, Family, LinkChoice, Move, Script};
use proptest::bits;
use proptest::bool;
use proptest::collection::vec;
use proptest::num;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy};
use proptest::strategy::Union;

/// So many moves are drawn at most; those of families that are not enabled in a case do not happen.
const MOST_MOVES: usize = 80;
/// Every other network is so small at first.
const FEW: u8 = 5;

/// Any script of these families.
pub(super) fn any_script(enabled: Families, nodes: u32) -> impl Strategy<Value = Script> {
    let most = u8::try_from(nodes).unwrap_or(u8::MAX);
    // The first steps of a network are as good a place for mistakes as its later life.
    let first = Union::new([1..=most.min(FEW), 1..=most]);
    let parts = (
        vec((pause(), any_move()), 0..=MOST_MOVES),
        // The swarm: every case has about half of the families.
        bits::u32::masked(enabled.bits()).prop_map(Families::from_bits),
        link_choice(enabled),
        1u16..=100,
        first,
        bool::weighted(0.7),
        num::u32::ANY.prop_map(u64::from),
    );
    parts.prop_map(|(moves, families, links, latency, first, has_last_word, seed)| Script {
        moves,
        families: families.possible(),
        links,
        latency,
        // Alone there is nobody to be reached.
        first: if families.contains(Family::Join) { first } else { first.max(2) },
        has_last_word,
        seed,
    })
}

/// What links may promise: nothing that only faults on them would show is drawn without those.
fn link_choice(enabled: Families) -> Union<Just<LinkChoice>> {
    let any = |families: &[Family]| families.iter().any(|&family| enabled.contains(family));
    let mut choices = vec![Just(LinkChoice::Stream)];
    if any(&[Family::Reordering]) {
        choices.push(Just(LinkChoice::Unordered));
    }
    if any(&[Family::Loss, Family::Duplication]) {
        choices.push(Just(LinkChoice::Datagram));
    }
    Union::new(choices)
}

/// What is still on its way when the next thing happens is where mistakes are: many pauses are short.
fn pause() -> BoxedStrategy<u16> {
    Union::new_weighted(vec![
        (2, (0u16..=0).boxed()),
        (3, (0u16..200).boxed()),
        (3, (0u16..5_000).boxed()),
        (1, (0u16..30_000).boxed()),
    ])
    .boxed()
}

/// How long something is wrong.
fn while_it_lasts() -> impl Strategy<Value = u16> {
    1u16..=20_000
}

fn any_move() -> BoxedStrategy<Move> {
    let who = || num::u8::ANY;
    let share = || 1u8..=100;
    let lasts = while_it_lasts;
    let crash = (who(), bool::ANY, bool::ANY);
    let delay = (option::of(who()), 1u16..=3_000, 0u16..=1_000, lasts());
    Union::new_weighted(vec![
        (5, who().prop_map(|from| Move::Broadcast { from }).boxed()),
        (4, (1u8..=4).prop_map(|count| Move::Join { count }).boxed()),
        (1, (who(), who()).prop_map(|(from, to)| Move::Send { from, to }).boxed()),
        (2, who().prop_map(|who| Move::Leave { who }).boxed()),
        (3, crash.prop_map(|(who, is_silent, loses_log)| Move::Crash { who, is_silent, loses_log }).boxed()),
        (3, who().prop_map(|who| Move::Restart { who }).boxed()),
        (3, (num::u32::ANY, bool::ANY).prop_map(|(side, is_one_way)| Move::Cut { side, is_one_way }).boxed()),
        (2, Just(Move::Heal).boxed()),
        (2, (option::of(who()), share()).prop_map(|(who, share)| Move::Reset { who, share }).boxed()),
        (2, (share(), lasts()).prop_map(|(share, lasts)| Move::Loss { share, lasts }).boxed()),
        (2, (share(), lasts()).prop_map(|(share, lasts)| Move::Duplication { share, lasts }).boxed()),
        (
            2,
            (share(), 1u16..=2_000, lasts())
                .prop_map(|(share, by, lasts)| Move::Reordering { share, by, lasts })
                .boxed(),
        ),
        (2, delay.prop_map(|(who, by, jitter, lasts)| Move::Delay { who, by, jitter, lasts }).boxed()),
        (2, (who(), lasts()).prop_map(|(who, lasts)| Move::Pause { who, lasts }).boxed()),
        (1, (who(), 1u16..=200, lasts()).prop_map(|(who, by, lasts)| Move::Slow { who, by, lasts }).boxed()),
        (1, clock().boxed()),
    ])
    .boxed()
}

fn clock() -> impl Strategy<Value = Move> {
    (num::u8::ANY, -600_000i32..=600_000, -100_000i32..=100_000, while_it_lasts())
        .prop_map(|(who, ahead, drift, lasts)| Move::Clock { who, ahead, drift, lasts })
}
