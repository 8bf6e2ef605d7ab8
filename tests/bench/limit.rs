//! How near the machine's limit the simulator is: workload W, ours and the program that is specialised for nothing else,
//! in turn, in one run. `cargo bench --bench limit`
//!
//! The limit is `../shared/limit/run.sh`, or the program that the environment variable `LIMIT` names; without it, ours is
//! measured alone. Every size is a process of its own, so that its peak memory is its own.

// The command measures; nothing that it prints is part of a run.
#![expect(clippy::disallowed_methods, reason = "a benchmark may ask its environment")]

mod workload;

use serde::{Deserialize, Serialize};
use std::fs;
use std::process::Command;
use workload::{SIZES, Workload};

/// How often each size is run in its process, and how often in turn with the limit.
const REPETITIONS: usize = 3;
const ROUNDS: usize = 3;

/// What a process that ran one size prints: in deliveries per second of processor time, and bytes.
#[derive(Clone, Serialize, Deserialize)]
struct Measured {
    #[serde(rename = "deliveries_per_cpu_s")]
    rate: f64,
    #[serde(default)]
    first: f64,
    peak_rss_kib: u64,
}

fn main() {
    let size = std::env::args().find_map(|argument| argument.strip_prefix("size=")?.parse::<usize>().ok());
    match size {
        Some(size) => println!("{}", serde_json::to_string(&measure(SIZES[size])).expect("plain numbers")),
        None => compare(),
    }
}

/// Runs one size in this process: the median rate, the first rate, and the peak of the memory after the first.
fn measure(size: Workload) -> Measured {
    let mut rates = Vec::new();
    let mut peak_rss_kib = 0;
    for _ in 0..REPETITIONS {
        let mut network = size.build(1);
        let before = processor_seconds();
        let deliveries = size.flood(&mut network, 1);
        rates.push(deliveries as f64 / (processor_seconds() - before));
        if rates.len() == 1 {
            peak_rss_kib = peak_memory();
        }
    }
    Measured { first: rates[0], rate: median(rates), peak_rss_kib }
}

fn compare() {
    let limit = std::env::var("LIMIT").unwrap_or("../shared/limit/run.sh".into());
    let limit = fs::exists(&limit).unwrap_or(false).then_some(limit);
    println!("deliveries per second of processor time, one core; median of {ROUNDS} rounds in turn");
    println!(
        "{:>9} {:>4} {:>10} {:>10} {:>10} {:>6} {:>10}",
        "nodes", "b", "ours", "cold", "limit", "ratio", "bytes/node"
    );
    let mut costs = Vec::new();
    for (number, size) in SIZES.into_iter().enumerate() {
        let (mut ours, mut cold, mut theirs, mut memory) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let me = std::env::current_exe().expect("this program has a path");
            let mine = output(Command::new(me).arg(format!("size={number}")));
            ours.push(mine.rate);
            cold.push(mine.first);
            memory = mine.peak_rss_kib * 1024 / u64::from(size.nodes);
            if let Some(limit) = &limit {
                let (nodes, broadcasts) = (size.nodes.to_string(), size.broadcasts.to_string());
                theirs.push(output(Command::new(limit).args([&nodes, &broadcasts, "1", "--reps", "3"])).rate);
            }
        }
        let ours = median(ours);
        let (limit, ratio) = match theirs.is_empty() {
            true => ("-".into(), "-".into()),
            false => (millions(median(theirs.clone())), format!("{:.1}", median(theirs) / ours)),
        };
        println!(
            "{:>9} {:>4} {:>10} {:>10} {limit:>10} {ratio:>6} {memory:>10}",
            size.nodes,
            size.broadcasts,
            millions(ours),
            millions(median(cold)),
        );
        costs.push(1.0 / ours);
    }
    println!(
        "cost per delivery at the largest size: {:.2} times that at the smallest",
        costs[costs.len() - 1] / costs[0]
    );
}

fn output(command: &mut Command) -> Measured {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{command:?} printed no result: {error}"))
}

/// The time that this thread was on a processor. Only Linux tells it to everybody.
fn processor_seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("this benchmark needs Linux");
    let nanos = text.split(' ').next().and_then(|first| first.parse::<f64>().ok());
    nanos.expect("the first word is a number") / 1e9
}

fn peak_memory() -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("this benchmark needs Linux");
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok())
        .expect("the peak of the memory is told in kB")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn millions(rate: f64) -> String {
    format!("{:.1} M", rate / 1e6)
}
