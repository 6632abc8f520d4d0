"""By which numbers a graph is chosen and a model is promoted; kept in every decision."""

from typing import Literal

from voxloom.record import Part

# What a group of utterances must show to count as better: an interval below zero, or just fewer errors.
Better = Literal["significantly", "fewer"]


class ServeRules(Part):
    """Which graph of a model is served: the fastest of those that lose next to nothing."""

    max_loss: float = (
        0.001  # errors more than float32, as a share of the reference; rounded up to a whole one
    )
    min_speedup: float = 1.05  # below that another graph is not worth an error
    fp16: bool = False  # whether a float16 graph is made, for GPUs


class GateRules(Part):
    """Whether a model takes over: worse nowhere, and better somewhere."""

    max_error_rate: float = 0.9  # a model beyond it recognises next to nothing
    confidence: float = 0.95  # of the paired bootstrap
    better: Better = "significantly"
    min_words: int = 100  # of reference; a smaller group neither vetoes nor pays: its figures are chance


class Rules(Part):
    serve: ServeRules = ServeRules()
    gate: GateRules = GateRules()


STANDARD = Rules()
