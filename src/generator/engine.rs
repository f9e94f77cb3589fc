//! The network at work: its weights and their blends, and pictures that are being drawn.
//!
//! Owned by the generator's thread ([`super::thread`]), which asks it; a fault is a panic or a reason here, and
//! what becomes of it is decided there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::learnt::State;
use super::slots::{Ask, Blend, Glide, Liveness, Shown, Slots};
use super::{Drawn, Loaded};
use crate::latent::space::Space;
use crate::latent::style::Mapped;
use crate::latest::lock;
use crate::model::arrays::Incoming;
use crate::model::{self, Model};
use crate::net::arch::Arch;
use crate::net::device::Chosen;
use crate::net::draw::Ready;
use crate::net::ops;
use crate::net::params::{Params, Plan};
use crate::net::pending::Pending;
use crate::picture::Picture;
use crate::worker::caught;

/// Batch sizes drawn once before a model is shown: a graphics card's kernels are compiled on their first use, which
/// takes long. The CPU has nothing to compile, and one picture tells whether the network works.
const WARM: [usize; 4] = [1, 2, 4, 8];

/// What draws pictures of latents.
pub(super) trait Draws {
    /// Begins pictures of latents `[z_dim + classes]`.
    fn begin(&self, latents: &[Vec<f32>]) -> Pending;
    /// Draws with other weights from now on.
    fn renew(&mut self, params: &Params);
}

impl Draws for Ready {
    fn begin(&self, latents: &[Vec<f32>]) -> Pending {
        Self::begin(self, latents)
    }

    fn renew(&mut self, params: &Params) {
        Self::renew(self, params);
    }
}

/// The network at work.
pub(super) struct Engine {
    ready: Box<dyn Draws>,
    pub(super) arch: Arch,
    /// Its weights as they were read, and those of the model before it where both have the same arrays.
    own: Params,
    pub(super) before: Option<Params>,
    /// The ends of the last glide between learnt states, both its own weights until there is one.
    from: Params,
    to: Params,
    /// The weights that are shown.
    pub(super) blend: Blend,
    /// What the last blend took, and when it was made.
    blending: (Duration, Instant),
    /// Whether a glide began elsewhere than at the weights that are drawn with.
    stale: bool,
    /// The critic's weights.
    pub(super) critic: Option<Params>,
    pub(super) name: String,
    /// Which of the models of a show it is.
    pub(super) number: u64,
    shape: [usize; 3],
}

/// A blend during a glide costs at most this share of the time.
const BLENDING: u32 = 4;

impl Engine {
    /// A network as it was read.
    pub(super) fn new(name: &str, arch: Arch, ready: Box<dyn Draws>, own: Params, critic: Option<Params>) -> Self {
        Self {
            ready,
            from: own.clone(),
            to: own.clone(),
            own,
            before: None,
            blend: Blend::WHOLE,
            blending: (Duration::ZERO, Instant::now()),
            stale: false,
            critic,
            name: name.to_owned(),
            number: 0,
            shape: arch.picture(),
            arch,
        }
    }

    /// Where a glide is at `share`.
    fn learnt(&self, share: f64) -> Params {
        match share {
            share if share >= 1.0 => self.to.clone(),
            share if share <= 0.0 => self.from.clone(),
            share => self.from.blend(&self.to, share as f32),
        }
    }

    /// The weights that are shown. At the ends nothing is computed, so that they are the bytes of the files.
    pub(super) fn weights(&self) -> Params {
        let learnt = match self.blend.learnt {
            share if share >= 1.0 => self.learnt(self.blend.share),
            share if share <= 0.0 => self.own.clone(),
            share => self.own.blend(&self.learnt(self.blend.share), share as f32),
        };
        match &self.before {
            Some(before) if self.blend.mix < 1.0 => before.blend(&learnt, self.blend.mix as f32),
            _ => learnt,
        }
    }

