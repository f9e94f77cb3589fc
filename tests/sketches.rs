//! Sketches: every verb's example, every shipped sketch, and everything that can be wrong with one.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use burn::tensor::Device;
use flaneur::clock::{Clock, Tick};
use flaneur::control::Controls;
use flaneur::latent::style::{HEAD, Mapped, Style};
use flaneur::latent::{self, pose::Pose, space::Space};
use flaneur::net::families::stylegan2::StyleGan2;
use flaneur::net::mapping::Mapping;
use flaneur::net::params::Params;
use flaneur::random::RandomState;
use flaneur::show::walk::Walk;
use flaneur::sketch::host::Host;
use flaneur::sketch::{Complaint, Env, Language, verbs};

const DIM: usize = 100;

fn host() -> Host {
    Host::new(Language::new(Env::new(DIM)).unwrap())
}

fn tick() -> Tick {
    let mut clock = Clock::new(120.0);
    clock.frame(0.0, true);
    clock.frame(1.3, false)
}

fn take(host: &mut Host, text: &str) -> Result<Option<String>, Box<Complaint>> {
    let program = host.language.compile(Path::new("sketches/try.rn"), text)?;
    host.take(program, tick())
}

/// The pose of a sketch whose walk is `body`.
fn pose(body: &str) -> Pose {
    let mut host = host();
    take(&mut host, &format!("pub fn walk(me, t, c) {{ {body} }}")).map_err(|e| e.to_string()).unwrap();
    let walked = host.walk(tick());
    assert!(walked.complaint.is_none(), "{}", walked.complaint.unwrap());
    (*walked.pose).clone()
}

/// The complaint about a whole sketch.
fn complaint(text: &str) -> Complaint {
    *take(&mut host(), text).unwrap_err()
}

#[test]
fn every_example_runs_and_every_verb_works_bare() {
    let env = Env::new(DIM);
    env.lock().points.insert("example".into(), vec![latent::seed(1, DIM)].into());
    for verb in verbs::all() {
        let on = match verb.signature().split('.').next().unwrap() {
            "draw" => "draw().",
            "t" => "t.",
            "c" => "c.",
            "r" => "randomness(7).",
            "p" => "palette().",
            _ => "",
        };
        for expression in [verb.example.to_owned(), format!("{on}{}()", verb.name)] {
            if verb.name == "load" && expression == "load()" {
                continue;
            }
            let mut host = Host::new(Language::new(env.clone()).unwrap());
            let text = format!(
                "pub fn walk(me, t, c) {{ let it = {expression}; if it is Latent {{ it }} else {{ seed(1) }} }}"
            );
            let text = format!("use ::flaneur::Latent;\n{text}");
            take(&mut host, &text).map_err(|e| format!("{}: {e}", verb.name)).unwrap();
            let walked = host.walk(tick());
            assert!(walked.complaint.is_none(), "{expression}: {}", walked.complaint.unwrap());
        }
        assert!(verb.says.ends_with('.'), "{}", verb.name);
    }
    let mut names: Vec<&str> = verbs::all().map(|v| v.name).collect();
    assert!(names.len() >= 60);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), verbs::all().count());
}

/// A model with a mapping to w of 12 numbers, and eight layers.
fn mapped() -> Space {
    let own = StyleGan2 { z_dim: DIM, w_dim: 12, channels: vec![4; 4], ..StyleGan2::default() };
    let params = Params::init(&own.plans(), &mut RandomState::new(5), &Device::flex());
    let mapping = Mapping::new(&own, &params, vec!["smile".into(), "older than".into()]);
    Space { dim: DIM, manner: HEAD, w: Some(Mapped(Arc::new(mapping))), ..Space::default() }
}

/// How the first latent of a sketch for that model is drawn.
fn style(body: &str) -> Result<Style, String> {
    let mut host = Host::new(Language::new(Env::new(mapped())).unwrap());
    take(&mut host, &format!("pub fn walk(me, t, c) {{ {body} }}")).map_err(|e| e.to_string())?;
    let walked = host.walk(tick());
    match walked.complaint {
        Some(complaint) => Err(complaint.to_string()),
        None => Ok(Style::of_numbers(walked.pose.manner(0))),
    }
}

