//! Plots: what is in them, that they are round, quick and the same twice.

use super::*;

fn curve(name: &str, colour: [u8; 3], points: Vec<(f64, f64)>) -> Curve {
    Curve { name: name.into(), colour, points }
}

/// How many columns have a pixel that is red.
fn red_columns(picture: &Picture) -> usize {
    let red = |[r, g, b]: [u8; 3]| r > 180 && g < 150 && b < 150;
    (0..picture.width).filter(|x| (0..picture.height).any(|y| red(picture.at(*x, y)))).count()
}

#[test]
fn a_curve_is_drawn_within_the_frame() {
    let points = (0..5000).map(|i| (f64::from(i), if i < 10 { -2000.0 } else { f64::from(i % 50) })).collect();
    let plot = Plot {
        title: "a < b".into(),
        x_label: "epochs",
        y_label: "loss",
        curves: vec![curve("total", [255, 0, 0], points)],
        y_range: (-10.0, 60.0),
        x_range: None,
    };
    let svg = plot.svg();
    assert!(svg.contains("a &lt; b") && svg.contains("epochs") && svg.len() < 40_000);
    assert!(svg.starts_with("<svg width=\"960\" height=\"540\" viewBox=\"0 0 9600 5400\""), "{}", &svg[..90]);
    let picture = plot.picture();
    assert_eq!((picture.width, picture.height), (960, 540));
    let red = picture.pixels.chunks(3).filter(|p| p[0] > 200 && p[1] < 80).count();
    assert!(red > 1000, "{red} red pixels");
    assert!(plot.svg() == svg && plot.picture() == picture, "the same twice");
}

/// It took time by the square of the points.
#[test]
fn a_million_points_are_drawn_in_a_moment() {
    let points = |shift: f64| (0..250_000).map(|i| (f64::from(i), f64::from(i % 997) + shift)).collect();
    let curve = |i: u8| curve("one of four", [60 * i, 0, 0], points(f64::from(i)));
    let curves = (0..4).map(curve).collect();
    let (y_range, x_range) = ((0.0, 1000.0), None);
    let plot = Plot { title: String::new(), x_label: "", y_label: "", curves, y_range, x_range };
    let start = std::time::Instant::now();
    let (svg, picture) = (plot.svg(), plot.picture());
    assert!(start.elapsed().as_secs_f64() < 2.0, "{:?}", start.elapsed());
    assert!(svg.len() < 200_000 && picture.width == 960);
}

/// The words of an SVG.
fn words(svg: &str) -> Vec<&str> {
    let inner = |part: &&'_ str| part.contains("</text>");
    svg.split("<text").filter(inner).filter_map(|part| part.split_once(">\n")?.1.split('\n').next()).collect()
}

#[test]
fn ticks_are_round() {
    let plot = |x_range, y_range| Plot {
        title: String::new(),
        x_label: "x",
        y_label: "y",
        curves: vec![curve("c", [0; 3], vec![(0.0, 0.0), (1.0, 1.0)])],
        y_range,
        x_range: Some(x_range),
    };
    let svg = plot((0.0, 1201.0), (-10.0, 10.0)).svg();
    let words = words(&svg);
    for tick in ["0", "200", "400", "1000", "1200", "-10", "-5", "5", "10"] {
        assert!(words.contains(&tick), "{tick} not in {words:?}");
    }
    assert_eq!(
        [0.1 + 0.2, -0.0, 1200.0, 0.00025, 3e-12, 2e9, -1.5].map(|v| number(&v)),
        ["0.3", "0", "1200", "0.00025", "0", "2e9", "-1.5"]
    );
    // Nothing to draw, and what cannot be drawn, is a frame.
    for range in [(1.0, 1.0), (f64::NAN, 1.0), (f64::INFINITY, f64::NEG_INFINITY), (5.0, -5.0)] {
        let plot = plot(range, range);
        assert!(plot.svg().ends_with("</svg>\n") && plot.picture().height == 540, "{range:?}");
    }
}

/// Two frames of different runs, one of which is short and has gaps.
fn stack(log_x: bool, names: usize) -> Stack {
    let long = |step: f64| (1..=1000).map(|i| (f64::from(i) * step, (f64::from(i) / 30.0).sin())).collect();
    let short = vec![(1.0, 0.0), (2.0, f64::NAN), (3.0, f64::INFINITY), (4.0, 0.5), (5.0, -0.5)];
    let panel = |label: &str, curves| Panel {
        label: label.into(),
        faint: Vec::new(),
        curves,
        y_range: (-1.0, 1.0),
        x_range: (1.0, 10_000.0),
    };
    Stack {
        title: "two".into(),
        x_label: "epochs".into(),
        log_x,
        legend: (0..names).map(|i| (format!("a run with a long name {i}"), [0, 0, 200])).collect(),
        panels: vec![
            panel("d_loss", vec![curve("", [0, 0, 200], long(10.0)), curve("", [200, 0, 0], short)]),
            panel("g_loss", vec![curve("", [0, 0, 200], long(10.0))]),
        ],
    }
}

#[test]
fn frames_share_the_legend_and_x() {
    let one = stack(false, 2);
    let (svg, picture) = (one.svg(), one.picture());
    assert!(["d_loss", "g_loss", "a run with a long name 1"].iter().all(|word| words(&svg).contains(word)));
    assert_eq!(words(&svg).iter().filter(|w| **w == "epochs").count(), 1);
    assert!(svg.matches("<polyline").count() >= 3 && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    // A legend of many names takes rows, not room of the frames.
    let many = stack(false, 20).picture();
    assert_eq!(many.height - picture.height, 4 * ROW as usize);
    // By powers of ten a short run takes much of the width.
    let log = stack(true, 2);
    assert!(red_columns(&picture) < 5 && red_columns(&log.picture()) > 100, "{}", red_columns(&log.picture()));
    assert!(["1", "10", "100", "1000", "10000"].iter().all(|tick| words(&log.svg()).contains(tick)));
}

#[test]
fn one_point_is_a_dot() {
    let mut stack = stack(false, 2);
    stack.panels[0].curves[1].points.truncate(2);
    assert!((3..=5).contains(&red_columns(&stack.picture())) && stack.svg().contains("<circle"));
    stack.log_x = true;
    assert!((2..=5).contains(&red_columns(&stack.picture())));
}

#[test]
fn words_that_are_too_wide_are_cut() {
    assert_eq!(cut("short", 12.0, 100.0), "short");
    let long = cut(&"wide ".repeat(100), 12.0, 200.0);
    assert!(long.ends_with('…') && letters::width(&long, 12.0) <= 200.0 && long.len() > 20, "{long}");
    let mut stack = stack(false, 1);
    stack.title = "a title without an end ".repeat(50);
    stack.legend[0].0 = "x".repeat(5000);
    assert!(stack.svg().len() < 100_000);
}
