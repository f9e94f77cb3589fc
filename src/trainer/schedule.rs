//! When a training writes what: by its epochs, by what can be seen, and by what the disk is allowed.
//!
//! Asked by `trainer::saving` after every epoch and told what was written. Half of what may be written in a day is for
//! checkpoints, half for states that are kept; what is only looked at goes through memory (`trainer::memory`).
//! What fails is tried again with growing pauses. Knows no files and no clock: seconds are handed in.

use super::disk::Written;

/// Bytes that either half may write at once, before it has to wait for its share of the day.
const BURST: f64 = 24e6;
/// Pauses after a failed attempt to write, in seconds: the first, and the longest.
const PAUSES: [f64; 2] = [1.0, 60.0];
const DAY_SECS: f64 = 86_400.0;
/// Seconds after which a checkpoint is written within an epoch, too: a pass may take an hour.
const STALE_SECS: f64 = 600.0;

/// What is to be written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// A state to be looked at, which goes through memory.
    Show,
    /// A state that is kept.
    Keep,
    /// A checkpoint, a sample and a state.
    Save,
}

/// What the settings and the machine ask for and allow.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Epochs between two checkpoints, from 1.
    pub print_every: u64,
    /// Generator updates between two states that are shown; 0 is none.
    pub publish_every: u64,
    /// Seconds between two states that are shown, at least.
    pub publish_secs: f64,
    /// Gigabytes that may be written in a day; 0 is no limit.
    pub disk_gb_per_day: f64,
    /// Whether states can be shown through memory.
    pub memory: bool,
}

/// Bytes that may be written: they gather with time and are spent, also beyond what is there, by one whole write.
#[derive(Debug)]
struct Allowance {
    left: f64,
    at: f64,
}

impl Allowance {
    fn gather(&mut self, now: f64, a_second: f64) {
        self.left = (self.left + (now - self.at) * a_second).min(BURST);
        self.at = now;
    }
}

/// Bytes a second that either half may write.
fn a_second(disk_gb_per_day: f64) -> f64 {
    disk_gb_per_day * 1e9 / DAY_SECS / 2.0
}

/// The times of a training's writes.
#[derive(Debug)]
pub struct Schedule {
    checkpoints: Allowance,
    states: Allowance,
    /// What the epochs have made due and was not written yet.
    save_due: bool,
    /// The epoch that made a checkpoint due: that of its sample.
    save_epoch: Option<u64>,
    publish_due: bool,
    /// A state that is kept whatever the disk is allowed.
    keep_due: bool,
    published: f64,
    kept: f64,
    /// When the last checkpoint was written, and the turns since then.
    saved: f64,
    unsaved: u64,
    failures: u32,
    retry_at: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        let full = || Allowance { left: BURST, at: 0.0 };
        Self {
            checkpoints: full(),
            states: full(),
            save_due: false,
            save_epoch: None,
            publish_due: false,
            keep_due: false,
            published: f64::NEG_INFINITY,
            kept: 0.0,
            saved: 0.0,
            unsaved: 0,
            failures: 0,
            retry_at: 0.0,
        }
    }
}

impl Schedule {
    /// Goes on where another training of the same folder ended, one that was killed perhaps: what it wrote last, a
    /// checkpoint and a state, has to be paid first, or a training that is begun again and again would write a burst
    /// each time.
    pub fn follow(&mut self, checkpoint: Option<Written>, state: Option<Written>, disk_gb_per_day: f64) {
        let paid = |written: Option<Written>| match written {
            Some((bytes, age)) => (age * a_second(disk_gb_per_day) - bytes as f64).min(BURST),
            None => BURST,
        };
        (self.checkpoints.left, self.states.left) = (paid(checkpoint), paid(state));
    }

    /// The next state is kept in any case.
    pub fn keep(&mut self) {
        self.keep_due = true;
    }

