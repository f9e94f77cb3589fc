//! What hands do to a training.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::Show;
use crate::generator::learnt::Candidate;
use crate::preset::Train;
use crate::trainer::protocol::{Command, Settings, Source};
use crate::trainer::published;

/// One move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Training {
    /// Works or pauses; none is the other of both. Starts the trainer if there is none.
    Go(Option<bool>),
    /// Ends it, all saved.
    Stop,
    Set(Settings),
    /// The least share of rest.
    Rest(f64),
    Publish,
    Sample,
    /// Back to a state: its step, "first", "last", or "back" for the one before.
    Rewind(String),
    /// Other pictures: a folder, a zip, "lines", "fed".
    Data(String),
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

impl Show {
    pub(in crate::show) fn train(&mut self, act: Training) {
        match act {
            Training::Go(on) => {
                let go = on.unwrap_or_else(|| {
                    matches!(self.learning.word(), "off" | "watching" | "ended" | "paused" | "crashed")
                });
                self.learning.held = !go;
                if go && !self.learning.on() {
                    self.start_training();
                } else if self.learning.on() {
                    self.learning.send(if go { Command::Run } else { Command::Pause });
                }
            }
            Training::Stop => {
                self.learning.wanted = false;
                self.end_training();
            }
            Training::Rest(share) => {
                let rest = self.learning.governor.set_least(share);
                self.command(Command::Set(Settings { rest: Some(rest), ..Settings::default() }));
            }
            Training::Set(settings) => self.command(Command::Set(settings)),
            Training::Publish => self.command(Command::Publish),
            Training::Sample => self.command(Command::Sample),
            Training::Rewind(to) => self.rewind(&to),
            Training::Data(word) => self.learn_from(0, word),
            Training::Second(word) => self.learn_from(1, word),
            Training::Fork(model) => {
                self.forget_looks();
                self.command(Command::Fork { model });
            }
            Training::Line(rule, value) => self.rule(&rule, &value),
            Training::Redraw => self.learn_from(0, "lines".into()),
            Training::Feed => self.feed(),
            Training::Morph(secs) => self.learning.secs = Some(secs),
            Training::Look(step) => self.learning.looked_at = Some((step, self.real)),
        }
    }

    /// Another preset's training: what can be set while it runs is, the rest waits for the next start.
    pub(in crate::show) fn take_train(&mut self, train: &Train) {
        let before = &self.preset.train.clone();
        let differs = |a: f64, b: f64| (a != b).then_some(a);
        let settings = Settings {
            generator_rate: differs(train.rate, before.rate).filter(|rate| *rate > 0.0),
            critic_rate: differs(train.rate, before.rate).filter(|rate| *rate > 0.0),
            critic_steps: (train.critic_steps != before.critic_steps).then_some(train.critic_steps),
            publish_every: (train.publish_every != before.publish_every).then_some(train.publish_every),
            mix: differs(train.data_mix, before.data_mix),
            batch: (train.batch != before.batch && train.batch > 0).then_some(train.batch),
            rest: differs(train.rest, before.rest).map(|least| self.learning.governor.set_least(least)),
            ..Settings::default()
        };
        let (data, data2) = (train.data != before.data, train.data2 != before.data2);
        self.learning.eye.always = train.critic;
        self.learning.lines = train.lines.clone();
        if !self.learning.on() {
            self.learning.words = [train.data.clone(), train.data2.clone()];
            return;
        }
        if settings != Settings::default() {
            self.learning.send(Command::Set(settings));
        }
        if data || (train.data == "lines" && train.lines != before.lines) {
            self.learn_from(0, train.data.clone());
        }
        if data2 && !train.data2.is_empty() {
            self.learn_from(1, train.data2.clone());
        }
        let same = Train { rate: before.rate, data_mix: before.data_mix, lines: before.lines.clone(), ..train.clone() };
        let asks =
            |t: &Train| (t.trainer, t.model.clone(), t.from.clone(), t.arch.clone(), t.device.clone(), t.memory_mb);
        if asks(&same) != asks(before) {
            self.board
                .notice("training", "another trainer, model, device or limit takes effect when it is started again");
        }
    }

    fn command(&mut self, command: Command) {
        if !self.learning.send(command) {
            self.board.notice("training", "no training runs; T or /flaneur/train/run starts one");
        }
    }

    /// Other data, the first or the second.
    fn learn_from(&mut self, which: usize, word: String) {
        let source = self.source(&word);
        self.learning.words[which] = word;
        self.learning.data_marks[which] = None;
        self.learning.look_soon();
        self.forget_looks();
        self.command(if which == 0 { Command::Data(source) } else { Command::Data2(source) });
    }

    /// What a word names, by the rules of lines as they are now.
    pub(super) fn source(&self, word: &str) -> Source {
        let train = Train { lines: self.learning.lines.clone(), ..self.preset.train.clone() };
        match word {
            "fed" => train.source(&self.fed_folder().display().to_string()),
            other => train.source(other),
        }
    }

    /// Pictures of other data may look otherwise.
    fn forget_looks(&self) {
        if let Some(checker) = &self.learning.checker {
            checker.forget();
        }
    }

    pub(super) fn fed_folder(&self) -> PathBuf {
        let folder = &self.learning.folder;
        let folder = if folder.as_os_str().is_empty() { self.train_folder() } else { folder.clone() };
        folder.join("fed")
    }

    /// Glides back to a state, and has the trainer go on from there.
    fn rewind(&mut self, to: &str) {
        let steps = &self.learning.steps;
        let at = self.learning.at().unwrap_or(u64::MAX);
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
        let [weights, critic, _] = published::state_files(&self.learning.folder, step);
        self.learning.claimed.clear();
        if self.learning.send(Command::Rewind { step }) {
            self.learning.rewound = Some((step, self.real));
        }
        if self.unseen() {
            return;
        }
        let model = self.model.name.clone();
        self.claim(Candidate { model, weights, critic: Some(critic), step, fingerprint: None, known: true });
        self.board.notice("training", format!("back to step {step}"));
    }

    /// One of the rules of the lines.
    fn rule(&mut self, rule: &str, value: &str) {
        let lines = &mut self.learning.lines;
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
    fn feed(&mut self) {
        let Some(pictures) = self.generator.shown().map(|drawn| drawn.pictures.clone()) else { return };
        let (folder, board) = (self.fed_folder(), self.board.clone());
        let first = self.learning.fed;
        self.learning.fed += pictures.len() as u64;
        let enough = first < ENOUGH && self.learning.fed >= ENOUGH;
        let text = format!("{} pictures fed; /flaneur/train/data2 fed learns from them", self.learning.fed);
        self.chores.give(move || {
            for picture in pictures.iter() {
                let path = crate::recorder::free_name(&folder, "fed", "png");
                if let Err(error) = picture.write_png(&path) {
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
