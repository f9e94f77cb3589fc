"""What can be asked for on the command line; needs nothing but Python, so that `run` asks before it installs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

# The networks of each part.
NETWORKS = {
    "forward": ["small", "seed", "seed-k10", "dcgan-64", "dcgan-128"],
    "training": ["small", "seed"],
    "adversarial": ["dcgan-64", "dcgan-128"],
}
# Of the WGAN-GP alone.
ON_CARD = ["small", "seed", "seed-k10"]


def arguments() -> argparse.Namespace:
    """The options; wrong ones end the program with a sentence."""
    parser = argparse.ArgumentParser(prog="benches/peers/run", description="Flâneur beside other frameworks.")
    parser.add_argument("--quick", action="store_true", help="fewer runs: does it work, rather than how fast is it")
    parser.add_argument("--only", choices=NETWORKS, help="only one part")
    parser.add_argument("--arch", choices=NETWORKS["forward"], help="only one network")
    parser.add_argument("--gpu", action="store_true", help="on a graphics card, beside PyTorch with CUDA")
    parser.add_argument("--features", help="what our side is built with for --gpu (gpu; autotune,vulkan)")
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
    if options.only and options.arch not in (None, *NETWORKS[options.only]):
        parser.error(f"--only {options.only} has the networks {', '.join(NETWORKS[options.only])}")
    if options.features and not options.gpu:
        parser.error("--features goes with --gpu")
    if options.features and options.ours:
        parser.error("--features is what our side is built with; --ours is built already")
    if options.alone and not options.gpu:
        parser.error("--alone goes with --gpu")
    if options.gpu and options.arch not in (None, *ON_CARD):
        parser.error(f"--gpu has the networks {', '.join(ON_CARD)}")
    if options.only and options.gpu:
        parser.error("--only goes without --gpu, where nothing is trained")
    return options


if __name__ == "__main__":
    arguments()
