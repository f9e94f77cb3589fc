//! The limits of one call into a sketch: steps, depth of the native stack, and the place where it is.
//!
//! Rune's own budget holds for the instructions of the outermost call alone: while a native function runs (a verb,
//! an iterator, a generator), whatever it calls back runs without one. So every body of a function, a closure or a
//! loop begins with a call of [`step`] (see [`super::instrument`]), verbs count their work here, and both end the call
//! when nothing is left. All of it is per thread, for the call that runs there.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Steps of one call: about two milliseconds of plain work.
pub const BUDGET: usize = 200_000;
/// Steps of one picture of a drawing sketch, for which nothing waits: about twenty milliseconds of plain work.
pub const PICTURE_BUDGET: usize = 10 * BUDGET;
/// Bytes that a call may hold at a time. Comparing a value that contains itself recurses until so much is held: that
/// takes 0.6 of the 1 GB of stack that a sketch's thread has (`sketch::thread`), so neither may change alone.
pub const MEMORY: usize = 16 << 20;
/// Bytes that cost a step: filling, copying and sorting them takes time that nothing else counts.
const BYTES: usize = 200;
/// Steps that entering a body costs: a call, and what stands in the body.
const BODY: usize = 5;
/// Native stack that a call may use on a thread that has not said how much it has.
const USUAL_STACK: usize = 512 << 10;

/// What a call that has used up its steps ends with.
pub const OVER_BUDGET: &str = "the frame's budget is used up";
/// What a call that nests too deep ends with.
pub const TOO_DEEP: &str = "functions call each other too deep";

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(0) };
    /// What the call began with.
    static ALL: Cell<usize> = const { Cell::new(BUDGET) };
    /// Address on the stack where the call began.
    static BEGAN: Cell<usize> = const { Cell::new(0) };
    static STACK: Cell<usize> = const { Cell::new(USUAL_STACK) };
    /// The most bytes that the call has held, as far as was seen and counted.
    static HELD: Cell<usize> = const { Cell::new(0) };
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Arc<AtomicU64>> = RefCell::default();
}

/// Where a sketch is: the source's number and a byte offset in it. Written at each step, read from other threads.
#[derive(Clone, Default)]
pub struct Whereabouts(Arc<AtomicU64>);

impl Whereabouts {
    /// Source number and byte offset of the body that was entered last.
    pub fn now(&self) -> (usize, usize) {
        let place = self.0.load(Ordering::Relaxed);
        ((place >> 32) as usize, (place & 0xffff_ffff) as usize)
    }
}

/// This thread has a stack of so many bytes, of which calls may use half; gives where its sketch will be.
pub fn settle(stack: usize) -> Whereabouts {
    STACK.set(stack / 2);
    Whereabouts(PLACE.with_borrow(Arc::clone))
}

/// An address on this thread's stack.
#[inline(never)]
fn here() -> usize {
    let spot = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&spot)).addr()
}

/// A function that a verb called back ended with an error, in the body that was entered last: the engine only knows
/// where the verb stands.
pub fn ended_inside() {
    INSIDE.set(true);
}

/// Source number and byte offset of the body in which the call ended, if a verb had called it back.
pub fn inside() -> Option<(usize, usize)> {
    INSIDE.get().then(|| Whereabouts(PLACE.with_borrow(Arc::clone)).now())
}

/// Instructions of the outermost call with so many steps: the steps put into bodies are three of them each.
pub fn instructions(budget: usize) -> usize {
    budget + budget / 2
}

/// Steps that the call on this thread began with.
pub fn budget() -> usize {
    ALL.get()
}

/// Runs a call with a full budget, within the limit of memory.
pub fn with<T>(budget: usize, work: impl FnOnce() -> T) -> T {
    LEFT.set(budget);
    ALL.set(budget);
    HELD.set(0);
    INSIDE.set(false);
    BEGAN.set(here());
    rune::alloc::limit::with(MEMORY, work).call()
}

/// Counts the memory that the call has come to hold since it was last looked at.
fn weigh() -> Result<(), &'static str> {
    let held = MEMORY.saturating_sub(rune::alloc::limit::get());
    let more = held.saturating_sub(HELD.get());
    if more < BYTES {
        return Ok(());
    }
    HELD.set(held);
    take(more / BYTES)
}

/// A verb works: takes its steps, and those of the memory that was taken since.
///
/// # Errors
/// [`OVER_BUDGET`], if fewer are left.
pub fn work(steps: usize) -> Result<(), &'static str> {
    weigh()?;
    take(steps)
}

/// Takes steps from the call's budget.
fn take(steps: usize) -> Result<(), &'static str> {
    let left = LEFT.get().checked_sub(steps);
    LEFT.set(left.unwrap_or(0));
    left.map(drop).ok_or(OVER_BUDGET)
}

/// A body is entered: takes its steps, looks at the stack, notes the place.
///
/// # Errors
/// [`OVER_BUDGET`] or [`TOO_DEEP`].
pub fn step(source: usize, offset: usize) -> Result<(), &'static str> {
    let place = (source as u64) << 32 | offset as u64;
    PLACE.with_borrow(|shared| shared.store(place, Ordering::Relaxed));
    deep()?;
    weigh()?;
    take(BODY)
}

/// Whether the native stack of the call is used up.
///
/// # Errors
/// [`TOO_DEEP`], if it is.
pub fn deep() -> Result<(), &'static str> {
    match BEGAN.get().abs_diff(here()) > STACK.get() {
        true => Err(TOO_DEEP),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_run_out_and_the_next_call_has_all_of_them_again() {
        with(BUDGET, || {
            assert_eq!(take(BUDGET), Ok(()));
            assert_eq!((take(1), step(0, 0)), (Err(OVER_BUDGET), Err(OVER_BUDGET)));
        });
        assert_eq!(with(BUDGET, || take(BUDGET)), Ok(()));
        assert_eq!(with(2 * BUDGET, || (take(BUDGET), budget())), (Ok(()), 2 * BUDGET));
    }

    #[test]
    fn a_deep_call_is_seen_and_its_place_known() {
        fn down(n: usize) -> Result<usize, &'static str> {
            step(3, n)?;
            Ok(std::hint::black_box(down(n + 1)?) + 1)
        }
        let worker = std::thread::Builder::new().stack_size(4 << 20).spawn(|| {
            let place = settle(2 << 20);
            (with(BUDGET, || down(0)), place.now())
        });
        let (result, (source, offset)) = worker.unwrap().join().unwrap();
        assert_eq!((result, source), (Err(TOO_DEEP), 3));
        assert!(offset > 1000);
    }
}
