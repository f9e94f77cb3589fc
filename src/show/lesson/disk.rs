//! What changes on disk beside a training: the states it keeps, dropped pictures, folders that somebody else writes.
//!
//! Looked at by the show's chores, never on the frame path; what they found waits in a slot for the next frame.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::{Around, Lesson};
use crate::drawn;
use crate::generator::Loaded;
use crate::generator::fingerprint_of;
use crate::generator::learnt::Candidate;
use crate::model::{self, Card};
use crate::picture::Picture;
use crate::trainer::protocol::Command;
use crate::trainer::published;

/// Between two looks.
const LOOK_SECS: f64 = 2.0;
/// The same where a drawing sketch is learnt from, which somebody may be typing.
const SKETCH_LOOK_SECS: f64 = 0.5;

/// What a look at the disk found.
#[derive(Default)]
pub(super) struct Found {
    /// States in the history.
    steps: Vec<u64>,
    /// The sheet of the newest one that was wanted.
    sheet: Option<(u64, Arc<Picture>)>,
    /// The sheet of what is learnt from, if it was written anew, and when.
    real: Option<(SystemTime, Arc<Picture>)>,
    /// Numbers that change with the pictures in the folders of both data; none where there is no such folder, or
    /// where nobody looked.
    data: Option<[Option<u64>; 2]>,
    /// Weights of a watched folder: which, their fingerprint and step.
    weights: Option<(PathBuf, String, u64)>,
    /// When those of the training's folder were written.
    written: Option<SystemTime>,
}

impl Lesson {
    /// The files of the model that is shown have changed: others train it. New weights of the same networks are
    /// glided to, everything else is read anew.
    pub fn model_changed(&self, around: &Around) {
        let model = around.output.model();
        let (folder, arch, found) = (model.folder.clone(), model.arch.clone(), self.found.clone());
        if self.folder == folder {
            // The training's own folder; its events or the look at the disk say so.
            return;
        }
        let (name, load) = (model.name.clone(), around.output.loader());
        around.takes.chores().give(move || match Card::read(&folder) {
            Ok(card) if card.arch.same_networks(&arch) => {
                if let Some(weights) = weights_of(&folder) {
                    found.put(Found { weights: Some(weights), ..Found::default() });
                }
            }
            // What is wrong with it is said by whoever loads it.
            _ => drop(load.put(name)),
        });
    }

    /// Now and then, and elsewhere: which states there are, whether the data have changed, what a watched folder has.
    pub(super) fn look_at_disk(&mut self, around: &mut Around) {
        let real = around.real;
        if let Some(found) = self.found.take() {
            self.take_found(found, around);
        }
        let looked_at = self.looked_at.filter(|(_, at)| real - at < LOOK_SECS).map(|(step, _)| step);
        let wants = looked_at.or(self.at());
        let wants = wants.filter(|step| self.sheet.as_ref().is_none_or(|(shown, _)| shown != step));
        let typed = self.words.iter().any(|word| drawn::is_named_by(word));
        let pause = match wants.is_some() && looked_at.is_some() {
            true => LOOK_SECS / 20.0,
            false if typed => SKETCH_LOOK_SECS,
            false => LOOK_SECS,
        };
        if self.folder.as_os_str().is_empty() || real - self.looked < pause {
            return;
        }
        self.looked = real;
        let (folder, out) = (self.folder.clone(), self.found.clone());
        let watched = self.child.is_none();
        let (known, known_real) = (self.written, self.real.as_ref().map(|(at, _)| *at));
        let words = self.words.clone();
        let fed = self.fed_folder(around.output.model());
        // A state that is only looked at has its sheet beside it, others theirs in the history.
        let target = self.target.as_ref().filter(|state| Some(state.step) == wants);
        let beside = target.map(|state| published::beside(&state.weights)[1].clone());
        around.takes.chores().give(move || {
            let sheet = wants.and_then(|step| {
                let kept = published::state_files(&folder, step)[2].clone();
                let picture = Picture::read(&kept).or_else(|| Picture::read(&beside?))?;
                Some((step, Arc::new(picture)))
            });
            let real = folder.join("training").join(published::DATA_SHEET);
            let at = std::fs::metadata(&real).and_then(|about| about.modified()).ok();
            let real = at.filter(|_| at != known_real).and_then(|at| Some((at, Arc::new(Picture::read(&real)?))));
            // Only what was written anew is read.
            let written = written_at(&folder);
            let weights = if watched && written != known { weights_of(&folder) } else { None };
            let data = words.map(|word| if word == "fed" { mark_of(&fed) } else { mark_of_word(&word) });
            let steps = published::steps(&folder);
            out.put(Found { steps, sheet, real, data: Some(data), weights, written });
        });
    }

