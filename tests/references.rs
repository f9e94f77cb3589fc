//! Files of others that lie beside the repository, against what the originals make of them: StyleGAN2, a texture of
//! Torch7, and with `FLANEUR_VGG16` and `FLANEUR_REALESRGAN` (paths of weights) VGG-16 and Real-ESRGAN ×4plus. Left out, and said so, where there are none: they are no
//! part of the product.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use flaneur::latent::style::Style;
use flaneur::model::features::FeatureNet;
use flaneur::model::import;
use flaneur::model::import::bag::Bag;
use flaneur::model::recognise::{self, Hints};
use flaneur::model::texture::{Planes, TextureModel};
use flaneur::net::arch::Arch;
use flaneur::net::cpu::enlarge::Enlarger;
use flaneur::net::families::stylegan2::StyleGan2;
use flaneur::net::families::texture::MEANS;
use flaneur::net::gram::gram;
use flaneur::net::params::{Params, floats};
use flaneur::net::styled::Styled;

fn fixtures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/fixtures");
    if !folder.is_dir() {
        eprintln!("left out: there are no fixtures beside the repository");
    }
    folder.is_dir().then_some(folder)
}

struct Case {
    own: StyleGan2,
    /// The arrays of what judges its pictures.
    judge: Params,
    /// The CPU's own way, and burn's operations.
    ways: [Styled; 2],
    expected: Bag,
}

impl Case {
    fn open(folder: &Path, file: &str, values: &str) -> Self {
        let bag = import::read(&folder.join(file)).unwrap();
        let network = recognise::network(&bag, &Hints::default()).unwrap();
        let Arch::StyleGan2(own) = network.arch else { panic!("{file} is {:?}", network.arch) };
        let arrays: Vec<Vec<f32>> = network.arrays.into_iter().map(|(_, values)| values).collect();
        let params = Params::of(&own.plans(), &arrays, &Device::flex());
        let judged: Vec<Vec<f32>> = network.critic.into_iter().map(|(_, values)| values).collect();
        let judge = Params::of(&own.judge_plans(), &judged, &Device::flex());
        let ways = [true, false].map(|packed| Styled::new(&own, &params, packed));
        Self { own, judge, ways, expected: import::read(&folder.join(values)).unwrap() }
    }

    fn values(&self, name: &str) -> &[f32] {
        &self.expected.get(name).unwrap_or_else(|| panic!("no {name}")).values
    }

    /// z of all rows, with their classes and a style behind.
    fn rows(&self, style: &Style) -> Vec<Vec<f32>> {
        let (z, dim, classes) = (self.values("z"), self.own.z_dim, self.own.classes);
        let row = |at: usize| {
            let class = if classes > 0 { &self.values("c")[at * classes..(at + 1) * classes] } else { &[] };
            [&z[at * dim..(at + 1) * dim], class, &style.numbers()].concat()
        };
        (0..z.len() / dim).map(row).collect()
    }

    /// The largest difference of our numbers from expected ones `[n, c, h, w]`.
    fn apart(&self, ours: Tensor<4>, name: &str) -> f32 {
        let [n, h, w, c] = ours.dims();
        let (ours, theirs) = (floats(ours), self.values(name));
        assert_eq!(ours.len(), theirs.len(), "{name}");
        let places = (0..n).flat_map(|i| (0..h * w).flat_map(move |at| (0..c).map(move |c_at| (i, at, c_at))));
        let difference = |(i, at, c_at): (usize, usize, usize)| {
            (ours[(i * h * w + at) * c + c_at] - theirs[(i * c + c_at) * h * w + at]).abs()
        };
        places.map(difference).fold(0.0, f32::max)
    }

