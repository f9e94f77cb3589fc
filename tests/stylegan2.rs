//! StyleGAN2 files that lie beside the repository, against the pictures that the original makes of them. Left out, and
//! said so, where there are none: they are not part of the product.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use flaneur::model::import;
use flaneur::model::import::bag::Bag;
use flaneur::model::recognise::{self, Hints};
use flaneur::net::arch::Arch;
use flaneur::net::families::stylegan2::{Made, StyleGan2};
use flaneur::net::params::{Params, floats};

fn fixtures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/fixtures");
    if !folder.is_dir() {
        eprintln!("left out: there are no fixtures beside the repository");
    }
    folder.is_dir().then_some(folder)
}

struct Case {
    own: StyleGan2,
    made: Made,
    expected: Bag,
}

impl Case {
    fn open(folder: &Path, file: &str, values: &str) -> Self {
        let bag = import::read(&folder.join(file)).unwrap();
        let network = recognise::network(&bag, &Hints::default()).unwrap();
        let Arch::StyleGan2(own) = network.arch else { panic!("{file} is {:?}", network.arch) };
        let arrays: Vec<Vec<f32>> = network.arrays.into_iter().map(|(_, values)| values).collect();
        let params = Params::of(&own.plans(), &arrays, &Device::flex());
        let made = Made::new(&own, &params);
        Self { own, made, expected: import::read(&folder.join(values)).unwrap() }
    }

    fn values(&self, name: &str) -> &[f32] {
        &self.expected.get(name).unwrap_or_else(|| panic!("no {name}")).values
    }

    /// z of all rows, with their classes behind.
    fn z(&self) -> Tensor<2> {
        let (z, dim, classes) = (self.values("z"), self.own.z_dim, self.own.classes);
        let rows = z.len() / dim;
        let row = |at: usize| {
            let class = if classes > 0 { &self.values("c")[at * classes..(at + 1) * classes] } else { &[] };
            [&z[at * dim..(at + 1) * dim], class].concat()
        };
        let all: Vec<f32> = (0..rows).flat_map(row).collect();
        Tensor::from_data(TensorData::new(all, [rows, dim + classes]), &Device::flex())
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
        let w = self.own.map(self.made.params(), self.z());
        let [rows, dim] = w.dims();
        let count = self.own.styles();
        let number = |psi: f64| Tensor::from_data(TensorData::new(vec![psi as f32], [1, 1]), &Device::flex());
        let styles = |w: &Tensor<2>| vec![w.clone(); count];
        for (name, psi) in [("ws", 1.0), ("ws_psi07", 0.7)] {
            let ours = floats(self.own.truncated(self.made.params(), w.clone(), number(psi)));
            let theirs = self.values(name);
            assert_eq!(theirs.len(), rows * count * dim, "{file} {name}");
            for (at, v) in theirs.iter().enumerate() {
                let own = ours[at / (count * dim) * dim + at % dim];
                assert!((own - v).abs() < 1e-5, "{file} {name} {at}: {own} {v}");
            }
        }
        for (name, psi, noise) in [("img_const", 1.0, 1.0), ("img_none", 1.0, 0.0), ("img_psi07", 0.7, 1.0)] {
            let w = self.own.truncated(self.made.params(), w.clone(), number(psi));
            let apart = self.apart(self.own.picture_of(&self.made, &styles(&w), noise), name);
            assert!(apart < 1e-4, "{file} {name}: {apart}");
        }
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
