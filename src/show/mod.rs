//! A show: parts that cannot stop each other, and the one loop: listen, reload, walk, ask, draw, tell.
//!
//! Each part is a struct with private fields in a file of its own, whose header says what it may touch and how much of
//! a frame it may take: [`walk`], `control::Controls`, [`hands`], [`lesson`], [`output`], [`takes`], [`health`],
//! [`library`]. On the thread of whoever calls [`Show::frame`] (a window, a loop without one) or [`film`]. Live time
//! comes from the system's clock, a film's from its frame number; everything else is the same. Nothing here touches the
//! disk or a terminal while a live show runs, or waits longer than a frame can; faults go to the board.

mod acts;
pub mod addresses;
mod desk;
mod fades;
pub mod film;
pub mod hands;
pub mod health;
pub mod lesson;
pub mod library;
mod listen;
mod open;
mod opening;
pub mod output;
mod parts;
mod recording;
pub mod takes;
pub mod view;
pub mod walk;

use std::time::{Duration, Instant};

use crate::clock::Tick;
use crate::control::automation::Automation;
use crate::control::hand::{Hand, Moved, What};
use crate::control::mapper::{KEYBOARD, MOUSE};
use crate::control::{Controls, Dial};
use crate::net::arch::Arch;
use crate::picture::scene::Scene;
use crate::preset::Preset;
use crate::report::{Board, Stop};
use crate::sketch::thread::Standing;
use crate::worker::supervised;
use addresses::Act;
use hands::Hands;
use health::Health;
use lesson::{Around, Lesson};
use library::Library;
pub use open::{Given, OpenError, Options};
use output::Output;
pub use parts::Parts;
use parts::{around, parts, told};
use takes::Takes;
use takes::disk::Turn;
use takes::log::{Line, Script, Weights, time};
use walk::{Event, Steps, Walk};

/// Beats that the dial for the phase pushes the walk at its end.
const PUSH_BEATS: f64 = 16.0;
/// How long the end of a show waits for its recording to be whole.
const CLOSING: Duration = Duration::from_secs(2);

/// A show that runs.
pub struct Show {
    preset: Preset,
    /// The preset's name, if it is one.
    preset_name: String,
    board: Board,
    stop: Stop,
    start: Instant,
    real: f64,
    frames: u64,
    /// Frames after which a live show ends by itself.
    most_frames: Option<u64>,
    closed: bool,
    automation: Option<Automation>,
    controls: Controls,
    walk: Walk,
    hands: Hands,
    lesson: Lesson,
    output: Output,
    library: Library,
    health: Health,
    film: film::Reel,
    last: open::Keeping,
    /// Something was done since the last state was kept.
    changed: bool,
    /// Why the show ended by itself, for whoever starts it again.
    failed: Option<String>,
    /// The loop stops for good in this second, to rehearse that.
    freeze: Option<f64>,
    // Last, so that it ends after everything that may still give it chores.
    takes: Takes,
}

/// The loop.
impl Show {
    /// One live frame, at the system's time.
    pub fn frame(&mut self) -> Scene {
        self.frame_at(self.start.elapsed().as_secs_f64())
    }

    /// One live frame, `real` seconds after the start.
    pub fn frame_at(&mut self, real: f64) -> Scene {
        while self.freeze.is_some_and(|at| real >= at) {
            std::thread::sleep(Duration::from_secs(1));
        }
        let began = Instant::now();
        self.health.begin(began);
        let tick = self.listen(real);
        self.reload(tick);
        self.walk(tick, began);
        self.ask();
        let scene = self.draw(began);
        self.frames += 1;
        self.tell();
        scene
    }

    /// What hands did since the last frame, and what time it is.
    fn listen(&mut self, real: f64) -> Tick {
        let began = Instant::now();
        self.real = real;
        listen::messages(self);
        listen::ports(self);
        let dt = (real - self.walk.clock().real()).max(0.0);
        if let Some(automation) = &mut self.automation {
            automation.apply(real, &mut self.controls);
        }
        self.turn(dt);
        let lead = self.hands.clock().now(real);
        let jumped = self.hands.clock().jumped();
        let clock = self.walk.clock_mut();
        if let Some((beat, _)) = lead.filter(|_| jumped) {
            clock.seek(beat);
        }
        clock.follow(lead);
        let tick = self.walk.tick(real, self.frames == 0);
        self.health.spent("listen", began.elapsed());
        tick
    }

