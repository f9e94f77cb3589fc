//! `flaneur project`: the point of W whose picture is nearest to a given one, as a file that sketches load.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use image::imageops::{FilterType, crop_imm, resize};

use super::DeviceChoice;
use super::painting::check_folder;
use crate::files;
use crate::home;
use crate::latent::style::Style;
use crate::model::Model;
use crate::model::features::FeatureNet;
use crate::model::import::write::npz;
use crate::picture::Picture;
use crate::recorder::{Codec, Recorder, Settings, names};
use crate::report::{Board, Progress, Stop, say, tell};
use crate::synthesis::project::Job;
use crate::synthesis::run::Field;

/// Frames a second of the film, as the original's.
const FPS: f64 = 10.0;
/// Layers of VGG that pictures are compared by: the last of each block, as in LPIPS (Zhang et al. 2018).
const LAYERS: [&str; 5] = ["conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"];

/// Find the point of W whose picture is nearest to a given one, of a model such as StyleGAN2
#[derive(Args)]
pub struct Project {
    /// The picture: its middle square is taken, in the size of the model's
    picture: PathBuf,
    /// Name or folder of the model
    #[arg(long)]
    model: String,
    /// Steps of the search
    #[arg(long, visible_alias = "num-steps", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// Seed of what shakes the search
    #[arg(long, default_value_t = 303)]
    seed: u32,
    /// Weights of VGG-16 (.pth, .h5, .npy, .safetensors, .onnx); "random" takes random filters, which need no file
    #[arg(long, value_name = "FILE", default_value = "random")]
    features: String,
    /// Folder for target.png, proj.png and projected_w.npz
    #[arg(long, alias = "out", value_name = "FOLDER")]
    outdir: PathBuf,
    /// Name for the point in presets/points, where load("NAME") of a sketch finds it [default: the picture's]
    #[arg(long)]
    name: Option<String>,
    /// Leave the film of the search out
    #[arg(long)]
    no_video: bool,
    /// Write over files of these names
    #[arg(long)]
    overwrite: bool,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
}

