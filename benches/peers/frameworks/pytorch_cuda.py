"""PyTorch on an NVIDIA card: eager and compiled (with CUDA graphs), in f32 and f16, from z to bytes.

Settings are PyTorch's own: convolutions in f32 may use the card's tf32 units, matrix products may not.
"""

from __future__ import annotations

import time

import torch

from frameworks.network import Array, Generator
from frameworks.pytorch import Network

# Bytes and side of what the limits are measured with: far more than any cache holds.
COPIED, SIDE = 1 << 31, 8192


class Levels(torch.nn.Module):
    """A generator whose pictures are levels of a byte."""

    def __init__(self, generator: Generator, half: bool):
        super().__init__()
        self.half_precision = half
        self.network = Network(generator, torch.channels_last).cuda()
        if half:
            self.network.half()

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """z [n, z_dim] in f32 → levels [n, h, w, c]."""
        pictures = self.network(z.half() if self.half_precision else z).float()
        return ((pictures + 1.0) * 127.5).clamp(0, 255).to(torch.uint8)


def ways(generator: Generator, cores: int) -> dict:
    """See `serve.Framework`; every norm folded, as an exporter would."""
    torch.set_num_threads(cores)
    folded = generator.folded()

    def way(half: bool, compiled: bool):
        network = Levels(folded, half).eval()
        if compiled:
            network = torch.compile(network, mode="reduce-overhead", dynamic=False)

        def forward(z: Array) -> Array:
            with torch.inference_mode():
                return network(torch.from_numpy(z).cuda()).cpu().numpy()

        return forward

    return {
        f"{'compiled' if compiled else 'eager'} {'f16' if half else 'f32'}": lambda z, half=half, compiled=compiled: way_of(
            half, compiled
        )(z)
        for half in (False, True)
        for compiled in (False, True)
        for way_of in [remembered(way)]
    }


def remembered(make):
    """Makes each way when it is first used."""
    made: dict = {}

    def get(*settings):
        if settings not in made:
            made[settings] = make(*settings)
        return made[settings]

    return get


def name() -> str:
    """The card and what drives it."""
    return f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}"


def limits() -> list[float]:
    """Bytes a second of a copy, read and written; operations a second of products in f32, tf32 and f16."""
    source = torch.empty(COPIED, dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)
    found = [2 * COPIED / shortest(lambda: target.copy_(source))]
    del source, target
    for kind, tf32 in [(torch.float32, False), (torch.float32, True), (torch.float16, False)]:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        left, right = (torch.randn(SIDE, SIDE, device="cuda", dtype=kind) for _ in range(2))
        found.append(2 * SIDE**3 / shortest(lambda left=left, right=right: left @ right))
    torch.backends.cuda.matmul.allow_tf32 = False
    return found


def shortest(work) -> float:
    """Seconds of the shortest of some runs."""
    best = float("inf")
    for _ in range(8):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best
