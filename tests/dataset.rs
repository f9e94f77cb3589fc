//! Awkward pictures: one bad part never takes the others with it, and what is no picture is named.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;

use flaneur::dataset::read::{self, Bad, Census, Fit};
use image::{DynamicImage, ImageFormat};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn jpg() -> Vec<u8> {
    encoded(&image::RgbImage::from_fn(64, 32, |x, y| image::Rgb([x as u8, y as u8, 99])).into(), ImageFormat::Jpeg)
}

/// Writes a zip of entries with their methods.
fn zip_of(path: &Path, entries: &[(&str, &[u8], CompressionMethod)]) {
    let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, bytes, method) in entries {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(*method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn census(path: &Path) -> Census {
    read::census(path, &|| ()).unwrap()
}

/// Names and reasons of what could not be read, on one line.
fn told(bad: &[Bad]) -> String {
    bad.iter().map(|bad| format!("{}: {}; ", bad.name, bad.why)).collect()
}

/// Sets a field of the headers of entry `at`: `offset` counts from the method's place in both.
fn patch(path: &Path, at: usize, local: usize, central: usize, change: impl Fn(u8) -> u8) {
    let mut bytes = fs::read(path).unwrap();
    for (magic, offset) in [(b"PK\x03\x04", local), (b"PK\x01\x02", central)] {
        let found: Vec<usize> = bytes.windows(4).enumerate().filter(|(_, w)| w == magic).map(|(i, _)| i).collect();
        let place = found[at] + offset;
        bytes[place] = change(bytes[place]);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn one_bad_entry_of_a_zip_is_named_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.zip");
    let (jpg, stored, packed) = (jpg(), CompressionMethod::Stored, CompressionMethod::Deflated);
    let names = ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "deep/4.jpg", "deep/5.JPG"];
    let entries: Vec<_> = names.iter().map(|name| (*name, &jpg[..], stored)).collect();
    // The flag of encryption, a method that nobody knows, a byte of the picture that is another one.
    zip_of(&path, &entries);
    patch(&path, 1, 6, 8, |flags| flags | 1);
    patch(&path, 2, 8, 10, |_| 12);
    let mut bytes = fs::read(&path).unwrap();
    let third = bytes.windows(4).enumerate().filter(|(_, w)| w == b"PK\x03\x04").nth(3).unwrap().0;
    bytes[third + 200] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    let found = census(&path);
    let told = told(&found.bad);
    assert_eq!((found.count(), found.bad.len()), (3, 3), "{told}");
    for words in ["1.jpg: it is encrypted", "2.jpg: its compression is none", "3.jpg: "] {
        assert!(told.contains(words), "{words} is not in {told}");
    }
    let pictures = read::read(&path, [16, 16, 3], Fit::Stretch, 3).unwrap();
    assert_eq!((pictures.count, pictures.bad.len(), pictures.bytes.len()), (3, 3, 3 * 16 * 16 * 3));
    // What is not looked into may be as it likes.
    zip_of(&path, &[("a.jpg", &jpg, packed), ("readme.txt", b"hello", packed), ("a/", b"", stored)]);
    patch(&path, 1, 8, 10, |_| 14);
    let found = census(&path);
    assert_eq!((found.count(), found.bad.len(), found.others["txt"]), (1, 0, 1));
}

#[test]
fn a_zip_that_unpacks_to_far_more_is_read_within_limits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.zip");
    let packed = CompressionMethod::Deflated;
    // Zeros, and zeros behind the first bytes of a PNG.
    let (zeros, mut png) = (vec![0; 40 << 20], b"\x89PNG\r\n\x1a\n".to_vec());
    png.resize(40 << 20, 0);
    let many: Vec<String> = (0..30).map(|i| format!("{i:02}.png")).collect();
    let mut entries: Vec<(&str, &[u8], CompressionMethod)> = vec![("zeros.png", &zeros, packed)];
    entries.extend(many.iter().map(|name| (name.as_str(), &png[..], packed)));
    let jpg = jpg();
    entries.push(("00.jpg", &jpg, CompressionMethod::Stored));
    zip_of(&path, &entries);
    drop((zeros, png));
    assert!(fs::metadata(&path).unwrap().len() < 4 << 20);
    let before = peak_mb();
    let found = census(&path);
    let told = told(&found.bad);
    assert_eq!((found.count(), found.bad.len()), (1, 31), "{told}");
    assert!(told.contains("zeros.png: it is no picture inside") && told.contains("unpacks to far more"), "{told}");
    assert!(peak_mb() < before + 350, "{} MB more than {before}", peak_mb() - before);
}

/// The most memory that this process had so far, in megabytes; 0 where that cannot be known.
fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) >> 10
}

