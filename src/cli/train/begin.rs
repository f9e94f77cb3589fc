//! What a training begins with: the options that fit, its pictures, networks, losses and card.

use std::path::Path;

use anyhow::{Context, bail};

use super::{Report, Train};
use crate::dataset::read;
use crate::files;
use crate::model::{self, BURN_VERSION, Card};
use crate::net::arch::{Arch, NAMES};
use crate::net::device::Chosen;
use crate::report::tell;
use crate::trainer::checkpoint::{self, Record};
use crate::trainer::history::History;
use crate::trainer::protocol::{Lines, Source};
use crate::trainer::published::Weights;
use crate::trainer::run;
use crate::trainer::source::{self, Pictures};
use crate::trainer::step::{Data, State};

impl Train {
    /// The data: lines that are drawn, or files that are read.
    pub(super) fn pictures(&self, arch: &Arch) -> anyhow::Result<Pictures> {
        if self.data == Path::new("lines") && !self.data.exists() {
            let lines = match &self.lines {
                Some(text) => serde_json::from_str(text).context("--lines")?,
                None => Lines::default(),
            };
            let lines = Source { path: None, lines: Some(lines) };
            return Ok(source::open(&lines, arch, self.fit())?);
        }
        let pictures = read::read(&self.data, arch.input_dim, self.fit(), arch.batch_size)?;
        tell(format_args!("found {} pictures in {}", pictures.count, self.data.display()));
        for bad in &pictures.bad {
            tell(format_args!("skipped {}: {}", bad.name, bad.why));
        }
        Ok(Pictures {
            data: Data { bytes: pictures.bytes, each: arch.input_dim.iter().product() },
            name: source::short(&self.data.display().to_string()),
            count: pictures.count,
            fingerprint: pictures.fingerprint,
        })
    }

    /// Networks, losses and card as they are before the first epoch of this sitting.
    pub(super) fn opened(
        &self,
        folder: &Path,
        arch: &Arch,
        resumed: Option<(State, Record)>,
        fingerprint: &str,
        chosen: &Chosen,
    ) -> anyhow::Result<(State, History, Card)> {
        let device = &chosen.device;
        if let Some((state, record)) = resumed {
            if record.data_fingerprint != fingerprint {
                tell(format_args!("note: these are not the pictures it was trained on so far"));
            }
            let card = match folder.join("model.toml").is_file() {
                true => Card::read(folder)?,
                // A disk that was full took the checkpoint and no more.
                false => Card { arch_name: name_of(arch), seed: record.seed, ..self.card(folder, arch)? },
            };
            return Ok((state, History::read(&folder.join("training"), record.epoch)?, card));
        }
        let mut state = State::new(arch, self.seed, self.settings.0.ema, device);
        if let Some(name) = &self.from {
            Weights::of_model(&model::folder(name), arch, device)?.fork(&mut state, device);
        }
        Ok((state, History::default(), self.card(folder, arch)?))
    }

    /// Refuses what cannot be meant, before anything is read.
    pub(super) fn refuse(&self, folder: &Path) -> anyhow::Result<()> {
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

    pub(super) fn arch(&self) -> anyhow::Result<Arch> {
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
        if let Some(batch) = self.settings.0.batch {
            arch.batch_size = batch;
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
    pub(super) fn same_training(&self, arch: &Arch, state: &State, record: &Record) -> anyhow::Result<()> {
        let saved = &state.arch;
        let asked = Arch {
            critic_learning_rate: saved.critic_learning_rate,
            generator_learning_rate: saved.generator_learning_rate,
            batch_size: self.settings.0.batch.unwrap_or(saved.batch_size),
            ..arch.clone()
        };
        let same_layers = Arch { batch_size: saved.batch_size, ..asked.clone() } == *saved;
        if (self.arch.is_some() || self.config.is_some()) && !same_layers {
            bail!("{} was begun with another architecture; leave out --arch and --config to go on", self.model);
        }
        if asked.batch_size != saved.batch_size {
            bail!("{} was begun with batches of {}; leave out --batch to go on", self.model, saved.batch_size);
        }
        if self.settings.0.ema.is_some() && self.settings.0.ema != record.ema {
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

/// The name of an architecture, if it has one.
fn name_of(arch: &Arch) -> String {
    let named = |name: &&str| Arch::named(name).is_some_and(|named| named.same_networks(arch));
    NAMES.map(|(name, _)| name).into_iter().find(|name| named(name)).unwrap_or("custom").to_owned()
}
