"""What a speaker skipped and flagged of a list: a document each, changed by compare-and-swap."""

from typing import Literal

from pydantic import Field

from services.recorder.ledger import SOURCE
from voxloom import keys
from voxloom.errors import BadInput
from voxloom.forgotten import is_withdrawn
from voxloom.record import Record
from voxloom.storage import ObjectStore, change_model, find_model

Mark = Literal["skipped", "flagged"]


class Progress(Record):
    """progress/<speaker>/<list>.json. What was recorded is not in it: the recordings themselves tell."""

    speaker: str
    prompt_list: str
    skipped: dict[str, str] = Field(default_factory=dict)  # prompt id -> why
    flagged: dict[str, str] = Field(default_factory=dict)


def read_progress(store: ObjectStore, speaker: str, prompt_list: str) -> Progress:
    """Nothing skipped and nothing flagged where there is no document."""
    found, _ = find_model(store, keys.progress(speaker, prompt_list), Progress)
    return found or Progress(speaker=speaker, prompt_list=prompt_list)


def mark(store: ObjectStore, progress: tuple[str, str], kind: Mark, prompt: str, reason: str) -> None:
    """Skips or flags a prompt; `progress` is (speaker, list). An empty reason takes it back."""
    speaker, prompt_list = progress
    if is_withdrawn(store, "speaker", f"{SOURCE}/{speaker}"):
        raise BadInput(f"speaker {speaker} was withdrawn; nothing is kept of what they do")

    def change(found: Progress | None) -> Progress | None:
        old = found or Progress(speaker=speaker, prompt_list=prompt_list)
        marks = {key: why for key, why in getattr(old, kind).items() if key != prompt}
        new = old.model_copy(update={kind: {**marks, prompt: reason} if reason else marks})
        return None if new == old else new

    change_model(store, keys.progress(speaker, prompt_list), Progress, change)
