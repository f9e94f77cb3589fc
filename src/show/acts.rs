//! What people do to a show: acts from keys, the desk and messages, snapshots, stills, another preset.

use std::path::PathBuf;

use super::Show;
use super::lights::Moment;
use super::snapshot::{self, Morph, Snapshot};
use crate::control::hand::Hand;
use crate::control::{Controls, Dial, slug};
use crate::picture::canvas::Canvas;
use crate::preset::Preset;
use crate::show::addresses::Act;

impl Show {
    pub(super) fn take_preset(&mut self, preset: Preset) {
        self.log_preset(&preset);
        if preset.bpm != self.preset.bpm && !self.clock.led() {
            self.clock.set_tempo(preset.bpm);
        }
        let mut inside = self.host.language.env.lock();
        if preset.speed != self.preset.speed {
            inside.controls.set_dial(Dial::Speed, preset.speed, None);
        }
        for (name, value) in &preset.knobs {
            if self.preset.knobs.get(name) != Some(value) {
                self.hands.touch(format!("/flaneur/knob/{}", slug(name)), "preset");
                inside.controls.set(name, *value);
            }
        }
        drop(inside);
        if !self.again {
            let runs = self.host.program().map(|p| p.path.clone());
            if runs != Some(crate::preset::sketch_path(&preset.sketch)) {
                self.go_to_sketch(&preset.sketch.clone());
            }
            if preset.model != self.model.name {
                self.generator.load(&preset.model);
            }
            if preset.midi.mappings != self.preset.midi.mappings
                && let Some(reload) = &self.reload
            {
                reload.read_mappings(&preset.midi.mappings);
            }
        }
        self.lights.set_secs(preset.fade_secs);
        if preset.osc.feedback != self.preset.osc.feedback {
            self.hands.told.targets = super::told::targets(&preset.osc.feedback, &self.board);
        }
        if preset.train != self.preset.train {
            self.take_train(&preset.train);
        }
        let doors = |p: &Preset| (p.osc.on, p.osc.bind, p.query.clone(), p.midi.on);
        if doors(&preset) != doors(&self.preset) {
            self.board.notice("preset", "other ports, the page and MIDI on or off take effect at the next start");
        }
        self.preset = preset;
    }

    /// What a person does at the desk.
    pub fn act(&mut self, act: Act) {
        self.act_by(act, &Hand::new("desk", None));
    }

    /// What a hand does.
    pub fn act_by(&mut self, act: Act, hand: &Hand) {
        // A performance that is played again has its sketches, models and presets from its log, and leaves
        // nothing behind but the film.
        let elsewhere = matches!(
            act,
            Act::Sketch(_)
                | Act::Model(_)
                | Act::Preset(_)
                | Act::Reload
                | Act::Record
                | Act::SetRecording(_)
                | Act::Still
                | Act::Take
                | Act::SetTake(_)
                | Act::Learn
                | Act::LearnTo(_)
                | Act::Train(_)
                | Act::Quit
        );
        if elsewhere && self.again {
            return;
        }
        if !elsewhere {
            self.log_act(&act, hand);
        }
        if let Some(path) = act.path() {
            self.hands.touch(path, &hand.who);
        }
        self.carry_out(act, hand);
    }

