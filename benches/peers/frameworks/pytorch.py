"""PyTorch on the CPU: eager in inference mode, in both memory formats, with and without norms folded."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from frameworks.network import NORM_EPS, SLOPE, Array, Generator, Norm


def tensor(values: Array) -> nn.Parameter:
    """A weight."""
    return nn.Parameter(torch.from_numpy(np.ascontiguousarray(values)), requires_grad=False)


def norm(kind: type[nn.Module], values: Norm) -> nn.Module:
    """A batch norm with its statistics."""
    layer = kind(len(values.gamma), eps=NORM_EPS)
    layer.weight, layer.bias = tensor(values.gamma), tensor(values.beta)
    layer.running_mean.copy_(torch.from_numpy(values.mean))
    layer.running_var.copy_(torch.from_numpy(values.variance))
    return layer


class Network(nn.Module):
    """The generator; maps are NCHW in between, as everywhere in PyTorch."""

    def __init__(self, generator: Generator, memory: torch.memory_format):
        super().__init__()
        self.shape, self.memory = generator.shape, memory
        dense = generator.dense
        self.dense = nn.Linear(*dense.kernel.shape)
        self.dense.weight, self.dense.bias = tensor(dense.kernel.T), tensor(dense.bias)
        self.dense_norm = norm(nn.BatchNorm1d, dense.norm) if dense.norm else nn.Identity()
        self.convs, self.norms, self.crops = nn.ModuleList(), nn.ModuleList(), []
        for stage in generator.stages:
            before, after = stage.crop()
            _, _, filters, channels = stage.kernel.shape
            conv = nn.ConvTranspose2d(channels, filters, stage.size, stage.stride, padding=before)
            # [k, k, out, in] → [in, out, k, k]
            conv.weight, conv.bias = tensor(stage.kernel.transpose(3, 2, 0, 1)), tensor(stage.bias)
            self.convs.append(conv)
            self.norms.append(norm(nn.BatchNorm2d, stage.norm) if stage.norm else nn.Identity())
            self.crops.append(after - before)
        self.to(memory_format=memory)
        self.eval()

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """z [n, z_dim] → pictures [n, h, w, c]."""
        leaky = nn.functional.leaky_relu
        x = leaky(self.dense_norm(self.dense(z)), SLOPE, inplace=True)
        x = x.view(-1, *self.shape).permute(0, 3, 1, 2).contiguous(memory_format=self.memory)
        for i, (conv, norm_, crop) in enumerate(zip(self.convs, self.norms, self.crops)):
            x = conv(x)
            if crop:
                x = x[:, :, :-crop, :-crop]
            if i + 1 == len(self.convs):
                x = torch.tanh_(x)
            else:
                x = leaky(norm_(x), SLOPE, inplace=True)
        return x.permute(0, 2, 3, 1).contiguous()


def ways(generator: Generator, threads: int) -> dict:
    """See `serve.Framework`."""
    torch.set_num_threads(threads)

    def way(network: Network):
        def forward(z: Array) -> Array:
            with torch.inference_mode():
                return network(torch.from_numpy(z)).numpy()

        return forward

    memories = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
    forms = {"": generator, ", folded": generator.folded()}
    return {
        f"eager {memory}{form}": way(Network(network, memories[memory]))
        for memory in memories
        for form, network in forms.items()
    }
