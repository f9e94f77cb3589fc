//! `flaneur film`: a sketch or preset as a film, without a window.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use super::given::InPlace;
use super::{DeviceChoice, Size};
use crate::control::automation::Automation;
use crate::model::{Card, filter, folder};
use crate::picture::canvas::LARGEST;
use crate::recorder::{self, Codec};
use crate::report::{Board, Stop, say, tell};
use crate::show::film::Film;
use crate::show::takes::replay::Take;
use crate::show::{Options, Show};

/// What `flaneur film` takes.
#[derive(Args)]
pub struct FilmOf {
    /// A preset or a sketch, by name or path
    target: Option<String>,
    /// The film: .mp4, .mkv, .mov, .webm, .gif, or a folder for PNGs
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// A model, by name or path
    #[arg(long)]
    model: Option<String>,
    /// A network that makes each picture larger, by name or path: it stands behind the preset's filters
    #[arg(long, value_name = "MODEL")]
    enlarge: Option<String>,
    /// Length in seconds [default: 10, or all of a take]
    #[arg(long, conflicts_with_all = ["frames", "bars"])]
    seconds: Option<f64>,
    /// Length in frames
    #[arg(long, conflicts_with = "bars")]
    frames: Option<u64>,
    /// Length in bars of four beats
    #[arg(long)]
    bars: Option<f64>,
    /// Frames a second
    #[arg(long, default_value_t = 60.0)]
    fps: f64,
    /// Width and height [default: 720 high; with --raw the generator's own]
    #[arg(long, value_name = "WxH")]
    size: Option<Size>,
    #[command(flatten)]
    in_place: InPlace,
    /// Only the generator's pictures, without marks
    #[arg(long)]
    raw: bool,
    /// The states of the model's training, one after the other: needs models/NAME/history
    #[arg(long, conflicts_with = "take")]
    history: bool,
    /// Where the generator runs
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    /// Quality of the encoder, 0 the best
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=63))]
    crf: Option<u8>,
    /// Codec, where the container has a choice
    #[arg(long, value_enum)]
    codec: Option<CodecChoice>,
    /// Knobs moved by a file of lines "seconds name value"
    #[arg(long, value_name = "FILE", conflicts_with = "take")]
    knobs: Option<PathBuf>,
    /// Write over a film of that name, which otherwise gets the next free one (NAME-2)
    #[arg(long)]
    overwrite: bool,
    /// A performance that was logged by play --take, played again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["target", "bars"])]
    take: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CodecChoice {
    H264,
    Hevc,
    Prores,
    Vp9,
    Av1,
}

impl CodecChoice {
    fn codec(self) -> Codec {
        match self {
            Self::H264 => Codec::H264,
            Self::Hevc => Codec::Hevc,
            Self::Prores => Codec::ProRes,
            Self::Vp9 => Codec::Vp9,
            Self::Av1 => Codec::Av1,
        }
    }
}

/// Whether a network makes pictures larger: asked before, because a film goes on without a filter that fails, as a show does.
fn enlarges(name: &str) -> anyhow::Result<()> {
    match Card::read(&folder(name))?.arch.enlarger() {
        Some(_) => Ok(()),
        None => bail!("{name} makes no pictures larger; --enlarge takes a network that does, such as lines-x4"),
    }
}

/// Height of a film that names no size.
const HEIGHT: f32 = 720.0;

