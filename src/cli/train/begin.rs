//! What a training begins with: the options that fit, its pictures, networks, losses and card.

use std::path::Path;

use anyhow::{Context, anyhow, bail};

use super::{Report, Subset, Train};
use crate::cli::Size;
use crate::dataset::read::Fit;
use crate::dataset::store::{Classes, Store};
use crate::files;
use crate::model::{self, BURN_VERSION, Card, features};
use crate::net::arch::{self, Arch, NAMES};
use crate::net::device::Chosen;
use crate::net::families::compact::JUDGED;
use crate::net::recipe::named::RECIPES;
use crate::net::recipe::{self, Recipe};
use crate::report::tell;
use crate::trainer::checkpoint::{self, Record};
use crate::trainer::enlarge::Beside;
use crate::trainer::history::History;
use crate::trainer::protocol::{Lines, Source};
use crate::trainer::published::Weights;
use crate::trainer::run;
use crate::trainer::source::{self, Kept, Pictures, Reading};
use crate::trainer::step::State;
use crate::trainer::texture::Sight;

/// Pictures of lines that a network learns to make larger from, where nothing is said.
const LARGE_LINES: u64 = 400;

impl Train {
    /// The data: lines that are drawn, or files that are read.
    pub(super) fn pictures(&self, arch: &Arch, batch: usize, reading: &Reading) -> anyhow::Result<Pictures> {
        if self.data == Path::new("lines") && !self.data.exists() {
            let lines = match &self.lines {
                Some(text) => serde_json::from_str(text).context("--lines")?,
                // Large ones take more memory.
                None if learns_larger(arch) => Lines { count: LARGE_LINES, ..Lines::default() },
                None => Lines::default(),
            };
            let lines = Source { path: None, lines: Some(lines) };
            return Ok(source::open(&lines, arch, batch, reading)?);
        }
        let path = self.data.display().to_string();
        let found = source::open(&Source { path: Some(path), lines: None }, arch, batch, reading)?;
        let (files, data) = (found.count / if reading.mirror { 2 } else { 1 }, self.data.display());
        tell(format_args!("found {files} pictures in {data}{}", self.how(&found, reading)));
        for bad in &found.data.bad() {
            tell(format_args!("skipped {}: {}", bad.name, bad.why));
        }
        Ok(found)
    }

    /// How pictures are read, where that is worth a word.
    fn how(&self, found: &Pictures, reading: &Reading) -> String {
        let mirrored = if reading.mirror { ", each also mirrored" } else { "" };
        let cache = match found.data.is_whole() {
            true => String::new(),
            false => format!(", read as they are needed ({} GB of them stay in memory)", self.cache),
        };
        format!("{mirrored}{cache}")
    }

    /// How pictures are read: as it is given, else as the training was begun, which goes on here or in another folder.
    pub(super) fn reading(&self, resumed: Option<&(State, Record)>, folder: &Path) -> anyhow::Result<Reading> {
        let before = match (resumed, &self.from) {
            (Some((_, record)), _) => record.reading.unwrap_or_default(),
            // A choice is one of its own pictures.
            (None, Some(name)) => {
                let kept = checkpoint::reading(&model::folder(name).join("training")).unwrap_or_default();
                Kept { subset: None, ..kept }
            }
            // One picture is to be seen smoothly.
            (None, None) if self.networks().is_ok_and(|(arch, _)| arch.texture().is_some() || learns_larger(&arch)) => {
                Kept { fit: Fit::Crop, ..Kept::default() }
            }
            (None, None) => Kept::default(),
        };
        let now = Kept {
            fit: self.fit.unwrap_or(before.fit),
            mirror: self.mirror.unwrap_or(before.mirror),
            subset: self.subset.map_or(before.subset, |Subset(count)| count),
        };
        if resumed.is_some() || self.from.is_some() {
            for text in changes(before, now) {
                tell(format_args!("note: {text}"));
            }
        }
        let Kept { fit, mirror, subset } = now;
        let seed = resumed.map_or(self.seed, |(state, _)| state.seed);
        let classes = self.classes_wanted(resumed.map(|(state, _)| &state.arch), folder)?;
        Ok(Reading { fit, mirror, subset, seed, cache: (self.cache * 1e9) as u64, classes })
    }

