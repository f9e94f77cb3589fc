//! Versions of a sketch before they run: compiled and tried on threads that the walk does not need.
//!
//! Fed with texts as they are saved; gives programs that showed a frame, or complaints. Several may be on trial at
//! once, because a newer version does not wait for an older one that hangs; of results only the newest counts. A
//! trial that stays silent is abandoned, and its text is not tried again until it changes.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::latent::space::Space;
use crate::sketch::Complaint;
use crate::sketch::thread::{Attempt, Proven, Said, SketchThread};

/// Abandoned threads that may be at work at a time.
pub const MOST_SILENT: usize = 3;
/// Texts that are remembered for having hung.
const MOST_HUNG: usize = 64;
/// Trials at a time; while there are so many, newer texts wait for one to come back or be given up.
const MOST_TRIALS: usize = 4;

/// What a trial is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A version that was saved or loaded.
    Edit,
    /// A version that ran well before, after the one that ran did not come back.
    Return,
}

/// How a trial ended.
pub type Verdict = (Purpose, Result<Box<Proven>, Box<Complaint>>);

/// One trial.
struct Trial {
    thread: SketchThread,
    purpose: Purpose,
    path: PathBuf,
    text: String,
    /// A newer version is on trial: nobody wants to know.
    stale: bool,
}

/// All trials of a show.
pub struct Trials {
    space: Space,
    running: Vec<Trial>,
    spare: Option<SketchThread>,
    waiting: Option<(Purpose, Attempt)>,
    hung: BTreeSet<u64>,
    silent: Arc<AtomicUsize>,
    patience: Duration,
}

impl Trials {
    /// With a thread that waits for the first one; a trial may take `patience`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(space: impl Into<Space>, patience: Duration) -> std::io::Result<Self> {
        let space = space.into();
        let spare = Some(SketchThread::start(space.clone())?);
        let (running, waiting, hung, silent) = (Vec::new(), None, BTreeSet::new(), Arc::default());
        Ok(Self { space, running, spare, waiting, hung, silent, patience })
    }

    /// Threads that were abandoned and are still at work.
    pub fn silent(&self) -> usize {
        self.silent.load(Ordering::SeqCst)
    }

    /// Whether one more thread may be abandoned.
    pub fn room(&self) -> bool {
        self.silent() < MOST_SILENT
    }

    /// Lets go of a thread that stays silent.
    pub fn abandon(&self, thread: SketchThread) {
        thread.abandon(&self.silent);
    }

    /// This text hung: it is not tried again until it changes.
    pub fn remember(&mut self, text: &str) {
        if self.hung.len() < MOST_HUNG {
            self.hung.insert(number(text));
        }
    }

    /// A thread that has nothing to do, for the walk.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn thread(&mut self) -> std::io::Result<SketchThread> {
        match self.spare.take() {
            Some(spare) => Ok(spare),
            None => SketchThread::start(self.space.clone()),
        }
    }

    /// Another model: new threads are for its latents.
    pub fn set_space(&mut self, space: Space) {
        self.space = space;
    }

    /// Whether a version is being tried, or waits for that.
    pub fn busy(&self) -> bool {
        self.waiting.is_some() || self.running.iter().any(|trial| !trial.stale)
    }

    /// Begins the trial of a text.
    ///
    /// # Errors
    /// If it hung before, or there is no thread for it.
    pub fn begin(&mut self, purpose: Purpose, attempt: Attempt) -> Result<(), Box<Complaint>> {
        self.running.iter_mut().for_each(|trial| trial.stale = true);
        self.waiting = None;
        let text = attempt.text.clone().unwrap_or_default();
        let whole =
            |what: &str, hint: &str| Box::new(Complaint::whole(&attempt.path, what.to_owned(), Some(hint.to_owned())));
        if self.hung.contains(&number(&text)) {
            return Err(whole("this version did not come back when it ran", "change it, and it is tried again"));
        }
        if !self.room() {
            let what = format!("{MOST_SILENT} versions have not come back, and no more are tried");
            return Err(whole(&what, "what runs goes on; flaneur play --resume after the show has ended tries again"));
        }
        if self.running.len() >= MOST_TRIALS {
            self.waiting = Some((purpose, attempt));
            return Ok(());
        }
        let mut thread = match self.thread() {
            Ok(thread) => thread,
            Err(error) => return Err(whole(&format!("there is no thread to try it on: {error}"), "save it again")),
        };
        let path = attempt.path.clone();
        thread.attempt(attempt);
        self.running.push(Trial { thread, purpose, path, text, stale: false });
        Ok(())
    }

    /// The newest trial's result, if it has come, waiting for it at most `wait`. Abandons what stays silent.
    pub fn look(&mut self, wait: Duration) -> Option<Verdict> {
        let mut verdict = None;
        for mut trial in std::mem::take(&mut self.running) {
            let wait = if trial.stale { Duration::ZERO } else { wait };
            match trial.thread.wait(wait) {
                Some(said) => {
                    if let (Said::Tried(result), false) = (said, trial.stale) {
                        verdict = Some((trial.purpose, result));
                    }
                    self.spare.get_or_insert(trial.thread);
                }
                None if trial.thread.ended() => {
                    let what = "its thread ended; this is a fault of the program, not of the sketch".to_owned();
                    let complaint = Box::new(Complaint::whole(&trial.path, what, None));
                    verdict = verdict.or((!trial.stale).then_some((trial.purpose, Err(complaint))));
                }
                None if trial.thread.working().is_some_and(|at| at > self.patience) => {
                    self.remember(&trial.text);
                    if !trial.stale {
                        let complaint = silent_at(&trial.thread, &trial.path, &trial.text, self.patience);
                        verdict = Some((trial.purpose, Err(complaint)));
                    }
                    trial.thread.abandon(&self.silent);
                }
                None => self.running.push(trial),
            }
        }
        if self.running.len() < MOST_TRIALS
            && let Some((purpose, attempt)) = self.waiting.take()
            && let Err(complaint) = self.begin(purpose, attempt)
        {
            verdict = Some((purpose, Err(complaint)));
        }
        verdict
    }
}

