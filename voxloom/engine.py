"""One onnxruntime session that all requests share: features in, log probabilities out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from voxloom.decode import LogProbs
from voxloom.errors import BadInput
from voxloom.features import NUM_MEL, Features

PAD = np.float32(-23.025851)  # log(1e-10), as sherpa-onnx pads: the quietest a log-mel gets
_MIN_FRAMES = 16  # shorter input is padded, so that no convolution runs out of frames
_EXTERNAL_KEY = b"\n\x08location"  # the key of a tensor kept in another file, as protobuf writes it
_ARENA = "memory.enable_memory_arena_shrinkage"  # gives back what the longest request took


class Engine:
    """A CTC graph of sherpa-onnx's contract; safe to call from many threads.

    x (N, T, 80) float32, x_lens (N) int64 -> log_probs (N, T', V) float32, V static, log_probs_len (N) int64
    """

    def __init__(self, graph: bytes, *, threads: int = 1) -> None:
        self._session = new_session(graph, threads, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
        self.vocabulary = _check_contract(self._session)

    def log_probs(self, features: Sequence[Features]) -> list[LogProbs]:
        """Log-mel frames (T, 80) of each utterance to log probabilities (T', V), in one padded batch."""
        if not features:
            return []
        x_NTF, lengths_N = _pad(features)
        run_options = ort.RunOptions()
        run_options.add_run_config_entry(_ARENA, "cpu:0")
        outputs = self._session.run(
            ["log_probs", "log_probs_len"], {"x": x_NTF, "x_lens": lengths_N}, run_options
        )
        log_probs_NTV, log_probs_len_N = outputs
        return [log_probs_NTV[n, :length] for n, length in enumerate(log_probs_len_N)]


def vocabulary_of(graph: bytes) -> int:
    """V of a graph that keeps the contract; BadInput says what a graph lacks. Cheap: nothing is optimised."""
    return _check_contract(new_session(graph, 1, ort.GraphOptimizationLevel.ORT_DISABLE_ALL))


def new_session(graph: bytes, threads: int, level: Any) -> Any:
    """One that computes on a CPU; BadInput for a graph that cannot be loaded."""
    if _EXTERNAL_KEY in graph:
        raise BadInput("the graph keeps weights in another file; export it with external_data=False")
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # lengths differ from run to run
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no other base
        raise BadInput(f"the graph cannot be loaded; export it anew ({str(error)[:300]})") from error


def _check_contract(session: Any) -> int:
    inputs = [(node.name, node.type, len(node.shape)) for node in session.get_inputs()]
    outputs = [(node.name, node.type, len(node.shape)) for node in session.get_outputs()]
    _expect("inputs", inputs, [("x", "tensor(float)", 3), ("x_lens", "tensor(int64)", 1)])
    _expect("outputs", outputs, [("log_probs", "tensor(float)", 3), ("log_probs_len", "tensor(int64)", 1)])
    bins = session.get_inputs()[0].shape[2]
    if bins != NUM_MEL:
        raise BadInput(f"the graph's input x has {bins!r} features a frame; expected {NUM_MEL}")
    vocabulary = session.get_outputs()[0].shape[2]
    if not isinstance(vocabulary, int) or vocabulary < 2:
        raise BadInput(
            f"the graph's vocabulary is {vocabulary!r}; expected a static size in log_probs (N,T',V)"
        )
    return vocabulary


def _expect(what: str, found: list[tuple[str, str, int]], expected: list[tuple[str, str, int]]) -> None:
    if found != expected:
        raise BadInput(f"the graph's {what} (name, type, rank) are {found}; expected {expected}")


def _pad(features: Sequence[Features]) -> tuple[Features, npt.NDArray[np.int64]]:
    for frames_TF in features:
        if frames_TF.ndim != 2 or frames_TF.shape[1] != NUM_MEL or not len(frames_TF):
            raise BadInput(
                f"features of shape {frames_TF.shape} cannot be recognised; expected (T, {NUM_MEL})"
            )
    lengths_N = np.array([len(frames_TF) for frames_TF in features], np.int64)
    longest = max(int(lengths_N.max()), _MIN_FRAMES)
    x_NTF = np.full((len(features), longest, NUM_MEL), PAD, np.float32)
    for n, frames_TF in enumerate(features):
        x_NTF[n, : len(frames_TF)] = frames_TF
    return x_NTF, lengths_N
