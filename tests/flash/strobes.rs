//! Synthetic strobes of every kind that the definitions name, and scenes that do not flash.

use std::sync::Arc;

use flaneur::latent::pose::{Colour, Mark, Place, Pose};
use flaneur::picture::Picture;
use flaneur::picture::canvas::Canvas;
use flaneur::picture::flash::FlashLimiter;
use flaneur::picture::scene::{Filter, Fit, Scene};

use crate::checker::{Flashes, Sequence, flashes};

const BLACK: [u8; 3] = [0; 3];
const GREY: [u8; 3] = [118; 3];
const WHITE: [u8; 3] = [255; 3];
const RED: [u8; 3] = [255, 0, 0];
/// Pixels of what the checker looks at, each way.
const SIZE: usize = 36;

/// A scene of one picture over the whole frame.
fn scene(picture: Picture) -> Scene {
    Scene {
        pose: Arc::new(Pose::of(vec![0.0])),
        pictures: Arc::new(vec![picture]),
        before: None,
        version: 1,
        light: 1.0,
        fit: Fit::Fit,
        filter: Filter::Cubic,
    }
}

fn flat(colour: [u8; 3]) -> Scene {
    scene(Picture::filled(16, 16, colour))
}

fn with_marks(colour: [u8; 3], marks: Vec<Mark>) -> Scene {
    let mut scene = flat(colour);
    let mut pose = (*scene.pose).clone();
    pose.marks.extend(marks);
    scene.pose = Arc::new(pose);
    scene
}

fn rect([x, y, w, h]: [f32; 4], colour: Colour) -> Mark {
    Mark::Rect { place: Place { x, y, w, h }, weight: 0.0, colour }
}

/// The grey with white rectangles.
fn rects(places: &[[f32; 4]]) -> Scene {
    with_marks(GREY, places.iter().map(|place| rect(*place, [1.0; 4])).collect())
}

/// Soft clouds that drift, brightest at about 0.6 of white.
fn walk(secs: f64) -> Picture {
    let mut picture = Picture::filled(64, 64, BLACK);
    for y in 0..64 {
        for x in 0..64 {
            let (u, v) = (f64::from(x as u32) / 64.0, f64::from(y as u32) / 64.0);
            let wave = |a: f64, b: f64, c: f64| 0.5 + 0.5 * ((a * u + b * v + c * secs) * std::f64::consts::TAU).sin();
            let level = [wave(1.0, 0.5, 0.31), wave(-0.7, 1.2, 0.23), wave(0.4, -1.1, 0.37)];
            picture.set(x, y, level.map(|l| (40.0 + 140.0 * l) as u8));
        }
    }
    picture
}

/// Whether a strobe of `hz` is in its first half, and which of its periods it is.
fn phase(secs: f64, hz: f64) -> (bool, usize) {
    let turns = secs * hz + 1e-9;
    (turns.fract() < 0.5, turns as usize)
}

struct Run {
    given: Vec<Scene>,
    shown: Vec<Scene>,
    working: Vec<bool>,
    secs: Vec<f64>,
}

fn run(fps: f64, secs: f64, at: impl Fn(f64) -> Scene) -> Run {
    run_in([512, 512], fps, secs, at)
}

fn run_in(output: [u32; 2], fps: f64, secs: f64, at: impl Fn(f64) -> Scene) -> Run {
    let mut limiter = FlashLimiter::new(output);
    let mut run = Run { given: Vec::new(), shown: Vec::new(), working: Vec::new(), secs: Vec::new() };
    for i in 0..(secs * fps) as usize {
        let secs = i as f64 / fps;
        let given = at(secs);
        run.shown.push(limiter.limit(&given, secs));
        run.working.push(limiter.working());
        run.given.push(given);
        run.secs.push(secs);
    }
    run
}

fn drawn(scenes: &[Scene], secs: &[f64], size: [usize; 2]) -> Sequence {
    let mut canvas = Canvas::default();
    let mut frames: Vec<Picture> = Vec::new();
    for (i, scene) in scenes.iter().enumerate() {
        let again = i > 0 && Arc::ptr_eq(&scenes[i - 1].pictures, &scene.pictures) && scenes[i - 1].pose == scene.pose;
        let again = again && scenes[i - 1].light == scene.light && scene.before.is_none();
        frames.push(if again { frames[i - 1].clone() } else { canvas.draw(scene, size, true) });
    }
    Sequence { frames, secs: secs.to_vec() }
}

