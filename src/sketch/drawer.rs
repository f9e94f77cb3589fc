//! A drawing sketch on a thread of its own: draws picture after picture of a data set, as marks.
//!
//! Asked by `drawn`, which has one a worker and makes pixels of the marks. Every picture begins with its own
//! randomness, so that it depends on the sketch, the seed and its number alone. The limits are those of a walk with
//! more steps; a thread that stays silent inside of native code is abandoned, see [`super::held`]. Absent: pixels,
//! files, and which of many pictures is drawn by whom.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use rune::{Value, Vm};

use super::chance::Random;
use super::complaint::Complaint;
use super::env::Env;
use super::held::{Held, Life};
use super::host::{call, not_drawn};
use super::values::Drawing;
use super::{Language, Program, SketchKind};
use crate::latent::pose::{MOST_DRAWN, Pose};
use crate::latent::space::Space;
use crate::latest::Latest;
use crate::worker::caught;

/// How long a picture, or compiling, may take before its thread counts as hanging.
pub const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 8 });
/// Length of z for verbs on latents: a drawing has no network.
const DIM: usize = 100;

enum Job {
    Compile(PathBuf, String),
    Draw(Arc<Program>, u32, u64),
    End,
}

enum Said {
    Compiled(Result<Arc<Program>, Box<Complaint>>),
    Drawn(Result<Pose, Box<Complaint>>),
}

/// The owner's end of a thread that draws.
pub struct Drawer {
    jobs: Latest<Job>,
    said: Latest<Said>,
    silent: Arc<AtomicUsize>,
    lost: bool,
    held: Held,
}

impl Drawer {
    /// Starts one. `silent` counts those that were abandoned and are still at work.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(silent: &Arc<AtomicUsize>) -> std::io::Result<Self> {
        let (jobs, said) = (Latest::default(), Latest::default());
        let theirs = (Latest::clone(&jobs), Latest::clone(&said));
        let held = Held::start("drawer", move |life| run(&theirs.0, &theirs.1, life))?;
        Ok(Self { jobs, said, silent: silent.clone(), lost: false, held })
    }

    /// Whether it was abandoned, and another one is needed.
    pub fn lost(&self) -> bool {
        self.lost
    }

    /// Compiles a drawing sketch.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn compile(&mut self, path: PathBuf, text: String) -> Result<Arc<Program>, Box<Complaint>> {
        let whole = |what: &str| Err(Box::new(Complaint::whole(&path, what.into(), None)));
        self.jobs.put(Job::Compile(path.clone(), text));
        match self.said.wait(PATIENCE) {
            Some(Said::Compiled(result)) => result,
            Some(Said::Drawn(_)) => whole("the answer of another picture came"),
            None => {
                self.abandon();
                whole("it could not be compiled in time")
            }
        }
    }

    /// Draws picture `index` of the data set with this seed, as marks. The same three give the same marks.
    ///
    /// # Errors
    /// With what went wrong in the sketch.
    pub fn draw(&mut self, program: &Arc<Program>, seed: u32, index: u64) -> Result<Pose, Box<Complaint>> {
        if self.lost {
            return Err(Box::new(Complaint::whole(&program.path, "its thread hangs".into(), None)));
        }
        self.jobs.put(Job::Draw(program.clone(), seed, index));
        match self.said.wait(PATIENCE) {
            Some(Said::Drawn(result)) => result,
            Some(Said::Compiled(_)) => {
                Err(Box::new(Complaint::whole(&program.path, "the answer of a compilation came".into(), None)))
            }
            None => {
                let (source, offset) = self.held.place();
                self.abandon();
                let secs = PATIENCE.as_secs();
                let what = format!("draw did not come back within {secs} s; it was given up");
                let hint = Some("does one call count or sort without an end?".to_owned());
                Err(Box::new(match program.sources.get(source) {
                    Some((path, text)) => Complaint::at(path, text, offset..offset, what, hint),
                    None => Complaint::whole(&program.path, what, hint),
                }))
            }
        }
    }

    /// Lets go of the thread, which stays silent.
    fn abandon(&mut self) {
        self.lost = true;
        self.held.abandon(&self.silent);
    }
}

impl Drop for Drawer {
    fn drop(&mut self) {
        self.jobs.put(Job::End);
    }
}

/// The thread.
fn run(jobs: &Latest<Job>, said: &Latest<Said>, life: &Life) {
    let language = Language::new(Env::new(DIM)).map_err(|error| error.to_string());
    if let Ok(language) = &language {
        language.env.lock().drawing = true;
    }
    // The machine of the program that was drawn last; where a picture failed, the next one has a fresh one.
    let mut machine: Option<(Arc<Program>, Vm)> = None;
    while !life.is_abandoned() {
        let out = match (&language, jobs.wait(Duration::from_secs(1))) {
            (_, None) => continue,
            (_, Some(Job::End)) => break,
            (Ok(language), Some(Job::Compile(path, text))) => {
                Said::Compiled(language.compile_as(SketchKind::Drawing, &path, &text).map(Arc::new))
            }
            (Err(why), Some(Job::Compile(path, _))) => {
                Said::Compiled(Err(Box::new(Complaint::whole(&path, why.clone(), None))))
            }
            (Ok(language), Some(Job::Draw(program, seed, index))) => {
                Said::Drawn(picture(language, &mut machine, &program, seed, index))
            }
            (Err(why), Some(Job::Draw(program, ..))) => {
                Said::Drawn(Err(Box::new(Complaint::whole(&program.path, why.clone(), None))))
            }
        };
        said.put(out);
    }
    drop(caught(|| drop((machine, language))));
}

/// One picture.
fn picture(
    language: &Language,
    machine: &mut Option<(Arc<Program>, Vm)>,
    program: &Arc<Program>,
    seed: u32,
    index: u64,
) -> Result<Pose, Box<Complaint>> {
    let known = machine.take().filter(|(of, _)| Arc::ptr_eq(of, program));
    let (of, mut vm) =
        known.unwrap_or_else(|| (program.clone(), Vm::new(language.runtime.clone(), program.unit.clone())));
    // What counts on between calls would make a picture depend on those before.
    language.env.lock().drawn = index as u32;
    let whole = |what: String| Box::new(Complaint::whole(&program.path, what, None));
    let random = Value::new(Random::of_picture(seed, index)).map_err(|e| whole(e.to_string()))?;
    let out = call(&mut vm, program, "draw", (random, index as i64))?;
    let mut pose = match out.borrow_ref::<Drawing>() {
        Ok(drawing) => drawing.pose.clone(),
        Err(_) => return Err(not_drawn(program, &out)),
    };
    drop(out);
    *machine = Some((of, vm));
    match pose.settle_within(&Space::from(DIM), MOST_DRAWN) {
        Some(said) => Err(whole(said)),
        None => Ok(pose),
    }
}
