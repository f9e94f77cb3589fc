//! Our side of the comparison with other frameworks: `benches/peers/run` starts this program and talks to it.
//!
//! A line in, a line out, as the frameworks' side speaks it too (`benches/peers/frameworks/serve.py`).
//! Time is measured here, around one forward or one epoch, so that the pipe costs nothing.
//! Without `serve` among its arguments it says so and ends: `cargo bench` starts every bench.
//! `serve` draws from a thread that shares its work out, as a show's generator does; `serve training` works along,
//! as the trainer does. `serve gpu` and `serve gpu-half` draw on a graphics card, any adapter there is.
//!
//! | line | what it does | answer |
//! |---|---|---|
//! | `write ARCH SEED FOLDER` | a model with random weights, and pictures to train on | `ok` |
//! | `load FOLDER` | prepares its generator | `ok` |
//! | `z FILE` | reads what to draw, f32 rows | `ok`, then how it will be drawn |
//! | `name` | | `ok`, then its device in words |
//! | `threads` | | `ok`, then how many share the CPU's work |
//! | `forward` | draws it | `ms`, then milliseconds |
//! | `bytes` | draws it as a show does, to bytes on the device where that is one | `ms`, then milliseconds |
//! | `stream COUNT` | the same, each begun before the one before is waited for | `ms`, then milliseconds each |
//! | `output FILE` | writes the pictures drawn last, f32 `[n, h, w, c]` in −1..1, or levels after `bytes` | `ok` |
//! | `train FOLDER` | begins a training of that model | `ok` |
//! | `epoch` | 5 critic updates and one of the generator, or of a DCGAN one of each | `ms`, milliseconds, and the losses |
//!
//! What cannot be done is answered by `error` and the reason; the end of the input ends it.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;
use std::{fs, io};

use anyhow::{Context, bail};
use burn::tensor::{Device, Tensor, TensorData};
use flaneur::dataset::lines::Rules;
use flaneur::dataset::store::Store;
use flaneur::model::arrays::Incoming;
use flaneur::model::{self, BURN_VERSION, CRITIC, Card, Model, WEIGHTS};
use flaneur::net::arch::Arch;
use flaneur::net::chain::{self, Value};
use flaneur::net::device::{self, Chosen, Wanted};
use flaneur::net::draw::Ready;
use flaneur::net::params::{Param, Params, Statistics, floats};
use flaneur::net::recipe::Recipe;
use flaneur::random::RandomState;
use flaneur::trainer::step::State;

/// The pictures to train on, in a model's folder: bytes in `[n, h, w, c]`.
const PICTURES: &str = "pictures.u8";
const PICTURE_COUNT: u64 = 64;
const CRITIC_STEPS: u32 = 5;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "serve") {
        println!("peer: nothing to measure alone; benches/peers/run compares with other frameworks");
        return Ok(());
    }
    flaneur::memory::configure();
    let behind = arguments.iter().skip_while(|argument| *argument != "serve").nth(1).map(String::as_str);
    let wanted = match behind.filter(|word| !word.starts_with("--")) {
        Some("gpu-half") => Wanted::GpuHalf,
        Some("gpu") => Wanted::Gpu,
        Some("training") => {
            flaneur::worker::work_along()?;
            Wanted::Cpu
        }
        Some(_) => return Err(io::Error::other("after serve comes nothing, training, gpu or gpu-half")),
        None => Wanted::Cpu,
    };
    let drawing = device::choose(wanted).map_err(io::Error::other)?;
    let mut server =
        Server { device: Device::flex(), drawing, ready: None, z: Vec::new(), pictures: Vec::new(), training: None };
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = server.answer(line?.trim()).unwrap_or_else(|error| format!("error {error:#}"));
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// What the lines before have left.
struct Server {
    /// What writes and trains.
    device: Device,
    drawing: Chosen,
    ready: Option<Ready>,
    /// Rows of z, one after the other.
    z: Vec<f32>,
    /// The pictures drawn last.
    pictures: Vec<f32>,
    training: Option<(State, Store)>,
}

