//! What the operating system has to be asked for.

use std::fs;
use std::io;
use std::mem::{MaybeUninit, size_of};

/// Puts the calling thread, and all that it starts, on one core. Nothing happens where there is but one.
pub fn pin(core: usize) -> io::Result<()> {
    // SAFETY: the set is plain data, and large enough.
    unsafe {
        let mut set: libc::cpu_set_t = MaybeUninit::zeroed().assume_init();
        libc::CPU_SET(core % cores(), &mut set);
        match libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Lets the calling thread, and all that it starts, have any core.
pub fn unpin() -> io::Result<()> {
    // SAFETY: the set is plain data, and large enough.
    unsafe {
        let mut set: libc::cpu_set_t = MaybeUninit::zeroed().assume_init();
        (0..cores()).for_each(|core| libc::CPU_SET(core, &mut set));
        match libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// How many cores the machine has.
pub fn cores() -> usize {
    // SAFETY: it only asks.
    let n = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(n).unwrap_or(1).max(1)
}

/// Allows as many open files as may be; how many that is.
pub fn raise_open_files() -> u64 {
    const WANTED: libc::rlim_t = 65_536;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is plain data.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        if limit.rlim_max < WANTED {
            // Only for those who may.
            let more = libc::rlimit { rlim_cur: WANTED, rlim_max: WANTED };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &more) == 0 {
                return WANTED;
            }
        }
        limit.rlim_cur = limit.rlim_max.min(WANTED);
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    limit.rlim_cur
}

/// How long a process has computed, in nanoseconds: all its threads that are alive, in user mode
/// and in the kernel.
pub fn cpu_time(process: u32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return 0;
    };
    let nanos = |thread: io::Result<fs::DirEntry>| -> Option<u64> {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    threads.filter_map(nanos).sum()
}

/// How long a process and its threads, also those that have ended, have computed, in nanoseconds; to
/// the nearest hundredth of a second.
pub fn coarse_cpu_time(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, in brackets, may contain anything.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |n: usize| -> u64 {
        fields.split_whitespace().nth(n).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
    };
    (ticks(11) + ticks(12)) * 10_000_000
}

/// Resident memory of a process, in bytes.
pub fn resident(process: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
