"""What a run's weights make of val and test, an utterance a line, the summary counted from those, and which
transcripts they doubt."""

from pydantic import Field

from voxloom.manifest import SplitName
from voxloom.record import Part, Record
from voxloom.wer import Edits, Op

GREEDY, WITH_LM = "greedy", "lm"  # names of decoders; greedy is always there


class Counted(Part):
    """Errors of one text, in words or characters; `reference` is the length of what was said."""

    substitutions: int = Field(0, ge=0)
    deletions: int = Field(0, ge=0)
    insertions: int = Field(0, ge=0)
    reference: int = Field(0, ge=0)

    @classmethod
    def of(cls, edits: Edits) -> "Counted":
        return cls(**vars(edits))

    @property
    def edits(self) -> Edits:
        return Edits(self.substitutions, self.deletions, self.insertions, self.reference)

    @property
    def errors(self) -> int:
        return self.edits.errors


class Heard(Part):
    """What one decoder made of an utterance."""

    text: str
    words: Counted
    characters: Counted


class HeardUtterance(Record):
    """A line of utterances.jsonl."""

    utterance: str
    split: SplitName
    source: str
    corpus: str
    speaker: str
    duration_s: float = Field(ge=0, allow_inf_nan=False)
    audio_key: str  # raw/<source>/<speaker>/<utterance>.wav
    reference: str
    heard: dict[str, Heard]  # by decoder: `greedy` always, `lm` where there is a language model


class Measured(Part):
    """Summed errors and their rate, with its 95 % interval where there are utterances enough to tell."""

    substitutions: int
    deletions: int
    insertions: int
    reference: int
    rate: float
    low: float | None = None
    high: float | None = None


class Group(Part):
    """Utterances that have something in common."""

    name: str
    utterances: int
    words: Measured
    characters: Measured


class Confusion(Part):
    """`said` is empty for what was inserted, `heard` for what was deleted."""

    op: Op
    said: str
    heard: str
    count: int


class Worst(Part):
    """An utterance with many errors, and where its audio lies."""

    utterance: str
    source: str
    speaker: str
    duration_s: float
    audio_key: str
    reference: str
    hypothesis: str
    words: Counted
    characters: Counted


class Result(Part):
    """One decoder on one split."""

    decoder: str
    split: SplitName
    total: Group
    by_source: list[Group]
    by_speaker: list[Group]  # those who said most; named source/speaker
    speakers_left_out: int = 0  # beyond the bound
    by_length: list[Group]
    word_confusions: list[Confusion]  # most frequent first
    character_confusions: list[Confusion]
    worst: list[Worst]  # most word errors first


class RunSummary(Record):
    """runs/<run>/report/summary.json. Counted anew from the lines when it is not there: a withdrawn utterance
    takes it along."""

    run: str
    results: list[Result]


class Suspect(Part):
    """A transcript that the model finds unlikely beside what it hears itself."""

    utterance: str
    split: SplitName
    source: str
    speaker: str
    duration_s: float = Field(ge=0, allow_inf_nan=False)
    audio_key: str
    reference: str
    heard: str  # greedy
    doubt: float = Field(allow_inf_nan=False)  # natural logarithm, a token: heard against transcript
    score: float = Field(allow_inf_nan=False)  # how far that is out of the ordinary of its source, robust z


class Suspects(Record):
    """runs/<run>/report/suspects.json: of all transcripts of train and val, those that may be wrong."""

    run: str
    scored: int
    not_scored: dict[str, int] = Field(default_factory=dict)  # by reason
    found: int  # how many are suspect; not all are listed
    rule: str  # in words
    suspects: list[Suspect]  # highest score first
