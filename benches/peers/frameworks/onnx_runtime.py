"""ONNX Runtime on the CPU: the graph as an exporter writes it, and the same with norms folded.

An exporter brings an NHWC network to ONNX's NCHW, spells out the padding, and leaves each batch norm
as a node; what becomes of it is up to the runtime, with all its optimisations on.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from frameworks.network import Array, Generator, Layer

# Old enough for every runtime of the last years; newer ones change nothing for these operations.
OPSET = 17


class Graph:
    """Nodes and arrays in the making; each method appends one node and returns its output's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: list[onnx.TensorProto] = []

    def constant(self, values: Array) -> str:
        """An array of the file."""
        name = f"array_{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: object) -> str:
        """An operation."""
        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"node_{name}", **attributes))
        return name

    def curve(self, x: str, slope: float) -> str:
        """The activation behind a hidden layer."""
        return self.node("LeakyRelu", x, alpha=slope) if slope else self.node("Relu", x)

    def norm(self, x: str, layer: Layer) -> str:
        """The batch norm behind a layer, if there is one."""
        if layer.norm is None:
            return x
        n = layer.norm
        arrays = [self.constant(a) for a in (n.gamma, n.beta, n.mean, n.variance)]
        return self.node("BatchNormalization", x, *arrays, epsilon=n.eps)


def export(generator: Generator) -> bytes:
    """The generator as an ONNX file: z [n, z_dim] → pictures [n, h, w, c]."""
    graph = Graph()
    x, dense = "z", generator.dense
    if dense:
        x = graph.node("Gemm", "z", graph.constant(dense.kernel), graph.constant(dense.bias))
        x = graph.curve(graph.norm(x, dense), generator.slope)
    x = graph.node("Reshape", x, graph.constant(np.array([-1, *generator.shape], np.int64)))
    x = graph.node("Transpose", x, perm=[0, 3, 1, 2])
    for stage in generator.stages:
        before, after = stage.crop()
        # [k, k, out, in] → [in, out, k, k]
        kernel = graph.constant(stage.kernel.transpose(3, 2, 0, 1))
        x = graph.node(
            "ConvTranspose",
            x,
            kernel,
            graph.constant(stage.bias),
            kernel_shape=[stage.size] * 2,
            strides=[stage.stride] * 2,
            pads=[before, before, after, after],
        )
        if stage is generator.stages[-1]:
            x = graph.node("Tanh", x)
        else:
            x = graph.curve(graph.norm(x, stage), generator.slope)
    graph.node("Transpose", x, output="pictures", perm=[0, 2, 3, 1])
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "generator",
            [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", generator.z_dim])],
            [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", None, None, None])],
            graph.arrays,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def ways(generator: Generator, threads: int) -> dict:
    """See `serve.Framework`."""

    def way(network: Generator):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = ort.InferenceSession(export(network), options, providers=["CPUExecutionProvider"])
        return lambda z: session.run(["pictures"], {"z": z})[0]

    return {"as exported": way(generator), "folded": way(generator.folded())}