#[test]
fn hidden_parts_and_thumbnails_are_left_out_and_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let jpg = jpg();
    for name in [
        "0.jpg",
        "1.jfif",
        "2.JPE",
        "deep/3.jpeg",
        ".ipynb_checkpoints/0-checkpoint.jpg",
        "@eaDir/0.jpg/THUMB_M.jpg",
        "deep/@eaDir/3.jpg/THUMB_M.jpg",
        ".Trash-1000/files/0.jpg",
        "._0.jpg",
        "__MACOSX/deep/._3.jpg",
        "0.jpg~",
        "0.sync-conflict-20261129-190412-ABCDEFG.jpg",
    ] {
        fs::create_dir_all(here.join(name).parent().unwrap()).unwrap();
        fs::write(here.join(name), &jpg).unwrap();
    }
    for name in ["Thumbs.db", ".DS_Store", "desktop.ini", "notes.txt", "LICENCE", "a.heic"] {
        fs::write(here.join(name), "x").unwrap();
    }
    let found = census(here);
    assert_eq!((found.count(), found.bad.len()), (4, 0), "{}", told(&found.bad));
    assert_eq!(found.hidden["@eaDir"], 2);
    assert_eq!(found.hidden.values().sum::<usize>(), 11, "{:?}", found.hidden);
    let others: Vec<(&str, usize)> = found.others.iter().map(|(ending, n)| (ending.as_str(), *n)).collect();
    assert_eq!(others, [("", 1), ("heic", 1), ("txt", 1)]);
    // A zip made on a Mac has a twin for every picture.
    let path = here.join("mac.zip");
    let names: Vec<(String, String)> =
        (0..20).map(|i| (format!("photos/{i}.jpg"), format!("__MACOSX/photos/._{i}.jpg"))).collect();
    let twin = b"\0\x05\x16\x07\0\x02\0\0Mac OS X        ";
    let mut entries: Vec<(&str, &[u8], CompressionMethod)> = Vec::new();
    for (name, double) in &names {
        entries.push((name, &jpg, CompressionMethod::Stored));
        entries.push((double, twin, CompressionMethod::Stored));
    }
    entries.push(("photos/.DS_Store", b"x", CompressionMethod::Stored));
    zip_of(&path, &entries);
    let found = census(&path);
    assert_eq!((found.count(), found.bad.len(), found.others.len()), (20, 0, 0));
    let hidden: Vec<(&str, usize)> = found.hidden.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(hidden, [(".DS_Store", 1), ("__MACOSX", 1)]);
    let said = common::succeed(here, &["dataset", "check", "mac.zip"]);
    assert!(said.contains("2 hidden parts, left out (1 .DS_Store, 1 __MACOSX)"), "{said}");
}

#[test]
fn classes_are_printed_with_what_they_hold() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let jpg = jpg();
    for (name, bytes) in [("cat/1.jpg", &jpg[..]), ("cat/2.jpg", &jpg), ("cat/3.jpg", b"text"), ("dog/1.jpg", &jpg)] {
        fs::create_dir_all(here.join("d").join(name).parent().unwrap()).unwrap();
        fs::write(here.join("d").join(name), bytes).unwrap();
    }
    let said = common::succeed(here, &["dataset", "check", "d"]);
    assert!(said.contains("classes: cat (2), dog (1)\n") && said.contains("cat/3.jpg: it is no picture"), "{said}");
    fs::write(here.join("d/dataset.json"), r#"{"labels": [["cat/1.jpg", 1], ["dog/1.jpg", "0"]]}"#).unwrap();
    let said = common::succeed(here, &["dataset", "check", "d"]);
    assert!(said.contains("dataset.json: ") && said.contains("read without labels"), "{said}");
    assert!(!said.contains("classes: "), "{said}");
}

