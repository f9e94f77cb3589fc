//! What people do to a show: acts from keys, the desk and messages, snapshots, stills, another preset.

use std::path::PathBuf;

use super::scene::Act;
use super::snapshot::{self, Morph, Snapshot};
use super::{Show, canvas};
use crate::preset::Preset;

impl Show {
    pub(super) fn take_preset(&mut self, preset: Preset) {
        self.clock.set_tempo(preset.bpm);
        self.clock.set_speed(preset.speed);
        let mut inside = self.host.language.env.lock();
        for (name, value) in &preset.knobs {
            if self.preset.knobs.get(name) != Some(value) {
                inside.controls.set(name, *value);
            }
        }
        drop(inside);
        let runs = self.host.program().map(|p| p.path.clone());
        if runs != Some(crate::preset::sketch_path(&preset.sketch)) {
            self.act(Act::Sketch(preset.sketch.clone()));
        }
        if preset.model != self.model.name {
            self.act(Act::Model(preset.model.clone()));
        }
        self.lights.set_secs(preset.fade_secs);
        self.preset = preset;
    }

    /// What a person does.
    pub fn act(&mut self, act: Act) {
        let controls = |work: &dyn Fn(&mut crate::control::Controls)| work(&mut self.host.language.env.lock().controls);
        match act {
            Act::Knob(name, value) => controls(&|c| {
                c.set(&name, f64::from(value));
            }),
            Act::Z(i, value) => controls(&|c| c.set_offset(i, f64::from(value))),
            Act::ZClear => controls(&|c| c.clear_offsets()),
            Act::Hit(name) => controls(&|c| c.trigger(&name)),
            Act::Mouse(x, y) => controls(&|c| {
                c.set("mouse_x", f64::from(x));
                c.set("mouse_y", f64::from(y));
            }),
            Act::Note(n, velocity) => controls(&|c| c.set_note(n, velocity)),
            Act::Sketch(name) => {
                if let Some(reload) = &mut self.reload {
                    reload.go_to(crate::preset::sketch_path(&name));
                }
            }
            Act::Model(name) => self.generator.load(&name),
            Act::Preset(name) => {
                if let Some(reload) = &mut self.reload {
                    reload.go_to_preset(&name);
                }
            }
            Act::Store(n) => self.store(n),
            Act::Recall(n) => self.recall(n),
            Act::Blackout => self.lights.toggle_black(),
            Act::SetBlack(black) => {
                if self.lights.state().0 != black {
                    self.lights.toggle_black();
                }
            }
            Act::Freeze => {
                let shown = self.generator.shown().map(|d| (d.pose.clone(), d.pictures.clone()));
                self.lights.toggle_frozen(shown);
            }
            Act::SetFrozen(frozen) => {
                if self.lights.state().1 != frozen {
                    self.act(Act::Freeze);
                }
            }
            Act::Hold => self.clock.hold(!self.clock.held()),
            Act::SetHold(held) => self.clock.hold(held),
            Act::SetRecording(on) => {
                if self.recording.state(self.real).is_some() != on {
                    self.act(Act::Record);
                }
            }
            Act::Hush => {
                let hushed = self.lights.toggle_hush();
                self.clock.hold(hushed);
            }
            Act::Record => {
                let Preset { record, .. } = &self.preset;
                self.recording.toggle(record, &self.chores, &self.board);
            }
            Act::Still => self.still(),
            Act::Reload => {
                if let Some(reload) = &self.reload {
                    reload.again();
                }
            }
            Act::Tempo(bpm) => self.clock.set_tempo(bpm),
            Act::Tap => self.clock.tap(),
            Act::Speed(speed) => self.clock.set_speed(speed),
            Act::Quit => self.stop.raise(),
        }
    }

    fn store(&mut self, n: u8) {
        let Some(place) = self.snapshots.get_mut(usize::from(n).wrapping_sub(1)) else { return };
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
        *place = Some(snapshot.clone());
        let z = snapshot.z.iter().map(|v| f64::from(*v)).collect();
        self.host.language.env.lock().points.insert(format!("{n}"), vec![z]);
        let board = self.board.clone();
        board.notice("snapshots", format!("stored {n}"));
        if !self.chores.give(move || snapshot::write(n, &snapshot, &board)) {
            self.board.fault("snapshots", format!("snapshot {n} is not written: the disk is busy"));
        }
    }

    fn recall(&mut self, n: u8) {
        let found = usize::from(n).checked_sub(1).and_then(|i| self.snapshots.get(i)?.clone());
        let Some(snapshot) = found else {
            self.board.notice("snapshots", format!("there is no snapshot {n}; Shift+{n} stores one"));
            return;
        };
        if let Some(now) = self.pose.latents.first().cloned() {
            self.morph = Some(Morph::new(now, snapshot.z.clone(), self.real, self.preset.morph_secs));
        }
        // The walk arrives at the stored moment when the morph does.
        let pace = if self.clock.held() { 0.0 } else { self.clock.speed() };
        let ahead = self.preset.morph_secs * pace;
        self.clock.set_time(snapshot.secs - ahead, snapshot.beat - ahead * self.clock.now().bpm / 60.0);
        for (name, value) in &snapshot.knobs {
            self.host.language.env.lock().controls.set(name, *value);
        }
        let runs = self.host.program().map(|p| p.path.clone());
        if runs != Some(PathBuf::from(&snapshot.sketch)) && !snapshot.sketch.is_empty() {
            self.act(Act::Sketch(snapshot.sketch));
        }
        if snapshot.model != self.model.name {
            self.act(Act::Model(snapshot.model));
        }
        self.board.notice("snapshots", format!("recalled {n}"));
    }

    fn still(&mut self) {
        let scene = self.scene();
        let [w, h] = self.preset.record.size;
        let (folder, board) = (self.preset.record.folder.clone(), self.board.clone());
        let given = self.chores.give(move || {
            let path = crate::recorder::free_name(&folder, "still", "png");
            let picture = canvas::Canvas::default().draw(&scene, [w as usize, h as usize], true);
            match picture.write_png(&path) {
                Ok(()) => board.notice("still", format!("wrote {}", path.display())),
                Err(error) => board.fault("still", error.to_string()),
            }
        });
        if !given {
            self.board.fault("still", "the disk is busy; try again");
        }
    }
}
