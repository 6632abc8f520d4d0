"""Who trains, who steers, who judges: every utterance is assigned once, for ever (Law 7). Pure functions.

An assignment depends on nothing but the utterance's own sentence or speaker, so it stays as data grows. The
figures and hashes in here are frozen by tests: changing one would move utterances from test to train.
"""

import hashlib
from dataclasses import dataclass

from voxloom.corpora.sentences import sentence_key
from voxloom.manifest import RawUtterance, SplitName

PUBLISHED_NAMES: dict[str, SplitName] = {
    "train": "train",
    "dev": "val",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


@dataclass(frozen=True)
class Shares:
    """The first part of the unit interval is test, the next val, the rest train."""

    test: float
    val: float

    def split_at(self, point: float) -> SplitName:
        if point < self.test:
            return "test"
        return "val" if point < self.test + self.val else "train"


OWN = Shares(test=0.10, val=0.10)
OTHER = Shares(test=0.05, val=0.05)


def assign(raw: RawUtterance, *, has_val: bool) -> SplitName:
    """`has_val`: the corpus' published split has a val part; if not, val is carved out of its train part."""
    if raw.source == "tts_generated":
        return "train"
    if raw.published_split is None:
        return _by_hash(raw)
    if raw.published_split == "train" and not has_val and _by_hash(raw) == "val":
        return "val"
    return raw.published_split


def _by_hash(raw: RawUtterance) -> SplitName:
    """Own voice: unseen sentences. Other corpora: unseen speakers; unseen sentences where none is named."""
    if raw.source == "user_recorded":
        return OWN.split_at(point("sentence", sentence_key(raw.text)))
    if not raw.speaker_name:
        return OTHER.split_at(point("sentence", sentence_key(raw.text)))
    return OTHER.split_at(point("speaker", raw.speaker))


def point(kind: str, value: str) -> float:
    """A fixed place in [0, 1) for a value."""
    digest = hashlib.sha256(f"{kind}\0{value}".encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32


def why(source: str, published: SplitName | None, named: bool, split: SplitName) -> str:
    """What put an utterance into its split, for its lineage."""
    if source == "tts_generated":
        return "synthetic speech is always trained on"
    if published is not None:
        return "published split" if split == published else "val carved out of published train by hash"
    if source == "user_recorded" or not named:
        return "hash of the sentence"
    return "hash of the speaker"