#[test]
fn points_of_w_go_straight_and_stay_in_w() {
    let space = mapped();
    let w = |seed: u32| space.w.as_ref().unwrap().0.w(&latent::seed(seed, DIM), &[]);
    let near = |body: &str, expected: &[f64]| {
        let found = style(body).unwrap().w;
        assert_eq!(found.len(), expected.len(), "{body}");
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{body}: {found:?} {expected:?}");
    };
    let mixed = |share: f64| latent::lerp(&w(1), &w(2), share);
    near("w(seed(1))", &w(1));
    near("lerp(w(1), w(2), 0.25)", &mixed(0.25));
    near("slerp(w(1), 2, 0.25)", &mixed(0.25));
    near("(w(1) + seed(2)) / 2", &mixed(0.5));
    near("mix([w(1), w(2)], [3, 1])", &mixed(0.25));
    near("path([w(1), w(2)], 1.0)", &w(2));
    near("ring([w(1), w(2), 3], 1.0)", &w(1));
    near("circle(w(1), w(2), 0)", &w(1));
    near("w(1) * w(1).set(2, 5).get(2)", &w(1).iter().map(|v| v * 5.0).collect::<Vec<f64>>());
    near("w(1).truncate(0)", space.w.as_ref().unwrap().0.mean());
    near("raw_w(constant(2))", &[2.0; 12]);
    // Layers 2 and 3 of b, and half of 4.
    let layered = style("style(seed(1), seed(2), 2, 4.5)").unwrap().w;
    let layer = |at: usize| &layered[at * 12..(at + 1) * 12];
    let is = |at: usize, expected: Vec<f64>| layer(at).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(layered.len() == 96 && is(1, w(1)) && is(2, w(2)) && is(3, w(2)) && is(4, mixed(0.5)) && is(5, w(1)));
    near("layers(1, 2, [0, 0.5]).truncate(1)", &[w(1), mixed(0.5).repeat(7)].concat());
}

#[test]
fn styles_of_a_latent_are_what_the_verbs_say() {
    let made = style("seed(1).psi(0.5, 3).noise(7).noise_strength(2).noise_loop(1.25, 0.5, 4)").unwrap();
    assert_eq!((made.psi, made.cutoff, made.noise, made.strength), (0.5, 3, Some(7.0), 2.0));
    let turn = made.turn.unwrap();
    assert_eq!((turn.phase, turn.radius, turn.seed), (0.25, 0.5, 4.0));
    let made = style("seed(1).direction(\"smile\", 2).direction(1, -1).direction(\"older_than\", 0.5)").unwrap();
    assert_eq!(made.directions[..2], [2.0, -0.5]);
    assert!(style("seed(1).direction(\"frown\", 1)").unwrap_err().contains("there are smile, older than"));
    let made = style("seed(1).bend(3, \"turn\", 0.5).bend(3, \"mute\").bend(2, \"erode\", -2, 0.25, 9)").unwrap();
    assert_eq!((made.bends[0].layer, made.bends[0].turn, made.bends[0].gain), (3, 0.5, -1.0));
    assert_eq!((made.bends[1].erode, made.bends[1].spared, made.bends[1].seed), (-2.0, 0.75, 9.0));
    assert!(style("seed(1).bend(3, \"melt\", 0.5)").unwrap_err().contains("erode, threshold, multiply and mute"));
    // Walks take them along.
    let half = style("lerp(seed(1).psi(0.5), seed(2), 0.5)").unwrap();
    assert!((half.psi - 0.75).abs() < 1e-6);
    // On other models nothing happens.
    assert!(pose("w(seed(1)).psi(0.5).bend(3, \"x\", 1).direction(\"any\", 1)").manner(0).is_empty());
}

#[test]
fn every_verbs_example_runs_with_a_mapping() {
    let env = Env::new(mapped());
    env.lock().points.insert("example".into(), vec![latent::seed(1, DIM)].into());
    for verb in verbs::all() {
        let mut host = Host::new(Language::new(env.clone()).unwrap());
        let example = verb.example;
        let body = format!("let it = {example}; if it is Latent {{ it }} else {{ seed(1) }}");
        let text = format!("use ::flaneur::Latent;\npub fn walk(me, t, c) {{ {body} }}");
        take(&mut host, &text).map_err(|e| format!("{}: {e}", verb.name)).unwrap();
        let walked = host.walk(tick());
        assert!(walked.complaint.is_none(), "{}: {}", verb.name, walked.complaint.unwrap());
    }
}

