//! Waiting for a future on the calling thread, for native programs.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, current, park};

/// The value of a future.
///
/// This is right for any future that keeps the contract of [`Future`], to call the waker when it is worth polling
/// again: the thread sleeps until then. Those of wgpu's native back ends are ready when they are first polled, so that
/// nothing is allocated and nobody sleeps; a thread sleeps where another compiles the kernel that it asks for too.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return value;
    }
    let waker = Waker::from(Arc::new(Unpark(current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            // One that was woken before it sleeps does not sleep.
            Poll::Pending => park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{poll_fn, ready};
    use std::task::Poll;
    use std::thread::{sleep, spawn};
    use std::time::Duration;

    use super::wait;

    #[test]
    fn what_is_ready_is_returned() {
        assert_eq!(wait(ready(7)), 7);
    }

    #[test]
    fn a_thread_sleeps_until_another_wakes_it() {
        let mut polls = 0;
        let woken = wait(poll_fn(|context| {
            polls += 1;
            match polls {
                // With a waker that wakes nobody: whoever waits polls again.
                1 => Poll::Pending,
                2 => {
                    let waker = context.waker().clone();
                    spawn(move || {
                        sleep(Duration::from_millis(20));
                        waker.wake();
                    });
                    Poll::Pending
                }
                polls => Poll::Ready(polls),
            }
        }));
        assert!(woken >= 3);
    }
}
