//! The program: reads the command line, runs it, and prints an error once.

use std::process::{Command, ExitCode};

use clap::Parser;

fn main() -> ExitCode {
    keep_memory();
    match flaneur::cli::run(flaneur::cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flaneur: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The option of the allocator that says after how many milliseconds freed memory goes back.
const PURGE: &str = "MIMALLOC_PURGE_DELAY";

/// Starts the program anew, in this process, with an allocator that keeps what it freed.
///
/// A forward frees and takes the same megabytes again; where they go back to the system in between,
/// clearing their pages takes a fifth of the time. The allocator reads its options from the
/// environment before `main`, so they can only be set by whoever starts the program.
fn keep_memory() {
    #[cfg(unix)]
    if std::env::var_os(PURGE).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        use std::os::unix::process::CommandExt;
        // It returns only if it failed; then the program runs as it is, a little slower.
        let _ = Command::new(program).args(std::env::args_os().skip(1)).env(PURGE, "-1").exec();
    }
}
