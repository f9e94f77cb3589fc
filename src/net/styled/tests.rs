//! Ways of drawing against each other, and every part of a style against what it says.

use super::*;
use crate::latent::style::HEAD;
use crate::net::families::stylegan2::Form;

fn small() -> StyleGan2 {
    StyleGan2 { z_dim: 6, w_dim: 5, classes: 2, channels: vec![20, 18, 16, 7], first: [4, 6], ..StyleGan2::default() }
}

fn params(own: &StyleGan2) -> Params {
    let params = Params::init(&own.plans(), &mut RandomState::new(3), &Device::flex());
    // Noise is seen.
    let values: Vec<Vec<f32>> = own
        .plans()
        .iter()
        .zip(&params.list)
        .map(|(plan, own)| match plan.name.ends_with("strength") {
            true => vec![0.3],
            false => floats(own.value.clone()),
        })
        .collect();
    Params::of(&own.plans(), &values, &Device::flex())
}

fn row(seed: u32, style: &Style) -> Vec<f32> {
    let z: Vec<f32> = RandomState::new(seed).normals(6).iter().map(|v| *v as f32).collect();
    [&z[..], &[1.0, 0.0], &style.numbers()].concat()
}

#[test]
fn packed_pictures_are_those_of_tensors() {
    for form in [Form::Skip, Form::Orig, Form::Resnet] {
        let own = StyleGan2 { form, clamp: Some(2.0), ..small() };
        let params = params(&own);
        let [packed, plain] = [true, false].map(|packed| Styled::new(&own, &params, packed));
        assert_eq!(matches!(packed.way, Way::Packed(_)), form != Form::Resnet);
        let mut style = Style { psi: 0.6, cutoff: 3, noise: Some(4.0), ..Style::default() };
        style.turn = Some(Turn { radius: 0.5, phase: 0.3, seed: 2.0 });
        style.bend(Bend { layer: 4, x: 0.25, gain: 0.5, ..Bend::default() });
        style.fewer = 1;
        let rows = [row(1, &Style::default()), row(2, &style), row(3, &Style::default())];
        let [a, b] = [&packed, &plain].map(|way| floats(way.pictures(&rows)));
        assert_eq!((a.len(), b.len()), (3 * 32 * 48 * 3, a.len()));
        let size = b.iter().fold(0.0, |most: f32, v| most.max(v.abs()));
        let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4 * size.max(1.0), "{form:?}: {worst} of {size}");
        assert_eq!(packed.bytes(&rows).len(), a.len());
    }
}

#[test]
fn a_style_changes_what_it_says() {
    let own = small();
    let mut styled = Styled::new(&own, &params(&own), true);
    let vector = (0..5).map(|at| at as f32).collect();
    styled.set_directions(vec![Direction { name: "x".into(), vector }], &params(&own));
    let draw = |style: &Style| floats(styled.pictures(&[row(1, style)]));
    let usual = draw(&Style::default());
    // A w that is the mapped one draws the same picture, for one layer and for all.
    let z: Vec<f64> = RandomState::new(1).normals(6);
    let w = styled.mapping().w(&z.iter().map(|v| f64::from(*v as f32)).collect::<Vec<f64>>(), &[1.0, 0.0]);
    assert_eq!(draw(&Style { w: w.clone(), ..Style::default() }), usual);
    assert_eq!(draw(&Style { w: w.repeat(8), ..Style::default() }), usual);
    assert_ne!(draw(&Style { w: vec![0.0; 5], ..Style::default() }), usual);
    let mut direction = Style::default();
    direction.directions[0] = 0.5;
    for style in [
        direction,
        Style { psi: 0.5, ..Style::default() },
        Style { psi: 0.5, cutoff: 2, ..Style::default() },
        Style { strength: 0.0, ..Style::default() },
        Style { noise: Some(3.0), ..Style::default() },
        Style { turn: Some(Turn { radius: 1.0, phase: 0.5, seed: 0.0 }), ..Style::default() },
        Style { bends: vec![Bend { layer: 2, gain: -1.0, ..Bend::default() }], ..Style::default() },
        Style { fewer: 2, ..Style::default() },
    ] {
        let made = draw(&style);
        assert!(made.len() == usual.len() && made != usual && made.iter().all(|v| v.is_finite()), "{style:?}");
    }
    // A loop of noise closes.
    let at = |phase| draw(&Style { turn: Some(Turn { radius: 1.0, phase, seed: 3.0 }), ..Style::default() });
    assert_eq!(at(0.0), at(1.0));
    assert_eq!(Style::default().numbers().len() + HEAD, HEAD);
}

