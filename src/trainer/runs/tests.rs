//! Runs of made-up model folders: curves, the table, names, and what is not there.

use std::fs;

use super::*;

const PLAIN: How = How { x: X::Epochs, log: false, smooth: None };

const CARD: &str = r#"
format = 2
name = "x"
arch_name = "dcgan-64"
step = 3
seed = 1
data = "faces.zip"
data_fingerprint = "0123456789abcdef0123456789abcdef"
notes = ["one"]

[arch]
family = "dcgan"
size = 64
filters = [64, 32]

[recipe]
batch_size = 4
rate = 0.1
"#;

/// A model folder with a card and losses of these names, so many epochs of them.
fn run(folder: &Path, name: &str, card: &str, losses: &[&str], epochs: u64) -> String {
    let here = folder.join(name);
    fs::create_dir_all(here.join("training")).unwrap();
    fs::write(here.join("model.toml"), card).unwrap();
    let values = |epoch: u64| (0..losses.len() as u64).map(move |i| format!("{}.5,", epoch * (i + 1)));
    let row = |epoch: u64| format!("{epoch},2,{}36\n", values(epoch).collect::<String>());
    let rows: String = (0..epochs).map(row).collect();
    let header = format!("epoch,critic_steps,{},seconds\n", losses.join(","));
    fs::write(here.join("training/history.csv"), header + &rows).unwrap();
    here.display().to_string()
}

/// Two runs of one recipe, and one of another.
fn three(folder: &Path) -> Vec<String> {
    let other =
        CARD.replace("batch_size = 4", "batch_size = 8").replace("0123", "9123").replace("seed = 1", "seed = 2");
    let old = "format = 1\nseed = 1\n[arch]\nz_dim = 100\nbatch_size = 16\n";
    vec![
        run(folder, "one", CARD, &["d_loss", "g_loss"], 200),
        run(folder, "two 2", &other, &["d_loss", "g_loss"], 3),
        run(folder, "lines", old, &["total"], 1200),
    ]
}

#[test]
fn curves_lie_over_each_other_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let names = three(folder.path());
    let runs = read(&names, &PLAIN).unwrap();
    assert_eq!(runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["one", "two 2", "lines"]);
    assert_eq!(losses(&runs), ["d_loss", "g_loss", "total"]);
    let all = stack(&runs, &PLAIN).unwrap();
    let of = |panel: &Panel| panel.curves.iter().map(|curve| curve.name.clone()).collect::<Vec<_>>();
    let panels: Vec<(&str, Vec<String>, f64)> =
        all.panels.iter().map(|panel| (panel.label.as_str(), of(panel), panel.x_range.1)).collect();
    let both = vec!["one".to_owned(), "two 2".to_owned()];
    assert_eq!(panels[0], ("d_loss", both.clone(), 200.0));
    assert_eq!((&panels[1], &panels[2]), (&("g_loss", both, 200.0), &("total", vec!["lines".to_owned()], 1200.0)));
    // A long run gets a moving mean, and a colour that is that of the legend.
    assert_eq!((all.panels[0].faint.len(), all.panels[2].faint.len(), runs[2].course.window), (0, 1, 6));
    assert_eq!((all.legend[2].1, all.panels[2].curves[0].colour), (colour(2), colour(2)));
    let (low, high) = all.panels[0].y_range;
    assert!(low < 0.5 && high > 198.5 && all.title.contains("3 trainings") && all.title.contains("means of 6"));
    // Along the pictures: updates times the batch; along the time.
    let pictures =
        stack(&read(&names, &How { x: X::Pictures, ..PLAIN }).unwrap(), &How { x: X::Pictures, ..PLAIN }).unwrap();
    assert_eq!(pictures.panels.iter().map(|p| p.x_range.1).collect::<Vec<_>>(), [1600.0, 1600.0, 1200.0 * 2.0 * 16.0]);
    let time = How { x: X::Seconds, ..PLAIN };
    let hours = stack(&read(&names, &time).unwrap(), &time).unwrap();
    assert_eq!((hours.x_label.as_str(), hours.panels[2].x_range.1), ("hours", 12.0));
    // The SVG has all names, the same twice.
    let svg = all.svg();
    assert!(["d_loss", "total", "two 2", "lines"].iter().all(|word| svg.contains(word)) && svg == all.svg());
}

#[test]
fn the_table_has_last_values_and_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let runs = read(&three(folder.path()), &PLAIN).unwrap();
    let text = table::text(&runs);
    let cells = |begin: &str| -> Vec<String> {
        let line =
            text.lines().find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("{begin} not in\n{text}"));
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(cells("run"), ["run", "epochs", "hours", "d_loss", "g_loss", "total"]);
    // The means of epochs 198 and 199, of 2, and of 1188 to 1199.
    assert_eq!(cells("one"), ["one", "200", "2.0000", "199.00", "397.50", "-"]);
    assert_eq!(cells("two 2"), ["two", "2", "3", "0.0300", "2.5000", "4.5000", "-"]);
    assert_eq!(cells("lines"), ["lines", "1200", "12.000", "-", "-", "1194.0"]);
    assert_eq!(cells("recipe.batch_size"), ["recipe.batch_size", "4", "8", "16"]);
    assert_eq!(cells("arch.filters"), ["arch.filters", "[64,", "32]", "[64,", "32]", "-"]);
    assert_eq!(cells("data_fingerprint"), ["data_fingerprint", "0123456789ab", "9123456789ab", "-"]);
    assert_eq!(cells("arch.family"), ["arch.family", "dcgan", "dcgan", "wgan_gp"]);
    assert!(!text.contains("\nstep") && !text.contains("notes") && text.contains("last 1 %"), "{text}");
    let json = table::json(&runs);
    assert_eq!((&json["runs"][0]["last"]["g_loss"], &json["runs"][2]["epochs"]), (&397.5.into(), &1200.into()));
    let batch = json["settings"].as_array().unwrap().iter().find(|row| row["setting"] == "recipe.batch_size").unwrap();
    assert_eq!(batch["values"], serde_json::json!([4, 8, 16]));
    // Columns begin below each other.
    let lines: Vec<&str> = text.lines().take(4).collect();
    assert!(lines.windows(2).all(|pair| pair[0].chars().count() == pair[1].chars().count()), "{text}");
}

