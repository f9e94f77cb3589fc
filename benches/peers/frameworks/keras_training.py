"""WGAN-GP in Keras: the losses, optimisers and random numbers of `src/trainer/step.rs`, as graphs.

The critic's fakes come from the generator in inference mode; the generator's own step uses the
statistics of its batch and moves the averages. Random numbers are drawn as ours are, so that the
losses of the first epoch can be compared one by one.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from frameworks.keras_networks import critic_of, generator_of
from frameworks.network import Array, Model

CRITIC_STEPS = 5
# What tells random numbers of different uses apart (`Use` in step.rs).
SHUFFLE, CRITIC_STEP, GENERATOR_STEP = 3, 4, 5


class Training:
    """Both networks, their optimisers and the data."""

    def __init__(self, model: Model):
        arch = model.settings
        self.seed, self.pictures = model.seed, model.pictures
        self.batch, self.weight = arch["batch_size"], arch["grad_weight"]
        self.generator = generator_of(model.generator, arch["generator_batch_norm_momentum"])
        self.critic = critic_of(model.critic, model.picture)
        adam = lambda rate: keras.optimizers.Adam(rate, beta_1=0.5, beta_2=0.999, epsilon=1e-7)  # noqa: E731
        self.critic_adam = adam(arch["critic_learning_rate"])
        self.generator_adam = adam(arch["generator_learning_rate"])
        self.critic_adam.build(self.critic.trainable_variables)
        self.generator_adam.build(self.generator.trainable_variables)
        self.epochs = self.batches = 0
        self.critic_graph = tf.function(self.critic_step)
        self.generator_graph = tf.function(self.generator_step)

    def epoch(self) -> list[float]:
        """One epoch; gives total, real, fake, penalty of the last critic update, and the generator's loss."""
        for update in range(CRITIC_STEPS):
            random = self.random(CRITIC_STEP, update)
            z = self.noise(random)
            alpha = random.random_sample((self.batch, 1, 1, 1)).astype(np.float32)
            last = self.critic_graph(tf.constant(self.next_batch()), tf.constant(z), tf.constant(alpha))
            # As ours does, each update hands out its numbers before the next begins.
            last = [float(value) for value in last]
        loss = self.generator_graph(tf.constant(self.noise(self.random(GENERATOR_STEP, 0))))
        self.epochs += 1
        return [*last, float(loss)]

    def critic_step(self, real: tf.Tensor, z: tf.Tensor, alpha: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """One update of the critic."""
        fake = self.generator(z, training=False)
        between = real * alpha + fake * (1 - alpha)
        with tf.GradientTape() as tape:
            real_term = -tf.reduce_mean(self.critic(real))
            fake_term = tf.reduce_mean(self.critic(fake))
            with tf.GradientTape() as inner:
                inner.watch(between)
                score = self.critic(between)
            gradient = inner.gradient(score, between)
            norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3]))
            penalty = tf.reduce_mean(tf.square(1 - norm))
            total = real_term + fake_term + self.weight * penalty
        variables = self.critic.trainable_variables
        self.critic_adam.apply(tape.gradient(total, variables), variables)
        return total, real_term, fake_term, penalty

    def generator_step(self, z: tf.Tensor) -> tf.Tensor:
        """One update of the generator."""
        variables = self.generator.trainable_variables
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self.critic(self.generator(z, training=True)))
        self.generator_adam.apply(tape.gradient(loss, variables), variables)
        return loss

    def random(self, use: int, update: int) -> np.random.RandomState:
        """The stream of one update."""
        return np.random.RandomState([self.seed, use, self.epochs, 0, update])

    def noise(self, random: np.random.RandomState) -> Array:
        """A batch of z."""
        return random.standard_normal((self.batch, self.generator.input_shape[1])).astype(np.float32)

    def next_batch(self) -> Array:
        """The next batch of a pass over the pictures in random order, in −1..1."""
        passes, index = divmod(self.batches, len(self.pictures) // self.batch)
        self.batches += 1
        random = np.random.RandomState([self.seed, SHUFFLE, passes])
        order = list(range(len(self.pictures)))
        # Fisher-Yates, as ours draws it.
        for i in range(len(order) - 1, 0, -1):
            other = int(random.random_sample() * (i + 1))
            order[i], order[other] = order[other], order[i]
        chosen = order[index * self.batch : (index + 1) * self.batch]
        return (self.pictures[chosen].astype(np.float32) - 127.5) / 127.5