#[test]
fn rows_that_do_not_fit_draw_something() {
    let own = small();
    let styled = Styled::new(&own, &params(&own), true);
    for row in [vec![], vec![1.0; 3], vec![f32::NAN; 200], vec![0.5; 8 + HEAD + 7]] {
        assert_eq!(styled.bytes(&[row]).len(), 32 * 48 * 3);
    }
}

/// A smaller one, whose layers are few.
fn tiny() -> StyleGan2 {
    StyleGan2 { z_dim: 6, w_dim: 5, classes: 2, channels: vec![4, 3, 2], first: [4, 6], ..StyleGan2::default() }
}

/// `[h, w, c]` with zeros between pixels, through a transposed convolution and the filter, as the original has it.
fn naive(x: &[f32], [h, w, c]: [usize; 3], kernel: &[f32], o: usize) -> Vec<f32> {
    let (tall, wide) = (2 * h + 1, 2 * w + 1);
    let mut large = vec![0.0; tall * wide * o];
    for (y, x_at, i, out) in
        (0..h).flat_map(|y| (0..w).flat_map(move |x| (0..c).flat_map(move |i| (0..o).map(move |o| (y, x, i, o)))))
    {
        for (ky, kx) in (0..3).flat_map(|ky| (0..3).map(move |kx| (ky, kx))) {
            large[((2 * y + ky) * wide + 2 * x_at + kx) * o + out] +=
                x[(y * w + x_at) * c + i] * kernel[((ky * 3 + kx) * c + i) * o + out];
        }
    }
    let mut made = vec![0.0; 4 * h * w * o];
    for (y, x_at, out) in (0..2 * h).flat_map(|y| (0..2 * w).flat_map(move |x| (0..o).map(move |o| (y, x, o)))) {
        for (fy, fx) in (0..4).flat_map(|fy| (0..4).map(move |fx| (fy, fx))) {
            // A border of one pixel of zeros.
            let (sy, sx) = (y + fy, x_at + fx);
            if (1..=tall).contains(&sy) && (1..=wide).contains(&sx) {
                made[(y * 2 * w + x_at) * o + out] +=
                    4.0 * tensors::FILTER[fy] * tensors::FILTER[fx] * large[((sy - 1) * wide + sx - 1) * o + out];
            }
        }
    }
    made
}

#[test]
fn a_doubling_layer_is_one_transposed_convolution() {
    let (own, device) = (tiny(), Device::flex());
    let params = Params::init(&own.plans(), &mut RandomState::new(3), &device);
    let made = Made::new(&own, &params);
    let layer = &own.blocks()[1].layers[0];
    assert_eq!((layer.name.as_str(), layer.channels, layer.size, layer.up), ("b8.conv0", [4, 3], [8, 12], true));
    let x: Vec<f32> = (0..4 * 6 * 4).map(|v| (v as f32 * 0.7).sin()).collect();
    let tensor = Tensor::from_data(TensorData::new(x.clone(), [1, 4, 6, 4]), &device);
    let fast = floats(made.conv_up(&layer.name, tensor));
    let slow = naive(&x, [4, 6, 4], &floats(params.get::<4>(&layer.name, "kernel")), 3);
    assert_eq!(fast.len(), slow.len());
    for (a, b) in fast.iter().zip(&slow) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn each_form_draws_and_counts_its_w() {
    let device = Device::flex();
    for form in [Form::Skip, Form::Resnet, Form::Orig] {
        let own = StyleGan2 { form, clamp: Some(256.0), ..tiny() };
        own.check().unwrap();
        assert_eq!((own.styles(), own.picture()), (6, [16, 24, 3]));
        let used: Vec<usize> =
            own.blocks().iter().flat_map(|b| b.layers.iter().map(|l| l.w).chain(b.picture)).collect();
        assert_eq!(used.iter().max(), Some(&5), "{form:?}");
        let params = Params::init(&own.plans(), &mut RandomState::new(3), &device);
        let made = Made::new(&own, &params);
        let mapping = Mapping::new(&own, &params, Vec::new());
        let draw = |seed: u32, class: usize| {
            let z: Vec<f64> = RandomState::new(seed).normals(6);
            let blend = [0, 1].map(|at| f64::from(u8::from(at == class)));
            let w: Vec<f32> = mapping.w(&z, &blend).iter().map(|v| *v as f32).collect();
            let w = Tensor::from_data(TensorData::new(w, [1, 5]), &device);
            let noise = own.planes(&params).into_iter().map(Some).collect::<Vec<_>>();
            let given = Given { w: &vec![w; 6], noise: &noise, bends: &[] };
            floats(made.draw(3, &given))
        };
        let (one, other, class) = (draw(1, 0), draw(2, 0), draw(1, 1));
        assert_eq!(one.len(), 16 * 24 * 3);
        assert!(one.iter().all(|v| v.is_finite()) && one != other && one != class, "{form:?}");
    }
}
