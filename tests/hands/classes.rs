//! Models of several sizes and with classes in one show: no frame without pictures, dials that follow the model, and a
//! take of it all that gives the same film twice.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::common::{fail, make_model, succeed};
use crate::take::film_with;
use flaneur::latent;
use flaneur::net::arch::Arch;
use flaneur::net::device::Wanted;
use flaneur::net::families::mlp::Mlp;
use flaneur::picture::scene::Scene;
use flaneur::report::{Board, Stop, Weight};
use flaneur::show::addresses::Act;
use flaneur::show::{Options, Show};

const PATIENCE: Duration = Duration::from_secs(30);
/// Frames within which another model must be seen once it is there, on a busy machine.
const MOST_FRAMES: usize = 60;

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

const EYES: [&str; 8] = ["amber", "blue", "dark brown", "green", "grey", "hazel", "red", "violet"];

/// Models of 100 and 128 dimensions, of 100 and eight classes, and of four and two classes.
fn models(here: &Path) -> [(PathBuf, usize); 4] {
    let mlp = |z_dim, classes, size| {
        Arch::Mlp(Mlp { input_dim: [size, size, 3], z_dim, classes, generator_units: vec![16], ..Mlp::default() })
    };
    make_model(here, "plain", mlp(100, 0, 8), Vec::new());
    make_model(here, "large", mlp(128, 0, 6), Vec::new());
    make_model(here, "eyes", mlp(100, 8, 8), names(&EYES));
    make_model(here, "small", mlp(4, 2, 4), names(&["blue", "warm"]));
    [("plain", 100), ("large", 128), ("eyes", 100), ("small", 4)]
        .map(|(name, dim)| (here.join("models").join(name), dim))
}

fn open(here: &Path, text: &str, model: &Path, more: &str, take: Option<PathBuf>) -> Show {
    let sketch = here.join("a.rn");
    fs::write(&sketch, text).unwrap();
    let preset = here.join("p.toml");
    let doors =
        "[osc]\nbind = \"127.0.0.1:0\"\n[query]\nbind = \"127.0.0.1:0\"\nannounce = false\n[midi]\non = false\n";
    fs::write(&preset, format!("sketch = {sketch:?}\nmodel = {model:?}\n{doors}{more}")).unwrap();
    let target = Some(preset.to_string_lossy().into_owned());
    let options = Options { target, device: Wanted::Cpu, take, ..Options::default() };
    Show::open(options, &Board::default(), &Stop::default()).unwrap()
}

/// Frames until something is so of the show and what it displays; `each` frame is looked at.
fn until(show: &mut Show, each: &mut dyn FnMut(&Scene), so: &dyn Fn(&mut Show, &Scene) -> bool) {
    let start = Instant::now();
    loop {
        let scene = show.frame();
        each(&scene);
        if so(show, &scene) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{:?}", show.board().lines());
        std::thread::sleep(Duration::from_millis(4));
    }
}

fn load(show: &mut Show, folder: &Path) {
    show.act(Act::Model(folder.to_string_lossy().into_owned()));
}

fn path(folder: &Path) -> String {
    folder.to_string_lossy().into_owned()
}

#[test]
fn models_follow_each_other_and_every_frame_has_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let models = models(here);
    let log = here.join("take.jsonl");
    let text = "pub fn setup() { #{ z: seed(3) } }