    /// Everything that glides goes on, `dt` real seconds.
    fn turn(&mut self, dt: f64) {
        self.controls.glide(dt);
        let [speed, phase, fade] = [Dial::Speed, Dial::Phase, Dial::Fade].map(|dial| self.controls.dial(dial));
        let clock = self.walk.clock_mut();
        if speed != clock.speed() {
            clock.set_speed(speed);
        }
        clock.set_push(phase * PUSH_BEATS);
        self.output.begin(dt, fade);
        self.output.open_at(self.real, dt);
    }

    /// Takes what was changed on disk, and what was learnt.
    fn reload(&mut self, tick: Tick) {
        if let Some((name, preset)) = self.library.preset() {
            self.preset_name = name;
            acts::take_preset(self, preset);
        }
        if let Some(mappings) = self.library.mappings() {
            self.hands.take_mappings(&mappings, &parts!(self));
        }
        if let Some(points) = self.library.points() {
            self.walk.add_points(points);
        }
        match self.library.sketch() {
            Some(Ok((path, text))) => self.walk.offer(&path, text, &self.controls),
            Some(Err(complaint)) => self.walk.refuse(complaint),
            None => {}
        }
        if self.library.model() {
            self.lesson.model_changed(&around!(self));
        }
        self.walk.look(tick, self.preset.swap, &self.controls, self.real);
        self.lesson.frame(&mut around!(self), self.health.late());
    }

    /// The sketch's pose: asked for, waited for, and what happened to the sketch meanwhile.
    fn walk(&mut self, tick: Tick, began: Instant) {
        let walking = Instant::now();
        let frame = self.health.frame_time().unwrap_or(Duration::from_millis(16));
        self.walk.ask(tick, &mut self.controls, self.real);
        let share = match self.frames {
            // The first frame would show nothing of the sketch.
            0 => walk::SILENT,
            _ => frame.mul_f64(walk::SHARE).saturating_sub(began.elapsed()),
        };
        // Only a film's sketch can be silent for so long that it is an error.
        let _ = self.walk.collect(share, &mut self.controls, self.real);
        self.health.spent("walk", walking.elapsed());
        self.after_walk();
        self.lesson.look_on(&mut around!(self));
    }

    /// Passes on what the walk asked for and what happened to its sketch.
    fn after_walk(&mut self) {
        for event in self.walk.events() {
            match event {
                Event::Begins(program) => self.takes.line(|| Line::Script(Script::of(&program))),
                Event::Took { program, note } => {
                    self.board.clear("sketch");
                    if let Some(note) = note {
                        self.board.notice("sketch", note);
                    }
                    if self.film.live() {
                        self.takes.ran(program);
                    }
                }
                Event::Refused(complaint) => self.board.fault("sketch", complaint.to_string()),
                Event::Classless => self.board.notice("class", "class() does nothing: the model has no classes"),
                Event::Hurries(0) => self.board.clear("haste"),
                Event::Hurries(fewer) => self.board.notice(
                    "haste",
                    format!(
                        "pictures take long: {fewer} blocks of the network are left out; /flaneur/fewer 0 draws all"
                    ),
                ),
                Event::Unmapped => self.board.notice(
                    "w",
                    "w, psi, style, direction, noise_strength and bend do nothing: the model has no mapping to w",
                ),
                Event::Untextured => self.board.notice(
                    "texture",
                    "drift, scale of one size, noise, patch, and between by a law do nothing: the model is no texture",
                ),
            }
        }
        if self.walk.lost() && supervised() && self.failed.is_none() {
            self.failed = Some("sketches did not come back too often; the show begins again".into());
            self.stop.raise();
        }
        match self.walk.complaint() {
            Some(complaint) => self.board.fault("sketch", complaint.to_string()),
            None => self.board.clear_fault("sketch"),
        }
        let model = self.walk.space().model;
        for (key, samples) in self.walk.wanted(&self.controls) {
            self.output.generator().measure(key, samples, model);
        }
        for (key, changes) in self.output.generator().measured() {
            self.walk.set_measured(key, &changes);
        }
    }

    /// The pose into the generator's slot; another model at work.
    fn ask(&mut self) {
        if let Some(loaded) = self.output.generator().loaded() {
            self.takes.line(|| Line::Weights(Weights::of(&loaded)));
            self.take_model(loaded);
        }
        self.lesson.blend(&mut self.output, &self.controls, self.real);
        self.output.generator().set_then(self.controls.dial(Dial::Then));
        // At night nothing is drawn.
        if !self.output.closed() {
            self.output.ask(self.walk.pose());
        }
    }

