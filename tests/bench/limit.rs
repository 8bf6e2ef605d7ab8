//! How near the machine's limit the simulator is: workload W, ours and the program that is specialised for nothing else,
//! in turn, in one run. `cargo bench --bench limit`
//!
//! The limit is [`LIMIT`], beside the project; where it is absent, ours is measured alone. Every measurement is a process
//! of its own, so that its peak memory is its own.

mod workload;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::process::Command;
use workload::{SIZES, Workload};

/// The program that does nothing but W.
const LIMIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/limit/run.sh");
/// How often each size is run in its process, and how often in turn with the limit.
const REPETITIONS: usize = 3;
const ROUNDS: usize = 3;

/// What a process that ran one size prints: in deliveries per second of processor time, and bytes.
#[derive(Serialize, Deserialize)]
struct Measured {
    #[serde(rename = "deliveries_per_cpu_s")]
    rate: f64,
    /// The first run in its process.
    #[serde(default, alias = "deliveries_per_s_first")]
    first: f64,
    peak_rss_kib: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().find_map(|argument| argument.strip_prefix("size=")) {
        Some(size) => {
            let size = SIZES[size.parse::<usize>().expect("the number of a size")];
            println!("{}", serde_json::to_string(&measure(size)).expect("plain numbers"));
        }
        None if arguments.iter().any(|argument| argument == "--bench") => compare(),
        // `cargo test --benches` asks only whether it works.
        None => assert!(measure(SIZES[0]).rate > 0.0),
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

/// The medians of one size.
struct Row {
    size: Workload,
    ours: f64,
    /// The first run of each process, whose memory is still to come from the system.
    cold: f64,
    limit: Option<f64>,
    bytes_per_node: u64,
}

fn compare() {
    let limit = fs::exists(LIMIT).unwrap_or(false).then_some(LIMIT);
    println!("{}", machine());
    println!("deliveries per second of processor time, one core; median of {ROUNDS} rounds in turn");
    println!("    nodes    b       ours       cold      limit  ratio bytes/node");
    let rows: Vec<Row> = (0..SIZES.len()).map(|number| row(number, limit)).collect();
    let growth = rows[0].ours / rows[rows.len() - 1].ours;
    println!("cost per delivery at the largest size: {growth:.2} times that at the smallest");
}

/// Measures one size, ours and the limit in turn, and prints it.
fn row(number: usize, limit: Option<&str>) -> Row {
    let size = SIZES[number];
    let me = std::env::current_exe().expect("this program has a path");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(output(Command::new(&me).arg(format!("size={number}"))));
        if let Some(limit) = limit {
            let (nodes, broadcasts) = (size.nodes.to_string(), size.broadcasts.to_string());
            theirs.push(output(Command::new(limit).args([&nodes, &broadcasts, "1", "--reps", "3"])));
        }
    }
    let row = Row {
        size,
        ours: median_of(&ours, |mine| mine.rate),
        cold: median_of(&ours, |mine| mine.first),
        limit: (!theirs.is_empty()).then(|| median_of(&theirs, |limit| limit.rate)),
        bytes_per_node: ours[0].peak_rss_kib * 1024 / u64::from(size.nodes),
    };
    println!("{row}");
    row
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { size: Workload { nodes, broadcasts }, ours, cold, limit, bytes_per_node } = self;
        let theirs = limit.map_or("-".into(), millions);
        let ratio = limit.map_or("-".into(), |limit| format!("{:.1}", limit / ours));
        let (ours, cold) = (millions(*ours), millions(*cold));
        write!(
            f,
            "{nodes:>9} {broadcasts:>4} {ours:>10} {cold:>10} {theirs:>10} {ratio:>6} {bytes_per_node:>10}"
        )
    }
}

/// Where the figures come from. Rates of different machines cannot be compared, their ratios can.
fn machine() -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let rustc = Command::new("rustc").arg("--version").output().map(|output| output.stdout);
    let rustc = String::from_utf8(rustc.unwrap_or_default()).expect("a version is text");
    let load = load.split(' ').next().unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}, {}, load {load}", kernel.trim(), rustc.trim())
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

fn median_of(measured: &[Measured], rate: fn(&Measured) -> f64) -> f64 {
    median(measured.iter().map(rate).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn millions(rate: f64) -> String {
    format!("{:.1} M", rate / 1e6)
}
