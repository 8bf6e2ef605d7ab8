//! Whether something fits into the memory of this machine.

use super::Failure;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, get_current_pid};

/// Refuses what needs more bytes than there are. A machine that does not tell is trusted.
pub(super) fn ensure_room(needed: u64) -> Result<(), Failure> {
    match available() {
        Some(available) if needed > available => Err(Failure::TooLarge { needed, available }),
        _ => Ok(()),
    }
}

/// How many times so many bytes fit. A machine that does not tell is trusted.
pub(super) fn how_often(bytes: u64) -> u64 {
    available().map_or(u64::MAX, |available| available / bytes.max(1))
}

/// How many bytes this process can get without swapping: of the system, or of its control group if that has less.
fn available() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    let of_system = Some(system.available_memory()).filter(|&bytes| bytes > 0);
    of_group(&mut system).into_iter().chain(of_system).min()
}

/// What the control group of this process has left. Its cache of files can be given back, so it does not count as used.
fn of_group(system: &mut System) -> Option<u64> {
    let me = get_current_pid().ok()?;
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[me]), false, ProcessRefreshKind::nothing());
    let limits = system.process(me)?.cgroup_limits()?;
    Some(limits.total_memory.saturating_sub(limits.rss))
}
