//! `flaneur score DATA --model M`: how near a model's pictures are to any dataset.
//!
//! Pictures of the model, of the data, and others of the data as the floor become rows of features, a batch at a time,
//! so that only the features are kept; then they are compared ([`crate::dataset::measure`]).

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;

use super::super::{DeviceChoice, free};
use super::table;
use crate::dataset::measure::filters::{self, Filters};
use crate::dataset::measure::{self, Compared, LEAST, Rows};
use crate::dataset::read::{self, Fit, Glance};
use crate::dataset::store::{Options, Store};
use crate::drawn;
use crate::files::{self, shown};
use crate::generator::fingerprint_of;
use crate::latent;
use crate::model::critic::CriticFeatures;
use crate::model::score::Score;
use crate::model::{self, Model};
use crate::net::arch::Arch;
use crate::net::draw::Ready;
use crate::random::RandomState;
use crate::report::{Progress, Stop, tell};
use crate::trainer::lock::ModelLock;
use crate::trainer::protocol::Source;
use crate::trainer::source::{self, Reading};

/// What `flaneur score DATA` takes.
#[derive(Args)]
pub struct Data {
    /// A folder or zip of pictures (one called lines: ./lines), or a drawing sketch (data/NAME, or a path that ends in .rn)
    #[arg(required = true)]
    data: Option<PathBuf>,
    /// Name or folder of the model
    #[arg(long, required = true)]
    model: Option<String>,
    /// Pictures of the model, of the data, and others of the data as the floor: so many of each
    /// [default: 2000, or half of the data]
    #[arg(long, value_parser = clap::value_parser!(u32).range(LEAST as i64..=50_000))]
    count: Option<u32>,
    /// Seed of the model's first picture, the others follow; also of the choice of the data's
    #[arg(long, default_value_t = 1_000_000)]
    seed: u32,
    /// How pictures of another size are brought to the model's (stretch, crop, pad, pad:white, pad:#rrggbb); give what the model was trained with
    #[arg(long, value_name = "HOW")]
    fit: Option<Fit>,
    /// Compare in grey, where the model draws in grey and the data have colours
    #[arg(long)]
    grey: bool,
    /// Write the figures to a file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write over a file of that name
    #[arg(long, requires = "json")]
    overwrite: bool,
    /// Print a table in Markdown, for a model's page
    #[arg(long)]
    markdown: bool,
    /// Keep the figures in the model's card (model.toml)
    #[arg(long)]
    write: bool,
    /// Where to compute
    #[arg(long, value_enum, default_value_t = DeviceChoice::Auto)]
    device: DeviceChoice,
}

/// Pictures that go together.
const BATCH: usize = 32;
/// Pictures of each kind unless something else is said.
const COUNT: usize = 2000;
/// Pictures that are looked at before all others, for their size and their colours.
const GLANCED: usize = 64;

/// What sees pictures.
struct Eyes {
    filters: Filters,
    critic: Option<CriticFeatures>,
    size: [usize; 3],
}

/// What was seen of a set of pictures.
struct Seen {
    filters: Rows,
    critic: Option<Rows>,
}

impl Eyes {
    fn none(&self) -> Seen {
        let critic = self.critic.as_ref().map(|critic| Rows::new(critic.dim()));
        Seen { filters: Rows::new(self.filters.dim()), critic }
    }

    /// Adds what is seen of pictures of the model's size.
    fn see(&self, bytes: &[u8], seen: &mut Seen) -> anyhow::Result<()> {
        let count = bytes.len() / self.size.iter().product::<usize>();
        seen.filters.add(&self.filters.rows(bytes, self.size));
        if let (Some(critic), Some(rows)) = (&self.critic, &mut seen.critic) {
            let made = critic.rows(bytes);
            if made.len() != count * critic.dim() {
                bail!("the device failed while the critic looked at pictures; --device cpu goes without it");
            }
            rows.add(&made);
        }
        Ok(())
    }
}

