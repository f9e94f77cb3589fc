//! A whole training: model folder in, epochs, samples, checkpoints, model folder out.
//!
//! Called by `cli::train`. Stops cleanly between two epochs; what it wrote last is always whole.
//! [`train`] runs by itself; a [`Training`] with `commands` is driven (`trainer::steer`). What it writes, and what
//! happens where that fails, is `trainer::saving`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use burn::tensor::Device;

use super::batches::{Between, Mixture};
use super::checkpoint;
use super::commands::{CommandQueue, Throttle};
use super::disk;
use super::diversity::{self, Watch};
use super::guard::{Guard, Verdict};
use super::history::{History, HistoryError};
use super::lock::{LockError, ModelLock};
use super::losses::Losses;
use super::memory::MemoryFolder;
use super::picture_writer::PictureWriter;
use super::protocol::{Event, Reason, Step};
use super::published::seeds;
use super::redraw::Redraw;
use super::schedule::{self, Schedule};
use super::source::Reading;
use super::step::{State, Turn};
use crate::dataset::DatasetError;
use crate::dataset::store::Store;
use crate::model::{Card, ModelError};
use crate::net::draw::Ready;
use crate::net::recipe::Epoch;
use crate::picture::PictureError;
use crate::report::Stop;

/// Between two looks at signals and commands while it waits for pictures.
const LOOK: Duration = Duration::from_millis(50);

/// How long and how often, and what the card says.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The model folder.
    pub folder: PathBuf,
    /// Epochs in all, those of earlier sittings included; 0 is no end.
    pub epochs: u64,
    /// Critic updates in an epoch.
    pub critic_steps: u32,
    /// Epochs between two checkpoints with a sample.
    pub print_every: u64,
    /// Rows of a sample grid.
    pub rows: usize,
    /// Columns of a sample grid.
    pub columns: usize,
    /// Weights on disk in half precision.
    pub half: bool,
    /// The card with everything but `step` filled in.
    pub card: Card,
}

/// What a training that others follow does besides; nothing of it by default.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Epochs between two publications besides those of `print_every`; 0 is none.
    pub publish_every: u64,
    /// Seconds between two publications at least, but for those of `print_every`.
    pub publish_secs: f64,
    /// Gigabytes that may be written in a day; 0 is no limit.
    pub disk_gb_per_day: f64,
    /// States that stay in the history; 0 is no history.
    pub keep: usize,
    /// Doubts losses that are out of their range, and weights that cannot be written.
    pub guarded: bool,
    /// Goes back to the last good state where it would end as diverged.
    pub rewinds: bool,
    /// How pictures are read, in data that comes later.
    pub reading: Reading,
}

/// Why a training ended before its last epoch by an error, or did not do what a command wants.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A loss is no number.
    #[error(
        "epoch {epoch}: a loss is not a finite number any more ({line}); {kept}; \
         lower the learning rates and go on with --resume"
    )]
    Diverged {
        /// The epoch.
        epoch: u64,
        /// Its losses.
        line: String,
        /// What is on disk.
        kept: String,
    },
    /// The losses left their range.
    #[error(
        "epoch {epoch}: the losses left the range they had for long ({line}); {kept}; \
         lower the learning rates and go on with --resume"
    )]
    OutOfRange {
        /// The epoch.
        epoch: u64,
        /// Its losses.
        line: String,
        /// What is on disk.
        kept: String,
    },
    /// A weight is no number.
    #[error("a weight is too large or no number after {0} epochs; nothing was written")]
    NotFinite(u64),
    /// The losses are out of range just now.
    #[error("the losses are out of their range; nothing is published until they are back")]
    Doubtful,
    /// There is no such state to go back to.
    #[error("no state of step {0} is kept; there are: {1}")]
    NoState(u64, String),
    /// Weights of other networks.
    #[error("{0} has other networks than this training; only weights of the same architecture can be gone on from")]
    OtherNetworks(String),
    /// A command that cannot be done.
    #[error("{0}")]
    Command(String),
    /// The model folder is not to be written.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Pictures that cannot be learnt from.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// A model that cannot be read or written.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A picture that cannot be written.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The losses that cannot be read or written.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl TrainError {
    /// Whether the cause may pass by itself: a disk, a share, data that are away, a folder that another training has.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Model(ModelError::File(error))
            | Self::Picture(PictureError::File(error))
            | Self::History(HistoryError::File(error) | HistoryError::Picture(PictureError::File(error)))
            | Self::Lock(LockError::File(error)) => disk::may_pass(error),
            Self::Lock(_) | Self::Data(_) => true,
            _ => false,
        }
    }
}