    fn check(&self, file: &str) {
        let psi = |psi: f64, cutoff: usize| Style { psi, cutoff, ..Style::default() };
        for (name, style) in [("ws", psi(1.0, 0)), ("ws_psi07", psi(0.7, 0)), ("ws_psi05_cut4", psi(0.5, 4))] {
            let ours: Vec<f32> = self.rows(&style).iter().flat_map(|row| self.ways[0].w(row)).collect();
            let theirs = self.values(name);
            assert_eq!(theirs.len(), ours.len(), "{file} {name}");
            for (own, v) in ours.iter().zip(theirs) {
                assert!((own - v).abs() < 1e-5, "{file} {name}: {own} {v}");
            }
        }
        let none = Style { strength: 0.0, ..Style::default() };
        for (name, style) in [("img_const", Style::default()), ("img_none", none), ("img_psi07", psi(0.7, 0))] {
            for way in &self.ways {
                let apart = self.apart(way.pictures(&self.rows(&style)), name);
                println!("{file} {name}: {apart:.1e} apart, {}", way.way());
                assert!(apart < 1e-4, "{file} {name}: {apart}");
            }
        }
        let Some(judge) = &self.own.judge else { return };
        let pictures = self.ways[0].raw(&self.rows(&Style::default()));
        let classes = (self.own.classes > 0).then(|| {
            let rows = pictures.dims()[0];
            Tensor::from_data(TensorData::new(self.values("c").to_vec(), [rows, self.own.classes]), &Device::flex())
        });
        let ours = floats(judge.scores(&self.judge, pictures, classes));
        let theirs = self.values("d_of_img_const");
        println!("{file} scores: {ours:?}, theirs {theirs:?}");
        assert_eq!(ours.len(), theirs.len(), "{file}");
        assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-3), "{file}: {ours:?} {theirs:?}");
    }
}

#[test]
fn nvidias_files_draw_what_the_original_draws() {
    let Some(folder) = fixtures() else { return };
    for (file, values) in [
        ("sg2ada-32-p3.pkl", "sg2ada-32.npz"),
        ("sg2ada-32-p4.pkl", "sg2ada-32.npz"),
        ("sg2ada-cond-64-p4.pkl", "sg2ada-cond-64.npz"),
        ("sg2ada-resnet-32-p3.pkl", "sg2ada-resnet-32.npz"),
        ("eps696-32x48-p4.pkl", "eps696-32x48.npz"),
        ("rosinality-32.pt", "sg2ada-32.npz"),
    ] {
        Case::open(&folder, file, values).check(file);
    }
}

/// `[c, h, w]` as `[h, w, c]`.
fn turned(values: &[f32], [c, h, w]: [usize; 3]) -> Vec<f32> {
    (0..h * w).flat_map(|at| (0..c).map(move |c_at| values[c_at * h * w + at])).collect()
}

#[test]
fn bricks_of_torch7_are_those_of_the_original() {
    let Some(folder) = fixtures() else { return };
    let bag = import::read(&folder.join("real-bricks-t7.npz")).unwrap();
    let file = folder.join("../texture_nets/bricks.png_model.t7");
    let model = TextureModel::read(&file, &Device::flex()).unwrap();
    let plane = |at: usize| {
        let array = bag.get(&format!("noise{at}_coarsest_first")).unwrap();
        turned(&array.values, [3, array.shape[2], array.shape[3]])
    };
    let planes: Planes = (0..6).map(plane).collect();
    let ours = model.draw([64, 64], &planes, None).unwrap();
    // Blue, green, red less the means, shown as the original shows it.
    let theirs = turned(&bag.get("y").unwrap().values, [3, 64, 64]);
    let level = |at: usize| {
        let c = 2 - at % 3;
        ((theirs[at / 3 * 3 + c] + MEANS[c]) / 256.0 * 255.0).clamp(0.0, 255.0)
    };
    let apart: Vec<f32> = ours.pixels.iter().enumerate().map(|(at, v)| (f32::from(*v) - level(at)).abs()).collect();
    let (worst, mean) = (apart.iter().fold(0.0f32, |a, b| a.max(*b)), apart.iter().sum::<f32>() / apart.len() as f32);
    println!("bricks: at most {worst} levels apart, {mean} on the mean");
    assert!(mean < 1.0 && worst < 1.5);
}

