//! Pictures that a drawing sketch draws: picture i at a size, as RGB; one, or many by several workers.
//!
//! Used by the command line, and by whoever shows or learns such pictures. A picture depends on the sketch, the seed,
//! its number and the size alone, not on who draws it or when. Each worker has a sketch's thread ([`Drawer`]) that it
//! waits for; pixels are made by the worker. Absent: files of pictures, the watching of the sketch's file (open the
//! new text as another [`Drawings`]).

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::hints::meant;
use crate::home;
use crate::latest::lock;
use crate::picture::Picture;
use crate::picture::canvas::Canvas;
use crate::picture::scene::{Filter, Fit, Scene};
use crate::report::Stop;
use crate::sketch::drawer::Drawer;
use crate::sketch::{self, Complaint, Program};

/// Where drawing sketches are looked for by name.
pub const FOLDER: &str = "sketches/data";
/// Threads that hang, beyond which no other picture is begun.
const MOST_SILENT: usize = 3;
/// Pictures that a worker may be ahead of the one that is taken next.
const AHEAD: u64 = 16;
/// Pause between two looks at the request to stop.
const LOOK: Duration = Duration::from_millis(50);

/// The file of a drawing sketch: a path that ends in `.rn`, or a name in `sketches/data` (`schotter`, `data/schotter`).
///
/// # Errors
/// If there is none, with what was probably meant.
pub fn find(name: &str) -> Result<PathBuf, String> {
    let path = Path::new(name);
    if path.extension().is_some_and(|e| e == "rn") {
        let path = home::at(path);
        return if path.is_file() { Ok(path) } else { Err(format!("there is no {}", path.display())) };
    }
    let short = name.strip_prefix("data/").unwrap_or(name);
    if let Some(path) = home::find(FOLDER, format!("{short}.rn")).filter(|path| path.is_file()) {
        return Ok(path);
    }
    let names = home::names(FOLDER, "rn");
    let near =
        meant(short, names.iter().map(String::as_str), 2).map_or(".".to_owned(), |k| format!("; did you mean {k}?"));
    let list = if names.is_empty() { "There is none".to_owned() } else { format!("There are: {}", names.join(", ")) };
    Err(format!("there is no drawing sketch \"{name}\" in {FOLDER}{near} {list}. A path ends in .rn."))
}

/// Whether a word that names pictures names a drawing sketch: a path that ends in `.rn`, or `data/NAME` where there is
/// nothing else of that name.
pub fn is_named_by(word: &str) -> bool {
    let path = Path::new(word);
    path.extension().is_some_and(|e| e == "rn") || (word.starts_with("data/") && !home::at(path).exists())
}

/// A drawing sketch, ready to draw.
pub struct Drawings {
    program: Arc<Program>,
    /// Seed of all pictures.
    pub seed: u32,
    /// Width and height in pixels.
    pub size: [usize; 2],
    /// Threads and canvases that wait for work.
    idle: Mutex<Vec<(Drawer, Canvas)>>,
    silent: Arc<AtomicUsize>,
}

/// Why work on many pictures ended early.
#[derive(Debug)]
pub enum Ended<E> {
    /// Somebody asked to stop.
    Stopped,
    /// The sketch failed, in the picture with this number.
    Sketch(u64, Box<Complaint>),
    /// Whoever worked with the pictures failed.
    Other(E),
}

