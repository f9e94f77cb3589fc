//! A whole training: model folder in, epochs, samples, checkpoints, model folder out.
//!
//! Called by `cli::train`. Stops cleanly between two epochs; what it wrote last is always whole.
//! [`train`] runs by itself; a [`Training`] with `orders` is driven (`trainer::steer`), and then what fails to be
//! written is told and tried again instead of ending it.

use std::borrow::Cow;
use std::path::PathBuf;

use burn::tensor::Device;
use half::f16;

use super::checkpoint;
use super::commands::{Orders, Pace};
use super::guard::{Guard, Verdict};
use super::history::{History, HistoryError};
use super::protocol::{Event, Reason, Step};
use super::published::{self, samples, state_files};
use super::step::{Data, Losses, Mixture, State};
use crate::dataset::DatasetError;
use crate::dataset::read::Fit;
use crate::model::{self, Card, ModelError};
use crate::net::generator::Ready;
use crate::picture::PictureError;
use crate::report::Stop;

/// How long and how often, and what the card says.
#[derive(Clone, Debug)]
pub struct Plan {
    pub folder: PathBuf,
    /// Epochs in all, those of earlier sittings included.
    pub epochs: u64,
    pub critic_steps: u32,
    pub print_every: u64,
    pub rows: usize,
    pub columns: usize,
    /// Weights on disk in half precision.
    pub half: bool,
    /// The card with everything but `step` filled in.
    pub card: Card,
}

/// What a training that others follow does besides; nothing of it by default.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Epochs between two publications besides those of `print_every`; 0 is none.
    pub publish_every: u64,
    /// States that stay in the history; 0 is no history.
    pub keep: usize,
    /// Doubts losses that are out of their range, and weights that cannot be written.
    pub guarded: bool,
    /// Goes back to the last good state where it would end as diverged.
    pub rewinds: bool,
    /// How pictures of another size are fitted, in data that comes later.
    pub fit: Fit,
}

/// Why a training ended before its last epoch by an error, or did not do what a command wants.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(
        "epoch {epoch}: a loss is not a finite number any more ({line}); {kept}; \
         lower the learning rates and go on with --resume"
    )]
    Diverged { epoch: u64, line: String, kept: String },
    #[error(
        "epoch {epoch}: the losses left the range they had for long ({line}); {kept}; \
         lower the learning rates and go on with --resume"
    )]
    OutOfRange { epoch: u64, line: String, kept: String },
    #[error("a weight is too large or no number after {0} epochs; nothing was written")]
    Unsound(u64),
    #[error("the losses are out of their range; nothing is published until they are back")]
    Doubtful,
    #[error("no state of step {0} is kept; there are: {1}")]
    NoState(u64, String),
    #[error("{0} has other networks than this training; only weights of the same architecture can be gone on from")]
    OtherNetworks(String),
    #[error("{0}")]
    Order(String),
    #[error(transparent)]
    Data(#[from] DatasetError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// Trains until `plan.epochs` or the wish to stop, telling `each` of every epoch. Returns how many
/// epochs this call did.
pub fn train(
    plan: &Plan,
    state: &mut State,
    history: &mut History,
    data: &Data,
    device: &Device,
    stop: &Stop,
    each: &mut dyn FnMut(&Losses),
) -> Result<u64, TrainError> {
    let mut training = Training::new(plan, state, history, data, device, stop);
    training.each = Box::new(each);
    training.run()?;
    Ok(training.done)
}

/// A training at work.
pub struct Training<'a> {
    pub plan: Plan,
    pub watched: Watched,
    /// The hand that drives it, if there is one.
    pub orders: Option<&'a Orders>,
    /// Is told of every epoch.
    pub each: Box<dyn FnMut(&Losses) + 'a>,
    /// Is told of all that happens.
    pub tell: Box<dyn FnMut(Event) + 'a>,
    pub(super) state: &'a mut State,
    pub(super) history: &'a mut History,
    pub(super) data: Cow<'a, Data>,
    pub(super) device: &'a Device,
    pub(super) stop: &'a Stop,
    /// The second dataset, its name, and its share.
    pub(super) second: Option<(Data, String)>,
    pub(super) mix: f64,
    pub(super) rest: f64,
    pub(super) paused: bool,
    pub(super) guard: Guard,
    /// Weights that came from elsewhere wait for an epoch of their own to be kept.
    pub(super) forked: bool,
    /// Automatic rewinds since the losses last had a range.
    pub(super) falls: usize,
    /// Index of the epoch after which everything was written last.
    pub(super) saved: Option<u64>,
    /// Real pictures seen.
    images: u64,
    /// Epochs done in this sitting.
    pub done: u64,
}

