//! `flaneur import`: makes a model folder of a file of weights that somebody has.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use crate::files;
use crate::home;
use crate::model::import::bag::{Bag, ReadError};
use crate::model::recognise::{self, Hints, Network, pyramid};
use crate::model::{self, BURN_VERSION, Card};
use crate::net::arch::Arch;
use crate::net::device::{self, Wanted};
use crate::net::draw::Ready;
use crate::net::params::Params;
use crate::net::recipe::Recipe;
use crate::picture::sheet::sheet;
use crate::report::say;
use crate::trainer::published::sample_pictures;

/// Rows and columns of the sheet.
const SIDE: usize = 5;
/// Letters of a line at most.
const LETTERS: usize = 1000;

/// Make a model of a file of weights: PyTorch, Keras, numpy, ONNX, safetensors, or a texture of Torch7
#[derive(Args)]
pub struct Import {
    /// .pt, .pth, .ckpt, .h5, .keras, .npz, .safetensors, .t7, .pytorch, whatever it is called
    file: PathBuf,
    /// Name of the model (a folder in models/), or the path of its folder [default: the file's name]
    #[arg(long)]
    name: Option<String>,
    /// The family that it is to be: wgan_gp, dcgan, mlp or chain; an error if it is another
    #[arg(long = "as", value_name = "FAMILY", value_parser = ["wgan_gp", "dcgan", "mlp", "chain", "texture", "style", "stylegan2", "rrdb", "compact"])]
    family: Option<String>,
    /// Names of the classes whose numbers stand behind z, with commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    classes: Vec<String>,
    /// What pictures come out in, where the file does not say
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true, value_parser = ["-1..1", "0..1"])]
    range: Option<String>,
    /// A second file of the same network, to be blended with the first, as ESRGAN's net_interp does
    #[arg(long, value_name = "FILE", requires = "alpha")]
    blend: Option<PathBuf>,
    /// How much of the second file: every number is (1 - X) times the first one's and X times the second one's
    #[arg(long, value_name = "X", requires = "blend", allow_negative_numbers = true)]
    alpha: Option<f32>,
    /// Licence of the weights, for the card
    #[arg(long, default_value = "")]
    licence: String,
}

impl Import {
    /// Reads, recognises and writes; nothing is written where that fails.
    ///
    /// # Errors
    /// If the file cannot be read, holds no generator, or the model is there already.
    pub fn run(self) -> anyhow::Result<()> {
        home::begin_here();
        let shown = files::shown(&self.file);
        let classes: Vec<String> = self.classes.iter().map(|name| name.trim().to_owned()).collect();
        check_classes(&classes)?;
        let name = self.name()?;
        if model::sized(&name).1.is_some() {
            bail!("--name takes a name without a size: a size stands behind the name of a texture that is played");
        }
        let folder = model::folder(&name);
        if folder.join("model.toml").exists() {
            bail!("{} is there already; give another --name", files::shown(&folder));
        }
        let hints = Hints {
            family: self.family.clone(),
            classes: classes.clone(),
            zero_to_one: self.range.as_deref().map(|range| range == "0..1"),
        };
        if let Some(alpha) = self.alpha.filter(|alpha| !(0.0..=1.0).contains(alpha)) {
            bail!("--alpha takes 0 (the first file alone) to 1 (the second alone), not {alpha}");
        }
        let (bag, mut found) = read(&self.file, &hints)?;
        if let (Some(second), Some(alpha)) = (&self.blend, self.alpha) {
            blend(&mut found, read(second, &hints)?.1, alpha).with_context(|| files::shown(second))?;
            found.recognised.push(format!("blended: {alpha} of {}", files::printable(&short(second))));
        }
        // A file of ours names them itself.
        check_classes(&found.classes).with_context(|| shown.clone())?;
        let mut notes = vec![format!("imported from {}, {}", short(&self.file), bag.format)];
        notes.extend(found.recognised.iter().map(|text| format!("recognised: {text}")));
        notes.extend(found.assumed.iter().map(|text| format!("assumed: {text}")));
        notes.extend(bag.remarks.iter().cloned());
        let notes: Vec<String> = notes.iter().map(|note| line(note)).collect();
        notes.iter().for_each(say);
        let filter = found.arch.is_filter();
        self.write(&folder, found, notes)?;
        let name = files::printable(&short(&folder));
        match filter {
            true => say(format_args!(
                "wrote {}; then = [\"{name}\"] in a preset puts it behind a model",
                files::shown(&folder)
            )),
            false => say(format_args!("wrote {}; flaneur play --model {name} plays it", files::shown(&folder))),
        }
        Ok(())
    }

