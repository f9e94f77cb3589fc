//! `flaneur check`: sketches that walk or draw, presets, mapping files and models, read and tried.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap::Args;

use crate::control::Controls;
use crate::control::mapper::Mapper;
use crate::control::mapping::{MAPPINGS, Mapping, Target};
use crate::drawn::{self, Drawings};
use crate::home;
use crate::latent;
use crate::model::filter::Filter;
use crate::model::{self, Model};
use crate::net::device::{self, Wanted};
use crate::picture::Picture;
use crate::preset::{self, Preset};
use crate::report::say;
use crate::show::addresses;
use crate::show::walk::Walk;
use crate::sketch::{self, SketchKind};

/// What `flaneur check` takes.
#[derive(Args)]
pub struct Check {
    /// Sketches that walk or draw (.rn), presets and mapping files (.toml), model folders [default: all there are]
    files: Vec<PathBuf>,
}

/// Dimensions that sketches are tried with.
const DIM: usize = 100;
/// Pictures a drawing sketch is tried for, and their side in pixels.
const PICTURES: u64 = 64;
const SIDE: usize = 64;
/// Frames a sketch is tried for, at 60 a second.
const FRAMES: u32 = 240;

impl Check {
    /// Reads and tries the files.
    ///
    /// # Errors
    /// How many are wrong; what is wrong with each is printed.
    pub fn run(self) -> anyhow::Result<()> {
        let files = if self.files.is_empty() { everything() } else { self.files };
        if files.is_empty() {
            bail!("there is nothing to check here; name files, or run it where sketches, presets and models are");
        }
        let mut wrong = 0;
        for path in &files {
            match check(path) {
                Ok(note) => say(format_args!("ok    {}{note}", path.display())),
                Err(why) => {
                    wrong += 1;
                    say(format_args!("wrong {why}"));
                }
            }
        }
        match wrong {
            0 => Ok(()),
            n => bail!("{n} of {} are wrong", files.len()),
        }
    }
}

fn everything() -> Vec<PathBuf> {
    let files = |folder: &str, ending: &str| -> Vec<PathBuf> {
        let names = home::names(folder, ending).into_iter();
        names.filter_map(|name| home::find(folder, format!("{name}.{ending}"))).collect()
    };
    let mut all = files(preset::SKETCHES, "rn");
    all.extend(files(drawn::FOLDER, "rn"));
    all.extend(files(preset::PRESETS, "toml"));
    all.extend(files(MAPPINGS, "toml"));
    all.extend(model::known_models().iter().map(|name| model::folder(name)));
    all
}

/// What is worth saying about a good file, or what is wrong with it.
fn check(path: &Path) -> Result<String, String> {
    if path.is_dir() {
        return check_model(path);
    }
    match path.extension().and_then(|e| e.to_str()) {
        Some("rn") => check_sketch(path),
        Some("toml") if path.parent().is_some_and(|folder| folder.ends_with("mappings")) => check_mapping(path),
        Some("toml") => check_preset(path),
        _ => Err(format!("{}: neither a sketch (.rn), a preset (.toml) nor a model's folder", path.display())),
    }
}

fn check_sketch(path: &Path) -> Result<String, String> {
    let text = sketch::source(path).map_err(|c| c.to_string())?;
    if sketch::kind(&text) == SketchKind::Drawing {
        return check_drawing(path, &text);
    }
    let mut walk = Walk::new(DIM, 120.0, true).map_err(|e| format!("no thread to try it on: {e}"))?;
    let mut controls = Controls::default();
    // Points are the performer's own; whatever a sketch loads is stood in for by a seed.
    let names = text.split("load(\"").skip(1).filter_map(|rest| rest.split('"').next());
    walk.add_points(names.map(|name| (name.to_owned(), vec![latent::seed(1, DIM)].into())).collect());
    let doubt = sketch::doubt(&text).map_or(String::new(), |doubt| format!("; {doubt}"));
    walk.take_now(path, text, &controls).map_err(|c| c.to_string())?;
    for frame in 0..FRAMES {
        controls.glide(1.0 / 60.0);
        let real = f64::from(frame) / 60.0;
        let tick = walk.tick(real, frame == 0);
        walk.ask(tick, &mut controls, real);
        let walked = walk.collect(Duration::ZERO, &mut controls, real);
        if let Some(complaint) = walked.err().or_else(|| walk.complaint().cloned().map(Box::new)) {
            return Err(format!("{complaint}\n (in frame {frame})"));
        }
    }
    let knobs: Vec<String> = controls.asked().into_iter().map(|k| k.name).collect();
    let listed = [("knobs", knobs.join(", ")), ("triggers", controls.triggers().join(", "))];
    let listed: Vec<String> =
        listed.iter().filter(|(_, names)| !names.is_empty()).map(|(kind, names)| format!("{kind}: {names}")).collect();
    let listed = if listed.is_empty() { String::new() } else { format!(" ({})", listed.join("; ")) };
    Ok(listed + &doubt)
}

