//! A StyleGAN2 under hands and from the command line: takes that render the same, directions, stills, a projection.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::common::{fail, make_model, names, succeed};
use crate::take::film_with;
use flaneur::control::Dial;
use flaneur::latent::style::HEAD;
use flaneur::net::arch::Arch;
use flaneur::net::device::Wanted;
use flaneur::net::families::stylegan2::StyleGan2;
use flaneur::report::{Board, Stop};
use flaneur::show::addresses::{Act, acts};
use flaneur::show::{Options, Show};

/// Every part of a style, from a sketch.
const SKETCH: &str = "pub fn walk(me, t, c) {
    let z = lerp(w(seed(1)), w(seed(2)), pingpong(t.phase(4))).psi(0.9, 4);
    style(z, seed(5), 4, 6).direction(0, 1.5).noise(3).noise_loop(t.phase(2), 0.7).bend(2, \"turn\", t.phase(8))
}";

fn make(home: &Path) -> String {
    let own = StyleGan2 { z_dim: 12, w_dim: 12, channels: vec![16, 12, 8, 8], ..StyleGan2::default() };
    make_model(home, "styles", Arch::StyleGan2(own), Vec::new());
    home.join("models/styles").display().to_string()
}

#[test]
fn a_take_with_style_noise_and_bending_renders_the_same_twice() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let model = make(here);
    succeed(here, &["directions", "styles", "--count", "2", "--device", "cpu"]);
    let (sketch, preset, log) = (here.join("a.rn"), here.join("p.toml"), here.join("take.jsonl"));
    fs::write(&sketch, SKETCH).unwrap();
    let doors = "[osc]\non = false\n[query]\non = false\n[midi]\non = false\n";
    fs::write(&preset, format!("sketch = {sketch:?}\nmodel = {model:?}\n{doors}")).unwrap();
    let target = Some(preset.to_string_lossy().into_owned());
    let options = Options { target, device: Wanted::Cpu, take: Some(log.clone()), ..Options::default() };
    let mut show = Show::open(options, &Board::default(), &Stop::default()).unwrap();
    let mut manners = Vec::new();
    for frame in 0..60_u32 {
        match frame {
            10 => show.act(Act::Direction("form1".into(), 2.0)),
            15 => show.act(Act::Layer(3, 0.5)),
            20 => show.act(Act::Dial(Dial::NoiseSeed, 9.0)),
            25 => show.act(Act::Dial(Dial::BendErode, 1.5)),
            30 => show.act(Act::Dial(Dial::Truncation, 0.5)),
            35 => show.act(Act::Dial(Dial::Fewer, 1.0)),
            _ => {}
        }
        show.frame();
        manners.push(show.desk().z.len());
        std::thread::sleep(Duration::from_millis(16));
    }
    show.close();
    assert!(manners.iter().all(|len| *len == 12));
    let film = |out: &str| film_with(here, &log, out, &["--size", "64x64", "--model", &model]);
    let (one, two) = (film("one"), film("two"));
    assert!(one == two && one.len() > 15, "{} frames", one.len());
    assert_ne!(one[2], one[one.len() - 3]);
}

/// Arguments of a still of the model.
fn still<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["still"], more, &["--model", "styles", "--device", "cpu"]].concat()
}

#[test]
fn stills_directions_and_projections_of_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    make(here);
    let ten = ["directions", "styles", "--by", "components", "--count", "3", "--sheet", "d.png", "--device", "cpu"];
    assert!(succeed(here, &ten).contains("component2"));
    assert!(here.join("d.png").is_file());
    assert!(succeed(here, &["directions", "styles", "--rename", "component0=smile,2=older"]).contains("older"));
    fail(here, &["directions", "styles", "--rename", "frown=x"], "there is no direction \"frown\"");
    succeed(here, &still(&["generate", "--seeds", "0-2,9", "--trunc", "0.7", "--outdir", "out"]));
    assert_eq!(names(&here.join("out")), ["seed0000.png", "seed0001.png", "seed0002.png", "seed0009.png"]);
    succeed(here, &still(&["style-mix", "--rows", "1,2", "--cols", "3", "--styles", "0-3", "--outdir", "mix"]));
    let made = names(&here.join("mix"));
    assert_eq!(made, ["1-1.png", "1-3.png", "2-2.png", "2-3.png", "3-3.png", "grid.png"]);
    fail(here, &still(&["style-mix", "--rows", "1", "--cols", "2", "--styles", "0-99", "--outdir", "m"]), "no layer 8");
    let steps =
        ["--steps", "6", "--model", "styles", "--outdir", "found", "--name", "nine", "--no-video", "--device", "cpu"];
    fs::create_dir_all(here.join("found")).unwrap();
    succeed(here, &[&["project", "out/seed0009.png"], &steps[..]].concat());
    let w = ["generate", "--projected-w", "found/projected_w.npz", "--outdir", "again"];
    succeed(here, &still(&w));
    assert_eq!(fs::read(here.join("again/proj00.png")).unwrap(), fs::read(here.join("found/proj.png")).unwrap());
    // A sketch loads it, and another size is drawn.
    fs::create_dir_all(here.join("sketches")).unwrap();
    fs::write(here.join("sketches/found.rn"), "pub fn walk(me, t, c) { load(\"nine\").direction(\"smile\", 1) }")
        .unwrap();
    let film = ["film", "found", "--frames", "2", "--size", "64x32", "-o", "film", "--device", "cpu", "--model"];
    succeed(here, &[&film[..], &["styles@64x32"]].concat());
    assert_eq!(names(&here.join("film")).len(), 2);
    fail(here, &[&film[..], &["styles@65x32"]].concat(), "multiples of 8");
}

#[test]
fn addresses_of_styles_say_what_they_do() {
    let one = |path: &str, v: f64| acts(path, &[flaneur::control::hand::Value::Number(v)], HEAD);
    assert_eq!(one("/flaneur/direction/smile", 2.0), Ok(vec![Act::Direction("smile".into(), 2.0)]));
    assert_eq!(one("/flaneur/style/3/amount", 0.5), Ok(vec![Act::Layer(3, 0.5)]));
    assert_eq!(one("/flaneur/bend/gain", 0.0), Ok(vec![Act::Dial(Dial::BendGain, 0.0)]));
    for (path, v) in [("/flaneur/style/x/amount", 0.5), ("/flaneur/direction/0", 11.0), ("/flaneur/bend/x", 2.0)] {
        assert!(one(path, v).is_err(), "{path}");
    }
}
