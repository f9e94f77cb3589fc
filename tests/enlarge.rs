//! Pictures, folders, zips and films made larger from outside, and ESRGAN's files in each way that people write them.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use burn::tensor::Device;
use common::{fail, ffmpeg, flaneur, make_model, names, succeed};
use flaneur::model::WEIGHTS;
use flaneur::model::arrays::Incoming;
use flaneur::net::arch::Arch;
use flaneur::net::families::compact::Compact;
use flaneur::net::families::rrdb::Rrdb;
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use zip::write::SimpleFileOptions;

const NET: &str = "x4";

/// A folder with a small network, which sees two pixels far.
fn ready() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    make_model(folder.path(), NET, Arch::Compact(Compact { width: 8, layers: 1, ..Compact::live() }), Vec::new());
    folder
}

/// A picture of bars.
fn picture(w: u32, h: u32) -> RgbImage {
    RgbImage::from_fn(w, h, |x, y| {
        Rgb([(x * 23 % 256) as u8, (y * 41 % 256) as u8, if (x + y) % 7 < 3 { 200 } else { 30 }])
    })
}

fn enlarge(here: &Path, more: &[&str]) -> String {
    succeed(here, &[&["enlarge", "--model", NET, "--device", "cpu"], more].concat())
}

/// Arrays of an RRDB under the names of a dialect, as a state dictionary of PyTorch: a zip with a pickle of protocol 2.
fn pth(own: &Rrdb, prefix: &str, called: impl Fn(&str) -> String, shift: f32) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(".to_vec();
    let text = |pickle: &mut Vec<u8>, text: &str| {
        pickle.push(b'X');
        pickle.extend((text.len() as u32).to_le_bytes());
        pickle.extend(text.as_bytes());
    };
    let int = |pickle: &mut Vec<u8>, v: usize| {
        pickle.push(b'J');
        pickle.extend((v as i32).to_le_bytes());
    };
    let mut storages = Vec::new();
    for (number, plan) in own.layout().plans().iter().enumerate() {
        let (layer, part) = plan.name.rsplit_once('.').unwrap();
        let part = if part == "kernel" { "weight" } else { "bias" };
        // [3, 3, in, out] becomes [out, in, 3, 3].
        let shape: Vec<usize> = match plan.shape[..] {
            [_, _, c, o] => vec![o, c, 3, 3],
            _ => plan.shape.clone(),
        };
        let count: usize = shape.iter().product();
        let value = |at: usize| (((at * 37 + number * 11) % 97) as f32 / 97.0 - 0.5) * 0.3 + shift;
        storages.push((0..count).flat_map(|at| value(at).to_le_bytes()).collect::<Vec<u8>>());
        text(&mut pickle, &format!("{prefix}{}.{part}", called(layer)));
        // torch._utils._rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut pickle, "storage");
        pickle.extend(b"ctorch\nFloatStorage\n");
        text(&mut pickle, &number.to_string());
        text(&mut pickle, "cpu");
        int(&mut pickle, count);
        pickle.extend(b"tQ");
        int(&mut pickle, 0);
        pickle.push(b'(');
        shape.iter().for_each(|side| int(&mut pickle, *side));
        pickle.extend(b"t(");
        (0..shape.len()).for_each(|axis| int(&mut pickle, shape[axis + 1..].iter().product()));
        pickle.extend(b"t\x89ccollections\nOrderedDict\n)RtR");
    }
    pickle.extend(b"u.");
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut put = |name: String, bytes: &[u8]| {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    };
    put("archive/data.pkl".into(), &pickle);
    storages.iter().enumerate().for_each(|(key, bytes)| put(format!("archive/data/{key}"), bytes));
    zip.finish().unwrap().into_inner()
}

/// What a file calls a layer of ours.
type Called = Box<dyn Fn(&str) -> String>;

