//! Tests of knobs, dials and z by dimension.

use super::*;

#[test]
fn a_knob_follows_its_default_until_a_hand_moves_it() {
    let mut controls = Controls::default();
    assert_eq!(controls.knob("a", 0.3), 0.3);
    assert_eq!(controls.knob("a", 0.6), 0.6);
    controls.set("a", 1.0);
    controls.frame(SMOOTH_SECS);
    let halfway = controls.knob("a", 0.6);
    assert!(halfway > 0.8 && halfway < 0.9, "{halfway}");
    controls.frame(10.0);
    assert_eq!(controls.knob("a", 0.6), 1.0);
    assert!(!controls.set("a", f64::NAN));
    assert_eq!(controls.value("a", -2.0, 2.0, 0.0), 2.0);
    assert_eq!(controls.asked()[0].range, [-2.0, 2.0]);
}

#[test]
fn hands_bend_z_without_a_jump() {
    let mut controls = Controls::default();
    controls.set_offset(1, 0.5, Some(0.0));
    controls.set_over(2, -2.0, None);
    controls.set_dial(Dial::Truncation, 0.5, Some(0.0));
    controls.frame(0.0);
    let bent = |controls: &Controls| {
        let mut z = [1.0; 4];
        controls.bend(&mut z);
        z
    };
    assert_eq!(bent(&controls), [0.5, 1.0, 0.5, 0.5]);
    controls.frame(10.0);
    assert_eq!((bent(&controls)[2], controls.over(2)), (-2.0, Some(-2.0)));
    controls.free(2, None);
    controls.frame(0.03);
    assert!(bent(&controls)[2] < 0.0 && controls.over(2).is_none());
    controls.set_offset(3, f64::NAN, None);
    controls.set_offset(99_999, 1.0, None);
    assert_eq!((controls.reached(), controls.offset(1)), (3, 0.5));
}

#[test]
fn knobs_are_listed_as_the_sketch_asks_and_called_by_a_slug() {
    let mut controls = Controls::default();
    controls.knob("zed", 0.0);
    controls.knob("first seed", 0.0);
    let names: Vec<String> = controls.asked().into_iter().map(|k| k.name).collect();
    assert_eq!(names, ["zed", "first seed"]);
    assert_eq!((controls.named("first_seed").as_str(), controls.named("x").as_str()), ("first seed", "x"));
}

#[test]
fn a_sketch_is_lent_what_hands_have_moved_and_nothing_else() {
    let (mut show, mut sketch) = (Controls::default(), Controls::default());
    show.asked_for("a", 0.3, [0.0, 1.0]);
    show.set("b", 0.8);
    show.trigger("x");
    show.set_note(60, 0.5);
    show.frame(10.0);
    sketch.receive(show.lend());
    assert_eq!((sketch.knob("a", 0.4), sketch.knob("b", 0.1)), (0.4, 0.8));
    assert_eq!((sketch.hit("x"), sketch.note(60)), (true, 0.5));
    sketch.receive(Lent::default());
    assert_eq!((sketch.knob("b", 0.1), sketch.hit("x"), sketch.note(60)), (0.1, false, 0.0));
}

#[test]
fn triggers_queue_one_a_frame() {
    let mut controls = Controls::default();
    controls.trigger("kick");
    controls.trigger("kick");
    let seen: Vec<bool> = (0..3)
        .map(|_| {
            controls.frame(0.016);
            controls.hit("kick")
        })
        .collect();
    assert_eq!(seen, [true, true, false]);
}

#[test]
fn triggers_are_listed_as_the_sketch_asks_and_called_by_a_slug() {
    let mut controls = Controls::default();
    controls.hit("kick");
    controls.hit("next seed");
    controls.hit("kick");
    assert_eq!((controls.triggers(), controls.listed), (&["kick".into(), "next seed".into()][..], 2));
    controls.trigger("next_seed");
    controls.fall();
    assert!(controls.hit("next seed"));
    controls.forget_asked();
    assert!(controls.triggers().is_empty());
}
