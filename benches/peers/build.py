"""Builds our side with cargo and says where it is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Without windows it builds in minutes; graphics cards only where they are compared.
COMMAND = ["cargo", "bench", "--no-run", "--no-default-features", "--bench", "peer"]


def executable(*features: str) -> Path:
    """The built `benches/peer.rs`; cargo's own settings (CARGO_TARGET_DIR) are honoured."""
    named = ["--features", ",".join(features)] if features else []
    command = [*COMMAND, *named, "--message-format", "json-render-diagnostics"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        raise SystemExit("our side could not be built; cargo's words are above")
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "peer":
            return Path(message["executable"])
    raise SystemExit("cargo did not say where it put the bench named peer")
