//! Compressors and inflaters, and what becomes of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use super::*;

fn inflation(received: Option<u8>) -> (Arc<Pool>, Arc<Inflation>) {
    let pool = Arc::new(Pool::default());
    (Arc::clone(&pool), Arc::new(Inflation::new(pool, received)))
}

fn compress(pool: &Pool, payload: &[u8], history: &[u8]) -> Option<Vec<u8>> {
    let task = DeflateTask { payload, history, level: 3, stamp: None, max: payload.len() };
    pool.with_deflater(MAX_BITS, None, |deflater| deflater.compress(&task).map(<[u8]>::to_vec))
}

// CO-15: one of each serves any number of connections in turn
#[test]
fn a_pool_lends_what_it_was_given_back() {
    let (pool, mut forgetful) = inflation(None);
    let compressed = compress(&pool, &[b'x'; 1000], b"").unwrap();
    for _ in 0..100 {
        assert_eq!(compress(&pool, &[b'x'; 1000], b"").as_ref(), Some(&compressed));
        let lent = forgetful.inflate(&compressed, 1000, true).unwrap();
        assert_eq!(lent.message(), [b'x'; 1000]);
        assert_eq!(format!("{pool:?}"), "Pool { deflaters: 1, inflaters: 0 }");
        drop(lent);
        assert_eq!(format!("{pool:?}"), "Pool { deflaters: 1, inflaters: 1 }");
    }
    let many: Vec<_> =
        (0..40).map(|_| forgetful.inflate(&compressed, 1000, true).unwrap()).collect();
    drop(many);
    assert_eq!(format!("{pool:?}"), "Pool { deflaters: 1, inflaters: 32 }", "no more are kept");
}

// CO-15: threads that compress at the same time wait for each other, and one that panics is no loss to them
#[test]
fn there_are_at_most_32_compressors() {
    let pool = Pool::default();
    let (at_work, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for thread in 0..100 {
            let (pool, at_work, most) = (&pool, &at_work, &most);
            scope.spawn(move || {
                let work = || {
                    pool.with_deflater(8 + thread % 8, None, |_| {
                        most.fetch_max(1 + at_work.fetch_add(1, SeqCst), SeqCst);
                        thread::sleep(Duration::from_millis(1));
                        at_work.fetch_sub(1, SeqCst);
                        assert_ne!(thread % 3, 0, "at work");
                    });
                };
                assert_eq!(catch_unwind(AssertUnwindSafe(work)).is_err(), thread % 3 == 0);
            });
        }
    });
    let most = most.into_inner();
    assert!((2..=32).contains(&most), "{most}");
    compress(&pool, &[b'x'; 1000], b"").unwrap();
}

// V52: one that was at work when something panicked is not used again
#[test]
fn a_panic_loses_the_compressor_and_nothing_else() {
    let (pool, mut forgetful) = inflation(None);
    let compressed = compress(&pool, &[b'x'; 1000], b"").unwrap();
    let panics = || pool.with_deflater(MAX_BITS, None, |_| panic!("at work"));
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(format!("{pool:?}"), "Pool { deflaters: 0, inflaters: 0 }");
    let panics = || {
        let _lent = pool.lend_inflater();
        panic!("at work");
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(format!("{pool:?}"), "Pool { deflaters: 0, inflaters: 0 }");
    assert_eq!(forgetful.inflate(&compressed, 1000, true).unwrap().message(), [b'x'; 1000]);
}

// V50: a compressor goes on only where the same connection has left it, with the same level
#[test]
fn a_compressor_goes_on_only_with_its_stamp() {
    let pool = Pool::default();
    let text = b"what was sent before, word by word, and is now sent again";
    let (first, second) = (pool.new_stamp(), pool.new_stamp());
    assert!(first.is_some() && first != second);
    let task = |stamp, level| DeflateTask { payload: text, history: b"", level, stamp, max: 200 };
    pool.with_deflater(15, None, |deflater| {
        let alone = deflater.compress(&task(None, 1)).unwrap().len();
        let mut after = |stamp, level| {
            deflater.compress(&task(None, 1)).unwrap();
            deflater.sent(first);
            deflater.compress(&task(stamp, level)).unwrap().len()
        };
        assert!(after(first, 1) < alone / 3);
        assert!(after(second, 1) >= alone - 1);
        assert!(after(None, 1) >= alone - 1);
        assert!(after(first, 9) >= alone - 10, "another level");
        // One that was not sent is in nobody's window.
        deflater.compress(&task(None, 1)).unwrap();
        assert!(deflater.compress(&task(first, 1)).unwrap().len() >= alone - 1);
        deflater.sent(first);
        assert!(deflater.compress(&DeflateTask { max: 3, ..task(first, 1) }).is_none());
        assert!(deflater.compress(&task(first, 1)).unwrap().len() >= alone - 1);
    });
}

// CO-01: memory that one large message needed is not kept
#[test]
fn resting_takes_little_memory() {
    let (pool, mut forgetful) = inflation(None);
    let large = vec![0; 3 * LARGE];
    let compressed = compress(&pool, &large, b"").unwrap();
    let mut lent = forgetful.inflate(&compressed, large.len(), false).unwrap();
    assert_eq!(lent.message(), large);
    let inflater = lent.inflater().unwrap();
    inflater.rest();
    assert_eq!(inflater.message(), b"");
}

// CO-15: only those have a window that have to
#[test]
fn received_messages_are_remembered_only_if_that_was_promised() {
    let (pool, mut forgetful) = inflation(None);
    let (_, mut keen) = inflation(Some(9));
    let compressed = compress(&pool, &[b'x'; 1000], b"").unwrap();
    forgetful.inflate(&compressed, 1000, true).unwrap();
    keen.inflate(&compressed, 1000, true).unwrap();
    assert_eq!(forgetful.window.bytes(), b"");
    assert_eq!(keen.window.bytes(), [b'x'; 512]);
}
