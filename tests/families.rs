//! Generators of every family draw what the definitions of their layers say, whichever way draws them: packed, folded,
//! by burn's own operations, layer by layer. Families in all their shapes, and chains that were put together at random.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

#[path = "common/plain.rs"]
mod plain;

use burn::tensor::{Device, Tensor, TensorData};
use flaneur::net::arch::Arch;
use flaneur::net::chain::{self, Value};
use flaneur::net::draw::Ready;
use flaneur::net::families::Family;
use flaneur::net::families::chain::{Layers, Named};
use flaneur::net::families::dcgan::Dcgan;
use flaneur::net::families::mlp::Mlp;
use flaneur::net::families::wgan_gp::WganGp;
use flaneur::net::geometry::Padding;
use flaneur::net::layers::{Activation, Init, Layer, Shape};
use flaneur::net::params::floats;
use flaneur::random::RandomState;
use plain::{Norms, normals};

/// Difference of a value of −1..1 at most. Products by transforms lose some digits of f32.
const NEAR: f64 = 5e-5;

/// How pictures of an architecture were drawn.
struct Drawn {
    /// How far the ways are from the definition at most.
    worst: f64,
    /// The largest value.
    spread: f64,
    /// How packed weights went.
    way: String,
}

/// Draws `n` pictures in every way.
fn check(arch: &Arch, n: usize, random: &mut RandomState) -> Drawn {
    let name = format!("{arch:?}");
    arch.check().unwrap_or_else(|error| panic!("{name}: {error}"));
    let (chain, device) = (arch.generator(), Device::flex());
    let params = plain::params(&chain.plans(), random);
    let z = normals(random, n * arch.input_len(), 1.0);
    let expected = plain::forward(&chain, &plain::arrays(&params), &plain::doubles(&z), &[], Norms::Moving);
    let spread = expected.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    let tensor = || Tensor::<2>::from_data(TensorData::new(z.clone(), [n, arch.input_len()]), &device);
    let packed = Ready::new(arch, &params, true);
    let by_layers = || chain::evaluate(&chain, &params, Value::Flat(tensor()), &Vec::new()).map();
    let ways = [
        ("packed", floats(packed.pictures(tensor(), &Vec::new()))),
        ("folded", floats(Ready::new(arch, &params, false).pictures(tensor(), &Vec::new()))),
        ("burn's", floats(Ready::reference(arch, &params).pictures(tensor(), &Vec::new()))),
        ("by layers", floats(by_layers())),
    ];
    let mut worst: f64 = 0.0;
    for (way, found) in &ways {
        assert_eq!(found.len(), expected.len(), "{name} {way}");
        let apart = found.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        let apart = apart / spread.max(1.0);
        assert!(apart < NEAR, "{name}\n{way} ({}): {apart:.1e} apart", packed.way());
        worst = worst.max(apart);
    }
    let rows: Vec<Vec<f32>> = z.chunks(arch.input_len()).map(<[f32]>::to_vec).collect();
    for ready in [&packed, &Ready::new(arch, &params, false)] {
        let bytes = ready.bytes(&rows);
        assert_eq!(bytes.len(), expected.len(), "{name}");
        for (byte, value) in bytes.iter().zip(&expected) {
            let level = (value + 1.0) * 127.5;
            // Rounded down, where a value that is near a whole number may fall on either side.
            let [low, high] = [level - 0.02, level + 0.02].map(|level| level.clamp(0.0, 255.0) as u8);
            assert!((low..=high).contains(byte), "{name}: byte {byte} at level {level}");
        }
    }
    Drawn { worst, spread, way: packed.way() }
}

fn check_all(archs: &[Arch], packed: bool) {
    let mut random = RandomState::new(21);
    for arch in archs {
        // One, and one more than are drawn together.
        for n in [1, 5] {
            let Drawn { worst, spread, way } = check(arch, n, &mut random);
            assert!(spread > 0.05, "{arch:?}: the pictures are flat");
            println!("{worst:.1e} apart: {way}");
            assert_eq!(way.contains("packed weights:"), packed, "{arch:?}: {way}");
        }
    }
}

#[test]
fn dcgans_of_every_size() {
    let small = |size, channels, classes| {
        Arch::Dcgan(Dcgan { size, channels, classes, z_dim: 9, features: 3, ..Dcgan::default() })
    };
    let archs = [small(8, 3, 0), small(16, 1, 0), small(32, 4, 2), small(64, 3, 0), small(64, 3, 8), small(128, 3, 8)];
    check_all(&archs, true);
    let dropped = Dcgan { size: 16, z_dim: 9, features: 5, generator_dropout: Some(0.3), ..Dcgan::default() };
    check_all(&[Arch::Dcgan(dropped)], true);
}

#[test]
fn dense_networks() {
    let base = Mlp { input_dim: [7, 5, 3], z_dim: 6, generator_units: vec![8, 20], ..Mlp::default() };
    let archs = [
        Arch::Mlp(base.clone()),
        Arch::Mlp(Mlp { classes: 10, ..base.clone() }),
        Arch::Mlp(Mlp { generator_batch_norm_momentum: None, negative_slope: 0.0, ..base.clone() }),
        Arch::Mlp(Mlp { generator_units: vec![], ..base }),
    ];
    check_all(&archs, false);
}

