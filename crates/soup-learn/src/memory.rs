//! How much memory the process took, and how much there is.

/// Peak resident memory of this process in MiB; 0 where the system does not tell.
pub fn peak_mib() -> f64 {
    #[cfg(target_os = "linux")]
    {
        std::fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|status| {
                let line = status
                    .lines()
                    .find_map(|line| line.strip_prefix("VmHWM:"))?;
                let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
                Some((kib / 1024.0).round())
            })
            .unwrap_or(0.0)
    }
    #[cfg(not(target_os = "linux"))]
    {
        0.0
    }
}

/// Bytes that this process can still take: what the system has free, and within a container what its limit
/// leaves. Without bounds where the system does not tell.
pub fn free_bytes() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let system = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    });
    // "max" where there is no limit.
    let container = number("/sys/fs/cgroup/memory.max").map(|limit| {
        let taken = number("/sys/fs/cgroup/memory.current").unwrap_or(0);
        limit.saturating_sub(taken)
    });
    let free = system.into_iter().chain(container);
    free.min().unwrap_or(u64::MAX)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn a_process_takes_some_memory() {
        assert!((1.0..1e6).contains(&super::peak_mib()));
        assert!((1 << 20..1 << 50).contains(&super::free_bytes()));
    }
}
