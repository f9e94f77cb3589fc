//! What hands do to a training.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::launch::publish_secs;
use super::{Around, Lesson};
use crate::generator::Loaded;
use crate::generator::learnt::Candidate;
use crate::preset::Train;
use crate::show::takes::Takes;
use crate::trainer::protocol::{Command, Source};
use crate::trainer::published;
use crate::trainer::settings::Settings;

/// One move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Training {
    /// Works or pauses; none is the other of both. Starts the trainer if there is none.
    Go(Option<bool>),
    /// Ends it, all saved.
    Stop,
    /// Changes settings.
    Set(Settings),
    /// The least share of rest, as takes of older shows have it.
    Rest(f64),
    /// Publishes the weights now.
    Publish,
    /// Writes a sample grid now.
    Sample,
    /// Back to a state: its step, "first", "last", or "back" for the one before.
    Rewind(String),
    /// Other pictures: a folder, a zip, "lines", "fed".
    Data(String),
    /// The second dataset, likewise.
    Second(String),
    /// Goes on from another model's weights.
    Fork(String),
    /// One of the rules by which lines are drawn, and its value.
    Line(String, String),
    /// Lines drawn by the rules as they are now.
    Redraw,
    /// What is shown becomes a picture to learn from.
    Feed,
    /// Seconds of a glide.
    Morph(f64),
    /// The desk wants to see the sheet of a state.
    Look(u64),
}

/// Pictures that have to be fed before they can be learnt from.
const ENOUGH: u64 = 16;

impl Training {
    /// The last part of the address that it works, below /flaneur/train; none if it works none.
    pub fn word(&self) -> Option<&'static str> {
        match self {
            Self::Go(_) => Some("run"),
            Self::Data(_) => Some("data"),
            Self::Second(_) => Some("data2"),
            Self::Rest(_) => Some("rest"),
            Self::Morph(_) => Some("morph"),
            Self::Set(settings) => settings.path()?.strip_prefix("/flaneur/train/"),
            _ => None,
        }
    }
}

impl Lesson {
    /// What a hand does to the training.
    pub fn act(&mut self, act: Training, around: &mut Around) {
        match act {
            Training::Go(on) => {
                let go =
                    on.unwrap_or_else(|| matches!(self.word(), "off" | "watching" | "ended" | "paused" | "crashed"));
                self.held = !go;
                if go && !self.on() {
                    self.start_training(around);
                } else if self.on() {
                    self.send(if go { Command::Run } else { Command::Pause });
                }
            }
            Training::Stop => {
                self.wanted = false;
                self.end();
            }
            Training::Rest(share) => self.set(Settings { rest: Some(share), ..Settings::default() }),
            Training::Set(settings) => self.set(settings),
            Training::Publish => self.command(Command::Publish),
            Training::Sample => self.command(Command::Sample),
            Training::Rewind(to) => self.rewind(&to, around),
            Training::Data(word) => self.learn_from(0, word, around),
            Training::Second(word) => self.learn_from(1, word, around),
            Training::Fork(model) => {
                self.forget_looks();
                self.command(Command::Fork { model });
            }
            Training::Line(rule, value) => self.rule(&rule, &value),
            Training::Redraw => self.learn_from(0, "lines".into(), around),
            Training::Feed => self.feed(around),
            Training::Morph(secs) => {
                self.secs = Some(secs);
                let publish_secs = publish_secs(&self.train, secs);
                self.send(Command::Set(Settings { publish_secs, ..Settings::default() }));
            }
            Training::Look(step) => self.looked_at = Some((step, around.real)),
        }
    }

    /// Another preset's training: what can be set while it runs is, the rest waits for the next start.
    pub fn take_train(&mut self, train: &Train, around: &mut Around) {
        let before = std::mem::replace(&mut self.train, train.clone());
        let mut settings = train.settings().changed_since(&before.settings());
        settings.rest = settings.rest.map(|least| self.governor.set_least(least));
        let (data, data2) = (train.data != before.data, train.data2 != before.data2);
        self.critic.always = train.critic;
        self.lines = train.lines.clone();
        if !self.on() {
            self.words = [train.data.clone(), train.data2.clone()];
            return;
        }
        if !settings.is_empty() {
            self.send(Command::Set(settings));
        }
        if data || (train.data == "lines" && train.lines != before.lines) {
            self.learn_from(0, train.data.clone(), around);
        }
        if data2 && !train.data2.is_empty() {
            self.learn_from(1, train.data2.clone(), around);
        }
        let asks =
            |t: &Train| (t.trainer, t.model.clone(), t.from.clone(), t.arch.clone(), t.device.clone(), t.memory_mb);
        if asks(train) != asks(&before) {
            self.board
                .notice("training", "another trainer, model, device or limit takes effect when it is started again");
        }
    }

