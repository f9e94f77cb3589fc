//! Tests of the sketch's thread: what it answers, what it gives up.

use std::sync::atomic::Ordering;

use super::*;
use crate::clock::Clock;
use crate::control::Controls;

const PATIENCE: Duration = Duration::from_secs(20);

fn tick(secs: f64) -> Tick {
    let mut clock = Clock::new(120.0);
    clock.frame(0.0, true);
    clock.frame(secs, false)
}

fn attempt(text: &str, state: Standing) -> Attempt {
    Attempt {
        path: "sketches/try.rn".into(),
        text: Some(text.to_owned()),
        state,
        tick: tick(1.0),
        lent: Lent::default(),
        critic: Critic::default(),
        space: 4.into(),
        points: Points::new(),
    }
}

fn tried(thread: &mut SketchThread, text: &str, state: Standing) -> Result<Box<Proven>, Box<Complaint>> {
    thread.attempt(attempt(text, state));
    match thread.wait(PATIENCE) {
        Some(Said::Tried(result)) => result,
        _ => panic!("no answer"),
    }
}

fn ask(number: u64, adopt: Option<Adopt>, lent: Lent) -> Ask {
    let (critic, news) = (Critic::default(), Vec::new());
    Ask { number, tick: tick(number as f64), lent, critic, news, adopt, gliding: false }
}

fn answer(thread: &mut SketchThread, ask: Ask) -> Answer {
    thread.ask(ask);
    match thread.wait(PATIENCE) {
        Some(Said::Answer(answer)) => *answer,
        _ => panic!("no answer"),
    }
}

#[test]
fn one_thread_tries_and_another_walks_on_with_the_state() {
    let (mut trial, mut walk) = (SketchThread::start(4).unwrap(), SketchThread::start(4).unwrap());
    let text =
        "pub fn setup() { #{ n: 0 } } pub fn walk(me, t, c) { me.n += 1; constant(me.n).add(0, c.knob(\"k\", 0.5)) }";
    let proven = tried(&mut trial, text, Standing::Nothing).unwrap();
    assert_eq!((&proven.asked.names.knobs[..], proven.tried.keeps), (&["k".to_owned()][..], Keeps::Nothing));
    let adopt = Adopt { program: proven.program, keeps: proven.tried.keeps, state: None };
    let first = answer(&mut walk, ask(1, Some(adopt), Lent::default()));
    assert_eq!((first.number, &first.pose.latents[0][..2]), (1, &[1.5, 1.0][..]));
    assert_eq!(first.asked.values, [(0.5, [0.0, 1.0])]);
    let mut controls = Controls::default();
    controls.set("k", 1.0);
    controls.frame(100.0);
    assert_eq!(answer(&mut walk, ask(2, None, controls.lend())).pose.latents[0][0], 3.0);
    let standing = walk.standing_now(PATIENCE).unwrap();
    assert!(matches!(standing, Standing::Saved(_)));
    let other = text.replace("me.n += 1", "me.n += 10");
    let proven = tried(&mut trial, &other, standing).unwrap();
    assert_eq!((proven.tried.keeps, proven.tried.pose.latents[0][1]), (Keeps::State, 12.0));
    let adopt = Adopt { program: proven.program, keeps: proven.tried.keeps, state: None };
    assert_eq!(answer(&mut walk, ask(3, Some(adopt), Lent::default())).pose.latents[0][1], 12.0);
}

#[test]
fn one_that_stays_silent_is_let_go_of_and_its_place_is_known() {
    let mut thread = SketchThread::start(4).unwrap();
    let text = "pub fn walk(me, t, c) {\n let n = (0..1000000000000).iter().count(); seed(n) }";
    thread.attempt(attempt(text, Standing::Nothing));
    assert!(thread.wait(Duration::from_millis(200)).is_none());
    assert!(thread.working().unwrap() >= Duration::from_millis(200));
    assert_eq!(thread.place(), (0, text.find('{').unwrap() + 1));
    let silent = Arc::default();
    thread.abandon(&silent);
    assert_eq!(silent.load(Ordering::SeqCst), 1);
}
