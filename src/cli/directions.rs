//! `flaneur directions`: finds directions of W of a model, shows them as a sheet, and names them.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use super::DeviceChoice;
use super::still::seeds_of;
use crate::files;
use crate::latent;
use crate::latent::style::{MOST_DIRECTIONS, Style};
use crate::model::directions::{self, By, Kept, SAMPLES};
use crate::model::{self, Model};
use crate::picture::Picture;
use crate::picture::sheet::sheet;
use crate::report::{Progress, Stop, say};

/// How far a sheet goes to both sides.
const STEPS: [f64; 7] = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0];

/// Find directions of W that change one thing in a picture, of a model with a mapping such as StyleGAN2
#[derive(Args)]
pub struct Directions {
    /// Name or folder of the model
    model: String,
    /// How they are found
    #[arg(long, value_enum, default_value_t = Choice::ClosedForm)]
    by: Choice,
    /// How many
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=MOST_DIRECTIONS as i64))]
    count: u8,
    /// Only these layers, as 0-6 [default: all]
    #[arg(long, value_name = "FROM-TO")]
    layers: Option<String>,
    /// Adds to those that are there, instead of writing over them
    #[arg(long)]
    add: bool,
    /// Names for directions that are there, and nothing else: form0=smile,2=older
    #[arg(long, value_name = "OLD=NEW,…", value_delimiter = ',')]
    rename: Vec<String>,
    /// A sheet of them: a line for each, from -3 to 3
    #[arg(long, value_name = "PNG")]
    sheet: Option<PathBuf>,
    /// The seed that the sheet begins with
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// psi of the sheet
    #[arg(long, visible_alias = "trunc", default_value_t = 0.7)]
    psi: f64,
    /// Write over the sheet
    #[arg(long)]
    overwrite: bool,
    /// Where to compute the sheet
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// Eigenvectors of what the layers make of w (Shen & Zhou 2021)
    ClosedForm,
    /// Principal components of 10 000 w (Härkönen et al. 2020)
    Components,
}

impl Directions {
    /// Finds, names and shows them.
    ///
    /// # Errors
    /// If the model has no W, or something cannot be read or written.
    pub fn run(self) -> anyhow::Result<()> {
        let wrong = anyhow::Error::msg;
        if let Some(path) = self.sheet.as_ref().filter(|path| path.exists() && !self.overwrite) {
            bail!("{} is there already; give another place, or --overwrite", path.display());
        }
        let chosen = self.device.choose()?;
        let mut model = Model::read(&self.model, &chosen.device)?;
        let folder = model::folder(&self.model);
        let Some(own) = model.card.arch.styled().cloned() else {
            bail!("{} has no W: directions are for models with a mapping, such as StyleGAN2", self.model);
        };
        // Found anew they replace what cannot be read.
        let mut kept = match directions::read(&folder) {
            Err(why) if self.add || !self.rename.is_empty() => return Err(wrong(why)),
            read => read.unwrap_or_default(),
        };
        if self.rename.is_empty() {
            let layers = self.layers.as_deref().map(range).transpose()?;
            let by = match self.by {
                Choice::ClosedForm => By::ClosedForm,
                Choice::Components => By::Components,
            };
            let (stop, progress) = (Stop::on_signals()?, Progress::new("w", SAMPLES as u64 / 1000));
            let found = directions::find(&own, &model.generator, by, layers, self.count.into(), &mut || {
                progress.step();
                !stop.raised()
            });
            progress.finish();
            let found = found.map_err(wrong)?;
            kept = if self.add { added(kept, found)? } else { found };
        } else {
            rename(&mut kept, &self.rename)?;
        }
        directions::write(&folder, &kept).map_err(wrong)?;
        for (at, one) in kept.iter().enumerate() {
            say(format_args!("{at}  {}  ({})", one.name, one.made));
        }
        say(format_args!("wrote {}", files::shown(&directions::path(&folder))));
        let Some(path) = &self.sheet else { return Ok(()) };
        model.directions = kept;
        let ready = model.ready(chosen.half);
        let z: Vec<f32> = latent::seed(self.seed, own.z_dim).iter().map(|v| *v as f32).collect();
        let class: Vec<f32> = (0..own.classes).map(|at| f32::from(u8::from(at == 0))).collect();
        let (stop, progress) = (Stop::on_signals()?, Progress::new("lines", model.directions.len() as u64));
        let mut pictures = Vec::new();
        for at in 0..model.directions.len() {
            if stop.raised() {
                progress.finish();
                bail!("stopped; the sheet was not written");
            }
            for amount in STEPS {
                let mut style = Style { psi: self.psi, ..Style::default() };
                style.directions[at] = amount;
                let row = [&z[..], &class, &style.numbers()].concat();
                pictures.extend(Picture::batch(ready.bytes(&[row]), ready.arch().picture()));
            }
            progress.step();
        }
        progress.finish();
        files::write(path, &sheet(&pictures, STEPS.len()).png(path)?)?;
        say(format_args!("wrote {}: a line for each direction, from -3 to 3", files::shown(path)));
        Ok(())
    }
}

/// `0-6`, both ends included, as from and up to.
fn range(text: &str) -> anyhow::Result<[usize; 2]> {
    let list = seeds_of(text).with_context(|| format!("--layers {text}"))?;
    match (list.first(), list.last()) {
        (Some(first), Some(last)) if (*last - *first) as usize + 1 == list.len() => {
            Ok([*first as usize, *last as usize + 1])
        }
        _ => bail!("--layers takes one range, as 0-6"),
    }
}

/// Those that were there with the new ones, which get free names.
fn added(mut kept: Vec<Kept>, found: Vec<Kept>) -> anyhow::Result<Vec<Kept>> {
    for mut one in found {
        let free = (0..).map(|at| if at == 0 { one.name.clone() } else { format!("{}-{at}", one.name) });
        let free = free.into_iter().find(|name| kept.iter().all(|own| own.name != *name));
        one.name = free.unwrap_or_default();
        kept.push(one);
    }
    if kept.len() > MOST_DIRECTIONS {
        bail!("{} directions, and a model has at most {MOST_DIRECTIONS}; find fewer, or leave out --add", kept.len());
    }
    Ok(kept)
}

fn rename(kept: &mut [Kept], names: &[String]) -> anyhow::Result<()> {
    if kept.is_empty() {
        bail!("the model has no directions yet: leave out --rename, and they are found");
    }
    for pair in names {
        let (old, new) = pair.split_once('=').with_context(|| format!("--rename {pair}: give OLD=NEW"))?;
        let known: Vec<&str> = kept.iter().map(|own| own.name.as_str()).collect();
        let by_number = || old.trim().parse::<usize>().ok().filter(|at| *at < known.len());
        let at = known.iter().position(|name| *name == old.trim()).or_else(by_number);
        let at =
            at.with_context(|| format!("--rename: there is no direction \"{old}\"; there are {}", known.join(", ")))?;
        kept[at].name = new.trim().to_owned();
    }
    Ok(())
}