fn check_drawing(path: &Path, text: &str) -> Result<String, String> {
    let drawings = Drawings::of(path, text, 1, [SIDE, SIDE]).map_err(|c| c.to_string())?;
    let mut pictures = Vec::new();
    for index in 0..PICTURES {
        pictures
            .push(drawings.draw(index).map_err(|c| format!("{c}\n (in picture {}, where i is {index})", index + 1))?);
    }
    let alike = pictures.windows(2).all(|pair| pair[0] == pair[1]);
    Ok(if alike { " (draws the same picture each time: r is not used)".into() } else { " (draws pictures)".into() })
}

fn check_preset(path: &Path) -> Result<String, String> {
    let preset = Preset::read(path).map_err(|e| e.to_string())?;
    let sketch = preset::sketch_path(&preset.sketch);
    if !sketch.is_file() {
        return Err(format!("{}: its sketch {} is not there", path.display(), sketch.display()));
    }
    let model = model::card(&preset.model).map_err(|e| format!("{}: its model: {e}", path.display()))?;
    if model.arch.is_filter() {
        return Err(format!("{}: its model {} is a filter: it goes under then", path.display(), preset.model));
    }
    for name in &preset.then {
        let filter = model::card(name).map_err(|e| format!("{}: under then: {e}", path.display()))?;
        if !filter.arch.is_filter() {
            return Err(format!("{}: under then: {name} makes pictures by itself and is no filter", path.display()));
        }
    }
    Ok(String::new())
}

fn check_mapping(path: &Path) -> Result<String, String> {
    let mapping = Mapping::read(path).map_err(|e| e.to_string())?;
    for entry in &mapping.map {
        for further in 0..usize::from(entry.count) {
            let target = Target::read(&entry.target, further).map_err(|why| format!("{}: {why}", path.display()))?;
            if let Target::Address(address) = target
                && addresses::find(&address).is_none_or(|(found, _)| !found.writable())
            {
                return Err(format!("{}: there is no address {address} to steer", path.display()));
            }
        }
    }
    Ok(format!(" ({} controls)", Mapper::new(&[mapping]).len()))
}

fn check_model(path: &Path) -> Result<String, String> {
    let chosen = device::choose(Wanted::Cpu).map_err(|e| e.to_string())?;
    let name = path.to_string_lossy();
    if model::card(&name).map_err(|e| e.to_string())?.arch.is_filter() {
        let filter = Filter::read(&name, &chosen.device).map_err(|e| e.to_string())?;
        let grey = Picture { width: 64, height: 64, pixels: vec![128; 64 * 64 * 3] };
        return filter.paint(&grey, 1.0, &|| true).map(|_| " (a filter, for then)".into());
    }
    let model = Model::read(&name, &chosen.device).map_err(|e| e.to_string())?;
    let z = latent::seed(1, model.card.z_dim).iter().map(|v| *v as f32).collect();
    let bytes = model.ready(false).bytes(&[z]);
    let (low, high) = bytes.iter().fold((255, 0), |(low, high), v| (low.min(*v), high.max(*v)));
    match low == high {
        true => Err(format!("{name}: it draws nothing but one colour; was it trained?")),
        false => Ok(format!(" ({}, step {})", model.card.arch_name, model.card.step)),
    }
}