#[test]
fn the_lines_with_other_kernels() {
    let lines = |upsample: [usize; 3], kernels: [usize; 3]| {
        let strides = upsample.map(|factor| if factor == 2 { 1 } else { 2 });
        Arch::WganGp(WganGp {
            input_dim: [32, 48, 3],
            generator_initial_dense_layer_size: [4, 6, 5],
            generator_upsample: upsample.to_vec(),
            generator_conv_filters: vec![9, 8, 3],
            generator_conv_kernel_size: kernels.to_vec(),
            generator_conv_strides: strides.to_vec(),
            generator_batch_norm_momentum: Some(0.8),
            z_dim: 7,
            ..WganGp::small()
        })
    };
    check_all(&[lines([1, 1, 1], [6, 6, 6]), lines([1, 1, 1], [10, 3, 4]), lines([2, 1, 2], [5, 2, 3])], true);
}

const CURVES: [Activation; 6] = [
    Activation::LeakyRelu(0.2),
    Activation::Relu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Elu,
    Activation::Selu,
];

fn pick<T: Copy>(random: &mut RandomState, from: &[T]) -> T {
    from[(random.uniform() * from.len() as f64) as usize % from.len()]
}

/// Whether something is so, with this chance.
fn maybe(random: &mut RandomState, chance: f64) -> bool {
    random.uniform() < chance
}

/// A norm, a curve and a dropout, or some of them, in the usual order or another one.
fn behind(random: &mut RandomState, map: bool) -> Vec<Layer> {
    let (eps, affine) = (pick(random, &[1e-5, 1e-3, 0.1]), maybe(random, 0.8));
    let norm = match map && maybe(random, 0.2) {
        true => Layer::InstanceNorm { eps, affine },
        false => Layer::BatchNorm { eps, momentum: 0.9, unbiased: false, affine },
    };
    let mut layers = Vec::new();
    if maybe(random, 0.5) {
        layers.push(norm);
    }
    if maybe(random, 0.8) {
        layers.push(Layer::Activation { curve: pick(random, &CURVES) });
    }
    if maybe(random, 0.1) {
        layers.reverse();
    }
    if maybe(random, 0.1) {
        layers.push(Layer::Dropout { rate: 0.3 });
    }
    layers
}

/// A chain from z to a picture.
fn random_chain(random: &mut RandomState) -> Arch {
    let z_dim = pick(random, &[1, 3, 7]);
    let classes = pick(random, &[0, 0, 4]);
    let first = [pick(random, &[1, 2, 3]), pick(random, &[1, 2, 4]), pick(random, &[1, 3, 9])];
    let mut layers = Vec::new();
    if maybe(random, 0.3) {
        layers.push(Layer::Reshape { shape: [1, 1, z_dim + classes] });
        let (kernel, padding, bias) = (pick(random, &[1, 2, 3, 4]), Padding::Pixels(0), maybe(random, 0.5));
        layers.push(Layer::ConvTranspose2d { filters: first[2], kernel, stride: 1, padding, output_padding: 0, bias });
        layers.extend(behind(random, true));
    } else {
        layers.push(Layer::Dense { units: first.iter().product(), bias: maybe(random, 0.5) });
        layers.extend(behind(random, false));
        layers.push(Layer::Reshape { shape: first });
        if maybe(random, 0.2) {
            layers.extend(behind(random, true));
        }
    }
    let stages = pick(random, &[1, 2, 3]);
    for stage in 1..=stages {
        if maybe(random, 0.3) {
            layers.push(Layer::Upsample2d);
        }
        if maybe(random, 0.1) {
            layers.push(Layer::ZeroPad2d { after: [1, 1] });
        }
        let filters = pick(random, &[1, 2, 3, 4, 8, 17]);
        let (kernel, stride, bias) =
            (pick(random, &[1, 2, 3, 4, 5, 6, 7]), pick(random, &[1, 2, 2, 3]), maybe(random, 0.5));
        let padding = if maybe(random, 0.5) { Padding::Same } else { Padding::Pixels(pick(random, &[0, 1, 2])) };
        layers.push(match maybe(random, 0.6) {
            true => {
                let output_padding = if padding == Padding::Same { 0 } else { pick(random, &[0, 0, stride - 1]) };
                Layer::ConvTranspose2d { filters, kernel, stride, padding, output_padding, bias }
            }
            false => Layer::Conv2d { filters, kernel, stride: stride.min(2), padding, bias },
        });
        if stage < stages {
            layers.extend(behind(random, true));
        }
    }
    if maybe(random, 0.2) {
        layers.extend(behind(random, true));
    }
    if maybe(random, 0.9) {
        layers.push(Layer::Activation { curve: Activation::Tanh });
    }
    let generator: Vec<Named> =
        layers.into_iter().enumerate().map(|(at, layer)| Named { name: format!("layer_{at}"), layer }).collect();
    let mut arch = Layers {
        input_dim: [1, 1, 1],
        z_dim,
        classes,
        conditional: false,
        generator,
        critic: Vec::new(),
        init: Init::Keras,
    };
    if let Shape::Map(map) = arch.generator().output() {
        arch.input_dim = map;
    }
    Arch::Chain(arch)
}

#[test]
fn chains_put_together_at_random() {
    let mut random = RandomState::new(22);
    let (mut packed, mut not_packed, mut worst) = (0, 0, 0.0f64);
    while packed + not_packed < 300 {
        let arch = random_chain(&mut random);
        if arch.check().is_err() {
            continue;
        }
        let n = pick(&mut random, &[1, 2, 9]);
        let drawn = check(&arch, n, &mut random);
        // What norms make of a single pixel shows nothing.
        if drawn.spread < 0.05 {
            continue;
        }
        worst = worst.max(drawn.worst);
        *if drawn.way.contains("packed weights:") { &mut packed } else { &mut not_packed } += 1;
    }
    println!("{packed} packed, {not_packed} not: at most {worst:.1e} apart");
    assert!(packed > 50 && not_packed > 50, "{packed} packed, {not_packed} not");
}