impl Drawings {
    /// Reads and compiles the sketch in a file.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn open(path: &Path, seed: u32, size: [usize; 2]) -> Result<Self, Box<Complaint>> {
        Self::of(path, &sketch::source(path)?, seed, size)
    }

    /// Compiles a sketch from its text; `path` is for complaints and what it imports.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn of(path: &Path, text: &str, seed: u32, size: [usize; 2]) -> Result<Self, Box<Complaint>> {
        let silent = Arc::new(AtomicUsize::new(0));
        let mut drawer = start(path, &silent)?;
        let program = drawer.compile(path.into(), text.to_owned())?;
        Ok(Self { program, seed, size, idle: Mutex::new(vec![(drawer, Canvas::default())]), silent })
    }

    /// The sketch's file.
    pub fn path(&self) -> &Path {
        &self.program.path
    }

    /// Of the sketch's sources: another one draws other pictures.
    pub fn fingerprint(&self) -> &str {
        &self.program.fingerprint
    }

    /// Picture `index`. May be called from several threads at once; each has a thread of its own for the sketch.
    ///
    /// # Errors
    /// With what went wrong in the sketch; the next picture can be drawn.
    pub fn draw(&self, index: u64) -> Result<Picture, Box<Complaint>> {
        let (mut drawer, mut canvas) = self.borrowed()?;
        let drawn = drawer.draw(&self.program, self.seed, index);
        let picture = drawn.map(|pose| {
            let (pose, pictures) = (Arc::new(pose), Arc::default());
            let (fit, filter) = (Fit::Fit, Filter::Nearest);
            let scene = Scene { pose, pictures, before: None, version: 0, light: 1.0, fit, filter };
            canvas.draw(&scene, self.size, true)
        });
        if !drawer.lost() {
            lock(&self.idle).push((drawer, canvas));
        }
        picture
    }

    /// A thread that has nothing to do.
    fn borrowed(&self) -> Result<(Drawer, Canvas), Box<Complaint>> {
        if let Some(one) = lock(&self.idle).pop() {
            return Ok(one);
        }
        if self.silent.load(Ordering::SeqCst) >= MOST_SILENT {
            let what = format!("{MOST_SILENT} of its pictures hang, so no other is begun");
            return Err(Box::new(Complaint::whole(self.path(), what, Some("change the sketch".into()))));
        }
        Ok((start(self.path(), &self.silent)?, Canvas::default()))
    }

    /// Draws many pictures by `workers` threads. Each worker calls `make` with a picture; what that gives is handed to
    /// `take` on the calling thread, in the order of the numbers. Returns when all are done or something failed; of
    /// several failures the one with the smallest number is told.
    ///
    /// # Errors
    /// See [`Ended`].
    pub fn each<T: Send, E: Send>(
        &self,
        range: Range<u64>,
        workers: usize,
        stop: &Stop,
        make: impl Fn(u64, Picture) -> Result<T, E> + Sync,
        mut take: impl FnMut(u64, T) -> Result<(), E>,
    ) -> Result<(), Ended<E>> {
        let workers = (workers.max(1) as u64).min(range.end.saturating_sub(range.start).max(1));
        let (next, ending) = (AtomicU64::new(range.start), AtomicBool::new(false));
        let taken = (Mutex::new(range.start), Condvar::new());
        let one = |index| match self.draw(index) {
            Ok(picture) => make(index, picture).map_err(Ended::Other),
            Err(complaint) => Err(Ended::Sketch(index, complaint)),
        };
        let work = |sender: std::sync::mpsc::SyncSender<(u64, Result<T, Ended<E>>)>| {
            loop {
                let index = next.fetch_add(1, Ordering::SeqCst);
                if index >= range.end {
                    break;
                }
                let mut at = lock(&taken.0);
                while !ending.load(Ordering::SeqCst) && index >= *at + workers * AHEAD {
                    at = taken.1.wait_timeout(at, LOOK).unwrap_or_else(PoisonError::into_inner).0;
                }
                drop(at);
                if ending.load(Ordering::SeqCst) || sender.send((index, one(index))).is_err() {
                    break;
                }
            }
        };
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel((workers * AHEAD) as usize);
            for n in 0..workers {
                let (sender, work) = (sender.clone(), &work);
                let begun =
                    std::thread::Builder::new().name(format!("draw-{n}")).spawn_scoped(scope, move || work(sender));
                if begun.is_err() && n == 0 {
                    let what = "the system gives no thread to draw on".to_owned();
                    return Err(Ended::Sketch(range.start, Box::new(Complaint::whole(self.path(), what, None))));
                }
            }
            drop(sender);
            let (mut waiting, mut due) = (BTreeMap::new(), range.start);
            let mut ended = Ok(());
            while ended.is_ok() && due < range.end {
                match receiver.recv_timeout(LOOK) {
                    Ok((index, result)) => drop(waiting.insert(index, result)),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                while let Some(result) = waiting.remove(&due).filter(|_| ended.is_ok()) {
                    ended = result.and_then(|made| take(due, made).map_err(Ended::Other));
                    due += 1;
                    *lock(&taken.0) = due;
                    taken.1.notify_all();
                }
                if ended.is_ok() && due < range.end && stop.raised() {
                    ended = Err(Ended::Stopped);
                }
            }
            ending.store(true, Ordering::SeqCst);
            taken.1.notify_all();
            // The workers see that at once, since nothing takes from the channel any longer.
            drop(receiver);
            ended
        })
    }
}

fn start(path: &Path, silent: &Arc<AtomicUsize>) -> Result<Drawer, Box<Complaint>> {
    Drawer::start(silent).map_err(|e| Box::new(Complaint::whole(path, format!("no thread to draw it on: {e}"), None)))
}

#[cfg(test)]
mod tests;
