"""The streaming graph's contract: what keeps it is served, what breaks it is refused and told why."""

import numpy as np
import onnx
import pytest
from integration import bundle_maker

from voxloom.engine import Engine
from voxloom.errors import BadInput
from voxloom.features import Features, fbank
from voxloom.streaming_engine import StreamingEngine


@pytest.fixture(scope="module")
def engine() -> StreamingEngine:
    return StreamingEngine(bundle_maker.streaming_graph())


@pytest.fixture(scope="module")
def speech() -> Features:
    return fbank(bundle_maker.say("bed cafe had a bag"))


def test_a_stream_of_frames_that_are_heard_alone_is_the_recording(
    engine: StreamingEngine, speech: Features
) -> None:
    whole = Engine(bundle_maker.graph())
    for frames in (1, 3, 63, 64, 65, len(speech)):
        [found], [expected] = engine.log_probs([speech[:frames]]), whole.log_probs([speech[:frames]])
        np.testing.assert_allclose(found, expected, atol=1e-5)
    [nothing] = engine.log_probs([speech[:0]])
    assert nothing.shape == (0, engine.vocabulary)


def test_a_step_leaves_the_caches_before_it_as_they_were(engine: StreamingEngine, speech: Features) -> None:
    """So a chunk can be looked at before it is complete."""
    before = engine.begin()
    kept = {name: cache.copy() for name, cache in before.items()}
    engine.step(speech[:10], before)
    after = engine.step(speech[:64], before)
    assert all(np.array_equal(before[name], kept[name]) for name in kept)
    assert after.caches["processed_lens"].tolist() == [16]
    assert all(not cache.any() for cache in engine.begin().values())


@pytest.mark.parametrize("shape", [(0, 80), (65, 80), (64, 40)])
def test_a_chunk_of_another_shape_is_refused(engine: StreamingEngine, shape: tuple[int, int]) -> None:
    with pytest.raises(BadInput, match="1 to 64 frames"):
        engine.step(np.zeros(shape, np.float32), engine.begin())


def changed(**metadata: str) -> bytes:
    model = onnx.load_from_string(bundle_maker.streaming_graph())
    onnx.helper.set_model_props(model, {"T": "64", "decode_chunk_len": "64"} | metadata)
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("graph", "complaint"),
    [
        (b"no graph", "cannot be loaded"),
        (bundle_maker.graph(), "expected x, caches, embed_states"),
        (changed(T="77"), "decode_chunk_len '64'"),
        (changed(T="", decode_chunk_len=""), "a multiple of 4"),
        (changed(T="66", decode_chunk_len="66"), "a multiple of 4"),
        (changed(T="4000", decode_chunk_len="4000"), "up to 400"),
        (changed(T="32", decode_chunk_len="32"), r"expected \(N,32,80\)"),
    ],
)
def test_a_graph_that_breaks_the_contract_is_refused(graph: bytes, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        StreamingEngine(graph)