#[test]
fn a_complete_sketch_is_one_line() {
    let expected: Vec<f32> = latent::seed(7, DIM).iter().map(|v| *v as f32).collect();
    assert_eq!(pose("seed(7)"), Pose::of(expected));
}

/// The first latent's classes in a sketch for a model with three of them, whose show has the blend 0, 1, 0.
fn class(body: &str) -> Result<Vec<f32>, String> {
    let classes = Arc::new(["amber", "dark brown", "blue"].map(str::to_owned).to_vec());
    let env = Env::new(Space { dim: DIM, classes, ..Space::default() });
    env.lock().blend = vec![0.0, 1.0, 0.0];
    let mut host = Host::new(Language::new(env).unwrap());
    take(&mut host, &format!("pub fn walk(me, t, c) {{ {body} }}")).map_err(|e| e.to_string())?;
    let walked = host.walk(tick());
    assert!(walked.complaint.is_none(), "{body}: {}", walked.complaint.unwrap());
    Ok(walked.pose.class(0).to_vec())
}

#[test]
fn classes_go_along_with_their_latents() {
    let (amber, brown, blue) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
    let check = |body: &str, expected: [f32; 3]| {
        let found = class(body).unwrap();
        assert!(found.len() == 3 && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{body}: {found:?}");
    };
    check("class(7, \"amber\")", amber);
    check("seed(7).class(\"dark brown\")", brown);
    check("class(7, \"dark_brown\")", brown);
    check("class(7, 2)", blue);
    check("class(7, 3)", amber);
    check("class(7, -1)", blue);
    check("class(7, 1.25)", [0.0, 0.75, 0.25]);
    check("class(7, 2.5)", [0.5, 0.0, 0.5]);
    check("class(7, 0.0 / 0.0)", amber);
    // Before it there was nothing but what the show has.
    check("class(7, \"amber\", 0.75)", [0.75, 0.25, 0.0]);
    check("class(7, \"amber\").class(\"blue\", 0.3)", [0.7, 0.0, 0.3]);
    check("class(7, \"amber\", 0)", brown);
    check("lerp(class(1, 0), class(2, 2), 0.25)", [0.75, 0.0, 0.25]);
    check("slerp(class(1, 0), class(2, 2), 0.25)", [0.75, 0.0, 0.25]);
    check("slerp(class(1, 0), 2, 0.75)", amber);
    check("lerp(1, class(2, 2), 0.0)", blue);
    check("mix([class(1, 0), class(2, 2), 3], [1, 2, 1])", [0.25, 0.0, 0.75]);
    check("mix([class(1, 0), class(2, 2)])", [0.5, 0.0, 0.5]);
    check("ring([class(1, 0), class(2, 1), class(3, 2)], 5.0 / 6.0)", [0.5, 0.0, 0.5]);
    check("ring([class(1, 0), 2, class(3, 2)], 0.2)", amber);
    check("path(even([class(1, 0), class(2, 2)]), 0.25)", [0.75, 0.0, 0.25]);
    check("map2d([class(1, 0), class(2, 1), class(3, 2), 4], 0, 1)", blue);
    check("circle(class(1, 0), class(2, 2), 0.25)", blue);
    check("circle(class(1, 0), class(2, 2), 0.5)", amber);
    for change in [
        "truncate(0.5)",
        "scale(-2)",
        "normalize()",
        "set(1, 3)",
        "add(1, 3)",
        "row(1)",
        "quadrant(2)",
        "orbit(1, 0.3)",
        "wobble(1, 2)",
        "map(|v, i| 0.0)",
        "prefer(1)",
    ] {
        check(&format!("class(1, 2).{change}"), blue);
    }
    check("class(1, 0) * 0.25 + class(2, 2) * 0.75", [0.25, 0.0, 0.75]);
    check("class(1, 0) + (class(2, 2) - class(1, 0)) * 0.75", [0.25, 0.0, 0.75]);
    check("class(1, 0) - seed(2)", amber);
    check("constant(1) - class(1, 2)", blue);
    check("class(1, 0) + 3", amber);
    check("class(1, 0) * class(2, 2)", amber);
    check("class(1, 0) * -1", amber);
    check("let z = class(1, 0); z += class(2, 2); z[3] = 1.0; z", [0.5, 0.0, 0.5]);
    // What has no class of its own has none; the show gives its own.
    assert_eq!((class("seed(1)"), class("class(1, 0) * 0")), (Ok(vec![]), Ok(vec![])));
    for (body, why) in [
        ("class(1, \"ambre\")", "class: there is no class \"ambre\"; did you mean amber?"),
        ("class(1, \"x\")", "The model has amber, dark brown, blue"),
        ("class(1, [1])", "argument 2 (class) is a list"),
    ] {
        let said = class(body).unwrap_err();
        assert!(said.contains(why), "{said}");
    }
    // z alone has a length, dimensions and a heat map.
    let z = |body: &str| pose(body).latents[0].clone();
    assert_eq!(z("class(7, \"any\")"), z("seed(7)"));
    assert_eq!(class("constant(class(1, 2).len()).class(0)"), Ok(amber.to_vec()));
}

#[test]
fn what_a_sketch_keeps_comes_over_to_another_model() {
    let mut host = host();
    let text = "pub fn setup() { #{ z: seed(3), n: 0 } }
pub fn walk(me, t, c) { me.z[0] = me.z[0] + 1.0; [me.z, me.z + seed(1), lerp(me.z, 2, 0.5)] }";
    take(&mut host, text).unwrap();
    host.walk(tick());
    for (model, dim) in [(1, 128), (2, 4), (3, 100)] {
        host.set_space(Space { model, ..Space::from(dim) });
        let (first, second) = (host.walk(tick()), host.walk(tick()));
        for walked in [&first, &second] {
            assert!(walked.complaint.is_none(), "{}", walked.complaint.as_ref().unwrap());
            assert!(walked.pose.model == model && walked.pose.latents.iter().all(|z| z.len() == dim));
        }
        // It moves on by one, and what was added behind it stays as it is.
        let (a, b) = (&first.pose.latents[0], &second.pose.latents[0]);
        assert!((b[0] - a[0] - 1.0).abs() < 1e-5 && a[1..] == b[1..] && a[1..].iter().all(|v| *v != 0.0));
    }
}

#[test]
fn latents_calculate() {
    let z = |body: &str| pose(body).latents[0].clone();
    assert_eq!(z("constant(2) + constant(1) * 3"), vec![5.0; DIM]);
    assert_eq!(z("let z = zeros(); z += 1.5; z[3] = 4.0; z.set(1, z[3])")[..4], [1.5, 4.0, 1.5, 4.0]);
    assert_eq!(z("constant(2).map(|v, i| v * i)")[..3], [0.0, 2.0, 4.0]);
    assert_eq!(z("each(|i, share| share)")[50], 0.5);
    assert_eq!(z("zeros().row(1, 2)")[9..12], [0.0, 2.0, 2.0]);
    assert_eq!(z("lerp(1, 2, t.phase(8)).min(1.0); constant(lerp(0, 10, 0.3))")[0], 3.0);
    assert_eq!(z("ring([1, 2, 3], 1.0)"), z("seed(1)"));
}

#[test]
fn a_frame_can_hold_more_than_one_picture() {
    let grid = pose("grid([1, 2, 3, 4, 5, 6], 3)");
    assert_eq!((grid.latents.len(), grid.marks.len(), grid.aspect), (6, 6, 1.5));
    assert_eq!(pose("[seed(1), seed(2)]").aspect, 2.0);
    let study = pose("draw(2).picture(seed(1), 0, 0, 0.5, 1).heatmap(0, 0.5, 0, 0.5, 1).text(\"z\", 0.5, 0.5)");
    assert_eq!((study.latents.len(), study.marks.len()), (1, 3));
    assert_eq!(pose("crossfade([1, 2], [1, 3])").marks.len(), 2);
}

#[test]
fn what_does_not_compile_is_named_with_its_place() {
    let check = |text: &str, line: usize, what: &str, hint: &str| {
        let found = complaint(text);
        assert_eq!(found.line, line, "{found}");
        assert!(found.to_string().contains(what), "{found}");
        assert!(found.hint.clone().unwrap_or_default().contains(hint), "{found}");
    };
    check("pub fn walk(me, t, c) {\n  let z = ;\n z }", 2, "xpected", "");
    check("pub fn walk(me, t, c) {\n  sead(7)\n}", 2, "sead", "did you mean seed");
    check("pub fn walk(me, t, c) {\n  seed(7).trunkate(0.5)\n}", 2, "trunkate", "truncate");
    check("pub fn walk(me, t, c) {\n seed(7);\n slerp(seed(1), \"two\", 0.5)\n}", 3, "argument 2 (b) is a text", "");
    check("pub fn walk(me, t, c) {\n seed(1, 2)\n}", 2, "takes 1", "");
    check("pub fn walk(me, t, c) { 2.0 * seed(1) }", 1, "", "z * 2.0");
    check("pub fn walk(me, t, c) { seed(1); }", 1, "nothing", "without a semicolon");
    check("pub fn walk(me, t) { seed(1) }", 1, "takes 2 arguments", "pub fn walk(me, t, c)");
    check("pub fn wolk(me, t, c) { seed(1) }", 1, "no walk", "complete");
    check("pub fn walk(me, t, c) { seed(me.angle) }", 1, "angle", "setup");
    check("pub fn walk(me, t, c) { loop {} }", 1, "steps in one frame", "loop");
    check("pub fn walk(me, t, c) { let s = \"aaaaaaaa\"; loop { s = s + s; } }", 1, "MB in one frame", "list");
    check("pub fn walk(me, t, c) { let l = []; loop { l.push(seed(1)); } }", 1, "in one frame", "");
    check("fn f(x) { f(x + 1) + 1 } pub fn walk(me, t, c) { f(1) }", 1, "in one frame", "");
    for (body, what, hint) in [
        ("seed(1) * (1 - t.phase(1))", "", "write 2.0"),
        ("let n = 3.0; for i in 0..n { } seed(1)", "", "0..n as i64"),
        ("if t.frame > 4.0 { } seed(1)", "", "do not mix"),
        ("draw().text(\"seed \" + floor(t.secs))", "", "`seed ${n}`"),
        ("seed(1).ring()", "no method ring", "ring is a function: ring(points"),
        ("println!(\"x\"); seed(1)", "println", "draw it"),
        ("seed(t.bars)", "there is no t.bars", "t has secs, dt"),
        ("let a = true; let b = a ? 1 : 2; seed(b)", "", "if a { b } else { c }"),
        ("seed(1) * Math.sin(1.0)", "Math", "sin(x)"),
        ("draw().rect(0.1, 0.1, 0.2, 0.2, \"gold\")", "argument 5 (colour)", "black, white, grey"),
    ] {
        check(&format!("pub fn walk(me, t, c) {{ {body} }}"), 1, what, hint);
    }
    check("seed(7)", 1, "", "pub fn walk(me, t, c)");
    let nested = format!("pub fn walk(me, t, c) {{ {}1{} }}", "(".repeat(5000), ")".repeat(5000));
    check(&nested, 1, "nested deeper than 256", "");
}

#[test]
fn a_fault_keeps_the_last_pose_and_the_sketch_goes_on() {
    let mut host = host();
    let text = "pub fn setup() { #{ n: 0 } }\npub fn walk(me, t, c) { me.n += 1; if me.n == 3 { loop {} } seed(me.n) }";
    take(&mut host, text).unwrap();
    let walked: Vec<_> = (0..4).map(|_| host.walk(tick())).collect();
    assert_eq!(walked[2].pose, walked[1].pose);
    assert!(walked[2].complaint.is_some() && walked[3].complaint.is_none());
    assert_eq!(walked[3].pose.latents[0][0], latent::seed(4, DIM)[0] as f32);
}

#[test]
fn a_drawing_sketch_shows_a_new_picture_each_beat() {
    let mut host = host();
    let discs = "pub fn draw(r, i) { canvas(\"paper\").disc(0.5, 0.5, r.uniform(0.1, 0.4)).text(`${i}`) }";
    take(&mut host, discs).unwrap();
    let at = |host: &mut Host, beat: f64| host.walk(Tick { beat, ..tick() });
    let first = at(&mut host, 0.0).pose;
    assert!(Arc::ptr_eq(&first, &at(&mut host, 0.9).pose), "drawn anew within a beat");
    let second = at(&mut host, 1.0).pose;
    assert!(first != second && first == at(&mut host, 0.5).pose);
    // One that fails keeps the last picture, is said once a beat, and may become a walk.
    take(&mut host, "pub fn draw(r, i) { if i > 2 { panic(\"no\") } canvas() }").unwrap();
    let good = at(&mut host, 2.0).pose;
    let failed = at(&mut host, 3.0);
    assert!(failed.complaint.is_some() && failed.pose == good);
    assert!(at(&mut host, 3.5).complaint.is_none());
    take(&mut host, "pub fn walk(me, t, c) { seed(7) }").unwrap();
    assert_eq!(at(&mut host, 3.6).pose.latents.len(), 1);
}

#[test]
fn not_a_number_never_leaves() {
    let mut host = host();
    take(&mut host, "pub fn walk(me, t, c) { seed(1) * (0.0 / 0.0) }").unwrap();
    let walked = host.walk(tick());
    assert_eq!(walked.pose.latents[0], vec![0.0; DIM]);
    assert!(walked.complaint.unwrap().what.contains("NaN"));
}

#[test]
fn state_survives_a_reload_and_gains_new_fields() {
    let mut host = host();
    take(&mut host, "pub fn setup() { #{ n: 0 } } pub fn walk(me, t, c) { me.n += 1; constant(me.n) }").unwrap();
    (0..5).for_each(|_| drop(host.walk(tick())));
    let new = "pub fn setup() { #{ n: 0, k: 100 } } pub fn walk(me, t, c) { me.n += 1; constant((me.n + me.k) as f64 * 0.5) }";
    assert_eq!(take(&mut host, new).unwrap(), None);
    assert_eq!(host.walk(tick()).pose.latents[0][0], 53.0);
    // A trial leaves no trace in the state, and a failing one not in anything.
    assert!(take(&mut host, "pub fn walk(me, t, c) { me.n = 0; nothing(me) }").is_err());
    assert!(take(&mut host, "pub fn walk(me, t, c) { me.n = 0; constant(me.n, 1) }").is_err());
    assert_eq!(host.walk(tick()).pose.latents[0][0], 53.5);
    // A sketch that cannot live with the old state begins anew, and says so.
    let other = "pub fn setup() { #{ n: [1] } } pub fn walk(me, t, c) { constant(me.n.len()) }";
    assert!(take(&mut host, other).unwrap().unwrap().contains("anew"));
}

#[test]
fn a_generator_is_a_score() {
    let mut host = host();
    let text = "fn score() { for n in 1..4 { yield constant(n); } }\n\
        pub fn setup() { #{ score: score(), z: zeros() } }\n\
        pub fn walk(me, t, c) { if let Some(z) = me.score.next() { me.z = z; } me.z }";
    take(&mut host, text).map_err(|e| e.to_string()).unwrap();
    let seen: Vec<f32> = (0..5).map(|_| host.walk(tick()).pose.latents[0][0]).collect();
    assert_eq!(seen, [1.0, 2.0, 3.0, 3.0, 3.0]);
    take(&mut host, &text.replace("1..4", "1..5")).map_err(|e| e.to_string()).unwrap();
}

#[test]
fn knobs_are_found_by_being_named_and_a_trial_moves_nothing() {
    let mut host = host();
    take(&mut host, "pub fn walk(me, t, c) { constant(c.value(\"size\", -1, 3, 0)) }").unwrap();
    let knobs = host.language.env.lock().controls.asked();
    assert_eq!((knobs.len(), knobs[0].name.as_str(), knobs[0].range), (1, "size", [-1.0, 3.0]));
    host.language.env.lock().controls.set("size", 1.0);
    host.language.env.lock().controls.frame(10.0);
    assert_eq!(host.walk(tick()).pose.latents[0][0], 3.0);
    host.language.env.lock().controls.set_offset(0, 0.5, Some(0.0));
    host.language.env.lock().controls.frame(0.0);
    let mut z = host.walk(tick()).pose.latents[0].clone();
    host.language.env.lock().controls.bend(&mut z);
    assert_eq!(z[..2], [3.5, 3.0]);
}

#[test]
fn a_state_that_grows_without_end_begins_anew() {
    let mut host = host();
    let text = "pub fn setup() { #{ l: [] } }\n\
        pub fn walk(me, t, c) { for i in 0..4000 { me.l.push(i); } constant(me.l.len() as f64 / 1000000.0) }";
    take(&mut host, text).unwrap();
    let complaints: Vec<_> = (0..128).filter_map(|_| host.walk(tick()).complaint).collect();
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].what.contains("grown"));
}

