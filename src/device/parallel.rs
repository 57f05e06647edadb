//! Work for all cores of the caller's machine, on threads that end with the call.

/// Calls `work` for every item, on several threads; returns what it returns, in no order.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let next = AtomicUsize::new(0);
    let worker = || {
        let next = || items.get(next.fetch_add(1, Ordering::Relaxed));
        std::iter::from_fn(next).map(&work).collect::<Vec<R>>()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
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
pub(crate) fn each<T, R>(items: &[T], work: impl Fn(&T) -> R) -> Vec<R> {
    items.iter().map(work).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::each;

    #[test]
    fn every_item_is_worked_on_once() {
        for count in [0, 1, 2, 100] {
            let items: Vec<usize> = (0..count).collect();
            let done = Mutex::new(Vec::new());
            let mut returned = each(&items, |&item| {
                done.lock().unwrap().push(item);
                item
            });
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            returned.sort_unstable();
            assert_eq!((&done, &returned), (&items, &items));
        }
    }
}
