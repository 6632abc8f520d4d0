import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ctc_graph import ctc_graph, with_external_weight
from voices import speech

from voxloom.engine import Engine, vocabulary_of
from voxloom.errors import BadInput
from voxloom.features import fbank

LENGTHS_S = (0.03, 0.31, 1.0, 0.5)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(ctc_graph(7))


def frames(seconds: float) -> np.ndarray:
    return fbank(speech(seconds, seed=int(seconds * 100)))


def test_each_utterance_comes_back_at_its_own_length(engine: Engine) -> None:
    outputs = engine.log_probs([frames(seconds) for seconds in LENGTHS_S])
    expected = [-(-len(frames(seconds)) // 4) for seconds in LENGTHS_S]
    assert [output.shape for output in outputs] == [(length, 7) for length in expected]
    for output in outputs:
        assert np.allclose(np.exp(output).sum(axis=1), 1, atol=1e-5)


def test_a_batch_equals_its_utterances_one_by_one(engine: Engine) -> None:
    batch = [frames(seconds) for seconds in LENGTHS_S]
    for alone, together in zip(batch, engine.log_probs(batch), strict=True):
        assert np.allclose(engine.log_probs([alone])[0], together, atol=1e-5)


def test_one_frame_and_no_utterance(engine: Engine) -> None:
    assert engine.log_probs([np.zeros((1, 80), np.float32)])[0].shape == (1, 7)
    assert engine.log_probs([]) == []


@pytest.mark.parametrize("shape", [(0, 80), (10, 40), (10,), (1, 10, 80)])
def test_what_is_no_log_mel_is_refused(engine: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="expected \\(T, 80\\)"):
        engine.log_probs([np.zeros(shape, np.float32)])


def test_many_threads_share_the_session(engine: Engine) -> None:
    batch = [frames(seconds) for seconds in LENGTHS_S] * 8
    expected = [engine.log_probs([each])[0] for each in batch]
    together = threading.Barrier(4)

    def run(part: int) -> list[np.ndarray]:
        together.wait(5)
        return [engine.log_probs([each])[0] for each in batch[part::4]]

    with ThreadPoolExecutor(4) as pool:
        for part, outputs in enumerate(pool.map(run, range(4))):
            for output, wanted in zip(outputs, expected[part::4], strict=True):
                assert np.array_equal(output, wanted)


def test_the_vocabulary_is_read_from_the_graph(engine: Engine) -> None:
    assert engine.vocabulary == vocabulary_of(ctc_graph(7)) == 7
    assert Engine(ctc_graph(3), threads=2).vocabulary == 3


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (b"", "cannot be loaded"),
        (b"no graph at all", "cannot be loaded"),
        (ctc_graph()[:-100], "cannot be loaded"),
        (ctc_graph(static=False), "vocabulary is 'V'"),
        (ctc_graph(output="logits_out"), "outputs"),
        (ctc_graph(bins=40), "40 features"),
        (with_external_weight(ctc_graph(), "weights.bin"), "another file"),
        (with_external_weight(ctc_graph(), "/etc/passwd"), "another file"),
    ],
)
def test_a_graph_outside_the_contract_is_refused(graph: bytes, said: str) -> None:
    for load in (Engine, vocabulary_of):
        with pytest.raises(BadInput, match=said):
            load(graph)