impl Server {
    fn answer(&mut self, line: &str) -> anyhow::Result<String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let path = Path::new(rest);
        match word {
            "write" => {
                let mut parts = rest.splitn(3, ' ');
                let [name, seed, folder] = [(); 3].map(|()| parts.next().unwrap_or_default());
                write(name, seed.parse().context("SEED is a number")?, Path::new(folder), &self.device)?;
                Ok("ok".into())
            }
            "load" => {
                self.ready = Some(Model::read(rest, &self.drawing.device)?.ready(self.drawing.half));
                Ok("ok".into())
            }
            "z" => {
                self.z = fs::read(path)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                Ok(format!("ok {}", self.ready.as_ref().context("load comes first")?.way()))
            }
            "threads" => Ok(format!("ok {}", rayon::current_num_threads())),
            "name" => Ok(format!("ok {}", self.drawing.name)),
            "forward" => self.forward(),
            "bytes" => self.bytes(),
            "stream" => self.stream(rest.parse().context("COUNT is a number")?),
            "output" => {
                fs::write(path, self.pictures.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
                Ok("ok".into())
            }
            "train" => {
                self.training = Some(training(path, &self.device)?);
                Ok("ok".into())
            }
            "epoch" => self.epoch(),
            _ => bail!("there is no \"{word}\""),
        }
    }

    /// From numbers to numbers: what goes in and comes out lies in the program's own memory, as it does
    /// where it is used, and as it must on the other side.
    fn forward(&mut self) -> anyhow::Result<String> {
        let ready = self.ready.as_ref().context("load comes first")?;
        let (rows, values) = (self.z.len() / ready.arch().z_dim(), self.z.clone());
        let start = Instant::now();
        let z = Tensor::from_data(TensorData::new(values, [rows, ready.arch().z_dim()]), &self.drawing.device);
        self.pictures = floats(ready.pictures(z, &Vec::new()));
        Ok(format!("ms {:.4}", start.elapsed().as_secs_f64() * 1e3))
    }

    /// As [`Self::forward`], to bytes; `output` then writes these.
    fn bytes(&mut self) -> anyhow::Result<String> {
        let (ready, z) = (self.ready.as_ref().context("load comes first")?, self.rows()?);
        let start = Instant::now();
        let bytes = ready.bytes(&z);
        let ms = start.elapsed().as_secs_f64() * 1e3;
        self.pictures = bytes.into_iter().map(f32::from).collect();
        Ok(format!("ms {ms:.4}"))
    }

    /// One is begun while another one is on its way, as the generator's thread does it.
    fn stream(&mut self, count: u32) -> anyhow::Result<String> {
        let (ready, z) = (self.ready.as_ref().context("load comes first")?, self.rows()?);
        let start = Instant::now();
        let mut last = ready.begin(&z);
        for _ in 1..count {
            let next = ready.begin(&z);
            last.wait();
            last = next;
        }
        last.wait();
        Ok(format!("ms {:.4}", start.elapsed().as_secs_f64() * 1e3 / f64::from(count.max(1))))
    }

    /// What is to be drawn, row by row.
    fn rows(&self) -> anyhow::Result<Vec<Vec<f32>>> {
        let length = self.ready.as_ref().context("load comes first")?.arch().z_dim();
        Ok(self.z.chunks(length).map(<[f32]>::to_vec).collect())
    }

    fn epoch(&mut self) -> anyhow::Result<String> {
        let (state, data) = self.training.as_mut().context("train comes first")?;
        let start = Instant::now();
        let l = state.epoch(data, CRITIC_STEPS, &self.device)?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        Ok(format!(
            "ms {ms:.3} {:e} {:e} {:e} {:e} {:e}",
            l.values[0], l.values[1], l.values[2], l.values[3], l.values[4]
        ))
    }
}

