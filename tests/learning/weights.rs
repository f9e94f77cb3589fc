//! What is learnt glides into the picture, and back.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use flaneur::control::Dial;
use flaneur::model::{self, Model};
use flaneur::net::families::Family;
use flaneur::net::params::{Param, Params, Plan};
use flaneur::picture::Picture;
use flaneur::show::addresses::{Act, Training};

use crate::common::succeed;
use crate::stage::{Stage, tiny, watching};

/// How much two pictures differ: the root of the mean square, 0..255.
fn change(a: &[u8], b: &[u8]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    (sum / a.len().max(1) as f64).sqrt()
}

#[test]
fn states_glide_in_and_the_first_comes_back_byte_for_byte() {
    let mut stage = Stage::open(|_, train| train.morph_bars = 0.5, None);
    stage.until("a picture", |s| !s.frame().is_empty());
    let first = stage.frame();
    stage.until("three states", |s| s.show.learnt()[0] >= 3);
    stage.act(Training::Go(Some(false)));
    stage.until("the pause", |s| s.lesson().state == "paused");
    let learnt = stage.still();
    assert_ne!(first, learnt);
    // The same z and the same bytes.
    stage.act(Training::Rewind("first".into()));
    stage.until("the first state", |s| s.lesson().shown == Some(0));
    assert_eq!(stage.still(), first);
    // 0 of what was learnt is the beginning, whatever was learnt.
    stage.act(Training::Go(Some(true)));
    stage.until("another state", |s| s.lesson().shown.is_some_and(|step| step > 0));
    stage.act(Training::Go(Some(false)));
    stage.until("the pause", |s| s.lesson().state == "paused");
    let newest = stage.still();
    stage.show.act(Act::Dial(Dial::Learnt, 0.0));
    stage.frames(60);
    assert_eq!(stage.still(), first);
    stage.show.act(Act::Dial(Dial::Learnt, 0.5));
    stage.frames(60);
    let between = stage.still();
    assert!(between != first && between != newest);
    stage.show.act(Act::Dial(Dial::Learnt, 1.0));
    stage.frames(60);
    assert_eq!(stage.still(), newest);
    assert_eq!(stage.show.learnt()[1], 0);
}

/// Writes weights of the tiny networks with their card into the watched folder.
fn publish(folder: &Path, from: &Params, step: u64) {
    fs::create_dir_all(folder).unwrap();
    model::write_weights(&folder.join(model::WEIGHTS), from, None, false).unwrap();
    let card = model::Card::read(&folder.parent().unwrap().join("t")).unwrap();
    model::Card { step, ..card }.write(folder).unwrap();
}

/// A hand that goes to another model wants to see that one, whatever the training publishes.
#[test]
fn a_model_that_a_hand_chose_stays() {
    let mut stage = Stage::open(|_, _| (), None);
    stage.until("a state", |s| s.show.learnt()[0] >= 2);
    let (from, to) = (stage.here().join("models/t"), stage.here().join("models/u"));
    fs::create_dir(&to).unwrap();
    for file in ["model.toml", model::WEIGHTS, model::CRITIC] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    stage.show.act(Act::Model(to.display().to_string()));
    let name = to.display().to_string();
    stage.until("the other model", |s| s.show.desk().model == name);
    let chosen = stage.still();
    let before = stage.lesson().step;
    stage.act(Training::Rewind("first".into()));
    stage.until("more states", |s| {
        assert_eq!(s.frame(), chosen);
        let step = s.lesson().step;
        step > 20 && step != before
    });
    assert_eq!(stage.lesson().shown, None);
    stage.show.act(Act::Model(from.display().to_string()));
    stage.until("the training again", |s| s.lesson().shown.is_some());
}

