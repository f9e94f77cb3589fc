"""Forward: one picture batch from z, everyone in turn, outputs compared with ours."""

from __future__ import annotations

import random
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from contestant import OURS, Contestant, Failed
from table import Row

BATCHES = [1, 8]
# Pools of threads spin for a while after their work; the next in turn shall not feel it.
# ONNX Runtime's spins for more than 30 ms (measured), which takes a processor from whoever draws then.
PAUSE_SECS = 0.1
SEED = 1


def measure(
    arch: str, folder: Path, contestants: list[Contestant], quick: bool, tell: Callable[[str], None]
) -> Iterator[Row]:
    """Rows of one architecture, batch by batch; who fails is told of and left out."""
    warm, runs = (2, 12) if quick else (5, 60)
    z_dim = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))["z_dim"]
    tell(f"forward {arch}: loading")
    there = [who for who in contestants if answer(who, tell, "load", folder) is not None]
    for batch in BATCHES:
        z = folder / f"z-{batch}.f32"
        np.random.RandomState(SEED).standard_normal((batch, z_dim)).astype("<f4").tofile(z)
        tell(f"forward {arch}, batch {batch}: choosing the fastest way of each")
        answers = {who.name: answer(who, tell, "z", z) for who in there}
        there = [who for who in there if answers[who.name] is not None]
        ways = {who.name: " ".join(answers[who.name]) for who in there}
        times = take_turns(there, warm, runs, lambda done: tell(f"forward {arch}, batch {batch}: {done} of {runs}"))
        pictures = {who.name: output(who, folder) for who in there}
        for who in there:
            difference = float(np.abs(pictures[who.name] - pictures[OURS]).max())
            yield Row("forward", arch, batch, who.name, ways[who.name], times[who.name], difference)


def answer(who: Contestant, tell: Callable[[str], None], *words: object) -> list[str] | None:
    """Its answer; nothing, and its reason told, where a framework fails: the others go on."""
    try:
        return who.ask(*words)
    except Failed as failed:
        if who.is_ours:
            raise
        tell(f"left out: {failed}")
        return None


def take_turns(
    contestants: list[Contestant],
    warm: int,
    runs: int,
    tell: Callable[[int], None],
    word: str = "forward",
    pause: float = PAUSE_SECS,
) -> dict[str, list[float]]:
    """Milliseconds of each at `word`; a round is one forward of everyone, in an order drawn anew."""
    times: dict[str, list[float]] = {who.name: [] for who in contestants}
    order = random.Random(SEED)
    for turn in range(-warm, runs):
        for who in order.sample(contestants, len(contestants)):
            time.sleep(pause)
            (ms,) = who.numbers(word)
            if turn >= 0:
                times[who.name].append(ms)
        if turn > 0 and turn % 10 == 0:
            tell(turn)
    return times


def output(who: Contestant, folder: Path) -> np.ndarray:
    """The pictures that it drew last."""
    path = folder / "output.f32"
    who.ask("output", path)
    return np.fromfile(path, dtype="<f4")