/// What is said of a sketch whose thread stays silent: the line of the body that it entered last.
pub fn silent_at(thread: &SketchThread, path: &std::path::Path, text: &str, after: Duration) -> Box<Complaint> {
    let (source, offset) = thread.place();
    let secs = after.as_secs_f64();
    let what = format!("it does not come back (for more than {secs:.1} s)");
    let hint = "it is not run again until it changes; a long range that is counted, summed or sorted cannot be stopped";
    match source == 0 && offset > 0 && offset <= text.len() {
        true => {
            let what = format!("from here {what}");
            Box::new(Complaint::at(path, text, offset - 1..offset, what, Some(hint.into())))
        }
        false => Box::new(Complaint::whole(path, what, Some(hint.into()))),
    }
}

fn number(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::clock::Clock;
    use crate::control::Lent;
    use crate::sketch::thread::{Critic, Points, Standing};

    fn attempt(text: &str) -> Attempt {
        Attempt {
            path: "sketches/try.rn".into(),
            text: Some(text.to_owned()),
            state: Standing::Nothing,
            tick: Clock::new(120.0).frame(0.0, true),
            lent: Lent::default(),
            critic: Critic::default(),
            space: 4.into(),
            points: Points::new(),
        }
    }

    fn verdict(trials: &mut Trials) -> Result<Box<Proven>, Box<Complaint>> {
        let start = Instant::now();
        loop {
            if let Some((_, result)) = trials.look(Duration::from_millis(5)) {
                return result;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "no verdict");
        }
    }

    #[test]
    fn a_good_version_does_not_wait_for_one_that_hangs() {
        let mut trials = Trials::new(4, Duration::from_secs(1)).unwrap();
        let hangs = "pub fn walk(me, t, c) { seed((0..1000000000000).iter().count()) }";
        let start = Instant::now();
        trials.begin(Purpose::Edit, attempt(hangs)).unwrap();
        assert!(trials.look(Duration::from_millis(50)).is_none());
        trials.begin(Purpose::Edit, attempt("pub fn walk(me, t, c) { seed(7) }")).unwrap();
        assert!(verdict(&mut trials).is_ok() && start.elapsed() < Duration::from_millis(900));
        while trials.silent() == 0 {
            assert!(trials.look(Duration::from_millis(20)).is_none());
        }
        // It is not tried again before it changes.
        let again = trials.begin(Purpose::Edit, attempt(hangs)).unwrap_err();
        assert!(again.what.contains("did not come back"), "{again}");
        trials.begin(Purpose::Edit, attempt(&format!("{hangs} "))).unwrap();
        let complaint = verdict(&mut trials).unwrap_err();
        assert_eq!((complaint.line, trials.silent()), (1, 2));
    }
}
