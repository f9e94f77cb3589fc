//! What a training writes, and what it does where it cannot: checkpoints, samples, states, the losses.
//!
//! Called by `trainer::run` after every epoch and by `trainer::steer` for commands; on the training's thread, but for
//! what `trainer::picture_writer` does. `trainer::schedule` says what is due. A disk that is full, fails or is away ends no training: that is
//! told, what was written last stays whole, and it is tried again with growing pauses.

use std::path::{Path, PathBuf};
use std::time::Duration;

use half::f16;

use super::checkpoint;
use super::disk;
use super::memory::MemoryFolder;
use super::protocol::{Command, Event, Reason};
use super::published::{self, DATA_SHEET, Encoded, SHEET_SIDE, SMALL_SIDE, sample_pictures, state_files};
use super::run::{TrainError, Training};
use super::schedule::{Due, Limits};
use crate::files;
use crate::model::{self, ModelError};
use crate::net::draw::Ready;
use crate::picture::Picture;
use crate::picture::sheet::sheet;

/// Epochs after which a sample is written before the first checkpoint, so that there is something to see early.
const FIRST_SAMPLES: [u64; 3] = [10, 25, 50];
/// How long a training that was asked to end tries to write what it has learnt.
const LAST_SECS: f64 = 4.0;
/// Between two looks at the signals while it waits for the disk.
const LOOK: Duration = Duration::from_millis(50);

