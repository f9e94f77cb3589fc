"""Files of weights that Keras itself writes, with what it draws of them, for `tests/keras.rs`.

    KERAS_BACKEND=jax python keras_reference.py FOLDER
    FLANEUR_REFERENCES=FOLDER cargo test --release --test keras -- --ignored --nocapture

Needs keras and one of its backends (jax is the smallest). The generator is that of the three lines, by their 21
settings at some widths; each is saved as .h5, .keras and .weights.h5, beside an .npz with `z` and `y`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

# Filters, kernels, strides, upsampling, momentum of the norms, activation, dropout.
NETWORKS = {
    "lines": ([16, 8, 4, 3], [6, 6, 6, 6], [2, 2, 2, 2], [1, 1, 1, 1], 0.9, "leaky_relu", None),
    "lines-k10": ([12, 3], [10, 5], [2, 2], [1, 1], 0.9, "leaky_relu", None),
    "upsampled": ([8, 8, 3], [5, 3, 6], [1, 2, 1], [2, 1, 2], 0.8, "leaky_relu", 0.3),
    "bare": ([8, 3], [3, 4], [2, 2], [1, 1], None, "relu", None),
}
Z_DIM, FIRST = 20, (4, 4, 24)


def activation(word: str) -> layers.Layer:
    """As the original makes it."""
    return layers.LeakyReLU(negative_slope=0.2) if word == "leaky_relu" else layers.Activation(word)


def generator(filters, kernels, strides, upsample, momentum, word, dropout) -> keras.Model:
    """The original's generator as a functional model."""
    start = x = layers.Input((Z_DIM,), name="generator_input")
    x = layers.Dense(int(np.prod(FIRST)))(x)
    if momentum:
        x = layers.BatchNormalization(momentum=momentum)(x)
    x = activation(word)(x)
    x = layers.Reshape(FIRST)(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    for i, (count, kernel, stride, factor) in enumerate(zip(filters, kernels, strides, upsample)):
        name = f"generator_conv_{i}"
        if factor == 2:
            x = layers.UpSampling2D()(x)
            x = layers.Conv2D(count, kernel, padding="same", name=name)(x)
        else:
            x = layers.Conv2DTranspose(count, kernel, stride, padding="same", name=name)(x)
        if i + 1 < len(filters):
            if momentum:
                x = layers.BatchNormalization(momentum=momentum)(x)
            x = activation(word)(x)
        else:
            x = layers.Activation("tanh")(x)
    return keras.Model(start, x)


def stirred(name: str, values: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Numbers under which every array matters and pictures are neither flat nor saturated."""
    if "variance" in name or "gamma" in name:
        return 1 + 0.3 * np.abs(random.standard_normal(values.shape))
    if "kernel" in name:
        return values * 1.5
    return 0.2 * random.standard_normal(values.shape)


def main(folder: Path) -> None:
    """Writes everything."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.RandomState(1)
    for name, settings in NETWORKS.items():
        keras.utils.set_random_seed(1)
        model = generator(*settings)
        for weight in model.weights:
            if "seed" not in weight.path:
                weight.assign(stirred(weight.path, np.array(weight), random).astype(np.float32))
        z = random.standard_normal((4, Z_DIM)).astype(np.float32)
        y = np.array(model(z, training=False))
        print(f"{name}: {y.shape}, values up to {np.abs(y).max():.2f}")
        model.save(folder / f"{name}.h5")
        model.save(folder / f"{name}.keras")
        # Without a configuration only the lines' own settings can be told from the shapes.
        if name == "lines":
            model.save_weights(folder / f"{name}.weights.h5")
        np.savez(folder / f"{name}.npz", z=z, y=y)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
