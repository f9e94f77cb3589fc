"""TensorFlow with Keras on the CPU: a graph (tf.function), with and without XLA and with norms folded."""

from __future__ import annotations

import tensorflow as tf

from frameworks.keras_training import Training
from frameworks.keras_networks import generator_of
from frameworks.network import Array, Generator, Model


def use(threads: int) -> None:
    """Both pools get all threads; possible only before the first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def ways(generator: Generator, threads: int) -> dict:
    """See `serve.Framework`."""
    if generator.dense is None:
        raise ValueError("DCGANs are compared with PyTorch and ONNX Runtime")
    use(threads)

    def way(network: Generator, xla: bool):
        model = generator_of(network)
        graph = tf.function(lambda z: model(z, training=False), jit_compile=xla)

        def forward(z: Array) -> Array:
            return graph(tf.constant(z)).numpy()

        return forward

    return {
        "graph": way(generator, xla=False),
        "graph, folded": way(generator.folded(), xla=False),
        "XLA, folded": way(generator.folded(), xla=True),
    }


def training(model: Model, threads: int) -> Training:
    """See `serve.Framework`."""
    use(threads)
    return Training(model)
