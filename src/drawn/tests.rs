//! Drawing sketches from outside: reproducible, limited, and told where they are wrong.

use super::*;
use crate::dataset::lines::Rules;
use crate::sketch::{Env, Language, SketchKind};

fn drawings(text: &str) -> Result<Drawings, Box<Complaint>> {
    Drawings::of(Path::new("sketches/data/try.rn"), text, 3, [32, 32])
}

/// The complaint about a sketch, when it is compiled or draws its first picture.
fn complaint(text: &str) -> String {
    let complaint = match drawings(text) {
        Ok(drawings) => drawings.draw(0).map(|_| ()).unwrap_err(),
        Err(complaint) => complaint,
    };
    complaint.to_string()
}

const DISCS: &str = "pub fn draw(r, i) {
    let d = canvas(\"paper\", 32);
    for n in 0..r.whole(3, 9) {
        d.push().translate(r.uniform(0, 32), r.normal(16, 4)).rotate(r.angle());
        d.disc(0, 0, r.uniform(2, 8), tint(r.pick([\"red\", \"blue\", \"ink\"]), 0.5)).text(\"a\", 0, 0, 9).pop();
    }
    d
}";

#[test]
fn pictures_are_the_same_by_any_number_of_workers_and_in_any_order() {
    let by = |workers| {
        let drawings = drawings(DISCS).unwrap();
        let mut all = Vec::new();
        let make = |_, picture: Picture| Ok::<_, ()>(picture);
        let take = |index, picture| {
            all.push((index, picture));
            Ok(())
        };
        drawings.each(5..45, workers, &Stop::default(), make, take).unwrap();
        all
    };
    let (one, three) = (by(1), by(3));
    assert_eq!(one.iter().map(|(index, _)| *index).collect::<Vec<_>>(), (5..45).collect::<Vec<_>>());
    assert!(one == three && one[0].1 != one[1].1);
    assert!(drawings(DISCS).unwrap().draw(44).unwrap() == one[39].1);
    let other = Drawings::of(Path::new("try.rn"), DISCS, 4, [32, 32]).unwrap();
    assert!(other.draw(44).unwrap() != one[39].1);
}

#[test]
fn many_end_at_the_first_that_fails_or_when_asked() {
    let drawings = drawings("pub fn draw(r, i) { if i == 7 { r.pick([]) } canvas(0.5) }").unwrap();
    let mut seen = Vec::new();
    let take = |index, ()| {
        seen.push(index);
        Ok::<_, ()>(())
    };
    let ended = drawings.each(0..100, 3, &Stop::default(), |_, _| Ok(()), take);
    assert!(matches!(&ended, Err(Ended::Sketch(7, why)) if why.what.contains("the list is empty")), "{ended:?}");
    assert_eq!(seen, (0..7).collect::<Vec<_>>());
    // One that failed leaves the others.
    assert!(drawings.draw(8).is_ok() && drawings.draw(7).is_err() && drawings.draw(7).is_err());
    let stop = Stop::default();
    stop.raise();
    let ended = drawings.each(10..1_000_000, 2, &stop, |_, _| Ok::<_, ()>(()), |_, ()| Ok(()));
    assert!(matches!(ended, Err(Ended::Stopped)));
    let ended = drawings.each(10..20, 2, &stop, |_, _| Err("full"), |_, ()| Ok(()));
    assert!(matches!(ended, Err(Ended::Other("full") | Ended::Stopped)));
    assert!(drawings.each(5..5, 2, &Stop::default(), |_, _| Ok::<_, ()>(()), |_, ()| Ok(())).is_ok());
}

#[test]
fn a_broken_sketch_is_told_its_place() {
    let check = |text: &str, words: &[&str]| {
        let said = complaint(text);
        assert!(words.iter().all(|word| said.contains(word)), "{text}: {said}");
    };
    check(
        "pub fn draw(r, i) {\n  canvas().dics(0.5) }",
        &["try.rn:2:", "| ", "^", "no method dics", "did you mean draw.disc("],
    );
    check("pub fn draw(r, i) { canvas( }", &["try.rn:1:", "^"]);
    check("pub fn draw(r) { canvas() }", &["draw takes 1 arguments", "pub fn draw(r, i)"]);
    check("pub fn walk(me, t, c) { seed(1) }", &["walks"]);
    let language = Language::new(Env::new(4)).unwrap();
    let walks = language.compile_as(SketchKind::Walk, Path::new("a.rn"), DISCS).unwrap_err();
    assert!(walks.to_string().contains("it is a drawing sketch\n flaneur dataset draw"), "{walks}");
    check("pub fn drow(r, i) { canvas() }", &["there is no draw in it"]);
    check("pub fn draw(r, i) { 7 }", &["try.rn:1:", "has to give a drawing"]);
    check("pub fn draw(r, i) { draw().picture(seed(1)) }", &["without a network"]);
    for (call, word) in [
        ("r.uniform(2, 1)", "uniform(2, 1)"),
        ("r.uniform(0.0 / 0.0, 1)", "finite"),
        ("r.uniform(\"a\", 1)", "a text"),
        ("r.whole(0.2, 0.7)", "no whole number"),
        ("r.whole(-1e13, 1e13)", "no whole number"),
        ("r.normal(0, -1)", "0 or more"),
        ("r.chance(1.2)", "0 to 1"),
        ("r.chance(0.0 / 0.0)", "finite"),
        ("r.pick([])", "empty"),
        ("r.pick(3)", "a list"),
        ("palette([])", "empty"),
        ("palette([\"reed\"])", "colours"),
        ("draw().polygon([[1, 2], [3]])", "point 1 of the list"),
        ("draw().polygon([[0.0 / 0.0, 2]])", "point 0 of the list"),
        ("draw().bezier([[1, 2], [3, 4]])", "it takes 3"),
        ("draw().cap(\"flat\")", "\"flat\""),
        ("draw().dash([-1])", "0 or more"),
        ("{ let d = draw(); for n in 0..300 { d.push(); } }", "is a pop() missing"),
        ("{ let d = draw(); for n in 0..30000 { d.line(); } }", "room for 20000 marks"),
    ] {
        check(&format!("pub fn draw(r, i) {{ {call}; draw() }}"), &["try.rn:1:", "^", word]);
    }
}

#[test]
fn what_has_no_end_ends() {
    let check = |body: &str, words: &[&str]| {
        let said = complaint(&format!("pub fn draw(r, i) {{ {body} draw() }}"));
        assert!(words.iter().any(|word| said.contains(word)), "{body}: {said}");
    };
    check("loop {}", &["took more than 2000000 steps in one picture"]);
    check("let f = |z| loop {}; [1].iter().map(f).count();", &["took more than 2000000 steps in one picture"]);
    check("let l = []; loop { l.push([1, 2, 3]); }", &["took more than"]);
    check("fn g(n) { g(n + 1) + 1 } g(0);", &["too deep", "took more than"]);
}

#[test]
fn native_loops_are_abandoned() {
    let drawings = drawings("pub fn draw(r, i) { if i == 0 { (0..9000000000000).iter().count(); } draw() }").unwrap();
    let why = drawings.draw(0).unwrap_err();
    assert!(why.what.contains("did not come back within"), "{why}");
    assert!(drawings.draw(1).is_ok());
}

#[test]
fn the_three_lines_are_those_of_the_native_generator() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER).join("three-lines.rn");
    let drawings = Drawings::open(&path, 5, [128, 128]).unwrap();
    let rules = Rules::default();
    for index in 0..200 {
        let native = rules.paint(&rules.draw(5, index));
        assert!(drawings.draw(index).unwrap().pixels == native, "picture {index}");
    }
}

#[test]
fn numbers_that_are_whole_are_as_good_as_others() {
    let drawn = |text: &str| drawings(&format!("pub fn draw(r, i) {{ {text} }}")).unwrap().draw(1).unwrap();
    let one = drawn("canvas(0).units(32).rect(i, 8, 4, 8.0, [1, 0.0, 0])");
    assert!(one == drawn("draw(1).rect(1.0 / 32.0, 0.25, 0.125, 0.25, \"red\")"));
    assert_eq!((one.at(1, 8), one.at(4, 15), one.at(5, 15)), ([255, 0, 0], [255, 0, 0], [0; 3]));
    assert_eq!(one.pixels.iter().filter(|v| **v == 255).count(), 32);
}

#[test]
fn transforms_nest_and_pop_brings_back() {
    let drawn = |text: &str| drawings(&format!("pub fn draw(r, i) {{ {text} }}")).unwrap().draw(0).unwrap();
    let plain = drawn("canvas(0, 32).rect(8, 4, 6, 10)");
    let check = |text: &str| assert!(drawn(text) == plain, "{text}");
    check("canvas(0, 32).push().translate(8, 4).rect(0, 0, 6, 10).pop()");
    check("canvas(0, 32).translate(4, 2).scale(2).rect(2, 1, 3, 5)");
    check("canvas(0, 32).push().rotate(1).scale(3).sharp().clip(0, 0, 1, 1).pop().rect(8, 4, 6, 10)");
    check("canvas(0, 32).polygon([[8, 4], [14, 4], (14, 14), [8, 14]])");
    check("canvas(0, 32).clip(8, 4, 6, 10).rect(0, 0, 32, 32)");
    check("canvas(0, 32).join(draw().rect(8, 4, 6, 10))");
    check(
        "canvas(0, 32).scale(2, 2).translate(4, 2).line(0, 2.5, 3, 2.5, 5).pop().pop()
        .rect(0, 0, 0, 0)"
            .replace("line(0, 2.5, 3, 2.5, 5).pop().pop()", "cap(\"butt\").line(0, 2.5, 3, 2.5, 5)")
            .as_str(),
    );
    check("let z = canvas(0, 32); for n in 0..1 { z.scale(1); } z.rect(8, 4, 6, 10)");
    let turned = drawn("canvas(0, 32).rotate(tau(0.25), 16, 16).rect(4, 18, 10, 6)");
    assert!(turned == plain, "a quarter turn of the same rectangle");
}

#[test]
fn every_shipped_drawing_sketch_draws_pictures_that_differ() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let paths = home::entries(&folder);
    assert!(paths.len() >= 9, "{paths:?}");
    let mut coloured = 0;
    for path in paths {
        let text = crate::files::read_text(&path).unwrap();
        let name = path.display();
        let first = text.lines().next().unwrap_or_default();
        let known = first.starts_with("// Study after ") || first.ends_with("an exemplar for a texture.");
        assert!(known || path.ends_with("three-lines.rn"), "{name}");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//") && !line.trim().is_empty());
        assert!((4..=40).contains(&code.count()), "{name}");
        let drawings = Drawings::open(&path, 1, [64, 64]).map_err(|e| e.to_string()).unwrap();
        let pictures: Vec<Picture> = (0..12).map(|i| drawings.draw(i).map_err(|e| e.to_string()).unwrap()).collect();
        for (at, picture) in pictures.iter().enumerate() {
            assert!(!pictures[..at].contains(picture), "{name}: picture {at} was there before");
            let first = picture.at(0, 0);
            let other = picture.pixels.chunks_exact(3).filter(|pixel| **pixel != first).count();
            assert!(other > 64 * 64 / 20, "{name}: picture {at} is nearly empty");
        }
        let colour = |pixel: &[u8]| pixel.iter().max().unwrap() - pixel.iter().min().unwrap() > 60;
        let lit = pictures.iter().flat_map(|p| p.pixels.chunks_exact(3)).filter(|pixel| colour(pixel)).count();
        coloured += u32::from(lit > 12 * 64 * 64 / 50);
    }
    assert!(coloured >= 4, "{coloured} of them are in colour");
}