    fn take_model(&mut self, loaded: crate::generator::Loaded) {
        ["class", "texture", "w", "haste", "parts"].iter().for_each(|origin| self.board.clear(origin));
        loaded.notes.iter().for_each(|note| self.board.notice("parts", note.clone()));
        self.walk.set_space(loaded.space.clone(), self.real);
        self.library.watch_model(&loaded.folder, &loaded.space);
        let before = self.output.take_model(loaded);
        self.lesson.forget(&before, &mut self.output, &mut self.walk);
    }

    /// The newest pictures, waiting a moment for this frame's, and the scene that they make.
    fn draw(&mut self, began: Instant) -> Scene {
        let patience = self.output.patience(self.frames == 0, began, self.health.frame_time());
        let waiting = Instant::now();
        let took = self.output.draw(patience, self.real);
        self.health.spent("wait", waiting.elapsed());
        if let Some(took) = took {
            self.health.spent("generate", took);
            self.walk.hurry(took.as_secs_f64(), self.real);
        }
        let scene = self.output.scene(self.real);
        let scene = self.output.limit(scene, self.output.fades().limits(), self.real);
        self.output.keep(&scene, self.real, self.preset.query.page);
        scene
    }

    /// Tells everybody what has changed.
    fn tell(&mut self) {
        let steps = self.walk.steps();
        if steps != Steps::USUAL {
            self.takes.line(|| Line::Steps(steps));
        }
        let (tick, real) = (self.walk.clock().now(), self.walk.clock().real());
        self.takes.line(|| Line::T(time(tick, real)));
        self.takes.look();
        let told = || told(&self.walk, &self.output, &self.lesson, &self.takes, self.real);
        self.health.look(self.frames, self.real, &self.board, told);
        self.look_at_disk();
        self.keep();
        self.library.look_for_names(self.real, self.takes.chores());
        self.hands.tell(self.frames, self.real, &parts!(self));
        self.health.print(false, self.real, self.frames, self.output.version());
    }
}

/// Weeks.
impl Show {
    /// Ends what fills the disk while there is still room for everything else.
    fn look_at_disk(&mut self) {
        match self.takes.look_at_disk(self.real) {
            Some(Turn::Low) => {
                self.board.fault("disk", acts::low(self));
                self.output.recording_mut().end();
                self.takes.end_log();
                self.lesson.set_room(false);
            }
            Some(Turn::Room) => {
                self.board.clear("disk");
                self.lesson.set_room(true);
            }
            None => {}
        }
    }

    /// Has the last state kept, now and then and after something was done.
    fn keep(&mut self) {
        // A show that never played has nothing to come back to.
        if self.frames == 0 || !self.last.due(self.real, self.changed) {
            return;
        }
        self.changed = false;
        let state = match self.walk.standing() {
            Standing::Saved(state) => Some((*state).clone()),
            _ => None,
        };
        let Some(start) = acts::standing(self, state) else { return };
        let good = self.walk.good(self.real).map(Script::of);
        let (last, path) = self.last.make(good, self.walk.well_secs(self.real), start);
        self.takes.keep_last(last, path);
    }

    /// Why the show ended by itself, if it did: for whoever starts it again.
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Has a thread that ends the process when no frame comes for ten seconds, and keeps systemd informed. For a
    /// program that does nothing else than show.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn watch(&mut self) -> std::io::Result<()> {
        self.health.watch()
    }

    /// The output's window has so many pixels.
    pub fn set_output_size(&mut self, size: [u32; 2]) {
        self.output.set_size(size);
    }

    /// A frame of the output was handed to the display: what a watchdog waits for where there is a window.
    pub fn presented(&self) {
        self.health.presented();
    }
}

/// Hands.
impl Show {
    /// What a person does at the desk.
    pub fn act(&mut self, act: Act) {
        self.act_by(act, &Hand::new("desk", None));
    }

    /// What a hand does.
    pub fn act_by(&mut self, act: Act, hand: &Hand) {
        acts::act_by(self, act, hand);
    }