#[test]
fn pictures_of_every_kind_are_named_or_read() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let jpg = jpg();
    let clear = DynamicImage::from(image::RgbaImage::from_pixel(64, 32, image::Rgba([255, 0, 0, 0])));
    let turned = {
        let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let length = (exif.len() as u16 + 2).to_be_bytes();
        [&jpg[..2], &[0xff, 0xe1], &length, exif, &jpg[2..]].concat()
    };
    let files: [(&str, &[u8]); 9] = [
        ("0.jpg", &jpg),
        ("1.png", &encoded(&clear, ImageFormat::Png)),
        ("2.jpg", &turned),
        ("3.jpg", &jpg[..jpg.len() * 55 / 100]),
        ("4.png", &encoded(&clear, ImageFormat::Png)[..60]),
        ("5.jpg", b""),
        ("6.jpg", b"II*\0 and so on"),
        ("7.jpg", b"\xff\xd8 no more than that"),
        ("8\u{1b}[2J.png", b"text"),
    ];
    for (name, bytes) in files {
        fs::write(here.join(name), bytes).unwrap();
    }
    let found = census(here);
    let told = told(&found.bad);
    assert_eq!((found.count(), found.clear, found.bad.len()), (3, 1, 6), "{told}");
    assert!(found.sizes.contains(&((32, 64), 1)), "{:?}", found.sizes);
    for words in
        ["3.jpg: it is cut short", "4.png: ", "5.jpg: the file is empty", "6.jpg: it is a Tiff", "7.jpg: it is"]
    {
        assert!(told.contains(words), "{words} is not in {told}");
    }
    assert!(told.contains("8\\u{1b}[2J.png: it is no picture") && !told.contains('\u{1b}'), "{told}");
    // What lies hidden under transparent parts is not learnt.
    let pictures = read::read(here, [4, 4, 3], Fit::Stretch, 3).unwrap();
    assert_eq!(pictures.bytes[48..96], [0; 48]);
}

#[test]
#[cfg(unix)]
fn what_is_no_file_and_what_may_not_be_read_is_named() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("d");
    fs::create_dir_all(here.join("closed")).unwrap();
    let jpg = jpg();
    for name in ["0.jpg", "1.jpg", "closed/2.jpg"] {
        fs::write(here.join(name), &jpg).unwrap();
    }
    // A pipe would be read without end; a link to a folder above is a circle.
    assert!(Command::new("mkfifo").arg(here.join("pipe.jpg")).status().unwrap().success());
    symlink("..", here.join("up")).unwrap();
    symlink("nowhere", here.join("gone.jpg")).unwrap();
    symlink("0.jpg", here.join("link.jpg")).unwrap();
    let mode = |mode| fs::set_permissions(here.join("closed"), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o000);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Who may read everything sees no such folder: then another user looks.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_flaneur")]);
    let mut own = Command::new(env!("CARGO_BIN_EXE_flaneur"));
    let may = fs::read_dir(here.join("closed")).is_ok();
    let out = if may { &mut command } else { &mut own }.args(["dataset", "check"]).arg(&here).output();
    mode(0o755);
    let Ok(out) = out else { return common::skip("setpriv is not installed") };
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    if !out.status.success() && said.contains("setpriv") {
        return common::skip(said);
    }
    assert!(said.contains("3 pictures in"), "{said}");
    for words in
        ["closed: the folder cannot be read", "pipe.jpg: it is no file", "up: it is a link to a folder", "gone.jpg: "]
    {
        assert!(said.contains(words), "{words} is not in {said}");
    }
}

