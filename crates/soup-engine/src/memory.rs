//! How much memory the process uses, and how much is free.
//!
//! A system that is out of memory kills a process without a message. So large allocations ask [`room_for`] first, and are
//! refused with what they need and what is free.

use std::{
    fmt, fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use soup_graph::Graph;
use thiserror::Error;

/// More memory than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub struct Shortage {
    /// Bytes that are needed.
    pub needs: u64,
    /// Bytes that there are.
    pub free: u64,
}

impl fmt::Display for Shortage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "needs {} of memory, ", Amount(self.needs))?;
        match self.free {
            // The system does not tell, but it refused.
            u64::MAX => formatter.write_str("which the system does not give"),
            free => write!(formatter, "and {} can be had", Amount(free)),
        }
    }
}

/// A batch that needs more memory than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub struct BatchTooLarge {
    /// Images in the batch.
    pub batch: usize,
    /// What it needs, at least, and what there is.
    pub shortage: Shortage,
}

impl fmt::Display for BatchTooLarge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, shortage } = self;
        let plural = if *batch == 1 { "" } else { "s" };
        write!(
            formatter,
            "a batch of {batch} image{plural} {shortage}; \
             take a smaller batch, smaller images or a smaller network"
        )
    }
}

/// Bytes, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub u64);

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        let (scaled, unit) = match self.0 {
            0..1_000_000 => (bytes / 1e3, "kB"),
            1_000_000..1_000_000_000 => (bytes / 1e6, "MB"),
            1_000_000_000..1_000_000_000_000 => (bytes / 1e9, "GB"),
            _ => (bytes / 1e12, "TB"),
        };
        let digits = usize::from(scaled < 10.0);
        write!(formatter, "{scaled:.digits$} {unit}")
    }
}

/// Peak resident memory of this process in MiB; 0 where the system does not tell.
pub fn peak_mib() -> f64 {
    let peak = kib_in(Path::new("/proc/self/status"), "VmHWM:");
    peak.map_or(0.0, |kib| (kib as f64 / 1024.0).round())
}

/// Bytes that this process can still allocate: the least of the system's free memory and what the limits of its control
/// groups and `ulimit -v` leave. The page cache counts as free, as the system drops it. `u64::MAX` where the system does
/// not tell.
pub fn free_bytes() -> u64 {
    // Planned memory that was not written to yet is taken later.
    let taken = kib_in(Path::new("/proc/self/status"), "RssAnon:").unwrap_or(0);
    let planned = (PLANNED.load(Ordering::Relaxed) as u64).saturating_sub(1024 * taken);
    free_under(Path::new("/")).saturating_sub(planned)
}

/// Whether so many bytes are free.
///
/// # Errors
/// [`Shortage`].
pub fn room_for(bytes: u64) -> Result<(), Shortage> {
    let free = free_bytes();
    match bytes < free {
        true => Ok(()),
        false => Err(Shortage { needs: bytes, free }),
    }
}

/// Whether there is memory for so many copies of a network's parameters.
///
/// # Errors
/// [`Shortage`].
pub fn room_for_weights(graph: &Graph, copies: usize) -> Result<(), Shortage> {
    let values = graph.trainable_len() + graph.buffer_len();
    let bytes = values.saturating_mul(size_of::<f32>());
    room_for(bytes.saturating_mul(copies) as u64)
}

/// Bytes of all plans' memory in this process, written to or not.
pub static PLANNED: AtomicUsize = AtomicUsize::new(0);

/// The same for the system below `root`, which is `/` but in tests.
fn free_under(root: &Path) -> u64 {
    let information = root.join("proc/meminfo");
    let system = kib_in(&information, "MemAvailable:").map(|available| {
        let swap = kib_in(&information, "SwapFree:").unwrap_or(0);
        1024 * available.saturating_add(swap)
    });
    let free = system.into_iter().chain(groups(root));
    free.chain(addresses(root)).min().unwrap_or(u64::MAX)
}

/// What each control group around the process leaves, of either version.
fn groups(root: &Path) -> Vec<u64> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let (mounts, groups) = (read("proc/self/mountinfo"), read("proc/self/cgroup"));
    let mut left = Vec::new();
    for mount in mounts.lines() {
        // `31 23 0:28 /root /place options ... - kind source options`
        let Some((place, kind)) = mount.split_once(" - ") else {
            continue;
        };
        let place: Vec<&str> = place.split(' ').collect();
        let kind: Vec<&str> = kind.split(' ').collect();
        let (&[_, _, _, top, place, ..], &[kind, _, options, ..]) = (&place[..], &kind[..]) else {
            continue;
        };
        let version = match kind {
            "cgroup2" => Version::Two,
            "cgroup" if options.split(',').any(|option| option == "memory") => Version::One,
            _ => continue,
        };
        let own = groups.lines().find_map(|line| version.group(line));
        let place = root.join(place.trim_start_matches('/'));
        // A container sees its own group at the mount's place, whatever the path says.
        let below = own.unwrap_or("/").strip_prefix(top).unwrap_or("");
        let below = Path::new(below.trim_start_matches('/'));
        for group in below.ancestors() {
            left.extend(version.left(&place.join(group)));
        }
    }
    left
}

#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

impl Version {
    /// The process's group in a line `number:controllers:path`, where it is of this version.
    fn group(self, line: &str) -> Option<&str> {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let is_own = match self {
            Self::One => controllers.split(',').any(|name| name == "memory"),
            Self::Two => number == "0" && controllers.is_empty(),
        };
        is_own.then_some(path)
    }

