"""The table: milliseconds, ratios ours / peer, and how far results lie apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from contestant import OURS

HEAD = ["what", "network", "batch", "who", "way", "median ms", "p99 ms", "ours / peer", "difference"]
LEGEND = """\
ours / peer: median over the rounds of our milliseconds divided by the peer's in the same round; below 1 we are faster.
difference, forward: the largest |peer − ours| of any value of any picture, on the scale −1..1.
difference, training: the largest of any of the first epoch's five losses, as a share of that loss."""


@dataclass(frozen=True)
class Row:
    """One contestant at one task; `runs` are milliseconds, in the order of the rounds."""

    what: str
    arch: str
    batch: int
    who: str
    way: str
    runs: list[float]
    difference: float
    # Whether it is one who competes, with a result of its own.
    counts: bool = True

    @property
    def task(self) -> tuple[str, str, int]:
        """What it is to be compared within."""
        return (self.what, self.arch, self.batch)

    def median(self) -> float:
        """Of the runs."""
        return float(np.median(self.runs))

    def p99(self) -> float:
        """The run that 99 of 100 do not exceed; with fewer than a hundred, the longest."""
        return float(np.percentile(self.runs, 99, method="higher"))


def ratio(ours: Row, peer: Row) -> float:
    """Of one round each, so that a machine that drifts does not matter; their median."""
    if not peer.counts:
        return ours.median() / peer.median()
    return float(np.median(np.array(ours.runs) / np.array(peer.runs)))


def compared(rows: list[Row]) -> list[tuple[Row, float | None]]:
    """Every row with its ratio; ours has none."""
    ours = {row.task: row for row in rows if row.who == OURS}
    return [(row, None if row.who == OURS else ratio(ours[row.task], row)) for row in rows]


def text(rows: list[Row], legend: str = LEGEND, digits: int = 2) -> str:
    """The table for a terminal, each task closed by its best peer; milliseconds with so many digits."""
    lines: list[list[str]] = [HEAD]
    tasks: dict[tuple[str, str, int], list[tuple[Row, float | None]]] = {}
    for row, ratio_ in compared(rows):
        tasks.setdefault(row.task, []).append((row, ratio_))
    for task in tasks.values():
        peers = [ratio_ for row, ratio_ in task if ratio_ is not None and row.counts]
        lines.append([])
        for row, ratio_ in task:
            beaten = ratio_ is None or not row.counts or len(peers) == 1 or ratio_ != max(peers)
            best = "" if beaten else " best peer"
            lines.append([
                row.what, row.arch, str(row.batch), row.who, row.way.split(":")[0],
                f"{row.median():.{digits}f}", f"{row.p99():.{digits}f}",
                "" if ratio_ is None else f"{ratio_:.2f}{best}",
                "" if ratio_ is None or not row.counts else f"{row.difference:.1e}",
            ])  # fmt: skip
    widths = [max(len(line[i]) for line in lines if line) for i in range(len(HEAD))]
    numbers = {2, 5, 6}

    def spaced(line: list[str]) -> str:
        cells = (c.rjust(w) if i in numbers else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths)))
        return "  ".join(cells).rstrip()

    return "\n".join([*(spaced(line) for line in lines), "", legend])


def records(rows: list[Row]) -> list[dict]:
    """The same for a file, with every run."""
    return [
        {**asdict(row), "median_ms": row.median(), "p99_ms": row.p99(), "ours_over_peer": ratio_}
        for row, ratio_ in compared(rows)
    ]
