//! Counts what is allocated inside [`counted`] and nothing else.
#![expect(unsafe_code, reason = "a global allocator cannot be had without; it only counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

static IS_COUNTED: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);

thread_local! {
    /// What this thread does now is not what is measured.
    static IS_LEFT_OUT: Cell<bool> = const { Cell::new(false) };
}

pub(crate) struct Counting;

// SAFETY: every call is passed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if is_counted() {
            LIVE.fetch_sub(layout.size() as i64, Relaxed);
        }
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size as i64 - layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn note(bytes: i64) {
    if is_counted() {
        COUNT.fetch_add(1, Relaxed);
        LIVE.fetch_add(bytes, Relaxed);
    }
}

fn is_counted() -> bool {
    IS_COUNTED.load(Relaxed) && !IS_LEFT_OUT.get()
}

/// Runs `work` with counting on, in all threads.
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> T {
    IS_COUNTED.store(true, Relaxed);
    let result = work();
    IS_COUNTED.store(false, Relaxed);
    result
}

/// Runs `work` without counting what this thread does in it.
pub(crate) fn left_out<T>(work: impl FnOnce() -> T) -> T {
    IS_LEFT_OUT.set(true);
    let result = work();
    IS_LEFT_OUT.set(false);
    result
}

/// Allocations so far.
pub(crate) fn count() -> u64 {
    COUNT.load(Relaxed)
}

/// Bytes allocated and not freed.
pub(crate) fn live() -> i64 {
    LIVE.load(Relaxed)
}