    /// A letter went down or came up; gives whether a mapping, or learning, took it.
    pub fn key(&mut self, letter: &str, down: bool) -> bool {
        let mut chars = letter.chars();
        let (Some(letter), None) = (chars.next(), chars.next()) else { return false };
        let Ok(number) = u16::try_from(u32::from(letter)) else { return false };
        let value = if down { 127 } else { 0 };
        let orders = self.hands.own(KEYBOARD, &Moved { what: What::Key, channel: 0, number, value }, &parts!(self));
        let taken = orders.is_some();
        listen::carry_out(self, orders.unwrap_or_default());
        taken
    }

    /// The mouse over the picture, 0..1 from its top left corner: two knobs, and whatever mappings make of it.
    pub fn mouse(&mut self, x: f32, y: f32) {
        self.act_by(Act::Mouse(x, y), &Hand::new(MOUSE, None));
        if self.hands.learns() {
            return;
        }
        for (number, share) in [(0, x), (1, 1.0 - y)] {
            let value = (share.clamp(0.0, 1.0) * 16_383.0) as u16;
            let orders = self.hands.own(MOUSE, &Moved { what: What::Mouse, channel: 0, number, value }, &parts!(self));
            listen::carry_out(self, orders.unwrap_or_default());
        }
    }

    /// A part of the frame that the window takes care of took so long. The whole frame is measured here.
    pub fn spent(&mut self, part: &'static str, time: Duration) {
        if part != "frame" {
            self.health.spent(part, time);
        }
    }
}

/// What others see of it.
impl Show {
    /// Everything the desk shows.
    pub fn desk(&mut self) -> view::Desk {
        desk::desk(&parts!(self), &self.hands, &self.board, self.frames, self.real)
    }

    /// Whether the show is over: asked to stop, or all its frames shown.
    pub fn finished(&self) -> bool {
        self.stop.raised() || self.most_frames.is_some_and(|most| self.frames >= most)
    }

    /// Seconds since the start.
    pub fn secs(&self) -> f64 {
        self.real
    }

    /// Frames so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Width and height of the generator's pictures.
    pub fn picture_size(&self) -> [usize; 2] {
        let [height, width] = self.output.model().size;
        [width, height]
    }

    /// Width over height of the frame as the sketch has it at the start.
    pub fn aspect(&self) -> f32 {
        let [w, h] = self.picture_size();
        self.walk.trial_pose().aspect * w as f32 / h as f32
    }

    /// Where OSC is listened to.
    pub fn osc_address(&self) -> Option<std::net::SocketAddr> {
        self.hands.osc_address()
    }

    /// Where OSCQuery is served.
    pub fn query_address(&self) -> Option<std::net::SocketAddr> {
        self.hands.query_address()
    }

    /// The board.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The preset as it is now.
    pub fn preset(&self) -> &Preset {
        &self.preset
    }

    /// Median and 99th percentile of each part, and the frames that came late, with the part to blame.
    pub fn figures(&self) -> (Vec<view::Part>, u64, &'static str) {
        (self.health.parts(), self.health.late(), self.health.cause())
    }

    /// Pictures shown so far.
    pub fn pictures(&self) -> u64 {
        self.output.version()
    }

    /// The trainer's process, while there is one: for whoever tests what happens when it is killed.
    pub fn trainer_pid(&self) -> Option<u32> {
        self.lesson.pid()
    }

    /// States of a training that have reached the picture, and those that were not let through.
    pub fn learnt(&self) -> [u64; 2] {
        [self.lesson.shown(), self.lesson.refused()]
    }

    /// How far the glide to the newest state has come, 0..1; 1 is there.
    pub fn learnt_share(&self) -> f64 {
        self.lesson.share(self.real)
    }

    /// Networks that are shown.
    pub fn arch(&self) -> &Arch {
        &self.output.model().arch
    }

    /// Ends a live show: the recording is finished, the mark of a running sketch taken away.
    pub fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let began = Instant::now();
        self.health.close();
        self.lesson.close();
        self.last.end(self.failed.is_none());
        self.keep();
        self.takes.finish(CLOSING);
        self.health.print(true, self.real, self.frames, self.output.version());
        self.output.recording_mut().finish(CLOSING.saturating_sub(began.elapsed()).max(CLOSING / 4));
        if let Some(program) = self.walk.program().filter(|_| self.film.live()) {
            self.takes.unmark(&program.path);
        }
    }
}

impl Drop for Show {
    /// A show that is left in order, also by an error, was no crash.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.close();
        }
    }
}
