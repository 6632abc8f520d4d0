"""models/<model>/decision.json: what was measured, what was decided, and why."""

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from services.optimizer.rules import STANDARD, Rules
from voxloom.confidence import Reliability
from voxloom.record import Document, Part, Record
from voxloom.wer import Unit

FP32 = "model.onnx"
FUSED = "model.fused.onnx"
INT8 = "model.int8.onnx"  # activations are quantised as they come
STATIC = "model.int8-static.onnx"  # by ranges that were calibrated on val
FP16 = "model.fp16.onnx"  # for GPUs: never served here
NAMES = {
    FP32: "float32",
    FUSED: "float32 with fused operators",
    INT8: "int8",
    STATIC: "int8 with calibrated activations",
    FP16: "float16",
}

# held: good enough, but a person has pinned the model in production.
Outcome = Literal["promoted", "held", "rejected"]


class ErrorCounts(Part):
    """Edits summed over utterances; `rate` is edits over reference length, the corpus rate."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    reference: int = 0
    utterances: int = 0
    rate: float = 0.0
    low: float = 0.0  # 95 % bootstrap interval of the rate, over utterances
    high: float = 0.0

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions


class Latency(Part):
    """One pass of the graph alone over features of one length."""

    threads: int
    audio_s: float
    median_s: float


class Artefact(Part):
    """One graph that could be served, as measured."""

    file: str
    sha256: str
    size: int  # bytes
    real_time_factor: float = 0.0  # seconds of one processor per second of audio
    words: ErrorCounts = ErrorCounts()  # as it is served
    words_by_decoder: dict[str, ErrorCounts] = Field(default_factory=dict)  # greedy, and beam with an LM
    characters: ErrorCounts = ErrorCounts()
    by_group: dict[str, ErrorCounts] = Field(default_factory=dict)  # in the unit of the test set
    speedup: float = 0.0  # median over clips of float32's time / its time, one thread; 0 if not measured
    latencies: list[Latency] = Field(default_factory=list)
    verdict: str = ""  # why it is served, or is not


class Parity(Part):
    """The graph after optimisation against the trainer's export, on test features."""

    clips: int
    max_abs_difference: float
    limit: float


class Speed(Part):
    """Processor time of graph and decoding, one thread; all graphs ran each clip in turn."""

    clips: int = 0
    audio_s: float = 0.0
    seconds: dict[str, float] = Field(default_factory=dict)  # by file: sum over clips of the median run
    speedups: dict[str, float] = Field(default_factory=dict)  # median over clips of float32 time / its time


class StreamingVerdict(Part):
    """The streaming graph on the test set, greedy, in the unit of the test set."""

    served_file: str  # empty: streams are heard by the graph that hears recordings
    reason: str
    wer: float
    wer_whole: float  # of the graph that hears recordings


class Comparison(Part):
    """Candidate against production on the same utterances of one group; negative delta means better."""

    # `low` and `high` hold the share of the paired bootstrap that the rules of the decision ask for.

    group: str
    utterances: int
    reference: int  # words or characters
    candidate_errors: int
    production_errors: int
    delta: float  # difference of the error rates
    low: float
    high: float
    p_better: float

    @property
    def significantly_worse(self) -> bool:
        return self.low > 0

    @property
    def significantly_better(self) -> bool:
        return self.high < 0


class ScoredUtterance(Part):
    """A test utterance that the served graph got wrong."""

    utterance: str
    source: str
    errors: int
    reference: str
    hypothesis: str


class TestSet(Part):
    """What the models were measured on."""

    __test__ = False  # no pytest class

    dataset: str
    utterances: int
    audio_s: float
    unit: Unit = "words"  # characters where the script writes no spaces
    excluded_by_reason: dict[str, int] = Field(default_factory=dict)


class HypothesisLine(Record):
    """One line of models/<model>/test_hypotheses.jsonl."""

    key: str  # of the utterance
    text: str  # what the served graph heard
    reference: str
    source: str
    corpus: str
    speaker: str
    duration_s: float


def _with_named_speeds(document: Document) -> Document:
    """Version 1 knew two graphs."""
    speed = document.get("speed", {})
    if not isinstance(speed, dict):
        raise TypeError("speed is no object")
    seconds = {FP32: speed.get("fp32_s", 0.0), INT8: speed.get("int8_s", 0.0)}
    speedups = {FP32: 1.0, INT8: speed.get("int8_speedup", 0.0)}
    named = {"seconds": seconds, "speedups": speedups} if speed.get("clips") else {}
    return {**document, "speed": {**speed, **named}}


class Decision(Record):
    """Created once; replaced only when production changed before the pointer could move.

    Version 2 knows more graphs than two, and models that are held back by a pin.
    """

    upgrades: ClassVar[Mapping[int, Callable[[Document], Document]]] = {1: _with_named_speeds}
    schema_version: int = 2
    model: str
    run: str
    dataset: str
    created_at: str
    outcome: Outcome
    reasons: list[str]
    production: str = ""  # the model it was compared with; empty when there was none
    rules: Rules = STANDARD  # as they were when it was decided
    served_file: str
    served_reason: str
    test: TestSet
    artefacts: dict[str, Artefact]
    not_made: dict[str, str] = Field(default_factory=dict)  # graphs that were not made, and why
    parity: Parity | None = None
    speed: Speed = Speed()
    streaming: StreamingVerdict | None = None  # none of an export of an older release
    comparisons: list[Comparison] = Field(default_factory=list)
    worst: list[ScoredUtterance] = Field(default_factory=list)
    confidence: Reliability | None = None  # of the words of the test set, as they are served

    @property
    def served(self) -> Artefact:
        return self.artefacts[self.served_file]
