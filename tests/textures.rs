//! Textures as a show draws them: a patch leaves its ground alone, a loop closes, edges join, and filters paint.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use flaneur::generator::Generator;
use flaneur::latent::pose::Pose;
use flaneur::latent::texture::{Manner, Patch, SCORES};
use flaneur::latent::walk;
use flaneur::net::arch::Arch;
use flaneur::net::device::Wanted;
use flaneur::net::draw::Ready;
use flaneur::net::families::style::{Residual, Style};
use flaneur::net::families::texture::Texture;
use flaneur::net::params::Params;
use flaneur::random::RandomState;
use flaneur::report::Board;

const SIDE: usize = 384;

/// A network with random weights and the statistics of what it draws.
fn ready() -> Ready {
    let device = Device::flex();
    let texture = Texture { size: [SIDE; 2], ..Texture::default() };
    let params = Params::init(&texture.plans(), &mut RandomState::new(5), &device);
    let mut random = RandomState::new(6);
    let plane = |[h, w]: [usize; 2]| {
        let values: Vec<f32> = (0..h * w * 3).map(|_| random.uniform() as f32).collect();
        Tensor::from_data(TensorData::new(values, [1, h, w, 3]), &device)
    };
    let sizes = texture.pyramid().sizes([64; 2]).unwrap();
    let params = texture.pyramid().measured(&params, sizes.into_iter().map(plane).collect());
    Ready::new(&Arch::Texture(texture), &params, true)
}

fn z(seed: u32) -> Vec<f64> {
    RandomState::new(seed).normals(6 * SCORES)
}

fn narrow(z: &[f64], manner: &Manner) -> Vec<f32> {
    z.iter().map(|v| *v as f32).chain(manner.numbers(6)).collect()
}

/// Outside of a patch not a byte changes, wherever it is.
#[test]
fn a_patch_that_moves_leaves_its_ground_alone() {
    let (ready, z) = (ready(), z(1));
    let at = |x: f64| Manner {
        patch: Some(Patch { share: 1.0, seed: 3.0, x, y: 0.5, side: 0.25, soft: 0.5 }),
        ..Manner::default()
    };
    let plain = ready.bytes(&[narrow(&z, &Manner::default())]);
    // Six and a half pixels further: no step of any scale.
    let places = [0.5, 0.5 + 6.5 / SIDE as f64];
    let pictures = places.map(|x| ready.bytes(&[narrow(&z, &at(x))]));
    let within =
        |at: usize, from: f64, to: f64| (from * SIDE as f64 - 1.0..=to * SIDE as f64 + 1.0).contains(&(at as f64));
    for (picture, x) in pictures.iter().zip(places) {
        let (mut ground, mut moved) = (0, 0);
        for (at, (a, b)) in picture.chunks_exact(3).zip(plain.chunks_exact(3)).enumerate() {
            if within(at % SIDE, x, x + 0.25) && within(at / SIDE, 0.5, 0.75) {
                moved += usize::from(a != b);
            } else {
                assert_eq!(a, b, "at {}, {}", at % SIDE, at / SIDE);
                ground += 1;
            }
        }
        assert!(ground > 100_000 && moved > 2_000, "{ground} {moved}");
    }
    assert_ne!(pictures[0], pictures[1]);
}

#[test]
fn a_loop_closes_and_pictures_join_with_themselves() {
    let ready = ready();
    let frame = |phase: f64, x: f64| {
        let mut manner = Manner::default();
        (0..6).for_each(|scale| manner.slide(scale).x = x);
        ready.bytes(&[narrow(&walk::circle(&z(1), &z(2), phase), &manner)])
    };
    let (first, last) = (frame(0.0, 0.0), frame(1.0, 0.0));
    assert!(first.iter().zip(&last).all(|(a, b)| a.abs_diff(*b) <= 1));
    assert_ne!(first, frame(0.5, 0.0));
    // The step over the edge is like any other between two columns.
    let step = |from: usize, to: usize| -> f64 {
        let line = |y: usize, x: usize| &first[(y * SIDE + x) * 3..][..3];
        let difference =
            |y: usize| line(y, from).iter().zip(line(y, to)).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>();
        (0..SIDE).map(difference).sum()
    };
    let inside: Vec<f64> = (0..SIDE - 1).map(|x| step(x, x + 1)).collect();
    let most = inside.iter().copied().fold(0.0, f64::max);
    assert!(step(SIDE - 1, 0) <= most * 1.1, "{} {most}", step(SIDE - 1, 0));
}

/// A filter behind a generator changes its pictures, as much as is asked for, and one that is none is left out.
#[test]
fn a_filter_paints_what_the_network_draws() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let write = |name: &str, arch: Arch| {
        common::make_model(home, name, arch, Vec::new());
        home.join("models").join(name).display().to_string()
    };
    let small = Residual { channels: [4, 4, 8], blocks: 1, ..Residual::default() };
    let filter = write("filter", Arch::Style(Style::Residual(small)));
    let texture = write("texture", Arch::Texture(Texture { size: [32; 2], ..Texture::default() }));
    let board = Board::default();
    let (mut generator, loaded) = Generator::start(&texture, Wanted::Cpu, &board).unwrap();
    assert_eq!((loaded.size, loaded.space.manner > 0), ([32, 32], true));
    let pose = Arc::new(Pose::of(z(1).iter().map(|v| *v as f32).collect()));
    let drawn = |generator: &mut Generator| {
        generator.ask(&pose);
        generator.wait().unwrap();
        generator.shown().unwrap().pictures[0].pixels.clone()
    };
    let plain = drawn(&mut generator);
    generator.set_filters(std::slice::from_ref(&filter));
    let painted = drawn(&mut generator);
    assert_ne!(plain, painted);
    generator.set_then(0.0);
    assert_eq!(drawn(&mut generator), plain);
    generator.set_then(0.5);
    let half = drawn(&mut generator);
    let between = |((a, b), c): ((&u8, &u8), &u8)| (a.min(b)..=a.max(b)).contains(&c);
    assert!(half != plain && plain.iter().zip(&painted).zip(&half).all(between));
    // What is no filter, or is not there, is said and left out.
    generator.set_then(1.0);
    generator.set_filters(&[texture.clone(), home.join("none").display().to_string()]);
    assert_eq!(drawn(&mut generator), plain);
    assert!(board.lines().iter().any(|line| line.text.contains("without it")));
    assert!(Generator::start(&filter, Wanted::Cpu, &board).is_err());
}