/// A strobe flashes, and what is shown of it does not; it ends in the middle, and the limiter lets go.
fn check(name: &str, fps: f64, at: impl Fn(f64) -> Scene) -> Run {
    let run = run(fps, 5.5, |secs| at(secs.min(2.5)));
    let count = |scenes: &[Scene]| flashes(&drawn(scenes, &run.secs, [SIZE, SIZE]));
    let (given, shown) = (count(&run.given), count(&run.shown));
    println!("{name} at {fps}: {given:?} became {shown:?}");
    assert!(given.most() > 3, "{name} at {fps} frames a second is no strobe: {given:?}");
    assert!(shown.most() <= 3, "{name} at {fps} frames a second: {shown:?}");
    assert!(run.working.iter().any(|works| *works));
    assert!(!run.working[run.working.len() - 1], "{name}: it does not let go");
    let end = run.shown.len() - 1;
    assert!(Arc::ptr_eq(&run.shown[end].pictures, &run.given[end].pictures), "{name}: it gives another picture back");
    run
}

/// Goes through as it is: the same pictures, marks, light and version.
fn passes(name: &str, fps: f64, secs: f64, at: impl Fn(f64) -> Scene) -> Run {
    let run = run(fps, secs, at);
    for (i, (given, shown)) in run.given.iter().zip(&run.shown).enumerate() {
        let same = Arc::ptr_eq(&given.pictures, &shown.pictures) && Arc::ptr_eq(&given.pose, &shown.pose);
        let same = same && given.light == shown.light && given.version == shown.version;
        assert!(same && !run.working[i], "{name} at {fps} frames a second: frame {i} is changed");
    }
    run
}

/// The flashes that a run shows.
fn shown(run: &Run) -> Flashes {
    flashes(&drawn(&run.shown, &run.secs, [SIZE, SIZE]))
}

#[test]
fn strobes_of_black_and_white_at_every_rate() {
    for (fps, rates) in [
        (10.0, &[5.0][..]),
        (24.0, &[4.0, 6.0, 12.0]),
        (25.0, &[12.5]),
        (30.0, &[3.75, 5.0, 15.0]),
        (60.0, &[4.0, 7.5, 10.0, 30.0]),
        (120.0, &[4.5, 20.0, 60.0]),
        (240.0, &[5.0, 30.0, 120.0]),
    ] {
        for hz in rates {
            check(&format!("black and white, {hz} Hz"), fps, |secs| {
                flat(if phase(secs, *hz).0 { WHITE } else { BLACK })
            });
        }
    }
}

#[test]
fn short_flashes_and_saw_teeth() {
    check("one white frame in eight", 60.0, |secs| {
        flat(if ((secs * 60.0).round() as u64).is_multiple_of(8) { WHITE } else { GREY })
    });
    check("one black frame in ten", 60.0, |secs| {
        flat(if ((secs * 60.0).round() as u64).is_multiple_of(10) { BLACK } else { WHITE })
    });
    let tooth = |secs: f64, hz: f64| (secs * hz).fract();
    check("slow rise, sudden fall", 60.0, |secs| flat([(tooth(secs, 4.5) * 255.0) as u8; 3]));
    check("sudden rise, slow fall", 60.0, |secs| flat([255 - (tooth(secs, 4.5) * 255.0) as u8; 3]));
    let wave = |secs: f64| 0.5 + 0.5 * (secs * 5.0 * std::f64::consts::TAU).sin();
    check("a wave", 120.0, |secs| flat([(wave(secs) * 255.0) as u8; 3]));
}

