"""PyTorch on the CPU: eager in inference mode, in both memory formats, with and without norms folded; and DCGANs'
training in the faster of both formats."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import nn

from frameworks.network import Array, Generator, Model, Norm
from frameworks.pytorch_training import Training

MEMORIES = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def tensor(values: Array) -> nn.Parameter:
    """A weight."""
    return nn.Parameter(torch.from_numpy(np.ascontiguousarray(values)), requires_grad=False)


def norm(kind: type[nn.Module], values: Norm) -> nn.Module:
    """A batch norm with its statistics."""
    layer = kind(len(values.gamma), eps=values.eps)
    layer.weight, layer.bias = tensor(values.gamma), tensor(values.beta)
    layer.running_mean.copy_(torch.from_numpy(values.mean))
    layer.running_var.copy_(torch.from_numpy(values.variance))
    return layer


class Network(nn.Module):
    """The generator; maps are NCHW in between, as everywhere in PyTorch."""

    def __init__(self, generator: Generator, memory: torch.memory_format):
        super().__init__()
        self.shape, self.memory, self.slope = generator.shape, memory, generator.slope
        self.dense, dense = None, generator.dense
        if dense:
            self.dense = nn.Linear(*dense.kernel.shape)
            self.dense.weight, self.dense.bias = tensor(dense.kernel.T), tensor(dense.bias)
            self.dense_norm = norm(nn.BatchNorm1d, dense.norm) if dense.norm else nn.Identity()
        self.convs, self.norms, self.crops = nn.ModuleList(), nn.ModuleList(), []
        for stage in generator.stages:
            before, after = stage.crop()
            _, _, filters, channels = stage.kernel.shape
            biased = bool(stage.bias.any())
            conv = nn.ConvTranspose2d(channels, filters, stage.size, stage.stride, padding=before, bias=biased)
            # [k, k, out, in] → [in, out, k, k]
            conv.weight = tensor(stage.kernel.transpose(3, 2, 0, 1))
            if biased:
                conv.bias = tensor(stage.bias)
            self.convs.append(conv)
            self.norms.append(norm(nn.BatchNorm2d, stage.norm) if stage.norm else nn.Identity())
            self.crops.append(after - before)
        self.to(memory_format=memory)
        self.eval()

    def curve(self, x: torch.Tensor) -> torch.Tensor:
        """The activation behind a hidden layer."""
        return nn.functional.leaky_relu(x, self.slope, inplace=True) if self.slope else torch.relu_(x)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """z [n, z_dim] → pictures [n, h, w, c]."""
        x = z
        if self.dense:
            x = self.curve(self.dense_norm(self.dense(z)))
        x = x.view(-1, *self.shape).permute(0, 3, 1, 2).contiguous(memory_format=self.memory)
        for i, (conv, norm_, crop) in enumerate(zip(self.convs, self.norms, self.crops)):
            x = conv(x)
            if crop:
                x = x[:, :, :-crop, :-crop]
            x = torch.tanh_(x) if i + 1 == len(self.convs) else self.curve(norm_(x))
        return x.permute(0, 2, 3, 1).contiguous()


def ways(generator: Generator, threads: int) -> dict:
    """See `serve.Framework`."""
    torch.set_num_threads(threads)

    def way(network: Network):
        def forward(z: Array) -> Array:
            with torch.inference_mode():
                return network(torch.from_numpy(z)).numpy()

        return forward

    forms = {"": generator, ", folded": generator.folded()}
    return {
        f"eager {memory}{form}": way(Network(network, MEMORIES[memory]))
        for memory in MEMORIES
        for form, network in forms.items()
    }


def training(model: Model, threads: int) -> Training:
    """See `serve.Framework`; in the memory format in which an epoch takes less time."""
    if model.generator.dense:
        raise ValueError("the three lines' training is compared with Keras")
    torch.set_num_threads(threads)
    times = {}
    for name, memory in MEMORIES.items():
        trial = Training(model, memory)
        trial.epoch()
        start = time.perf_counter()
        trial.epoch()
        times[name] = time.perf_counter() - start
    return Training(model, MEMORIES[min(times, key=times.get)])
