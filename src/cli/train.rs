//! `flaneur train`: a WGAN-GP on any folder or zip of pictures.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};

use super::DeviceChoice;
use crate::dataset::read::{self, Fit};
use crate::files;
use crate::home;
use crate::model::{self, BURN_VERSION, Card};
use crate::net::arch::{Arch, NAMES};
use crate::net::device::Chosen;
use crate::report::{Progress, Stop, tell};
use crate::trainer::checkpoint::{self, Record};
use crate::trainer::commands::{GRACE_SECS, Orders};
use crate::trainer::history::History;
use crate::trainer::protocol::{Event, Lines, Reason, Source};
use crate::trainer::published::Weights;
use crate::trainer::run::{self, Plan, TrainError, Training, Watched};
use crate::trainer::source::{self, Named};
use crate::trainer::step::{Data, State};
use crate::worker;

#[derive(Args)]
pub struct Train {
    /// Folder or zip of pictures; "lines" draws 2000 pictures of three lines in memory
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
    /// Begin with the architecture and the weights of this model
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["arch", "config", "resume"])]
    from: Option<String>,
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
    /// Obey commands on stdin, one JSON object a line, and tell of all that happens; ends with its input.
    /// Takes --report json
    #[arg(long)]
    commands: bool,
    /// Epochs between two publications of the weights besides those of --print-every, with a history of them
    #[arg(long, default_value_t = 0)]
    publish_every: u64,
    /// Published states that stay in the history, older ones sparser
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(2..=10_000))]
    keep: u16,
    /// Go back to the last published state where the losses diverge
    #[arg(long)]
    rewind_on_divergence: bool,
    /// How much to stand back behind other programs, 0 (not at all) to 19
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=19))]
    nice: u8,
    /// Most memory to take, in megabytes; beyond that it ends [default: no limit]
    #[arg(long, value_name = "MB")]
    memory: Option<u64>,
    /// Seconds to save itself once the commands' input has ended
    #[arg(long, value_name = "SECS", default_value_t = GRACE_SECS, hide = true)]
    grace: f64,
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
        let mut step = 0;
        let result = self.train(&mut step);
        if self.commands {
            let (reason, text) = match &result {
                Ok(reason) => (*reason, reason.words().to_owned()),
                Err(error) => (why(error), format!("{error:#}")),
            };
            let mut out = std::io::stdout().lock();
            // Whoever would have read it may be gone.
            let _ = writeln!(out, "{}", Event::Stopped { reason, text, step }.line());
        }
        result.map(|_| ())
    }

    /// Trains; `step` is how far it came.
    fn train(&self, step: &mut u64) -> anyhow::Result<Reason> {
        home::begin_here();
        let folder = model::folder(&self.model);
        self.refuse(&folder)?;
        // What a training that was killed has left.
        for inner in ["", "history", "training"] {
            files::sweep(&folder.join(inner));
        }
        self.stand_back()?;
        let grace = Duration::from_secs_f64(self.grace.clamp(0.0, 3600.0));
        let orders = self.commands.then(|| Orders::from_stdin(grace)).transpose()?;
        let mut arch = self.arch()?;
        if matches!(self.device, DeviceChoice::GpuHalf) {
            bail!("training needs single precision; use --device gpu");
        }
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
        let named = self.pictures(&arch)?;
        let (mut state, mut history, mut card) = self.opened(&folder, &arch, resumed, &named.fingerprint, &chosen)?;
        *step = state.epoch;
        (card.data, card.data_count, card.data_fingerprint) = (named.name, named.count, named.fingerprint);
        card.arch = state.arch.clone();
        let data = named.data;
        let stop = Stop::on_signals()?;
        let plan = self.plan(&folder, card);
        let mut training = Training::new(&plan, &mut state, &mut history, &data, device, &stop);
        training.watched = self.watched();
        training.orders = orders.as_ref();
        self.watch(training, step, &chosen.name)
    }

    /// Makes this process small beside others, if that is asked for.
    fn stand_back(&self) -> anyhow::Result<()> {
        #[cfg(unix)]
        {
            use rustix::process::{Resource, Rlimit, nice, setrlimit};
            if self.nice > 0 {
                nice(self.nice.into()).context("--nice")?;
            }
            if let Some(most) = self.memory {
                let most = Some(most << 20);
                setrlimit(Resource::Data, Rlimit { current: most, maximum: most }).context("--memory")?;
            }
        }
        // Where there is no room even for the threads, that is said now and not by a panic later.
        worker::work_along().map_err(|why| match self.memory {
            Some(_) => anyhow!("--memory is too little for the program's threads; give it more ({why})"),
            None => anyhow!("the threads cannot be started: {why}"),
        })
    }

    /// The data: lines that are drawn, or files that are read.
    fn pictures(&self, arch: &Arch) -> anyhow::Result<Named> {
        if self.data == Path::new("lines") && !self.data.exists() {
            let lines = Source { path: None, lines: Some(Lines::default()) };
            return Ok(source::open(&lines, arch, self.fit())?);
        }
        let pictures = read::read(&self.data, arch.input_dim, self.fit(), arch.batch_size)?;
        tell(format_args!("found {} pictures in {}", pictures.count, self.data.display()));
        for bad in &pictures.bad {
            tell(format_args!("skipped {}: {}", bad.name, bad.why));
        }
        Ok(Named {
            data: Data { bytes: pictures.bytes, each: arch.input_dim.iter().product() },
            name: source::short(&self.data.display().to_string()),
            count: pictures.count,
            fingerprint: pictures.fingerprint,
        })
    }

    /// Networks, losses and card as they are before the first epoch of this sitting.
    fn opened(
        &self,
        folder: &Path,
        arch: &Arch,
        resumed: Option<(State, Record)>,
        fingerprint: &str,
        chosen: &Chosen,
    ) -> anyhow::Result<(State, History, Card)> {
        let device = &chosen.device;
        if let Some((mut state, record)) = resumed {
            if record.data_fingerprint != fingerprint {
                tell(format_args!("note: these are not the pictures it was trained on so far"));
            }
            if let Some(rate) = self.rate {
                state.set_rate(rate);
            }
            return Ok((state, History::read(&folder.join("training"), record.epoch)?, Card::read(folder)?));
        }
        let mut state = State::new(arch, self.seed, self.ema, device);
        if let Some(name) = &self.from {
            Weights::of_model(&model::folder(name), arch, device)?.fork(&mut state, device);
        }
        Ok((state, History::default(), self.card(folder, arch)?))
    }

    /// Runs the training and prints what it tells.
    fn watch(&self, training: Training, step: &mut u64, device: &str) -> anyhow::Result<Reason> {
        let progress = Progress::new("epochs", self.epochs);
        // What it tells goes by way of the bar, so it lives no longer than that.
        let mut training = training;
        progress.skip(training.step());
        let (begun, card) = (training.step(), training.plan.card.clone());
        let folder = training.plan.folder.display().to_string();
        let heard = |event: Event| match event {
            Event::Warning { text } if !self.commands => tell(text),
            // Without commands nobody asked for more than the losses.
            event if self.report == Report::Json && (self.commands || matches!(event, Event::Step(_))) => {
                progress.print(&event.line());
            }
            _ => {}
        };
        heard(Event::Started {
            model: card.name,
            folder: folder.clone(),
            arch: card.arch_name,
            step: begun,
            epochs: self.epochs,
            data: card.data,
            pictures: card.data_count,
            device: device.to_owned(),
        });
        training.tell = Box::new(heard);
        training.each = Box::new(|losses| {
            if self.report == Report::Text {
                progress.print(&losses.line());
            }
            progress.step();
        });
        let result = training.run();
        progress.finish();
        *step = training.step();
        let reason = result?;
        tell(format_args!("{} epochs done, {step} in all; the model is in {folder}", training.done));
        Ok(reason)
    }

    /// Refuses what cannot be meant, before anything is read.
    fn refuse(&self, folder: &Path) -> anyhow::Result<()> {
        if self.ema.is_some_and(|ema| !(0.0..1.0).contains(&ema)) {
            bail!("--ema takes a decay between 0 and 1, such as 0.999");
        }
        if self.rate.is_some_and(|r| !r.is_finite() || r <= 0.0) {
            bail!("--rate takes a learning rate above 0, such as 0.0002");
        }
        if self.commands && self.report == Report::Text {
            bail!("--commands answers in JSON; add --report json");
        }
        if !self.resume && run::exists(folder) {
            bail!("{} is there already; go on with --resume, or give another --model", folder.display());
        }
        if self.resume && !checkpoint::exists(&folder.join("training")) {
            bail!("{} has no training/state.safetensors to go on from; leave out --resume to begin", folder.display());
        }
        Ok(())
    }

    fn plan(&self, folder: &Path, card: Card) -> Plan {
        Plan {
            folder: folder.into(),
            epochs: self.epochs,
            critic_steps: self.critic_steps,
            print_every: self.print_every,
            rows: self.rows.into(),
            columns: self.cols.into(),
            half: self.half,
            card,
        }
    }

    fn watched(&self) -> Watched {
        let followed = self.commands || self.publish_every > 0 || self.rewind_on_divergence;
        Watched {
            publish_every: self.publish_every,
            keep: if followed { self.keep.into() } else { 0 },
            guarded: self.commands || self.rewind_on_divergence,
            rewinds: self.rewind_on_divergence,
            fit: self.fit(),
        }
    }

    fn fit(&self) -> Fit {
        match self.fit {
            FitChoice::Stretch => Fit::Stretch,
            FitChoice::Crop => Fit::Crop,
            FitChoice::Pad => Fit::Pad,
        }
    }

    fn arch(&self) -> anyhow::Result<Arch> {
        let mut arch = match (&self.config, &self.from) {
            (_, Some(name)) => Card::read(&model::folder(name))?.arch,
            (Some(path), _) => {
                let text = files::read_text(path)?;
                toml::from_str(&text).with_context(|| format!("{}", path.display()))?
            }
            _ => Arch::named(self.arch_name()).with_context(|| {
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

    /// What the card says of the architecture.
    fn arch_word(&self) -> anyhow::Result<String> {
        Ok(match &self.from {
            Some(name) => Card::read(&model::folder(name))?.arch_name,
            None if self.config.is_some() => "custom".into(),
            None => self.arch_name().into(),
        })
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

    fn card(&self, folder: &Path, arch: &Arch) -> anyhow::Result<Card> {
        Ok(Card {
            format: 1,
            name: folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            arch_name: self.arch_word()?,
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
        })
    }
}

/// Why an error ended a training.
fn why(error: &anyhow::Error) -> Reason {
    match error.downcast_ref() {
        Some(TrainError::Diverged { .. } | TrainError::OutOfRange { .. }) => Reason::Diverged,
        _ => Reason::Error,
    }
}