#[test]
fn strobes_of_the_light() {
    let lit = |secs: f64, light: f32| Scene { light, ..scene(walk(secs)) };
    let run = check("blackout on and off", 60.0, |secs| lit(secs, if phase(secs, 6.0).0 { 1.0 } else { 0.0 }));
    // The walk under the strobe goes on: hardly a frame is the one before.
    let worked: Vec<usize> = (0..run.shown.len()).filter(|i| run.working[*i] && run.secs[*i] < 2.5).collect();
    let moved = worked.windows(2).filter(|w| run.shown[w[0]].pictures != run.shown[w[1]].pictures).count();
    assert!(moved * 10 > worked.len() * 9, "{moved} of {} frames move", worked.len());
    check("the master fader", 60.0, |secs| lit(0.0, (0.5 + 0.5 * (secs * 31.4).sin()) as f32));
    check("half of the light", 30.0, |secs| Scene {
        light: if phase(secs, 5.0).0 { 1.0 } else { 0.6 },
        ..flat([220; 3])
    });
}

#[test]
fn strobes_of_colour_alone() {
    let pairs = [
        ("red and black", RED, BLACK),
        ("red and blue", RED, [0, 0, 255]),
        ("red and white", RED, WHITE),
        ("red and a grey as bright", RED, [127; 3]),
        ("red and a green as bright", RED, [0, 149, 0]),
        ("dark red and black", [84, 0, 0], BLACK),
        ("dark red and dark blue", [84, 0, 0], [0, 0, 84]),
    ];
    for (name, a, b) in pairs {
        check(name, 60.0, |secs| flat(if phase(secs, 6.0).0 { a } else { b }));
    }
    let faded = |secs: f64| ((0.5 + 0.5 * (secs * 4.0 * std::f64::consts::TAU).sin()) * 255.0) as u8;
    check("red that fades in and out", 60.0, |secs| flat([faded(secs), 0, 0]));
    check("from red to blue and back", 60.0, |secs| flat([faded(secs), 0, 255 - faded(secs)]));
}

/// WCAG 2.0 counted red by R − G − B, which finds some that the newer distance of chromaticities does not.
#[test]
fn the_older_rule_of_red_holds_too() {
    let run = run(60.0, 3.0, |secs| flat(if phase(secs, 6.0).0 { [220, 80, 70] } else { [140; 3] }));
    assert!(run.working.iter().any(|works| *works));
    let brief = run.secs.iter().zip(&run.working).find(|(_, works)| **works).map(|(secs, _)| *secs);
    assert!(brief.is_some_and(|secs| secs < 1.0), "{brief:?}");
}

#[test]
fn strobes_of_a_part() {
    let on = |secs: f64| phase(secs, 7.5).0;
    check("a quarter of the frame", 60.0, |secs| rects(if on(secs) { &[[0.0, 0.0, 0.5, 0.5]] } else { &[] }));
    check("a corner of a field", 60.0, |secs| rects(if on(secs) { &[[0.8, 0.75, 0.18, 0.2]] } else { &[] }));
    let dots = |shift: f32| -> Vec<[f32; 4]> {
        let at = |i: usize| shift + (i % 4) as f32 * 0.08;
        (0..16).map(|i| [at(i), shift + (i / 4) as f32 * 0.08, 0.05, 0.05]).collect()
    };
    check("small ones that add up", 60.0, |secs| rects(&dots(0.3)[..if on(secs) { 16 } else { 0 }]));
    check("two that alternate", 60.0, |secs| {
        rects(&[if on(secs) { [0.1, 0.1, 0.14, 0.14] } else { [0.26, 0.1, 0.14, 0.14] }])
    });
    check("one that wanders", 60.0, |secs| {
        let (lit, nth) = phase(secs, 5.0);
        let x = 0.1 + 0.04 * (nth % 4) as f32;
        if lit { rects(&[[x, 0.2, 0.2, 0.2]]) } else { rects(&[]) }
    });
    check("halves in turn", 60.0, |secs| rects(&[if on(secs) { [0.0, 0.0, 0.5, 1.0] } else { [0.5, 0.0, 0.5, 1.0] }]));
    check("ellipses", 60.0, |secs| {
        let place = Place { x: 0.3, y: 0.3, w: 0.4, h: 0.4 };
        let mark = Mark::Ellipse { place, weight: 0.0, colour: [1.0; 4] };
        with_marks(BLACK, if on(secs) { vec![mark] } else { Vec::new() })
    });
    check("letters", 60.0, |secs| {
        let text = Mark::Text { text: "MMMMM".into(), at: [0.5, 0.5], size: 0.45, colour: [1.0; 4] };
        with_marks(BLACK, if on(secs) { vec![text] } else { Vec::new() })
    });
    check("lines", 60.0, |secs| {
        let line = |i: usize| Mark::Line {
            from: [0.0, i as f32 * 0.1],
            to: [1.0, i as f32 * 0.1],
            weight: 0.06,
            colour: [1.0; 4],
        };
        with_marks(BLACK, if on(secs) { (0..11).map(line).collect() } else { Vec::new() })
    });
}

