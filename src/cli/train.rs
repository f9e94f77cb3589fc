//! `flaneur train`: a WGAN-GP on any folder or zip of pictures.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use super::DeviceChoice;
use crate::dataset::read::{self, Fit};
use crate::files;
use crate::model::{self, BURN_VERSION, Card};
use crate::net::arch::{Arch, NAMES};
use crate::report::{Progress, Stop};
use crate::trainer::checkpoint::{self, Record};
use crate::trainer::history::History;
use crate::trainer::run::{self, Plan};
use crate::trainer::step::{Data, Losses, State};

#[derive(Args)]
pub struct Train {
    /// Folder or zip of pictures
    data: PathBuf,
    /// Name of the model (a folder in models/), or the path of its folder
    #[arg(long)]
    model: String,
    /// Named architecture: small (if none is given), quarter, seed, seed-k10
    #[arg(long, conflicts_with = "config")]
    arch: Option<String>,
    /// TOML file with the 21 settings of an architecture
    #[arg(long)]
    config: Option<PathBuf>,
    /// Epochs in all; an epoch is one generator update, not a pass over the data
    #[arg(long, default_value_t = 1201, value_parser = clap::value_parser!(u64).range(1..))]
    epochs: u64,
    /// Pictures in a batch; 16, or what the architecture's file says
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: Option<u16>,
    /// Critic updates in an epoch; epochs that are multiples of 100 always take 5
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    critic_steps: u32,
    /// Learning rate of both networks, in place of the architecture's
    #[arg(long)]
    rate: Option<f64>,
    /// Epochs between two sample grids and checkpoints
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    print_every: u64,
    /// Rows of the sample grid
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    rows: u16,
    /// Columns of the sample grid
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    cols: u16,
    /// Seed of the weights, the order of the data and every z
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Keep a moving average of the generator with this decay (0.999), and show that
    #[arg(long)]
    ema: Option<f64>,
    /// Store the weights in half precision
    #[arg(long)]
    half: bool,
    /// How pictures of another size are fitted
    #[arg(long, value_enum, default_value_t = FitChoice::Stretch)]
    fit: FitChoice,
    /// Licence of the weights, for the model's card
    #[arg(long, default_value = "")]
    licence: String,
    /// Go on with the model where it stopped
    #[arg(long)]
    resume: bool,
    /// What to print for every epoch
    #[arg(long, value_enum, default_value_t = Report::Text)]
    report: Report,
    /// Where to compute
    #[arg(long, value_enum, default_value_t = DeviceChoice::Auto)]
    device: DeviceChoice,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Report {
    /// The original's log line
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum FitChoice {
    /// Scale both sides, nearest pixel
    Stretch,
    /// Cut out the middle, then scale
    Crop,
    /// Scale to fit inside, on black
    Pad,
}

impl Train {
    pub fn run(self) -> anyhow::Result<()> {
        let folder = model::folder(&self.model);
        if let Some(ema) = self.ema
            && !(0.0..1.0).contains(&ema)
        {
            bail!("--ema takes a decay between 0 and 1, such as 0.999");
        }
        if self.rate.is_some_and(|r| !r.is_finite() || r <= 0.0) {
            bail!("--rate takes a learning rate above 0, such as 0.0002");
        }
        if !self.resume && run::exists(&folder) {
            bail!("{} is there already; go on with --resume, or give another --model", folder.display());
        }
        if self.resume && !folder.join("training/state.safetensors").is_file() {
            bail!("{} has no training/state.safetensors to go on from; leave out --resume to begin", folder.display());
        }
        let mut arch = self.arch()?;
        let chosen = self.device.choose()?;
        let device = &chosen.device;
        let resumed = match self.resume {
            true => Some(checkpoint::read(&folder.join("training"), device)?),
            false => None,
        };
        if let Some((state, record)) = &resumed {
            self.same_training(&arch, state, record)?;
            arch = state.arch.clone();
        }
        let fit = match self.fit {
            FitChoice::Stretch => Fit::Stretch,
            FitChoice::Crop => Fit::Crop,
            FitChoice::Pad => Fit::Pad,
        };
        let pictures = read::read(&self.data, arch.input_dim, fit, arch.batch_size)?;
        eprintln!("found {} pictures in {}", pictures.count, self.data.display());
        for bad in &pictures.bad {
            eprintln!("skipped {}: {}", bad.name, bad.why);
        }
        let (mut state, mut history, mut card);
        match resumed {
            Some((saved, record)) => {
                if record.data_fingerprint != pictures.fingerprint {
                    eprintln!("note: these are not the pictures it was trained on so far");
                }
                history = History::read(&folder.join("training"), record.epoch)?;
                card = Card::read(&folder)?;
                state = saved;
                if let Some(rate) = self.rate {
                    state.set_rate(rate);
                }
            }
            None => {
                state = State::new(&arch, self.seed, self.ema, device);
                history = History::default();
                card = self.card(&folder, &arch);
            }
        }
        card.data =
            self.data.file_name().map_or_else(|| self.data.display().to_string(), |n| n.to_string_lossy().into());
        card.data_count = pictures.count;
        card.data_fingerprint = pictures.fingerprint.clone();
        card.arch = state.arch.clone();
        let plan = Plan {
            folder: folder.clone(),
            epochs: self.epochs,
            critic_steps: self.critic_steps,
            print_every: self.print_every,
            rows: self.rows.into(),
            columns: self.cols.into(),
            half: self.half,
            card,
        };
        let data = Data { bytes: pictures.bytes, each: arch.input_dim.iter().product() };
        let progress = Progress::new("epochs", self.epochs);
        progress.skip(state.epoch);
        let report = self.report;
        let mut each = |losses: &Losses| {
            progress.print(&match report {
                Report::Text => losses.line(),
                Report::Json => losses.json(),
            });
            progress.step();
        };
        let stop = Stop::on_signals()?;
        let result = run::train(&plan, &mut state, &mut history, &data, device, &stop, &mut each);
        progress.finish();
        let done = result?;
        eprintln!("{done} epochs done, {} in all; the model is in {}", state.epoch, folder.display());
        Ok(())
    }

    fn arch(&self) -> anyhow::Result<Arch> {
        let mut arch = match &self.config {
            Some(path) => {
                let text = files::read_text(path)?;
                toml::from_str(&text).with_context(|| format!("{}", path.display()))?
            }
            None => Arch::named(self.arch_name()).with_context(|| {
                format!(
                    "there is no architecture \"{}\"; known: {}",
                    self.arch_name(),
                    NAMES.map(|(name, _)| name).join(", ")
                )
            })?,
        };
        if let Some(batch) = self.batch {
            arch.batch_size = batch.into();
        }
        if let Some(rate) = self.rate {
            (arch.critic_learning_rate, arch.generator_learning_rate) = (rate, rate);
        }
        arch.check()?;
        Ok(arch)
    }

    fn arch_name(&self) -> &str {
        self.arch.as_deref().unwrap_or("small")
    }

    /// Refuses options that a resumed training cannot follow. `arch` is what the options ask for.
    fn same_training(&self, arch: &Arch, state: &State, record: &Record) -> anyhow::Result<()> {
        let saved = &state.arch;
        let asked = Arch {
            critic_learning_rate: saved.critic_learning_rate,
            generator_learning_rate: saved.generator_learning_rate,
            batch_size: self.batch.map_or(saved.batch_size, usize::from),
            ..arch.clone()
        };
        let same_layers = Arch { batch_size: saved.batch_size, ..asked.clone() } == *saved;
        if (self.arch.is_some() || self.config.is_some()) && !same_layers {
            bail!("{} was begun with another architecture; leave out --arch and --config to go on", self.model);
        }
        if asked.batch_size != saved.batch_size {
            bail!("{} was begun with batches of {}; leave out --batch to go on", self.model, saved.batch_size);
        }
        if self.ema.is_some() && self.ema != record.ema {
            bail!("{} was begun with another --ema; leave it out to go on", self.model);
        }
        Ok(())
    }

    fn card(&self, folder: &Path, arch: &Arch) -> Card {
        Card {
            format: 1,
            name: folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            arch_name: if self.config.is_some() { "custom".into() } else { self.arch_name().into() },
            z_dim: arch.z_dim,
            step: 0,
            seed: self.seed,
            data: String::new(),
            data_count: 0,
            data_fingerprint: String::new(),
            licence: self.licence.clone(),
            flaneur: env!("CARGO_PKG_VERSION").into(),
            burn: BURN_VERSION.into(),
            arch: arch.clone(),
        }
    }
}