pub fn walk(me, t, c) { grid([me.z, ring([1, 2, me.z], t.phase(4)), class(seed(4), \"blue\", 0.5)], 3) }";
    let mut show = open(here, text, &models[0].0, "", Some(log.clone()));
    let kept = latent::seed(3, 100);
    for turn in 1..=5_u64 {
        let (next, dim) = &models[turn as usize % 4];
        load(&mut show, next);
        let mut seen = BTreeMap::new();
        let dims = |model: u64| models[model as usize % 4].1;
        let mut each = |scene: &Scene| {
            let pose = &scene.pose;
            assert_eq!((scene.pictures.len(), pose.latents.len()), (3, 3), "frame without pictures in turn {turn}");
            // Pictures are of the model that their pose was made for, and no z is of another length than its own.
            let side = scene.pictures[0].width;
            assert_eq!(side, [8, 6, 8, 4][pose.model as usize % 4], "turn {turn}, model {}", pose.model);
            assert!(pose.latents.iter().all(|z| z.len() == dims(pose.model)));
            *seen.entry(pose.model).or_insert(0) += 1;
        };
        until(&mut show, &mut each, &|show, _| show.desk().model == path(next));
        until(&mut show, &mut each, &|_, scene| scene.pose.model == turn);
        // A tenth of a second, so that the film has frames of each.
        (0..30).for_each(|_| {
            each(&show.frame());
            std::thread::sleep(Duration::from_millis(4));
        });
        assert!(seen.keys().all(|model| *model == turn || *model + 1 == turn), "{seen:?}");
        // What the sketch has kept goes on, and is not filled with zeros.
        let scene = show.frame();
        let z = &scene.pose.latents[0];
        let same = z.len().min(100);
        assert!(z[..same].iter().zip(&kept).all(|(a, b)| *a == *b as f32));
        assert!(z.len() == *dim && z[same..].iter().all(|v| *v != 0.0 && v.abs() < 6.0));
        let classes = [0, 0, 8, 2][turn as usize % 4];
        assert!((0..3).all(|at| scene.pose.class(at).len() == classes));
        let faults: Vec<String> =
            show.board().lines().into_iter().filter(|l| l.weight == Weight::Fault).map(|l| l.text).collect();
        assert!(faults.is_empty(), "{faults:?}");
    }
    assert!(show.board().of("class").is_none_or(|line| line.text.contains("no classes")));
    show.close();
    let (one, two) =
        (film_with(here, &log, "one", &["--size", "48x16"]), film_with(here, &log, "two", &["--size", "48x16"]));
    assert!(one == two && one.len() > 8, "{} frames", one.len());
    assert!(one.iter().all(|picture| picture.iter().any(|v| *v > 0)), "a black frame");
}

#[test]
fn a_sketch_that_fails_with_the_next_model_keeps_its_pose_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let models = models(here);
    let text = "pub fn walk(me, t, c) { if zeros().len() > 100 { let z = load(\"nothing\"); } seed(3) }";
    let mut show = open(here, text, &models[0].0, "", None);
    show.frame();
    load(&mut show, &models[1].0);
    let mut frames = 0;
    until(&mut show, &mut |scene| assert_eq!(scene.pictures.len(), 1), &|show, _| {
        show.desk().model == path(&models[1].0)
    });
    until(&mut show, &mut |_| frames += 1, &|_, scene| scene.pose.model == 1);
    assert!(frames < MOST_FRAMES, "{frames} frames of the model before");
    let z = show.frame().pose.latents[0].clone();
    let expected: Vec<f32> =
        latent::space::adapted(&latent::seed(3, 100).iter().map(|v| f64::from(*v as f32)).collect::<Vec<_>>(), 128)
            .iter()
            .map(|v| *v as f32)
            .collect();
    assert_eq!(z, expected);
}

/// The body of a GET.
fn get(show: &Show, path: &str) -> String {
    let port = show.query_address().unwrap().port();
    let mut stream = TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn dials_of_classes_follow_the_model_and_snapshots_bring_them_back() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let models = models(here);
    let text = "pub fn walk(me, t, c) { grid([seed(1), class(seed(1), \"red\", 0.5)], 2) }";
    let more = "[classes]\nblue = 0.5\nwarm = 0.5\n";
    let mut show = open(here, text, &models[2].0, more, None);
    let one = |show: &mut Show, wanted: &[(usize, f32)]| {
        let wanted = wanted.to_vec();
        let so = move |_: &mut Show, scene: &Scene| {
            let class = scene.pose.class(0);
            !class.is_empty() && wanted.iter().all(|(at, share)| (class[*at] - share).abs() < 1e-3)
        };
        until(show, &mut |_| {}, &so);
    };
    // The preset's, of which this model has one.
    one(&mut show, &[(0, 0.0), (1, 1.0)]);
    // A sketch's own class is half of it, the rest is the show's.
    let scene = show.frame();
    assert_eq!((scene.pose.class(1)[1], scene.pose.class(1)[6]), (0.5, 0.5));
    show.act(Act::Class("dark_brown".into(), 1.0));
    one(&mut show, &[(1, 1.0 / 3.0), (2, 2.0 / 3.0)]);
    // The desk has a dial for each, where the hands have put them.
    let desk = show.desk();
    let dials: Vec<(&str, f32)> = desk.classes.iter().map(|dial| (dial.name.as_str(), dial.value)).collect();
    assert_eq!(
        (desk.class_count, &dials[..4]),
        (8, &[("amber", 0.0), ("blue", 0.5), ("dark brown", 1.0), ("green", 0.0)][..])
    );
    show.act(Act::Store("brown".into()));
    show.act(Act::Class("dark brown".into(), 0.0));
    show.act(Act::Class("hazel".into(), 0.25));
    one(&mut show, &[(1, 2.0 / 3.0), (2, 0.0), (5, 1.0 / 3.0)]);
    show.act(Act::Recall("brown".into(), Some(0.0)));
    one(&mut show, &[(1, 1.0 / 3.0), (2, 2.0 / 3.0), (5, 0.0)]);
    let start = Instant::now();
    while !get(&show, "/flaneur/class").contains("/flaneur/class/dark_brown") {
        assert!(start.elapsed() < PATIENCE);
        show.frame();
    }
    // Another model: blue stays, and what it alone has comes from the preset.
    load(&mut show, &models[3].0);
    until(&mut show, &mut |_| {}, &|_, scene| scene.pose.model == 1);
    one(&mut show, &[(0, 0.5), (1, 0.5)]);
    while get(&show, "/flaneur/class").contains("dark_brown") {
        assert!(start.elapsed() < PATIENCE);
        show.frame();
    }
    assert!(get(&show, "/flaneur/class").contains("/flaneur/class/warm"));
    // No class of that name: the sketch's "red" is not this model's.
    assert!(show.board().of("sketch").is_some_and(|line| line.text.contains("there is no class \"red\"")));
    load(&mut show, &models[0].0);
    until(&mut show, &mut |_| {}, &|show, _| show.board().of("class").is_some());
    assert!(show.desk().classes.is_empty() && show.desk().class_count == 0);
}

#[test]
fn stills_of_a_class() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let models = models(here);
    let eyes = path(&models[2].0);
    let still = |name: &str, class: &[&str]| {
        let out = format!("{name}.png");
        let plain = ["still", "sheet", "--model", &eyes, "--rows", "1", "--cols", "2", "--device", "cpu", "-o", &out];
        succeed(here, &[&plain[..], class].concat());
        fs::read(here.join(out)).unwrap()
    };
    let (first, amber, brown) =
        (still("first", &[]), still("amber", &["--class", "amber"]), still("brown", &["--class", "dark brown=2"]));
    assert!(first == amber && amber != brown && brown != still("half", &["--class", "dark_brown=1,amber=1"]));
    let out = ["still", "sheet", "--model", &eyes, "-o", "x.png", "--class", "ambre"];
    fail(here, &out, "did you mean amber?");
    let plain = path(&models[0].0);
    fail(here, &["still", "sheet", "--model", &plain, "-o", "x.png", "--class", "amber"], "has no classes");
}
