"""How much time and memory the manifests of a million utterances take: python tests/bench/manifest.py

Generated records go through the builder's own code, from the snapshot to the CSV manifests and the lineage;
only the store is replaced, by the generator on one side and a folder on the other. Beside it:

  csv   Python's csv writer, which writes the same rows and decides nothing: the limit
"""

import argparse
import csv
import hashlib
import io
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from services.ingest.describe import Description
from services.ingest.records import Found
from services.ingest.snapshot import Snapshot, take_snapshot
from voxloom import fingerprint
from voxloom.manifest import COLUMNS, SPLITS, AudioLevels, RawUtterance, in_blocks, read_csv, write_csv
from voxloom.mix import FOLDERS

_GOAL_MB = 400
_WORDS = [
    f"{a}{b}{c}" for a in ("ka", "lo", "mi", "su", "te") for b in "rnst" for c in ("a", "en", "o", "um")
]
_SOURCES = ("user_recorded", "commonvoice", "commonvoice", "commonvoice", "imported", "tts_generated")
_SPLITS = ("train",) * 8 + ("val", "test")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=1_000_000, help="utterances")
    number = parser.parse_args().number
    with tempfile.TemporaryDirectory(prefix="voxloom-bench-") as work:
        alone_s = timed("generating the records alone", lambda: sum(1 for _ in records(number)))
        began = time.perf_counter()
        with take_snapshot(records(number)) as snapshot:
            print(f"  {'snapshot':<30} {time.perf_counter() - began:7.1f} s")
            timed("its id", lambda: snapshot.dataset)
            timed("CSV manifests", lambda: write(snapshot, Path(work)))
            timed("lineage", lambda: lineage(snapshot, Path(work)))
            ours_s = time.perf_counter() - began - alone_s
            kept, dropped = sum(snapshot.counts.values()), snapshot.dropped_by_reason
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        limit_s = csv_alone(Path(work))
    print(f"{number} records: {kept} rows, {dropped}")
    print(f"{ours_s:.1f} s, {number / ours_s:.0f} utterances/s; peak {peak_mb:.0f} MB (goal {_GOAL_MB})")
    print(f"to csv alone ({limit_s:.1f} s): {ours_s / limit_s:.1f} times")
    return 0 if peak_mb < _GOAL_MB else 1


def timed(name: str, work) -> float:  # type: ignore[no-untyped-def]
    began = time.perf_counter()
    work()
    taken = time.perf_counter() - began
    print(f"  {name:<30} {taken:7.1f} s", flush=True)
    return taken


def write(snapshot: Snapshot, out: Path) -> None:
    for split in SPLITS:
        with (out / f"{split}.csv").open("wb") as file:
            file.writelines(write_csv(snapshot.rows(split)))


def lineage(snapshot: Snapshot, out: Path) -> None:
    description = Description(snapshot)
    with (out / "lineage.jsonl").open("wb") as file:
        file.writelines(in_blocks(description.lines()))
    description.report()


def csv_alone(out: Path) -> float:
    """The rows are read back before the clock starts, a part at a time."""
    taken = 0.0
    for split in SPLITS:
        with (out / f"{split}.csv").open("rb") as file:
            rows = read_csv(file)
            while part := [[getattr(row, name) for name in COLUMNS] for row in islice(rows, 50_000)]:
                began = time.perf_counter()
                csv.writer(io.StringIO()).writerows(part)
                taken += time.perf_counter() - began
    return taken


def records(number: int) -> Iterator[Found]:
    """Of four sources, some 20 clips a speaker; a few in a hundred are copies of others in some way."""
    draw = random.Random(0)
    for index in range(number):
        yield Found(f"u{index:09d}", *_record(index, draw))


def _record(index: int, draw: random.Random) -> tuple[str, RawUtterance]:
    source = draw.choice(_SOURCES)
    speaker = "me" if source == "user_recorded" else f"{source}-{draw.randrange(50_000)}"
    corpus = "own" if source == "user_recorded" else f"{source}-{draw.randrange(5)}"
    print_ = bytearray(draw.randbytes(64))
    if draw.random() < 0.01:
        print_ = bytearray(b"\1" * 63 + bytes([draw.randrange(256)]))  # a crowd that sounds alike
    spread = draw.randrange(22_000, 34_000)
    duration_s = round(draw.uniform(3, 9), 3)
    return source, RawUtterance.model_construct(
        utterance=f"u{index:09d}",
        source=source,
        corpus=corpus,
        speaker=speaker,
        speaker_name=speaker,
        text=" ".join(draw.choices(_WORDS, k=draw.randrange(3, 9))),
        language="en",
        published_split=draw.choice(_SPLITS) if source == "commonvoice" and corpus[-1] < "2" else None,
        audio_sha256=hashlib.sha256(str(index % 990_000).encode()).hexdigest(),
        levels=AudioLevels.model_construct(
            duration_s=duration_s,
            peak_dbfs=draw.uniform(-30, 0),
            rms_dbfs=draw.uniform(-50, -15),
            clipped_fraction=0.0,
            source_sample_rate_hz=16000,
            source_channels=1,
        ),
        created_at=f"2026-01-01T00:00:{draw.randrange(60):02d}.{draw.randrange(1000):03d}+00:00",
        origin=f"clips/common_voice_en_{index}.mp3",
        details={"up_votes": "2", "down_votes": "0", "gender": "female", "accents": "none said"},
        fingerprint=f"{fingerprint.VERSION:02x}{spread:04x}{print_.hex()}",
    )


if __name__ == "__main__":
    assert set(_SOURCES) == set(FOLDERS.values())
    sys.exit(main())