    fn carry_out(&mut self, act: Act, hand: &Hand) {
        let smooth = hand.smooth_secs;
        let controls = |work: &dyn Fn(&mut Controls)| work(&mut self.host.language.env.lock().controls);
        match act {
            Act::Knob(name, value) => controls(&|c| {
                let name = c.named(&name);
                c.turn(&name, f64::from(value), smooth);
            }),
            Act::Z(i, value) => controls(&|c| c.set_offset(i, f64::from(value), smooth)),
            Act::ZSet(i, value) => controls(&|c| c.set_over(i, f64::from(value), smooth)),
            Act::ZFree(i) => controls(&|c| c.free(i, smooth)),
            Act::ZClear => controls(&|c| c.clear_offsets(smooth)),
            Act::Dial(dial, value) => controls(&|c| c.set_dial(dial, value, smooth)),
            Act::Hit(name) => controls(&|c| c.trigger(&name)),
            Act::Mouse(x, y) => controls(&|c| {
                c.turn("mouse_x", f64::from(x), smooth);
                c.turn("mouse_y", f64::from(y), smooth);
            }),
            Act::Note(n, velocity) => controls(&|c| c.set_note(n, velocity)),
            Act::Sketch(name) => self.go_to_sketch(&name),
            Act::Model(name) => {
                let name = listed(&name, &self.names.models);
                self.generator.load(&name);
            }
            Act::Mix(share) => {
                self.mix = share.clamp(0.0, 1.0);
                self.generator.set_mix(self.mix);
            }
            Act::Preset(name) => {
                let name = listed(&name, &self.names.presets);
                if let Some(reload) = &mut self.reload {
                    reload.go_to_preset(&name);
                }
            }
            Act::Store(name) => self.store(&name),
            Act::Recall(name, secs) => self.recall(&name, secs, hand),
            Act::Blackout => self.lights.toggle_black(),
            Act::SetBlack(black) => self.lights.set_black(black),
            Act::Freeze => {
                let shown = self.moment();
                self.lights.toggle_frozen(shown);
            }
            Act::SetFrozen(frozen) => {
                if self.lights.state().1 != frozen {
                    self.carry_out(Act::Freeze, hand);
                }
            }
            Act::Hold => self.clock.hold(!self.clock.held()),
            Act::SetHold(held) => self.clock.hold(held),
            Act::SetRecording(on) => {
                if self.recording.state(self.real).is_some() != on {
                    self.carry_out(Act::Record, hand);
                }
            }
            Act::Hush => {
                let hushed = self.lights.toggle_hush();
                self.clock.hold(hushed);
            }
            Act::SetHush(on) => {
                if self.lights.hushed() != on {
                    self.carry_out(Act::Hush, hand);
                }
            }
            Act::Record => {
                let Preset { record, .. } = &self.preset;
                self.recording.toggle(record, &self.chores, &self.board);
            }
            Act::Take => self.toggle_take(),
            Act::SetTake(on) => {
                if self.take.is_some() != on {
                    self.toggle_take();
                }
            }
            Act::Still => self.still(),
            Act::Reload => {
                if let Some(reload) = &self.reload {
                    reload.again();
                }
            }
            Act::Tempo(_) | Act::Tap | Act::Beat(_) if self.clock.led() => {
                let leader = self.hands.pulse.leader().unwrap_or("another program").to_owned();
                self.board.notice("clock", format!("the clock of {leader} leads"));
            }
            Act::Tempo(bpm) => self.clock.set_tempo(bpm),
            Act::Tap => self.clock.tap(),
            Act::Beat(beat) => self.clock.seek(beat),
            Act::Train(act) => self.train(act),
            Act::Learn => self.toggle_learning(),
            Act::LearnTo(target) => self.learn_to(&target),
            Act::Quit => self.stop.raise(),
        }
    }

    /// What is shown now, to be frozen. A performance that is played again has it drawn first.
    fn moment(&mut self) -> Option<Moment> {
        if self.again {
            self.generator.ask(&self.pose);
            if let Err(error) = self.generator.wait() {
                self.board.fault("generator", error.to_string());
            }
        }
        self.generator.shown().map(|drawn| (drawn.pose.clone(), drawn.pictures.clone()))
    }

    fn go_to_sketch(&mut self, name: &str) {
        let name = listed(name, &self.names.sketches);
        if let Some(reload) = &mut self.reload {
            reload.go_to(crate::preset::sketch_path(&name));
        }
    }