/// A drawing sketch that is not among the shipped ones: a spiral of translucent discs with a text.
const SPIRAL: &str = "pub fn draw(r, i) {
    let d = canvas(\"paper\", 64);
    let turns = r.uniform(1, 4);
    for n in 0..20 {
        let angle = tau(turns * n as f64 / 20.0);
        d.disc(32.0 + n as f64 * cos(angle), 32.0 + n as f64 * sin(angle), 4, tint(hsv(n as f64 / 20.0), 0.5));
    }
    d.text(i, 32, 56, 8, \"ink\")
}";

#[test]
fn a_drawing_sketch_makes_a_dataset_that_does_not_depend_on_workers() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir_all(here.join("sketches/data")).unwrap();
    fs::write(here.join("sketches/data/my spiral.rn"), SPIRAL).unwrap();
    let draw = |out: &str, more: &[&str]| {
        let arguments = ["dataset", "draw", "my spiral", "-o", out, "--count", "60", "--size", "32"];
        common::succeed(here, &[&arguments, more].concat())
    };
    assert!(draw("one", &["--workers", "1"]).contains("60 pictures of 32x32 in one"));
    draw("two/deep", &["--workers", "2"]);
    draw("a.zip", &["--workers", "1"]);
    draw("b.zip", &["--workers", "2"]);
    let names = common::names(&here.join("one"));
    assert_eq!((names.len(), names[0].as_str()), (60, "my spiral-000001.png"));
    let read = |folder: &str, name: &str| fs::read(here.join(folder).join(name)).unwrap();
    assert!(names.iter().all(|name| read("one", name) == read("two/deep", name)));
    assert!(read("one", &names[0]) != read("one", &names[1]));
    assert!(read("", "a.zip") == read("", "b.zip"));
    assert_eq!(census(&here.join("a.zip")).sizes, [((32, 32), 60)]);
    // What is there is not written over, unless one says so, and never what is no dataset.
    let arguments = ["dataset", "draw", "my spiral", "--count", "3", "--size", "32", "-o"];
    common::fail(here, &[&arguments[..], &["one"]].concat(), "is there already");
    common::succeed(here, &[&arguments[..], &["one", "--overwrite", "--format", "jpg"]].concat());
    assert_eq!(common::names(&here.join("one"))[0], "my spiral-000001.jpg");
    fs::write(here.join("one/notes.txt"), "mine").unwrap();
    common::fail(here, &[&arguments[..], &["one", "--overwrite"]].concat(), "something else than numbered pictures");
    assert_eq!(common::names(&here.join("one")).len(), 4);
    // Sheets: of the sketch, of a folder, of a zip; another name where one is taken.
    for data in ["my spiral", "sketches/data/my spiral.rn", "data/my spiral", "one", "a.zip"] {
        let said = common::succeed(here, &["dataset", "sheet", data, "-o", "s.png", "--count", "4", "--size", "16"]);
        let count = if data == "one" { 3 } else { 4 };
        assert!(said.contains(&format!("{count} pictures of 16x16")), "{said}");
    }
    assert!(here.join("s.png").is_file() && here.join("s-5.png").is_file(), "{:?}", common::names(here));
    common::fail(here, &["dataset", "sheet", "my spirl", "-o", "t.png"], "did you mean my spiral?");
    common::fail(here, &["dataset", "sheet", "a.zip", "-o", "t.jpg"], "ends in .png");
    common::succeed(here, &["check", "sketches/data/my spiral.rn"]);
    common::succeed(here, &["new", "data", "mine"]);
    assert!(common::succeed(here, &["check", "sketches/data/mine.rn"]).contains("draws pictures"));
}

#[test]
fn a_drawing_sketch_that_fails_leaves_nothing_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let check = |text: &str, words: &[&str]| {
        fs::write(here.join("a.rn"), text).unwrap();
        for word in words {
            common::fail(here, &["dataset", "draw", "a.rn", "-o", "out", "--count", "50", "--size", "16"], word);
        }
        assert_eq!(common::names(here), ["a.rn"]);
    };
    check("pub fn draw(r, i) {\n    canvas().dics(0, 0)\n}", &["a.rn:2:", " 2 | ", "^", "did you mean draw.disc("]);
    check(
        "pub fn draw(r, i) { if i == 40 { r.pick([]) } draw() }",
        &["the list is empty", "in picture 41, where i is 40"],
    );
    check("pub fn draw(r, i) { loop {} }", &["steps in one picture", "a loop without an end"]);
    check("pub fn walk(me, t, c) { seed(1) }", &["walks"]);
}
