"""A dataset of tones in a folder store, small enough to train on in seconds. The reader is under test, so the
shards are written here by hand."""

import io
import tarfile
from pathlib import Path

import numpy as np

from voxloom import keys
from voxloom.audio import encode_flac
from voxloom.forgotten import add_mark, digest
from voxloom.manifest import SPLITS, DatasetRecord, SplitSummary, Utterance, read_csv, write_csv
from voxloom.storage import FolderStore, write_model

TEXTS = ("ab c", "ba", "c cab", "abc")


def utterance(name: str, text: str, duration_s: float, split: str = "train") -> Utterance:
    return Utterance(
        utterance=name,
        audio_key=f"raw/imported/s/{name}.wav",
        text=text,
        speaker="s",
        language="en",
        source="imported",
        corpus="tones",
        duration_s=duration_s,
        audio_sha256="0" * 64,
        split=split,
    )


def tones(text: str, rng: np.random.Generator) -> np.ndarray:
    """Each letter its own pitch for 0.15 s, under a little noise."""
    time_s = np.arange(2400) / 16000
    pitches = [200 + 300 * (ord(letter) - 96) if letter != " " else 0 for letter in text]
    signal = np.concatenate([np.sin(2 * np.pi * pitch * time_s) * 0.3 for pitch in pitches])
    return (signal + rng.normal(0, 0.01, len(signal))).astype(np.float32)


def make_dataset(
    root: Path, clips: int = 12, dropped: dict[str, int] | None = None, shards: int = 1
) -> tuple[FolderStore, DatasetRecord, dict[str, np.ndarray]]:
    """`clips` utterances of train in so many shards, a third of that in val and test; and the samples of
    train by name."""
    store, rng = FolderStore(root), np.random.default_rng(0)
    audio: dict[str, np.ndarray] = {}
    splits = {}
    for split in SPLITS:
        count = clips if split == "train" else max(1, clips // 3)
        rows: list[Utterance] = []
        parts = [list(map(int, part)) for part in np.array_split(range(count), min(shards, count))]
        members: list[dict[str, bytes]] = [{} for _ in parts]
        for index in range(count):
            text = TEXTS[index % len(TEXTS)]
            samples = tones(text, rng)
            row = utterance(f"{split}-{index:03d}", text, len(samples) / 16000, split)
            rows.append(row)
            shard = members[next(number for number, part in enumerate(parts) if index in part)]
            shard[f"{row.utterance}.flac"] = encode_flac(samples)
            shard[f"{row.utterance}.json"] = row.model_dump_json().encode()
            if split == "train":
                audio[row.utterance] = samples
        store.put_stream(keys.manifest("d-tones", split), write_csv(rows))
        stored = [keys.shard("d-tones", split, number) for number in range(len(parts))]
        for key, shard in zip(stored, members, strict=True):
            store.put(key, _tar(shard))
        splits[split] = SplitSummary(utterances=count, speakers=1, hours=count / 3600, shards=stored)
    record = DatasetRecord(
        dataset="d-tones",
        created_at="2026-01-01T00:00:00.000+00:00",
        considered=clips,
        splits=splits,
        utterances_by_source={"imported": clips},
        dropped_by_reason=dropped or {},
        dropped_examples={},
        dropped_fraction=sum((dropped or {}).values()) / clips,
        overlapping_test_sentences=0,
        alphabet=" abc",
        languages=["en"],
        normalizer_version=1,
    )
    write_model(store, keys.dataset_record("d-tones"), record)
    return store, record, audio


def withdraw(store: FolderStore, dataset: DatasetRecord, *names: str) -> None:
    """As `voxloom forget` does: the mark, then shards and manifests without them; dataset.json stays."""
    by_split = {split: [digest(name) for name in names if name.startswith(split)] for split in SPLITS}
    add_mark(store, keys.withdrawn(f"manifests/{dataset.dataset}"), by_split, "2026-01-02T00:00:00+00:00")
    for key in (key for split in dataset.splits.values() for key in split.shards):
        with store.open(key) as file, tarfile.open(fileobj=file) as tar:
            found = {each.name: (tar.extractfile(each) or io.BytesIO()).read() for each in tar}
        kept = {name: data for name, data in found.items() if name.partition(".")[0] not in names}
        store.put(key, _tar(kept))
    for split in SPLITS:
        key = keys.manifest(dataset.dataset, split)
        with store.open(key) as file:
            rows = [row for row in read_csv(file) if row.utterance not in names]
        store.put_stream(key, write_csv(rows))


def _tar(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()
