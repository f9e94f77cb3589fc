"""PyTorch on an NVIDIA card: eager and compiled (with CUDA graphs), in f32 and f16, from z to bytes.

Settings are PyTorch's own: convolutions in f32 may use the card's tf32 units, matrix products may not.
"""

from __future__ import annotations

import time
from functools import cache

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


def ways(generator: Generator, threads: int) -> dict:
    """See `serve.Framework`; every norm folded, as an exporter would. Each is made when it is first used."""
    torch.set_num_threads(threads)
    folded = generator.folded()

    def made(half: bool, compiled: bool):
        network = Levels(folded, half).eval()
        return torch.compile(network, mode="reduce-overhead", dynamic=False) if compiled else network

    def way(half: bool, compiled: bool):
        network = cache(lambda: made(half, compiled))

        def forward(z: Array) -> Array:
            with torch.inference_mode():
                return network()(torch.from_numpy(z).cuda()).cpu().numpy()

        return forward

    names = {False: "eager", True: "compiled"}, {False: "f32", True: "f16"}
    return {
        f"{names[0][compiled]} {names[1][half]}": way(half, compiled)
        for half in (False, True)
        for compiled in (False, True)
    }


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