#[test]
fn vgg_16_sees_what_the_original_sees() {
    let (Some(folder), Some(weights)) = (fixtures(), std::env::var_os("FLANEUR_VGG16")) else {
        return eprintln!("left out: FLANEUR_VGG16 names no weights");
    };
    let expected = import::read(&folder.join("real-vgg16.npz")).unwrap();
    let net = FeatureNet::read(&weights.to_string_lossy(), false, &Device::flex()).unwrap();
    // What the original was given is blue, green, red less the means.
    let given = turned(&expected.get("x").unwrap().values, [3, 64, 64]);
    let picture = |at: usize| {
        let c = 2 - at % 3;
        (given[at / 3 * 3 + c] + MEANS[c]) / 255.0
    };
    let picture: Vec<f32> = (0..given.len()).map(picture).collect();
    let layers: Vec<String> = (1..=5).map(|block| format!("conv{block}_1")).collect();
    let seen = net.taps(Tensor::from_data(TensorData::new(picture, [1, 64, 64, 3]), &Device::flex()), &layers).unwrap();
    for (block, features) in (1..=5).zip(seen) {
        let (ours, theirs) = (gram(features), &expected.get(&format!("gram{block}_1_head")).unwrap().values);
        let ours: Vec<f32> = floats(ours.slice([0..8, 0..8]));
        let largest = theirs.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest;
        println!("conv{block}_1: {worst} of the largest apart");
        assert!(worst < 1e-5, "conv{block}_1: {worst}");
    }
}

#[test]
fn real_esrgan_makes_of_a_picture_what_the_original_makes() {
    let (Some(folder), Some(weights)) = (fixtures(), std::env::var_os("FLANEUR_REALESRGAN")) else {
        return eprintln!("left out: FLANEUR_REALESRGAN names no weights");
    };
    let expected = import::read(&folder.join("real-realesrgan-x4plus.npz")).unwrap();
    let network = recognise::network(&import::read(Path::new(&weights)).unwrap(), &Hints::default()).unwrap();
    let (layout, device) = (network.arch.enlarger().unwrap(), Device::flex());
    let arrays: Vec<Vec<f32>> = network.arrays.into_iter().map(|(_, values)| values).collect();
    let params = Params::of(&layout.plans(), &arrays, &device);
    let x = turned(&expected.get("x").unwrap().values, [3, 16, 16]);
    let theirs = turned(&expected.get("y").unwrap().values, [3, 64, 64]);
    let ours = floats(layout.run(&params, Tensor::from_data(TensorData::new(x.clone(), [1, 16, 16, 3]), &device)));
    let worst = |ours: &[f32]| ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) * 255.0;
    println!("Real-ESRGAN: at most {} levels apart", worst(&ours));
    assert!(worst(&ours) < 0.1);
    // The CPU's own way is given bytes.
    let bytes: Vec<u8> = x.iter().map(|v| (v * 255.0).round() as u8).collect();
    let rounded: Vec<f32> = bytes.iter().map(|v| f32::from(*v) / 255.0).collect();
    let plain = floats(layout.run(&params, Tensor::from_data(TensorData::new(rounded, [1, 16, 16, 3]), &device)));
    let named = |name: &str| layout.plans().iter().position(|plan| plan.name == name).map(|at| arrays[at].clone());
    let packed = Enlarger::new(&layout, |name| named(name).unwrap()).unwrap();
    let mut made = Vec::new();
    assert!(packed.run(&bytes, [16, 16], &mut made, &|| true));
    let apart = made.iter().zip(&plain).map(|(a, b)| (a - b * 255.0).abs()).fold(0.0, f32::max);
    println!("the CPU's own way: at most {apart} levels from burn's operations");
    assert!(apart < 0.1);
}
