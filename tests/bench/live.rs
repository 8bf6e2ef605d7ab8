//! What real nodes carry: workload L, by them and by a bare flood over the same sessions, in turn, in one run.
//! `cargo bench --bench live -- [--nodes 20] [--broadcasts 20000] [--rounds 3]`
//!
//! L: nodes on loopback, a process each; one of them broadcasts texts of 1,024 bytes as fast as back-pressure lets it, until
//! all others have all. Then 50 broadcasts a second, for the latency. The limit, N, is a flood over the crate's own Noise
//! sessions, six links a node, that does nothing else: see `live/bare.rs`. Rates of a busy machine say little; their ratio in
//! one run says more.
//!
//! `--only load` (or `slow`, `kill`, `idle`) runs one part alone; `--only ours` and `--only bare` load one of the two.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "processes live in real time")]

#[path = "live/bare.rs"]
mod bare;
#[path = "live/bed.rs"]
mod bed;
#[path = "live/idle.rs"]
mod idle;
#[path = "live/node.rs"]
mod node;
#[path = "live/tally.rs"]
mod tally;

use bed::{Bed, Kind};
use std::time::{Duration, Instant};

/// So many broadcasts before anything is measured: memory comes from the system, and connections find their pace.
const WARM_UP: u64 = 200;
/// The pause between two broadcasts when it is the latency that is measured, and for how many.
const PAUSE: Duration = Duration::from_millis(20);
const PACED: u64 = 250;
/// So long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["child", kind, folder, listen] => match Kind::parse(kind) {
            Kind::Bare => bare::run(folder.as_ref(), listen),
            Kind::Ours => node::run(folder.as_ref(), listen),
        },
        _ if arguments.iter().any(|argument| argument == "--bench") => Plan::parse(&arguments).carry_out(),
        // `cargo test --benches` asks only whether it works.
        _ => Plan { nodes: 4, broadcasts: 50, rounds: 1, only: None }.carry_out(),
    }
}

struct Plan {
    nodes: usize,
    broadcasts: u64,
    rounds: usize,
    only: Option<String>,
}

impl Plan {
    fn parse(arguments: &[String]) -> Plan {
        let value = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            Some(arguments.get(at + 1).unwrap_or_else(|| panic!("{name} needs a value")).as_str())
        };
        let number = |name: &str, usual: u64| {
            value(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name}: a number")))
        };
        Plan {
            nodes: number("--nodes", 20) as usize,
            broadcasts: number("--broadcasts", 20_000),
            rounds: number("--rounds", 3) as usize,
            only: value("--only").map(str::to_owned),
        }
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }

    fn carry_out(&self) {
        let loads = [(Kind::Bare, "bare"), (Kind::Ours, "ours")];
        let loads = loads.into_iter().filter(|(_, name)| self.wants(name) || self.wants("load"));
        self.compare(&loads.map(|(kind, _)| kind).collect::<Vec<_>>());
        if self.wants("slow") {
            slow_reader(self.nodes, self.broadcasts.min(5_000));
        }
        if self.wants("kill") {
            kill_and_restart(self.nodes);
        }
        if self.only.as_deref() == Some("idle") {
            idle::measure(self.nodes);
        }
    }

    fn compare(&self, kinds: &[Kind]) {
        if kinds.is_empty() {
            return;
        }
        let (nodes, broadcasts, rounds) = (self.nodes, self.broadcasts, self.rounds);
        println!(
            "workload L: {nodes} nodes, {broadcasts} broadcasts of 1,024 bytes; median of {rounds} rounds in turn"
        );
        println!("{HEAD}");
        let mut measured: Vec<Vec<Figures>> = vec![Vec::new(); kinds.len()];
        for _ in 0..rounds {
            for (kind, measured) in kinds.iter().zip(&mut measured) {
                let figures = load(*kind, nodes, broadcasts);
                println!("{:>10} {figures}", kind.name());
                measured.push(figures);
            }
        }
        let medians: Vec<Figures> = measured.iter().map(|rounds| Figures::medians(rounds)).collect();
        for (kind, medians) in kinds.iter().zip(&medians) {
            println!("{:>10} {medians}", format!("= {}", kind.name()));
        }
        if let [bare, ours] = &medians[..] {
            let ratio = |of: fn(&Figures) -> f64| of(ours) / of(bare);
            println!(
                "{:>10} {:>9.2} {:>9.2} {:>9.2} {:>8.2} {:>8.2}",
                "ratio",
                ratio(|it| it.rate),
                ratio(|it| it.micros),
                ratio(|it| it.wire),
                ratio(|it| it.p50),
                ratio(|it| it.p99)
            );
        }
    }
}

const HEAD: &str =
    "           bcasts/s    CPU µs  wire/del   p50 ms   p99 ms  links missing duplicate disorder";

