//! What `cargo xtask measure` starts, and what it packs for machines without Rust.

fn main() -> std::process::ExitCode {
    compare::measure()
}