impl Data {
    /// Measures and prints.
    pub fn run(self) -> anyhow::Result<()> {
        let (Some(data), Some(name)) = (&self.data, &self.model) else { bail!("give DATA and --model") };
        let begun = Instant::now();
        let sketch = data.to_str().filter(|word| drawn::is_named_by(word));
        let glance = if sketch.is_none() { Some(read::glance(data, GLANCED)?) } else { None };
        let chosen = self.device.choose()?;
        let model = Model::read(name, &chosen.device)?;
        let weights = model::folder(name).join(model::WEIGHTS);
        let fingerprint = fingerprint_of(&weights)?;
        let size = model.card.arch.picture();
        let (asked, store) = match (&glance, sketch) {
            (Some(glance), _) => {
                let fit = self.fits(data, glance, name, size)?;
                let asked = self.asked(data, glance)?;
                (asked, open(data, size, fit, asked, self.seed)?)
            }
            (None, word) => self.drawn(word.unwrap_or_default(), &model.card.arch)?,
        };
        let count = asked.min(store.len() / 2);
        if count < asked && self.count.is_some() {
            bail!(
                "{} holds only {} readable pictures, and --count {asked} needs twice as many as it says; {}",
                shown(data),
                store.len(),
                lower(count)
            );
        }
        let last = u32::try_from(count - 1).ok().and_then(|more| self.seed.checked_add(more));
        last.context("--seed and --count go beyond the last seed; lower one of them")?;

        let critic = CriticFeatures::read(name, &model.card.arch, &chosen.device, filters::SEED)?;
        let eyes = Eyes { filters: Filters::new(filters::SEED), critic, size };
        let order = RandomState::new(self.seed).permutation(store.len());
        let (half, other) = (&order[..count], &order[count..2 * count]);
        let work =
            Work { progress: Progress::new("pictures", 3 * count as u64), stop: Stop::on_signals()?, eyes: &eyes };
        let seen = work.all(&store, [half, other], &model, &model.ready(chosen.half), self.seed);
        work.progress.finish();
        let [real, other, made] = seen?;
        for bad in store.bad().iter().take(1) {
            tell(format_args!(
                "note: {} files could not be read, such as {}: {}",
                store.bad().len(),
                bad.name,
                bad.why
            ));
        }

        let filters = measure::compare(&real.filters, &other.filters, &made.filters)?;
        let critic = match (&real.critic, &other.critic, &made.critic) {
            (Some(real), Some(other), Some(made)) => by_critic(real, other, made),
            _ => None,
        };
        let score = Score {
            data: shown(data),
            pictures: count,
            seed: self.seed,
            side: filters::SIDE,
            filters_seed: filters::SEED,
            step: model.card.step,
            flaneur: env!("CARGO_PKG_VERSION").into(),
            filters,
            critic,
        };
        let table =
            table::Table { model: name, size, critic: eyes.critic.as_ref().map(CriticFeatures::of), score: &score };
        if self.markdown {
            table.markdown()
        } else {
            table.print()
        }
        tell(format_args!("{} pictures in {:.1} s", 3 * count, begun.elapsed().as_secs_f64()));
        self.keep(name, &score, &fingerprint)
    }

    /// How pictures are brought to the model's size, if the data can be compared with the model at all.
    fn fits(&self, data: &Path, glance: &Glance, name: &str, [h, w, c]: [usize; 3]) -> anyhow::Result<Fit> {
        if c == 1 && glance.coloured > 0 && !self.grey {
            bail!("{} has colours, and {name} draws in grey; give --grey to compare both in grey", shown(data));
        }
        if c != 1 && self.grey {
            bail!("{name} draws in colour, so --grey is not for it; leave it out");
        }
        let other = glance.sizes.iter().find(|size| **size != (w as u32, h as u32));
        match (self.fit, other) {
            (Some(fit), _) => Ok(fit),
            (None, None) => Ok(Fit::default()),
            (None, Some((width, height))) => bail!(
                "pictures of {} have another size ({width}x{height}) than those of {name} ({w}x{h}); say with --fit \
                 stretch, crop or pad how it was trained on them (flaneur train stretches unless it is told otherwise)",
                shown(data)
            ),
        }
    }

    /// Pictures that a drawing sketch draws at the model's size: by the seed of this measure, so that they are others
    /// than those it was trained on.
    fn drawn(&self, word: &str, arch: &Arch) -> anyhow::Result<(usize, Store)> {
        let asked = self.count.map_or(COUNT, |count| count as usize);
        let reading = Reading { subset: Some(2 * asked), seed: self.seed, cache: u64::MAX, ..Reading::default() };
        tell(format_args!("{} pictures are drawn", 2 * asked));
        let source = Source { path: Some(word.to_owned()), lines: None };
        Ok((asked, source::open(&source, arch, LEAST, &reading)?.data))
    }

    /// Pictures of each kind, as far as can be said before they are read.
    fn asked(&self, data: &Path, glance: &Glance) -> anyhow::Result<usize> {
        let half = glance.listed / 2;
        match self.count.map(|count| count as usize) {
            Some(count) if count > half && half >= LEAST => bail!(
                "{} holds {} pictures, and --count {count} needs {}, because one half of the data is compared with the \
                 other; {}",
                shown(data),
                glance.listed,
                2 * count,
                lower(half)
            ),
            Some(count) => Ok(count),
            None => Ok(COUNT.min(half).max(LEAST)),
        }
    }