/// What one round shows.
#[derive(Clone, Copy)]
struct Figures {
    /// Broadcasts a second, until all have all.
    rate: f64,
    /// Processor time of all processes for each delivery, in µs.
    micros: f64,
    /// Bytes that were sent, for each byte of text delivered.
    wire: f64,
    /// From the publication to the last receiver, in ms.
    p50: f64,
    p99: f64,
    /// Links a node in the mean.
    links: f64,
    missing: u64,
    duplicates: u64,
    /// Deliveries that came after one with a greater number.
    disorder: u64,
}

impl Figures {
    fn medians(rounds: &[Figures]) -> Figures {
        let of = |field: fn(&Figures) -> f64| median(rounds.iter().map(field).collect());
        let sum = |field: fn(&Figures) -> u64| rounds.iter().map(field).sum();
        Figures {
            rate: of(|it| it.rate),
            micros: of(|it| it.micros),
            wire: of(|it| it.wire),
            p50: of(|it| it.p50),
            p99: of(|it| it.p99),
            links: of(|it| it.links),
            missing: sum(|it| it.missing),
            duplicates: sum(|it| it.duplicates),
            disorder: sum(|it| it.disorder),
        }
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Figures { rate, micros, wire, p50, p99, links, missing, duplicates, disorder } = self;
        write!(
            f,
            "{rate:>9.0} {micros:>9.1} {wire:>9.2} {p50:>8.2} {p99:>8.2} {links:>6.1} {missing:>7} {duplicates:>9} {disorder:>8}"
        )
    }
}

/// One round of workload L, in processes of its own.
fn load(kind: Kind, nodes: usize, broadcasts: u64) -> Figures {
    let mut bed = Bed::start(kind, nodes);
    bed.publish(WARM_UP, Duration::ZERO);
    bed.wait_for_all(PATIENCE);
    let (cpu, wire) = (bed.processor_seconds(), bed.heard().sent);
    let begun = Instant::now();
    bed.publish(broadcasts, Duration::ZERO);
    bed.wait_for_all(PATIENCE);
    let took = begun.elapsed().as_secs_f64();
    let deliveries = ((nodes - 1) as u64 * broadcasts) as f64;
    let micros = (bed.processor_seconds() - cpu) * 1e6 / deliveries;
    let wire = (bed.heard().sent - wire) as f64 / (deliveries * tally::SIZE as f64);

    let first = bed.published();
    bed.publish(PACED, PAUSE);
    bed.wait_for_all(PATIENCE);
    let mut delays = bed.last_delays(first);
    delays.sort_by(f64::total_cmp);
    let quantile = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize] * 1e3;
    let heard = bed.heard();
    Figures {
        rate: broadcasts as f64 / took,
        micros,
        wire,
        p50: quantile(0.5),
        p99: quantile(0.99),
        links: heard.links as f64 / nodes as f64,
        missing: bed.published() * nodes as u64 - heard.count,
        duplicates: heard.duplicates,
        disorder: heard.disorder,
    }
}

/// One node gets a twentieth of the time; what becomes of it and of the others.
fn slow_reader(nodes: usize, broadcasts: u64) {
    let mut bed = Bed::start(Kind::Ours, nodes);
    bed.publish(WARM_UP, Duration::ZERO);
    bed.wait_for_all(PATIENCE);
    let slow = bed.slow_down(nodes - 1);
    let begun = Instant::now();
    bed.publish(broadcasts, Duration::ZERO);
    bed.wait_for(0..nodes - 1, PATIENCE);
    let others = begun.elapsed().as_secs_f64();
    bed.wait_for_all(PATIENCE);
    let took = begun.elapsed().as_secs_f64();
    drop(slow);
    let heard = bed.heard();
    println!(
        "one slow reader, {broadcasts} broadcasts: {:.0}/s until the others have all, {:.0}/s until it has; {} missing, {} duplicates, {} out of order",
        broadcasts as f64 / others,
        broadcasts as f64 / took,
        bed.published() * nodes as u64 - heard.count,
        heard.duplicates,
        heard.disorder
    );
}

/// A quarter of the nodes is killed, a hundred broadcasts are published at once, and the killed start again.
fn kill_and_restart(nodes: usize) {
    let (killed, broadcasts) = (nodes / 4, 100);
    let mut bed = Bed::start(Kind::Ours, nodes);
    bed.publish(WARM_UP, Duration::ZERO);
    bed.wait_for_all(PATIENCE);
    let left = nodes - killed;
    (left..nodes).for_each(|node| bed.kill(node));
    let begun = Instant::now();
    bed.publish(broadcasts, Duration::ZERO);
    bed.wait_for(0..left, PATIENCE);
    let others = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    (left..nodes).for_each(|node| bed.restart(node));
    bed.wait_for_all(PATIENCE);
    let back = begun.elapsed().as_secs_f64();
    let heard = bed.heard();
    // In this life the restarted have only what they missed.
    let wanted = bed.published() * left as u64 + broadcasts * killed as u64;
    println!(
        "{killed} of {nodes} killed, {broadcasts} broadcasts at once: the others have all after {others:.2} s; the killed, \
         restarted, have what they missed after {back:.2} s; {} missing, {} duplicates",
        wanted - heard.count,
        heard.duplicates
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
