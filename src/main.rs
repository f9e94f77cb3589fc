//! The program: reads the command line, runs it, and prints an error once.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    flaneur::memory::keep();
    match flaneur::cli::run(flaneur::cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            flaneur::report::tell(format_args!("flaneur: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
