//! What comes out of a layer, and whether it can be: sizes that fit together, within what a machine holds.
//!
//! Asked by [`super::layers`] for a whole chain. Knows no values; says in half a sentence what does not fit, for who
//! knows the layer's name to say the rest.

use super::geometry::Padding;
use super::layers::{Activation, Layer, Shape, conv_geometry, transposed_geometry};

/// Values of one picture in any layer, and weights of any layer, at most: 1 and 4 GiB.
pub(super) const MAP: u128 = 1 << 28;
pub(super) const WEIGHTS: u128 = 1 << 30;

/// What comes out of a layer.
pub(super) fn after(layer: &Layer, input: Shape) -> Result<Shape, String> {
    let map = || match input {
        Shape::Map(map) => Ok(map),
        Shape::Flat(features) => Err(format!("it needs a map, and gets {features} features; reshape them before")),
    };
    let weights = |count: &[usize]| limit("its kernel", count, WEIGHTS);
    let shape = match *layer {
        Layer::Dense { units, .. } => {
            let Shape::Flat(features) = input else { return Err("it needs features; flatten the map before".into()) };
            sizes(&[units])?;
            weights(&[features, units])?;
            Shape::Flat(units)
        }
        Layer::Reshape { shape } => {
            sizes(&shape)?;
            limit("the map", &shape, MAP)?;
            if input.len() != shape.iter().product::<usize>() {
                let [h, w, c] = shape;
                return Err(format!("{} values are no map of {h}x{w}x{c}", input.len()));
            }
            Shape::Map(shape)
        }
        Layer::Flatten => Shape::Flat(input.len()),
        Layer::Conv2d { filters, kernel, stride, padding, .. } => {
            let map = map()?;
            sizes(&[filters, kernel, stride])?;
            weights(&[kernel, kernel, map[2], filters])?;
            let reach = |wide: usize| match padding {
                Padding::Same => true,
                Padding::Pixels(pixels) => pixels < kernel && wide + 2 * pixels >= kernel,
            };
            if !reach(map[0]) || !reach(map[1]) {
                return Err(format!("a kernel of {kernel} is larger than the map of {}x{}", map[0], map[1]));
            }
            let g = conv_geometry(map, filters, kernel, stride, padding);
            Shape::Map([g.oh(), g.ow(), filters])
        }
        Layer::ConvTranspose2d { filters, kernel, stride, padding, output_padding, .. } => {
            let map = map()?;
            sizes(&[filters, kernel, stride])?;
            weights(&[kernel, kernel, map[2], filters])?;
            if output_padding >= stride.max(1) || padding == Padding::Same && output_padding > 0 {
                return Err("output_padding must be smaller than the stride, and 0 with \"same\"".into());
            }
            limit("the map", &[map[0], stride, map[1], stride], MAP)?;
            let g = transposed_geometry(map, filters, kernel, stride, padding, output_padding);
            if let Padding::Pixels(pixels) = padding
                && (pixels >= kernel || g.h == 0 || g.w == 0)
            {
                return Err(format!("a padding of {pixels} leaves nothing of a kernel of {kernel}"));
            }
            Shape::Map([g.h, g.w, filters])
        }
        Layer::Upsample2d => {
            let [h, w, c] = map()?;
            Shape::Map([2 * h, 2 * w, c])
        }
        Layer::ZeroPad2d { after } => {
            let [h, w, c] = map()?;
            if after.iter().any(|n| *n > 65_536) {
                return Err(format!("at most 65536 rows and columns of zeros are added, not {after:?}"));
            }
            Shape::Map([h + after[0], w + after[1], c])
        }
        Layer::Pool2d { .. } => {
            let [h, w, c] = map()?;
            if h < 2 || w < 2 {
                return Err(format!("a map of {h}x{w} is too small to be halved"));
            }
            Shape::Map([h / 2, w / 2, c])
        }
        Layer::BatchNorm { eps, momentum, .. } => {
            share("momentum", momentum)?;
            positive(eps)?;
            input
        }
        Layer::InstanceNorm { eps, .. } => {
            map()?;
            positive(eps)?;
            input
        }
        Layer::Activation { curve } => {
            if let Activation::LeakyRelu(slope) = curve
                && !slope.is_finite()
            {
                return Err("its slope is no number".into());
            }
            input
        }
        Layer::Dropout { rate } => {
            if !(0.0..1.0).contains(&rate) {
                return Err(format!("a dropout rate must lie in 0..1, not {rate}"));
            }
            input
        }
    };
    match shape {
        Shape::Flat(features) => limit("what goes out", &[features], MAP)?,
        Shape::Map(map) => limit("the map", &map, MAP)?,
    }
    Ok(shape)
}

fn sizes(numbers: &[usize]) -> Result<(), String> {
    match numbers.iter().all(|n| (1..=65_536).contains(n)) {
        true => Ok(()),
        false => Err(format!("every size must lie in 1..=65536, not {numbers:?}")),
    }
}

fn share(name: &str, value: f32) -> Result<(), String> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => Err(format!("{name} must lie in 0..=1, not {value}")),
    }
}

fn positive(eps: f32) -> Result<(), String> {
    match eps.is_finite() && eps >= 0.0 {
        true => Ok(()),
        false => Err(format!("eps must be a number of 0 or more, not {eps}")),
    }
}

fn limit(what: &str, factors: &[usize], most: u128) -> Result<(), String> {
    let size = factors.iter().try_fold(1u128, |size, n| size.checked_mul(*n as u128)).unwrap_or(u128::MAX);
    match size <= most {
        true => Ok(()),
        false => Err(format!("{what} has {size} values, at most {most} are taken; make it smaller")),
    }
}
