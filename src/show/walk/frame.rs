//! One frame of the walk: asked for, collected, bent, and said what is wrong with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::steered;
use super::trials::silent_at;
use super::{Event, FAULT_SECS, HELD_SECS, LATE, MOST_CPU, PATIENCE, SILENT, SLOW_FRAMES, Steps, Walk};
use crate::clock::Tick;
use crate::control::{Controls, Lent};
use crate::latent::pose::Pose;
use crate::latent::space::Space;
use crate::latent::style;
use crate::latent::texture::{self, Slide};
use crate::sketch::Complaint;
use crate::sketch::thread::{Answer, Ask, Said};

/// A frame.
impl Walk {
    /// The pose that is shown.
    pub fn pose(&self) -> &Arc<Pose> {
        &self.pose
    }

    /// Shows another pose: one that was walked before, or between two.
    pub fn set_pose(&mut self, pose: Arc<Pose>) {
        self.pose = pose;
    }

    /// What this frame did.
    pub fn steps(&self) -> Steps {
        self.steps
    }

    /// An answer that came since the last look; whether there was one.
    pub(super) fn poll(&mut self) -> bool {
        if self.held.is_none()
            && let Some(Said::Answer(answer)) = self.thread.as_mut().and_then(|thread| thread.wait(Duration::ZERO))
        {
            self.held = Some(answer);
        }
        self.held.is_some()
    }

    /// Asks for the frame, if the sketch is done with the one before.
    pub fn ask(&mut self, tick: Tick, controls: &mut Controls, real: f64) {
        self.steps = Steps::default();
        if self.poll() {
            self.steps.early = true;
            self.apply(controls, real);
        }
        let Some(thread) = &mut self.thread else { return self.miss(tick) };
        if thread.working().is_some() {
            return self.miss(tick);
        }
        self.send(tick, controls);
    }

    fn miss(&mut self, tick: Tick) {
        self.missed = (self.missed.0 + tick.dt, self.missed.1 + tick.real_dt);
    }

    /// What the sketch is lent of hands, with the blend of classes that they make.
    pub(super) fn lent(&self, controls: &Controls) -> Lent {
        let mut lent = controls.lend();
        lent.blend = controls.blend(&self.space.classes);
        lent
    }

    fn send(&mut self, tick: Tick, controls: &mut Controls) {
        controls.fall();
        let lent = self.lent(controls);
        let Some(thread) = &mut self.thread else { return };
        let (dt, real_dt) = std::mem::take(&mut self.missed);
        let tick = Tick { dt: tick.dt + dt, real_dt: tick.real_dt + real_dt, ..tick };
        self.number += 1;
        let adopt = self.adopt.take();
        if let Some((adopt, note)) = &adopt {
            self.events.push(Event::Begins(adopt.program.clone()));
            self.taking = Some((adopt.program.clone(), note.clone()));
        }
        thread.ask(Ask {
            number: self.number,
            tick,
            lent,
            critic: self.critic.clone(),
            news: std::mem::take(&mut self.news),
            adopt: adopt.map(|(adopt, _)| adopt),
            gliding: !self.exact,
        });
        self.steps.asked = true;
    }

    /// Takes the answer, waiting for it at most `patience`, and makes the pose that is shown.
    ///
    /// # Errors
    /// In a film, if the sketch does not come back.
    pub fn collect(&mut self, patience: Duration, controls: &mut Controls, real: f64) -> Result<(), Box<Complaint>> {
        let patience = if self.exact { PATIENCE } else { patience };
        let mut silent = Ok(());
        if let Some(thread) = self.thread.as_mut().filter(|thread| thread.working().is_some()) {
            match thread.wait(patience) {
                Some(Said::Answer(answer)) => {
                    self.held = Some(answer);
                    self.steps.answered = true;
                    self.apply(controls, real);
                }
                Some(Said::Tried(Err(complaint))) => self.complaint = Some((complaint, real)),
                Some(_) => {}
                None => silent = self.wait_on(controls, real),
            }
        }
        self.forgive(real);
        self.show(controls, real);
        silent
    }

