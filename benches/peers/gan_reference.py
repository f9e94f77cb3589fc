"""The first epochs of a training with cross-entropy, run again in PyTorch from the same weights, z and order.

Every random number of `flaneur train` is numpy's, so the whole run can be repeated: this script draws the same start,
the same batches and the same z, trains with torch.nn and torch.optim as the report and the lesson do, and compares the
losses of every epoch with `training/history.csv`. Needs torch, numpy and pillow.

    flaneur train PICTURES --model NAME --recipe dcgan3 --batch 16 --epochs 2
    python3 gan_reference.py PICTURES models/NAME dcgan3 16 2
"""

import csv
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

SEED = 1
GENERATOR, CRITIC, SHUFFLE, STEP = 1, 2, 3, 4


def stream(*key):
    return np.random.RandomState(list(key))


def order(epoch, count):
    random, places = stream(SEED, SHUFFLE, epoch), list(range(count))
    for i in range(count - 1, 0, -1):
        j = int(random.random_sample() * (i + 1))
        places[i], places[j] = places[j], places[i]
    return places


def normal(random, mean, deviation, *shape):
    return torch.tensor(random.randn(int(np.prod(shape))) * deviation + mean, dtype=torch.float32).reshape(shape)


def uniform(random, limit, *shape):
    values = (random.random_sample(int(np.prod(shape))) * 2 - 1) * limit
    return torch.tensor(values, dtype=torch.float32).reshape(shape)


def start_of_dcgan(net, random):
    """N(0, 0.02) kernels and N(1, 0.02) factors, layer by layer; kernels as [k, k, out, in] or [k, k, in, out]."""
    for layer in net:
        if isinstance(layer, nn.ConvTranspose2d):
            i, o, k, _ = layer.weight.shape
            layer.weight.data = normal(random, 0, 0.02, k, k, o, i).permute(3, 2, 0, 1).contiguous()
        elif isinstance(layer, nn.Conv2d):
            o, i, k, _ = layer.weight.shape
            layer.weight.data = normal(random, 0, 0.02, k, k, i, o).permute(3, 2, 0, 1).contiguous()
        elif isinstance(layer, nn.BatchNorm2d):
            layer.weight.data = normal(random, 1, 0.02, layer.num_features)


def start_of_mlp(net, random):
    for layer in net:
        if isinstance(layer, nn.Linear):
            limit = 1 / np.sqrt(layer.in_features)
            layer.weight.data = uniform(random, limit, layer.in_features, layer.out_features).T.contiguous()
            layer.bias.data = uniform(random, limit, layer.out_features)


class Inputs(nn.Module):
    def forward(self, z):
        return z[:, :, None, None]