    /// What a group leaves; `None` where it has no limit.
    fn left(self, group: &Path) -> Option<u64> {
        let (limit, used, cached) = match self {
            Self::One => (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                ["total_inactive_file ", "total_active_file "],
            ),
            Self::Two => (
                "memory.max",
                "memory.current",
                ["inactive_file ", "active_file "],
            ),
        };
        let number = |name: &str| {
            let text = fs::read_to_string(group.join(name)).ok()?;
            text.trim().parse::<u64>().ok()
        };
        // `max`, or a number near 2^63, where there is none.
        let limit = number(limit).filter(|limit| *limit < 1 << 60)?;
        let text = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let cached = cached.into_iter().filter_map(|name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse::<u64>().ok()
        });
        let used = number(used).unwrap_or(0).saturating_sub(cached.sum());
        Some(limit.saturating_sub(used))
    }
}

/// What the limit of addresses (`ulimit -v`) leaves.
fn addresses(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/self/limits")).ok()?;
    let name = "Max address space";
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    let taken = kib_in(&root.join("proc/self/status"), "VmSize:").unwrap_or(0);
    Some(limit.saturating_sub(1024 * taken))
}

/// The number behind a word at the start of a line, in KiB.
fn kib_in(path: &Path, word: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::PathBuf;

    use super::*;

    /// A root folder with these files.
    fn root(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let name = format!("soup-memory-{}-{name}", std::process::id());
        let root = std::env::temp_dir().join(name);
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn free(name: &str, files: &[(&str, &str)]) -> u64 {
        let root = root(name, files);
        let free = free_under(&root);
        fs::remove_dir_all(root).unwrap();
        free
    }

    const HOST: (&str, &str) = (
        "proc/meminfo",
        "MemTotal: 9000 kB\nMemAvailable:    8000 kB\nSwapFree: 1000 kB\n",
    );
    const TWO: (&str, &str) = (
        "proc/self/mountinfo",
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n",
    );

    #[test]
    fn a_process_takes_some_memory() {
        assert!((1.0..1e6).contains(&peak_mib()));
        assert!((1 << 20..1 << 50).contains(&free_bytes()));
        assert_eq!(room_for(1), Ok(()));
        let shortage = room_for(u64::MAX).unwrap_err();
        assert_eq!(shortage.needs, u64::MAX);
        let text = |needs, free| Shortage { needs, free }.to_string();
        assert_eq!(
            text(2_500_000_000, 7_000_000),
            "needs 2.5 GB of memory, and 7.0 MB can be had"
        );
        assert_eq!(
            text(1, u64::MAX),
            "needs 0.0 kB of memory, which the system does not give"
        );
    }

    #[test]
    fn what_the_host_has() {
        assert_eq!(free("host", &[HOST]), 9000 * 1024);
        assert_eq!(free("nothing", &[("proc/other", "")]), u64::MAX);
    }

    #[test]
    fn the_tightest_group_of_the_second_version_counts() {
        let files = [
            HOST,
            TWO,
            ("proc/self/cgroup", "0::/user.slice/job/task\n"),
            ("sys/fs/cgroup/user.slice/memory.max", "max\n"),
            ("sys/fs/cgroup/user.slice/job/memory.max", "3000000\n"),
            ("sys/fs/cgroup/user.slice/job/memory.current", "2500000\n"),
            (
                "sys/fs/cgroup/user.slice/job/memory.stat",
                "anon 1\ninactive_file 1000000\nactive_file 400000\n",
            ),
            ("sys/fs/cgroup/user.slice/job/task/memory.max", "5000000\n"),
            ("sys/fs/cgroup/user.slice/job/task/memory.current", "1\n"),
        ];
        assert_eq!(free("two", &files), 1_900_000);
    }

    #[test]
    fn a_container_sees_its_group_at_the_top() {
        let files = [
            HOST,
            TWO,
            ("proc/self/cgroup", "0::/docker/0123\n"),
            ("sys/fs/cgroup/memory.max", "3000000\n"),
            ("sys/fs/cgroup/memory.current", "1000000\n"),
        ];
        assert_eq!(free("container", &files), 2_000_000);
    }

    #[test]
    fn groups_of_the_first_version() {
        let files = [
            HOST,
            (
                "proc/self/mountinfo",
                "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
                 35 31 0:32 /jobs /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                 36 31 0:33 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n",
            ),
            ("proc/self/cgroup", "8:pids:/\n4:memory:/jobs/one\n0::/\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            (
                "sys/fs/cgroup/memory/one/memory.limit_in_bytes",
                "3000000\n",
            ),
            (
                "sys/fs/cgroup/memory/one/memory.usage_in_bytes",
                "2000000\n",
            ),
            (
                "sys/fs/cgroup/memory/one/memory.stat",
                "inactive_file 5\ntotal_inactive_file 500000\ntotal_active_file 1\n",
            ),
        ];
        assert_eq!(free("one", &files), 1_500_001);
    }

    #[test]
    fn a_limit_of_addresses() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max address space         4000000              unlimited            bytes     \n";
        let files = [
            HOST,
            ("proc/self/limits", limits),
            ("proc/self/status", "VmSize:\t    1000 kB\n"),
        ];
        assert_eq!(free("addresses", &files), 4_000_000 - 1_024_000);
        let none = limits.replace("4000000  ", "unlimited");
        let files = [HOST, ("proc/self/limits", none.as_str())];
        assert_eq!(free("no-addresses", &files), 9000 * 1024);
    }

    #[test]
    fn amounts_for_people() {
        let text = |bytes| Amount(bytes).to_string();
        assert_eq!(text(1_500), "1.5 kB");
        assert_eq!(text(250_000_000), "250 MB");
        assert_eq!(text(7_250_000_000), "7.2 GB");
        assert_eq!(text(u64::MAX), "18446744 TB");
    }
}
