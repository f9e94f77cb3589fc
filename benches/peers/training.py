"""Training: one epoch of a WGAN-GP (5 critic updates, one of the generator, batches of 16), ours and Keras' in turn;
one of a DCGAN (a step of each network, batches of 64), ours and PyTorch's.

Both begin with the same weights. Keras draws the same random numbers, so the losses of the first epoch say whether
both do the same; PyTorch draws others, so its losses lie near ours and are not the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from contestant import OURS, Contestant
from forward import PAUSE_SECS
from table import Row

BATCHES = {"training": 16, "adversarial": 64}


def measure(
    arch: str,
    folder: Path,
    contestants: list[Contestant],
    quick: bool,
    tell: Callable[[str], None],
    what: str = "training",
) -> Iterator[Row]:
    """One row each; the first epoch is the warm-up, and the one whose losses are compared."""
    epochs = 2 if quick else 7
    losses, times = {}, {who.name: [] for who in contestants}
    for who in contestants:
        tell(f"training {arch}: {who.name} begins")
        who.ask("train", folder)
        _, *losses[who.name] = who.numbers("epoch")
    for epoch in range(epochs):
        for who in contestants if epoch % 2 == 0 else reversed(contestants):
            time.sleep(PAUSE_SECS)
            times[who.name].append(who.numbers("epoch")[0])
        tell(f"training {arch}: epoch {epoch + 1} of {epochs}")
    us = next(who for who in contestants if who.is_ours)
    for who in contestants:
        name, way = (OURS, "") if who.is_ours else (who.name, "graph" if what == "training" else "eager")
        difference = apart(losses[who.name], losses[us.name])
        yield Row(what, arch, BATCHES[what], name, way, times[who.name], difference)


def apart(losses: list[float], ours: list[float]) -> float:
    """Largest difference of a loss, as a share of that loss."""
    return max(abs(a - b) / abs(b) for a, b in zip(losses, ours))
