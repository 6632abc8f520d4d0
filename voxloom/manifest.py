"""Utterance and dataset records, and the CSV and JSONL manifests made of them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")


class Record(BaseModel):
    """Base of every JSON document in the store: frozen, versioned, unknown fields of newer releases kept out."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    schema_version: int = 1


class AudioLevels(Record):
    """What `audio.measure` found."""

    duration_s: float
    peak_dbfs: float
    rms_dbfs: float
    clipped_fraction: float  # 0 to 1
    source_sample_rate_hz: int
    source_channels: int


class RawUtterance(Record):
    """raw/<source>/<speaker>/<utterance>.json, beside the WAV of the same name."""

    utterance: str
    source: str  # one of keys.SOURCES
    corpus: str  # "own" for live recordings, else the corpus' name
    speaker: str  # a key segment
    speaker_name: str = ""  # as it was given
    text: str  # as it was given; normalised when a dataset is built
    language: str = "en"
    published_split: SplitName | None = None  # kept by wish of the importer, else None
    audio_sha256: str  # of the stored WAV
    levels: AudioLevels
    created_at: str  # ISO 8601, UTC
    origin: str = ""  # path in the imported corpus


class Utterance(BaseModel):
    """One row of a manifest, in column order."""

    model_config = ConfigDict(frozen=True)
    utterance: str
    audio_key: str
    text: str  # normalised
    speaker: str
    language: str
    source: str
    corpus: str
    duration_s: float
    audio_sha256: str
    split: SplitName


class SplitSummary(Record):
    utterances: int = 0
    speakers: int = 0
    hours: float = 0.0
    shards: list[str] = Field(default_factory=list)  # keys, in order


class DatasetRecord(Record):
    """manifests/<dataset>/dataset.json: immutable, written last."""

    dataset: str
    created_at: str
    considered: int  # raw utterances looked at, kept or dropped
    splits: dict[SplitName, SplitSummary]
    utterances_by_source: dict[str, int]
    dropped_by_reason: dict[str, int]
    dropped_examples: dict[str, list[str]]  # reason -> up to 20 utterance ids
    dropped_fraction: float
    overlapping_test_sentences: int  # test sentences that also occur in train (published splits only)
    alphabet: str  # every character of the normalised training texts, sorted, the space included
    languages: list[str]
    normalizer_version: int
    trace: str = ""
