"""A store of own recordings and the builder of datasets, for the tests of the dataset job."""

import hashlib
import io
from pathlib import Path
from typing import Any

from ingest_corpora import HeardBus, clip, run_next

from services.ingest.config import IngestConfig
from services.ingest.dataset import KIND, DatasetBuilder
from services.ingest.split import OWN, point, sentence_key
from voxloom import audio, keys
from voxloom.jobs import Jobs
from voxloom.manifest import (
    AudioLevels,
    DatasetRecord,
    RawUtterance,
    Utterance,
    read_csv,
)
from voxloom.storage import FolderStore, read_model, write_model


def split_of(text: str) -> str:
    return OWN.split_at(point("sentence", sentence_key(text)))


PROMPTS = [f"prompt {a}{b}" for a in "abcde" for b in "klmno"]
TEXTS = [text for text in PROMPTS if split_of(text) == "train"]
WAVS = {seed: audio.encode_wav(audio.decode(clip(seed)).samples) for seed in range(12)}


class World:
    def __init__(self, root: Path) -> None:
        self.store = FolderStore(root)
        self.bus = HeardBus()
        self.jobs = Jobs(self.store)
        self.builder = DatasetBuilder(IngestConfig(), self.store, self.bus, self.jobs)
        self.builds = 0

    def record(self, seed: int, text: str = "", *, wav: bytes | None = None, **fields: Any) -> RawUtterance:
        """Stores an own recording; its sentence is one of train unless given."""
        wav = WAVS[seed] if wav is None else wav
        values = {
            "utterance": f"u{seed}",
            "source": "user_recorded",
            "corpus": "own",
            "speaker": "me",
        } | fields
        raw = RawUtterance(
            text=text or TEXTS[seed],
            audio_sha256=hashlib.sha256(wav).hexdigest(),
            levels=AudioLevels(
                duration_s=fields.get("duration_s", 1.0),
                peak_dbfs=-3,
                rms_dbfs=-20,
                clipped_fraction=0,
                source_sample_rate_hz=16000,
                source_channels=1,
            ),
            created_at=f"2026-01-{seed + 1:02d}",
            speaker_name=values["speaker"],
            **{name: value for name, value in values.items() if name != "duration_s"},
        )
        self.store.put(keys.raw_audio(raw.source, raw.speaker, raw.utterance), wav)
        write_model(self.store, keys.raw_record(raw.source, raw.speaker, raw.utterance), raw)
        return raw

    def build(self, **spec: Any) -> DatasetRecord:
        self.builds += 1
        self.jobs.submit(KIND, f"build-{self.builds}", spec, "trace")
        result = run_next(self.jobs, KIND, self.builder.run)
        return read_model(self.store, keys.dataset_record(result["dataset"]), DatasetRecord)

    def rows(self, record: DatasetRecord, split: str) -> list[Utterance]:
        return list(read_csv(io.BytesIO(self.store.get(keys.manifest(record.dataset, split)))))
