//! Runs one path for callgrind: `count NAME TIMES`; without a name, lists them. `.ci/instructions` holds
//! the counts against a budget.

use std::process::ExitCode;

mod paths;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.as_slice() {
        [] => paths::paths().for_each(|(name, _)| println!("{name}")),
        [name, times] => {
            let path = paths::paths().find(|(known, _)| known == name);
            let (Some((_, path)), Ok(times)) = (path, times.parse()) else {
                eprintln!("no such path, or no number");
                return ExitCode::FAILURE;
            };
            path(times);
        }
        _ => {
            eprintln!("usage: [NAME TIMES]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
