//! Work for all cores of the caller's machine, on threads that end with the call.

/// Calls `work` for every item, on so many threads at most, this one included; returns what it returns, in no order.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn each<T: Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let next = AtomicUsize::new(0);
    let worker = || {
        let next = || items.get(next.fetch_add(1, Ordering::Relaxed));
        std::iter::from_fn(next).map(&work).collect::<Vec<R>>()
    };
    let threads = threads.min(items.len());
    std::thread::scope(|scope| {
        // A thread that the system refuses is no loss: the others, and this one, take its items.
        let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, worker).ok();
        let others: Vec<_> = (1..threads).filter_map(spawn).collect();
        let mut results = worker();
        for other in others {
            results.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    })
}

/// Calls `work` for every item: browsers have no threads to share a device among.
#[cfg(target_family = "wasm")]
pub(crate) fn each<T, R>(items: &[T], _: usize, work: impl Fn(&T) -> R) -> Vec<R> {
    items.iter().map(work).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;
    use std::thread;

    use super::each;

    #[test]
    fn every_item_is_worked_on_once() {
        for (count, threads) in [(0, 2), (1, 2), (2, 2), (100, 1), (100, 3)] {
            let items: Vec<usize> = (0..count).collect();
            let (done, on) = (Mutex::new(Vec::new()), Mutex::new(HashSet::new()));
            let mut returned = each(&items, threads, |&item| {
                done.lock().unwrap().push(item);
                on.lock().unwrap().insert(thread::current().id());
                item
            });
            let on = on.into_inner().unwrap();
            assert!(on.len() <= threads, "{} threads, not {threads}", on.len());
            assert!(threads > 1 || on.iter().all(|&id| id == thread::current().id()));
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            returned.sort_unstable();
            assert_eq!((&done, &returned), (&items, &items));
        }
    }
}
