//! What the desk, the addresses and whoever tests see of a training.

use std::collections::BTreeMap;

use super::Lesson;
use crate::clock::BAR;
use crate::show::view;
use crate::trainer::protocol::Step;
use crate::trainer::settings::Settings;

impl Lesson {
    /// Seconds of a glide to a new state, at `bpm` beats a minute.
    pub fn morph_secs(&self, bpm: f64) -> f64 {
        self.secs.unwrap_or(self.train.morph_bars * BAR * 60.0 / bpm)
    }

    /// What the desk shows of it; `mix` is the hand on the blend, `sources` who moved what last.
    pub fn view(&self, real: f64, bpm: f64, mix: f64, sources: &BTreeMap<String, String>) -> view::Lesson {
        let by = sources.iter().filter(|(path, _)| path.starts_with("/flaneur/train/"));
        view::Lesson {
            state: self.word(),
            step: self.step.as_ref().map_or(0, |step| step.step),
            shown: self.at(),
            share: self.share(real),
            mix,
            rate: self.settings.generator_rate.unwrap_or(0.0),
            data_mix: self.settings.mix.unwrap_or(0.0),
            data: self.data.clone(),
            second: self.second.clone(),
            ms: self.step.as_ref().map_or(0.0, |step| step.ms),
            rest: self.governor.rest(),
            rest_why: self.governor.pressed().map(|why| why.to_string()).unwrap_or_default(),
            cost_ms: self.governor.cost_ms(),
            losses: self.losses.iter().copied().collect(),
            steps: self.steps.clone(),
            sheet: self.sheet.clone(),
            real: self.real.as_ref().map(|(_, picture)| picture.clone()),
            critic: self.critic(),
            message: self.message.clone(),
            morph_secs: self.morph_secs(bpm),
            by: by.map(|(path, who)| (path.clone(), who.clone())).collect(),
        }
    }

    /// The last epoch.
    pub fn step(&self) -> Option<&Step> {
        self.step.as_ref()
    }

    /// Settings as the trainer told them last, and what was set since.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is learnt from, first and second.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// The second dataset.
    pub fn second(&self) -> &str {
        &self.second
    }

    /// The last thing worth knowing.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// States that have reached the picture.
    pub fn shown(&self) -> u64 {
        self.shown
    }

    /// States that were not let through.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}
