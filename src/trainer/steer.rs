//! What a driven training does with its commands, always between two epochs.
//!
//! `trainer::commands` collects them, `trainer::run` asks before every epoch. A command that cannot be done is
//! answered by a warning and changes nothing: training goes on with what it has.

use std::borrow::Cow;
use std::time::Duration;

use super::checkpoint;
use super::protocol::{Command, Event, Reason, Settings, Source};
use super::published::{self, Weights};
use super::run::{TrainError, Training};
use super::source;
use crate::model::{self, Card};
use crate::net::params::Params;

/// Longest wait of a paused training before it looks at signals.
const LOOK: Duration = Duration::from_millis(50);
/// A paused training lets commands gather, so that a flood is answered now and then and not each time.
const GATHER: Duration = Duration::from_millis(10);
/// Automatic rewinds in a row after which it counts as diverged.
const MOST_FALLS: usize = 5;

impl Training<'_> {
    /// Obeys what waits, and waits while paused; says if there is a reason to end.
    pub(super) fn listen(&mut self) -> Option<Reason> {
        loop {
            if self.state.epoch >= self.plan.epochs {
                return Some(Reason::Finished);
            }
            if self.stop.raised() {
                return Some(Reason::Asked);
            }
            let orders = self.orders?;
            // Asked first: what came before the end is still obeyed.
            let owner_gone = orders.owner_gone();
            let waiting = orders.take();
            for text in waiting.complaints {
                self.warn(text);
            }
            if waiting.more > 0 {
                self.warn(format!("and {} more lines that were not taken", waiting.more));
            }
            if self.obey(waiting.commands) {
                return Some(Reason::Asked);
            }
            if owner_gone {
                return Some(Reason::OwnerGone);
            }
            if !self.paused {
                return None;
            }
            orders.wait(LOOK);
            std::thread::sleep(GATHER);
        }
    }

    /// Does one after the other; true if one of them is to stop.
    fn obey(&mut self, commands: Vec<Command>) -> bool {
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
                    self.set(settings);
                    answer = true;
                    Ok(())
                }
                Command::Publish if self.guard.doubts() => Err(TrainError::Doubtful),
                Command::Publish => self.publish(),
                Command::Sample => self.sample(self.state.epoch.saturating_sub(1)),
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
            self.tell_state();
        }
        false
    }

    fn set(&mut self, settings: Settings) {
        let state = &mut *self.state;
        if let Some(rate) = settings.generator_rate {
            (state.arch.generator_learning_rate, state.generator_moments.rate) = (rate, rate);
        }
        if let Some(rate) = settings.critic_rate {
            (state.arch.critic_learning_rate, state.critic_moments.rate) = (rate, rate);
        }
        if let Some(batch) = settings.batch {
            state.arch.batch_size = batch;
        }
        if let Some(weight) = settings.gradient_weight {
            state.arch.grad_weight = weight;
            // The critic's loss has another range with it.
            self.guard.forget();
        }
        if let Some(ema) = settings.ema {
            match &mut state.average {
                Some((_, decay)) => *decay = ema,
                None => state.average = Some((state.generator.clone(), ema)),
            }
        }
        self.plan.critic_steps = settings.critic_steps.unwrap_or(self.plan.critic_steps);
        self.plan.print_every = settings.print_every.unwrap_or(self.plan.print_every);
        self.watched.publish_every = settings.publish_every.unwrap_or(self.watched.publish_every);
        self.rest = settings.rest.unwrap_or(self.rest);
        self.mix = settings.mix.unwrap_or(self.mix);
        if settings.mix.is_some_and(|mix| mix > 0.0) && self.second.is_none() {
            self.warn("there is no second dataset to mix in yet; data2 gives one".into());
        }
    }

    /// Tells all settings as they are.
    pub(super) fn tell_state(&mut self) {
        let arch = &self.state.arch;
        let settings = Settings {
            generator_rate: Some(arch.generator_learning_rate),
            critic_rate: Some(arch.critic_learning_rate),
            critic_steps: Some(self.plan.critic_steps),
            batch: Some(arch.batch_size),
            gradient_weight: Some(arch.grad_weight),
            ema: self.state.average.as_ref().map(|(_, decay)| *decay),
            print_every: Some(self.plan.print_every),
            publish_every: Some(self.watched.publish_every),
            rest: Some(self.rest),
            mix: Some(self.mix),
        };
        (self.tell)(Event::State {
            paused: self.paused,
            step: self.state.epoch,
            settings,
            data: self.plan.card.data.clone(),
            data2: self.second.as_ref().map(|(_, name)| name.clone()),
        });
    }

    fn change_data(&mut self, source: &Source) -> Result<(), TrainError> {
        let named = source::open(source, &self.state.arch, self.watched.fit)?;
        let card = &mut self.plan.card;
        (card.data, card.data_count, card.data_fingerprint) = (named.name, named.count, named.fingerprint);
        self.data = Cow::Owned(named.data);
        self.guard.forget();
        Ok(())
    }

    fn change_second(&mut self, source: &Source) -> Result<(), TrainError> {
        let named = source::open(source, &self.state.arch, self.watched.fit)?;
        self.second = Some((named.data, named.name));
        self.guard.forget();
        Ok(())
    }

    /// Goes back to the state of a step: with its optimisers if the checkpoint is of that state, otherwise with
    /// fresh ones.
    fn rewind(&mut self, step: u64) -> Result<(), TrainError> {
        let (folder, device) = (&self.plan.folder, self.device);
        let kept = Weights::of_state(folder, step, &self.state.arch, device)?;
        // A checkpoint of the same step may be of another way that was left by a rewind.
        let same = |generator: &Params| kept.as_ref().is_none_or(|kept| kept.are_of(generator));
        let saved = checkpoint::read(&folder.join("training"), device).ok().map(|(saved, _)| saved);
        let fresh = match saved.filter(|saved| saved.epoch == step && same(&saved.generator)) {
            Some(saved) => {
                self.state.go_back(saved);
                false
            }
            None => {
                let Some(kept) = kept else { return Err(TrainError::NoState(step, self.known_steps())) };
                self.state.replace(kept.generator, kept.average, kept.critic, device);
                self.state.epoch = step;
                true
            }
        };
        self.history.cut(step);
        self.guard.forget();
        (self.saved, self.forked) = (None, false);
        if fresh {
            self.warn(format!("step {step} is not that of the checkpoint: it goes on with fresh optimisers"));
        }
        // With a checkpoint of it, so that a crash does not bring back what was left.
        let written = if fresh { self.save(None) } else { self.publish() };
        self.forgive(written)
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
        if !card.arch.same_networks(&self.state.arch) {
            return Err(TrainError::OtherNetworks(name.to_owned()));
        }
        let weights = Weights::of_model(&folder, &self.state.arch, self.device)?;
        if weights.critic.is_none() {
            self.warn(format!("{name} has no critic; the one of this training goes on"));
        }
        weights.fork(self.state, self.device);
        self.guard.forget();
        (self.saved, self.forked) = (None, true);
        self.publish()
    }

    /// After a divergence: rewinds to the last good state, and one further back with each time in a row. False if
    /// there is none, or if that has not helped.
    pub(super) fn fall_back(&mut self, epoch: u64, line: &str) -> bool {
        if self.falls >= MOST_FALLS {
            return false;
        }
        let mut good = published::steps(&self.plan.folder);
        good.retain(|step| *step <= epoch);
        let from = good.len().saturating_sub(self.falls).max(1).min(good.len());
        for step in good[..from].iter().rev() {
            self.falls += 1;
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