#[test]
fn strobes_of_pictures() {
    let board = |squares: usize, odd: bool| {
        let mut picture = Picture::filled(96, 96, BLACK);
        for at in 0..96 * 96 {
            let (x, y) = (at % 96 * squares / 96, at / 96 * squares / 96);
            picture.set(at % 96, at / 96, if (x + y) % 2 == usize::from(odd) { WHITE } else { BLACK });
        }
        scene(picture)
    };
    for squares in [2, 6, 24] {
        check(&format!("a board of {squares} that is inverted"), 60.0, |secs| board(squares, phase(secs, 6.0).0));
    }
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 31 == 0 { BLACK } else { WHITE }
    };
    let pictures: Vec<Picture> = (0..40)
        .map(|_| {
            let mut picture = Picture::filled(8, 8, BLACK);
            (0..64).for_each(|at| picture.set(at % 8, at / 8, noise()));
            picture
        })
        .collect();
    check("another picture each frame", 30.0, |secs| Scene {
        filter: Filter::Nearest,
        ..scene(pictures[(secs * 30.0).round() as usize % 40].clone())
    });
    let white = Arc::new(vec![Picture::filled(16, 16, WHITE)]);
    check("a blend with the picture before", 60.0, |secs| Scene {
        before: Some((white.clone(), if phase(secs, 6.0).0 { 0.8 } else { 0.0 })),
        ..flat(BLACK)
    });
    check("opacity", 60.0, |secs| {
        let mut scene = flat(WHITE);
        let opacity = if phase(secs, 6.0).0 { 1.0 } else { 0.3 };
        let pose = Pose { marks: vec![Mark::Picture { latent: 0, place: Place::ALL, opacity }], ..Pose::of(vec![0.0]) };
        scene.pose = Arc::new(pose);
        scene
    });
    check("a heat map", 60.0, |secs| {
        let z = vec![if phase(secs, 6.0).0 { 3.0 } else { -3.0 }; 100];
        let (place, range) = (Place::ALL, [-3.0, 3.0]);
        let mark = Mark::Heatmap { latent: 0, place, columns: 10, numbers: true, range, opacity: 1.0 };
        Scene { pose: Arc::new(Pose { latents: vec![z], marks: vec![mark], ..Pose::default() }), ..flat(GREY) }
    });
    check("the background", 60.0, |secs| {
        let background = if phase(secs, 6.0).0 { [1.0; 3] } else { [0.0; 3] };
        Scene { pose: Arc::new(Pose { background, ..Pose::default() }), ..flat(GREY) }
    });
}

#[test]
fn frames_that_change_their_shape() {
    let shaped = |aspect: f32, fit: Fit| {
        let mut scene = flat(WHITE);
        scene.pose = Arc::new(Pose { aspect, ..(*scene.pose).clone() });
        Scene { fit, ..scene }
    };
    check("bars above and below", 60.0, |secs| shaped(if phase(secs, 6.0).0 { 1.0 } else { 3.0 }, Fit::Fit));
    let strobe = |secs: f64| shaped(1.0, if phase(secs, 6.0).0 { Fit::Mirror } else { Fit::Fit });
    let run = run_in([1280, 320], 60.0, 4.0, strobe);
    let count = |scenes: &[Scene]| flashes(&drawn_in(scenes, &run.secs, [96, 24]));
    assert!(count(&run.given).most() > 3 && count(&run.shown).most() <= 3, "{:?}", count(&run.shown));
}

