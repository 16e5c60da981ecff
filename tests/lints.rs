//! What the compiler is told to refuse in the library's code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

// V06, V12, V67, RE-12: no bounds are skipped, no memory is used before or after its time
#[test]
fn unsafe_code_is_forbidden() {
    let library = include_str!("../src/lib.rs");
    assert!(library.lines().any(|line| line == "#![forbid(unsafe_code)]"));
}

// V59, V63: whatever a peer sends, nothing is taken for granted
#[test]
fn lints_deny_panics() {
    let manifest = include_str!("../Cargo.toml").lines();
    let lints = manifest.skip_while(|line| *line != "[lints.clippy]").skip(1);
    let lints: Vec<_> = lints.take_while(|line| !line.starts_with('[')).collect();
    for lint in ["unwrap_used", "expect_used", "panic", "indexing_slicing"] {
        let level = lints.iter().find_map(|line| line.strip_prefix(lint)).unwrap();
        assert!([" = \"warn\"", " = \"deny\""].contains(&level), "{lint}");
    }
}