/// That of the three dialects.
fn dialects() -> [Called; 3] {
    let inner = |name: &str, trunk: &str, dense: &str, behind: &str| {
        let (block, rest) = name.strip_prefix("block")?.split_once('.')?;
        let block = block.parse::<usize>().unwrap() - 1;
        Some(format!("{trunk}.{block}.{}{behind}", rest.replace("dense", dense)))
    };
    let others = |name: &str, words: [&str; 6]| {
        let at = ["first", "trunk", "up1", "up2", "high", "last"].iter().position(|own| *own == name).unwrap();
        words[at].to_owned()
    };
    [
        Box::new(move |name| {
            let words = ["conv_first", "trunk_conv", "upconv1", "upconv2", "HRconv", "conv_last"];
            inner(name, "RRDB_trunk", "RDB", "").unwrap_or_else(|| others(name, words))
        }),
        Box::new(move |name| {
            let words = ["conv_first", "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"];
            inner(name, "body", "rdb", "").unwrap_or_else(|| others(name, words))
        }),
        Box::new(move |name| {
            let words = ["model.0", "model.1.sub.2", "model.3", "model.6", "model.8", "model.10"];
            inner(name, "model.1.sub", "RDB", ".0").unwrap_or_else(|| others(name, words))
        }),
    ]
}

#[test]
fn each_dialect_of_esrgan_makes_the_same_picture_and_blends_by_arithmetic() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let own = Rrdb { blocks: 2, width: 8, growth: 4, ..Rrdb::default() };
    picture(9, 7).save(here.join("p.png")).unwrap();
    let mut made = Vec::new();
    let cases = dialects().into_iter().zip(["", "params_ema.", "module."]).enumerate();
    for (number, (called, prefix)) in cases {
        let (file, name, out) = (format!("{number}.pth"), format!("net{number}"), format!("{number}.png"));
        fs::write(here.join(&file), pth(&own, prefix, called, 0.0)).unwrap();
        let said = succeed(here, &["import", &file, "--name", &name]);
        assert!(said.contains("2 blocks") && said.contains("4 times larger"), "{said}");
        succeed(here, &["enlarge", "p.png", "-o", &out, "--model", &name, "--device", "cpu"]);
        let picture = image::open(here.join(&out)).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (36, 28));
        made.push(picture);
    }
    assert!(made[0].pixels().any(|pixel| pixel != made[0].get_pixel(0, 0)));
    assert!(made[1] == made[0] && made[2] == made[0]);

    // (1 - 0.25) of the first and 0.25 of the second, number by number.
    let [called, ..] = dialects();
    fs::write(here.join("b.pth"), pth(&own, "", &called, 0.4)).unwrap();
    succeed(here, &["import", "0.pth", "--blend", "b.pth", "--alpha", "0.25", "--name", "blend"]);
    let read = |name: &str| {
        let file = Incoming::open(&here.join("models").join(name).join(WEIGHTS)).unwrap();
        file.params("generator", &own.layout().plans(), &Device::flex()).unwrap()
    };
    for (plain, blended) in read("net0").list.iter().zip(&read("blend").list) {
        for (a, b) in plain.values().iter().zip(blended.values()) {
            assert!((b - (a + 0.25 * 0.4)).abs() < 1e-6, "{}: {a} {b}", plain.name);
        }
    }
    let wide = Rrdb { width: 12, ..own };
    fs::write(here.join("c.pth"), pth(&wide, "", &called, 0.0)).unwrap();
    fail(here, &["import", "0.pth", "--blend", "c.pth", "--alpha", "0.5", "--name", "no"], "another network");
    fail(here, &["import", "0.pth", "--blend", "b.pth", "--alpha", "1.5", "--name", "no"], "--alpha takes 0");
    assert!(!here.join("models/no").exists());
}

