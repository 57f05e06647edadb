//! What `cargo xtask bench` starts.

fn main() -> std::process::ExitCode {
    compare::compare()
}
