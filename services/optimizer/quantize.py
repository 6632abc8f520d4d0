"""The trainer's graph made small and fast, in several ways.

All but the fused graph hold standard ONNX operators only, so they load in every ONNX runtime and on every
machine.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from voxloom.errors import BadInput
from voxloom.features import Features

_PRODUCTS = ["MatMul", "Gemm"]


def fold(graph: bytes) -> bytes:
    """The same function with constants folded and redundant nodes gone."""
    return _optimised(graph, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)


def fuse(graph: bytes) -> bytes:
    """The same function with onnxruntime's fused operators (SkipLayerNormalization, QuickGelu, FusedMatMul,
    ...), made once here instead of at each start.

    Those of level "extended", which run on any CPU; the next one lays out memory for the CPU that it runs on.
    Only onnxruntime, and what is built on it, knows these operators.
    """
    return _optimised(graph, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED)


def quantise(graph: bytes) -> bytes:
    """The graph with 8-bit weights, one scale a channel; activations are quantised as they come.

    Not the last product: it is small, and errors in it go straight into the probabilities. Weights keep to 7
    bits, because processors without VNNI instructions saturate on 8: what is measured here holds elsewhere.
    """
    with _prepared(graph) as (prepared, target):
        quantize_dynamic(
            prepared,
            target,
            op_types_to_quantize=_PRODUCTS,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_last_product(onnx.load(prepared)),
        )
        return _tidy(onnx.load(target), onnx.load_from_string(graph))


def quantise_static(graph: bytes, clips: Sequence[Features]) -> bytes:
    """The same with activations in 8 bits too, whose ranges are those that the clips (T, 80) gave rise to.

    Convolutions as well, which are slow with ranges that are found as they come (onnxruntime#12854), but for
    the first one, which hears the features themselves.
    """
    with _prepared(graph) as (prepared, target):
        model = onnx.load(prepared)
        quantize_static(
            prepared,
            target,
            _Clips(clips),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*_PRODUCTS, "Conv"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[*_last_product(model), *_first_convolution(model)],
            extra_options={"MatMulConstBOnly": True},  # products of attention have no weights
        )
        return _tidy(onnx.load(target), onnx.load_from_string(graph))


def halve(graph: bytes) -> bytes:
    """The graph in 16-bit floats, its inputs and outputs as they are. For GPUs: CPUs cast back."""
    original = onnx.load_from_string(graph)
    half = convert_float_to_float16(onnx.load_from_string(graph), keep_io_types=True)
    OnnxModel.graph_topological_sort(half.graph)  # the casts of inputs are added at the end
    return _tidy(half, original)


class _Clips(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, clips: Sequence[Features]) -> None:
        self._feeds = iter(
            [{"x": clip_TF[None], "x_lens": np.array([len(clip_TF)], np.int64)} for clip_TF in clips]
        )

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def _optimised(graph: bytes, level: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "optimised.onnx"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = level
        options.optimized_model_filepath = str(target)
        _load(graph, options)
        return _tidy(onnx.load(target), onnx.load_from_string(graph))


@contextmanager
def _prepared(graph: bytes) -> Iterator[tuple[Path, Path]]:
    """The file of the graph as onnxruntime's quantiser wants it, and where to put the result."""
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, target = (Path(folder) / f"{name}.onnx" for name in ("source", "prepared", "int8"))
        source.write_bytes(graph)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        yield prepared, target


def _load(graph: bytes, options: onnxruntime.SessionOptions) -> None:
    try:
        onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BadInput(f"onnxruntime cannot load the graph: {error}; export the model again") from error


def _last_product(model: onnx.ModelProto) -> list[str]:
    names = [node.name for node in model.graph.node if node.op_type in _PRODUCTS]
    return [name for name in names[-1:] if name]


def _first_convolution(model: onnx.ModelProto) -> list[str]:
    names = [node.name for node in model.graph.node if node.op_type == "Conv"]
    return [name for name in names[:1] if name]


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
