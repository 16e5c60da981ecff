#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oracles::event_loop::check(data));
