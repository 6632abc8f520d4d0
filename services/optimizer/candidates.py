"""The graphs that could be served, made from the trainer's export."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.optimizer import quantize, testset
from services.optimizer.records import FP16, FP32, FUSED, INT8, STATIC
from services.optimizer.rules import ServeRules
from voxloom.errors import NotFound
from voxloom.features import Features, fbank
from voxloom.storage import ObjectStore

_CLIPS = 32  # of val, to calibrate on
_MIN_FRAMES, _MAX_FRAMES = 16, 1500  # of 10 ms; what is shorter no convolution fits into


@dataclass(frozen=True)
class Graphs:
    made: dict[str, bytes]  # by file
    not_made: dict[str, str]  # file -> why


def make(export: bytes, calibration: Sequence[Features], rules: ServeRules) -> Graphs:
    """FP32 is always among them; the rest are made from it."""
    folded = quantize.fold(export)
    made = {FP32: folded, FUSED: quantize.fuse(folded), INT8: quantize.quantise(folded)}
    not_made = {}
    if calibration:
        made[STATIC] = quantize.quantise_static(folded, calibration)
    else:
        not_made[STATIC] = "the dataset has no usable val clip to calibrate it on"
    if rules.fp16:
        made[FP16] = quantize.halve(folded)
    else:
        not_made[FP16] = "it is for GPUs; VOXLOOM_OPTIMIZER_FP16=true makes one"
    return Graphs(made, not_made)


def calibration_clips(store: ObjectStore, dataset: str) -> list[Features]:
    """A few clips of val, short to long; never of test, on which the result is measured."""
    try:
        utterances = testset.read_utterances(store, dataset, "val")
    except NotFound:
        return []
    clips = (fbank(each)[:_MAX_FRAMES] for each in testset.some_clips(store, utterances, _CLIPS))
    return [clip_TF for clip_TF in clips if len(clip_TF) >= _MIN_FRAMES]


def kept(graphs: Graphs, served_file: str) -> dict[str, bytes]:
    """Those that go into the bundle: for serving here, and for runtimes elsewhere. A bundle is read whole
    before it is served, so what was only measured stays out."""
    names = {FP32, INT8, FP16, served_file}
    return {name: graph for name, graph in graphs.made.items() if name in names}