    /// One frame of a performance that is played again, with the steps that it had then.
    ///
    /// # Errors
    /// If the sketch does not come back.
    pub fn again(
        &mut self,
        steps: Steps,
        tick: Tick,
        controls: &mut Controls,
        real: f64,
    ) -> Result<(), Box<Complaint>> {
        if steps.early {
            self.apply(controls, real);
        }
        let mut silent = Ok(());
        if steps.asked {
            self.send(tick, controls);
            match self.thread.as_mut().and_then(|thread| thread.wait(PATIENCE)) {
                Some(Said::Answer(answer)) => self.held = Some(answer),
                _ => silent = self.wait_on(controls, real),
            }
        } else {
            self.miss(tick);
        }
        if steps.answered {
            self.apply(controls, real);
        }
        self.steps = steps;
        self.forgive(real);
        self.show(controls, real);
        silent
    }

    /// Takes the answer that is there.
    fn apply(&mut self, controls: &mut Controls, real: f64) {
        let Some(answer) = self.held.take() else { return };
        let Answer {
            pose, complaint, refused, asked, wanted, wants, classless, untextured, unmapped, drawn, cpu, ..
        } = *answer;
        if let Some((program, note)) = self.taking.take() {
            match refused {
                Some(complaint) => self.refuse(complaint),
                None => {
                    (self.refused, self.complaint, self.took) = (None, None, real);
                    self.running = Some(program.clone());
                    self.events.push(Event::Took { program, note });
                }
            }
        }
        (self.given, self.wants, self.drawn) = (pose, wants, drawn);
        if classless && self.space.classes.is_empty() && !std::mem::replace(&mut self.classless, true) {
            self.events.push(Event::Classless);
        }
        if untextured && self.space.scales().is_none() && !std::mem::replace(&mut self.untextured, true) {
            self.events.push(Event::Untextured);
        }
        if unmapped && self.space.w.is_none() && !std::mem::replace(&mut self.unmapped, true) {
            self.events.push(Event::Unmapped);
        }
        self.want(wanted);
        if !Arc::ptr_eq(&asked.names, &self.asked.names) {
            controls.forget_asked();
        }
        for (name, (default, range)) in asked.names.knobs.iter().zip(&asked.values) {
            controls.asked_for(name, *default, *range);
        }
        asked.names.triggers.iter().for_each(|name| controls.hit_asked_for(name));
        self.asked = asked;
        let slow = self.too_slow(cpu);
        if let Some(complaint) = complaint.or(slow) {
            self.complaint = Some((complaint, real));
        }
    }

    /// What is said when frame after frame takes more of the processor than a sketch may. What native code does on its
    /// own (comparing deep values, sorting) is not counted in steps, so time has to say it.
    fn too_slow(&mut self, took: Duration) -> Option<Box<Complaint>> {
        (self.slow, self.slowest) = match took > MOST_CPU {
            true => (self.slow + 1, self.slowest.max(took)),
            false => (0, Duration::ZERO),
        };
        let program = self.running.as_ref().filter(|_| self.slow >= SLOW_FRAMES)?;
        let [took, most] = [self.slowest, MOST_CPU].map(|time| time.as_secs_f64() * 1e3);
        let what = format!("a frame of it takes up to {took:.0} ms of the processor, and {most:.0} are the most");
        let hint = "spread the work over frames, in me; long lists and deep ones take time whatever is done with them";
        Some(Box::new(Complaint::whole(&program.path, what, Some(hint.into()))))
    }

