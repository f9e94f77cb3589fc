"""The whole comparison: builds our side, starts everyone, measures, prints one table.

`run` calls this in the Python environment that it made. Progress goes to stderr, the table to stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

import forward
import graphics
import training
from build import executable
from contestant import KERAS, OURS, Contestant, Failed, cuda, installed, ours, peer, versions
from table import Row, records, text

SEED = 1
CARDS_LEGEND = """\
f32, f16: what weights and maps are kept in; from z to bytes, both in the program's memory.
flaneur, streamed: each picture is begun before the one before is waited for, as a show does it.
ours / peer: as in the other tables; beside a limit of the chip, how many times as long as that we take.
difference: the largest of any byte of any picture, in levels of 255."""
PARTS = {"forward": forward, "training": training}


def main() -> int:
    """Gives the exit code: 0, 1 if nothing was measured, or 130 after Ctrl-C."""
    options = arguments()
    rows: list[Row] = []
    everyone: list[Contestant] = []
    code = 0
    about = [machine()]
    try:
        with tempfile.TemporaryDirectory(prefix="flaneur-peers-") as folder:
            try:
                if options.gpu:
                    run_on_card(options, Path(folder), everyone, rows, about)
                else:
                    run(options, Path(folder), everyone, rows)
            finally:
                for who in everyone:
                    who.close()
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


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="benches/peers/run", description="Flâneur beside other frameworks.")
    parser.add_argument("--quick", action="store_true", help="fewer runs: does it work, rather than how fast is it")
    parser.add_argument("--only", choices=PARTS, help="only one part")
    parser.add_argument("--arch", choices=forward.ARCHITECTURES, help="only one network")
    parser.add_argument("--gpu", action="store_true", help="on a graphics card, beside PyTorch with CUDA")
    parser.add_argument("--features", default="gpu", help="what our side is built with for --gpu (gpu; autotune,vulkan)")
    parser.add_argument("--alone", action="store_true", help="with --gpu: only our side")
    parser.add_argument("--ours", type=Path, metavar="FILE", help="our side, built before (the bench named peer)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured to a file")
    options = parser.parse_args()
    if options.ours:
        options.ours = options.ours.resolve()
        if not (options.ours.is_file() and os.access(options.ours, os.X_OK)):
            parser.error(f"--ours {options.ours}: no program is there; build it with cargo bench --no-run --bench peer")
    if options.json and (options.json.is_dir() or not options.json.resolve().parent.is_dir()):
        parser.error(f"--json {options.json}: give the name of a file in a folder that is there")
    if options.only and options.arch not in (None, *PARTS[options.only].ARCHITECTURES):
        parser.error(f"--only {options.only} has the networks {', '.join(PARTS[options.only].ARCHITECTURES)}")
    if options.features != "gpu" and not options.gpu:
        parser.error("--features goes with --gpu")
    if options.alone and not options.gpu:
        parser.error("--alone goes with --gpu")
    if options.only and options.gpu:
        parser.error("--only goes without --gpu, where nothing is trained")
    return options


def run(options: argparse.Namespace, folder: Path, everyone: list[Contestant], rows: list[Row]) -> None:
    """Measures; rows and processes are handed out as they come, so that a stop keeps them."""
    tell("building our side")
    us = ours(options.ours or executable(), folder)
    everyone.append(us)
    there, absent = installed()
    for name in absent:
        tell(f"{name} is not installed and left out")
    everyone.extend(peer(name, folder) for name in there)
    for part in PARTS if options.only is None else [options.only]:
        if part == "training" and KERAS not in there:
            tell("nobody to train against without Keras")
            continue
        who = [w for w in everyone if part == "forward" or w.name in (OURS, KERAS)]
        for arch in asked(options, PARTS[part].ARCHITECTURES):
            try:
                for row in PARTS[part].measure(arch, weights(arch, folder, us), who, options.quick, tell):
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
    built = options.ours or executable(*options.features.split(","))
    scribe = ours(built, folder)
    everyone.append(scribe)
    limits = None
    for precision in graphics.PRECISIONS:
        us = ours(built, folder, "gpu" if precision == "f32" else "gpu-half")
        who = [us, *(cuda(f"{way} {precision}", folder) for way in ([] if options.alone else ["eager", "compiled"]))]
        everyone.extend(who)
        try:
            about.append(f"{precision}: {' '.join(us.ask('name'))}")
        except Failed as failed:
            tell(f"{precision} is left out: {failed}")
            continue
        if limits is None and not options.alone:
            try:
                about.append(" ".join(who[1].ask("name")))
                limits = graphics.chip(who[1])
                about.append(limits.text())
            except Failed as failed:
                tell(f"no limits of the chip: {failed}")
        for arch in asked(options, forward.ARCHITECTURES):
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


def machine() -> str:
    """Processor and cores, in words."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
        flags = next(line.split() for line in lines if line.startswith("flags"))
        name += " with AVX-512" if "avx512f" in flags else " without AVX-512"
    except (OSError, StopIteration):
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = ", ".join(f"{package} {version}" for package, version in versions().items())
    return f"{name}, {cores} cores; {found}"


if __name__ == "__main__":
    sys.exit(main())