    /// What the classes of the pictures have to be.
    fn classes_wanted(&self, resumed: Option<&Arch>, folder: &Path) -> anyhow::Result<Classes> {
        let names = |folder: &Path, arch: &Arch| {
            let known = Card::read(folder).map(|card| card.classes).unwrap_or_default();
            if known.len() == arch.classes() { known } else { numbers(arch) }
        };
        if let Some(arch) = resumed {
            if self.classes && arch.planes() == 0 {
                bail!("{} was begun with a judge that sees no classes; leave out --classes to go on", self.model);
            }
            return Ok(if arch.planes() > 0 { Classes::Of(names(folder, arch)) } else { Classes::AsFound });
        }
        let (arch, _) = self.networks()?;
        if let (Some(name), true, 0) = (&self.from, self.classes, arch.classes()) {
            bail!("{name} has no classes, so it cannot go on with some; begin anew with --arch and --classes");
        }
        if arch.classes() == 0 {
            return Ok(if self.classes { Classes::Needed } else { Classes::AsFound });
        }
        let names = match &self.from {
            Some(name) => names(&model::folder(name), &arch),
            None => numbers(&arch),
        };
        let needed = self.classes || arch.planes() > 0;
        Ok(if needed { Classes::Of(names) } else { Classes::OfIfAny(names) })
    }

    /// The networks with the classes of the pictures, where those are to be learnt.
    pub(super) fn with_classes_of(&self, arch: Arch, data: &Store) -> anyhow::Result<Arch> {
        let labels = if arch.texture().is_some() || learns_larger(&arch) { &[] } else { data.labels() };
        let learns = !labels.is_empty() && (self.classes || arch.classes() > 0);
        if !learns {
            if arch.classes() > 0 {
                tell(
                    "note: the pictures have no classes, so the network's are drawn by chance, and its judge sees none",
                );
            } else if !labels.is_empty() {
                tell(format_args!("note: the pictures have {} classes; --classes learns them", labels.len()));
            }
            return Ok(arch);
        }
        let arch = arch.with_classes(labels.len());
        arch.check().context("these networks cannot have classes")?;
        let first = labels.iter().take(12).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if labels.len() > 12 { ", …" } else { "" };
        tell(format_args!("learns {} classes: {first}{more}", labels.len()));
        Ok(arch)
    }

    /// Networks, losses and card as they are before the first epoch of this sitting.
    pub(super) fn opened(
        &self,
        folder: &Path,
        (arch, recipe): (&Arch, &Recipe),
        resumed: Option<(State, Record)>,
        data: &Store,
        chosen: &Chosen,
    ) -> anyhow::Result<(State, History, Card)> {
        let device = &chosen.device;
        if let Some((state, record)) = resumed {
            if !data.is_of(&record.data_fingerprint) {
                tell(format_args!("note: these are not the pictures it was trained on so far"));
            }
            let card = match folder.join("model.toml").is_file() {
                true => Card::read(folder)?,
                // A disk that was full took the checkpoint and no more.
                false => Card { arch_name: name_of(arch), seed: record.seed, ..self.card(folder, arch, recipe)? },
            };
            return Ok((state, History::read(&folder.join("training"), record.epoch)?, card));
        }
        let mut state = State::new(arch, recipe, self.seed, self.settings.0.ema, device);
        if let Some(name) = &self.from {
            let folder = model::folder(name);
            let theirs = model::card(name)?.arch;
            let mut weights = Weights::of_model(&folder, &theirs, device)?;
            if weights.critic.is_some() && !theirs.same_critic(arch) {
                tell(format_args!("note: what judges the pictures of {name} sees no classes, so a fresh judge begins"));
                weights.critic = None;
            }
            weights.fork(&mut state, device);
        }
        Ok((state, History::default(), self.card(folder, arch, recipe)?))
    }

