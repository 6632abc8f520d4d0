"""models/<model>/decision.json: what was measured, what was decided, and why."""

from typing import Literal

from pydantic import Field

from voxloom.record import Part, Record
from voxloom.wer import Unit

FP32 = "model.onnx"
INT8 = "model.int8.onnx"

Outcome = Literal["promoted", "rejected"]


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


class Artefact(Part):
    """One graph that could be served, as measured."""

    file: str
    sha256: str
    size: int  # bytes
    real_time_factor: float = 0.0  # seconds of computing per second of audio, one thread
    words: ErrorCounts = ErrorCounts()  # as it is served
    words_by_decoder: dict[str, ErrorCounts] = Field(default_factory=dict)  # greedy, and beam with an LM
    characters: ErrorCounts = ErrorCounts()
    by_group: dict[str, ErrorCounts] = Field(default_factory=dict)  # in the unit of the test set


class Parity(Part):
    """The graph after optimisation against the trainer's export, on test features."""

    clips: int
    max_abs_difference: float
    limit: float


class Speed(Part):
    """Graph and decoding at one thread; both graphs ran each clip in turn. Features cost both the same."""

    clips: int = 0
    audio_s: float = 0.0
    fp32_s: float = 0.0  # sum over clips of the median run
    int8_s: float = 0.0
    int8_speedup: float = 0.0  # median over clips of fp32 time / int8 time


class Comparison(Part):
    """Candidate against production on the same utterances of one group; negative delta means better."""

    group: str
    utterances: int
    reference: int  # words or characters
    candidate_errors: int
    production_errors: int
    delta: float  # difference of the error rates
    low: float  # 95 % paired bootstrap interval of delta
    high: float
    p_better: float

    @property
    def significantly_worse(self) -> bool:
        return self.low > 0


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


class Decision(Record):
    """Created once; replaced only when production changed before the pointer could move."""

    model: str
    run: str
    dataset: str
    created_at: str
    outcome: Outcome
    reasons: list[str]
    production: str = ""  # the model it was compared with; empty when there was none
    served_file: str
    served_reason: str
    test: TestSet
    artefacts: dict[str, Artefact]
    parity: Parity | None = None
    speed: Speed = Speed()
    comparisons: list[Comparison] = Field(default_factory=list)
    worst: list[ScoredUtterance] = Field(default_factory=list)

    @property
    def served(self) -> Artefact:
        return self.artefacts[self.served_file]