#[test]
fn one_run_alone_and_runs_that_are_alike() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let one = run(here, "one", CARD, &["a"], 5);
    let runs = read(&[one.clone(), format!("{one}/"), format!("{one}/training")], &PLAIN).unwrap();
    assert_eq!((runs.len(), runs[0].remarks.len()), (1, 0));
    let text = table::text(&runs);
    assert!(!text.contains("differ") && stack(&runs, &PLAIN).unwrap().title == "losses of one", "{text}");
    // Folders of the same name are told apart by their paths; their settings are the same.
    let other = run(&here.join("elsewhere"), "one", CARD, &["a"], 5);
    let runs = read(&[one.clone(), other.clone()], &PLAIN).unwrap();
    assert_eq!([&runs[0].name, &runs[1].name], [&one, &other]);
    assert!(table::text(&runs).contains("no setting differs"));
    // No card, a broken one, and one beside whose losses only a checkpoint's record stands.
    fs::write(here.join("one/model.toml"), "seed = \n").unwrap();
    let runs = read(std::slice::from_ref(&one), &PLAIN).unwrap();
    assert!(runs[0].remarks[0].contains("model.toml") && runs[0].remarks[0].contains("not compared"));
    fs::remove_file(here.join("one/model.toml")).unwrap();
    assert!(read(std::slice::from_ref(&one), &PLAIN).unwrap()[0].remarks[0].contains("not known"));
    fs::write(here.join("one/training/state.toml"), "seed = 7\nepoch = 5\n[recipe]\nbatch_size = 3\n").unwrap();
    let runs = read(&[one], &PLAIN).unwrap();
    assert_eq!((runs[0].remarks.len(), settings::shown(&runs[0].settings)), (0, Some(settings::Shown::Update(3.0))));
    assert!(runs[0].settings.len() == 2, "{:?}", runs[0].settings);
}

#[test]
fn what_is_not_there_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let missing = read(&[here.join("none").display().to_string()], &PLAIN).err().unwrap().to_string();
    assert!(missing.starts_with("there is no run ") && missing.contains("give the path"), "{missing}");
    fs::create_dir(here.join("imported")).unwrap();
    let imported = read(&[here.join("imported").display().to_string()], &PLAIN).err().unwrap().to_string();
    assert!(imported.contains("has no training/history.csv"), "{imported}");
    // Nothing was learnt yet: a row, and nothing to draw.
    let empty = run(here, "empty", CARD, &["a", "b"], 0);
    let runs = read(std::slice::from_ref(&empty), &PLAIN).unwrap();
    assert!(stack(&runs, &PLAIN).is_none() && runs[0].remarks[0].contains("no epoch"));
    assert!(table::text(&runs).lines().nth(1).unwrap().split_whitespace().eq(["empty", "0", "0.0000", "-", "-"]));
    let both = read(&[empty, run(here, "full", CARD, &["b"], 2)], &PLAIN).unwrap();
    assert_eq!(stack(&both, &PLAIN).unwrap().panels.len(), 1);
}

#[test]
fn a_short_run_beside_a_long_one_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let names = [run(here, "short", CARD, &["a"], 3), run(here, "long", CARD, &["a"], 1000)];
    let log = How { log: true, ..PLAIN };
    let runs = read(&names, &PLAIN).unwrap();
    assert!(unseen(&runs, &PLAIN).unwrap().starts_with("short ends") && unseen(&runs, &log).is_none());
    let stack = stack(&read(&names, &log).unwrap(), &log).unwrap();
    assert_eq!((stack.panels[0].x_range, stack.log_x), ((1.0, 1000.0), true));
}

#[test]
fn many_runs_have_many_colours() {
    let mut all: Vec<[u8; 3]> = (0..40).map(colour).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 40);
    assert_eq!([10.0, 1000.0, 20_000.0].map(|s| unit(s).1), ["seconds", "minutes", "hours"]);
}

#[test]
fn a_wild_beginning_does_not_flatten_the_rest() {
    let points = |first: f64| {
        (0..100).map(|i| (f64::from(i), if i < 5 { first } else { f64::from(i % 10) })).collect::<Vec<_>>()
    };
    assert_eq!(settled(&points(1e6)), Some((0.0, 9.0)));
    assert_eq!(settled(&points(12.0)), Some((0.0, 12.0)));
    assert_eq!((settled(&[]), settled(&[(0.0, f64::NAN)])), (None, None));
}
