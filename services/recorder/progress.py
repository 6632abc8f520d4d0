"""What a speaker skipped and flagged of a list: a document each, changed by compare-and-swap."""

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from services.recorder.ledger import SOURCE
from voxloom import keys
from voxloom.errors import BadInput, Conflict, NotFound
from voxloom.forgotten import digest
from voxloom.record import Record, parse_model
from voxloom.storage import ObjectStore, exists, write_model

Mark = Literal["skipped", "flagged"]
_MAX_TRIES = 20


class Progress(Record):
    """progress/<speaker>/<list>.json. What was recorded is not in it: the recordings themselves tell."""

    speaker: str
    prompt_list: str
    skipped: dict[str, str] = Field(default_factory=dict)  # prompt id -> why
    flagged: dict[str, str] = Field(default_factory=dict)


def read_progress(store: ObjectStore, speaker: str, prompt_list: str) -> Progress:
    """Nothing skipped and nothing flagged where there is no document."""
    return _read(store, speaker, prompt_list)[0]


def mark(store: ObjectStore, progress: tuple[str, str], kind: Mark, prompt: str, reason: str) -> None:
    """Skips or flags a prompt; `progress` is (speaker, list). An empty reason takes it back."""
    speaker, prompt_list = progress
    if exists(store, keys.tombstone("speaker", digest(f"{SOURCE}/{speaker}"))):
        raise BadInput(f"speaker {speaker} was withdrawn; nothing is kept of what they do")

    def change(old: Progress) -> Progress:
        marks = {key: why for key, why in getattr(old, kind).items() if key != prompt}
        return old.model_copy(update={kind: {**marks, prompt: reason} if reason else marks})

    _change(store, speaker, prompt_list, change)


def _change(
    store: ObjectStore, speaker: str, prompt_list: str, change: Callable[[Progress], Progress]
) -> None:
    for _ in range(_MAX_TRIES):
        old, etag = _read(store, speaker, prompt_list)
        new = change(old)
        if new == old:
            return
        key = keys.progress(speaker, prompt_list)
        try:
            write_model(store, key, new, if_absent=not etag, if_match=etag or None)
        except Conflict:
            continue  # another page or terminal of the same speaker was faster
        return
    raise Conflict(f"{speaker}'s marks in {prompt_list} keep changing; try again in a moment")


def _read(store: ObjectStore, speaker: str, prompt_list: str) -> tuple[Progress, str]:
    key = keys.progress(speaker, prompt_list)
    try:
        data, etag = store.get_with_etag(key)
    except NotFound:
        return Progress(speaker=speaker, prompt_list=prompt_list), ""
    return parse_model(key, data, Progress), etag
