//! In memory: every library on the same recorded bytes, in interleaved rounds.
//!
//! For each case: every library first proves that it does what is measured, then its allocations are
//! counted, and then each takes its turn in each round. The median of its rounds counts.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::rc::Rc;

use subject::Count;
use tape::Log;

use crate::report::{Table, median};
use crate::results::{Results, Row};
use crate::wire::Recording;
use crate::{Options, alloc};

pub mod broadcast;
mod case;
mod compressed;
pub mod subject;
pub mod tape;

/// What is measured, and for whom.
trait Measured {
    fn name(&self) -> String;

    /// Who takes part, ours first.
    fn libraries(&self) -> Vec<&'static str>;

    /// Messages per measurement.
    fn batch(&self) -> usize;

    /// Recipients of each message.
    fn recipients(&self) -> usize {
        1
    }

    /// How often everybody starts anew, with its memory elsewhere: two addresses that differ by nearly a multiple of
    /// 4 KiB make a copy a tenth slower, and it is luck who gets them.
    fn placements(&self) -> usize {
        9
    }

    /// Rounds, unless told otherwise.
    fn rounds(&self) -> usize {
        45
    }

    /// Batches before the first that counts.
    fn warm_up(&self) -> usize {
        8
    }

    /// Checks that the library does all that is measured, and does it right. What was learnt by that is saved with
    /// the rest.
    fn prove(&self, library: usize) -> Result<Vec<f64>, String>;

    /// Sets a library up.
    fn prepare(&self, library: usize) -> Run;

    /// The time we may take, as a part of what the best peer takes.
    fn target(&self) -> f64 {
        1.0
    }

    /// Whether we are to do without allocations.
    fn is_free_of_allocations(&self) -> bool {
        true
    }
}

/// One library, set up for one case.
struct Run {
    work: Box<dyn FnMut(usize)>,
    log: Rc<Log>,
}

pub fn run(options: &Options) -> Result<(), String> {
    run_cases(options, "memory", &["ns", "allocations", "writes"], case::all())
}

pub fn run_compressed(options: &Options) -> Result<(), String> {
    let columns = ["ns", "allocations", "writes", "% of raw"];
    run_cases(options, "memory-deflate", &columns, compressed::all())
}

fn run_cases(
    options: &Options,
    file: &'static str,
    columns: &[&str],
    cases: Vec<impl Measured>,
) -> Result<(), String> {
    if std::env::var_os(TUNABLES).is_none() {
        return again();
    }
    let mut results = Results::new(file, columns);
    for case in cases.into_iter().filter(|case| options.wants(&case.name())) {
        let rows = measure(&case, options)?;
        print(&case, columns, &rows);
        rows.into_iter().for_each(|row| results.add(row));
    }
    if options.is_complete() { results.save() } else { Ok(()) }
}

/// On processors of AMD, glibc copies 8 KiB and more with an instruction (`rep movsb`) that is three times
/// slower for some pairs of addresses, and which library gets those is a matter of luck. With
/// this it never uses it.
const TUNABLES: &str = "GLIBC_TUNABLES";
const NO_REP_MOVSB: &str = "glibc.cpu.x86_rep_movsb_threshold=1000000000";

/// Runs this program once more, as the C library reads its settings when it starts.
fn again() -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    let error = command.args(std::env::args_os().skip(1)).env(TUNABLES, NO_REP_MOVSB).exec();
    Err(error.to_string())
}

fn measure(case: &impl Measured, options: &Options) -> Result<Vec<Row>, String> {
    let libraries: Vec<(usize, &str)> =
        case.libraries().into_iter().enumerate().filter(|l| options.wants_peer(l.1)).collect();
    let messages = case.batch();
    let rounds = options.rounds.unwrap_or(case.rounds());
    let mut rows = vec![];
    let mut times = vec![vec![]; libraries.len()];
    for placement in 0..case.placements() {
        displace(placement);
        let mut runs: Vec<Run> = vec![];
        // Whoever is first gets the memory that was freed last.
        let order = (0..libraries.len()).map(|turn| (placement + turn) % libraries.len());
        for index in order {
            let (library, name) = libraries[index];
            let mut learnt = vec![];
            if placement == 0 {
                let context = |error| format!("{name}, {}: {error}", case.name());
                learnt = case.prove(library).map_err(context)?;
            }
            let mut run = case.prepare(library);
            (0..case.warm_up()).for_each(|_| (run.work)(messages));
            if placement == 0 {
                let mut values = count(case, &mut run);
                values.extend(learnt);
                rows.push(Row { case: case.name(), peer: name.to_owned(), values });
            }
            runs.push(run);
        }
        runs.rotate_right(placement % libraries.len().max(1));
        for round in 0..rounds.div_ceil(case.placements()) {
            for turn in 0..runs.len() {
                let index = (round + placement + turn) % runs.len();
                let start = cpu_time();
                (runs[index].work)(messages);
                let nanos = (cpu_time() - start) as f64;
                times[index].push(nanos / (messages * case.recipients()) as f64);
            }
        }
    }
    for (row, times) in rows.iter_mut().zip(&mut times) {
        row.values[0] = median(times);
    }
    Ok(rows)
}

/// Time, which is not known yet, allocations and writes of a library.
fn count(case: &impl Measured, run: &mut Run) -> Vec<f64> {
    let messages = case.batch();
    let writes = run.log.writes.get();
    let allocations = alloc::count(|| (run.work)(messages));
    let writes = run.log.writes.get() - writes;
    let per_message = |n: u64| n as f64 / (messages * case.recipients()) as f64;
    vec![f64::NAN, per_message(allocations), per_message(writes)]
}

/// Shifts what is allocated from now on.
fn displace(placement: usize) {
    let sizes = [264, 1096, 40, 2184, 712, 3352, 1608, 72, 2744];
    std::mem::forget(Vec::<u8>::with_capacity(sizes[placement % sizes.len()]));
}

/// How long this thread has computed, in nanoseconds. Unlike a clock it stands still while something
/// else has the core.
fn cpu_time() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is plain data.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn check_count(count: &Count, recording: &Recording, messages: usize) -> Result<(), String> {
    let mut expected = Count::default();
    recording.first(messages).for_each(|message| expected.add(recording.is_text, message));
    if *count == expected { Ok(()) } else { Err(format!("{count:?} instead of {expected:?}")) }
}

fn print(case: &impl Measured, columns: &[&str], rows: &[Row]) {
    let mut head = vec!["", "ns", "x best peer"];
    head.extend(&columns[1..]);
    let mut table = Table::new(&case.name(), &head);
    let best = rows.iter().filter(|row| !row.is_ours()).map(|row| row.values[0]);
    let best = best.fold(f64::INFINITY, f64::min);
    for row in rows {
        let [ns, allocations, writes, more @ ..] = &row.values[..] else { continue };
        let ratio = if best.is_finite() { format!("{:.2}", ns / best) } else { String::new() };
        let mut cells = vec![row.peer.clone(), format!("{ns:.1}"), ratio];
        cells.extend([format!("{allocations:.3}"), format!("{writes:.4}")]);
        cells.extend(more.iter().map(|value| format!("{value:.1}")));
        table.row(cells);
    }
    if let Some(ours) = rows.iter().find(|row| row.is_ours()) {
        table.verdict("the best peer", ours.values[0] / best, case.target());
        let allocations = ours.values[1];
        let missed = format!(
            "MISSED: {allocations:.6} allocations a message, of which there should be none"
        );
        table.note_if(allocations > 0.0 && case.is_free_of_allocations(), missed);
    }
    table.print();
}
