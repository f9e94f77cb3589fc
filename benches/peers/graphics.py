"""On a graphics card: from z to the bytes of pictures in the program's memory, everyone in turn.

Beside the peers stand the two limits of the chip for the same work: every weight read once, and every
multiplication of the network at the rate of the largest matrix product; both rates are measured here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contestant import OURS, Contestant
from forward import BATCHES, SEED, answer, output, take_turns
from table import Row

PRECISIONS = ["f32", "f16"]


@dataclass(frozen=True)
class Chip:
    """What the card does at best: bytes a second, and floating-point operations a second by precision."""

    bytes_per_second: float
    operations_per_second: dict[str, float]

    def text(self) -> str:
        """For people."""
        rates = ", ".join(f"{name} {rate / 1e12:.0f}" for name, rate in self.operations_per_second.items())
        return f"copies at {self.bytes_per_second / 1e12:.2f} TB/s; matrix products, TFLOP/s: {rates}"


def chip(peer: Contestant) -> Chip:
    """Measured by PyTorch: a large copy (bytes read and written), and large matrix products."""
    copied, f32, tf32, f16 = peer.numbers("limits")
    return Chip(copied, {"f32": f32, "tf32": tf32, "f16": f16})


def measure(
    arch: str,
    folder: Path,
    precision: str,
    contestants: list[Contestant],
    limits: Chip | None,
    quick: bool,
    tell: Callable[[str], None],
) -> Iterator[Row]:
    """Rows of one architecture in one precision, batch by batch; who fails is told of and left out."""
    warm, runs = (5, 20) if quick else (20, 200)
    card = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
    there = [who for who in contestants if answer(who, tell, "load", folder) is not None]
    for batch in BATCHES:
        said = f"{precision} {arch}, batch {batch}"
        tell(f"{said}: loading and compiling")
        z = folder / f"z-{batch}.f32"
        np.random.RandomState(SEED).standard_normal((batch, card["z_dim"])).astype("<f4").tofile(z)
        answers = {who.name: answer(who, tell, "z", z) for who in there}
        there = [who for who in there if answers[who.name] is not None]
        times = take_turns(there, warm, runs, lambda done: tell(f"{said}: {done} of {runs}"), "bytes", pause=0.0)
        pictures = {who.name: output(who, folder) for who in there}
        us = next(who for who in there if who.is_ours)
        for who in there:
            name = OURS if who.is_ours else who.name
            difference = float(np.abs(pictures[who.name] - pictures[us.name]).max())
            yield Row(precision, arch, batch, name, " ".join(answers[who.name]), times[who.name], difference)
        streamed = [us.numbers("stream", runs)[0] for _ in range(3)]
        yield Row(precision, arch, batch, f"{OURS}, streamed", f"{runs} in a row", streamed, 0.0, counts=False)
        if limits is not None:
            weights, products = work(card["arch"])
            each = 4 if precision == "f32" else 2
            read = weights * each / limits.bytes_per_second * 1e3
            computed = 2 * products * batch / limits.operations_per_second[precision] * 1e3
            yield Row(precision, arch, batch, "limit", "weights read once", [read], 0.0, counts=False)
            yield Row(precision, arch, batch, "limit", "multiplications", [computed], 0.0, counts=False)


def work(arch: dict) -> tuple[int, int]:
    """Weights of a generator, and multiplications of one picture (of the phases that reach a pixel)."""
    h, w, c = arch["generator_initial_dense_layer_size"]
    weights = products = arch["z_dim"] * h * w * c
    for size, stride, filters in zip(
        arch["generator_conv_kernel_size"], arch["generator_conv_strides"], arch["generator_conv_filters"], strict=True
    ):
        kernel = size * size * c * filters
        weights += kernel
        products += kernel * h * w
        h, w, c = h * stride, w * stride, filters
    return weights, products
