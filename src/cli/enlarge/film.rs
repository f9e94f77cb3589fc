//! A film, larger: ffmpeg gives its frames and takes the large ones; its sound is put beside them at the end.
//!
//! Frames come as PPM, which says its own size, at the film's mean rate. What was made until Ctrl-C is a whole film.

use std::fs;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use serde_json::Value as Json;

use super::ending;
use super::picture::Job;
use crate::files;
use crate::model::enlarge::Ended;
use crate::picture::Picture;
use crate::recorder::{self, Recorder, Settings};
use crate::report::{Board, Progress, Stop, tell};

/// Pixels of a side of a frame at most.
const MOST_SIDE: usize = 16_384;

/// What a film says of itself.
struct About {
    /// Frames a second, as ffmpeg has them ("30000/1001").
    rate: String,
    fps: f64,
    frames: u64,
    sound: bool,
}

fn ffmpeg(name: &str) -> Command {
    let mut command = Command::new(name);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A Ctrl-C on the terminal is for us.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

/// A path as ffmpeg's argument: it may begin with a dash, or have a colon in it.
fn of_file(path: &Path) -> std::ffi::OsString {
    let mut name = std::ffi::OsString::from("file:");
    name.push(path);
    name
}

fn missing(error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!("films need ffmpeg, which is not installed"),
        _ => anyhow::anyhow!("ffmpeg cannot be started: {error}"),
    }
}

/// The last line of what a program said.
fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    files::printable(text.trim().lines().last().unwrap_or("it said nothing"))
}

impl About {
    fn of(path: &Path) -> anyhow::Result<Self> {
        let mut command = ffmpeg("ffprobe");
        command.args(["-v", "error", "-of", "json", "-show_entries"]);
        command.arg("stream=codec_type,avg_frame_rate,r_frame_rate,nb_frames,duration:format=duration");
        let out = command.arg(of_file(path)).output().map_err(missing)?;
        let shown = files::shown(path);
        if !out.status.success() {
            bail!("{shown} is no film that ffmpeg can read: {}", said(&out.stderr));
        }
        let json: Json = serde_json::from_slice(&out.stdout).with_context(|| shown.clone())?;
        let streams = json["streams"].as_array().cloned().unwrap_or_default();
        let of = |kind: &str| streams.iter().find(|stream| stream["codec_type"] == kind);
        let Some(video) = of("video") else { bail!("{shown} has no pictures in it") };
        let rate = |key: &str| {
            let text = video[key].as_str()?;
            let (over, under) = text.split_once('/')?;
            let fps = over.parse::<f64>().ok()? / under.parse::<f64>().ok()?;
            (fps.is_finite() && (0.01..=1000.0).contains(&fps)).then(|| (text.to_owned(), fps))
        };
        let Some((rate, fps)) = rate("avg_frame_rate").or_else(|| rate("r_frame_rate")) else {
            bail!("{shown} does not say how many frames a second it has");
        };
        let number = |value: &Json| value.as_str().and_then(|text| text.parse::<f64>().ok());
        let secs = number(&video["duration"]).or_else(|| number(&json["format"]["duration"])).unwrap_or(0.0);
        let frames = number(&video["nb_frames"]).unwrap_or(secs * fps).max(1.0) as u64;
        Ok(Self { rate, fps, frames, sound: of("audio").is_some() })
    }
}

