"""The whole comparison: builds our side, starts everyone, measures, prints one table.

`run` calls this in the Python environment that it made. Progress goes to stderr, the table to stdout.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from functools import partial
from pathlib import Path

import forward
import graphics
import training
from build import executable
from contestant import KERAS, OURS, PYTORCH, Contestant, Failed, cuda, installed, ours, peer, versions
from options import NETWORKS, ON_CARD, arguments
from table import Row, records, text

SEED = 1
CARDS_LEGEND = """\
f32, f16: what weights and maps are kept in; from z to bytes, both in the program's memory.
flaneur, streamed: each picture is begun before the one before is waited for, as a show does it.
ours / peer: as in the other tables; beside a limit of the chip, how many times as long as that we take.
difference: the largest of any byte of any picture, in levels of 255."""
PARTS = {
    "forward": forward.measure,
    "training": training.measure,
    "adversarial": partial(training.measure, what="adversarial"),
}
# Who trains against us.
TRAINERS = {"training": KERAS, "adversarial": PYTORCH}


def main() -> int:
    """Gives the exit code: 0, 1 if nothing was measured, or 130 after Ctrl-C."""
    options = arguments()
    rows: list[Row] = []
    everyone: list[Contestant] = []
    code = 0
    about: list[str] = []
    try:
        with tempfile.TemporaryDirectory(prefix="flaneur-peers-") as folder:
            try:
                if options.gpu:
                    run_on_card(options, Path(folder), everyone, rows, about)
                else:
                    run(options, Path(folder), everyone, rows, about)
            finally:
                for who in everyone:
                    who.close()
    except Failed as failed:
        tell(str(failed))
        code = 1
    except KeyboardInterrupt:
        tell("stopped; what was measured until then:")
        code = 130
    print("\n" + "\n".join(about) + "\n")
    shown = text(rows, CARDS_LEGEND, 3) if options.gpu else text(rows)
    print(shown if rows else "nothing was measured")
    if not rows and code == 0:
        code = 1
    if options.json:
        found = {"machine": about, "quick": options.quick, "versions": versions(), "rows": records(rows)}
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return code


def run(
    options: argparse.Namespace, folder: Path, everyone: list[Contestant], rows: list[Row], about: list[str]
) -> None:
    """Measures; rows and processes are handed out as they come, so that a stop keeps them."""
    tell("building our side")
    built = options.ours or executable()
    us = ours(built, folder)
    everyone.append(us)
    (threads,) = us.ask("threads")
    about.append(machine(threads))
    there, absent = installed()
    for name in absent:
        tell(f"{name} is not installed and left out")
    everyone.extend(peer(name, folder, threads) for name in there)
    for part in PARTS if options.only is None else [options.only]:
        who = everyone
        if part in TRAINERS:
            if TRAINERS[part] not in there:
                tell(f"nobody to train against without {TRAINERS[part]}")
                continue
            learner = ours(built, folder, "training")
            who = [learner, *(w for w in everyone if w.name == TRAINERS[part])]
            everyone.append(learner)
        for arch in asked(options, NETWORKS[part]):
            try:
                for row in PARTS[part](arch, weights(arch, folder, us), who, options.quick, tell):
                    rows.append(row)
            except Failed as failed:
                tell(f"{part} {arch} is left out: {failed}")


def asked(options: argparse.Namespace, names: list[str]) -> list[str]:
    """Those of the networks that are asked for."""
    return [arch for arch in names if options.arch in (None, arch)]


def weights(arch: str, folder: Path, scribe: Contestant) -> Path:
    """The folder of a network's weights, which our side writes when it is not there yet."""
    if not (folder / arch).exists():
        scribe.ask("write", arch, SEED, folder / arch)
    return folder / arch


def run_on_card(
    options: argparse.Namespace, folder: Path, everyone: list[Contestant], rows: list[Row], about: list[str]
) -> None:
    """As [`run`], on a graphics card; what the card is and does at best goes to `about`."""
    tell("building our side")
    built = options.ours or executable(*(options.features or "gpu").split(","))
    scribe = ours(built, folder)
    everyone.append(scribe)
    (threads,) = scribe.ask("threads")
    about.append(machine(threads))
    limits = None
    for precision in graphics.PRECISIONS:
        us = ours(built, folder, "gpu" if precision == "f32" else "gpu-half")
        peers = [] if options.alone else ["eager", "compiled"]
        who = [us, *(cuda(f"{way} {precision}", folder, threads) for way in peers)]
        everyone.extend(who)
        try:
            name = " ".join(us.ask("name"))
        except Failed as failed:
            tell(f"{precision} is left out: {failed}")
            continue
        about.append(f"{precision}: {name}")
        tell(about[-1])
        if "software" in name and not options.quick:
            tell("left out: it is software, which would take days; --quick draws a tenth")
            continue
        if limits is None and not options.alone:
            try:
                about.append(" ".join(who[1].ask("name")))
                limits = graphics.chip(who[1])
                about.append(limits.text())
            except Failed as failed:
                tell(f"no limits of the chip: {failed}")
        for arch in asked(options, ON_CARD):
            try:
                model = weights(arch, folder, scribe)
                rows.extend(graphics.measure(arch, model, precision, who, limits, options.quick, tell))
            except Failed as failed:
                tell(f"{precision} {arch} is left out: {failed}")
        for contestant in who:
            contestant.close()


def tell(line: str) -> None:
    """Says how far it is."""
    print(line, file=sys.stderr, flush=True)


def machine(threads: str) -> str:
    """Processor and the threads that everyone may have, in words."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
        flags = next(line.split() for line in lines if line.startswith("flags"))
        name += " with AVX-512" if "avx512f" in flags else " without AVX-512"
    except (OSError, StopIteration):
        pass
    found = ", ".join(f"{package} {version}" for package, version in versions().items())
    return f"{name}, {threads} threads; {found}"


if __name__ == "__main__":
    sys.exit(main())
