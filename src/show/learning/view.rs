//! What the desk, the addresses and whoever tests see of a training.

use super::super::Show;
use crate::clock::BAR;
use crate::control::Dial;
use crate::net::arch::Arch;
use crate::show::view::Lesson;

impl Show {
    /// Seconds of a glide to a new state.
    pub(in crate::show) fn morph_secs(&self) -> f64 {
        self.learning.secs.unwrap_or(self.preset.train.morph_bars * BAR * 60.0 / self.clock.bpm())
    }

    /// What the desk shows of it.
    pub(in crate::show) fn lesson(&self) -> Lesson {
        let learning = &self.learning;
        let inside = self.host.language.env.lock();
        let mix = inside.controls.dial_goal(Dial::Learnt);
        drop(inside);
        let by = self.hands.sources.iter().filter(|(path, _)| path.starts_with("/flaneur/train/"));
        Lesson {
            state: learning.word(),
            step: learning.step.as_ref().map_or(0, |step| step.step),
            shown: learning.at(),
            share: learning.share(self.real),
            mix,
            rate: learning.settings.generator_rate.unwrap_or(0.0),
            data_mix: learning.settings.mix.unwrap_or(0.0),
            data: learning.data.clone(),
            second: learning.second.clone(),
            ms: learning.step.as_ref().map_or(0.0, |step| step.ms),
            rest: learning.governor.rest(),
            cost_ms: learning.governor.cost_ms(),
            losses: learning.losses.iter().copied().collect(),
            steps: learning.steps.clone(),
            sheet: learning.sheet.clone(),
            critic: self.learning.eye.score(),
            message: learning.message.clone(),
            morph_secs: self.morph_secs(),
            by: by.map(|(path, who)| (path.clone(), who.clone())).collect(),
        }
    }

    /// The trainer's process, while there is one: for whoever tests what happens when it is killed.
    pub fn trainer_pid(&self) -> Option<u32> {
        self.learning.pid()
    }

    /// States of a training that have reached the picture, and those that were not let through.
    pub fn learnt(&self) -> [u64; 2] {
        [self.learning.shown, self.learning.refused]
    }

    /// How far the glide to the newest state has come, 0..1; 1 is there.
    pub fn learnt_share(&self) -> f64 {
        self.learning.share(self.real)
    }

    /// Networks that are shown.
    pub fn arch(&self) -> &Arch {
        &self.model.arch
    }
}
