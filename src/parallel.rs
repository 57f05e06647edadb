//! Work for all cores of the caller's machine, on threads that end with the call.

use crate::error::Result;

/// Calls `work` for every item, on several threads; returns the first error of the first thread that has one.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn each<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item)?;
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    std::thread::scope(|scope| {
        // A thread that the system refuses is no loss: the others, and this one, take its items.
        let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, worker).ok();
        let others: Vec<_> = (1..threads).filter_map(spawn).collect();
        let own = worker();
        let join = |other: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        others.into_iter().map(join).fold(own, Result::and)
    })
}

/// Calls `work` for every item: browsers have no threads to share a device among.
#[cfg(target_family = "wasm")]
pub(crate) fn each<T>(items: &[T], work: impl Fn(&T) -> Result<()>) -> Result<()> {
    items.iter().try_for_each(work)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::each;
    use crate::error::Error;

    #[test]
    fn every_item_is_worked_on_once() {
        for count in [0, 1, 2, 100] {
            let items: Vec<usize> = (0..count).collect();
            let done = Mutex::new(Vec::new());
            each(&items, |&item| {
                done.lock().unwrap().push(item);
                Ok(())
            })
            .unwrap();
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            assert_eq!(done, items);
        }
    }

    #[test]
    fn an_error_is_returned() {
        let items: Vec<usize> = (0..50).collect();
        let fail = |&item: &usize| if item == 37 { Err(Error::Gpu("no".to_owned())) } else { Ok(()) };
        assert_eq!(each(&items, fail), Err(Error::Gpu("no".to_owned())));
    }
}
