//! `flaneur train`: a GAN on any folder or zip of pictures.
//!
//! The options, the run and what it prints; what a training begins with is in `begin`. By hand, or driven by a show or a
//! script through its pipes (`trainer::protocol`).

mod begin;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};

use super::settings::SettingOptions;
use super::{DeviceChoice, Size};
use crate::dataset::DatasetError;
use crate::dataset::read::Fit;
use crate::files;
use crate::home;
use crate::model::{self, Card, ModelError};
use crate::net::recipe::Recipe;
use crate::report::{Progress, Stop, say, tell};
use crate::trainer::checkpoint;
use crate::trainer::commands::{CommandQueue, GRACE_SECS};
use crate::trainer::disk;
use crate::trainer::history::HistoryError;
use crate::trainer::lock::{LockError, ModelLock};
use crate::trainer::losses::Kind;
use crate::trainer::memory::MemoryFolder;
use crate::trainer::protocol::{Event, Reason};
use crate::trainer::run::{Options, Plan, TrainError, Training};
use crate::trainer::settings::Settings;
use crate::trainer::source::Reading;
use crate::worker;

/// Said once before the lines of the epochs.
const WHAT_A_LINE_IS: &str = "a line is: epoch (updates of critic, generator) [D loss: (the critic's, in all)(R on real \
pictures, F on fake ones, G gradient penalty)] [G loss: the generator's]";
/// The same for recipes with cross-entropy.
const WHAT_IT_SAYS: &str = "losses are means over the epoch; D_real, D_fake and G_real are what the discriminator said of \
real pictures, of fake ones before its update, and of those the generator learnt by: 1 is real, 0 fake";

/// The same for textures.
const WHAT_A_TEXTURE_SAYS: &str = "the loss is how far what is seen in its pictures is from what is seen in the data, as a \
share of that: 0 is the same; shallow, middle and deep are layers, of which the deep ones see the large forms";

/// The same for networks that make pictures larger.
const WHAT_A_LARGER_PICTURE_SAYS: &str = "difference is the mean over the pixels, 0 to 1; psnr (decibels) and distance \
(of what is seen) are of pictures that are not learnt from, measured with each checkpoint";

/// Train a GAN on a folder or zip of pictures
#[derive(Args)]
pub struct Train {
    /// Folder or zip of pictures, or a drawing sketch as data/NAME; "lines" draws 2000 pictures of three lines in memory.
    /// A texture is learnt from one picture, or several
    data: PathBuf,
    /// Name of the model (a folder in models/), or the path of its folder
    #[arg(long)]
    model: String,
    /// Named architecture: small (if none is given), quarter, seed, seed-k10, smooth, dcgan-64, dcgan-128,
    /// mlp-mnist, lesson-torch, lesson-torch-dcgan, lesson-tf, lesson-tf-dcgan, texture, enlarge; the name of a recipe is its usual one
    #[arg(long, conflicts_with = "config")]
    arch: Option<String>,
    /// How it is trained: wgan-gp, dcgan1, dcgan1-ba, dcgan1-lr, dcgan2, dcgan3, dcgan4, dcgan4-mod, lesson-torch,
    /// lesson-torch-dcgan, lesson-tf, lesson-tf-dcgan, texture, texture-quick, enlarge, or a TOML file [default: the architecture's
    /// usual one]
    #[arg(long, value_name = "NAME|FILE")]
    recipe: Option<String>,
    /// TOML file with an [arch] and a [recipe], or with the 21 settings of a WGAN-GP
    #[arg(long)]
    config: Option<PathBuf>,
    /// Begin with the architecture and the weights of this model
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["arch", "config", "resume"])]
    from: Option<String>,
    /// Epochs in all; 0 is no end. With wgan-gp an epoch is one generator update [default: 1201], with a dcgan and
    /// lesson-torch a pass over the data, with lesson-tf one update of each network [default: the recipe's]
    #[arg(long)]
    epochs: Option<u64>,
    /// Learning rate of both networks, in place of the architecture's
    #[arg(long)]
    rate: Option<f64>,
    /// What a texture or a larger picture is compared by: a file of VGG's weights (.pth, .h5, .npy, .safetensors, .onnx), or random, which
    /// needs no file [default: random]
    #[arg(long, value_name = "FILE")]
    features: Option<String>,
    /// Size of a texture's pictures while it learns: width and height, multiples of 32 [default: 128x128]; of pictures
    /// that are made small and large again [default: 512x512]
    #[arg(long, value_name = "WxH", conflicts_with_all = ["from", "resume"])]
    size: Option<Size>,
    /// Pictures whose faults are put on small ones, for --arch enlarge: a folder, zip or picture, or a model
    #[arg(long, value_name = "MODEL|PATH")]
    faults: Option<String>,
    /// How much a texture's pictures are driven apart, such as 0.5, where they become one and the same [default: 0]
    #[arg(long, value_name = "X")]
    variety: Option<f64>,
    #[command(flatten)]
    settings: SettingOptions,
    /// Rows of the sample grid
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    rows: u16,
    /// Columns of the sample grid
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    cols: u16,
    /// Seed of the weights, the order of the data and every z
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Store the weights in half precision
    #[arg(long)]
    half: bool,
    /// Learn the classes of the pictures, which are sub-folders or labels in a dataset.json: the generator draws each of
    /// them, and its judge sees which one a picture is of. Networks that have classes already need no --classes
    #[arg(long)]
    classes: bool,
    /// How pictures of another size are fitted: stretch (both sides scaled, nearest pixel), crop (the middle is cut out),
    /// pad (scaled to fit inside, on black), pad:white, pad:#rrggbb [default: stretch, or as it was begun]
    #[arg(long)]
    fit: Option<Fit>,
    /// Learn from each picture mirrored, too; --mirror=false leaves that again [default: no, or as it was begun]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    mirror: Option<bool>,
    /// Learn from so many of the pictures, chosen by the seed, or from "all" [default: all, or as it was begun]
    #[arg(long, value_name = "N", value_parser = begin::subset)]
    subset: Option<Subset>,
    /// Gigabytes of decoded pictures that stay in memory; the others are read as they are needed
    #[arg(long, value_name = "GB", default_value_t = 1.0, allow_negative_numbers = true)]
    cache: f64,
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
    /// Hand states that are only looked at over in memory, where the system has room for files there
    #[arg(long, hide = true)]
    in_memory: bool,
    /// The rules of the lines that are drawn, as in the command data
    #[arg(long, value_name = "JSON", hide = true)]
    lines: Option<String>,
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