/// Without the short cut for equal scenes.
fn drawn_in(scenes: &[Scene], secs: &[f64], size: [usize; 2]) -> Sequence {
    let mut canvas = Canvas::default();
    Sequence { frames: scenes.iter().map(|s| canvas.draw(s, size, true)).collect(), secs: secs.to_vec() }
}

#[test]
fn irregular_strobes() {
    let mut state = 7u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 31)
    };
    for round in 0..4 {
        let mut cuts = vec![0.0];
        while cuts[cuts.len() - 1] < 4.0 {
            cuts.push(cuts[cuts.len() - 1] + 0.02 + 0.16 * random());
        }
        let levels: Vec<u8> =
            (0..cuts.len()).map(|i| if i % 2 == 0 { 0 } else { 150 + (random() * 105.0) as u8 }).collect();
        check(&format!("irregular, {round}"), 60.0, |secs| {
            flat([levels[cuts.iter().take_while(|cut| **cut <= secs).count() - 1]; 3])
        });
    }
}

/// White for `width` seconds from each of the times on.
fn bursts<'a>(times: &'a [f64], width: f64) -> impl Fn(f64) -> Scene + 'a {
    move |secs| {
        let lit = times.iter().any(|at| secs >= at - 1e-9 && secs < at + width - 1e-9);
        flat(if lit { WHITE } else { BLACK })
    }
}

#[test]
fn three_flashes_pass_and_the_fourth_does_not() {
    for fps in [10.0, 24.0, 30.0, 60.0, 120.0, 240.0] {
        // Three in the first second, three in the third.
        let frame = 1.0 / fps;
        let three = [0.5, 0.5 + 2.0 * frame, 0.5 + 4.0 * frame, 2.5, 2.5 + 2.0 * frame, 2.5 + 4.0 * frame];
        let run = passes("three", fps, 4.0, bursts(&three, frame));
        assert_eq!(shown(&run).general, 3);
        let four = [0.5, 0.5 + 2.0 * frame, 0.5 + 4.0 * frame, 0.5 + 6.0 * frame];
        // At ten frames a second four flashes take 0.7 s.
        check("four", fps, bursts(&four, frame));
        // Two before the full second and two behind it.
        let across = [0.7, 0.7 + 2.0 * frame, 1.2, 1.2 + 2.0 * frame];
        check("four across the second", fps, bursts(&across, frame));
    }
    // Three a second for ever.
    for fps in [30.0, 60.0, 240.0] {
        passes("3 Hz", fps, 8.0, |secs| flat(if phase(secs, 3.0).0 { WHITE } else { BLACK }));
    }
    passes("a wave of 3 Hz", 60.0, 8.0, |secs| {
        flat([(127.5 - 127.5 * (secs * 3.0 * std::f64::consts::TAU).cos()) as u8; 3])
    });
    passes("red, 3 Hz", 60.0, 8.0, |secs| flat(if phase(secs, 3.0).0 { RED } else { BLACK }));
}

#[test]
fn what_is_below_the_thresholds_passes() {
    let on = |secs: f64| phase(secs, 10.0).0;
    let level = |luminance: f64| {
        let v = if luminance <= 0.003_130_8 { 12.92 * luminance } else { 1.055 * luminance.powf(1.0 / 2.4) - 0.055 };
        [(v * 255.0).round() as u8; 3]
    };
    for (dark, bright) in [(0.0, 0.09), (0.3, 0.39), (0.7, 0.79), (0.9, 1.0)] {
        passes(&format!("{dark} to {bright}"), 60.0, 3.0, |secs| flat(level(if on(secs) { bright } else { dark })));
    }
    for (dark, bright) in [(0.0, 0.105), (0.3, 0.405), (0.7, 0.805), (0.85, 0.97)] {
        check(&format!("{dark} to {bright}"), 60.0, |secs| flat(level(if on(secs) { bright } else { dark })));
    }
    // A little less than a quarter of a field, and that in each of nine fields.
    let small = |i: usize| [0.1 + 0.333 * (i % 3) as f32, 0.1 + 0.333 * (i / 3) as f32, 0.155, 0.155];
    passes("a small square", 60.0, 3.0, |secs| rects(if on(secs) { &[[0.4, 0.4, 0.155, 0.155]] } else { &[] }));
    let nine: Vec<[f32; 4]> = (0..9).map(small).collect();
    passes("nine small squares", 60.0, 3.0, |secs| rects(if on(secs) { &nine } else { &[] }));
    passes("orange, no saturated red", 60.0, 3.0, |secs| flat(if on(secs) { [240, 120, 60] } else { [210, 140, 60] }));
    passes("reds among themselves", 60.0, 3.0, |secs| flat(if on(secs) { [200, 0, 0] } else { [200, 40, 0] }));
}

