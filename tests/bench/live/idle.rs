//! What a node costs that has nothing to do: memory, and processor time a second.

use super::bed::{Bed, Kind, processor_seconds};
use std::fs;
use std::time::Duration;

/// So long nothing happens before anything is measured, and so long it is measured then.
const QUIET: Duration = Duration::from_secs(60);

pub(crate) fn measure(nodes: usize) {
    let bed = Bed::start(Kind::Ours, nodes);
    std::thread::sleep(QUIET);
    report(&bed.ids());
}

/// Looks at processes that are idle.
fn report(ids: &[u32]) {
    let before: Vec<f64> = ids.iter().map(|&id| processor_seconds(id)).collect();
    std::thread::sleep(QUIET);
    let spent = |(&id, before): (&u32, &f64)| (processor_seconds(id) - before) * 1e3 / QUIET.as_secs_f64();
    let spent: Vec<f64> = ids.iter().zip(&before).map(spent).collect();
    let most = |field: &str| ids.iter().map(|&id| memory(id, field)).max().unwrap_or_default();
    println!(
        "idle, {} nodes: {:.3} ms of processor time a second in the mean, {:.3} at most; VmRSS at most {} kB, RssAnon {} kB",
        ids.len(),
        spent.iter().sum::<f64>() / spent.len() as f64,
        spent.iter().copied().fold(0.0, f64::max),
        most("VmRSS:"),
        most("RssAnon:")
    );
}

fn memory(id: u32, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/status")).expect("the process lives");
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok()).expect("it tells its memory in kB")
}
