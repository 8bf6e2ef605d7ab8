//! Which queue is the fastest, and when. `cargo bench --bench queue`
//!
//! The hold model (Jones, "An empirical comparison of priority-queue and event-set implementations", CACM 1986): with `n`
//! events in the queue, the earliest leaves, and another comes, some latency later. That is what a simulator does.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use dary_heap::QuaternaryHeap;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rumormill::Time;
use rumormill::sim::{Calendar, Heap, Queue};
use std::cmp::Reverse;
use std::hint::black_box;
use std::time::Duration;

/// As large as an event of the simulator.
type Event = [u32; 5];

/// How many events wait.
const PENDING: [usize; 4] = [10, 1_000, 100_000, 1_000_000];

/// Of so many, only the first pattern: the heaps take seconds to be filled.
const MANY: usize = 1_000_000;

/// What the calendar is told of the links.
const HORIZON: Duration = Duration::from_millis(100);

/// A kind of latency, and so many nanoseconds of it, drawn from a number below one.
struct Pattern {
    name: &'static str,
    nanos: fn(f64) -> f64,
}

const MS: f64 = 1e6;

const PATTERNS: [Pattern; 5] = [
    Pattern { name: "uniform 10..100 ms", nanos: |draw| (10.0 + 90.0 * draw) * MS },
    Pattern { name: "exponential, 10 ms and more", nanos: |draw| (10.0 - 30.0 * libm::log(1.0 - draw)) * MS },
    Pattern { name: "constant, a thousand at once", nanos: |_| 50.0 * MS },
    Pattern { name: "zero", nanos: |_| 0.0 },
    Pattern { name: "every tenth a timer of minutes", nanos: with_timers },
];

fn with_timers(draw: f64) -> f64 {
    if draw < 0.1 { (60.0 + 6_000.0 * draw) * 1_000.0 * MS } else { (10.0 + 90.0 * draw) * MS }
}

/// A queue at work.
struct Held<Q> {
    queue: Q,
    latencies: Vec<u64>,
    held: usize,
}

impl<Q: Queue<Event>> Held<Q> {
    /// In the middle of its work: all that it was filled with has left once.
    fn new(pattern: &Pattern, pending: usize) -> Held<Q> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut draw = || (pattern.nanos)(rng.random::<f64>()) as u64;
        // Few enough to stay in the cache; prime, so that they do not fall into step with the events.
        let latencies: Vec<u64> = (0..1021).map(|_| draw()).collect();
        let mut held = Held { queue: Q::new(HORIZON), latencies, held: 0 };
        // A thousand at a time, a microsecond apart: with constant latencies they stay together.
        (0..pending).for_each(|number| held.push(Time::from_nanos(number as u64 / 1_000 * 1_000)));
        (0..pending).for_each(|_| held.hold());
        held
    }

    fn push(&mut self, now: Time) {
        let latency = self.latencies[self.held % self.latencies.len()];
        self.queue.push(now + Duration::from_nanos(latency), [self.held as u32; 5]);
        self.held += 1;
    }

    fn hold(&mut self) {
        let (now, event) = self.queue.pop_until(Time::MAX).expect("there are always as many");
        black_box(event);
        self.push(now);
    }
}

/// A heap with four children a node.
struct FourAry {
    entries: QuaternaryHeap<Reverse<(Time, u64, Event)>>,
    pushed: u64,
}

impl Queue<Event> for FourAry {
    fn new(_horizon: Duration) -> FourAry {
        FourAry { entries: QuaternaryHeap::new(), pushed: 0 }
    }

    fn push(&mut self, time: Time, event: Event) {
        self.entries.push(Reverse((time, self.pushed, event)));
        self.pushed += 1;
    }

    fn pop_until(&mut self, until: Time) -> Option<(Time, Event)> {
        self.entries.peek().filter(|Reverse((time, ..))| *time <= until)?;
        self.entries.pop().map(|Reverse((time, _, event))| (time, event))
    }

    fn ahead(&self, _steps: usize) -> Option<Event> {
        None
    }
}

fn queues(criterion: &mut Criterion) {
    for pattern in &PATTERNS {
        let mut group = criterion.benchmark_group(pattern.name);
        // Few resamples: there are many rows, and their differences are plain.
        group.sample_size(10).nresamples(1_000);
        group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(500));
        let is_first = pattern.name == PATTERNS[0].name;
        for pending in PENDING.into_iter().filter(|&pending| pending < MANY || is_first) {
            hold::<Calendar<Event>>(&mut group, "calendar", pattern, pending);
            hold::<Heap<Event>>(&mut group, "heap", pattern, pending);
            hold::<FourAry>(&mut group, "4-ary heap", pattern, pending);
        }
    }
}

fn hold<Q: Queue<Event>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    pattern: &Pattern,
    pending: usize,
) {
    group.bench_function(BenchmarkId::new(name, pending), |bencher| {
        let mut held = Held::<Q>::new(pattern, pending);
        bencher.iter(|| held.hold());
    });
}

criterion_group!(benches, queues);
criterion_main!(benches);
