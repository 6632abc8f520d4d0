"""Silero's voice detector as another way to find speech; its file is run as it is, torch is not imported."""

import importlib.metadata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from voxloom.audio import SAMPLE_RATE_HZ, Samples
from voxloom.corpora.activity import Activity, hysteresis
from voxloom.errors import BadInput, NotReady

_PACKAGE, _FILE = "silero-vad", "silero_vad/data/silero_vad.onnx"
_NEW, _CONTEXT = 512, 64  # samples: new ones of a window, and those of the last one in front of them
_STARTS, _STAYS = 0.5, 0.35  # probabilities


def find_model() -> Path:
    """The ONNX file inside the installed package, which is not imported: that would import torch."""
    try:
        found = importlib.metadata.distribution(_PACKAGE).locate_file(_FILE)
    except importlib.metadata.PackageNotFoundError as error:
        raise NotReady(
            f"--vad silero needs a file of the package {_PACKAGE}: pip install --no-deps {_PACKAGE}, or "
            "name a silero_vad.onnx with --vad-model FILE; --vad energy needs none"
        ) from error
    return Path(str(found))


def detector(model: Path) -> Callable[[Iterable[Samples]], Activity]:
    """What finds speech in mono 16 kHz blocks; BadInput when the file is no such model."""
    session = _open(model)

    def find(blocks: Iterable[Samples]) -> Activity:
        score = np.fromiter(_probabilities(session, blocks), np.float32)
        return Activity(_NEW / SAMPLE_RATE_HZ, score, hysteresis(score > _STARTS, score > _STAYS))

    return find


def _open(model: Path) -> Any:
    try:
        import onnxruntime as ort  # not a part of every installation of the command line
    except ImportError as error:
        raise NotReady(
            "--vad silero needs onnxruntime: pip install onnxruntime, or use --vad energy"
        ) from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(model.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception class for each kind of damage
        raise BadInput(f"{model} cannot be read as an ONNX model: {str(error)[:200]}") from error
    names = {each.name for each in session.get_inputs()}
    if names != {"input", "state", "sr"}:
        raise BadInput(
            f"{model} takes {', '.join(sorted(names))[:200]}; expected Silero's input, state and sr"
        )
    return session


def _probabilities(session: Any, blocks: Iterable[Samples]) -> Iterator[float]:
    state, context = np.zeros((2, 1, 128), np.float32), np.zeros(_CONTEXT, np.float32)
    rate = np.array(SAMPLE_RATE_HZ, np.int64)
    for window in _windows(blocks):
        joined = np.concatenate([context, window])[None]
        chance, state = session.run(None, {"input": joined, "state": state, "sr": rate})
        context = window[-_CONTEXT:]
        yield float(chance[0, 0])


def _windows(blocks: Iterable[Samples]) -> Iterator[Samples]:
    rest = np.zeros(0, np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        whole = len(rest) - len(rest) % _NEW
        yield from rest[:whole].reshape(-1, _NEW)
        rest = rest[whole:]
    if len(rest):
        yield np.pad(rest, (0, _NEW - len(rest)))