    /// The sketch is still at work.
    fn wait_on(&mut self, controls: &Controls, real: f64) -> Result<(), Box<Complaint>> {
        let Some(thread) = &self.thread else { return Ok(()) };
        let (path, text) = self.at_work();
        if thread.ended() {
            let what = "its thread ended; this is a fault of the program, not of the sketch".to_owned();
            self.give_up(Box::new(Complaint::whole(&path, what, None)), &text, controls);
            return Ok(());
        }
        let working = thread.working().unwrap_or_default();
        let complaint = |after| silent_at(thread, &path, &text, after);
        if self.exact {
            return Err(complaint(PATIENCE));
        }
        if working > SILENT {
            let complaint = complaint(SILENT);
            self.give_up(complaint, &text, controls);
        } else if working > LATE && self.complaint.is_none() {
            self.complaint = Some((complaint(LATE), real));
        }
        Ok(())
    }

    /// Path and text of the version that is at work.
    fn at_work(&self) -> (PathBuf, String) {
        let program = self.taking.as_ref().map(|(program, _)| program).or(self.running.as_ref());
        program.map(|p| (p.path.clone(), p.text().to_owned())).unwrap_or_default()
    }

    /// A fault that has not been seen for a while is over.
    fn forgive(&mut self, real: f64) {
        if self.complaint.as_ref().is_some_and(|(_, at)| real - at > FAULT_SECS) {
            self.complaint = None;
        }
    }

    /// The space of the pose that is shown, of a model before the one at work for a moment: until the sketch has given
    /// a pose for that, the one before it stays with its own model.
    fn shown_in(&self, real: f64) -> &Space {
        let before = self.spaces.iter().find(|space| space.model == self.given.model);
        before
            .filter(|_| self.given.model != self.space.model && real - self.changed < HELD_SECS)
            .unwrap_or(&self.space)
    }

    /// The sketch's pose with what hands want, bent by a morph.
    fn show(&mut self, controls: &Controls, real: f64) {
        let space = self.shown_in(real).clone();
        let fits = self.given.model == space.model && self.given.latents.iter().all(|z| z.len() == space.dim);
        let hurried = self.haste.fewer() > 0;
        if fits && self.morph.is_none() && !controls.bends() && !hurried && space.classes.is_empty() {
            self.pose = self.given.clone();
            return;
        }
        let mut pose = (*self.given).clone();
        // Before hands bend it: how it goes on in a larger space follows from what the sketch gave.
        pose.bring_to(&space);
        match &space.w {
            None => pose.latents.iter_mut().for_each(|z| controls.bend(z)),
            // A mapping brings z to one length; psi is for w. Hands reach for w where the latent is one.
            Some(w) => {
                pose.latents.iter_mut().for_each(|z| controls.reach(z));
                let own = pose.manners.iter_mut().filter_map(|manner| manner.get_mut(space.manner..));
                own.flat_map(|list| list.chunks_mut(w.dim().max(1))).for_each(|w| controls.reach(w));
            }
        }
        // What had to be changed was said of the sketch's own pose.
        let _ = pose.settle(&space);
        let narrow: Vec<f32> = controls.blend(&space.classes).iter().map(|v| *v as f32).collect();
        pose.fill_classes(&narrow);
        if let Some(w) = &space.w {
            let hands = steered::hands(controls, w, self.haste.fewer());
            pose.manners.resize(pose.latents.len(), Vec::new());
            pose.manners.iter_mut().for_each(|manner| style::moved(manner, &hands));
        }
        if let Some(scales) = space.scales() {
            let ([x, y], count) = (controls.drift(), pose.latents.len());
            let slides = controls.amounts().map(|amount| Slide { x, y, amount });
            pose.manners.resize(count, Vec::new());
            pose.manners.iter_mut().for_each(|manner| texture::moved(manner, &slides, scales));
        }
        if let Some(morph) = &self.morph {
            let bent = pose.latents.first_mut().is_some_and(|z| morph.bend(z, real));
            if space.manner > 0 {
                pose.manners.resize(pose.latents.len().max(1), Vec::new());
                morph.bend_manner(&mut pose.manners[0], &space, real);
            }
            if let Some(class) = pose.classes.first_mut() {
                morph.bend_class(class, &space.classes, real);
            }
            if !bent {
                self.morph = None;
            }
        }
        self.pose = Arc::new(pose);
    }
}
