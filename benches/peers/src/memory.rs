//! In memory: every library on the same recorded bytes, in interleaved rounds.
//!
//! For each case: every library first proves that it does what is measured, then its allocations are
//! counted, and then each takes its turn in each round. The median of its rounds counts.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::rc::Rc;

use case::{Case, Work};
use subject::{Count, Outgoing, Subject};
use tape::{Log, Tape};

use crate::adapters::{IN_MEMORY, InMemory};
use crate::report::{Table, median};
use crate::results::{Results, Row};
use crate::wire::{Recording, check_frames};
use crate::{Options, alloc};

pub mod broadcast;
pub mod case;
pub mod subject;
pub mod tape;

/// How many are told by a broadcast.
const AUDIENCE: usize = 200;

pub fn run(options: &Options) -> Result<(), String> {
    if std::env::var_os(TUNABLES).is_none() {
        return again();
    }
    let mut results = Results::new("memory", &["ns", "allocations", "writes"]);
    for case in case::all().into_iter().filter(|case| options.wants(&case.name())) {
        let rows = measure(&case, options)?;
        print(&case, &rows);
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

/// One library, set up for one case.
struct Run {
    name: &'static str,
    work: Box<dyn FnMut(usize)>,
    log: Rc<Log>,
}

fn measure(case: &Case, options: &Options) -> Result<Vec<Row>, String> {
    let libraries: Vec<&InMemory> =
        IN_MEMORY.iter().filter(|library| options.wants_peer(library.name)).collect();
    let messages = case.batch();
    let rounds = options.rounds.unwrap_or(45);
    let mut rows = vec![];
    let mut times = vec![vec![]; libraries.len()];
    for placement in 0..PLACEMENTS {
        displace(placement);
        let recording = Rc::new(Recording::new(case.kind, case.len, case.frames()));
        let mut runs: Vec<Run> = vec![];
        // Whoever is first gets the memory that was freed last.
        let order = (0..libraries.len()).map(|turn| (placement + turn) % libraries.len());
        for index in order {
            let library = libraries[index];
            let context = |error| format!("{}, {}: {error}", library.name, case.name());
            if placement == 0 {
                prove(case, library, &recording).map_err(context)?;
            }
            let mut run = prepare(case, library, &recording);
            (0..8).for_each(|_| (run.work)(messages)); // warms up
            if placement == 0 {
                rows.push(count(case, &mut run));
            }
            runs.push(run);
        }
        runs.rotate_right(placement % libraries.len().max(1));
        for round in 0..rounds.div_ceil(PLACEMENTS) {
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

/// Allocations and writes of a library.
fn count(case: &Case, run: &mut Run) -> Row {
    let messages = case.batch();
    let writes = run.log.writes.get();
    let allocations = alloc::count(|| (run.work)(messages));
    let writes = run.log.writes.get() - writes;
    let per_message = |n: u64| n as f64 / (messages * case.recipients()) as f64;
    let values = vec![f64::NAN, per_message(allocations), per_message(writes)];
    Row { case: case.name(), peer: run.name.to_owned(), values }
}

/// How often everybody starts anew, with its memory elsewhere: two addresses that differ by nearly a multiple of 4 KiB
/// make a copy a tenth slower, and it is luck who gets them.
const PLACEMENTS: usize = 9;

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

fn outgoing(case: &Case) -> Outgoing {
    Outgoing::new(case.kind.is_text(), case.kind.payload(case.len, 0))
}

fn audience(
    library: &InMemory,
    recording: &Rc<Recording>,
    log: &Rc<Log>,
) -> Box<dyn broadcast::Audience> {
    let tapes = (0..AUDIENCE).map(|_| Tape::new(recording.clone(), false, log.clone()));
    (library.audience)(tapes.collect())
}

fn prepare(case: &Case, library: &InMemory, recording: &Rc<Recording>) -> Run {
    let log = Rc::new(Log::default());
    let burst = case.burst();
    let outgoing = outgoing(case);
    let work: Box<dyn FnMut(usize)> = if case.work == Work::Broadcast {
        let mut audience = audience(library, recording, &log);
        Box::new(move |messages| (0..messages).for_each(|_| audience.tell(&outgoing)))
    } else {
        let tape = Tape::new(recording.clone(), case.work == Work::EchoInStep, log.clone());
        let mut subject = (library.subject)(tape);
        let work = case.work;
        Box::new(move |messages| {
            match work {
                Work::Receive => _ = std::hint::black_box(subject.receive(messages)),
                Work::Send => subject.send(&outgoing, messages, burst),
                _ => _ = std::hint::black_box(subject.echo(messages, burst)),
            };
        })
    };
    Run { name: library.name, work, log }
}

/// Checks that the library does all that is measured, and does it right.
fn prove(case: &Case, library: &InMemory, recording: &Rc<Recording>) -> Result<(), String> {
    let log = Rc::new(Log::default());
    *log.kept.borrow_mut() = Some(vec![]);
    let written = || log.kept.borrow_mut().replace(vec![]).unwrap_or_default();
    let subject = |in_step| -> Box<dyn Subject> {
        (library.subject)(Tape::new(recording.clone(), in_step, log.clone()))
    };
    // A few more than there are, so that it starts over.
    let messages = recording.ends.len() + 3;
    let outgoing = outgoing(case);
    match case.work {
        Work::Receive => {
            let count = subject(false).receive(messages);
            check_count(&count, recording, messages)
        }
        Work::Echo | Work::EchoInStep => {
            let count = subject(case.work == Work::EchoInStep).echo(messages, case.burst());
            check_count(&count, recording, messages)?;
            recording.check_echo(&written(), messages)
        }
        Work::Send => {
            subject(false).send(&outgoing, messages, case.burst());
            let sent = (0..messages).map(|_| outgoing.bytes.to_vec());
            check_frames(&written(), case.kind, sent)
        }
        Work::Broadcast => {
            audience(library, recording, &log).tell(&outgoing);
            let sent = (0..AUDIENCE).map(|_| outgoing.bytes.to_vec());
            check_frames(&written(), case.kind, sent)
        }
    }
}

fn check_count(count: &Count, recording: &Recording, messages: usize) -> Result<(), String> {
    let mut expected = Count::default();
    for number in 0..messages {
        let payload = recording.kind.payload(recording.len, number % recording.ends.len());
        expected.add(recording.kind.is_text(), &payload);
    }
    if *count == expected { Ok(()) } else { Err(format!("{count:?} instead of {expected:?}")) }
}

fn print(case: &Case, rows: &[Row]) {
    let mut table = Table::new(&case.name(), &["", "ns", "x best peer", "allocations", "writes"]);
    let best = rows.iter().filter(|row| !row.is_ours()).map(|row| row.values[0]);
    let best = best.fold(f64::INFINITY, f64::min);
    for row in rows {
        let [ns, allocations, writes] = row.values[..] else { continue };
        let ratio = if best.is_finite() { format!("{:.2}", ns / best) } else { String::new() };
        table.row(vec![
            row.peer.clone(),
            format!("{ns:.1}"),
            ratio,
            format!("{allocations:.3}"),
            format!("{writes:.4}"),
        ]);
    }
    if let Some(ours) = rows.iter().find(|row| row.is_ours()) {
        table.verdict("the best peer", ours.values[0] / best, case.target());
    }
    if let Some(ours) = rows.iter().find(|row| row.is_ours()) {
        let allocations = ours.values[1];
        let missed = format!(
            "MISSED: {allocations:.6} allocations a message, of which there should be none"
        );
        // Encoding what is told to many takes memory, once.
        table.note_if(allocations > 0.0 && case.work != Work::Broadcast, missed);
    }
    table.print();
}