def dcgan():
    g, d, wide = [Inputs()], [], [512, 256, 128, 64]
    before = 100
    for i, width in enumerate(wide):
        stride, pad = (1, 0) if i == 0 else (2, 1)
        g += [nn.ConvTranspose2d(before, width, 4, stride, pad, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    g += [nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh()]
    before = 3
    for i, width in enumerate(reversed(wide)):
        d += [nn.Conv2d(before, width, 4, 2, 1, bias=False)] + ([nn.BatchNorm2d(width)] if i else [])
        d += [nn.LeakyReLU(0.2)]
        before = width
    d += [nn.Conv2d(512, 1, 4, 1, 0, bias=False), nn.Flatten(), nn.Sigmoid()]
    return nn.Sequential(*g), nn.Sequential(*d), start_of_dcgan, (64, 3)


def lesson_dcgan():
    g, before = [Inputs()], 100
    for width in [256, 128, 64]:
        g += [nn.ConvTranspose2d(before, width, 3, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    g += [nn.ConvTranspose2d(64, 1, 3, 2, padding=2, output_padding=1, bias=False), nn.Tanh()]
    d = [nn.Conv2d(1, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for before, width in [(64, 128), (128, 256)]:
        d += [nn.Conv2d(before, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]
    d += [nn.Conv2d(256, 1, 4, 2, 1, bias=False), nn.Flatten(), nn.Sigmoid()]
    return nn.Sequential(*g), nn.Sequential(*d), start_of_dcgan, (28, 1)


def lesson_mlp():
    g, before = [], 100
    for width in [256, 512, 1024]:
        g += [nn.Linear(before, width), nn.BatchNorm1d(width, momentum=0.2), nn.LeakyReLU(0.2)]
        before = width
    g += [nn.Linear(1024, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))]
    d, before = [nn.Flatten()], 784
    for width in [512, 256]:
        d += [nn.Linear(before, width), nn.LeakyReLU(0.2)]
        before = width
    d += [nn.Linear(256, 1), nn.Sigmoid()]
    return nn.Sequential(*g), nn.Sequential(*d), start_of_mlp, (28, 1)


def train(folder, recipe, batch, epochs):
    lesson = recipe.startswith("lesson")
    make = {"lesson-torch": lesson_mlp, "lesson-torch-dcgan": lesson_dcgan}.get(recipe, dcgan)
    g, d, start, (size, channels) = make()
    start(g, stream(SEED, GENERATOR))
    start(d, stream(SEED, CRITIC))
    mode = "L" if channels == 1 else "RGB"
    files = sorted(Path(folder).iterdir(), key=lambda path: path.name)
    pictures = np.stack([np.asarray(Image.open(path).convert(mode)).reshape(size, size, channels) for path in files])
    real_all = torch.tensor(pictures, dtype=torch.float32).permute(0, 3, 1, 2)
    real_all = real_all / 255 if recipe.startswith("dcgan1") else (real_all - 127.5) / 127.5
    rate = 2e-3 if recipe == "dcgan1-lr" else 2e-4
    decay = 8e-9 if lesson else 1e-4
    adam = [torch.optim.Adam(n.parameters(), lr=rate, betas=(0.5, 0.999), weight_decay=decay) for n in (d, g)]
    label_real = 0.9 if recipe in ("dcgan3", "dcgan4", "dcgan4-mod") else 1.0
    label_fake = 0.3 if recipe == "dcgan4-mod" else 0.0
    bce = nn.BCELoss()
    step, rows = 0, []
    for epoch in range(epochs):
        if recipe == "lesson-torch-dcgan" and epoch == 1:
            g.eval()
        sums, seen, places = np.zeros(5), 0, order(epoch, len(real_all))
        for at in range(0, len(places), batch):
            chosen = places[at : at + batch]
            if lesson and len(chosen) < batch:
                break
            n = len(chosen)
            real = real_all[chosen]
            z = torch.tensor(stream(SEED, STEP, step, 0, 0).randn(n * 100).reshape(n, 100), dtype=torch.float32)
            ones, zeros = torch.full((n, 1), label_real), torch.full((n, 1), label_fake)
            fake = g(z)

            def generator():
                said = d(fake)
                loss = bce(said, ones)
                g.zero_grad()
                loss.backward(retain_graph=True)
                adam[1].step()
                return loss.item(), said.mean().item()

            if lesson:
                told = generator()
            on_real, on_fake = d(real), d(fake.detach())
            d_loss = bce(on_real, ones) + bce(on_fake, zeros)
            d_loss = d_loss / 2 if lesson else d_loss
            frozen = recipe.startswith("dcgan4") and seen and sums[0] < 0.7 * sums[1]
            if not frozen:
                d.zero_grad()
                d_loss.backward()
                adam[0].step()
            if not lesson:
                told = generator()
            sums += np.array([d_loss.item(), told[0], on_real.mean().item(), on_fake.mean().item(), told[1]]) * n
            seen, step = seen + n, step + 1
        rows.append(sums / seen)
    return rows


def main():
    folder, model, recipe, batch, epochs = sys.argv[1:6]
    names = ["d_loss", "g_loss", "d_real", "d_fake", "g_real"]
    with open(Path(model) / "training" / "history.csv") as file:
        ours = [[float(row[name]) for name in names] for row in csv.DictReader(file)]
    worst = 0.0
    for epoch, theirs in enumerate(train(folder, recipe, int(batch), int(epochs))):
        for name, a, b in zip(names, ours[epoch], theirs):
            apart = abs(a - b) / max(1.0, abs(b))
            worst = max(worst, apart)
            print(f"{recipe} epoch {epoch} {name}: ours {a:.6f}, PyTorch {b:.6f}")
    print(f"{recipe}: at most {worst:.2e} apart")
    sys.exit(int(worst > 1e-2))


main()
