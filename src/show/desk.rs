//! The figures of the desk, gathered from the engines.

use std::path::Path;

use super::Show;
use super::view::{Desk, KnobView, Source};
use crate::control::{Dial, KnobState, slug};
use crate::home;
use crate::model;
use crate::preset;

impl Show {
    /// The running sketch's name.
    pub(super) fn sketch_name(&self) -> String {
        self.host.program().map(|p| short(&p.path)).unwrap_or_default()
    }

    /// Everything the desk shows.
    pub fn desk(&mut self) -> Desk {
        let names = self.names.clone();
        let inside = self.host.language.env.lock();
        let knobs = inside.controls.asked();
        let controls = &inside.controls;
        let offsets = (0..controls.reached()).map(|i| controls.offset(i) as f32).collect();
        let (truncation, fade) = (controls.dial_goal(Dial::Truncation), controls.dial_goal(Dial::Fade));
        drop(inside);
        let tick = self.clock.now();
        let (black, frozen) = self.lights.state();
        let program = self.host.program();
        let wrong = self.refused.as_ref().or(self.complaint.as_ref().map(|(complaint, _)| complaint));
        let source = match wrong.filter(|complaint| !complaint.text.is_empty()) {
            // The text that is wrong, which is not the one that runs.
            Some(c) => {
                Some(Source { path: c.path.clone(), text: c.text.clone(), wrong: Some((c.line, c.to_string())) })
            }
            None => program.map(|p| Source { path: p.path.clone(), text: p.text().to_owned(), wrong: None }),
        };
        Desk {
            sketch: self.sketch_name(),
            model: self.model.name.clone(),
            device: self.generator.device(),
            knobs: knobs.into_iter().map(|knob| self.knob_view(knob)).collect(),
            z: self.pose.latents.first().cloned().unwrap_or_default(),
            offsets,
            sketches: names.sketches,
            models: names.models,
            presets: names.presets,
            snapshots: std::array::from_fn(|i| self.snapshots.contains_key(&(i + 1).to_string())),
            board: self.board.lines(),
            source,
            parts: self.timing.parts(),
            late: self.timing.late,
            late_cause: self.timing.cause(),
            frames: self.frames,
            secs: self.real,
            bpm: tick.bpm,
            beat: tick.beat,
            speed: self.clock.speed(),
            held: self.clock.held(),
            frozen,
            black,
            monitor: self.hands.monitor.iter().cloned().collect(),
            truncation,
            fade,
            ports: self.hands.ports.clone(),
            leader: self.hands.pulse.leader().map(str::to_owned),
            learning: self.learn_view(),
            page: self.hands.server.as_ref().and_then(crate::osc::query::Server::page),
            take: self.take.as_ref().map(|log| (log.path.clone(), self.real - log.since)),
            lesson: self.lesson(),
            recording: self.recording.state(self.real),
        }
    }

    fn knob_view(&self, knob: KnobState) -> KnobView {
        let KnobState { name, goal, default, range } = knob;
        let by = self.hands.sources.get(&format!("/flaneur/knob/{}", slug(&name))).cloned().unwrap_or_default();
        KnobView { name, value: goal as f32, default: default as f32, range, by }
    }

    /// Looks now and then for the names there are to choose from, elsewhere than here.
    pub(super) fn look_for_names(&mut self) {
        if let Some(names) = self.listed.take()
            && names != self.names
        {
            self.names = names;
            self.lists += 1;
        }
        if self.names_at.is_none_or(|at| self.real - at > 2.0) {
            self.names_at = Some(self.real);
            let listed = self.listed.clone();
            self.chores.give(move || drop(listed.put(Names::read())));
        }
    }
}

/// The name of a sketch among the others, or the path of one from elsewhere.
fn short(path: &Path) -> String {
    home::short(preset::SKETCHES, path).unwrap_or_else(|| path.display().to_string())
}

/// Sketches, models and presets that there are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub sketches: Vec<String>,
    pub models: Vec<String>,
    pub presets: Vec<String>,
}

impl Names {
    fn read() -> Self {
        Self {
            sketches: home::names(preset::SKETCHES, "rn"),
            models: model::known_models(),
            presets: home::names(preset::PRESETS, "toml"),
        }
    }
}
