//! A value that is made once, by whoever asks first, while others who ask for it wait: threads and tasks alike.

use crate::device::lock::lock;
use std::future::poll_fn;
use std::mem::replace;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

/// A value's place. It is locked only to look at it, never while the value is made.
#[derive(Debug)]
pub(super) struct Slot<T>(Mutex<State<T>>);

#[derive(Debug)]
enum State<T> {
    Empty,
    /// Somebody has the [`Claim`]; these wait.
    Claimed(Vec<Waker>),
    Made(Arc<T>),
}

/// What there is in a slot.
pub(super) enum Found<T> {
    /// The value.
    Made(Arc<T>),
    /// Nothing: who asks is to make it.
    Mine(Claim<T>),
    /// Somebody is making it.
    Others,
}

/// The right, and the duty, to fill a slot. Dropped without, by an error, a panic or a task that is given up, it leaves
/// the slot to the next who asks.
pub(super) struct Claim<T>(Arc<Slot<T>>);

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Mutex::new(State::Empty))
    }
}

impl<T> Slot<T> {
    /// Looks into the slot, and claims it if it is empty. If somebody has claimed it, `waker` is called when there is a
    /// value, or the slot is empty again.
    pub(super) fn ask(self: &Arc<Self>, waker: Option<&Waker>) -> Found<T> {
        match &mut *self.state() {
            State::Made(value) => Found::Made(Arc::clone(value)),
            State::Claimed(wakers) => {
                if let Some(waker) = waker
                    && !wakers.iter().any(|other| other.will_wake(waker))
                {
                    wakers.push(waker.clone());
                }
                Found::Others
            }
            state @ State::Empty => {
                *state = State::Claimed(Vec::new());
                Found::Mine(Claim(Arc::clone(self)))
            }
        }
    }

    /// The value, when nobody is making it any more; or the claim, if there is none.
    pub(super) async fn value_or_claim(self: &Arc<Self>) -> Result<Arc<T>, Claim<T>> {
        poll_fn(|context| match self.ask(Some(context.waker())) {
            Found::Made(value) => Poll::Ready(Ok(value)),
            Found::Mine(claim) => Poll::Ready(Err(claim)),
            Found::Others => Poll::Pending,
        })
        .await
    }

    /// Whether the value is there.
    pub(super) fn is_made(&self) -> bool {
        matches!(*self.state(), State::Made(_))
    }

    /// Whether somebody has the value, or is making it.
    pub(super) fn is_in_use(&self) -> bool {
        match &*self.state() {
            State::Empty => false,
            State::Claimed(_) => true,
            State::Made(value) => Arc::strong_count(value) > 1,
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.0)
    }

    fn leave(&self, state: State<T>) {
        let before = replace(&mut *self.state(), state);
        if let State::Claimed(wakers) = before {
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

impl<T> Claim<T> {
    /// Fills the slot.
    pub(super) fn fill(self, value: T) -> Arc<T> {
        let value = Arc::new(value);
        self.0.leave(State::Made(Arc::clone(&value)));
        value
    }
}

impl<T> Drop for Claim<T> {
    fn drop(&mut self) {
        if !self.0.is_made() {
            self.0.leave(State::Empty);
        }
    }
}