impl FilmOf {
    /// Films.
    ///
    /// # Errors
    /// If the arguments, the show or the encoder are wrong.
    pub fn run(self) -> anyhow::Result<()> {
        if !(self.fps.is_finite() && (1.0..=1000.0).contains(&self.fps)) {
            bail!("--fps takes 1 to 1000");
        }
        let codec = Codec::check(&self.output)?;
        let automation = match &self.knobs {
            Some(path) => {
                let text = crate::files::read_text(path)?;
                Some(Automation::read(&text).with_context(|| path.display().to_string())?)
            }
            None => None,
        };
        let take = self.take.as_deref().map(Take::read).transpose()?;
        if let Some(name) = &self.enlarge {
            enlarges(name)?;
        }
        let (board, stop) = (Board::echoing(), Stop::on_signals()?);
        let options = Options {
            target: self.target.clone(),
            preset: take.as_ref().map(|take| take.start.preset.clone()),
            model: self.model.clone(),
            given: self.in_place.given()?,
            then: self.enlarge.iter().cloned().collect(),
            device: self.device.wanted(),
            automation,
            // A take brings its own sketches.
            safe: take.is_some(),
            film: true,
            ..Options::default()
        };
        let mut show = Show::open(options, &board, &stop)?;
        tell(format_args!("device: {}", show.desk().device));
        let whole = take.as_ref().map(|take| take.secs() + 1.0 / self.fps);
        let frames = self.length(show.preset().bpm, whole)?;
        if let Some(take) = take {
            show.begin_take(take, self.model.is_some())?;
        }
        if self.history {
            let states = show.show_history(frames as f64 / self.fps).map_err(anyhow::Error::msg)?;
            tell(format_args!("{states} states of the training"));
        } else if show.preset().train.autostart && self.take.is_none() {
            tell("a film does not train: it shows the model as it is; play the preset, then film it with --history");
        }
        let size = match self.size {
            Some(Size(size)) => size,
            None if self.raw => show.picture_size().map(|side| side * filter::scale_of(&show.preset().then)),
            None => {
                let even = |v: f32| ((v / 2.0).round() as usize * 2).max(2);
                let aspect = show.aspect();
                let height = HEIGHT.min(LARGEST as f32 / aspect);
                [even(height * aspect), even(height)]
            }
        };
        tell(format_args!("{frames} frames of {}x{} at {} a second, composed on the CPU", size[0], size[1], self.fps));
        let padded = codec.is_some_and(|usual| !matches!(usual, Codec::Gif)) && size.iter().any(|side| side % 2 == 1);
        if padded {
            let [w, h] = size.map(|side| side.next_multiple_of(2));
            tell(format_args!("this kind of film has even sides: it becomes {w}x{h}, with a black edge"));
        }
        // Chosen when everything else is settled: old pictures in a folder make way here.
        let path = recorder::names::film(&self.output, self.overwrite)?;
        if path != self.output {
            super::is_there(&self.output, &path);
        }
        let (codec, start) = (self.codec.map(CodecChoice::codec), Instant::now());
        let film = Film { path, frames, fps: self.fps, size, raw: self.raw, crf: self.crf, codec };
        let done = show.film(&film)?;
        let (secs, count) = (start.elapsed().as_secs_f64(), done.frames);
        if count == 0 {
            say(format_args!("interrupted before the first frame; nothing was written"));
            return Ok(());
        }
        let how = if done.interrupted { "interrupted; wrote" } else { "wrote" };
        say(format_args!(
            "{how} {} ({count} frames in {secs:.1} s, {:.0} a second)",
            done.path.display(),
            count as f64 / secs
        ));
        if let (Some(_), Some(line)) = (&self.enlarge, show.board().of("then")) {
            bail!("not all of its pictures are larger: {}", line.text);
        }
        if done.faults > 0 {
            let text = show.board().of("sketch").map_or(String::new(), |line| format!(": {}", line.text));
            bail!(
                "in {} of {count} frames something was wrong with the sketch, and they kept the pose before{text}",
                done.faults
            );
        }
        Ok(())
    }

    /// Frames of the film; `whole` is the length of a performance in seconds.
    fn length(&self, bpm: f64, whole: Option<f64>) -> anyhow::Result<u64> {
        let secs = match (self.seconds, self.bars) {
            (Some(secs), _) => secs,
            (None, Some(bars)) => bars * crate::clock::BAR * 60.0 / bpm,
            (None, None) => whole.unwrap_or(10.0),
        };
        let frames = self.frames.unwrap_or((secs * self.fps).round().max(0.0) as u64);
        match frames {
            0 => bail!("a film of no frames; give --seconds, --frames or --bars above 0"),
            frames if frames > 100_000_000 => bail!("{frames} frames are too many"),
            frames => Ok(frames),
        }
    }
}