    /// Shows another blend.
    pub(super) fn show(&mut self, blend: Blend) {
        let start = Instant::now();
        self.blend = blend;
        self.ready.renew(&self.weights());
        self.blending = (start.elapsed(), Instant::now());
        self.stale = false;
    }

    /// Whether another blend is due. The steps of a glide wait until they are cheap; hands and ends do not.
    pub(super) fn due(&self, wanted: Blend, exact: bool) -> bool {
        let only_share = Blend { share: self.blend.share, ..wanted } == self.blend;
        let (took, at) = self.blending;
        // A film whose glide ends and the next one begins within a frame is drawn with the end of the first.
        if exact && self.stale {
            return true;
        }
        wanted != self.blend && (exact || !only_share || wanted.share >= 1.0 || at.elapsed() >= took * BLENDING)
    }

    /// Begins the glides that wait, up to the one that is wanted. The queue is not held meanwhile.
    pub(super) fn follow_glides(&mut self, slots: &Slots, wanted: u64) {
        loop {
            let next = lock(&slots.glides).pop_front_if(|glide| glide.number <= wanted);
            let Some(Glide { number, left_at, to }) = next else { return };
            if to.model == self.name {
                self.stale |= left_at != self.blend.share;
                self.from = self.learnt(left_at);
                self.take_state(&to);
            }
            self.blend = Blend { glide: number, share: 0.0, ..self.blend };
        }
    }

    /// Shows what a network on a device before this one did: its learnt states, in their order, at a blend. What
    /// cannot be blended is shown as it was read.
    pub(super) fn restore(&mut self, shown: &Shown, blend: Blend) {
        for state in &shown.states {
            if state.model == self.name {
                self.from = self.to.clone();
                self.take_state(state);
            }
        }
        let _ = caught(|| self.show(blend));
    }

    fn take_state(&mut self, state: &State) {
        let device = self.own.list.first().map(|p| p.value.device()).unwrap_or_default();
        // The show checks that states are of this model's networks; one that came late is of no use.
        let fits = |plans: &[Plan], arrays: &[Vec<f32>]| {
            plans.len() == arrays.len() && plans.iter().zip(arrays).all(|(plan, values)| plan.len() == values.len())
        };
        let plans = self.arch.generator_plans();
        if fits(&plans, &state.generator) {
            self.to = Params::of(&plans, &state.generator, &device);
        }
        let plans = self.arch.critic_plans();
        if !plans.is_empty() && fits(&plans, &state.critic) {
            self.critic = Some(Params::of(&plans, &state.critic, &device));
        }
    }

    /// Comes after another network, so that a blend of both can be shown.
    pub(super) fn follow(&mut self, before: &Self) {
        let again = before.name == self.name && before.arch.same_networks(&self.arch);
        if again {
            // A model that is read again, or built again after a fault, goes on where it was.
            self.before.clone_from(&before.before);
            (self.from, self.to) = (before.from.clone(), before.to.clone());
            self.critic = before.critic.clone().or(self.critic.take());
            return self.show(before.blend);
        }
        if before.arch.same_networks(&self.arch) {
            self.before = Some(before.weights());
        }
        self.show(Blend { share: 1.0, ..before.blend });
    }

    /// Begins to draw; [`Self::take`] takes what it gives.
    fn begin(&self, latents: &[Vec<f32>]) -> Pending {
        self.ready.begin(latents)
    }

    /// The pictures of `count` latents. Panics if the device gave something else, as one that is gone does.
    fn take(&self, pending: Pending, count: usize) -> Vec<Picture> {
        let pictures = Picture::batch(pending.wait(), self.shape);
        assert!(pictures.len() == count, "the device gave {} pictures instead of {count}", pictures.len());
        pictures
    }

    pub(super) fn draw(&self, latents: &[Vec<f32>]) -> Vec<Picture> {
        self.take(self.begin(latents), latents.len())
    }

