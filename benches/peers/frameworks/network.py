"""A model folder of Flâneur as plain numpy arrays, from which each framework builds its own network.

Two families: the WGAN-GP of the three lines, and DCGANs, whose generator has no dense layer.

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

# Epsilon of a batch norm, Keras' and PyTorch's, and the slope of LeakyReLU below zero.
NORM_EPS = 1e-3
TORCH_EPS = 1e-5
SLOPE = 0.2


@dataclass(frozen=True)
class Norm:
    """A batch norm: four arrays of one length."""

    gamma: Array
    beta: Array
    mean: Array
    variance: Array
    eps: float = NORM_EPS

    def scale_and_shift(self, bias: Array) -> tuple[Array, Array]:
        """What it does to a layer with this bias, in inference, as one scale and one shift."""
        scale = self.gamma / np.sqrt(self.variance + np.float32(self.eps))
        return scale, (bias - self.mean) * scale + self.beta


@dataclass(frozen=True)
class Layer:
    """A dense layer ([in, out], stride 0), a convolution or a transposed one, and the norm behind it."""

    kernel: Array
    bias: Array
    norm: Norm | None = None
    stride: int = 0
    # Pixels on every side; None is SAME.
    padding: int | None = None

    @property
    def size(self) -> int:
        """Side of the kernel."""
        return self.kernel.shape[0]

    def crop(self) -> tuple[int, int]:
        """Rows that are taken from a full transposed result, before and after."""
        if self.padding is not None:
            return self.padding, self.padding
        if self.size < self.stride:
            raise ValueError("a kernel smaller than its stride is not compared")
        total = self.size - self.stride
        return total // 2, total - total // 2


@dataclass(frozen=True)
class Generator:
    """Dense, norm, LeakyReLU, then transposed convolutions; the last has no norm and ends in tanh.

    Without a dense layer z is a map of one pixel.
    """

    dense: Layer | None
    # Height, width, channels of the map that the first convolution takes.
    shape: tuple[int, int, int]
    stages: list[Layer]
    # Below zero; 0 is ReLU.
    slope: float = SLOPE

    @property
    def z_dim(self) -> int:
        """Length of z."""
        return self.dense.kernel.shape[0] if self.dense else self.shape[2]

    def folded(self) -> Generator:
        """The same function with every norm folded into the weights before it."""

        def fold(layer: Layer | None) -> Layer | None:
            if layer is None or layer.norm is None:
                return layer
            scale, shift = layer.norm.scale_and_shift(layer.bias)
            along = scale if layer.stride == 0 else scale[:, None]
            return replace(layer, kernel=layer.kernel * along, bias=shift, norm=None)

        return replace(self, dense=fold(self.dense), stages=[fold(s) for s in self.stages])


@dataclass(frozen=True)
class Model:
    """Both networks of a folder, and what their training needs to know."""

    generator: Generator
    # Strided convolutions with LeakyReLU, then one dense layer or convolution to the score.
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
    arch, recipe = card["arch"], card["recipe"]
    arrays = {**load_file(folder / "weights.safetensors"), **load_file(folder / "critic.safetensors")}
    match arch["family"]:
        case "wgan_gp":
            generator, critic, picture = lines(arch, recipe, arrays)
        case "dcgan":
            generator, critic, picture = dcgan(arch, arrays)
        case family:
            raise ValueError(f"networks of the family {family} are not compared here")
    return Model(
        generator=generator,
        critic=critic,
        picture=picture,
        settings={**arch, **recipe},
        seed=card["seed"],
        pictures=np.fromfile(folder / "pictures.u8", dtype=np.uint8).reshape(-1, *picture),
    )


Networks = tuple[Generator, list[Layer], tuple[int, int, int]]


def layer(arrays: dict[str, Array], name: str, stride: int, padding: int | None = None, eps: float = NORM_EPS) -> Layer:
    """A layer with the norm behind it; one without a bias has zeros."""
    norm = None
    if f"{name}_norm.gamma" in arrays:
        parts = ["gamma", "beta", "moving_mean", "moving_variance"]
        norm = Norm(*(arrays[f"{name}_norm.{part}"] for part in parts), eps=eps)
    kernel = arrays[f"{name}.kernel"]
    # Filters stand last in a dense layer and a convolution, before last in a transposed one.
    filters = kernel.shape[2 if name.startswith("generator.conv") else -1]
    bias = arrays.get(f"{name}.bias", np.zeros(filters, np.float32))
    return Layer(kernel, bias, norm, stride, padding)


def lines(arch: dict, recipe: dict, arrays: dict[str, Array]) -> Networks:
    """Both networks of the three lines' family."""
    plain = (
        set(arch["generator_upsample"]) == {1}
        and arch["generator_activation"] == arch["critic_activation"] == "leaky_relu"
        and recipe["optimiser"] == "adam"
        and not {"critic_batch_norm_momentum", "critic_dropout_rate", "generator_dropout_rate"} & arch.keys()
    )
    if not plain:
        raise ValueError("it has layers that are not compared here")
    strides = arch["generator_conv_strides"]
    generator = Generator(
        dense=layer(arrays, "generator.dense", 0),
        shape=tuple(arch["generator_initial_dense_layer_size"]),
        stages=[layer(arrays, f"generator.conv_{i}", stride) for i, stride in enumerate(strides)],
    )
    strides = arch["critic_conv_strides"]
    critic = [layer(arrays, f"critic.conv_{i}", stride) for i, stride in enumerate(strides)]
    return generator, [*critic, layer(arrays, "critic.dense", 0)], tuple(arch["input_dim"])


def dcgan(arch: dict, arrays: dict[str, Array]) -> Networks:
    """Both networks of a DCGAN, as in PyTorch's tutorial."""
    if arch.get("classes") or "generator_dropout" in arch:
        raise ValueError("it has classes or dropout, which are not compared here")
    count = sum(name.startswith("generator.conv") and name.endswith(".kernel") for name in arrays)
    stages = [
        layer(arrays, f"generator.conv_{i}", 2 if i else 1, 1 if i else 0, TORCH_EPS) for i in range(count)
    ]
    critic = [
        layer(arrays, f"critic.conv_{i}", 1 if i + 1 == count else 2, 0 if i + 1 == count else 1, TORCH_EPS)
        for i in range(count)
    ]
    generator = Generator(dense=None, shape=(1, 1, arch["z_dim"]), stages=stages, slope=0.0)
    return generator, critic, (arch["size"], arch["size"], arch["channels"])
