//! How much memory the process took.

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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn a_process_takes_some_memory() {
        assert!((1.0..1e6).contains(&super::peak_mib()));
    }
}
