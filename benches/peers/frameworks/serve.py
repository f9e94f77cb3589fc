"""One framework as a process: a line in, a line out, as `benches/peer.rs` speaks it for our side.

    load FOLDER     builds its generator in every way that the framework knows
    z FILE          reads what to draw (f32 rows) and keeps the way that is fastest at this batch
    forward         draws it: `ms`, then milliseconds
    bytes           the same; of a framework on a graphics card, whose pictures are levels of a byte
    limits          what a graphics card does at best: `ok`, then numbers (see `pytorch_cuda`)
    name            the graphics card: `ok`, then words
    output FILE     writes the pictures drawn last, f32 [n, h, w, c]
    train FOLDER    begins a training
    epoch           one epoch, of a DCGAN one step of each network: `ms`, milliseconds and the losses

Time is measured here, around one forward or epoch, from numpy arrays to numpy arrays.
Run as `python -m frameworks.serve THREADS NAME [WAY]`, in the folder above this one; WAY leaves only the ways of
that name.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from frameworks.network import Array, Generator, Model, read

# Runs of each way before the fastest is chosen; the first two (compilers, pools, caches) do not count.
TRIALS, UNCOUNTED = 7, 2

# A network ready to draw: z [n, z_dim] → pictures [n, h, w, c].
Forward = Callable[[Array], Array]


class Training(Protocol):
    """A training in progress."""

    def epoch(self) -> list[float]:
        """One epoch; gives its losses, of a WGAN-GP total, real, fake, penalty and the generator's."""


class Framework(Protocol):
    """What a module beside this one offers."""

    def ways(self, generator: Generator, threads: int) -> dict[str, Forward]:
        """The network in each way that might be the fastest, by the name of the way."""

    def training(self, model: Model, threads: int) -> Training:
        """A training of both networks; only of frameworks that train here."""


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Milliseconds that it took, and what came of it."""
    start = time.perf_counter()
    result = work()
    return (time.perf_counter() - start) * 1e3, result


class Server:
    """What the lines before have left."""

    def __init__(self, threads: int, framework: Framework, only: str):
        self.threads = threads
        self.framework = framework
        self.only = only
        self.ways: dict[str, Forward] = {}
        self.forward: Forward | None = None
        self.z = np.zeros((0, 0), np.float32)
        self.pictures = np.zeros(0, np.float32)
        self.trained: Training | None = None

    def answer(self, line: str) -> str:
        """Does what a line says."""
        word, _, rest = line.partition(" ")
        match word:
            case "load":
                self.generator = read(Path(rest)).generator
                ways = self.framework.ways(self.generator, self.threads)
                self.ways = {name: way for name, way in ways.items() if self.only in name}
                return "ok"
            case "z":
                self.z = np.fromfile(rest, dtype="<f4").reshape(-1, self.generator.z_dim)
                return f"ok {self.choose()}"
            case "forward" | "bytes":
                ms, self.pictures = timed(lambda: self.forward(self.z))
                return f"ms {ms:.4f}"
            case "limits":
                return " ".join(["ok", *(f"{number:e}" for number in self.framework.limits())])
            case "name":
                return f"ok {self.framework.name()}"
            case "output":
                self.pictures.astype("<f4").tofile(rest)
                return "ok"
            case "train":
                self.trained = self.framework.training(read(Path(rest)), self.threads)
                return "ok"
            case "epoch":
                ms, losses = timed(self.trained.epoch)
                return " ".join([f"ms {ms:.3f}", *(f"{loss:e}" for loss in losses)])
        raise ValueError(f'there is no "{word}"')

    def choose(self) -> str:
        """Keeps the way that had the shortest of a few runs, taken in turn."""
        times: dict[str, list[float]] = {name: [] for name in self.ways}
        for _ in range(TRIALS):
            for name, way in self.ways.items():
                times[name].append(timed(lambda way=way: way(self.z))[0])
        best = min(times, key=lambda name: min(times[name][UNCOUNTED:]))
        self.forward = self.ways[best]
        return best


def main() -> None:
    """Answers lines until there are none."""
    # Whatever a framework prints goes to stderr; only answers go where answers are read.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    threads, name, *way = sys.argv[1:]
    server = Server(int(threads), importlib.import_module(f"frameworks.{name}"), " ".join(way))
    for line in sys.stdin:
        try:
            answer = server.answer(line.strip())
        except Exception as error:  # noqa: BLE001 - the other side prints the reason
            answer = f"error {type(error).__name__}: {error}".replace("\n", " ")
        print(answer, file=answers)


if __name__ == "__main__":
    main()