    /// Refuses what cannot be meant, before anything is read.
    pub(super) fn refuse(&self, folder: &Path) -> anyhow::Result<()> {
        if model::sized(&self.model).1.is_some() {
            bail!("--model takes a name without a size; --size, or --from NAME@WxH, gives a texture's");
        }
        if self.rate.is_some_and(|r| !r.is_finite() || r <= 0.0) {
            bail!("--rate takes a learning rate above 0, such as 0.0002");
        }
        if !(0.0..=1e6).contains(&self.cache) {
            bail!("--cache takes gigabytes, such as 1.5");
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

    /// What is trained, and how.
    pub(super) fn networks(&self) -> anyhow::Result<(Arch, Recipe)> {
        let (arch, mut recipe) = match (&self.config, &self.from) {
            (_, Some(name)) => of_model(&model::card(name)?),
            (Some(path), _) => {
                let text = files::read_text(path)?;
                arch::read(&text).map_err(|why| anyhow!("{}: {why}", path.display()))?
            }
            _ => self.named()?,
        };
        if let Some(own) = self.own_recipe()? {
            recipe = own;
        }
        if let Some(batch) = self.settings.0.batch {
            recipe.batch_size = batch;
        }
        if let Some(rate) = self.rate {
            (recipe.critic_learning_rate, recipe.generator_learning_rate) = (rate, rate);
        }
        let arch = match self.size {
            Some(Size([w, h])) if arch.texture().is_some() || learns_larger(&arch) => arch.sized([h, w])?,
            _ => arch,
        };
        arch.check()?;
        recipe.check()?;
        let [_, _, channels] = arch.picture();
        if ![1, 3].contains(&channels) {
            bail!("pictures of {channels} channels cannot be shown; give networks for 1 (grey) or 3 (colour)");
        }
        if arch.is_filter() && !learns_larger(&arch) {
            bail!("a filter is played behind a model and not trained");
        }
        if learns_larger(&arch) {
            return self.larger(arch, recipe);
        }
        // What is gone on with may be one, whatever its name would be.
        if (self.faults.is_some() && !self.resume) || recipe.enlarge.is_some() {
            bail!("--faults and the recipe enlarge are for networks that make pictures larger: give --arch enlarge");
        }
        if let (Some(own), Some(_)) = (&mut recipe.texture, arch.texture()) {
            if let Some(features) = &self.features {
                own.features.clone_from(features);
            }
            own.variety = self.variety.unwrap_or(own.variety);
            recipe.check()?;
            return Ok((arch, recipe));
        }
        // What is gone on with may be one, whatever its name would be.
        if let Some(option) = self.option_of_textures().filter(|_| !self.resume) {
            bail!("{option} is for textures: give --arch texture");
        }
        if recipe.texture.is_some() {
            bail!("this recipe is for textures: give --arch texture");
        }
        if arch.texture().is_some() {
            bail!("a texture learns by its own recipe: leave out --recipe, or give texture or texture-quick");
        }
        if arch.critic().is_none() {
            bail!(
                "nothing judges the pictures of this network, so it is played and not trained; give a --config with a critic"
            );
        }
        Ok((arch, recipe))
    }

    /// A network that makes pictures larger, and how it learns.
    fn larger(&self, arch: Arch, mut recipe: Recipe) -> anyhow::Result<(Arch, Recipe)> {
        if self.classes {
            bail!("a network that makes pictures larger learns no classes; leave out --classes");
        }
        if self.variety.is_some() {
            bail!("--variety is for textures: give --arch texture");
        }
        if recipe.enlarge.is_none() && (self.recipe.is_some() || self.config.is_some()) {
            bail!("a network that makes pictures larger learns by its own recipe: leave out --recipe, or give enlarge");
        }
        let [h, w, _] = arch.picture();
        let scale = arch.enlarger().map_or(1, |layout| layout.scale());
        if h.min(w) < JUDGED || !JUDGED.is_multiple_of(scale) {
            bail!(
                "it learns from pictures of at least {JUDGED} pixels each way, and makes them 1, 2, 4 or 8 times larger"
            );
        }
        recipe.enlarge.get_or_insert_default();
        self.given_to(&mut recipe);
        recipe.check()?;
        Ok((arch, recipe))
    }

    /// Puts what is given now into the recipe of a network that makes pictures larger.
    fn given_to(&self, recipe: &mut Recipe) {
        let Some(own) = &mut recipe.enlarge else { return };
        if let Some(features) = &self.features {
            own.features.clone_from(features);
        }
        if let Some(faults) = &self.faults {
            own.faults.clone_from(faults);
        }
        own.print_every = self.settings.0.print_every.unwrap_or(own.print_every);
    }

    /// What a network that makes pictures larger is measured by, opened; none for other networks. What is given now is what
    /// the recipe has, and what is not here any more is done without.
    pub(super) fn beside(&self, arch: &Arch, recipe: &mut Recipe, chosen: &Chosen) -> anyhow::Result<Option<Beside>> {
        self.given_to(recipe);
        let (Some(layout), Some(own)) = (arch.enlarger(), &mut recipe.enlarge) else { return Ok(None) };
        if self.resume && self.faults.is_none() && !own.faults.is_empty() {
            let there = Path::new(&own.faults).exists() || model::folder(&own.faults).join("model.toml").is_file();
            if !there {
                tell(format_args!(
                    "note: {} is not here, whose faults it learnt by; --faults names others",
                    own.faults
                ));
                own.faults.clear();
            }
        }
        if self.resume && own.features != features::RANDOM && !Path::new(&own.features).is_file() {
            tell(format_args!(
                "note: {} is not here; random filters see now, or name a file with --features",
                own.features
            ));
            own.features = features::RANDOM.into();
        }
        let beside = Beside::open(own, &layout, &chosen.device)?;
        tell(format_args!("seen by {}", beside.says()));
        Ok(Some(beside))
    }

    /// The first option that is given and means something for textures alone.
    fn option_of_textures(&self) -> Option<&'static str> {
        let given = [
            ("--features", self.features.is_some()),
            ("--size", self.size.is_some()),
            ("--variety", self.variety.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// What a texture is compared by, opened; none for other networks. What is given now is what the recipe has.
    pub(super) fn sight(&self, arch: &Arch, recipe: &mut Recipe, chosen: &Chosen) -> anyhow::Result<Option<Sight>> {
        let (Some(texture), Some(own)) = (arch.texture(), &mut recipe.texture) else {
            if learns_larger(arch) {
                return Ok(None);
            }
            if let Some(option) = self.option_of_textures() {
                bail!("{option} ([train] features in a preset) is for textures, and {} is none", self.model);
            }
            return Ok(None);
        };
        own.variety = self.variety.unwrap_or(own.variety);
        if let Some(features) = &self.features {
            own.features.clone_from(features);
        } else if own.features != features::RANDOM && !Path::new(&own.features).is_file() {
            tell(format_args!(
                "note: {} is not here, which it was compared by; random filters do that now, or name a file with --features",
                own.features
            ));
            own.features = features::RANDOM.into();
            own.layers.clear();
        }
        if own.variety > 0.0 && recipe.batch_size == 1 {
            tell("note: --variety does nothing with batches of one picture");
        }
        recipe.check()?;
        let Some(own) = &recipe.texture else { return Ok(None) };
        let sight = Sight::open(own, texture, &chosen.device)?;
        tell(format_args!("compared by {}", sight.says()));
        Ok(Some(sight))
    }

    /// The architecture of the name that was given, and how it is usually trained.
    fn named(&self) -> anyhow::Result<(Arch, Recipe)> {
        let name = self.arch_name();
        let arch = Arch::named(name).with_context(|| {
            let names = NAMES.map(|(name, _)| name);
            let recipes = RECIPES.iter().map(|named| named.name).filter(|name| !names.contains(name));
            let known: Vec<&str> = names.into_iter().chain(recipes).collect();
            format!("there is no architecture \"{name}\"; known: {}", known.join(", "))
        })?;
        let given = self.arch.as_deref().filter(|name| Recipe::named(name).is_some());
        let recipe = Recipe::named(given.unwrap_or_else(|| Recipe::usual(name))).unwrap_or_default();
        Ok((arch, recipe))
    }

    /// The recipe that was given, by name or in a file.
    fn own_recipe(&self) -> anyhow::Result<Option<Recipe>> {
        let Some(name) = &self.recipe else { return Ok(None) };
        if let Some(recipe) = Recipe::named(name) {
            return Ok(Some(recipe));
        }
        let path = Path::new(name);
        if !path.is_file() {
            let known: Vec<&str> = RECIPES.iter().map(|named| named.name).collect();
            bail!("there is no recipe \"{name}\" and no such file; known: {}", known.join(", "));
        }
        let text = files::read_text(path)?;
        recipe::read(&text).map(Some).map_err(|why| anyhow!("{name}: {why}"))
    }

    /// The architecture that is asked for: its own name, or that of a recipe.
    fn arch_name(&self) -> &str {
        let of_recipe = |name: &str| RECIPES.iter().find(|named| named.name == name).map(|named| named.arch);
        match (&self.arch, &self.recipe) {
            (Some(name), _) if Arch::named(name).is_some() => name,
            (Some(name), _) => of_recipe(name).unwrap_or(name),
            (None, Some(name)) => of_recipe(name).unwrap_or("small"),
            (None, None) => "small",
        }
    }

    /// What the card says of the architecture.
    fn arch_word(&self) -> anyhow::Result<String> {
        Ok(match &self.from {
            Some(name) => Card::read(&model::folder(name))?.arch_name,
            None if self.config.is_some() => "custom".into(),
            None => self.arch_name().into(),
        })
    }

    /// Refuses options that a resumed training cannot follow. `arch` and `recipe` are what the options ask for.
    pub(super) fn same_training(
        &self,
        arch: &Arch,
        recipe: &Recipe,
        state: &State,
        record: &Record,
    ) -> anyhow::Result<()> {
        let saved = &state.recipe;
        let asked = Recipe {
            critic_learning_rate: saved.critic_learning_rate,
            generator_learning_rate: saved.generator_learning_rate,
            batch_size: saved.batch_size,
            grad_weight: saved.grad_weight,
            skip_below: saved.skip_below,
            texture: saved.texture.clone().filter(|_| recipe.texture.is_some()),
            enlarge: saved.enlarge.clone().filter(|_| recipe.enlarge.is_some()),
            ..recipe.clone()
        };
        let given = self.arch.is_some() || self.config.is_some() || self.recipe.is_some();
        let larger = learns_larger(arch) && arch.same_generator(&state.arch);
        let same = larger || *arch == state.arch || arch.with_classes(state.arch.classes()) == state.arch;
        if given && (self.arch.is_some() || self.config.is_some()) && !same {
            bail!("{} was begun with another architecture; leave out --arch and --config to go on", self.model);
        }
        if given && asked != *saved {
            bail!("{} was begun with another recipe; leave out --arch, --config and --recipe to go on", self.model);
        }
        if self.settings.0.batch.is_some_and(|batch| batch != saved.batch_size) {
            bail!("{} was begun with batches of {}; leave out --batch to go on", self.model, saved.batch_size);
        }
        if self.settings.0.ema.is_some() && self.settings.0.ema != record.ema {
            bail!("{} was begun with another --ema; leave it out to go on", self.model);
        }
        Ok(())
    }

    fn card(&self, folder: &Path, arch: &Arch, recipe: &Recipe) -> anyhow::Result<Card> {
        let (mut classes, mut licence) = (Vec::new(), String::new());
        if let Some(name) = &self.from {
            let before = Card::read(&model::folder(name))?;
            (classes, licence) = (before.classes, before.licence);
        }
        if classes.len() != arch.classes() {
            classes = numbers(arch);
        }
        Ok(Card {
            format: model::FORMAT,
            name: folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            arch_name: self.arch_word()?,
            z_dim: arch.z_dim(),
            step: 0,
            seed: self.seed,
            data: String::new(),
            data_count: 0,
            data_fingerprint: String::new(),
            licence: if self.licence.is_empty() { licence } else { self.licence.clone() },
            classes,
            notes: Vec::new(),
            flaneur: env!("CARGO_PKG_VERSION").into(),
            burn: BURN_VERSION.into(),
            arch: arch.clone(),
            recipe: recipe.clone(),
            score: None,
        })
    }
}

/// Whether it is a network that learns to make pictures larger.
fn learns_larger(arch: &Arch) -> bool {
    matches!(arch, Arch::Compact(_))
}

/// Names for classes that have none.
fn numbers(arch: &Arch) -> Vec<String> {
    (0..arch.classes()).map(|class| class.to_string()).collect()
}

/// What is read otherwise than before, in sentences.
fn changes(before: Kept, now: Kept) -> Vec<String> {
    let count = |subset: Option<usize>| subset.map_or("all pictures".to_owned(), |count| format!("{count} pictures"));
    let mirrored = |mirror: bool| if mirror { "mirrored ones too" } else { "no mirrored ones" };
    let mut texts = Vec::new();
    if before.fit != now.fit {
        texts.push(format!("pictures are fitted by {} from now on, by {} before", now.fit, before.fit));
    }
    if before.mirror != now.mirror {
        texts.push(format!("{} from now on, {} before", mirrored(now.mirror), mirrored(before.mirror)));
    }
    if before.subset != now.subset {
        texts.push(format!("{} from now on, {} before", count(now.subset), count(before.subset)));
    }
    texts
}

/// How many of the pictures, from the command line.
pub(super) fn subset(text: &str) -> Result<Subset, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(Subset(Some(count))),
        _ if text == "all" => Ok(Subset(None)),
        _ => Err("it takes a number of pictures, such as 500, or all".into()),
    }
}

/// The networks of a model and how they are trained; one that was imported knows nothing of that, and is trained as
/// its family usually is.
fn of_model(card: &Card) -> (Arch, Recipe) {
    let usual = match &card.arch {
        Arch::WganGp(_) => "wgan-gp",
        Arch::Mlp(_) => "lesson-torch",
        Arch::Dcgan(_) | Arch::Chain(_) => "dcgan3",
        Arch::Texture(_) | Arch::Style(_) | Arch::StyleGan2(_) | Arch::Rrdb(_) => "texture",
        Arch::Compact(_) => "enlarge",
    };
    let unknown = card.step == 0 && card.recipe == Recipe::default();
    let recipe = Recipe::named(usual).filter(|_| unknown).unwrap_or_else(|| card.recipe.clone());
    (card.arch.clone(), recipe)
}

/// The name of an architecture, if it has one.
fn name_of(arch: &Arch) -> String {
    let named = |name: &&str| Arch::named(name).is_some_and(|named| named.same_networks(arch));
    NAMES.map(|(name, _)| name).into_iter().find(|name| named(name)).unwrap_or("custom").to_owned()
}