/// The frames of a film, one after the other.
struct Frames {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Frames {
    fn of(path: &Path, rate: &str) -> anyhow::Result<Self> {
        let mut command = ffmpeg("ffmpeg");
        command.stderr(Stdio::null()).args(["-hide_banner", "-loglevel", "quiet", "-nostdin", "-i"]).arg(of_file(path));
        // Pixels that are no squares become some.
        command.args(["-map", "0:v:0", "-vf", "scale=trunc(iw*sar):ih,setsar=1", "-fps_mode", "cfr", "-r", rate]);
        command.args(["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "pipe:1"]);
        let mut child = command.spawn().map_err(missing)?;
        let out = child.stdout.take().context("ffmpeg has no output")?;
        Ok(Self { child, out: BufReader::with_capacity(1 << 20, out) })
    }

    /// The next one, if there is one.
    fn next(&mut self) -> anyhow::Result<Option<Picture>> {
        let mut head = Vec::new();
        let mut lines = 0;
        // `P6`, width and height, 255: three lines.
        while lines < 3 {
            let mut byte = [0];
            match self.out.read(&mut byte)? {
                0 if head.is_empty() => return Ok(None),
                0 => bail!("a frame was cut short"),
                _ => {}
            }
            lines += usize::from(byte[0] == b'\n');
            head.push(byte[0]);
            if head.len() > 64 {
                bail!("ffmpeg gives no frames that are understood");
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let numbers: Vec<usize> = text.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        let [width, height, 255] = numbers[..] else { bail!("ffmpeg gives no frames that are understood") };
        if width.max(height) > MOST_SIDE || width.min(height) == 0 {
            bail!("a frame of {width}x{height} is too large");
        }
        let mut pixels = vec![0; width * height * 3];
        self.out.read_exact(&mut pixels).context("a frame was cut short")?;
        Ok(Some(Picture { width, height, pixels }))
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // It may still be decoding.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a film larger. Gives its name, if it has frames, and whether it was interrupted.
///
/// # Errors
/// If ffmpeg is not there or cannot read or write it, or the device fails.
pub fn enlarged(
    job: &Job,
    input: &Path,
    wanted: &Path,
    crf: Option<u8>,
    overwrite: bool,
    stop: &Stop,
) -> anyhow::Result<(Option<PathBuf>, bool)> {
    let about = About::of(input)?;
    let path = recorder::names::film(wanted, overwrite)?;
    if path != wanted {
        super::super::is_there(wanted, &path);
    }
    let sound = about.sound && ending(&path) != "gif";
    // Without its sound at first: how long it becomes is known at the end.
    let silent = files::temporary(&path).with_extension(format!("silent.{}", ending(&path)));
    let mut frames = Frames::of(input, &about.rate)?;
    let Some(first) = frames.next()? else { bail!("{} has no frames", files::shown(input)) };
    let size = [first.height * job.wanted, first.width * job.wanted];
    tell(format_args!("{} frames of {}x{} at {:.2} a second", about.frames, size[1], size[0], about.fps));
    let settings =
        Settings { path: silent.clone(), size: [size[1], size[0]], fps: about.fps, crf, codec: None, live: false };
    let recorder = Recorder::start(settings, &Board::echoing())?;
    let progress = Progress::new("frames", about.frames);
    let (mut next, mut done, mut failed) = (Some(first), 0, None);
    while let Some(frame) = next {
        match job.larger(&frame, size, stop) {
            Ok(made) => recorder.put(done, Box::new(move || made))?,
            Err(Ended::Stopped) => break,
            Err(Ended::Failed(why)) => {
                failed = Some(why);
                break;
            }
        }
        done += 1;
        progress.step();
        if stop.raised() {
            break;
        }
        next = match frames.next() {
            Ok(next) => next,
            // What could be read of a damaged film is kept.
            Err(why) => {
                failed = Some(why.to_string());
                break;
            }
        };
    }
    progress.finish();
    drop(frames);
    let (_, made) = recorder.finish_as()?;
    if done == 0 {
        return match failed {
            Some(why) => bail!("{}: {why}", files::shown(input)),
            None => Ok((None, true)),
        };
    }
    let interrupted = stop.raised();
    let whole = !interrupted && failed.is_none();
    // A part of a film takes no whole one's place.
    let replaces = overwrite && whole;
    let path = match sound {
        true => with_sound(&made, input, &path, (!whole).then(|| done as f64 / about.fps), replaces)?,
        false => named(&made, &path, replaces)?,
    };
    match failed {
        Some(why) => bail!("{}: {why}; {done} frames are in {}", files::shown(input), files::shown(&path)),
        None => Ok((Some(path), interrupted)),
    }
}

/// Gives a file its name, or the next free one.
fn named(part: &Path, path: &Path, replaces: bool) -> anyhow::Result<PathBuf> {
    match replaces {
        true => Ok(files::at(path, fs::rename(part, path)).map(|()| path.to_owned())?),
        false => Ok(files::rename_free(part, path)?),
    }
}

/// Puts the sound of a film beside pictures, as it is or, where the container does not take that, encoded anew.
fn with_sound(silent: &Path, input: &Path, path: &Path, cut: Option<f64>, overwrite: bool) -> anyhow::Result<PathBuf> {
    let part = files::temporary(path).with_extension(format!("part.{}", ending(path)));
    let anew = if ending(path) == "webm" { "libopus" } else { "aac" };
    let mut why = String::new();
    for codec in ["copy", anew] {
        let mut command = ffmpeg("ffmpeg");
        command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-i"]).arg(of_file(silent));
        command.arg("-i").arg(of_file(input)).args(["-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", codec]);
        if let Some(secs) = cut {
            command.args(["-t", &secs.to_string()]);
        }
        if ["mp4", "mov"].contains(&&*ending(path)) {
            command.args(["-movflags", "+faststart"]);
        }
        let out = command.arg(of_file(&part)).output().map_err(missing)?;
        if out.status.success() {
            let named = named(&part, path, overwrite)?;
            let _ = fs::remove_file(silent);
            return Ok(named);
        }
        why = said(&out.stderr);
    }
    let _ = fs::remove_file(&part);
    let named = files::rename_free(silent, path)?;
    tell(format_args!("its sound cannot be put into {} ({why}): it is without", files::shown(&named)));
    Ok(named)
}
