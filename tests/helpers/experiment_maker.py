"""A store with own recordings, synthetic speech and Common Voice clips of tones: enough for an experiment."""

import hashlib
import itertools

import numpy as np
from trainer_maker import tones

from voxloom import keys
from voxloom.audio import encode_wav
from voxloom.manifest import AudioLevels, RawUtterance, SplitName
from voxloom.storage import ObjectStore, write_model

_LETTERS = "abcdef"


def make_store(store: ObjectStore, own: int, tts: int, commonvoice_tests: int) -> None:
    """No two clips say the same. The split of the own ones is by their sentences; of Common Voice there is a
    published test part and nothing to train on."""
    texts = (f"{a}{b} {c}{d}" for a, b, c, d in itertools.product(_LETTERS, repeat=4))
    random = np.random.default_rng(0)
    for source, number in (
        ("user_recorded", own),
        ("tts_generated", tts),
        ("commonvoice", commonvoice_tests),
    ):
        published: SplitName | None = "test" if source == "commonvoice" else None
        for index in range(number):
            _add(store, source, f"{source[:2]}-{index:04d}", next(texts), random, published)


def _add(
    store: ObjectStore,
    source: str,
    name: str,
    text: str,
    random: np.random.Generator,
    published: SplitName | None,
) -> None:
    samples = tones(text, random)
    wav = encode_wav(samples)
    store.put(keys.raw_audio(source, "s", name), wav)
    record = RawUtterance(
        utterance=name,
        source=source,
        corpus="own" if source == "user_recorded" else source,
        speaker="s",
        speaker_name="s",
        text=text,
        published_split=published,
        audio_sha256=hashlib.sha256(wav).hexdigest(),
        levels=AudioLevels(
            duration_s=len(samples) / 16000,
            peak_dbfs=-10,
            rms_dbfs=-14,
            clipped_fraction=0,
            source_sample_rate_hz=16000,
            source_channels=1,
        ),
        created_at="2026-01-01T00:00:00+00:00",
    )
    write_model(store, keys.raw_record(source, "s", name), record)
