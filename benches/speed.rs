//! Times each path: `cargo bench --bench speed [-- FILTER]`.

#![allow(missing_docs, reason = "criterion's macros write public functions")]

use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};

mod paths;

fn speed(criterion: &mut Criterion) {
    for (name, path) in paths::paths() {
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let began = Instant::now();
                path(iterations);
                began.elapsed()
            });
        });
    }
}

criterion_group!(benches, speed);
criterion_main!(benches);
