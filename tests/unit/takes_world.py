"""A recorder with takes, for the tests of lists, reviews, corrections and exports."""

import io
import wave
from pathlib import Path
from typing import Any

import numpy as np

from services.recorder.catalogue import Catalogue
from services.recorder.labels import check_labels
from services.recorder.reviewing import Reviewing
from services.recorder.speakers import Speakers
from services.recorder.take_index import Asked
from services.recorder.takes import Takes
from voxloom import audio, keys
from voxloom.bus import MemoryBus
from voxloom.manifest import AudioLevels, RawUtterance, TakeQuality
from voxloom.storage import FolderStore, ObjectStore, write_model


def wav(seconds: float = 2.0, pitch: int = 140) -> bytes:
    """Syllables of a buzz with pauses between: moves as speech does."""
    time_s = np.arange(int(seconds * 16000)) / 16000
    buzz = sum(np.sin(2 * np.pi * pitch * k * time_s) / k for k in range(1, 12))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 16000, len(time_s), "NONE", ""))
        file.writeframes((6000 * buzz * np.sin(2 * np.pi * 2 * time_s) ** 2).astype("<i2").tobytes())
    return out.getvalue()


def record(number: int, **fields: Any) -> RawUtterance:
    """As the recorder writes it."""
    levels = AudioLevels(
        duration_s=3.0,
        peak_dbfs=-3,
        rms_dbfs=-20,
        clipped_fraction=0,
        source_sample_rate_hz=48000,
        source_channels=1,
    )
    values = {
        "utterance": f"u-{number:020d}",
        "speaker": "ada",
        "speaker_name": fields.get("speaker", "ada").title(),
        "text": f"sentence {number}",
        "created_at": f"2026-01-01T00:00:{number:06d}",
    } | fields
    return RawUtterance(
        source="user_recorded",
        corpus="own",
        audio_sha256=str(number),
        levels=levels,
        quality=TakeQuality(**dict.fromkeys(set(TakeQuality.model_fields) - {"voice"}, 20.0)),
        **values,
    )


class Studio:
    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder)
        self.bus = MemoryBus()
        self.now_s = 0.0
        self.use(self.store)

    def use(self, store: ObjectStore) -> None:
        """A recorder that starts anew."""
        self.catalogue = Catalogue(store, lambda: self.now_s)
        self.takes = Takes(store, self.bus, audio.Limits(), catalogue=self.catalogue)
        self.reviewing = Reviewing(store, self.catalogue)
        self.speakers = Speakers(store, self.catalogue, clock=lambda: self.now_s)

    def put(self, *records: RawUtterance) -> None:
        """What another recorder stores."""
        for each in records:
            write_model(self.store, keys.raw_record(each.source, each.speaker, each.utterance), each)
            self.store.put(
                keys.raw_audio(each.source, each.speaker, each.utterance), b"RIFF" + each.text.encode()
            )

    def read(self, text: str, prompt: str = "", speaker: str = "Ada", pitch: int = 140) -> RawUtterance:
        """A take, by the way of an upload."""
        labels = check_labels(text, speaker, "en", ("fish", prompt) if prompt else ("", ""))
        return self.takes.add(labels, wav(pitch=pitch), None).record

    def listed(self, **asked: Any) -> list[str]:
        return [each.record.utterance for each in self.catalogue.page(Asked(**asked), None, 10_000)]

    def close(self) -> None:
        self.catalogue.close()
        self.bus.close()
