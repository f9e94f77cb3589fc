//! Pictures of a drawing sketch that are drawn beside a training, which goes on with those before.
//!
//! Begun and taken by `trainer::steer`, between two updates; a newer request ends an older one. The sketch cannot hold
//! up the training: what hangs is left behind. The first few pictures are handed over by themselves, so that what was
//! saved is learnt from within seconds.

use std::sync::Arc;
use std::time::Duration;

use super::protocol::Source;
use super::run::TrainError;
use super::source::{self, Pictures, Reading};
use crate::latest::Latest;
use crate::net::arch::Arch;
use crate::report::Stop;
use crate::worker::Worker;

/// How long its thread may take to end when nobody wants the pictures any more.
const PATIENCE: Duration = Duration::from_millis(200);
const STACK: usize = 1 << 20;
/// Pictures that are handed over first.
const FIRST: usize = 200;

/// Pictures on their way.
pub(super) struct Redraw {
    stop: Stop,
    /// Pictures, and whether they are all.
    made: Latest<(Result<Pictures, TrainError>, bool)>,
    worker: Option<Worker>,
}

impl Redraw {
    /// Begins to draw what `source` names, see [`source::open`].
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(source: &Source, arch: &Arch, batch: usize, reading: Reading) -> std::io::Result<Self> {
        let (stop, made) = (Stop::default(), Latest::default());
        let (source, arch) = (source.clone(), Arc::new(arch.clone()));
        let (theirs, out) = (stop.clone(), Latest::clone(&made));
        let work = move |_| {
            if reading.subset.is_none_or(|all| all > FIRST) {
                let few = Reading { subset: Some(FIRST), ..reading.clone() };
                let few = source::open_unless(&source, &arch, batch, &few, &theirs);
                let failed = few.is_err();
                out.put((few, failed));
                if failed {
                    return;
                }
            }
            out.put((source::open_unless(&source, &arch, batch, &reading, &theirs), true));
        };
        Ok(Self { stop, made, worker: Some(Worker::start("redraw", STACK, work)?) })
    }

    /// The newest pictures, once they are there, or why there are none; and whether no others follow.
    pub fn take(&self) -> Option<(Result<Pictures, TrainError>, bool)> {
        self.made.take()
    }
}

impl Drop for Redraw {
    fn drop(&mut self) {
        self.stop.raise();
        self.worker.take().map(|worker| worker.end_within(PATIENCE));
    }
}
