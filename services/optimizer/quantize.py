"""The trainer's graph made small: folded constants, then weights of matrix products in 8 bits.

Both results hold standard ONNX operators only, so they load in every ONNX runtime and on every machine.
Fused operators of onnxruntime would not, and gain nothing: a session makes them by itself when it loads
(measured on the 18 M parameter recipe, 10 s of audio: 151 ms unfused, 153 ms fused offline).
"""

import tempfile
from pathlib import Path

import onnx
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from voxloom.errors import BadInput

_PRODUCTS = ["MatMul", "Gemm"]


def fold(graph: bytes) -> bytes:
    """The same function with constants folded and redundant nodes gone."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "folded.onnx"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(target)
        _load(graph, options)
        return _tidy(onnx.load(target), onnx.load_from_string(graph))


def quantise(graph: bytes) -> bytes:
    """The graph with 8-bit weights, one scale a channel; activations are quantised as they come.

    Not the last product: it is small, and errors in it go straight into the probabilities. Weights keep to 7
    bits, because processors without VNNI instructions saturate on 8: what is measured here holds elsewhere.
    """
    original = onnx.load_from_string(graph)
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, target = (Path(folder) / f"{name}.onnx" for name in ("source", "prepared", "int8"))
        source.write_bytes(graph)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_dynamic(
            prepared,
            target,
            op_types_to_quantize=_PRODUCTS,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_last_product(onnx.load(prepared)),
        )
        return _tidy(onnx.load(target), original)


def _load(graph: bytes, options: onnxruntime.SessionOptions) -> None:
    try:
        onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BadInput(f"onnxruntime cannot load the graph: {error}; export the model again") from error


def _last_product(model: onnx.ModelProto) -> list[str]:
    names = [node.name for node in model.graph.node if node.op_type in _PRODUCTS]
    return [name for name in names[-1:] if name]


def _tidy(model: onnx.ModelProto, original: onnx.ModelProto) -> bytes:
    """Drops operator sets that no node uses, which strict runtimes refuse; keeps the export's metadata."""
    used = {node.domain for node in model.graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in used | {""}]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    del model.metadata_props[:]
    model.metadata_props.extend(original.metadata_props)
    data: bytes = model.SerializeToString()
    return data
