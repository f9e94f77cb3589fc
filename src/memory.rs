//! The program's allocator, and how it is started.
//!
//! Pictures and activations of a training step are megabytes that come and go, and every forward reads all
//! weights. The allocator here keeps what was freed for a while, where the system's fetches zeroed pages every time, and
//! asks for large pages, so that the processor has to look up few of them.

/// Everything that is allocated comes from here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// After how many milliseconds freed memory goes back to the system: 10 000, so that what a frame or a training step
/// frees is there for the next one (clearing its pages anew took a fifth of a forward), and what a model that was left
/// had is not kept for weeks. And pages of 2 MiB instead of 4 KiB, where the system has them: a training step of the shipped
/// network took a quarter less.
const OPTIONS: [(&str, &str); 2] = [("MIMALLOC_PURGE_DELAY", "10000"), ("MIMALLOC_ALLOW_LARGE_OS_PAGES", "1")];

/// Starts the program anew, in this process, with an allocator that keeps what it freed for a while, in large pages.
///
/// The allocator reads its options from the environment before `main`, so they can only be set by whoever
/// starts the program. Options that somebody has set already are left alone.
pub fn configure() {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        let missing = OPTIONS.into_iter().filter(|(name, _)| std::env::var_os(name).is_none());
        let mut missing = missing.peekable();
        if missing.peek().is_some()
            && let Ok(program) = std::env::current_exe()
        {
            let mut command = std::process::Command::new(program);
            // It returns only if it failed; then the program runs as it is, a little slower.
            let _ = command.args(std::env::args_os().skip(1)).envs(missing).exec();
        }
    }
}