impl Training<'_> {
    /// Seconds since the training began.
    fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Before the first epoch: whoever follows finds the state that it begins with.
    pub(super) fn write_first(&mut self) -> Result<(), TrainError> {
        if self.options.keep == 0 {
            return Ok(());
        }
        let training = self.plan.folder.join("training");
        let bytes = match checkpoint::exists(&training) {
            true => {
                // A checkpoint is written with a state.
                let state = published::newest(&self.plan.folder);
                let with_state = |(bytes, age)| (bytes + state.map_or(0, |(bytes, _)| bytes), age);
                let checkpoint = checkpoint::written(&training).map(with_state);
                self.schedule.follow(checkpoint, state, self.options.disk_gb_per_day);
                self.publish()?
            }
            false => self.save(None)?,
        };
        let now = self.now();
        self.schedule.done(Due::Save, bytes, now);
        self.write_data_sheet();
        Ok(())
    }

    /// Says once what a training that is limited takes of the disk.
    fn report_disk(&mut self) {
        let (keep, limit) = (self.options.keep, self.options.disk_gb_per_day);
        if limit > 0.0 && keep > 0 && !std::mem::replace(&mut self.disk_reported, true) {
            let (folder, each) = (self.plan.folder.display(), self.state_bytes as f64);
            let [one, all] = [each, keep as f64 * each].map(in_words);
            let text = format!("keeps at most {keep} states of {one} in {folder}, {all} in all");
            self.warn(format!("{text}, and writes at most {limit} GB a day"));
        }
    }

    /// Writes what is due after a step, which has ended this epoch or none.
    pub(super) fn write_due(&mut self, epoch: Option<u64>) -> Result<(), TrainError> {
        self.report_disk();
        if std::mem::take(&mut self.forked) {
            self.schedule.keep();
        }
        let options = &self.options;
        let limits = Limits {
            print_every: self.plan.print_every,
            publish_every: options.publish_every,
            publish_secs: options.publish_secs,
            disk_gb_per_day: options.disk_gb_per_day,
            memory: self.memory.is_some(),
        };
        let due = self.schedule.due(epoch, self.state.step.saturating_sub(1), self.now(), limits);
        let written = match due {
            Due::Nothing => match epoch.filter(|epoch| self.is_early_sample(*epoch)) {
                Some(epoch) => self.sample(epoch).map(|_| 0),
                None => return Ok(()),
            },
            Due::Show => self.show(),
            Due::Keep => self.publish(),
            Due::Save => self.save(self.schedule.epoch()),
        };
        match written {
            Ok(bytes) => {
                let now = self.now();
                let failures = self.schedule.done(due, bytes, now);
                if failures > 0 {
                    self.warn(format!("it is written again, after {failures} attempts that failed"));
                }
                if due == Due::Save {
                    self.saved = Some((self.state.epoch.saturating_sub(1), self.state.step));
                }
                if self.guard.knows() && due != Due::Nothing {
                    self.rewinds = 0;
                }
                Ok(())
            }
            Err(error) => self.not_written(error),
        }
    }

    /// Whether a sample is written early on, before the first checkpoint of a training that nobody watches.
    fn is_early_sample(&self, epoch: u64) -> bool {
        self.commands.is_none() && FIRST_SAMPLES.contains(&epoch) && self.saved.is_none_or(|(epoch, _)| epoch == 0)
    }

    /// Publishes because somebody asked for it, whatever the disk is allowed.
    pub(super) fn publish_now(&mut self) -> Result<(), TrainError> {
        let bytes = self.publish()?;
        let now = self.now();
        self.schedule.done(Due::Keep, bytes, now);
        Ok(())
    }

    /// The same with a checkpoint.
    pub(super) fn save_now(&mut self) -> Result<(), TrainError> {
        let bytes = self.save(None)?;
        let now = self.now();
        self.schedule.done(Due::Save, bytes, now);
        Ok(())
    }

    /// What could not be written is told and tried again later; only an error that comes again each time ends a
    /// training that nobody drives.
    pub(super) fn not_written(&mut self, error: TrainError) -> Result<(), TrainError> {
        let now = self.now();
        let pause = self.schedule.failed(now);
        match error.may_pass() {
            true => self.warn(format!("{error}; the training goes on, and writes again in {pause:.0} s")),
            false if self.commands.is_some() => self.warn(error.to_string()),
            false => return Err(error),
        }
        Ok(())
    }

    /// Writes what the end has to write. A training that is done waits for a disk that takes it; one that was asked to
    /// end tries for some seconds.
    pub(super) fn write_last(&mut self, reason: Reason) -> Result<(), TrainError> {
        let open = self.saved.is_none_or(|(_, step)| step != self.state.step) && self.state.step > 0;
        if !open {
            return Ok(());
        }
        if self.guard.doubts() {
            self.warn("the last epochs were out of range and are not saved".into());
            return Ok(());
        }
        let mut until = (reason != Reason::Finished).then(|| self.now() + LAST_SECS);
        loop {
            // What was just published need not be again.
            let there = self.published == Some(self.state.step);
            let error = match if there { self.write_checkpoint(None) } else { self.save(None) } {
                Ok(_) => return Ok(()),
                Err(error) if !error.may_pass() => return Err(error),
                Err(error) => error,
            };
            let now = self.now();
            if until.is_some_and(|until| now >= until) {
                return Err(error);
            }
            let pause = self.schedule.failed(now);
            self.warn(format!("{error}; what was learnt is kept, and written again in {pause:.0} s"));
            while self.now() < now + pause && until.is_none_or(|until| self.now() < until) {
                std::thread::sleep(LOOK);
                if until.is_none() && self.is_asked_to_end() {
                    until = Some(self.now() + LAST_SECS);
                }
            }
        }
    }

    fn is_asked_to_end(&self) -> bool {
        let by_command = self.commands.is_some_and(|commands| commands.owner_gone() || commands.holds(&Command::Stop));
        by_command || self.stop.raised()
    }

    /// Writes a sheet of the first pictures that it learns from, for who drives it; what is away is not waited for.
    pub(super) fn write_data_sheet(&mut self) {
        let training = self.plan.folder.join("training");
        // Where a share is away no folder is made in its place.
        if self.commands.is_none() || self.check_folder().is_err() || !training.is_dir() {
            return;
        }
        let path = training.join(DATA_SHEET);
        let some: Vec<usize> = (0..self.data.len().min(SMALL_SIDE * SMALL_SIDE)).collect();
        let mut bytes = Vec::new();
        let drawn = match self.data.read(&some, &mut bytes) {
            Ok(()) => Picture::batch(bytes, self.data.size()),
            Err(_) => return,
        };
        let written = (|| {
            let content = sheet(&drawn, SMALL_SIDE).png(&path)?;
            disk::put(&path, &content).map_err(|error| TrainError::from(ModelError::from(error)))
        })();
        if let Err(error) = written {
            self.warn(error.to_string());
        }
    }

    /// Pictures of the first seeds, or before and after, which all sheets and samples are made of.
    fn draw(&self, count: usize) -> Vec<Picture> {
        if self.state.recipe.enlarge.is_some() {
            return self.state.enlarged_samples(&self.data, count, self.device);
        }
        sample_pictures(&Ready::new(&self.state.arch, self.state.shown(), false), count)
    }

    /// Writes everything that belongs to the folder now, and a numbered sample grid if asked for; gives the bytes.
    fn save(&mut self, numbered: Option<u64>) -> Result<u64, TrainError> {
        let drawn =
            self.draw((SHEET_SIDE * SHEET_SIDE).max(numbered.map_or(0, |_| self.plan.rows * self.plan.columns)));
        Ok(self.write_checkpoint(numbered.map(|epoch| (epoch, &drawn[..])))? + self.write_state(&drawn)?)
    }

    /// Writes the checkpoint, the losses, and a numbered sample grid of pictures if there is one.
    fn write_checkpoint(&mut self, sample: Option<(u64, &[Picture])>) -> Result<u64, TrainError> {
        self.check_weights()?;
        self.check_folder()?;
        let mut bytes = match sample {
            Some((epoch, drawn)) => self.write_sample(epoch, drawn)?,
            None => 0,
        };
        let training = self.plan.folder.join("training");
        let fingerprint = &self.plan.card.data_fingerprint;
        let kept = self.options.reading.kept();
        let (path, size) = checkpoint::write(&training, self.state, fingerprint, kept, self.history.seconds())?;
        bytes += size + self.history.write(&training)? + self.pictures.bytes();
        let given = self.pictures.plot(training, self.history.curve().clone());
        self.report_pictures(given);
        (self.on_event)(Event::Checkpoint { path: path.display().to_string(), step: self.state.step });
        Ok(bytes)
    }

    /// Says what became of the pictures that were given before.
    fn report_pictures(&mut self, given: std::io::Result<()>) {
        let failed = given.err().map(|e| format!("there is no thread for pictures: {e}"));
        if let Some(why) = failed.or_else(|| self.pictures.failure()) {
            self.warn(why);
        }
    }

    /// Writes a numbered sample grid now; gives its bytes.
    pub(super) fn sample(&mut self, epoch: u64) -> Result<u64, TrainError> {
        self.check_folder()?;
        let drawn = self.draw(self.plan.rows * self.plan.columns);
        self.write_sample(epoch, &drawn)
    }

    /// Where states are kept, old samples become sparser as they do.
    fn write_sample(&mut self, epoch: u64, drawn: &[Picture]) -> Result<u64, TrainError> {
        let training = self.plan.folder.join("training");
        let path_of = |epoch: u64| training.join(format!("sample_{epoch:06}.png"));
        let path = path_of(epoch);
        let content = sheet(&drawn[..self.plan.rows * self.plan.columns], self.plan.columns).png(&path)?;
        files::make_folder(&training).map_err(ModelError::from)?;
        disk::put(&path, &content).map_err(ModelError::from)?;
        if self.options.keep > 0 {
            let samples = published::numbers(&training, "sample_", ".png");
            for old in published::thinned(&samples, epoch, self.options.keep) {
                // What cannot be removed costs room and nothing else.
                let _ = std::fs::remove_file(path_of(old));
            }
        }
        let more = self.write_epoch_pictures(epoch)?;
        (self.on_event)(Event::Sample { path: path.display().to_string(), step: self.state.step });
        Ok(content.len() as u64 + more)
    }

    /// Writes the weights for others, and keeps them in the history if there is one; gives the bytes.
    fn publish(&mut self) -> Result<u64, TrainError> {
        let drawn = self.draw(SHEET_SIDE * SHEET_SIDE);
        self.write_state(&drawn)
    }

    fn write_state(&mut self, drawn: &[Picture]) -> Result<u64, TrainError> {
        self.check_weights()?;
        self.check_folder()?;
        let keeps = self.options.keep > 0 && !self.forked;
        let encoded = Encoded::new(&self.plan, self.state, keeps.then_some(drawn))?;
        self.state_bytes = encoded.len();
        let (bytes, kept) = match keeps {
            true => encoded.keep(&self.plan, self.state, self.options.keep)?,
            false => (encoded.publish(&self.plan, self.state)?, false),
        };
        self.published = Some(self.state.step);
        let large = sheet(&drawn[..SHEET_SIDE * SHEET_SIDE], SHEET_SIDE);
        let given = self.pictures.sheet(self.plan.folder.join("sheet.png"), large);
        self.report_pictures(given);
        let [state, _, sheet] = state_files(&self.plan.folder, self.state.step);
        let kept = kept.then_some([state, sheet]);
        self.report_published(&self.plan.folder.join(model::WEIGHTS), encoded.fingerprint(), kept);
        Ok(bytes)
    }

    /// Puts a state to be looked at into memory.
    fn show(&mut self) -> Result<u64, TrainError> {
        self.check_weights()?;
        let drawn = self.draw(SMALL_SIDE * SMALL_SIDE);
        let encoded = Encoded::new(&self.plan, self.state, Some(&drawn))?;
        let Some(memory) = self.memory.as_mut().filter(|_| MemoryFolder::takes(encoded.len())) else {
            self.memory = None;
            return Ok(0);
        };
        match memory.put(self.state.step, &encoded) {
            Ok([weights, sheet]) => {
                let (path, step) = (weights.display().to_string(), self.state.step);
                let (fingerprint, sheet) = (encoded.fingerprint(), Some(sheet.display().to_string()));
                (self.on_event)(Event::Published { path, step, fingerprint, state: None, sheet });
            }
            Err(error) => {
                self.memory = None;
                self.warn(format!("{error}; states are shown as often as they may be written"));
            }
        }
        Ok(0)
    }

    fn report_published(&mut self, weights: &Path, fingerprint: String, kept: Option<[PathBuf; 2]>) {
        let named = |path: &Path| path.display().to_string();
        (self.on_event)(Event::Published {
            path: named(weights),
            step: self.state.step,
            fingerprint,
            state: kept.as_ref().map(|[state, _]| named(state)),
            sheet: kept.as_ref().map(|[_, sheet]| named(sheet)),
        });
    }

    /// Nothing that others read may hold weights that are no numbers.
    fn check_weights(&self) -> Result<(), TrainError> {
        let most = if self.plan.half { f16::MAX.to_f32() } else { f32::MAX };
        match !self.options.guarded || self.state.is_finite(most) {
            true => Ok(()),
            false => Err(TrainError::NotFinite(self.state.epoch)),
        }
    }

    /// The folder must be the one that this training began in.
    fn check_folder(&mut self) -> Result<(), TrainError> {
        match &mut self.lock {
            Some(lock) => Ok(lock.check()?),
            None => Ok(()),
        }
    }
}

/// A number of bytes as people say it.
fn in_words(bytes: f64) -> String {
    match bytes {
        _ if bytes >= 1e9 => format!("{:.1} GB", bytes / 1e9),
        _ if bytes >= 1e6 => format!("{:.0} MB", bytes / 1e6),
        _ => format!("{:.0} kB", (bytes / 1e3).max(1.0)),
    }
}