#[test]
fn a_state_that_nests_without_end_begins_anew() {
    let mut host = host();
    let text = "pub fn setup() { #{ v: [] } }\n\
        pub fn walk(me, t, c) { for i in 0..20000 { me.v = [me.v]; } seed(1) }";
    take(&mut host, text).unwrap();
    assert!((0..200).all(|_| host.walk(tick()).complaint.is_some_and(|c| c.what.contains("begins anew"))));
}

#[test]
fn a_state_of_a_type_of_its_own_survives_if_it_can() {
    let mut host = host();
    let text = |fields: &str, walk: &str| {
        format!(
            "struct State {{ n{fields} }}\npub fn setup() {{ State {{ n: 0{} }} }}\npub fn walk(me, t, c) {{ me.n += 1; {walk} }}",
            fields.replace('k', "k: 5")
        )
    };
    take(&mut host, &text("", "constant(me.n)")).map_err(|e| e.to_string()).unwrap();
    (0..3).for_each(|_| drop(host.walk(tick())));
    take(&mut host, &text("", "constant(me.n + 10)")).map_err(|e| e.to_string()).unwrap();
    assert_eq!(host.walk(tick()).pose.latents[0][0], 14.0);
    // With a field that the old state has not, it begins anew instead of failing for ever.
    take(&mut host, &text(", k", "constant(me.n + me.k)")).map_err(|e| e.to_string()).unwrap();
    let walked = host.walk(tick());
    assert!(walked.complaint.is_none(), "{}", walked.complaint.unwrap());
    assert_eq!(walked.pose.latents[0][0], 6.0);
}

