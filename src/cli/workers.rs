//! Many tasks on several threads, their results in order.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

/// Does the tasks, and hands their results to `each` in the order of the tasks, whichever is ready first.
///
/// It ends early at the first result that `each` wants to be the last, or at the first task that gave up (`None`). What
/// `work` is given beside its task turns true when no result is wanted any more.
pub(super) fn in_order<T: Send, R: Send>(
    threads: usize,
    tasks: impl Iterator<Item = T> + Send,
    work: impl Fn(T, &AtomicBool) -> Option<R> + Sync,
    mut each: impl FnMut(R) -> ControlFlow<()>,
) {
    let tasks = Mutex::new(tasks.enumerate());
    let unwanted = AtomicBool::new(false);
    let (sender, results) = mpsc::channel();
    let worker = |sender: mpsc::Sender<(usize, R)>| {
        while !unwanted.load(Ordering::Relaxed) {
            let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((number, task)) = next else { break };
            let Some(result) = work(task, &unwanted) else { break };
            if sender.send((number, result)).is_err() {
                break;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            scope.spawn(|| worker(sender));
        }
        // The results end when the last worker does.
        drop(sender);
        let mut ready = BTreeMap::new();
        let mut next = 0;
        for (number, result) in results {
            ready.insert(number, result);
            while let Some(result) = ready.remove(&next) {
                next += 1;
                if each(result).is_break() {
                    unwanted.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The results up to the first that is `last`, of tasks of which the early ones are ready late.
    fn results(threads: usize, last: u32) -> Vec<u32> {
        let mut seen = Vec::new();
        let slow = |task: u32, _: &AtomicBool| {
            (0..(100 - task) * 50).for_each(|_| thread::yield_now());
            Some(task)
        };
        in_order(threads, 0..100, slow, |result| {
            seen.push(result);
            if result == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        seen
    }

    #[test]
    fn results_come_in_order_and_end_where_they_are_to() {
        for threads in [1, 2, 7] {
            assert_eq!(results(threads, u32::MAX), (0..100).collect::<Vec<_>>());
            assert_eq!(results(threads, 17), (0..18).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_task_that_gives_up_ends_it_without_a_gap() {
        for threads in [1, 4] {
            let mut seen = Vec::new();
            let work = |task: u32, _: &AtomicBool| (task != 5).then_some(task);
            in_order(threads, 0..100, work, |result| {
                seen.push(result);
                ControlFlow::Continue(())
            });
            assert_eq!(seen, (0..5).collect::<Vec<_>>());
        }
    }
}
