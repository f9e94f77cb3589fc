//! A chain as the steps that drawing takes: each layer with the norm and the curve that can be done with it.
//!
//! What the ways to draw have in common: the prepared one of the CPU, that of a graphics card, and burn's own
//! operations. A norm by moving statistics is a factor and an offset, so behind a layer with a kernel it goes into
//! that kernel. Dropout stays, for who trains by what it draws.

use super::doubled::Behind;
use super::geometry::Geometry;
use super::layers::{Activation, Chain, Layer, Shape, conv_geometry, transposed_geometry};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Features to features.
    Dense,
    /// A convolution.
    Conv(Geometry),
    /// A transposed convolution.
    ConvTranspose(Geometry),
    /// Another shape, of the same values.
    Shape,
    /// Each pixel becomes 2 × 2.
    Upsample,
    /// Rows and columns of zeros behind the last ones.
    ZeroPad([usize; 2]),
    /// 2 × 2 pixels become one: their mean if true, else the largest.
    Pool(bool),
    /// A batch norm that stands behind no kernel.
    Norm,
    /// Each picture's channels by themselves, with this eps.
    InstanceNorm(f32),
    /// A curve behind no kernel.
    Curve,
    /// Values that are left out.
    Dropout,
}

/// A step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it does.
    pub kind: Kind,
    /// Name of the layer, under which its arrays are found.
    pub name: String,
    /// The batch norm that is done with it: name and eps.
    pub norm: Option<(String, f32)>,
    /// The curve that is done with it, at the end.
    pub then: Option<Activation>,
    /// It is a doubling joined with this, whose kernel has to be combined ([`super::doubled`]).
    pub doubled: Option<Behind>,
    /// What goes in.
    pub input: Shape,
    /// What comes out.
    pub output: Shape,
}

impl Kind {
    /// What a layer does by itself; none for norms and curves.
    pub fn of(layer: &Layer, input: Shape) -> Option<Self> {
        Some(match *layer {
            Layer::Dense { .. } => Self::Dense,
            Layer::Conv2d { filters, kernel, stride, padding, .. } => {
                Self::Conv(conv_geometry(input.map(), filters, kernel, stride, padding))
            }
            Layer::ConvTranspose2d { filters, kernel, stride, padding, output_padding, .. } => {
                Self::ConvTranspose(transposed_geometry(input.map(), filters, kernel, stride, padding, output_padding))
            }
            Layer::Reshape { .. } | Layer::Flatten => Self::Shape,
            Layer::Upsample2d => Self::Upsample,
            Layer::ZeroPad2d { after } => Self::ZeroPad(after),
            Layer::Pool2d { average } => Self::Pool(average),
            Layer::Dropout { .. } => Self::Dropout,
            Layer::InstanceNorm { eps, .. } => Self::InstanceNorm(eps),
            Layer::BatchNorm { .. } | Layer::Activation { .. } => return None,
        })
    }
}

impl Step {
    /// Whether it has a kernel, into which a norm can go.
    fn has_kernel(&self) -> bool {
        matches!(self.kind, Kind::Dense | Kind::Conv(_) | Kind::ConvTranspose(_))
    }
}

/// The steps of a chain.
pub fn steps(chain: &Chain) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let outputs = chain.shapes().unwrap_or_default();
    for ((name, layer, input), output) in chain.walk().zip(outputs) {
        let own = |kind, norm, then| Step { kind, name: name.to_owned(), norm, then, doubled: None, input, output };
        match (*layer, steps.last_mut()) {
            (Layer::BatchNorm { eps, .. }, Some(last))
                if last.has_kernel() && (&last.norm, last.then) == (&None, None) =>
            {
                last.norm = Some((name.to_owned(), eps));
            }
            (Layer::BatchNorm { eps, .. }, _) => steps.push(own(Kind::Norm, Some((name.to_owned(), eps)), None)),
            (Layer::Activation { curve }, Some(last))
                if (last.has_kernel() || last.kind == Kind::Norm) && last.then.is_none() =>
            {
                last.then = Some(curve);
            }
            (Layer::Activation { curve }, _) => steps.push(own(Kind::Curve, None, Some(curve))),
            (layer, _) => steps.extend(Kind::of(&layer, input).map(|kind| own(kind, None, None))),
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::layers::Init;

    #[test]
    fn norms_and_curves_go_into_the_layer_before() {
        let mut chain = Chain::new(Shape::Flat(4), Init::Normal);
        let norm = Layer::BatchNorm { eps: 1e-3, momentum: 0.9, unbiased: false, affine: true };
        let curve = |curve| Layer::Activation { curve };
        chain.push("dense", Layer::Dense { units: 8, bias: true });
        chain.push("norm", norm);
        chain.then(curve(Activation::Relu));
        chain.then(Layer::Dropout { rate: 0.5 });
        chain.then(Layer::Reshape { shape: [2, 2, 2] });
        chain.push(
            "curved",
            Layer::Conv2d { filters: 3, kernel: 3, stride: 1, padding: Default::default(), bias: true },
        );
        chain.then(curve(Activation::Relu));
        chain.push("behind", norm);
        chain.then(curve(Activation::Tanh));
        chain.then(curve(Activation::Sigmoid));
        let found: Vec<(Kind, bool, Option<Activation>)> =
            steps(&chain).into_iter().map(|step| (step.kind, step.norm.is_some(), step.then)).collect();
        let conv = Kind::Conv(Geometry::same([2, 2, 2], 3, 3, 1));
        let expected = [
            (Kind::Dense, true, Some(Activation::Relu)),
            (Kind::Dropout, false, None),
            (Kind::Shape, false, None),
            (conv, false, Some(Activation::Relu)),
            // Behind a curve a norm cannot go into the kernel.
            (Kind::Norm, true, Some(Activation::Tanh)),
            (Kind::Curve, false, Some(Activation::Sigmoid)),
        ];
        assert_eq!(found, expected);
    }
}