    /// What is to be written at `now` seconds: `epoch` is the index of the one that was just done, if one was, and
    /// `step` that of the generator's update.
    pub fn due(&mut self, epoch: Option<u64>, step: u64, now: f64, limits: Limits) -> Due {
        let a_second = a_second(limits.disk_gb_per_day);
        self.checkpoints.gather(now, a_second);
        self.states.gather(now, a_second);
        let limited = limits.disk_gb_per_day > 0.0;
        self.unsaved += 1;
        // One epoch more is not worth a checkpoint where writes are counted.
        let worth = !limited || self.unsaved > 1;
        if let Some(epoch) = epoch.filter(|epoch| epoch.is_multiple_of(limits.print_every.max(1)) && worth) {
            (self.save_due, self.save_epoch) = (true, Some(epoch));
        }
        self.save_due |= epoch.is_none() && now - self.saved >= STALE_SECS;
        self.publish_due |= limits.publish_every > 0 && step.is_multiple_of(limits.publish_every);
        let may = |allowance: &Allowance| !limited || allowance.left > 0.0;
        // States that are kept lie twice as far apart each time, until the day's share decides.
        let apart = !limited || now - self.kept >= 0.5 * now;
        let seen = now - self.published >= limits.publish_secs;
        match () {
            () if now < self.retry_at => Due::Nothing,
            () if self.save_due && may(&self.checkpoints) => Due::Save,
            () if self.keep_due => Due::Keep,
            () if !self.publish_due || !seen => Due::Nothing,
            () if apart && may(&self.states) => Due::Keep,
            () if limits.memory => Due::Show,
            // Without memory for it a state that is shown is one that is kept, as soon as it may be.
            () if may(&self.states) => Due::Keep,
            () => Due::Nothing,
        }
    }

    /// The epoch whose sample comes with the next checkpoint, if one is due.
    pub fn epoch(&self) -> Option<u64> {
        self.save_epoch
    }

    /// It was written, so many bytes of it to the disk; says after how many failures.
    pub fn done(&mut self, what: Due, bytes: u64, now: f64) -> u32 {
        match what {
            Due::Nothing => return 0,
            Due::Show => {}
            Due::Keep => self.states.left -= bytes as f64,
            Due::Save => self.checkpoints.left -= bytes as f64,
        }
        (self.publish_due, self.published) = (false, now);
        if what != Due::Show {
            (self.keep_due, self.kept) = (false, now);
        }
        if what == Due::Save {
            (self.save_due, self.save_epoch, self.saved, self.unsaved) = (false, None, now, 0);
        }
        if what == Due::Show {
            // What went through memory says nothing of the disk.
            return 0;
        }
        std::mem::take(&mut self.failures)
    }

    /// It could not be written; gives the seconds until it is tried again.
    pub fn failed(&mut self, now: f64) -> f64 {
        let pause = pause(self.failures);
        self.failures += 1;
        self.retry_at = now + pause;
        pause
    }
}