#[test]
fn pictures_of_any_kind_are_made_larger_or_named() {
    let folder = ready();
    let here = folder.path();
    let put = |name: &str, image: DynamicImage| image.save(here.join("in").join(name)).unwrap();
    fs::create_dir_all(here.join("in/below")).unwrap();
    put("dot.png", picture(1, 1).into());
    put("strip.png", picture(3000, 3).into());
    put("grey.png", GrayImage::from_fn(10, 9, |x, y| Luma([(x * 20 + y) as u8])).into());
    put("clear.png", RgbaImage::from_fn(11, 7, |x, _| Rgba([200, 30, 40, (x * 20) as u8])).into());
    put("below/solid.png", RgbaImage::from_fn(5, 6, |x, _| Rgba([x as u8, 1, 2, 255])).into());
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> =
        ImageBuffer::from_fn(6, 5, |x, y| Rgb([(x * 9000) as u16, 500, (y * 9000) as u16]));
    put("deep.png", DynamicImage::ImageRgb16(deep));
    put("photo.jpg", picture(21, 13).into());
    fs::write(here.join("in/broken.png"), &fs::read(here.join("in/strip.png")).unwrap()[..400]).unwrap();

    let all = ["enlarge", "in", "-o", "out", "--model", NET, "--device", "cpu"];
    fail(here, &all, "one picture could not");
    let of = |name: &str| image::open(here.join("out").join(name)).unwrap();
    for (name, w, h) in [("dot.png", 1, 1), ("strip.png", 3000, 3), ("grey.png", 10, 9), ("photo.png", 21, 13)] {
        assert_eq!((of(name).width(), of(name).height()), (4 * w, 4 * h), "{name}");
    }
    assert_eq!(of("grey.png").color(), image::ColorType::L8);
    assert_eq!(of("clear.png").color(), image::ColorType::Rgba8);
    assert_eq!(
        (of("below/solid.png").color(), of("deep.png").color()),
        (image::ColorType::Rgb8, image::ColorType::Rgb8)
    );
    let clear = of("clear.png").into_rgba8();
    assert!(clear.pixels().any(|pixel| pixel.0[3] != clear.get_pixel(0, 0).0[3]));
    assert!(!here.join("out/broken.png").exists());

    // It goes on with those that are not there: what is there is not touched, another picture is named.
    let before = fs::metadata(here.join("out/strip.png")).unwrap().modified().unwrap();
    fs::remove_file(here.join("out/dot.png")).unwrap();
    picture(2, 2).save(here.join("out/photo.png")).unwrap();
    fs::remove_file(here.join("in/broken.png")).unwrap();
    fail(here, &all, "no picture of 84x52: --overwrite writes over it");
    assert_eq!(of("photo.png").width(), 2);
    fs::remove_file(here.join("out/photo.png")).unwrap();
    fs::remove_file(here.join("out/dot.png")).unwrap();
    let said = succeed(here, &all);
    assert!(said.contains("2 written") && said.contains("5 were there"), "{said}");
    assert_eq!(fs::metadata(here.join("out/strip.png")).unwrap().modified().unwrap(), before);
    assert_eq!(of("photo.png").width(), 84);

    // Tiles that see enough make the same picture; a size in between is that of the large one, made smaller.
    enlarge(here, &["in/photo.jpg", "-o", "tiled.png", "--tile", "16"]);
    let (one, tiled) = (of("photo.png").into_rgb8(), image::open(here.join("tiled.png")).unwrap().into_rgb8());
    assert!(one.iter().zip(tiled.iter()).all(|(a, b)| a.abs_diff(*b) <= 1));
    enlarge(here, &["in/photo.jpg", "-o", "three.jpg", "--scale", "3"]);
    enlarge(here, &["in/photo.jpg", "-o", "six.png", "--scale", "6"]);
    for (name, times) in [("three.jpg", 3), ("six.png", 6)] {
        assert_eq!(image::image_dimensions(here.join(name)).unwrap(), (21 * times, 13 * times));
    }
    // Nothing takes its own place, what was made is not made larger again, and two of one name are two.
    let before = fs::read(here.join("in/dot.png")).unwrap();
    fail(here, &["enlarge", "in/dot.png", "-o", "in", "--overwrite", "--model", NET], "its own place");
    assert_eq!(fs::read(here.join("in/dot.png")).unwrap(), before);
    for _ in 0..2 {
        enlarge(here, &["in/below", "-o", "in/below/large"]);
    }
    assert_eq!(names(&here.join("in/below/large")), ["solid.png"]);
    let said = enlarge(here, &["in/dot.png", "out/dot.png", "-o", "both"]);
    assert!(said.contains("2 written") && names(&here.join("both")) == ["dot-2.png", "dot.png"], "{said}");

    // A picture that is there is not written over.
    let said = enlarge(here, &["in/photo.jpg", "-o", "six.png"]);
    assert!(said.contains("six-2.png"), "{said}");

    for (words, told) in [
        (&["none.png", "-o", "x.png"][..], "there is no none.png"),
        (&["in", "-o", "x.png"], "one picture"),
        (&["in/dot.png", "in/grey.png", "-o", "x.png"], "takes one input"),
        (&["in/dot.png", "-o", "x.mp4"], "one film"),
        (&["in/dot.png", "-o", "x.png", "--format", "jpg"], "two formats"),
        (&["in", "-o", "x", "--notebook"], "zip"),
    ] {
        fail(here, &[&["enlarge", "--model", NET], words].concat(), told);
    }
    fail(here, &["enlarge", "in", "-o", "x", "--model", "none"], "there is no model");
}