/// What is wrong with a sketch that is walked for some frames on a thread of its own, as a film walks it.
fn walked(text: &str) -> Option<Complaint> {
    let mut walk = Walk::new(DIM, 120.0, true).unwrap();
    let mut controls = Controls::default();
    if let Err(complaint) = walk.take_now(Path::new("sketches/try.rn"), text.to_owned(), &controls) {
        return Some(*complaint);
    }
    for frame in 0..8 {
        let real = f64::from(frame) / 60.0;
        let tick = walk.tick(real, frame == 0);
        walk.ask(tick, &mut controls, real);
        if let Err(complaint) = walk.collect(Duration::ZERO, &mut controls, real) {
            return Some(*complaint);
        }
        if let Some(complaint) = walk.complaint() {
            return Some(complaint.clone());
        }
    }
    None
}

#[test]
fn work_is_counted_wherever_a_sketch_does_it() {
    let check = |text: &str, line: usize| {
        let complaint = walked(text).unwrap_or_else(|| panic!("nothing is said of {text}"));
        assert!(complaint.what.contains("took more than"), "{text}: {complaint}");
        assert_eq!(complaint.line, line, "{text}: {complaint}");
    };
    let walk = |body: &str| format!("pub fn walk(me, t, c) {{\n {body}\n}}");
    // In closures that verbs call, and in those that the language's own iterators and sorts do.
    check(&walk("each(|i, share| { loop {} })"), 2);
    check(&walk("seed(7).map(|v, i| { while v < 9.0 { } v })"), 2);
    check(&walk("let l = [1, 2].iter().map(|x| { loop {} x }).collect::<Vec>(); seed(1)"), 2);
    check(&walk("if [1].iter().any(|x| { for i in 0.. { } true }) { seed(1) } else { seed(2) }"), 2);
    check(&walk("let n = (0..9).iter().fold(0, |a, b| { loop { a += b; } a }); seed(n)"), 2);
    check(&walk("let l = [3, 1, 2]; l.sort_by(|a, b| { loop {} a.cmp(b) }); seed(1)"), 2);
    check(&walk("each(|i, s| { let x = 0.0; for k in 0..20000 { x += 0.5; } x })"), 2);
    check(&walk("let z = zeros(); for i in 0..9000 { z = random(); } z"), 2);
    check(&walk("let z = zeros(); for i in 0..30000 { z = z + seed(i); } z"), 2);
    check(&walk("let v = []; v.resize(3000000, 1); v.sort(); seed(1)"), 2);
    // In generators, at their beginning and later, and in modules.
    check(
        "fn g() { loop { let z = seed(1); } }\npub fn setup() { #{ g: g() } }\npub fn walk(me, t, c) { me.g.next(); seed(1) }",
        1,
    );
    check(
        "fn g() {\n yield 1; loop {} }\npub fn setup() { #{ g: g() } }\npub fn walk(me, t, c) { me.g.next(); seed(1) }",
        2,
    );
    check("fn g() { loop { yield 1; } }\npub fn walk(me, t, c) {\n seed(g().iter().count()) }", 1);
    check("mod deep { pub fn f() { loop {} } }\npub fn walk(me, t, c) { each(|i, s| deep::f()) }", 1);
    check(
        "struct A { n } impl A {\n fn m(self) { loop {} } }\npub fn walk(me, t, c) { each(|i, s| A { n: 1 }.m()) }",
        2,
    );
}

