"""A model folder of Flâneur as plain numpy arrays, from which each framework builds its own network.

Arrays keep the layout of the file, which is Keras': pictures are NHWC, a convolution's kernel is
[k, k, in, out], a transposed one's [k, k, out, in]. SAME padding puts an odd row after the picture.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

Array = np.ndarray

# Keras' epsilon of a batch norm, and the slope of LeakyReLU below zero.
NORM_EPS = 1e-3
SLOPE = 0.2


@dataclass(frozen=True)
class Norm:
    """A batch norm: four arrays of one length."""

    gamma: Array
    beta: Array
    mean: Array
    variance: Array

    def scale_and_shift(self, bias: Array) -> tuple[Array, Array]:
        """What it does to a layer with this bias, in inference, as one scale and one shift."""
        scale = self.gamma / np.sqrt(self.variance + np.float32(NORM_EPS))
        return scale, (bias - self.mean) * scale + self.beta


@dataclass(frozen=True)
class Layer:
    """A dense layer ([in, out], stride 0), a convolution or a transposed one, and the norm behind it."""

    kernel: Array
    bias: Array
    norm: Norm | None = None
    stride: int = 0

    @property
    def size(self) -> int:
        """Side of the kernel."""
        return self.kernel.shape[0]

    def crop(self) -> tuple[int, int]:
        """Rows that SAME takes from a full transposed result, before and after."""
        if self.size < self.stride:
            raise ValueError("a kernel smaller than its stride is not compared")
        total = self.size - self.stride
        return total // 2, total - total // 2


@dataclass(frozen=True)
class Generator:
    """Dense, norm, LeakyReLU, then transposed convolutions; the last has no norm and ends in tanh."""

    dense: Layer
    # Height, width, channels of the map behind the dense layer.
    shape: tuple[int, int, int]
    stages: list[Layer]

    @property
    def z_dim(self) -> int:
        """Length of z."""
        return self.dense.kernel.shape[0]

    def folded(self) -> Generator:
        """The same function with every norm folded into the weights before it."""

        def fold(layer: Layer) -> Layer:
            if layer.norm is None:
                return layer
            scale, shift = layer.norm.scale_and_shift(layer.bias)
            along = scale if layer.stride == 0 else scale[:, None]
            return replace(layer, kernel=layer.kernel * along, bias=shift, norm=None)

        return replace(self, dense=fold(self.dense), stages=[fold(s) for s in self.stages])


@dataclass(frozen=True)
class Model:
    """Both networks of a folder, and what their training needs to know."""

    generator: Generator
    # Strided convolutions with LeakyReLU, then one dense layer to the score.
    critic: list[Layer]
    # Height, width, channels of a picture.
    picture: tuple[int, int, int]
    settings: dict
    seed: int
    # Pictures to train on, bytes [n, h, w, c].
    pictures: Array


def read(folder: Path) -> Model:
    """Reads a folder that our side wrote; refuses an architecture that is not compared here."""
    card = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
    arch = card["arch"]
    plain = (
        set(arch["generator_upsample"]) == {1}
        and arch["generator_activation"] == arch["critic_activation"] == "leaky_relu"
        and arch["optimiser"] == "adam"
        and not {"critic_batch_norm_momentum", "critic_dropout_rate", "generator_dropout_rate"} & arch.keys()
    )
    if not plain:
        raise ValueError(f"{card['arch_name']} has layers that are not compared here")
    arrays = {**load_file(folder / "weights.safetensors"), **load_file(folder / "critic.safetensors")}

    def layer(name: str, stride: int) -> Layer:
        parts = ["gamma", "beta", "moving_mean", "moving_variance"]
        norm = None
        if f"{name}_norm.gamma" in arrays:
            norm = Norm(*(arrays[f"{name}_norm.{part}"] for part in parts))
        return Layer(arrays[f"{name}.kernel"], arrays[f"{name}.bias"], norm, stride)

    strides = arch["generator_conv_strides"]
    generator = Generator(
        dense=layer("generator.dense", 0),
        shape=tuple(arch["generator_initial_dense_layer_size"]),
        stages=[layer(f"generator.conv_{i}", stride) for i, stride in enumerate(strides)],
    )
    strides = arch["critic_conv_strides"]
    critic = [layer(f"critic.conv_{i}", stride) for i, stride in enumerate(strides)]
    picture = tuple(arch["input_dim"])
    return Model(
        generator=generator,
        critic=[*critic, layer("critic.dense", 0)],
        picture=picture,
        settings=arch,
        seed=card["seed"],
        pictures=np.fromfile(folder / "pictures.u8", dtype=np.uint8).reshape(-1, *picture),
    )