    /// Begins what is asked for; gives it back with the reason where that fails.
    pub(super) fn start(&self, ask: Ask, rehearsed: Rehearsed) -> Result<InFlight, (Ask, String)> {
        let start = Instant::now();
        let begun = caught(|| {
            let any = |far: fn(f32) -> bool| ask.pose.latents.iter().any(|z| z.first().is_some_and(|v| far(*v)));
            assert!(!rehearsed.fault || !any(|v| v >= 99.0), "a rehearsed fault");
            match rehearsed.silence && any(|v| v <= -99.0) {
                true => Pending::coming(std::future::pending()),
                false => self.begin(&ask.pose.inputs()),
            }
        });
        match begun {
            Ok(pending) => Ok(InFlight { ask, pending, start, told: start }),
            Err(panic) => Err((ask, panic)),
        }
    }

    /// Waits for what was begun.
    pub(super) fn finish(&self, InFlight { ask, pending, start, .. }: InFlight) -> Result<Drawn, String> {
        let pictures = Arc::new(caught(|| self.take(pending, ask.pose.latents.len()))?);
        Ok(Drawn { pose: ask.pose, pictures, version: ask.version, took: start.elapsed() })
    }
}

/// Which faults are rehearsed (`worker::rehearsing`): a panic, and a card that never answers.
#[derive(Clone, Copy, Default)]
pub(super) struct Rehearsed {
    pub(super) fault: bool,
    pub(super) silence: bool,
}

/// Pictures that are being drawn.
pub(super) struct InFlight {
    pub(super) ask: Ask,
    pub(super) pending: Pending,
    /// When the device could begin with them, and when it was told to.
    pub(super) start: Instant,
    pub(super) told: Instant,
}

/// Products of a network whose judge may score beside a show: its pictures wait for that, tenths of a second.
fn most_scored(card: bool) -> usize {
    if card { 60_000_000_000 } else { 1_500_000_000 }
}

/// Reads and tries a model; it is not at work yet.
///
/// # Errors
/// What is wrong with the model, or why the device cannot draw it.
pub(super) fn load(name: &str, chosen: &Chosen, liveness: &Liveness) -> Result<(Engine, Loaded), String> {
    let built = caught(|| {
        let model = Model::read(name, &chosen.device).map_err(|e| e.to_string())?;
        liveness.step();
        let ready = Box::new(model.ready(chosen.half));
        let mut notes = model.notes;
        let w = ready.mapping().map(|mapping| Mapped(mapping));
        let (arch, own, classes) = (model.card.arch, model.generator, Arc::new(model.card.classes));
        let space = Space { dim: arch.z_dim(), classes, model: 0, manner: arch.manner(), w };
        let folder = model::folder(name);
        let critic = Incoming::open(&folder.join(model::CRITIC))
            .and_then(|file| file.params("critic", &arch.critic_plans(), &chosen.device))
            .ok()
            .filter(|critic| !critic.list.is_empty())
            .filter(|_| match arch.styled().filter(|own| own.products() > most_scored(chosen.card)) {
                None => true,
                Some(_) => {
                    notes.push("its discriminator takes too long beside a show: t.critic is 0".into());
                    false
                }
            });
        let engine = Engine::new(name, arch, ready, own, critic);
        let sizes = if ops::ours(&chosen.device) { &WARM[..1] } else { &WARM };
        for &count in sizes {
            engine.draw(&vec![vec![0.0; space.dim]; count]);
            liveness.step();
        }
        let fingerprint = super::fingerprint_of(&folder.join(model::WEIGHTS)).map_err(|e| e.to_string())?;
        let (arch, critic) = (engine.arch.clone(), engine.critic.is_some());
        let size = [engine.shape[0], engine.shape[1]];
        let loaded = Loaded { name: name.to_owned(), folder, space, size, fingerprint, arch, critic, notes };
        Ok((engine, loaded))
    });
    built.unwrap_or_else(|panic| Err(format!("the network failed while it was tried: {panic}")))
}