/// Trains until `plan.epochs` or the request to stop, telling `each` of every epoch. Returns how many
/// epochs this call did.
///
/// # Errors
/// If the losses diverge, or the folder cannot be written at the end.
pub fn train(
    plan: &Plan,
    state: &mut State,
    history: &mut History,
    data: &Store,
    device: &Device,
    stop: &Stop,
    each: &mut dyn FnMut(&Losses),
) -> Result<u64, TrainError> {
    let mut training = Training::new(plan, state, history, data, device, stop);
    training.on_epoch = Box::new(|losses, _| each(losses));
    training.run()?;
    Ok(training.done)
}

/// Hears of an epoch and its seconds.
pub type OnEpoch<'a> = Box<dyn FnMut(&Losses, f64) + 'a>;

/// A training at work.
pub struct Training<'a> {
    /// How long and how often, and what the card says.
    pub plan: Plan,
    /// What it does besides.
    pub options: Options,
    /// The commands that drive it, if it is driven.
    pub commands: Option<&'a CommandQueue>,
    /// Is told of every epoch, and of its seconds.
    pub on_epoch: OnEpoch<'a>,
    /// Is told of all that happens.
    pub on_event: Box<dyn FnMut(Event) + 'a>,
    /// That the folder is this training's alone, where that was asked for.
    pub lock: Option<ModelLock>,
    /// Where states go that are only looked at.
    pub memory: Option<MemoryFolder>,
    pub(super) state: &'a mut State,
    pub(super) history: &'a mut History,
    pub(super) data: Store,
    /// Files of the data that could not be read and were named.
    pub(super) named: usize,
    pub(super) device: &'a Device,
    pub(super) stop: &'a Stop,
    /// The second dataset, its name, and its share.
    pub(super) second: Option<(Store, String)>,
    pub(super) mix: f64,
    /// Pictures of drawing sketches that are on their way, for the data and the second data.
    pub(super) redraws: [Option<Redraw>; 2],
    pub(super) rest: f64,
    pub(super) paused: bool,
    pub(super) guard: Guard,
    /// Weights that came from elsewhere wait for an epoch of their own to be kept.
    pub(super) forked: bool,
    /// Automatic rewinds since the losses last had a range.
    pub(super) rewinds: usize,
    /// Index of the epoch after which everything was written last, and the steps of that state.
    pub(super) saved: Option<(u64, u64)>,
    /// Steps of the state that was published last.
    pub(super) published: Option<u64>,
    /// Whether pictures have become alike.
    pub(super) watch: Watch,
    pub(super) schedule: Schedule,
    pub(super) pictures: PictureWriter,
    pub(super) begun: Instant,
    /// Bytes of a state, once one was published.
    pub(super) state_bytes: u64,
    /// What it takes of the disk was said.
    pub(super) disk_reported: bool,
    /// Real pictures seen.
    images: u64,
    /// Seconds of the epoch at hand before this turn.
    unlogged: f64,
    /// Epochs done in this sitting.
    pub done: u64,
}

impl<'a> Training<'a> {
    /// One that runs by itself and tells nobody.
    pub fn new(
        plan: &Plan,
        state: &'a mut State,
        history: &'a mut History,
        data: &Store,
        device: &'a Device,
        stop: &'a Stop,
    ) -> Self {
        Self {
            plan: plan.clone(),
            options: Options::default(),
            commands: None,
            on_epoch: Box::new(|_, _| ()),
            on_event: Box::new(|_| ()),
            lock: None,
            memory: None,
            images: state.batches * state.recipe.batch_size as u64,
            state,
            history,
            named: data.bad().len(),
            data: data.clone(),
            device,
            stop,
            second: None,
            mix: 0.0,
            redraws: [None, None],
            rest: 0.0,
            paused: false,
            guard: Guard::default(),
            forked: false,
            rewinds: 0,
            saved: None,
            published: None,
            watch: Watch::default(),
            schedule: Schedule::default(),
            pictures: PictureWriter::default(),
            begun: Instant::now(),
            state_bytes: 0,
            disk_reported: false,
            unlogged: 0.0,
            done: 0,
        }
    }