#[test]
fn a_glide_has_no_jump() {
    let mut stage = Stage::open(
        |here, train| {
            watching(here, train);
            train.morph_bars = 1.0;
        },
        None,
    );
    stage.until("a picture", |s| !s.frame().is_empty());
    let before = stage.frame();
    let own = Model::read(&stage.here().join("models/t").display().to_string(), &Device::flex()).unwrap();
    let plans = tiny().generator().plans();
    let louder = |(plan, param): (&Plan, &Param)| {
        let factor = if plan.name.ends_with("kernel") { 1.4 } else { 1.0 };
        param.values().iter().map(|v| v * factor).collect()
    };
    let values: Vec<Vec<f32>> = plans.iter().zip(&own.generator.list).map(louder).collect();
    publish(&stage.live(), &Params::of(&plans, &values, &Device::flex()), 7);
    stage.until("the glide", |s| s.lesson().shown == Some(7));
    let (mut last, mut most, mut frames) = (before.clone(), 0.0_f64, 0);
    while stage.lesson().share < 1.0 {
        let next = stage.frame();
        most = most.max(change(&last, &next));
        (last, frames) = (next, frames + 1);
    }
    let whole = change(&before, &stage.still());
    assert!(frames > 60, "{frames}");
    assert!(whole > 3.0 && most < 0.25 * whole, "{most} of {whole}");
}

#[test]
fn the_critic_is_asked_and_z_can_please_it() {
    let mut stage = Stage::open(|_, train| (train.autostart, train.critic) = (false, true), None);
    stage.until("a score", |s| s.lesson().critic.is_some());
    stage.frames(60);
    let plain = stage.lesson().critic.unwrap();
    fs::write(stage.here().join("still.rn"), "pub fn walk(me, t, c) { seed(7).prefer(3) }\n").unwrap();
    // Its score is of what is shown, so it rises once z has moved.
    stage.until("a better score", |s| s.lesson().critic.unwrap() > plain + 1e-4);
    let disliked = "pub fn walk(me, t, c) { let k = if t.critic > 1e9 { 3 } else { -3 }; seed(7).prefer(k) }\n";
    fs::write(stage.here().join("still.rn"), disliked).unwrap();
    stage.until("a worse score", |s| s.lesson().critic.unwrap() < plain - 1e-4);
}

#[test]
fn a_take_has_what_was_learnt() {
    let mut stage = Stage::open(|_, train| train.morph_bars = 0.25, None);
    stage.until("one state", |s| s.show.learnt()[0] >= 1);
    // It begins on the way, not at the model's own weights.
    let log = stage.here().join("take.jsonl");
    stage.show.log(&log).unwrap();
    stage.until("three states", |s| s.show.learnt()[0] >= 3);
    stage.act(Training::Go(Some(false)));
    stage.until("the pause", |s| s.lesson().state == "paused");
    let last = stage.still();
    stage.show.close();
    let film = ["film", "--take", "take.jsonl", "--raw", "--device", "cpu", "-o", "film"];
    succeed(stage.here(), &film);
    let mut files: Vec<_> = fs::read_dir(stage.here().join("film")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert_eq!(Picture::read(files.last().unwrap()).unwrap().pixels, last);
    assert_ne!(Picture::read(&files[0]).unwrap().pixels, last);
}

#[test]
fn a_training_is_filmed_as_a_walk_through_its_states() {
    let stage = Stage::open(|_, train| train.autostart = false, None);
    let here = stage.here();
    let train = ["train", "d", "--model", "h", "--config", "tiny.toml", "--epochs", "30", "--publish-every", "10"];
    succeed(here, &train);
    let film = |name: &str| {
        let words = ["film", "still.rn", "--model", "h", "--history", "--raw", "--frames", "21", "--device", "cpu"];
        succeed(here, &[&words[..], &["-o", name]].concat());
        let mut files: Vec<_> = fs::read_dir(here.join(name)).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>()
    };
    let (one, two) = (film("one"), film("two"));
    assert_eq!((one.len(), &one), (21, &two));
    // The first frame is of the first state, and not of the model as it is now: from there it is a small step.
    let pixels = |name: &str, at: usize| Picture::read(&here.join(name).join(format!("{at:06}.png"))).unwrap().pixels;
    let apart = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
    let (first, second, last) = (pixels("one", 0), pixels("one", 1), pixels("one", 20));
    assert!(apart(&first, &second) < apart(&first, &last), "the first frame is the last one");
    assert!(one.windows(2).filter(|pair| pair[0] != pair[1]).count() >= 18);
    crate::common::fail(here, &["film", "still.rn", "--model", "t", "--history", "-o", "none"], "keeps them");
}