impl<'a> Training<'a> {
    /// One that runs by itself and tells nobody.
    pub fn new(
        plan: &Plan,
        state: &'a mut State,
        history: &'a mut History,
        data: &'a Data,
        device: &'a Device,
        stop: &'a Stop,
    ) -> Self {
        Self {
            plan: plan.clone(),
            watched: Watched::default(),
            orders: None,
            each: Box::new(|_| ()),
            tell: Box::new(|_| ()),
            images: state.batches * state.arch.batch_size as u64,
            state,
            history,
            data: Cow::Borrowed(data),
            device,
            stop,
            second: None,
            mix: 0.0,
            rest: 0.0,
            paused: false,
            guard: Guard::default(),
            forked: false,
            falls: 0,
            saved: None,
            done: 0,
        }
    }

    /// Epochs done, those of earlier sittings included.
    pub fn step(&self) -> u64 {
        self.state.epoch
    }

    /// Trains to the end; says why it came.
    pub fn run(&mut self) -> Result<Reason, TrainError> {
        self.begin()?;
        let reason = loop {
            if let Some(reason) = self.listen() {
                break reason;
            }
            let epoch = self.state.epoch;
            let (losses, pace) = self.epoch();
            match self.judge(&losses) {
                Verdict::Fine => {}
                Verdict::Odd => self.warn(format!("epoch {epoch}: {}; {}", TrainError::Doubtful, losses.line())),
                Verdict::Diverged => {
                    self.diverged(&losses)?;
                    continue;
                }
            }
            let [worked, rested] = pace;
            self.history.push(losses, worked);
            self.done += 1;
            (self.each)(&losses);
            self.tell_of(&losses, worked, rested);
            if !self.guard.doubts() {
                let written = self.write(epoch);
                self.forgive(written)?;
            }
        };
        let open = self.saved.is_none_or(|epoch| epoch + 1 != self.state.epoch) && self.state.epoch > 0;
        if open && self.guard.doubts() {
            self.warn("the last epochs were out of range and are not saved".into());
        } else if open {
            self.save(None)?;
        }
        Ok(reason)
    }

    /// One epoch; gives its losses, and seconds at work and at rest.
    fn epoch(&mut self) -> (Losses, [f64; 2]) {
        // Every hundredth epoch takes five critic updates, whatever was asked for.
        let steps = if self.state.epoch.is_multiple_of(100) { 5 } else { self.plan.critic_steps };
        let second = self.second.as_ref().map(|(data, _)| (data, self.mix));
        let data = Mixture { first: &self.data, second };
        let mut pace = Pace::new(self.orders, self.stop, self.rest);
        let losses = self.state.epoch_of(data, steps, self.device, &mut |state| {
            // A hand on a rate is heard before the epoch has ended.
            if let Some([generator, critic]) = self.orders.map(Orders::rates) {
                state.generator_moments.rate = generator.unwrap_or(state.generator_moments.rate);
                state.critic_moments.rate = critic.unwrap_or(state.critic_moments.rate);
            }
            pace.rest()
        });
        self.images += u64::from(losses.critic_steps) * self.state.arch.batch_size as u64;
        (losses, [pace.worked.as_secs_f64(), pace.rested.as_secs_f64()])
    }

    fn judge(&mut self, losses: &Losses) -> Verdict {
        match losses.finite() {
            false => Verdict::Diverged,
            true if self.watched.guarded => self.guard.judge(losses),
            true => Verdict::Fine,
        }
    }

    fn tell_of(&mut self, losses: &Losses, worked: f64, rested: f64) {
        let Losses { epoch, critic_steps, total, real, fake, penalty, generator } = *losses;
        let (step, images, ms) = (self.state.epoch, self.images, (worked * 1e4).round() / 10.0);
        let resting = (rested / (worked + rested).max(1e-9) * 1e3).round() / 1e3;
        let step = Step { step, epoch, critic_steps, total, real, fake, penalty, generator, ms, images, resting };
        (self.tell)(Event::Step(step));
    }

    /// Before the first epoch: whoever follows finds the state that it begins with.
    fn begin(&mut self) -> Result<(), TrainError> {
        if self.watched.keep > 0 {
            match checkpoint::exists(&self.plan.folder.join("training")) {
                true => self.publish()?,
                false => self.save(None)?,
            }
        }
        if self.orders.is_some() {
            self.tell_state();
        }
        Ok(())
    }

