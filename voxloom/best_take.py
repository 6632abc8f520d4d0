"""Which of several takes of one prompt datasets have: one rule, for recorder and ingest. Pure functions."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from voxloom.corpora.sentences import sentence_key
from voxloom.manifest import RawUtterance

_BEST_SNR_DB = 40.0  # nobody hears more
_CLIPPED_STEP = 0.001


@dataclass(frozen=True)
class Standing:
    """What the rule looks at. Rejected takes do not stand."""

    utterance: str
    chosen: bool  # by a person
    accepted: bool  # in review; not so is what nobody has judged
    faults: int  # checks that failed and were overruled
    clipped_fraction: float
    snr_db: float
    created_at: str


def prompt_of(take: RawUtterance) -> str:
    """The same for takes of one prompt by one speaker: those of a sentence that was read from a list.

    The sentence and not the id, for a list may be replaced by one that numbers other sentences; a take with a
    corrected text is another sentence, and stands for itself. "" of what was read from no list: a script that
    records a sentence many times wants it many times.
    """
    if not (take.prompt_list and take.prompt_id):
        return ""
    content = f"{take.language}\0{sentence_key(take.text)}"
    return hashlib.sha256(content.encode()).hexdigest()[:20]


def standing(take: RawUtterance, chosen: bool, accepted: bool) -> Standing:
    return Standing(
        utterance=take.utterance,
        chosen=chosen,
        accepted=accepted,
        faults=len(take.accepted_anyway),
        clipped_fraction=take.levels.clipped_fraction,
        snr_db=take.quality.snr_db if take.quality else 0.0,
        created_at=take.created_at,
    )


def best(takes: Iterable[Standing]) -> Standing:
    """Of takes of one prompt, at least one: the chosen one; else one that somebody heard and accepted; then
    that with fewest faults, then with least clipping, then with most dB above the noise. Where nobody would
    hear a difference, the latest: who reads again has heard a reason."""
    return max(takes, key=_merit)


def _merit(take: Standing) -> tuple[bool, bool, int, int, int, str, str]:
    return (
        take.chosen,
        take.accepted,
        -take.faults,
        -round(take.clipped_fraction / _CLIPPED_STEP),
        round(min(take.snr_db, _BEST_SNR_DB)),
        take.created_at,
        take.utterance,
    )