#[test]
fn a_zip_is_as_the_notebooks_write_it() {
    let folder = ready();
    let here = folder.path();
    fs::create_dir(here.join("images")).unwrap();
    for at in 0..3 {
        picture(8 + at, 8).save(here.join(format!("images/image_{at:02}.png"))).unwrap();
    }
    enlarge(here, &["images", "-o", "superresolution.zip", "--notebook"]);
    let mut zip = zip::ZipArchive::new(fs::File::open(here.join("superresolution.zip")).unwrap()).unwrap();
    let mut found: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    found.sort();
    let expected = [
        "Super Resolution 0.jpg",
        "Super Resolution 1.jpg",
        "Super Resolution 2.jpg",
        "image_00.png",
        "image_01.png",
        "image_02.png",
    ];
    assert_eq!(found, expected.map(|name| format!("images/{name}")));
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut zip.by_name("images/Super Resolution 2.jpg").unwrap(), &mut bytes).unwrap();
    assert_eq!(image::load_from_memory(&bytes).unwrap().width(), 40);
    // Of pictures that are called as what is made.
    fs::copy(here.join("images/image_00.png"), here.join("images/Super Resolution 0.jpg")).unwrap();
    enlarge(here, &["images", "-o", "again.zip", "--notebook"]);
    let again = zip::ZipArchive::new(fs::File::open(here.join("again.zip")).unwrap()).unwrap();
    assert_eq!(again.len(), 8);
    // From a zip into a zip.
    let said = enlarge(here, &["superresolution.zip", "-o", "more.zip", "--format", "jpg"]);
    assert!(said.contains("6 pictures"), "{said}");
}

/// What ffprobe says of a film: width, height, frames, seconds, and whether there is sound.
fn about(path: &Path) -> (u64, u64, u64, f64, bool) {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-count_frames", "-show_entries"])
        .arg("stream=codec_type,width,height,nb_read_frames:format=duration")
        .arg(path)
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let streams = json["streams"].as_array().unwrap();
    let video = streams.iter().find(|stream| stream["codec_type"] == "video").unwrap();
    let number = |value: &serde_json::Value| value.as_str().unwrap().parse::<f64>().unwrap();
    let sound = streams.iter().any(|stream| stream["codec_type"] == "audio");
    let side = |key: &str| video[key].as_u64().unwrap();
    (side("width"), side("height"), number(&video["nb_read_frames"]) as u64, number(&json["format"]["duration"]), sound)
}

