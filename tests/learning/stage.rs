//! A small stage: a tiny model, some drawn pictures, a show of one point that is held, and its frames.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flaneur::net::families::wgan_gp::WganGp;
use flaneur::net::recipe::Recipe;
use flaneur::picture::scene::Scene;
use flaneur::preset::{Preset, Train, Trainer};
use flaneur::report::{Board, Stop};
use flaneur::show::addresses::{Act, Training};
use flaneur::show::view::Lesson;
use flaneur::show::{Options, Show};

use crate::common::{self, succeed};

/// Longest wait on a machine that compiles meanwhile.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The tiny networks.
pub fn tiny() -> WganGp {
    common::tiny()
}

/// They learn fast.
fn recipe() -> Recipe {
    Recipe { generator_learning_rate: 0.001, critic_learning_rate: 0.001, ..common::recipe() }
}

/// A folder with a model `t` that was trained a little, forty pictures in `d`, and a sketch.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    succeed(here, &["dataset", "lines", "--out", "d", "--count", "40", "--size", "16"]);
    fs::write(here.join("tiny.toml"), common::config(&tiny(), &recipe())).unwrap();
    let train = ["train", "d", "--model", "t", "--config", "tiny.toml", "--epochs", "300", "--device", "cpu"];
    succeed(here, &train);
    fs::write(here.join("still.rn"), "pub fn walk(me, t, c) { seed(7) }\n").unwrap();
    folder
}

/// A training of that model on those pictures, which publishes often and glides fast.
pub fn train(here: &Path) -> Train {
    Train {
        autostart: true,
        data: here.join("d").display().to_string(),
        publish_every: Some(10),
        morph_bars: 0.05,
        ..Train::default()
    }
}

/// A show and where it lives.
pub struct Stage {
    pub show: Show,
    pub board: Board,
    scene: Option<Scene>,
    /// Goes last, when nobody writes to it any more.
    pub folder: tempfile::TempDir,
}

impl Stage {
    pub fn open(change: impl FnOnce(&Path, &mut Train), trainer: Option<&str>) -> Self {
        let folder = folder();
        let here = folder.path().to_owned();
        let mut preset = Preset {
            sketch: here.join("still.rn").display().to_string(),
            model: here.join("models/t").display().to_string(),
            train: train(&here),
            ..Preset::default()
        };
        change(&here, &mut preset.train);
        (preset.osc.on, preset.query.on, preset.midi.on) = (false, false, false);
        let trainer = match trainer {
            Some(script) => {
                let path = here.join("trainer.sh");
                fs::write(&path, format!("#!/bin/sh\ncd {}\n{script}\n", here.display())).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
                path
            }
            None => PathBuf::from(env!("CARGO_BIN_EXE_flaneur")),
        };
        let board = Board::default();
        let options = Options { preset: Some(preset), trainer: Some(trainer), fps: Some(60.0), ..Options::default() };
        let show = Show::open(options, &board, &Stop::default()).unwrap();
        Self { folder, show, board, scene: None }
    }

    pub fn here(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that is trained into.
    pub fn live(&self) -> PathBuf {
        self.here().join("models/t-live")
    }

    /// One frame; there is always a picture, and it is one: neither flat nor black.
    pub fn frame(&mut self) -> Vec<u8> {
        let start = Instant::now();
        let scene = self.show.frame();
        assert!(start.elapsed() < Duration::from_secs(2), "a frame took {:?}", start.elapsed());
        let pixels = scene.pictures.first().map(|p| p.pixels.clone());
        self.scene = Some(scene);
        if let Some(left) = Duration::from_millis(16).checked_sub(start.elapsed()) {
            std::thread::sleep(left);
        }
        let Some(pixels) = pixels else { return Vec::new() };
        let (low, high) = (pixels.iter().min().unwrap(), pixels.iter().max().unwrap());
        assert!(high - low > 4, "a flat picture was shown: {low} to {high}");
        pixels
    }

    /// Frames until something is true.
    pub fn until(&mut self, what: &str, mut is: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !is(self) {
            self.frame();
            let board = self.board.lines();
            let Lesson { state, step, shown, share, message, .. } = self.lesson();
            let stands = (state, step, shown, share, message);
            assert!(start.elapsed() < PATIENCE, "{what} never came: {stands:?} {board:?}");
        }
    }

    /// Some frames.
    pub fn frames(&mut self, count: usize) -> Vec<u8> {
        (0..count).fold(Vec::new(), |_, _| self.frame())
    }

    /// Frames until the picture stands still; gives it.
    pub fn still(&mut self) -> Vec<u8> {
        let mut last = self.frames(30);
        loop {
            let next = self.frames(30);
            if next == last && self.lesson().share >= 1.0 {
                return next;
            }
            last = next;
        }
    }

    pub fn lesson(&mut self) -> Lesson {
        self.show.desk().lesson
    }

    pub fn act(&mut self, training: Training) {
        self.show.act(Act::Train(training));
    }

    pub fn says(&self, origin: &str, words: &str) -> bool {
        self.board.of(origin).is_some_and(|line| line.text.contains(words))
    }
}

/// A preset that only watches the folder of the training.
pub fn watching(_: &Path, train: &mut Train) {
    train.trainer = Trainer::Watch;
}