#[test]
fn what_nests_without_end_has_an_end() {
    let check = |text: &str, words: &[&str]| {
        let said = walked(text).map_or_else(String::new, |complaint| complaint.to_string());
        assert!(words.iter().any(|word| said.contains(word)), "{text}: {said}");
    };
    let ends = ["too deep", "took more than", "at a time"];
    check("fn g() { each(|i, s| g()).get(0) } pub fn walk(me, t, c) { constant(g()) }", &ends);
    check("fn g(x) { [x].iter().map(|y| g(y)).collect::<Vec>() } pub fn walk(me, t, c) { g(1); seed(1) }", &ends);
    check("fn g(x) { [2, 1].sort_by(|a, b| { g(a); a.cmp(b) }); } pub fn walk(me, t, c) { g(1); seed(1) }", &ends);
    check("fn a(z) { z.map(|v, i| b(z)) } fn b(z) { a(z).get(0) } pub fn walk(me, t, c) { a(seed(1)) }", &ends);
    // Deep values are compared and let go of on a stack that is large enough, or take too long.
    let deep = "let l = []; let k = []; for i in 0..9000 { l = [l]; k = [k]; } if l == k { seed(1) } else { seed(2) }";
    check(&format!("pub fn walk(me, t, c) {{ {deep} }}"), &["", "of the processor"]);
    check(
        "pub fn walk(me, t, c) { let l = []; for i in 0..15000 { l = [l]; } format!(\"{:?}\", l); seed(1) }",
        &["", "MB in"],
    );
    // Values that contain themselves.
    check(
        "pub fn walk(me, t, c) { let a = #{}; a.x = a; let b = #{}; b.x = b; if a == b { } seed(1) }",
        &["MB in one frame"],
    );
    check("pub fn walk(me, t, c) { let a = [1]; a.push(a); format!(\"{:?}\", a); seed(1) }", &["MB in one frame"]);
    // A state that holds itself twice doubles with every level.
    let doubles =
        "pub fn setup() { #{ l: [1] } } pub fn walk(me, t, c) { for i in 0..40 { me.l = [me.l, me.l]; } seed(1) }";
    check(doubles, &["begins anew"]);
}

#[test]
fn a_banner_in_a_comment_is_no_long_expression() {
    let banner = format!("/*{}*/\npub fn walk(me, t, c) {{ seed(7) }}", format!("{}\n", "=".repeat(80)).repeat(40));
    assert_eq!(walked(&banner), None);
}