fn film(path: &Path, frames: u32, sound: bool) {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=50x34:rate=25"]);
    if sound {
        command.args(["-f", "lavfi", "-i", "sine=frequency=440", "-shortest", "-c:a", "aac"]);
    }
    let secs = f64::from(frames) / 25.0;
    command.args(["-t", &secs.to_string(), "-pix_fmt", "yuv420p"]);
    assert!(command.arg(path).status().unwrap().success());
}

#[test]
fn a_film_keeps_its_length_and_its_sound() {
    if !ffmpeg() {
        return;
    }
    let folder = ready();
    let here = folder.path();
    film(&here.join("loud.mp4"), 50, true);
    film(&here.join("quiet.mkv"), 10, false);
    enlarge(here, &["loud.mp4", "-o", "large.mp4"]);
    let (w, h, frames, secs, sound) = about(&here.join("large.mp4"));
    assert_eq!((w, h, frames, sound), (200, 136, 50, true));
    assert!((secs - 2.0).abs() < 0.1, "{secs}");
    enlarge(here, &["loud.mp4", "quiet.mkv", "-o", "films", "--scale", "2"]);
    assert_eq!(names(&here.join("films")), ["loud.mp4", "quiet.mkv"]);
    let (w, _, frames, _, sound) = about(&here.join("films/quiet.mkv"));
    assert_eq!((w, frames, sound), (100, 10, false));
    // Sound that the container does not take is encoded anew.
    enlarge(here, &["loud.mp4", "-o", "large.webm"]);
    assert!(about(&here.join("large.webm")).4);
    fs::write(here.join("no.mp4"), "no film").unwrap();
    fail(here, &["enlarge", "no.mp4", "-o", "x.mp4", "--model", NET], "no film that ffmpeg can read");
    let left = names(here);
    assert!(!left.iter().any(|name| name.contains("silent") || name.contains(".part")), "{left:?}");
}

#[test]
#[cfg(unix)]
fn an_interrupted_film_is_a_film() {
    if !ffmpeg() {
        return;
    }
    let folder = ready();
    let here = folder.path();
    film(&here.join("long.mp4"), 5000, true);
    let mut child = Command::new(env!("CARGO_BIN_EXE_flaneur"))
        .current_dir(here)
        .args(["enlarge", "long.mp4", "-o", "large.mp4", "--model", NET, "--device", "cpu"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let number = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(number, rustix::process::Signal::INT).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    assert!(child.wait().unwrap().success() && said.contains("interrupted"), "{said}");
    let (w, _, frames, secs, sound) = about(&here.join("large.mp4"));
    assert!(w == 200 && (1..5000).contains(&frames) && sound);
    // The sound ends with the pictures.
    assert!((secs - frames as f64 / 25.0).abs() < 0.3, "{secs} s of {frames} frames");
}

#[test]
fn a_film_of_a_walk_is_enlarged_while_it_is_made() {
    if !ffmpeg() {
        return;
    }
    let folder = ready();
    let here = folder.path();
    make_model(here, "lines", Arch::WganGp(common::tiny()), Vec::new());
    for inner in ["sketches", "presets"] {
        fs::create_dir_all(here.join(inner)).unwrap();
    }
    fs::write(
        here.join("sketches/s.rn"),
        "pub fn walk(me, t, c) {\n    slerp(seed(1), seed(2), smooth(pingpong(t.phase(2))))\n}\n",
    )
    .unwrap();
    let film =
        ["film", "sketches/s.rn", "--model", "lines", "--frames", "12", "--fps", "24", "--raw", "--device", "cpu"];
    let out = flaneur(here, &[&film[..], &["--enlarge", NET, "-o", "w.mp4"]].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let (w, h, frames, ..) = about(&here.join("w.mp4"));
    assert_eq!((w, h, frames), (64, 64, 12));
    fail(here, &[&film[..], &["--enlarge", "lines", "-o", "x.mp4"]].concat(), "makes no pictures larger");
}