    /// Generator updates done, those of earlier sittings included.
    pub fn step(&self) -> u64 {
        self.state.step
    }

    /// Epochs done, likewise.
    pub fn epochs(&self) -> u64 {
        self.state.epoch
    }

    /// Trains to the end; says why it came.
    ///
    /// # Errors
    /// If the losses diverge, or the folder cannot be written at the beginning or at the end.
    pub fn run(&mut self) -> Result<Reason, TrainError> {
        self.write_first()?;
        if self.commands.is_some() {
            self.report_state();
        }
        let reason = loop {
            if let Some(reason) = self.run_commands() {
                break reason;
            }
            let epoch = self.state.epoch;
            let (Turn { losses, ended }, [worked, rested]) = match self.turn() {
                Ok(turn) => turn,
                // Somebody wants something meanwhile.
                Err(error) if self.is_wanted() => {
                    self.warn(error.to_string());
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match self.check(&losses) {
                Verdict::InRange => {}
                Verdict::Outlier => {
                    self.warn(format!("epoch {epoch}: {}; {}", TrainError::Doubtful, losses.in_words()));
                }
                Verdict::Diverged => {
                    self.diverged(&losses)?;
                    continue;
                }
            }
            match ended {
                Some(losses) => self.epoch_done(losses, self.unlogged + worked, rested),
                None => {
                    // The seconds of a pass that goes on in another sitting are in its checkpoint.
                    self.state.pass.seconds += worked;
                    if self.commands.is_some() {
                        self.report_losses(&losses, worked, rested);
                    }
                }
            }
            if !self.guard.doubts() {
                self.write_due(ended.map(|losses| losses.epoch))?;
            }
        };
        self.write_last(reason)?;
        Ok(reason)
    }

    /// An epoch has ended.
    fn epoch_done(&mut self, mut losses: Losses, worked: f64, rested: f64) {
        losses.diversity = self.look_at_diversity(losses.epoch);
        self.history.push(losses, worked);
        self.done += 1;
        (self.on_epoch)(&losses, worked);
        self.report_losses(&losses, worked, rested);
    }

    /// How different pictures are, where that is measured after this epoch.
    fn look_at_diversity(&mut self, epoch: u64) -> Option<f32> {
        if self.state.recipe.enlarge.is_some() {
            return None;
        }
        let pass = self.state.recipe.cross_entropy.as_ref().is_some_and(|own| own.epoch == Epoch::Pass);
        if !pass && !epoch.is_multiple_of(self.plan.print_every.max(1)) {
            return None;
        }
        // Of the data, pictures from all over it.
        let each = self.data.each();
        let of_data = match self.watch.data() {
            Some(known) => known,
            None => {
                let apart = (self.data.len() / diversity::DATA).max(1);
                let some: Vec<usize> = (0..self.data.len()).step_by(apart).take(diversity::DATA).collect();
                let mut bytes = Vec::new();
                self.data.read(&some, &mut bytes).ok()?;
                self.watch.set_data(diversity::diversity(&bytes, each))
            }
        };
        let ready = Ready::new(&self.state.arch, self.state.shown(), false);
        let found = diversity::diversity(&ready.bytes(&seeds(&self.state.arch, diversity::COUNT)), each);
        if let Some(text) = self.watch.look(found, of_data) {
            self.warn(format!("epoch {epoch}: {text}"));
        }
        Some(found)
    }

    /// Whether a signal, a command or the end of the commands waits to be seen.
    fn is_wanted(&self) -> bool {
        self.stop.raised() || self.commands.is_some_and(CommandQueue::is_urgent)
    }

    /// One epoch, or one step of an epoch of many; gives its losses, and seconds at work and at rest. Where the pictures
    /// are away it waits for them, until somebody wants something.
    fn turn(&mut self) -> Result<(Turn, [f64; 2]), DatasetError> {
        // Every hundredth epoch takes five critic updates, whatever was asked for.
        let steps = if self.state.epoch.is_multiple_of(100) { 5 } else { self.plan.critic_steps };
        let second = self.second.as_ref().map(|(data, _)| (data, self.mix));
        let data = Mixture { first: &self.data, second };
        let mut throttle = Throttle::new(self.commands, self.stop, self.rest);
        self.unlogged = self.state.pass.seconds;
        let (commands, stop, on_event) = (self.commands, self.stop, &mut self.on_event);
        let wanted = || stop.raised() || commands.is_some_and(CommandQueue::is_urgent);
        let mut failures = 0;
        let mut lost = |error: &DatasetError| {
            let pause = schedule::pause(failures);
            failures += 1;
            let text = format!("{error}; the training waits, and reads again in {pause:.0} s");
            on_event(Event::Warning { text });
            let begun = Instant::now();
            while begun.elapsed().as_secs_f64() < pause && !wanted() {
                std::thread::sleep(LOOK);
            }
            !wanted()
        };
        let mut updates = |state: &mut State| {
            // A hand on a rate is heard before the epoch has ended.
            if let Some([generator, critic]) = commands.map(CommandQueue::rates) {
                state.generator_moments.rate = generator.unwrap_or(state.generator_moments.rate);
                state.critic_moments.rate = critic.unwrap_or(state.critic_moments.rate);
            }
            throttle.rest()
        };
        let mut between = Between { updates: &mut updates, lost: &mut lost };
        let turn = self.state.turn(data, steps, self.device, &mut between)?;
        for bad in self.data.bad_after(self.named) {
            self.named += 1;
            self.warn(format!("skipped {}: {}; another picture takes its place", bad.name, bad.why));
        }
        // A batch of real pictures for each update of the critic, whether it was skipped or not.
        self.images = self.state.batches * self.state.recipe.batch_size as u64;
        Ok((turn, [throttle.worked.as_secs_f64(), throttle.rested.as_secs_f64()]))
    }

    fn check(&mut self, losses: &Losses) -> Verdict {
        match losses.finite() {
            false => Verdict::Diverged,
            true if self.options.guarded => self.guard.check(losses),
            true => Verdict::InRange,
        }
    }

    fn report_losses(&mut self, losses: &Losses, worked: f64, rested: f64) {
        let (step, images, ms) = (self.state.step, self.images, (worked * 1e4).round() / 10.0);
        let resting = (rested / (worked + rested).max(1e-9) * 1e3).round() / 1e3;
        (self.on_event)(Event::Step(Step { step, losses: *losses, ms, images, resting }));
    }

    /// Goes back if that is wanted and possible; otherwise it is the end.
    fn diverged(&mut self, losses: &Losses) -> Result<(), TrainError> {
        let (epoch, line) = (losses.epoch, losses.in_words());
        if self.options.rewinds && self.rewind_after_divergence(epoch, &line) {
            return Ok(());
        }
        let kept = match self.saved {
            Some((epoch, _)) => format!("the weights after epoch {epoch} are on disk"),
            None if self.options.keep > 0 => "the weights that were published last are on disk".into(),
            None if self.done == 0 && epoch > 0 => "the weights it was resumed from are on disk".into(),
            None => "nothing had been saved yet".into(),
        };
        Err(match losses.finite() {
            false => TrainError::Diverged { epoch, line, kept },
            true => TrainError::OutOfRange { epoch, line, kept },
        })
    }

    pub(super) fn warn(&mut self, text: String) {
        (self.on_event)(Event::Warning { text });
    }
}

/// Whether the folder holds a model already.
pub fn exists(folder: &std::path::Path) -> bool {
    folder.join("model.toml").exists()
        || checkpoint::exists(&folder.join("training"))
        || folder.join("weights.safetensors").exists()
}