    /// Writes what is to be kept.
    fn keep(&self, name: &str, score: &Score, fingerprint: &str) -> anyhow::Result<()> {
        if let Some(path) = &self.json {
            let mut all = serde_json::to_value(score)?;
            all["model"] = name.into();
            let path = free(path, self.overwrite);
            files::write(&path, format!("{all:#}\n").as_bytes())?;
            tell(format_args!("wrote {}", shown(&path)));
        }
        if self.write {
            let folder = model::folder(name);
            // A model that is trained just now would be given the score of other weights.
            let lock = folder.join("training").is_dir().then(|| ModelLock::take(&folder)).transpose();
            let _lock = lock.context("the score was measured, but not kept in the card")?;
            if fingerprint_of(&folder.join(model::WEIGHTS))? != fingerprint {
                bail!(
                    "the weights of {name} changed while they were measured, so the score was not kept; measure again"
                );
            }
            score.write(&folder)?;
            tell(format_args!("kept in {}", shown(&folder.join("model.toml"))));
        }
        Ok(())
    }
}

/// What to do where there are too few pictures.
fn lower(count: usize) -> String {
    format!("add pictures, or give --count {count} or less")
}

/// Opens twice as many pictures as are measured.
fn open(data: &Path, size: [usize; 3], fit: Fit, count: usize, seed: u32) -> anyhow::Result<Store> {
    let options = Options { fit, subset: Some(2 * count), seed, least: 2 * LEAST, ..Options::new(size) };
    let progress = Progress::new("pictures read", 2 * count as u64);
    let store = Store::open_telling(data, &options, &|| progress.step());
    progress.finish();
    Ok(store?)
}

/// By the critic's features; what goes wrong there is said, and takes nothing from the others.
fn by_critic(real: &Rows, other: &Rows, made: &Rows) -> Option<Compared> {
    let compared = measure::compare(real, other, made);
    compared.inspect_err(|why| tell(format_args!("note: nothing was measured by the critic: {why}"))).ok()
}

/// Looking at pictures, with what tells of it and what ends it.
struct Work<'a> {
    progress: Progress,
    stop: Stop,
    eyes: &'a Eyes,
}

impl Work<'_> {
    /// Both parts of the data, and as many pictures of the model.
    fn all(
        &self,
        store: &Store,
        [half, other]: [&[usize]; 2],
        model: &Model,
        ready: &Ready,
        seed: u32,
    ) -> anyhow::Result<[Seen; 3]> {
        let (real, other) = (self.data(store, half)?, self.data(store, other)?);
        let inputs = Inputs { store, half, model, seed };
        Ok([real, other, self.model(&inputs, ready)?])
    }

    fn data(&self, store: &Store, which: &[usize]) -> anyhow::Result<Seen> {
        let (mut seen, mut bytes) = (self.eyes.none(), Vec::new());
        let mut batches = which.chunks(BATCH).peekable();
        while let Some(batch) = batches.next() {
            // Decoded while the features of this one are made.
            batches.peek().iter().for_each(|next| store.ahead(next));
            store.read(batch, &mut bytes)?;
            self.eyes.see(&bytes, &mut seen)?;
            self.stepped(batch.len())?;
        }
        Ok(seen)
    }

    fn model(&self, inputs: &Inputs, ready: &Ready) -> anyhow::Result<Seen> {
        let mut seen = self.eyes.none();
        let each: usize = self.eyes.size.iter().product();
        let all: Vec<usize> = (0..inputs.half.len()).collect();
        for batch in all.chunks(BATCH) {
            let z: Vec<Vec<f32>> = batch.iter().map(|at| inputs.of(*at)).collect();
            let bytes = ready.bytes(&z);
            if bytes.len() != z.len() * each {
                bail!("the device failed while it drew; --device cpu draws without it");
            }
            self.eyes.see(&bytes, &mut seen)?;
            self.stepped(batch.len())?;
        }
        Ok(seen)
    }

    fn stepped(&self, count: usize) -> anyhow::Result<()> {
        (0..count).for_each(|_| self.progress.step());
        match self.stop.raised() {
            true => bail!("stopped; nothing was measured, and nothing written"),
            false => Ok(()),
        }
    }
}

/// What the model's pictures are drawn from.
struct Inputs<'a> {
    store: &'a Store,
    half: &'a [usize],
    model: &'a Model,
    seed: u32,
}

impl Inputs<'_> {
    /// z of one picture, and its class: that of the data's picture where both know the same classes, else one after
    /// the other.
    fn of(&self, at: usize) -> Vec<f32> {
        let (arch, known) = (&self.model.card.arch, &self.model.card.classes);
        let z = latent::seed(self.seed.saturating_add(at as u32), arch.z_dim());
        let mut input: Vec<f32> = z.iter().map(|v| *v as f32).collect();
        if !known.is_empty() {
            let label = self.store.label(self.half[at]).filter(|_| known == self.store.labels());
            let class = label.map_or(at % known.len(), usize::from);
            input.extend((0..known.len()).map(|other| f32::from(u8::from(other == class))));
        }
        input
    }
}
