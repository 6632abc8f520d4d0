"""The streaming graph of a model: a chunk of live speech and the caches before it in, log probabilities
out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from voxloom.decode import LogProbs
from voxloom.engine import PAD, new_session
from voxloom.errors import BadInput
from voxloom.features import FRAME_SHIFT_S, NUM_MEL, Features

SUBSAMPLING = 4
Caches = Mapping[str, npt.NDArray[Any]]  # by the name of the input
_EMBED, _HEARD = "embed_states", "processed_lens"
_MAX_CHUNK = 400  # feature frames


@dataclass(frozen=True)
class Step:
    """What a chunk made of the caches before it; those are unchanged, and can be used again."""

    log_probs_TV: LogProbs  # an output frame for every 4 feature frames, rounded up
    caches: Caches


class StreamingEngine:
    """A CTC graph of sherpa-onnx's contract for streams (online `zipformer2_ctc`); safe to call from many
    threads.

    x (N, T, 80) float32 and caches -> log_probs (N, T / 4, V) float32, V static, and the caches after it,
    whose names begin with `new_`. T is in the metadata. The last number of `embed_states` says how many of
    x's frames are not there: services/trainer/streaming_export.py.
    """

    def __init__(self, graph: bytes, *, threads: int = 1) -> None:
        """BadInput says in what the graph breaks the contract."""
        self._session = new_session(graph, threads, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
        self.chunk_frames, self.vocabulary, self._empty = _check_contract(self._session)
        self._outputs = ["log_probs", *(f"new_{name}" for name in self._empty)]

    @property
    def chunk_s(self) -> float:
        return self.chunk_frames * FRAME_SHIFT_S

    def begin(self) -> Caches:
        """The caches of a stream that begins."""
        return self._empty

    def step(self, features_TF: Features, caches: Caches) -> Step:
        """The next `chunk_frames` frames (T, 80) of a stream. Fewer are its end: nothing can follow them."""
        frames = len(features_TF)
        if features_TF.shape[1:] != (NUM_MEL,) or not 0 < frames <= self.chunk_frames:
            raise BadInput(
                f"a chunk of shape {features_TF.shape} cannot be recognised; expected 1 to "
                f"{self.chunk_frames} frames of {NUM_MEL}"
            )
        x_NTF, feeds = features_TF[None], dict(caches)
        if lacking := self.chunk_frames - frames:
            x_NTF = np.pad(x_NTF, ((0, 0), (0, lacking), (0, 0)), constant_values=PAD)
            feeds[_EMBED] = feeds[_EMBED].copy()
            feeds[_EMBED][0, -1, -1, -1] = lacking
        log_probs_NTV, *kept = self._session.run(self._outputs, {"x": x_NTF, **feeds})
        heard = -(-frames // SUBSAMPLING)
        return Step(log_probs_NTV[0, :heard], dict(zip(self._empty, kept, strict=True)))

    def log_probs(self, features: Sequence[Features]) -> list[LogProbs]:
        """Of recordings that are all there, (T, 80) to (T', V): what streams of them would hear."""
        return [np.concatenate(list(self._chunk_by_chunk(features_TF))) for features_TF in features]

    def _chunk_by_chunk(self, features_TF: Features) -> Iterator[LogProbs]:
        caches = self.begin()
        yield np.zeros((0, self.vocabulary), np.float32)
        for start in range(0, len(features_TF), self.chunk_frames):
            step = self.step(features_TF[start : start + self.chunk_frames], caches)
            caches = step.caches
            yield step.log_probs_TV


def _check_contract(session: Any) -> tuple[int, int, Caches]:
    """Feature frames of a chunk, vocabulary, and empty caches."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    names = [node.name for node in inputs]
    expected = ["x", *names[1:-2], _EMBED, _HEARD]
    if names != expected or [node.name for node in outputs] != [
        "log_probs",
        *(f"new_{name}" for name in names[1:]),
    ]:
        raise BadInput(
            f"the streaming graph's inputs are {names[:1]} to {names[-2:]}; expected x, caches, {_EMBED} and "
            f"{_HEARD}, and as outputs log_probs and new_ caches in the same order"
        )
    chunk, vocabulary = _chunk(session), outputs[0].shape[2]
    found = (inputs[0].shape[1:], outputs[0].shape[1], isinstance(vocabulary, int) and vocabulary >= 2)
    if found != ([chunk, NUM_MEL], chunk // SUBSAMPLING, True):
        raise BadInput(
            f"the streaming graph maps x {inputs[0].shape} to log_probs {outputs[0].shape}; expected "
            f"(N,{chunk},{NUM_MEL}) to (N,{chunk // SUBSAMPLING},V) with a static V"
        )
    return chunk, vocabulary, {node.name: _empty(node) for node in inputs[1:]}


def _chunk(session: Any) -> int:
    told = session.get_modelmeta().custom_metadata_map
    length, shift = told.get("T", ""), told.get("decode_chunk_len", "")
    if length != shift or not length.isdecimal() or not 0 < int(length) <= _MAX_CHUNK or int(length) % 4:
        raise BadInput(
            f"the streaming graph's metadata say T {length!r} and decode_chunk_len {shift!r}; expected the "
            f"same number, a multiple of {SUBSAMPLING} up to {_MAX_CHUNK}"
        )
    return int(length)


def _empty(node: Any) -> npt.NDArray[Any]:
    """Zeros for one stream; the only size that a cache leaves open is the number of streams."""
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    sizes = [size if isinstance(size, int) else 1 for size in node.shape]
    if node.type not in kinds or sum(not isinstance(size, int) for size in node.shape) > 1:
        raise BadInput(f"the streaming graph's cache {node.name} is {node.type} {node.shape}")
    return np.zeros(sizes, kinds[node.type])
