//! The program: reads the command line, runs it, and prints an error once.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

fn main() -> ExitCode {
    // Those that a supervisor or a show begins would be called after the link that they were begun through.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"flaneur");
    flaneur::memory::configure();
    let code = match flaneur::cli::run(flaneur::cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            flaneur::report::tell(format_args!("flaneur: {error:#}"));
            ExitCode::FAILURE
        }
    };
    // A terminal that does not read holds up the end no longer than this.
    flaneur::report::flush_log(Duration::from_millis(500));
    code
}