    /// What is due after an epoch.
    fn write(&mut self, epoch: u64) -> Result<(), TrainError> {
        let publish_every = self.watched.publish_every;
        let forked = std::mem::take(&mut self.forked);
        if epoch.is_multiple_of(self.plan.print_every) {
            self.save(Some(epoch))?;
            self.saved = Some(epoch);
        } else if forked || (publish_every > 0 && epoch.is_multiple_of(publish_every)) {
            self.publish()?;
        } else {
            return Ok(());
        }
        if self.guard.knows() {
            self.falls = 0;
        }
        Ok(())
    }

    /// A driven training tells what could not be written and goes on: the disk may be emptied.
    pub(super) fn forgive(&mut self, written: Result<(), TrainError>) -> Result<(), TrainError> {
        match written {
            Err(error) if self.orders.is_some() => {
                self.warn(error.to_string());
                Ok(())
            }
            other => other,
        }
    }

    /// Writes everything that belongs to the folder now, and a numbered sample grid if asked for.
    pub(super) fn save(&mut self, numbered: Option<u64>) -> Result<(), TrainError> {
        self.sound()?;
        if let Some(epoch) = numbered {
            self.sample(epoch)?;
        }
        let training = self.plan.folder.join("training");
        let path = checkpoint::write(&training, self.state, &self.plan.card.data_fingerprint, self.history.seconds())?;
        self.history.write(&training)?;
        (self.tell)(Event::Checkpoint { path: path.display().to_string(), step: self.state.epoch });
        self.publish()
    }

    /// Writes a numbered sample grid.
    pub(super) fn sample(&mut self, epoch: u64) -> Result<(), TrainError> {
        let shown = Ready::new(&self.state.arch, self.state.shown(), false);
        let path = self.plan.folder.join(format!("training/sample_{epoch:06}.png"));
        samples(&shown, self.plan.rows * self.plan.columns, self.plan.columns).write_png(&path)?;
        (self.tell)(Event::Sample { path: path.display().to_string(), step: self.state.epoch });
        Ok(())
    }

    /// Writes the weights for others, and keeps them in the history if there is one.
    pub(super) fn publish(&mut self) -> Result<(), TrainError> {
        self.sound()?;
        let kept = self.watched.keep > 0 && !self.forked;
        if kept {
            published::keep(&self.plan, self.state, self.watched.keep)?;
        }
        let fingerprint = published::publish(&self.plan, self.state)?;
        let named = |path: &PathBuf| path.display().to_string();
        let (folder, step) = (&self.plan.folder, self.state.epoch);
        let [state, _, sheet] = state_files(folder, step);
        (self.tell)(Event::Published {
            path: named(&folder.join(model::WEIGHTS)),
            step,
            fingerprint,
            state: kept.then(|| named(&state)),
            sheet: kept.then(|| named(&sheet)),
        });
        Ok(())
    }

    /// Nothing that others read may hold weights that are no numbers.
    fn sound(&self) -> Result<(), TrainError> {
        let most = if self.plan.half { f16::MAX.to_f32() } else { f32::MAX };
        match !self.watched.guarded || self.state.sound(most) {
            true => Ok(()),
            false => Err(TrainError::Unsound(self.state.epoch)),
        }
    }

    /// Goes back if that is wanted and possible; otherwise it is the end.
    fn diverged(&mut self, losses: &Losses) -> Result<(), TrainError> {
        let (epoch, line) = (losses.epoch, losses.line());
        if self.watched.rewinds && self.fall_back(epoch, &line) {
            return Ok(());
        }
        let kept = match self.saved {
            Some(epoch) => format!("the weights after epoch {epoch} are on disk"),
            None if self.watched.keep > 0 => "the weights that were published last are on disk".into(),
            None if self.done == 0 && epoch > 0 => "the weights it was resumed from are on disk".into(),
            None => "nothing had been saved yet".into(),
        };
        Err(match losses.finite() {
            false => TrainError::Diverged { epoch, line, kept },
            true => TrainError::OutOfRange { epoch, line, kept },
        })
    }

    pub(super) fn warn(&mut self, text: String) {
        (self.tell)(Event::Warning { text });
    }
}

/// Whether the folder holds a model already.
pub fn exists(folder: &std::path::Path) -> bool {
    folder.join("model.toml").exists()
        || checkpoint::exists(&folder.join("training"))
        || folder.join("weights.safetensors").exists()
}
