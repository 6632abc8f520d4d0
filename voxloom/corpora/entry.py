"""One clip as a corpus describes it, before anything is checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """What a corpus says of one clip, as it was given."""

    path: str  # of the audio, relative to the manifest: part of the utterance id
    text: str
    speaker: str = ""
    split: str = ""  # the corpus' own: train, dev, val or test; "" where it has none
    language: str = ""
    details: Mapping[str, str] = field(default_factory=dict)  # votes, age, voice: lineage
