//! Starts the load test.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadtest::main()
}
