"""A whole model in four nodes that keeps the contract: every fourth frame, one matrix, log softmax."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def ctc_graph(
    vocabulary: int = 5,
    *,
    output: str = "log_probs",
    static: bool = True,
    bins: int = 80,
    seed: int = 0,
) -> bytes:
    """T' = ceil(T / 4); the weights are random and the same for a seed."""
    weight = np.random.default_rng(seed).standard_normal((bins, vocabulary)).astype(np.float32)
    constants = {
        "weight": weight,
        "starts": np.array([0]),
        "ends": np.array([2**62]),
        "axes": np.array([1]),
        "steps": np.array([4]),
        "three": np.array(3),
        "four": np.array(4),
        "keep": np.ones(vocabulary, bool),
    }
    nodes = [
        helper.make_node("Slice", ["x", "starts", "ends", "axes", "steps"], ["every_fourth"]),
        helper.make_node("MatMul", ["every_fourth", "weight"], ["logits"]),
        helper.make_node("Identity", ["logits"], ["kept"])
        if static
        else helper.make_node("Compress", ["logits", "keep"], ["kept"], axis=2),  # of a size not known before
        helper.make_node("LogSoftmax", ["kept"], [output], axis=-1),
        helper.make_node("Add", ["x_lens", "three"], ["rounded_up"]),
        helper.make_node("Div", ["rounded_up", "four"], ["log_probs_len"]),
    ]
    size = vocabulary if static else "V"
    graph = helper.make_graph(
        nodes,
        "ctc",
        [_value("x", TensorProto.FLOAT, ["N", "T", bins]), _value("x_lens", TensorProto.INT64, ["N"])],
        [
            _value(output, TensorProto.FLOAT, ["N", "T_out", size]),
            _value("log_probs_len", TensorProto.INT64, ["N"]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString()


def with_external_weight(graph: bytes, location: str) -> bytes:
    """The same graph with its matrix said to lie in another file."""
    import onnx

    model = onnx.load_model_from_string(graph)
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", location
    return model.SerializeToString()


def _value(name: str, kind: int, shape: list[str | int]) -> object:
    return helper.make_tensor_value_info(name, kind, shape)
