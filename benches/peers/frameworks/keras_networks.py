"""Both networks as Keras models with the weights of a folder."""

from __future__ import annotations

import keras
from keras import layers

from frameworks.network import NORM_EPS, SLOPE, Generator, Layer

# What remains of the moving statistics at each step of training.
MOMENTUM = 0.9


def generator_of(generator: Generator, momentum: float = MOMENTUM) -> keras.Model:
    """z [n, z_dim] → pictures [n, h, w, c]."""
    model = keras.Sequential([keras.Input((generator.z_dim,))])

    def add(layer: layers.Layer, source: Layer) -> None:
        model.add(layer)
        layer.set_weights([source.kernel, source.bias])
        if source.norm is not None:
            norm = layers.BatchNormalization(momentum=momentum, epsilon=NORM_EPS)
            model.add(norm)
            norm.set_weights([source.norm.gamma, source.norm.beta, source.norm.mean, source.norm.variance])

    add(layers.Dense(generator.dense.kernel.shape[1]), generator.dense)
    model.add(layers.LeakyReLU(negative_slope=SLOPE))
    model.add(layers.Reshape(generator.shape))
    for stage in generator.stages:
        filters = stage.kernel.shape[2]
        add(layers.Conv2DTranspose(filters, stage.size, stage.stride, padding="same"), stage)
        last = stage is generator.stages[-1]
        model.add(layers.Activation("tanh") if last else layers.LeakyReLU(negative_slope=SLOPE))
    return model


def critic_of(stack: list[Layer], picture: tuple[int, int, int]) -> keras.Model:
    """Pictures [n, h, w, c] → scores [n, 1]."""
    model = keras.Sequential([keras.Input(picture)])
    for source in stack[:-1]:
        layer = layers.Conv2D(source.kernel.shape[3], source.size, source.stride, padding="same")
        model.add(layer)
        layer.set_weights([source.kernel, source.bias])
        model.add(layers.LeakyReLU(negative_slope=SLOPE))
    model.add(layers.Flatten())
    dense = layers.Dense(1)
    model.add(dense)
    dense.set_weights([stack[-1].kernel, stack[-1].bias])
    return model
