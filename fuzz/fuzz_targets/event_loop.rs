#![no_main]

use std::sync::Arc;

use signal_hook::consts::SIGPIPE;

libfuzzer_sys::fuzz_target!(
    init: {
        // As the runtime does for programs whose main function is written in Rust.
        signal_hook::flag::register(SIGPIPE, Arc::default()).expect("signals can be handled");
    },
    |data: &[u8]| oracles::event_loop::check(data)
);
