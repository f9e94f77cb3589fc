"""DCGAN in PyTorch as its tutorial trains it: an epoch is one step of the discriminator and one of the generator.

Binary cross-entropy on the discriminator's scores (its sigmoid is in the loss), Adam with the L2 of the report's
option sets in the gradient. Both networks stay in training mode, and the generator's pictures of the first step are
those that it is then judged by, as in the tutorial.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from frameworks.network import Array, Generator, Layer, Model

BATCH = 64
RATE, BETAS, WEIGHT_DECAY = 2e-4, (0.5, 0.999), 1e-4
SLOPE = 0.2
# Share of a moving statistic that a batch replaces.
MOMENTUM = 0.1


def weight(values: Array) -> nn.Parameter:
    """A weight that is learnt."""
    return nn.Parameter(torch.from_numpy(np.ascontiguousarray(values)))


def norm(layer: Layer) -> list[nn.Module]:
    """The batch norm behind a layer, if there is one."""
    if layer.norm is None:
        return []
    made = nn.BatchNorm2d(len(layer.norm.gamma), eps=layer.norm.eps, momentum=MOMENTUM)
    made.weight, made.bias = weight(layer.norm.gamma), weight(layer.norm.beta)
    return [made]


def generator_of(generator: Generator) -> nn.Sequential:
    """Transposed convolutions without biases, as in the tutorial."""
    modules: list[nn.Module] = []
    for stage in generator.stages:
        _, _, filters, channels = stage.kernel.shape
        conv = nn.ConvTranspose2d(channels, filters, stage.size, stage.stride, stage.padding, bias=False)
        # [k, k, out, in] → [in, out, k, k]
        conv.weight = weight(stage.kernel.transpose(3, 2, 0, 1))
        modules.append(conv)
        last = stage is generator.stages[-1]
        modules.extend([nn.Tanh()] if last else [*norm(stage), nn.ReLU(inplace=True)])
    return nn.Sequential(*modules)


def discriminator_of(critic: list[Layer]) -> nn.Sequential:
    """Convolutions without biases; the last one gives the score."""
    modules: list[nn.Module] = []
    for layer in critic:
        _, _, channels, filters = layer.kernel.shape
        conv = nn.Conv2d(channels, filters, layer.size, layer.stride, layer.padding, bias=False)
        # [k, k, in, out] → [out, in, k, k]
        conv.weight = weight(layer.kernel.transpose(3, 2, 0, 1))
        modules.append(conv)
        if layer is not critic[-1]:
            modules.extend([*norm(layer), nn.LeakyReLU(SLOPE, inplace=True)])
    return nn.Sequential(*modules)


class Training:
    """Both networks, their optimisers and the data."""

    def __init__(self, model: Model, memory: torch.memory_format):
        self.generator = generator_of(model.generator).to(memory_format=memory)
        self.discriminator = discriminator_of(model.critic).to(memory_format=memory)
        adam = lambda net: torch.optim.Adam(net.parameters(), RATE, BETAS, weight_decay=WEIGHT_DECAY)  # noqa: E731
        self.generator_adam, self.discriminator_adam = adam(self.generator), adam(self.discriminator)
        self.loss = nn.BCEWithLogitsLoss()
        self.random = np.random.RandomState(model.seed)
        self.z_dim, self.pictures, self.memory = model.generator.z_dim, model.pictures, memory

    def epoch(self) -> list[float]:
        """One step of each; gives the discriminator's loss, of real and drawn pictures, and the generator's."""
        chosen = self.random.randint(0, len(self.pictures), BATCH)
        pictures = (self.pictures[chosen].astype(np.float32) - 127.5) / 127.5
        real = torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy()).contiguous(memory_format=self.memory)
        z = self.random.standard_normal((BATCH, self.z_dim, 1, 1)).astype(np.float32)
        ones, zeros = torch.ones(BATCH), torch.zeros(BATCH)

        self.discriminator_adam.zero_grad(set_to_none=True)
        real_loss = self.loss(self.discriminator(real).view(-1), ones)
        real_loss.backward()
        fake = self.generator(torch.from_numpy(z))
        fake_loss = self.loss(self.discriminator(fake.detach()).view(-1), zeros)
        fake_loss.backward()
        self.discriminator_adam.step()

        self.generator_adam.zero_grad(set_to_none=True)
        loss = self.loss(self.discriminator(fake).view(-1), ones)
        loss.backward()
        self.generator_adam.step()
        return [float(real_loss) + float(fake_loss), float(loss)]
