"""Smaller graphs compute the same, keep the contract and load anywhere."""

import numpy as np
import onnx
import pytest
from integration import bundle_maker

from services.optimizer import measure, quantize
from services.optimizer.measure import Decoders, Recogniser
from voxloom.engine import Engine
from voxloom.errors import BadInput
from voxloom.features import fbank
from voxloom.lm import Decoding
from voxloom.tokenizer import CharTokenizer


@pytest.fixture(scope="module")
def graphs() -> dict[str, bytes]:
    export = bundle_maker.graph(ballast=256)
    folded = quantize.fold(export)
    return {"export": export, "folded": folded, "int8": quantize.quantise(folded)}


def test_only_standard_operators_and_the_metadata_of_the_export(graphs: dict[str, bytes]) -> None:
    for graph in graphs.values():
        model = onnx.load_from_string(graph)
        onnx.checker.check_model(model)
        assert [entry.domain for entry in model.opset_import] == [""]
        assert {prop.key: prop.value for prop in model.metadata_props} == {"model_type": "zipformer2_ctc"}


def test_matrix_products_are_in_8_bits_but_for_the_last(graphs: dict[str, bytes]) -> None:
    assert len(graphs["int8"]) < len(graphs["folded"]) / 3
    nodes = onnx.load_from_string(graphs["int8"]).graph.node
    assert [node.name for node in nodes if node.op_type == "MatMul"] == ["classify"]
    assert sum(node.op_type == "MatMulInteger" for node in nodes) == 3


def test_weights_keep_to_7_bits(graphs: dict[str, bytes]) -> None:
    weights = [
        onnx.numpy_helper.to_array(each)
        for each in onnx.load_from_string(graphs["int8"]).graph.initializer
        if each.data_type == onnx.TensorProto.INT8 and len(each.dims) == 2
    ]
    assert len(weights) == 3
    assert all(np.abs(weight.astype(int)).max() <= 64 for weight in weights)


def test_all_hear_the_same(graphs: dict[str, bytes]) -> None:
    tokenizer = CharTokenizer.from_tokens_txt(bundle_maker.tokens().decode())
    for text in bundle_maker.sentences(3):
        features = fbank(bundle_maker.say(text))
        assert {
            Recogniser(graph, Decoders.of(Decoding(), tokenizer, None)).hear(features)
            for graph in graphs.values()
        } == {text}


def test_making_them_twice_gives_the_same_bytes(graphs: dict[str, bytes]) -> None:
    assert quantize.fold(graphs["export"]) == graphs["folded"]
    assert quantize.quantise(graphs["folded"]) == graphs["int8"]


def test_parity_is_measured_and_a_loss_of_it_is_loud(graphs: dict[str, bytes]) -> None:
    clips = [bundle_maker.say("bed"), bundle_maker.say("face")]
    export, folded = Engine(graphs["export"]), Engine(graphs["folded"])
    assert measure.check_parity(export, folded, clips).max_abs_difference <= 1e-3
    other = Engine(bundle_maker.graph(deaf_to="b"))
    with pytest.raises(BadInput, match="differs from the export"):
        measure.check_parity(export, other, clips)


def test_a_graph_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="onnxruntime cannot load"):
        quantize.fold(b"no graph")


def test_speed_is_measured_in_pairs(graphs: dict[str, bytes]) -> None:
    tokenizer = CharTokenizer.from_tokens_txt(bundle_maker.tokens().decode())
    fp32, int8 = (
        Recogniser(graphs[name], Decoders.of(Decoding(), tokenizer, None)) for name in ("folded", "int8")
    )
    clips = [bundle_maker.say("bed"), bundle_maker.say("a cafe")]
    speed = measure.measure_speed(fp32, int8, clips)
    assert speed.clips == 2
    assert speed.audio_s == pytest.approx(sum(map(len, clips)) / 16000)
    assert speed.fp32_s > 0
    assert speed.int8_s > 0