/// Seconds until something is tried again that has failed so many times before.
pub(super) fn pause(failures: u32) -> f64 {
    (PAUSES[0] * f64::from(1u32 << failures.min(10))).min(PAUSES[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Within a pass that takes hours a checkpoint is written every ten minutes, and at the end of an epoch as ever.
    #[test]
    fn a_long_pass_is_saved_on_its_way() {
        let limits =
            Limits { print_every: 1, publish_every: 0, publish_secs: 0.0, disk_gb_per_day: 0.0, memory: false };
        let (mut schedule, mut saves) = (Schedule::default(), Vec::new());
        for step in 0..400 {
            let now = step as f64 * 10.0;
            let epoch = (step == 399).then_some(0);
            if schedule.due(epoch, step, now, limits) == Due::Save {
                schedule.done(Due::Save, 1000, now);
                saves.push(now);
            }
        }
        assert_eq!(saves, [600.0, 1200.0, 1800.0, 2400.0, 3000.0, 3600.0, 3990.0]);
    }

    /// Bytes to the disk by kind, and when states were shown, of a training of `secs` seconds.
    fn run(secs: f64, epoch_secs: f64, sizes: [u64; 2], limits: Limits) -> (u64, u64, Vec<f64>) {
        let [state, save] = sizes;
        let (mut schedule, mut now, mut epoch, mut shown) = (Schedule::default(), 0.0, 0, Vec::new());
        let (mut states, mut saves) = (0, state + state);
        schedule.done(Due::Save, saves, now);
        while now < secs {
            now += epoch_secs;
            let due = schedule.due(Some(epoch), epoch, now, limits);
            epoch += 1;
            let bytes = match due {
                Due::Nothing => continue,
                Due::Show => 0,
                Due::Keep => state,
                Due::Save => save,
            };
            match due {
                Due::Save => saves += bytes,
                _ => states += bytes,
            }
            schedule.done(due, bytes, now);
            shown.push(now);
        }
        (states, saves, shown)
    }

    const BESIDE: Limits =
        Limits { print_every: 50, publish_every: 5, publish_secs: 2.0, disk_gb_per_day: 10.0, memory: true };
    const ALONE: Limits =
        Limits { print_every: 10, publish_every: 4, publish_secs: 0.0, disk_gb_per_day: 0.0, memory: false };

    /// The shipped networks, the original's, and tiny ones; slow and fast machines.
    #[test]
    fn a_day_stays_within_its_gigabytes() {
        for sizes in [[11_500_000, 46_000_000], [100_000_000, 380_000_000], [40_000, 500_000]] {
            for epoch_secs in [0.02, 1.2] {
                let day = run(DAY_SECS, epoch_secs, sizes, BESIDE);
                let most = 10e9 + 2.0 * BURST + (sizes[0] * 2 + sizes[1]) as f64;
                assert!((day.0 + day.1) as f64 <= most, "{sizes:?} {epoch_secs}: {day:?}", day = (day.0, day.1));
            }
        }
        // The first ten minutes of the shipped networks, in which more is kept, still are far below 30 GB a day.
        for epoch_secs in [0.02, 1.2] {
            let (states, saves, _) = run(600.0, epoch_secs, [11_500_000, 46_000_000], BESIDE);
            assert!((states + saves) as f64 * 144.0 < 24e9, "{states} {saves}");
        }
    }

    /// Begun again every four minutes, as by a supervisor after a crash each time.
    #[test]
    fn a_training_that_is_killed_again_and_again_writes_no_more() {
        let (state, save) = (11_500_000, 46_000_000);
        let (mut total, mut checkpoint, mut kept) = (0, None, None);
        for _ in 0..360 {
            let mut schedule = Schedule::default();
            schedule.follow(checkpoint, kept, BESIDE.disk_gb_per_day);
            for epoch in 0..200 {
                let now = epoch as f64 * 1.2;
                let due = schedule.due(Some(epoch), epoch, now, BESIDE);
                let (bytes, last) = match due {
                    Due::Nothing => continue,
                    Due::Show => (0, None),
                    Due::Keep => (state, Some(&mut kept)),
                    Due::Save => (save, Some(&mut checkpoint)),
                };
                schedule.done(due, bytes, now);
                total += bytes;
                if let Some(last) = last {
                    *last = Some((bytes, -now));
                }
            }
            // The next one begins when this one is over.
            [&mut checkpoint, &mut kept].into_iter().flatten().for_each(|(_, age)| *age += 240.0);
        }
        assert!((6_000_000_000..11_000_000_000).contains(&total), "{total}");
    }

    #[test]
    fn states_are_shown_as_often_as_can_be_seen_and_never_more() {
        let (_, _, shown) = run(600.0, 0.02, [11_500_000, 46_000_000], BESIDE);
        assert!(shown.windows(2).all(|pair| (1.99..2.2).contains(&(pair[1] - pair[0]))), "{shown:?}");
        // Where epochs are slow, every fifth of them.
        let (_, _, shown) = run(600.0, 1.0, [11_500_000, 46_000_000], BESIDE);
        assert!(shown[1..].windows(2).all(|pair| (4.9..5.1).contains(&(pair[1] - pair[0]))), "{shown:?}");
        // Without memory as often as the disk is allowed.
        let (states, _, shown) = run(600.0, 1.0, [11_500_000, 46_000_000], Limits { memory: false, ..BESIDE });
        assert!((5..12).contains(&shown.len()) && states < 100_000_000, "{} {states}", shown.len());
    }

    #[test]
    fn without_a_limit_the_epochs_decide() {
        let mut schedule = Schedule::default();
        let mut due = |epoch: u64| {
            let now = epoch as f64 * 1e-3;
            let due = schedule.due(Some(epoch), epoch, now, ALONE);
            schedule.done(due, 1 << 40, now);
            due
        };
        let all: Vec<Due> = (0..13).map(&mut due).collect();
        let expected = |epoch: u64| match epoch {
            0 | 10 => Due::Save,
            4 | 8 | 12 => Due::Keep,
            _ => Due::Nothing,
        };
        assert_eq!(all, (0..13).map(expected).collect::<Vec<_>>());
    }

    #[test]
    fn a_failure_is_tried_again_with_growing_pauses() {
        let (mut schedule, mut now, mut pauses) = (Schedule::default(), 0.0, Vec::new());
        for _ in 0..9 {
            assert_eq!(schedule.due(Some(0), 0, now, ALONE), Due::Save);
            let pause = schedule.failed(now);
            assert_eq!(schedule.due(Some(1), 1, now + 0.9 * pause, ALONE), Due::Nothing);
            now += pause;
            pauses.push(pause);
        }
        assert_eq!(pauses, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
        // Once it is written the next failure begins anew.
        assert_eq!(schedule.due(Some(1), 1, now, ALONE), Due::Save);
        assert_eq!((schedule.done(Due::Save, 1, now), schedule.done(Due::Save, 1, now)), (9, 0));
        assert_eq!(schedule.failed(now), 1.0);
    }
}
