"""Programs of PyTorch as files that say nothing of where they were made: ONNX, and PyTorch's own."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from torch import nn
from torch.export import ExportedProgram

OPSET = 18
_NOTES = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")


@dataclass(frozen=True)
class Contract:
    """What a graph is called with: names by position, and the sizes that are not fixed, as torch.export wants
    them."""

    inputs: Sequence[str]
    outputs: Sequence[str]
    dynamic_shapes: dict[str, Any]


def to_program(module: nn.Module, example: tuple[Any, ...], contract: Contract) -> ExportedProgram:
    return torch.export.export(module, example, dynamic_shapes=contract.dynamic_shapes)


def to_graph(program: ExportedProgram, contract: Contract, metadata: dict[str, str]) -> bytes:
    """The ONNX file, weights inside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about itself
        made = torch.onnx.export(
            program,
            (),
            input_names=contract.inputs,
            output_names=contract.outputs,
            dynamic_shapes=contract.dynamic_shapes,  # for their names
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert made is not None
    graph = made.model_proto
    graph.graph.ClearField("metadata_props")
    for noted in (*graph.graph.node, *graph.graph.value_info):
        noted.ClearField("metadata_props")  # stack traces with paths, most of a small file
    onnx.helper.set_model_props(graph, metadata)
    stream = io.BytesIO()
    onnx.save(graph, stream)
    return stream.getvalue()


def to_pt2(program: ExportedProgram) -> bytes:
    """What torch.export.load reads; the program loses its notes of where its operations come from."""
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                for note in _NOTES:
                    node.meta.pop(note, None)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of its own names
        torch.export.save(program, stream)
    return stream.getvalue()
