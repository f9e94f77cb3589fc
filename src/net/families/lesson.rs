//! The GANs of lesson 10 of AI-For-Beginners that are no family of their own: lists of layers for 28 × 28 in grey.
//!
//! Source: the notebooks GANPyTorch and GANTF. The GAN of dense layers in PyTorch is [`super::mlp`]'s default. Sigmoids
//! are left to the loss.

use super::chain::Layers;
use crate::net::geometry::Padding;
use crate::net::layers::{Activation, Chain, Init, Layer, Shape};

const SIZE: [usize; 3] = [28, 28, 1];
const Z: usize = 100;
const LEAKY: Activation = Activation::LeakyRelu(0.2);

/// As layers that stand in a card one by one.
fn layers(generator: Chain, critic: Chain) -> Layers {
    let init = generator.init;
    Layers {
        input_dim: SIZE,
        z_dim: Z,
        classes: 0,
        conditional: false,
        generator: generator.into(),
        critic: critic.into(),
        init,
    }
}

fn curve(curve: Activation) -> Layer {
    Layer::Activation { curve }
}

/// PyTorch's batch norm.
fn torch_norm() -> Layer {
    Layer::BatchNorm { eps: 1e-5, momentum: 0.9, unbiased: true, affine: true }
}

/// Keras' batch norm with a momentum of 0.8.
fn keras_norm() -> Layer {
    Layer::BatchNorm { eps: 1e-3, momentum: 0.8, unbiased: false, affine: true }
}

/// The DCGAN of the PyTorch notebook: kernels of 3 that grow 1 → 3 → 7 → 15 → 28, and of 4 on the way back.
pub fn torch_dcgan() -> Layers {
    let mut generator = Chain::new(Shape::Flat(Z), Init::Dcgan);
    generator.then(Layer::Reshape { shape: [1, 1, Z] });
    for (i, filters) in [256, 128, 64, 1].into_iter().enumerate() {
        let last = i == 3;
        let (padding, output_padding) = if last { (Padding::Pixels(2), 1) } else { (Padding::Pixels(0), 0) };
        let conv = Layer::ConvTranspose2d { filters, kernel: 3, stride: 2, padding, output_padding, bias: false };
        generator.push(format!("conv_{i}"), conv);
        if !last {
            generator.push(format!("conv_{i}_norm"), torch_norm());
        }
        generator.then(curve(if last { Activation::Tanh } else { Activation::Relu }));
    }
    let mut critic = Chain::new(Shape::Map(SIZE), Init::Dcgan);
    for (i, filters) in [64, 128, 256, 1].into_iter().enumerate() {
        let conv = Layer::Conv2d { filters, kernel: 4, stride: 2, padding: Padding::Pixels(1), bias: false };
        critic.push(format!("conv_{i}"), conv);
        if i == 1 || i == 2 {
            critic.push(format!("conv_{i}_norm"), torch_norm());
        }
        if i < 3 {
            critic.then(curve(LEAKY));
        }
    }
    critic.then(Layer::Flatten);
    layers(generator, critic)
}

/// The GAN of dense layers of the TensorFlow notebook: norms stand behind the curves.
pub fn tf_mlp() -> Layers {
    let mut generator = Chain::new(Shape::Flat(Z), Init::Keras);
    for (i, units) in [256, 512, 1024].into_iter().enumerate() {
        generator.push(format!("dense_{i}"), Layer::Dense { units, bias: true });
        generator.then(curve(LEAKY));
        generator.push(format!("dense_{i}_norm"), keras_norm());
    }
    generator.push("dense_3", Layer::Dense { units: SIZE.iter().product(), bias: true });
    generator.then(curve(Activation::Tanh));
    generator.then(Layer::Reshape { shape: SIZE });
    let mut critic = Chain::new(Shape::Map(SIZE), Init::Keras);
    critic.then(Layer::Flatten);
    for (i, units) in [784, 392].into_iter().enumerate() {
        critic.push(format!("dense_{i}"), Layer::Dense { units, bias: true });
        critic.then(curve(LEAKY));
    }
    critic.push("dense_2", Layer::Dense { units: 1, bias: true });
    layers(generator, critic)
}

/// The DCGAN of the TensorFlow notebook: 856 193 numbers in the generator.
pub fn tf_dcgan() -> Layers {
    let padding = Padding::Same;
    let mut generator = Chain::new(Shape::Flat(Z), Init::Keras);
    generator.push("dense", Layer::Dense { units: 128 * 7 * 7, bias: true });
    generator.then(curve(Activation::Relu));
    generator.then(Layer::Reshape { shape: [7, 7, 128] });
    for (i, filters) in [128, 64, 1].into_iter().enumerate() {
        if i < 2 {
            generator.then(Layer::Upsample2d);
        }
        let conv = Layer::ConvTranspose2d { filters, kernel: 3, stride: 1, padding, output_padding: 0, bias: true };
        generator.push(format!("conv_{i}"), conv);
        if i < 2 {
            generator.push(format!("conv_{i}_norm"), keras_norm());
        }
        generator.then(curve(if i < 2 { Activation::Relu } else { Activation::Tanh }));
    }
    let mut critic = Chain::new(Shape::Map(SIZE), Init::Keras);
    for (i, (filters, stride)) in [(32, 2), (64, 2), (128, 2), (256, 1)].into_iter().enumerate() {
        critic.push(format!("conv_{i}"), Layer::Conv2d { filters, kernel: 3, stride, padding, bias: true });
        if i == 1 {
            critic.then(Layer::ZeroPad2d { after: [1, 1] });
        }
        if i > 0 {
            critic.push(format!("conv_{i}_norm"), keras_norm());
        }
        critic.then(curve(LEAKY));
        critic.then(Layer::Dropout { rate: 0.25 });
    }
    critic.then(Layer::Flatten);
    critic.push("dense", Layer::Dense { units: 1, bias: true });
    layers(generator, critic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::arch::Arch;
    use crate::net::families::Family;

    #[test]
    fn the_lessons_networks_have_its_shapes_and_numbers() {
        let shapes = |layers: &Layers| {
            let sides = |chain: &Chain| chain.shapes().unwrap().iter().map(|shape| shape.map()[0]).collect::<Vec<_>>();
            (sides(&layers.generator()), sides(&layers.critic().unwrap()))
        };
        let (torch, tf) = (torch_dcgan(), tf_dcgan());
        let (generator, critic) = shapes(&torch);
        assert_eq!(generator, [1, 3, 3, 3, 7, 7, 7, 15, 15, 15, 28, 28]);
        assert_eq!(critic, [14, 14, 7, 7, 7, 3, 3, 3, 1, 1]);
        assert_eq!(shapes(&tf).1, [14, 14, 14, 7, 8, 8, 8, 8, 4, 4, 4, 4, 4, 4, 4, 4, 1, 1]);
        let numbers: usize = tf.generator().plans().iter().map(|plan| plan.len()).sum();
        assert_eq!(numbers, 856_193);
        for layers in [torch, tf, tf_mlp()] {
            Arch::Chain(layers).check().unwrap();
        }
    }
}