#[test]
fn a_smooth_walk_passes() {
    for fps in [24.0, 60.0] {
        let walked = |secs: f64| Scene { version: (secs * fps) as u64, ..scene(walk(secs)) };
        passes("clouds", fps, 6.0, walked);
        passes("clouds, three times as fast", fps, 4.0, |secs| walked(secs * 3.0));
    }
    // A cut on each beat of 138 a minute, and a fade to black.
    passes("cuts", 60.0, 6.0, |secs| scene(walk((secs * 2.3).floor() * 5.0)));
    passes("a fade", 60.0, 4.0, |secs| Scene { light: (1.0 - secs / 3.0).max(0.0) as f32, ..scene(walk(secs)) });
    passes("a title that counts", 60.0, 4.0, |secs| {
        let text = format!("{:.2}", secs);
        let mark = Mark::Text { text, at: [0.5, 0.5], size: 0.3, colour: [1.0; 4] };
        with_marks(GREY, vec![mark])
    });
}

#[test]
fn it_lets_go_without_a_flash_and_within_seconds() {
    let strobe = |secs: f64| match secs < 2.0 {
        true => Scene { light: if phase(secs, 10.0).0 { 1.0 } else { 0.0 }, ..scene(walk(secs)) },
        false => scene(walk(secs)),
    };
    let run = run(60.0, 6.0, strobe);
    assert!(shown(&run).most() <= 3);
    let let_go = (0..run.shown.len()).rev().find(|i| run.working[*i]).unwrap();
    assert!(run.secs[let_go] < 5.0, "it worked until {}", run.secs[let_go]);
    // The last limited frame is the scene already, within the few levels of one frame's walk.
    let pair = drawn_in(&[run.shown[let_go].clone(), run.shown[let_go + 1].clone()], &[0.0, 1.0], [64, 64]);
    let jump = pair.frames[0].pixels.iter().zip(&pair.frames[1].pixels).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(jump < Some(24), "it jumps by {jump:?} levels");
    // Each limited picture is a version of its own, as windows want it.
    let limited: Vec<&Scene> = run.shown.iter().zip(&run.working).filter(|(_, w)| **w).map(|(s, _)| s).collect();
    for pair in limited.windows(2) {
        let same = Arc::ptr_eq(&pair[0].pictures, &pair[1].pictures);
        assert_eq!(same, pair[0].version == pair[1].version);
        assert!(pair[0].version > 1 << 60);
    }
}

#[test]
fn the_same_times_give_the_same_bytes() {
    let strobe = |secs: f64| Scene { light: if phase(secs, 8.0).0 { 1.0 } else { 0.2 }, ..scene(walk(secs)) };
    let (a, b) = (run(60.0, 3.0, strobe), run(60.0, 3.0, strobe));
    assert!(a.working.iter().any(|w| *w) && a.working == b.working);
    assert!(a.shown.iter().zip(&b.shown).all(|(a, b)| a.pictures == b.pictures));
}

#[test]
fn a_recording_of_another_shape_is_safe_too() {
    let on = |secs: f64| phase(secs, 7.5).0;
    let strobe = |secs: f64| rects(if on(secs) { &[[0.1, 0.1, 0.2, 0.2]] } else { &[] });
    let run = run_in([1920, 1080], 60.0, 4.0, strobe);
    assert!(flashes(&drawn_in(&run.given, &run.secs, [72, 72])).most() > 3);
    for size in [[72, 72], [96, 54], [36, 72]] {
        assert!(flashes(&drawn_in(&run.shown, &run.secs, size)).most() <= 3, "{size:?}");
    }
}