/// Writes a model folder whose every array matters.
fn write(name: &str, seed: u32, folder: &Path, device: &Device) -> anyhow::Result<()> {
    let arch = Arch::named(name).with_context(|| format!("there is no architecture \"{name}\""))?;
    let mut random = RandomState::new(seed);
    let mut generator = Params::init(&arch.generator_plans(), &mut random, device);
    let mut critic = Params::init(&arch.critic_plans(), &mut random, device);
    generator.list.iter_mut().chain(&mut critic.list).for_each(|param| stir(param, &mut random, device));
    settle(&arch, &mut generator, &mut random, device);
    fs::create_dir_all(folder)?;
    model::write_weights(&folder.join(WEIGHTS), &generator, None, false)?;
    model::write_critic(&folder.join(CRITIC), &critic, false)?;
    let rules = Rules { size: arch.picture()[0], ..Rules::default() };
    let pictures: Vec<u8> = (0..PICTURE_COUNT).flat_map(|i| rules.paint(&rules.draw(seed, i))).collect();
    fs::write(folder.join(PICTURES), pictures)?;
    let card = Card {
        format: model::FORMAT,
        name: name.into(),
        arch_name: name.into(),
        z_dim: arch.z_dim(),
        step: 0,
        seed,
        data: PICTURES.into(),
        data_count: PICTURE_COUNT as usize,
        data_fingerprint: String::new(),
        licence: String::new(),
        classes: Vec::new(),
        notes: Vec::new(),
        flaneur: env!("CARGO_PKG_VERSION").into(),
        burn: BURN_VERSION.into(),
        arch,
        recipe: Recipe::default(),
        score: None,
    };
    Ok(card.write(folder)?)
}

/// Biases, scales and shifts begin at 0 and 1, where a fault in them would not be seen.
fn stir(param: &mut Param, random: &mut RandomState, device: &Device) {
    let (middle, spread) = match param.name.rsplit('.').next() {
        Some("bias") => (0.0, 0.05),
        Some("gamma") => (1.0, 0.2),
        Some("beta") => (0.0, 0.2),
        _ => return,
    };
    set(param, device, |_| middle + spread * random.normal() as f32);
}

/// Gives the moving statistics what they would be about after a long training: near those of what
/// passes through the layers, so that pictures are neither flat nor saturated, but not equal to them.
fn settle(arch: &Arch, generator: &mut Params, random: &mut RandomState, device: &Device) {
    let rows = 32;
    let values: Vec<f32> = random.normals(rows * arch.z_dim()).iter().map(|v| *v as f32).collect();
    let z = Tensor::<2>::from_data(TensorData::new(values, [rows, arch.z_dim()]), device).autodiff();
    let statistics = chain::train(&arch.generator(), &generator.tracked(), Value::Flat(z), &Vec::new()).statistics;
    generator.follow(statistics.into_iter().map(|s| Statistics { momentum: 0.0, ..s }).collect());
    for param in &mut generator.list {
        match param.name.rsplit('.').next() {
            Some("moving_mean") => set(param, device, |v| v + 0.05 * random.normal() as f32),
            Some("moving_variance") => set(param, device, |v| v * (0.2 * random.normal() as f32).exp()),
            _ => (),
        }
    }
}

fn set(param: &mut Param, device: &Device, change: impl FnMut(f32) -> f32) {
    let values: Vec<f32> = param.values().into_iter().map(change).collect();
    let len = values.len();
    param.value = Tensor::from_data(TensorData::new(values, [len]), device);
}

/// The networks of a model folder with fresh optimisers, and the pictures beside them.
fn training(folder: &Path, device: &Device) -> anyhow::Result<(State, Store)> {
    let Model { card, generator, .. } = Model::read(&folder.to_string_lossy(), device)?;
    // A DCGAN as PyTorch's tutorial trains it: an epoch is then one step of each network.
    let recipe = match card.arch {
        Arch::WganGp(_) => card.recipe.clone(),
        _ => Recipe::named("dcgan2").context("there is such a recipe")?,
    };
    let critic = Incoming::open(&folder.join(CRITIC))?.params("critic", &card.arch.critic_plans(), device)?;
    let mut state = State::new(&card.arch, &recipe, card.seed, None, device);
    state.replace(generator, None, Some(critic), device);
    let data = Store::of_bytes(fs::read(folder.join(PICTURES))?, card.arch.picture());
    Ok((state, data))
}