impl Project {
    /// Searches, and writes what was found, also where it was stopped.
    ///
    /// # Errors
    /// If the model has no W, or something cannot be read or written.
    pub fn run(self) -> anyhow::Result<()> {
        let stem = self.picture.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let name = self.name.clone().unwrap_or(stem);
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            bail!("\"{name}\" is no name for a point; give --name");
        }
        let point = home::place("presets/points").join(format!("{name}.npz"));
        let of = |file: &str| self.outdir.join(file);
        let [target_png, proj_png, w_npz, film] = ["target.png", "proj.png", "projected_w.npz", "proj.mp4"].map(of);
        for path in [&target_png, &proj_png, &w_npz, &point] {
            if path.exists() && !self.overwrite {
                bail!("{} is there already; give another place or --name, or --overwrite", files::shown(path));
            }
        }
        check_folder(&self.outdir)?;
        let chosen = self.device.choose()?;
        let model = Model::read(&self.model, &chosen.device)?;
        let Some(own) = model.card.arch.styled().cloned() else {
            bail!("{} has no W: project is for models with a mapping, such as StyleGAN2", self.model);
        };
        let [h, w, _] = model.card.arch.picture();
        let target = fitted(&super::painting::picture(&self.picture)?, [h, w])?;
        let net = FeatureNet::read(&self.features, false, &chosen.device);
        let net = net.with_context(|| format!("--features {}", self.features))?;
        tell(format_args!("features: {}", net.says));
        let side = h.min(w).min(256);
        let layers: Vec<String> = match net.is_vgg() {
            true => LAYERS.map(str::to_owned).to_vec(),
            false => {
                net.usual().into_iter().enumerate().filter(|(at, _)| side >> at >= 8).map(|(_, name)| name).collect()
            }
        };
        let class: Vec<f64> = (0..own.classes).map(|at| f64::from(u8::from(at == 0))).collect();
        let steps = self.steps as usize;
        let job = Job {
            own: &own,
            params: &model.generator,
            net: &net,
            layers,
            target: target.clone(),
            class: class.clone(),
            steps,
            seed: self.seed,
        };
        files::make_folder(&self.outdir)?;
        let shown = target.picture();
        files::write(&target_png, &shown.png(&target_png)?)?;
        let recorder = match self.no_video {
            true => None,
            false => {
                Codec::check(&film)?;
                let path = names::film(&film, self.overwrite)?;
                let settings =
                    Settings { path, size: [2 * w, h / 2 * 2], fps: FPS, crf: None, codec: None, live: false };
                Some(Recorder::start(settings, &Board::echoing())?)
            }
        };
        let (stop, progress) = (Stop::on_signals()?, Progress::new("steps", steps as u64));
        let (mut frame, mut failed) = (0, None);
        let every = (steps / 20).max(1);
        let found = job.run(&chosen.device, &mut |step| {
            progress.step();
            if step.done == 1 || step.done.is_multiple_of(every) {
                progress.print(&format!("step {} of {steps}: distance {:.5}", step.done, step.distance));
            }
            if let Some(recorder) = &recorder {
                let (left, right) = (shown.clone(), Field { size: [h, w], values: step.picture.to_vec() });
                failed = failed.take().or(recorder.put(frame, Box::new(move || beside(&left, &right.picture()))).err());
                frame += 1;
            }
            !stop.raised()
        });
        progress.finish();
        let found = found?;
        if found.stopped {
            tell(format_args!("stopped: the point so far is written"));
        }
        let all: Vec<f32> = found.w.repeat(own.styles());
        let bytes = npz(&[("w", &[1, own.styles(), own.w_dim], &all)], "")?;
        files::write(&w_npz, &bytes)?;
        if let Some(folder) = point.parent() {
            files::make_folder(folder)?;
        }
        files::write(&point, &bytes)?;
        // With the noise of the model, as it will be played.
        let style = Style { w: found.w.iter().map(|v| f64::from(*v)).collect(), ..Style::default() };
        let class: Vec<f32> = class.iter().map(|v| *v as f32).collect();
        let row = [vec![0.0; own.z_dim], class, style.numbers()].concat();
        let ready = model.ready(chosen.half);
        let picture = Picture::batch(ready.bytes(&[row]), ready.arch().picture()).into_iter().next();
        let picture = picture.context("the network drew nothing")?;
        files::write(&proj_png, &picture.png(&proj_png)?)?;
        let [first, last] = found.distances;
        say(format_args!(
            "distance {first:.5} to {last:.5}; wrote {}, {}",
            files::shown(&proj_png),
            files::shown(&w_npz)
        ));
        say(format_args!("wrote {}: load(\"{name}\") in a sketch is this point", files::shown(&point)));
        if let Some(why) = failed {
            return Err(why.into());
        }
        if let Some(recorder) = recorder {
            let (tally, path) = recorder.finish_as()?;
            say(format_args!("wrote {} ({} frames)", files::shown(&path), tally.written));
        }
        Ok(())
    }
}

/// The middle of a picture in this height and width, by Lanczos' filter.
fn fitted(field: &Field, [h, w]: [usize; 2]) -> anyhow::Result<Field> {
    let picture = field.picture();
    let image = image::RgbImage::from_raw(picture.width as u32, picture.height as u32, picture.pixels);
    let image = image.context("the picture has no pixels")?;
    let (wide, tall) = (picture.width as f64, picture.height as f64);
    let share = (wide / w as f64).min(tall / h as f64);
    let (cw, ch) = ((w as f64 * share).round() as u32, (h as f64 * share).round() as u32);
    let (x, y) = ((picture.width as u32 - cw) / 2, (picture.height as u32 - ch) / 2);
    let cut = crop_imm(&image, x, y, cw.max(1), ch.max(1)).to_image();
    let pixels = resize(&cut, w as u32, h as u32, FilterType::Lanczos3).into_raw();
    Ok(Field::of(&Picture { width: w, height: h, pixels }))
}

/// Two pictures beside each other.
fn beside(left: &Picture, right: &Picture) -> Picture {
    let line =
        |picture: &Picture, y: usize| picture.pixels[y * picture.width * 3..(y + 1) * picture.width * 3].to_vec();
    let height = left.height / 2 * 2;
    let pixels = (0..height).flat_map(|y| [line(left, y), line(right, y)].concat()).collect();
    Picture { width: left.width + right.width, height, pixels }
}
