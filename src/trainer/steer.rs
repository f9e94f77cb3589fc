//! What a driven training does with its commands, always between two epochs.
//!
//! `trainer::commands` collects them, `trainer::run` has them run before every epoch. A command that cannot be done is
//! answered by a warning and changes nothing: training goes on with what it has.

use std::time::Duration;

use super::checkpoint;
use super::protocol::{Command, Event, Reason, Source};
use super::published::{self, Weights};
use super::redraw::Redraw;
use super::run::{TrainError, Training};
use super::settings::{SETTINGS, Settings};
use super::source::{self, Pictures, Reading};
use crate::dataset::store::Classes;
use crate::drawn;
use crate::model::{self, Card};
use crate::net::params::Params;

/// Longest wait of a paused training before it looks at signals.
const LOOK: Duration = Duration::from_millis(50);
/// A paused training lets commands gather, so that a flood is answered now and then and not each time.
const GATHER: Duration = Duration::from_millis(10);
/// Automatic rewinds in a row after which it counts as diverged.
const MOST_REWINDS: usize = 5;

impl Training<'_> {
    /// Runs the commands that wait, and waits while paused; says if there is a reason to end.
    pub(super) fn run_commands(&mut self) -> Option<Reason> {
        loop {
            if self.plan.epochs > 0 && self.state.epoch >= self.plan.epochs {
                return Some(Reason::Finished);
            }
            if self.stop.raised() {
                return Some(Reason::Asked);
            }
            let queue = self.commands?;
            // Asked first: what came before the end is still run.
            let owner_gone = queue.owner_gone();
            let pending = queue.take();
            for text in pending.errors {
                self.warn(text);
            }
            if pending.more_errors > 0 {
                self.warn(format!("and {} more lines that were not taken", pending.more_errors));
            }
            if self.run_each(pending.commands) {
                return Some(Reason::Asked);
            }
            if owner_gone {
                return Some(Reason::OwnerGone);
            }
            self.take_redrawn();
            if !self.paused {
                return None;
            }
            queue.wait(LOOK);
            std::thread::sleep(GATHER);
        }
    }

    /// Does one after the other; true if one of them is to stop.
    fn run_each(&mut self, commands: Vec<Command>) -> bool {
        let mut answer = false;
        for command in commands {
            let done = match command {
                Command::Stop => return true,
                Command::Run | Command::Pause => {
                    self.paused = command == Command::Pause;
                    answer = true;
                    Ok(())
                }
                Command::Set(settings) => {
                    self.warn_of_settings(&settings);
                    self.set(&settings);
                    answer = true;
                    Ok(())
                }
                Command::Publish if self.guard.doubts() => Err(TrainError::Doubtful),
                Command::Publish => self.publish_now(),
                // Within a pass it is one of that.
                Command::Sample if self.state.pass.place > 0 => self.sample(self.state.epoch).map(drop),
                Command::Sample => self.sample(self.state.epoch.saturating_sub(1)).map(drop),
                Command::Rewind { step } => self.rewind(step),
                Command::Data(source) => {
                    answer = true;
                    self.change_data(&source)
                }
                Command::Data2(source) => {
                    answer = true;
                    self.change_second(&source)
                }
                Command::Fork { model } => self.fork(&model),
            };
            if let Err(error) = done {
                self.warn(error.to_string());
            }
        }
        if answer {
            self.report_state();
        }
        false
    }

    /// Says what a recipe knows nothing of.
    fn warn_of_settings(&mut self, settings: &Settings) {
        let recipe = &self.state.recipe;
        if recipe.cross_entropy.is_none() && recipe.texture.is_none() && recipe.enlarge.is_none() {
            return;
        }
        for (given, what) in [
            (
                settings.critic_steps.is_some(),
                "critic_steps does nothing: a step of this recipe is one of each network",
            ),
            (settings.gradient_weight.is_some(), "gradient_weight does nothing: this recipe has no gradient penalty"),
        ] {
            if given {
                self.warn(what.into());
            }
        }
    }

    /// Changes what is given; each is in its range.
    pub fn set(&mut self, settings: &Settings) {
        for setting in SETTINGS {
            if let Some(value) = setting.get(settings) {
                setting.apply(self, value);
            }
        }
    }

    /// All settings as they are.
    fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        SETTINGS.iter().for_each(|setting| setting.put(&mut settings, setting.read(self)));
        settings
    }

    /// Another weight of the gradient penalty: the critic's loss has another range with it.
    pub(super) fn set_gradient_weight(&mut self, weight: f64) {
        self.state.recipe.grad_weight = weight;
        self.guard.reset();
    }

    /// Another share of the second dataset.
    pub(super) fn set_mix(&mut self, share: f64) {
        self.mix = share;
        if share > 0.0 && self.second.is_none() {
            self.warn("there is no second dataset to mix in yet; data2 gives one".into());
        }
    }

    /// Tells all settings.
    pub(super) fn report_state(&mut self) {
        let event = Event::State {
            paused: self.paused,
            step: self.state.step,
            settings: self.settings(),
            data: self.plan.card.data.clone(),
            data2: self.second.as_ref().map(|(_, name)| name.clone()),
        };
        (self.on_event)(event);
    }

    /// Other pictures; those of a drawing sketch come once they are drawn.
    fn change_data(&mut self, source: &Source) -> Result<(), TrainError> {
        if self.redraws(source, 0)? {
            return Ok(());
        }
        let pictures = self.open(source)?;
        self.set_data(pictures);
        Ok(())
    }

    fn change_second(&mut self, source: &Source) -> Result<(), TrainError> {
        if self.redraws(source, 1)? {
            return Ok(());
        }
        let pictures = self.open(source)?;
        self.set_second(pictures);
        Ok(())
    }

    fn set_data(&mut self, pictures: Pictures) {
        let card = &mut self.plan.card;
        (card.data, card.data_count, card.data_fingerprint) = (pictures.name, pictures.count, pictures.fingerprint);
        (self.named, self.data) = (pictures.data.bad().len(), pictures.data);
        self.guard.reset();
        self.watch.reset();
        self.write_data_sheet();
    }

    fn set_second(&mut self, pictures: Pictures) {
        self.second = Some((pictures.data, pictures.name));
        self.guard.reset();
    }

    /// Ends what was on its way for the data (0) or the second data (1), and begins to draw where `source` names a
    /// drawing sketch; gives whether it does.
    fn redraws(&mut self, source: &Source, which: usize) -> Result<bool, TrainError> {
        self.redraws[which] = None;
        if !source.path.as_deref().is_some_and(drawn::is_named_by) {
            return Ok(false);
        }
        let (arch, batch) = (&self.state.arch, self.state.recipe.batch_size);
        let begun = Redraw::start(source, arch, batch, self.reading());
        let begun = begun.map_err(|error| TrainError::Command(format!("no thread draws the pictures: {error}")))?;
        self.redraws[which] = Some(begun);
        Ok(true)
    }

    /// Takes pictures that were drawn meanwhile.
    fn take_redrawn(&mut self) {
        for which in [0, 1] {
            let Some((made, all)) = self.redraws[which].as_ref().and_then(Redraw::take) else { continue };
            if all {
                self.redraws[which] = None;
            }
            match made {
                Ok(pictures) if which == 0 => self.set_data(pictures),
                Ok(pictures) => self.set_second(pictures),
                Err(error) => self.warn(error.to_string()),
            }
            self.report_state();
        }
    }

    /// Opens pictures.
    fn open(&self, source: &Source) -> Result<Pictures, TrainError> {
        source::open(source, &self.state.arch, self.state.recipe.batch_size, &self.reading())
    }

    /// How pictures are read; where the judge sees classes, they have those of the network.
    fn reading(&self) -> Reading {
        let classes = match self.state.arch.planes() {
            0 => Classes::AsFound,
            _ => Classes::Of(self.plan.card.classes.clone()),
        };
        Reading { classes, ..self.options.reading.clone() }
    }

    /// Goes back to the state of a step: with its optimisers if the checkpoint is of that state, otherwise with
    /// fresh ones.
    fn rewind(&mut self, step: u64) -> Result<(), TrainError> {
        let (folder, device) = (&self.plan.folder, self.device);
        let kept = Weights::of_state(folder, step, &self.state.arch, device)?;
        // A checkpoint of the same step may be of another way that was left by a rewind.
        let same = |generator: &Params| kept.as_ref().is_none_or(|kept| kept.are_of(generator));
        let saved = checkpoint::read(&folder.join("training"), device).ok().map(|(saved, _)| saved);
        let fresh = match saved.filter(|saved| saved.step == step && same(&saved.generator)) {
            Some(saved) => {
                self.state.restore(saved);
                false
            }
            None => {
                let Some(kept) = kept else { return Err(TrainError::NoState(step, self.known_steps())) };
                self.state.go_to_step(step, kept.place, self.data.len());
                self.state.replace(kept.generator, kept.average, kept.critic, device);
                true
            }
        };
        self.history.cut(self.state.epoch);
        self.guard.reset();
        self.watch.reset();
        (self.saved, self.published, self.forked) = (None, None, false);
        if fresh {
            self.warn(format!("step {step} is not that of the checkpoint: it goes on with fresh optimisers"));
        }
        // With a checkpoint of it, so that a crash does not bring back what was left.
        let written = if fresh { self.save_now() } else { self.publish_now() };
        written.or_else(|error| self.not_written(error))
    }

    /// The steps that are kept, in words; of many the first and the last ones.
    fn known_steps(&self) -> String {
        let steps: Vec<String> = published::steps(&self.plan.folder).iter().map(u64::to_string).collect();
        match steps.len() {
            0 => "none".into(),
            1..=12 => steps.join(", "),
            many => format!("{}, …, {}", steps[..4].join(", "), steps[many - 8..].join(", ")),
        }
    }

    /// Goes on from the weights of another model; they are kept after an epoch of their own, so that the state
    /// that was left stays in the history.
    fn fork(&mut self, name: &str) -> Result<(), TrainError> {
        let folder = model::folder(name);
        let card = Card::read(&folder)?;
        if !card.arch.same_generator(&self.state.arch) {
            return Err(TrainError::OtherNetworks(name.to_owned()));
        }
        let mut weights = Weights::of_model(&folder, &card.arch, self.device)?;
        if !card.arch.same_critic(&self.state.arch) {
            weights.critic = None;
        }
        if weights.critic.is_none() {
            self.warn(format!("{name} has no critic of this kind; the one of this training goes on"));
        }
        weights.fork(self.state, self.device);
        self.guard.reset();
        (self.saved, self.published, self.forked) = (None, None, true);
        self.publish_now()
    }

    /// After a divergence: rewinds to the last good state, and one further back with each time in a row. False if
    /// there is none, or if that has not helped.
    pub(super) fn rewind_after_divergence(&mut self, epoch: u64, line: &str) -> bool {
        if self.rewinds >= MOST_REWINDS {
            return false;
        }
        let mut good = published::steps(&self.plan.folder);
        good.retain(|step| *step <= self.state.step);
        let from = good.len().saturating_sub(self.rewinds).max(1).min(good.len());
        for step in good[..from].iter().rev() {
            self.rewinds += 1;
            match self.rewind(*step) {
                Ok(()) => {
                    let text = "back to the last good state; lower the learning rates";
                    self.warn(format!("epoch {epoch}: diverged ({line}); {text}"));
                    return true;
                }
                Err(error) => self.warn(error.to_string()),
            }
        }
        false
    }
}
