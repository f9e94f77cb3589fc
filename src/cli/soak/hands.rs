//! What hands do all evening: knobs, sketches, models, recordings, snapshots, switches.

use super::Stage;
use super::place::MODELS;
use crate::control::hand::Value;

/// One thing that is done again and again: every so many seconds, and what.
type Habit = (f64, fn(&mut Stage, u64));

/// Each of them.
const HABITS: [Habit; 12] = [
    (2.0, save_again),
    (7.0, another_sketch),
    (23.0, another_model),
    (20.0, record),
    (31.0, |stage, _| stage.player.send("/flaneur/still", &[])),
    (9.0, snapshot),
    (11.0, |stage, at| switch(stage, "/flaneur/out/blackout", at)),
    (13.0, |stage, at| switch(stage, "/flaneur/out/freeze", at)),
    (17.0, |stage, at| switch(stage, "/flaneur/walk/hold", at)),
    // Seldom: beside a training a take keeps each state that it shows, 11 MB of them at a time.
    (301.0, |stage, at| switch(stage, "/flaneur/take/log", at)),
    (41.0, |stage, at| switch(stage, "/flaneur/out/limit", at)),
    (3.0, |stage, at| stage.player.send("/flaneur/clock/bpm", &[Value::Number(60.0 + (at % 90) as f64)])),
];
/// Seconds that a switch stays on.
const ON_SECS: f64 = 1.5;

/// What was done when.
#[derive(Default)]
pub struct Hands {
    done: [u64; HABITS.len()],
    /// Switches that are on, and when they go off.
    on: Vec<(&'static str, f64)>,
}

impl Hands {
    /// Does what is due `now`, in seconds since the start.
    pub fn act(&mut self, stage: &mut Stage, now: f64) {
        for (name, speed) in [("mouse_x", 0.31), ("mouse_y", 0.17), ("depth", 0.07), ("zoom", 0.05)] {
            let value = 0.5 + 0.5 * (now * speed).sin();
            stage.player.send(&format!("/flaneur/knob/{name}"), &[Value::Number(value)]);
        }
        stage.player.send("/flaneur/z/3", &[Value::Number((now * 0.4).sin())]);
        for (done, (every, habit)) in self.done.iter_mut().zip(HABITS) {
            if now >= every * (*done + 1) as f64 {
                *done += 1;
                habit(stage, *done);
            }
        }
        self.on.retain(|(address, until)| {
            let over = now >= *until;
            if over {
                stage.player.send(address, &[Value::Number(0.0)]);
            }
            !over
        });
        for address in std::mem::take(&mut stage.on) {
            self.on.push((address, now + ON_SECS));
        }
    }
}

fn switch(stage: &mut Stage, address: &'static str, _: u64) {
    stage.player.send(address, &[Value::Number(1.0)]);
    stage.on.push(address);
}

/// Saves the sketch at work with another comment.
fn save_again(stage: &mut Stage, at: u64) {
    if !stage.broken {
        let text = format!("// saved {at} times\n{}", stage.place.sketch(stage.sketch));
        stage.tell(stage.place.write_sketch(&text));
    }
}

fn another_sketch(stage: &mut Stage, _: u64) {
    stage.sketch = stage.random.below(1000);
    if !stage.broken {
        let text = stage.place.sketch(stage.sketch).to_owned();
        stage.tell(stage.place.write_sketch(&text));
    }
}

fn another_model(stage: &mut Stage, at: u64) {
    let name = MODELS[at as usize % MODELS.len()];
    stage.player.send("/flaneur/model/load", &[Value::Text(name.into())]);
}

/// Begins a recording, or ends it and throws it away.
fn record(stage: &mut Stage, at: u64) {
    match at % 2 {
        1 => stage.player.send("/flaneur/rec/start", &[]),
        _ => {
            stage.player.send("/flaneur/rec/stop", &[]);
            stage.place.clear_recordings();
        }
    }
}

fn snapshot(stage: &mut Stage, at: u64) {
    let name = Value::Text(format!("{}", 1 + at % 4));
    match at % 3 {
        0 => stage.player.send("/flaneur/snap/store", &[name]),
        _ => stage.player.send("/flaneur/snap/recall", &[name, Value::Number(1.0)]),
    }
}
