//! What happens on the heap, counted by an allocator of our own.
//!
//! It counts for each thread apart, and each test has its thread, so tests do not disturb each other.

#![allow(unsafe_code, reason = "no allocator is to be had without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static COUNTER: Counter = Counter;

struct Counter;

thread_local! {
    // Less than nothing, once memory is freed that another thread allocated.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// The largest piece that is to be had.
    static LARGEST: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn count(old: usize, new: usize) {
    let live = LIVE.get() + new as isize - old as isize;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
    ALLOCATIONS.set(ALLOCATIONS.get() + usize::from(new > 0));
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST.get() {
            return std::ptr::null_mut();
        }
        count(0, layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(layout.size(), 0);
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > LARGEST.get() {
            return std::ptr::null_mut();
        }
        count(layout.size(), size);
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// What a piece of code did to the heap.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heap {
    /// Bytes more than before, at the end.
    pub(crate) live: usize,
    /// Bytes more than before, at most.
    pub(crate) peak: usize,
    pub(crate) allocations: usize,
}

pub(crate) const NOTHING: Heap = Heap { live: 0, peak: 0, allocations: 0 };

/// Runs `code`, and keeps what it returns until all is counted.
pub(crate) fn measure<T>(code: impl FnOnce() -> T) -> (T, Heap) {
    let (before, allocations) = (live(), ALLOCATIONS.get());
    PEAK.set(before);
    let value = code();
    let heap = Heap {
        live: (live() - before).max(0) as usize,
        peak: (PEAK.get() - before) as usize,
        allocations: ALLOCATIONS.get() - allocations,
    };
    (value, heap)
}

/// Bytes that this thread has allocated and not freed.
pub(crate) fn live() -> isize {
    LIVE.get()
}

pub(crate) fn heap(code: impl FnOnce()) -> Heap {
    measure(code).1
}

/// Runs `code` while no piece of memory larger than `largest` is to be had.
pub(crate) fn starve<T>(largest: usize, code: impl FnOnce() -> T) -> T {
    LARGEST.set(largest);
    let value = code();
    LARGEST.set(usize::MAX);
    value
}
