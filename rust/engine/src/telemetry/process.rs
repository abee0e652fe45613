//! What Linux knows of this process, from `/proc`; nothing elsewhere.

use std::fs;

/// Clock ticks per second in `/proc`: `USER_HZ` is 100 on every platform this builds for.
const TICK_NS: u64 = 10_000_000;

/// Figures of the process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) cpu_ns: u64,
    pub(super) resident_bytes: u64,
    pub(super) open_fds: usize,
    /// `None`: unlimited.
    pub(super) max_fds: Option<u64>,
}

impl Process {
    /// Reads them now.
    pub(super) fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        Some(Self {
            cpu_ns: cpu_ticks(&stat)?.saturating_mul(TICK_NS),
            resident_bytes: number_after(&status, "VmRSS:")? * 1024,
            open_fds: fs::read_dir("/proc/self/fd").ok()?.count(),
            max_fds: number_after(&limits, "Max open files"),
        })
    }
}

/// User and system time. The name in parentheses may hold anything, so fields are counted behind it.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_formats() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 8 0 1 2 3";
        assert_eq!(cpu_ticks(stat), Some(175));
        assert_eq!(number_after("VmPeak:  9 kB\nVmRSS:\t 27648 kB\n", "VmRSS:"), Some(27_648));
        assert_eq!(number_after("Max open files            1024      4096   files\n", "Max open files"), Some(1_024));
        assert_eq!(number_after("Max open files            unlimited  unlimited files\n", "Max open files"), None);
    }
}