    fn take_found(&mut self, found: Found, around: &mut Around) {
        if let Some(weights) = found.weights {
            self.take_weights(weights, around.output.model());
        }
        self.written = found.written.or(self.written);
        if !found.steps.is_empty() {
            self.steps = found.steps;
        }
        if found.sheet.is_some() {
            self.sheet = found.sheet;
        }
        if found.real.is_some() {
            self.real = found.real;
        }
        for (which, mark) in found.data.into_iter().flatten().enumerate() {
            self.take_mark(which, mark, around.output.model());
        }
    }

    fn take_weights(&mut self, (folder, fingerprint, step): (PathBuf, String, u64), shown: &Loaded) {
        let of_model = folder == shown.folder;
        // The model's own weights, as they were read, are news only after others of its folder.
        let others = self.target.as_ref().is_some_and(|state| state.weights.starts_with(&folder));
        if !of_model && folder != self.folder {
            // Of a model that a hand has left since.
        } else if of_model && fingerprint == shown.fingerprint && !others {
            // What was refused since then has been put right.
            self.board.clear("learning");
        } else if folder != self.folder || !self.unseen(shown) {
            let (weights, critic) = (folder.join(model::WEIGHTS), Some(folder.join(model::CRITIC)));
            let (model, fingerprint) = (shown.name.clone(), Some(fingerprint));
            self.check(Candidate { model, weights, critic, step, fingerprint, known: false }, shown);
        }
    }

    /// Pictures that were dropped into a data folder, or taken out, are learnt from once it has been quiet for a look.
    fn take_mark(&mut self, which: usize, mark: Option<u64>, shown: &Loaded) {
        let before = self.data_marks[which];
        let (now, due) = match (mark, before) {
            (None, _) => (None, false),
            (Some(mark), None) => (Some((mark, false)), false),
            (Some(mark), Some((before, changed))) if before == mark => (Some((mark, false)), changed),
            // A sketch is saved at once; what of it does not work is said, and the next save comes.
            (Some(mark), Some(_)) if drawn::is_named_by(&self.words[which]) => (Some((mark, false)), true),
            (Some(mark), Some(_)) => (Some((mark, true)), false),
        };
        self.data_marks[which] = now;
        if due {
            let source = self.source(&self.words[which].clone(), shown);
            self.send(if which == 0 { Command::Data(source) } else { Command::Data2(source) });
        }
    }
}

/// Fingerprint and step of the weights in a model folder; none while it is being written.
fn weights_of(folder: &Path) -> Option<(PathBuf, String, u64)> {
    let fingerprint = fingerprint_of(&folder.join(model::WEIGHTS)).ok()?;
    let step = Card::read(folder).map_or(0, |card| card.step);
    Some((folder.to_owned(), fingerprint, step))
}

/// When the weights of a folder were written.
fn written_at(folder: &Path) -> Option<SystemTime> {
    std::fs::metadata(folder.join(model::WEIGHTS)).ok()?.modified().ok()
}

/// The same for a word that names data; of a drawing sketch for the folder that it lies in, because of what it imports.
fn mark_of_word(word: &str) -> Option<u64> {
    match drawn::is_named_by(word) {
        true => mark_of(drawn::find(word).ok()?.parent()?),
        false => mark_of(Path::new(word)),
    }
}

/// A number that changes with the files in a folder: their names, sizes and times.
fn mark_of(folder: &Path) -> Option<u64> {
    if !folder.is_dir() {
        return None;
    }
    let mut mark = 0u64;
    let mut add = |text: &str| mark = mark.wrapping_add(text.bytes().fold(0xcbf2_9ce4_8422_2325, fold));
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let Ok(about) = entry.metadata() else { continue };
        add(&format!("{:?} {} {:?}", entry.file_name(), about.len(), about.modified().ok()));
    }
    Some(mark)
}

/// One step of FNV-1a.
fn fold(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}