    /// The model's name: what was given, or the file's without its ending.
    fn name(&self) -> anyhow::Result<String> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => {
                let stem = self.file.file_stem().context("give the path of a file")?.to_string_lossy().into_owned();
                // `x.weights.h5`
                Ok(stem.strip_suffix(".weights").unwrap_or(&stem).to_owned())
            }
        }
    }

    fn write(&self, folder: &Path, found: Network, notes: Vec<String>) -> anyhow::Result<()> {
        let Network { arch, recipe, classes, arrays, critic, .. } = found;
        let device = device::choose(Wanted::Cpu)?.device;
        let plans = arch.generator_plans();
        let values = |name: &str| arrays.iter().find(|(found, _)| found == name).map(|(_, values)| values.clone());
        let values: Vec<Vec<f32>> = plans.iter().map(|plan| values(&plan.name).unwrap_or_default()).collect();
        let params = Params::of(&plans, &values, &device);
        // Drawn before anything is written: a network that fails is no model.
        let filter = arch.is_filter();
        let pictures = match filter {
            true => Vec::new(),
            false => sample_pictures(&Ready::new(&arch, &params, true), SIDE * SIDE),
        };
        files::make_folder(folder)?;
        if !filter {
            let path = folder.join("sheet.png");
            files::write(&path, &sheet(&pictures, SIDE).png(&path)?)?;
        }
        model::write_weights(&folder.join(model::WEIGHTS), &params, None, false)?;
        let plans = arch.critic_plans();
        if !critic.is_empty() && plans.len() == critic.len() {
            let values: Vec<Vec<f32>> = critic.into_iter().map(|(_, values)| values).collect();
            model::write_critic(&folder.join(model::CRITIC), &Params::of(&plans, &values, &device), false)?;
        }
        // Last, because it is what makes a folder a model.
        Ok(Card { recipe, ..self.card(folder, arch, classes, notes) }.write(folder)?)
    }

    fn card(&self, folder: &Path, arch: Arch, classes: Vec<String>, notes: Vec<String>) -> Card {
        Card {
            format: model::FORMAT,
            name: short(folder),
            arch_name: arch.family().name().into(),
            z_dim: arch.z_dim(),
            step: 0,
            seed: 0,
            data: String::new(),
            data_count: 0,
            data_fingerprint: String::new(),
            licence: self.licence.clone(),
            classes,
            notes,
            flaneur: env!("CARGO_PKG_VERSION").into(),
            burn: BURN_VERSION.into(),
            arch,
            recipe: Recipe::default(),
            score: None,
        }
    }
}

/// Reads a file and recognises its network.
fn read(path: &Path, hints: &Hints) -> anyhow::Result<(Bag, Network)> {
    let shown = files::shown(path);
    let unreadable = |why: ReadError| anyhow::anyhow!("{shown}: {}", line(&why.0));
    let texture = match path.is_dir() {
        true => None,
        false => pyramid::of_torch7(path).map_err(unreadable)?,
    };
    let bag = match &texture {
        Some(_) => Bag { format: "Torch7".into(), ..Bag::default() },
        None => model::import::read(path).map_err(unreadable)?,
    };
    let found = match texture {
        Some(texture) => recognise::texture(texture, &bag, hints),
        None => recognise::network(&bag, hints),
    };
    let found = found.map_err(|why| anyhow::anyhow!("{shown} ({}): {}", line(&bag.format), line(&why.0)))?;
    Ok((bag, found))
}

/// Moves every number of a network so far towards that of another.
fn blend(first: &mut Network, second: Network, alpha: f32) -> anyhow::Result<()> {
    if first.arch != second.arch {
        bail!("it is another network than the first file's, so their numbers cannot be blended");
    }
    for (name, values) in first.arrays.iter_mut().chain(&mut first.critic) {
        let other = second.arrays.iter().chain(&second.critic).find(|(other, _)| other == name);
        let Some((_, other)) = other.filter(|(_, other)| other.len() == values.len()) else { continue };
        values.iter_mut().zip(other).for_each(|(v, other)| *v = (1.0 - alpha) * *v + alpha * other);
    }
    Ok(())
}

/// Whether classes can be called so, which are parts of addresses.
fn check_classes(names: &[String]) -> anyhow::Result<()> {
    let bad = |name: &&String| {
        name.is_empty() || name.contains(['/', '*', '?', '[', '{', '#']) || name.contains(char::is_control)
    };
    if let Some(bad) = names.iter().find(bad) {
        bail!("\"{}\" cannot be the name of a class; give --classes with commas between names", line(bad));
    }
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("two classes are called \"{}\"; give each its own name", twice[0]);
    }
    Ok(())
}

/// What a file says, as one line for people: names in it are anybody's.
fn line(text: &str) -> String {
    let mut line = files::printable(text.trim_end());
    if let Some((end, _)) = line.char_indices().nth(LETTERS) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// The last part of a path.
fn short(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
