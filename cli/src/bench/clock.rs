//! The CPU time of this process.

/// CPU seconds of all threads of this process so far, where the system tells.
#[cfg(unix)]
pub(crate) fn cpu_seconds() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

#[cfg(not(unix))]
pub(crate) fn cpu_seconds() -> Option<f64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::cpu_seconds;

    #[test]
    fn counts_what_less_than_a_tick_takes() {
        let start = cpu_seconds().unwrap();
        let sum: u64 = (0..1000u64).map(std::hint::black_box).sum();
        assert!(sum > 0 && cpu_seconds().unwrap() > start);
    }
}