/// How many of the pictures: none is all of them.
#[derive(Clone, Copy, Debug)]
struct Subset(Option<usize>);

impl Train {
    /// Trains, and tells how it ended.
    ///
    /// # Errors
    /// What stopped it before its end.
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
        let commands = self.commands.then(|| CommandQueue::from_stdin(grace)).transpose()?;
        let (mut arch, recipe) = self.networks()?;
        if matches!(self.device, DeviceChoice::GpuHalf) {
            bail!("training needs single precision; use --device gpu");
        }
        let chosen = self.device.choose()?;
        let device = &chosen.device;
        // Whoever resumes must not read what another training still writes.
        let lock = self.resume.then(|| ModelLock::take(&folder)).transpose()?;
        let resumed = match self.resume {
            true => Some(checkpoint::read(&folder.join("training"), device)?),
            false => None,
        };
        if let Some((state, record)) = &resumed {
            self.same_training(&arch, &recipe, state, record)?;
            arch = state.arch.clone();
        }
        let recipe = resumed.as_ref().map_or(recipe, |(state, _)| state.recipe.clone());
        let mut recipe = recipe;
        let batch = recipe.batch_size;
        let sight = self.sight(&arch, &mut recipe, &chosen)?;
        let reading = self.reading(resumed.as_ref(), &folder)?;
        let named = self.pictures(&arch, batch, &reading)?;
        if resumed.is_none() {
            arch = self.with_classes_of(arch, &named.data)?;
        }
        let (mut state, mut history, mut card) =
            self.opened(&folder, (&arch, &recipe), resumed, &named.data, &chosen)?;
        *step = state.step;
        if arch.planes() > 0 {
            card.classes = named.data.labels().to_vec();
        }
        (card.data, card.data_count, card.data_fingerprint) = (named.name, named.count, named.fingerprint);
        state.sight = sight;
        state.beside = self.beside(&arch, &mut recipe, &chosen)?;
        (state.recipe.texture, state.recipe.enlarge) = (recipe.texture.clone(), recipe.enlarge.clone());
        (card.arch, card.recipe) = (state.arch.clone(), state.recipe.clone());
        let data = named.data;
        let stop = Stop::on_signals()?;
        let plan = self.plan(&folder, card, &recipe);
        let mut training = Training::new(&plan, &mut state, &mut history, &data, device, &stop);
        training.options = self.options(reading);
        training.commands = commands.as_ref();
        training.lock = match lock {
            None => {
                let lock = ModelLock::take(&folder)?;
                // Another training may have begun it while the pictures were read.
                self.refuse(&folder)?;
                Some(lock)
            }
            held => held,
        };
        training.memory = if self.in_memory { MemoryFolder::new() } else { None };
        training.set(&self.settings(&recipe));
        self.watch(training, step, &chosen.name)
    }

    /// The settings that are set: what is given, before what a training has by itself.
    fn settings(&self, recipe: &Recipe) -> Settings {
        let mut settings = self.settings.0.clone();
        // A batch is begun with, and a moving average is that of the first weights.
        (settings.batch, settings.ema) = (None, None);
        settings.fill(&Settings {
            generator_rate: self.rate,
            critic_rate: self.rate,
            print_every: Some(recipe.print_every()),
            ..Settings::usual()
        });
        settings
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

    /// Runs the training and prints what it tells.
    fn watch(&self, training: Training, step: &mut u64, device: &str) -> anyhow::Result<Reason> {
        // Without an end there is nothing to draw a bar of.
        let epochs = training.plan.epochs;
        let progress = (epochs > 0).then(|| Progress::new("epochs", epochs));
        let print = |line: &str| match &progress {
            Some(progress) => progress.print(line),
            None => say(line),
        };
        // What it tells goes by way of the bar, so it lives no longer than that.
        let recipe = training.plan.card.recipe.clone();
        let mut training = training;
        progress.iter().for_each(|progress| progress.skip(training.epochs()));
        let (begun, card) = (training.step(), training.plan.card.clone());
        let folder = training.plan.folder.display().to_string();
        let heard = |event: Event| match event {
            Event::Warning { text } if !self.commands => tell(text),
            // Without commands nobody asked for more than the losses.
            event if self.report == Report::Json && (self.commands || matches!(event, Event::Step(_))) => {
                print(&event.line());
            }
            _ => {}
        };
        heard(Event::Started {
            model: card.name,
            folder: folder.clone(),
            arch: card.arch_name,
            step: begun,
            epochs,
            data: card.data,
            pictures: card.data_count,
            device: device.to_owned(),
        });
        if self.report == Report::Text {
            tell(match Kind::of(&recipe) {
                Kind::CrossEntropy => WHAT_IT_SAYS,
                Kind::Texture => WHAT_A_TEXTURE_SAYS,
                Kind::Enlarge => WHAT_A_LARGER_PICTURE_SAYS,
                Kind::Wasserstein => WHAT_A_LINE_IS,
            });
        }
        training.on_event = Box::new(heard);
        training.on_epoch = Box::new(|losses, seconds| {
            if let (Report::Text, Some(line)) = (self.report, losses.line(&recipe, seconds)) {
                print(&line);
            }
            progress.iter().for_each(Progress::step);
        });
        let result = training.run();
        progress.iter().for_each(Progress::finish);
        *step = training.step();
        let reason = result?;
        let in_all = match training.epochs() {
            epochs if epochs == *step => format!("{step} in all"),
            epochs => format!("{epochs} in all, {step} steps"),
        };
        tell(format_args!("{} epochs done, {in_all}; the model is in {folder}", training.done));
        Ok(reason)
    }

    /// The plan, but for what is set.
    fn plan(&self, folder: &Path, card: Card, recipe: &Recipe) -> Plan {
        Plan {
            folder: folder.into(),
            epochs: self.epochs.unwrap_or_else(|| recipe.epochs()),
            critic_steps: 0,
            print_every: 0,
            rows: self.rows.into(),
            columns: self.cols.into(),
            half: self.half,
            card,
        }
    }

    /// What it does besides, but for what is set.
    fn options(&self, reading: Reading) -> Options {
        let publishes = self.settings.0.publish_every.is_some_and(|every| every > 0);
        let followed = self.commands || publishes || self.rewind_on_divergence;
        Options {
            keep: if followed { self.keep.into() } else { 0 },
            guarded: self.commands || self.rewind_on_divergence,
            rewinds: self.rewind_on_divergence,
            reading,
            ..Options::default()
        }
    }
}

/// Why an error ended a training.
fn why(error: &anyhow::Error) -> Reason {
    let of = |error: &TrainError| match error {
        TrainError::Diverged { .. } | TrainError::OutOfRange { .. } => Reason::Diverged,
        other if other.may_pass() => Reason::Unavailable,
        _ => Reason::Error,
    };
    let passes = |error: &ModelError| matches!(error, ModelError::File(error) if disk::may_pass(error));
    if let Some(error) = error.downcast_ref::<TrainError>() {
        of(error)
    } else if error.is::<LockError>() || error.is::<DatasetError>() {
        Reason::Unavailable
    } else if let Some(HistoryError::File(error)) = error.downcast_ref::<HistoryError>() {
        if disk::may_pass(error) { Reason::Unavailable } else { Reason::Error }
    } else if error.downcast_ref::<ModelError>().is_some_and(passes) {
        Reason::Unavailable
    } else {
        Reason::Error
    }
}