    fn store(&mut self, name: &str) {
        if let Err(why) = snapshot::check(name) {
            return self.board.notice("snapshots", why);
        }
        if self.snapshots.len() >= snapshot::MOST && !self.snapshots.contains_key(name) {
            return self.board.notice("snapshots", format!("there are {} already; store over one", snapshot::MOST));
        }
        let (tick, touched) = (self.clock.now(), self.host.language.env.lock().controls.touched());
        let snapshot = Snapshot {
            version: 1,
            sketch: self.host.program().map(|p| p.path.to_string_lossy().into_owned()).unwrap_or_default(),
            model: self.model.name.clone(),
            secs: tick.secs,
            beat: tick.beat,
            z: self.pose.latents.first().cloned().unwrap_or_default(),
            knobs: touched.into_iter().map(|k| (k.name, k.goal)).collect(),
        };
        self.snapshots.insert(name.to_owned(), snapshot.clone());
        self.lists += 1;
        let z = snapshot.z.iter().map(|v| f64::from(*v)).collect();
        self.host.language.env.lock().points.insert(name.to_owned(), vec![z]);
        if self.again {
            return;
        }
        let (board, name) = (self.board.clone(), name.to_owned());
        board.notice("snapshots", format!("stored {name}"));
        let told = name.clone();
        if !self.chores.give(move || snapshot::write(&name, &snapshot, &board)) {
            self.board.fault("snapshots", format!("snapshot {told} is not written: the disk is busy"));
        }
    }

    fn recall(&mut self, name: &str, secs: Option<f64>, hand: &Hand) {
        let Some(snapshot) = self.snapshots.get(name).cloned() else {
            let how = format!("there is no snapshot {name}; Shift+{name} stores one");
            self.board.notice("snapshots", if name.len() == 1 { how } else { format!("there is no snapshot {name}") });
            return;
        };
        name.clone_into(&mut self.recalled);
        let secs = secs.filter(|v| v.is_finite()).map_or(self.preset.morph_secs, |v| v.clamp(0.0, 600.0));
        if let Some(now) = self.pose.latents.first().cloned() {
            self.morph = Some(Morph::new(now, snapshot.z.clone(), self.real, secs));
        }
        // The walk arrives at the stored moment when the morph does.
        let pace = if self.clock.held() { 0.0 } else { self.clock.speed() };
        let ahead = secs * pace;
        self.clock.set_time(snapshot.secs - ahead, snapshot.beat - ahead * self.clock.now().bpm / 60.0);
        for (name, value) in &snapshot.knobs {
            self.hands.touch(format!("/flaneur/knob/{}", slug(name)), &hand.who);
            self.host.language.env.lock().controls.set(name, *value);
        }
        if self.again {
            return;
        }
        let runs = self.host.program().map(|p| p.path.clone());
        if runs != Some(PathBuf::from(&snapshot.sketch)) && !snapshot.sketch.is_empty() {
            self.go_to_sketch(&snapshot.sketch);
        }
        if snapshot.model != self.model.name {
            self.generator.load(&snapshot.model);
        }
        self.board.notice("snapshots", format!("recalled {name}"));
    }

    fn still(&mut self) {
        let scene = self.scene();
        let [w, h] = self.preset.record.size;
        let (record, board) = (self.preset.record.clone(), self.board.clone());
        let given = self.chores.give(move || {
            let path = crate::recorder::names::stamped(&record.place(), "still", "png");
            let picture = Canvas::default().draw(&scene, [w as usize, h as usize], true);
            match picture.write_new_png(&path) {
                Ok(path) => board.notice("still", format!("wrote {}", path.display())),
                Err(error) => board.fault("still", error.to_string()),
            }
        });
        if !given {
            self.board.fault("still", "the disk is busy; try again");
        }
    }
}

/// A name, or the one at a place in a list: buttons and programs have only numbers.
fn listed(name: &str, names: &[String]) -> String {
    let at = name.parse::<usize>().ok().filter(|_| !names.iter().any(|n| n == name));
    at.and_then(|at| names.get(at)).map_or(name, String::as_str).to_owned()
}
