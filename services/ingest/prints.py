"""Fingerprints that records of older releases lack: computed once, and kept in the record itself."""

import hashlib
import json
from contextlib import suppress

from pydantic_core import from_json

from voxloom import audio, keys
from voxloom.errors import BadInput, Conflict, NotFound
from voxloom.fingerprint import NUM_DIGITS, VERSION, fingerprint
from voxloom.manifest import RawUtterance
from voxloom.storage import ObjectStore


def with_fingerprint(store: ObjectStore, raw: RawUtterance, document: bytes, etag: str) -> RawUtterance:
    """`raw`, read from `document` of this `etag`, with the fingerprint of this release; "" where the audio is
    missing or not what the record says, which comes to light when shards are written.

    The record is the cache, so that what deletes it deletes all. It is replaced by compare-and-swap: one that
    was deleted meanwhile stays deleted, and of many replicas one writes.
    """
    if _version(raw.fingerprint) == VERSION:
        return raw
    found = _computed(store, raw)
    if found and _version(raw.fingerprint) < VERSION:  # a later one belongs to a newer release
        _keep(store, raw, document, etag, found)
    return raw.model_copy(update={"fingerprint": found})


def _version(text: str) -> int:
    """0 without a fingerprint."""
    try:
        return int(text[:2], 16) if len(text) == NUM_DIGITS else 0
    except ValueError:
        return 0


def _computed(store: ObjectStore, raw: RawUtterance) -> str:
    try:
        wav = store.get(keys.raw_audio(raw.source, raw.speaker, raw.utterance))
        if hashlib.sha256(wav).hexdigest() != raw.audio_sha256:
            return ""
        return fingerprint(audio.decode(wav).samples)
    except (BadInput, NotFound):
        return ""


def _keep(store: ObjectStore, raw: RawUtterance, document: bytes, etag: str, found: str) -> None:
    """All else in the record stays, also what this release does not know."""
    changed = from_json(document) | {"fingerprint": found}
    content = json.dumps(changed, indent=2, ensure_ascii=False).encode() + b"\n"
    with suppress(Conflict):  # another replica kept it, or it was deleted just now
        store.put(keys.raw_record(raw.source, raw.speaker, raw.utterance), content, if_match=etag)
