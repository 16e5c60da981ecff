#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oracles::deflate_in::check(data));
