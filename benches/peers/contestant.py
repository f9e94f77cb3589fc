"""Who takes part: a process each, which answers a line with a line (see `frameworks/serve.py`)."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
OURS = "flaneur"
# What is shown, the module that serves it, the package that it needs.
PEERS = [
    ("ONNX Runtime", "onnx_runtime", "onnxruntime"),
    ("TensorFlow/Keras", "tensorflow_keras", "tensorflow"),
    ("PyTorch", "pytorch", "torch"),
]
KERAS = "TensorFlow/Keras"
PYTORCH = "PyTorch"


class Failed(Exception):
    """A contestant could not do what it was asked."""


class Contestant:
    """One process."""

    def __init__(self, name: str, command: list[str], logs: Path, extra: dict[str, str]):
        self.name = name
        self.log = logs / f"{name.replace('/', '-')}.log"
        # A session of its own, so that Ctrl-C reaches only the one who started it.
        self.process = subprocess.Popen(
            command,
            cwd=HERE,
            env={**os.environ, **extra},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("w"),
            text=True,
            start_new_session=True,
        )

    @property
    def is_ours(self) -> bool:
        """Whether it is our side, on whatever device."""
        return self.name.split()[0] == OURS

    def ask(self, *words: object) -> list[str]:
        """Sends a line; gives the words of the answer behind its first one."""
        try:
            print(*words, file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline().split()
        except BrokenPipeError:
            answer = []
        if not answer:
            last = " / ".join(self.log.read_text(errors="replace").splitlines()[-3:])
            raise Failed(f"{self.name} ended at \"{words[0]}\": {last or 'it left no word'}")
        if answer[0] == "error":
            raise Failed(f"{self.name} at \"{words[0]}\": {' '.join(answer[1:])}")
        return answer[1:]

    def numbers(self, *words: object) -> list[float]:
        """Sends a line that is answered by milliseconds, and perhaps more numbers."""
        return [float(word) for word in self.ask(*words)]

    def close(self) -> None:
        """Ends the process, in the middle of its work if need be."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def ours(executable: Path, logs: Path, *work: str) -> Contestant:
    """Our side, which starts itself as the program does: to draw on the CPU, for `training`, or `gpu` or `gpu-half`."""
    return Contestant(" ".join([OURS, *work]), [str(executable), "serve", *work], logs, {})


def peer(name: str, logs: Path, threads: str) -> Contestant:
    """A framework on the CPU, with as many threads as our side takes."""
    module = next(module for shown, module, _ in PEERS if shown == name)
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow"}
    return Contestant(name, [sys.executable, "-m", "frameworks.serve", threads, module], logs, quiet)


def cuda(way: str, logs: Path, threads: str) -> Contestant:
    """PyTorch on an NVIDIA card, in one way."""
    command = [sys.executable, "-m", "frameworks.serve", threads, "pytorch_cuda", way]
    return Contestant(f"PyTorch {way}", command, logs, {})


def installed() -> tuple[list[str], list[str]]:
    """Frameworks that are there, and those that are not."""
    there = [name for name, _, package in PEERS if importlib.util.find_spec(package)]
    return there, [name for name, _, _ in PEERS if name not in there]


def versions() -> dict[str, str]:
    """Version of each framework that is there."""
    found = {}
    for package in ["onnxruntime", "tensorflow-cpu", "keras", "torch"]:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
