"""Smaller graphs compute the same, keep the contract and load anywhere."""

import numpy as np
import onnx
import pytest
from integration import bundle_maker

from services.optimizer import candidates, measure, quantize
from services.optimizer.measure import Decoders, Recogniser
from services.optimizer.records import FP16, FP32, FUSED, INT8, STATIC
from services.optimizer.rules import ServeRules
from voxloom.engine import Engine
from voxloom.errors import BadInput
from voxloom.features import Features, fbank
from voxloom.lm import Decoding
from voxloom.tokenizer import read_tokens_txt


@pytest.fixture(scope="module")
def graphs() -> dict[str, bytes]:
    export = bundle_maker.graph(ballast=256)
    folded = quantize.fold(export)
    return {
        "export": export,
        "folded": folded,
        "fused": quantize.fuse(folded),
        "int8": quantize.quantise(folded),
        "static": quantize.quantise_static(folded, clips(20)),
        "half": quantize.halve(folded),
    }


def clips(count: int) -> list[Features]:
    return [fbank(bundle_maker.say(text)) for text in bundle_maker.sentences(count, words=2, seed=1)]


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


def test_calibrated_activations_are_in_8_bits_and_16_bit_floats_are_half(graphs: dict[str, bytes]) -> None:
    assert len(graphs["static"]) < len(graphs["folded"]) / 3
    nodes = onnx.load_from_string(graphs["static"]).graph.node
    assert sum(node.op_type == "QuantizeLinear" for node in nodes) >= 3
    assert "DynamicQuantizeLinear" not in {node.op_type for node in nodes}
    assert len(graphs["half"]) < 0.6 * len(graphs["folded"])


def test_operators_are_fused_but_laid_out_for_no_machine() -> None:
    """x * sigmoid(1.702 x) is one operator afterwards; the next level would make NCHWc convolutions."""
    graph = onnx.load_from_string(bundle_maker.graph())
    slow = [
        onnx.helper.make_node("Sigmoid", ["frames"], ["gate"], "gate"),
        onnx.helper.make_node("Mul", ["frames", "gate"], ["gated"], "gated"),
    ]
    graph.graph.node[1].input[0] = "gated"
    nodes = [graph.graph.node[0], *slow, *graph.graph.node[1:]]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    fused = onnx.load_from_string(quantize.fuse(graph.SerializeToString()))
    assert "QuickGelu" in {node.op_type for node in fused.graph.node}
    assert {entry.domain for entry in fused.opset_import} == {"", "com.microsoft"}
    assert Engine(fused.SerializeToString()).vocabulary == 10


def test_what_was_not_made_says_why() -> None:
    export = bundle_maker.graph()
    few = candidates.make(export, [], ServeRules())
    assert list(few.made) == [FP32, FUSED, INT8]
    assert "val" in few.not_made[STATIC]
    assert "VOXLOOM_OPTIMIZER_FP16" in few.not_made[FP16]
    every = candidates.make(export, clips(3), ServeRules(fp16=True))
    assert list(every.made) == [FP32, FUSED, INT8, STATIC, FP16]
    assert every.not_made == {}
    assert list(candidates.kept(every, FUSED)) == [FP32, FUSED, INT8, FP16]


def test_weights_keep_to_7_bits(graphs: dict[str, bytes]) -> None:
    weights = [
        onnx.numpy_helper.to_array(each)
        for each in onnx.load_from_string(graphs["int8"]).graph.initializer
        if each.data_type == onnx.TensorProto.INT8 and len(each.dims) == 2
    ]
    assert len(weights) == 3
    assert all(np.abs(weight.astype(int)).max() <= 64 for weight in weights)


def test_all_hear_the_same(graphs: dict[str, bytes]) -> None:
    tokenizer = read_tokens_txt(bundle_maker.tokens().decode())
    for text in bundle_maker.sentences(3):
        features = fbank(bundle_maker.say(text))
        assert {
            Recogniser(graph, Decoders.of(Decoding(), tokenizer, None)).hear(features)
            for graph in graphs.values()
        } == {text}


def test_making_them_twice_gives_the_same_bytes(graphs: dict[str, bytes]) -> None:
    assert quantize.fold(graphs["export"]) == graphs["folded"]
    assert quantize.quantise(graphs["folded"]) == graphs["int8"]
    assert quantize.quantise_static(graphs["folded"], clips(20)) == graphs["static"]


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


def test_speed_is_measured_in_turn_and_told_against_float32(graphs: dict[str, bytes]) -> None:
    tokenizer = read_tokens_txt(bundle_maker.tokens().decode())
    decoders = Decoders.of(Decoding(), tokenizer, None)
    every = {FP32: Recogniser(graphs["folded"], decoders), INT8: Recogniser(graphs["int8"], decoders)}
    heard = [bundle_maker.say("bed"), bundle_maker.say("a cafe")]
    speed = measure.measure_speed(every, heard)
    assert speed.clips == 2
    assert speed.audio_s == pytest.approx(sum(map(len, heard)) / 16000)
    assert speed.seconds.keys() == speed.speedups.keys() == every.keys()
    assert all(seconds > 0 for seconds in speed.seconds.values())
    assert speed.speedups[FP32] == 1
    assert speed.speedups[INT8] > 0


def test_latency_is_measured_on_fixed_lengths_by_threads(graphs: dict[str, bytes]) -> None:
    found = measure.measure_latencies({FP32: graphs["folded"], INT8: graphs["int8"]}, [1, 2], [0.5, 4.0])
    for each in found.values():
        assert [(one.threads, one.audio_s) for one in each] == [(1, 0.5), (1, 4.0), (2, 0.5), (2, 4.0)]
        assert all(one.median_s > 0 for one in each)
    assert found[FP32][0].median_s < found[FP32][1].median_s