    /// Changes settings; how long the trainer rests is also the governor's.
    fn set(&mut self, mut settings: Settings) {
        settings.rest = settings.rest.map(|least| self.governor.set_least(least));
        self.command(Command::Set(settings));
    }

    fn command(&mut self, command: Command) {
        if !self.send(command) {
            self.board.notice("training", "no training runs; T or /flaneur/train/run starts one");
        }
    }

    /// Other data, the first or the second.
    fn learn_from(&mut self, which: usize, word: String, around: &Around) {
        let source = self.source(&word, around.output.model());
        self.words[which] = word;
        self.data_marks[which] = None;
        self.look_soon();
        self.forget_looks();
        self.command(if which == 0 { Command::Data(source) } else { Command::Data2(source) });
    }

    /// What a word names, by the rules of lines as they are now.
    pub(super) fn source(&self, word: &str, model: &Loaded) -> Source {
        let train = Train { lines: self.lines.clone(), ..self.train.clone() };
        match word {
            "fed" => train.source(&self.fed_folder(model).display().to_string()),
            other => train.source(other),
        }
    }

    /// Pictures of other data may look otherwise.
    fn forget_looks(&self) {
        if let Some(checker) = &self.checker {
            checker.forget();
        }
    }

    pub(super) fn fed_folder(&self, model: &Loaded) -> PathBuf {
        let folder = if self.folder.as_os_str().is_empty() { self.train_folder(model) } else { self.folder.clone() };
        folder.join("fed")
    }

    /// Glides back to a state, and has the trainer go on from there.
    fn rewind(&mut self, to: &str, around: &mut Around) {
        let steps = &self.steps;
        let at = self.at().unwrap_or(u64::MAX);
        let step = match to {
            "first" => steps.first().copied(),
            "last" => steps.last().copied(),
            "back" => steps.iter().rev().find(|step| **step < at).copied(),
            // The nearest one that is kept.
            other => other.parse::<f64>().ok().and_then(|wanted| {
                let far = |step: &&u64| (**step as f64 - wanted).abs();
                steps.iter().min_by(|a, b| far(a).total_cmp(&far(b))).copied()
            }),
        };
        let Some(step) = step else {
            let how = match steps.is_empty() {
                true => "no state is kept yet; a training keeps what it publishes".to_owned(),
                false => format!("\"{to}\" is no state; give a step, first, last or back"),
            };
            return self.board.notice("training", how);
        };
        let [weights, critic, _] = published::state_files(&self.folder, step);
        self.checking.clear();
        if self.send(Command::Rewind { step }) {
            self.rewound = Some((step, around.real));
        }
        let shown = around.output.model();
        if self.unseen(shown) {
            return;
        }
        let model = shown.name.clone();
        self.check(Candidate { model, weights, critic: Some(critic), step, fingerprint: None, known: true }, shown);
        self.board.notice("training", format!("back to step {step}"));
    }

    /// One of the rules of the lines.
    fn rule(&mut self, rule: &str, value: &str) {
        let lines = &mut self.lines;
        let words = || value.split([' ', ',']).filter(|w| !w.is_empty()).map(str::to_owned).collect();
        let number = value.parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0);
        match (rule, number) {
            ("palette", _) => lines.palette = words(),
            ("laws", _) => lines.laws = words(),
            ("verticals", Some(v)) => lines.verticals = v as u16,
            ("horizontals", Some(v)) => lines.horizontals = v as u16,
            ("count", Some(v)) => lines.count = v as u64,
            ("seed", Some(v)) => lines.seed = v as u32,
            (_, _) => self.board.notice("training", format!("lines have no {rule} \"{value}\"")),
        }
    }

    /// Writes what is shown, as the generator gave it, into the folder of fed pictures.
    fn feed(&mut self, around: &Around) {
        let Some(pictures) = around.output.pictures() else { return };
        let (folder, board, takes): (_, _, &Takes) =
            (self.fed_folder(around.output.model()), self.board.clone(), around.takes);
        let first = self.fed;
        self.fed += pictures.len() as u64;
        let enough = first < ENOUGH && self.fed >= ENOUGH;
        let text = format!("{} pictures fed; /flaneur/train/data2 fed learns from them", self.fed);
        takes.chores().give(move || {
            for picture in pictures.iter() {
                let path = crate::recorder::names::numbered(&folder, "fed", "png");
                if let Err(error) = picture.write_new_png(&path) {
                    return board.fault("training", error.to_string());
                }
            }
            board.notice("training", text);
        });
        if enough {
            self.board.notice("training", "enough pictures are fed to learn from");
        }
    }
}
