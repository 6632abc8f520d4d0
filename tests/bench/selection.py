"""What choosing clips from a big release of Common Voice takes: python tests/bench/selection.py

A release of so many clips is made up: validated.tsv with the columns of release 17.0 and clip_durations.tsv
name each of them, dev.tsv and test.tsv some again. Its tables are read and clips chosen, in a process of its
own, by what the command line and the service both do:

  csv      Python's csv reader over the same tables, which keeps and decides nothing: the limit
  read     the tables read into the database on disk
  choose   100,000 clips to train on, balanced over speakers; with --all every clip that fits
  memory   the most that the process ever held, imports included
  disk     the most that the database took, in the folder that SQLITE_TMPDIR names
"""

import argparse
import csv
import hashlib
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from child import measured

from voxloom.corpora.archive import ArchiveLimits
from voxloom.corpora.commonvoice import read_release, release_limits
from voxloom.corpora.members import from_folder
from voxloom.corpora.selection import Selection

FOLDER = "cv-corpus-17.0-2024-03-15/en"
COLUMNS = [
    *("client_id", "path", "sentence_id", "sentence", "sentence_domain", "up_votes", "down_votes"),
    *("age", "gender", "accents", "variant", "locale", "segment"),
]
HELD_OUT = 16_000  # clips of dev, and of test, as the English release has
SPEAKERS = 90_000
WANTED = 100_000
_WORDS = [f"{a}{b}{c}" for a in ("ka", "lo", "mi", "su", "te") for b in "rnst" for c in ("a", "en", "o")]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=2_500_000, help="clips of the release")
    parser.add_argument("--all", action="store_true", help="choose every clip that fits, not 100,000")
    parser.add_argument("--folder", type=Path, help="for the tables and the database: 1 kB a clip")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voxloom-bench-", dir=args.folder) as work:
        os.environ["SQLITE_TMPDIR"] = work
        size = make(Path(work) / FOLDER, args.number)
        print(f"{args.number} clips, {size / 1e9:.2f} GB of tables", flush=True)
        rows, limit_s, _ = measured(csv_alone, Path(work))
        print(f"  {'csv':<8} {limit_s:7.1f} s  {rows / limit_s:8.0f} rows/s", flush=True)
        report(*measured(choose, Path(work), 0 if args.all else WANTED), rows, limit_s)
    return 0


def report(found: tuple[float, int, int], seconds: float, peak_mb: float, rows: int, limit_s: float) -> None:
    read_s, chosen, disk = found
    print(f"  {'read':<8} {read_s:7.1f} s  {rows / read_s:8.0f} rows/s")
    print(f"  {'choose':<8} {seconds - read_s:7.1f} s  {chosen} clips")
    print(f"  {'memory':<8} {peak_mb:7.0f} MB")
    print(f"  {'disk':<8} {disk / 1e9:7.2f} GB")
    print(f"to csv alone: {read_s / limit_s:.1f} times for reading, {seconds / limit_s:.1f} times for all")


def choose(root: Path, wanted: int) -> tuple[float, int, int]:
    """Seconds of reading, clips chosen, bytes of the database."""
    began, limits, disk = time.perf_counter(), release_limits(ArchiveLimits()), Disk()
    with from_folder(root, limits) as members:
        release = read_release(members, limits)
    with release, disk:
        read_s = time.perf_counter() - began
        chosen = sum(part.clips for part in release.select(Selection(max_clips=wanted)).parts())
    return read_s, chosen, disk.most


class Disk(threading.Thread):
    """The most bytes in files of this process that have no name any more: SQLite's temporary ones."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self._over = 0, threading.Event()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(0.1):
            self.most = max(self.most, sum(unnamed_files()))


def unnamed_files() -> Iterator[int]:
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").endswith("(deleted)"):
                yield os.stat(f"/proc/self/fd/{name}").st_size
        except OSError:  # closed just now
            continue


def csv_alone(root: Path) -> int:
    rows = 0
    for path in sorted(root.rglob("*.tsv")):
        with open(path, encoding="utf-8", newline="") as file:
            rows += sum(1 for _ in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)) - 1
    return rows


def make(folder: Path, number: int) -> int:
    """The tables of a release; returns their bytes. Nobody of dev and test is in train."""
    folder.mkdir(parents=True)
    draw, every = random.Random(0), max(2, number // (2 * HELD_OUT))
    names = {name: folder / f"{name}.tsv" for name in ("validated", "dev", "test", "clip_durations")}
    files = {name: path.open("w", encoding="utf-8") for name, path in names.items()}
    for name, file in files.items():
        file.write("\t".join(("clip", "duration[ms]") if name == "clip_durations" else COLUMNS) + "\n")
    for index in range(number):
        held_out = index % every == 0
        row = "\t".join(clip(index, held_out, draw)) + "\n"
        files["validated"].write(row)
        files["clip_durations"].write(f"{clip_name(index)}\t{draw.randrange(2500, 9000)}\n")
        if held_out:
            files["test" if index // every % 2 else "dev"].write(row)
    for file in files.values():
        file.close()
    return sum(path.stat().st_size for path in names.values())


def clip(index: int, held_out: bool, draw: random.Random) -> list[str]:
    """A few speakers give many clips and many give few; every third sentence is said more than once."""
    speaker = f"held out {draw.randrange(8000)}" if held_out else str(int(SPEAKERS * draw.random() ** 3))
    words = random.Random(draw.randrange(3_000_000)).choices(_WORDS, k=9)
    sentence = f"{' '.join(words).capitalize()}."
    votes = str(2 + index % 5), str(index % 3 // 2)
    who = ("twenties", "male_masculine", "United States English") if index % 2 else ("", "", "")
    return [
        *(hashlib.sha512(speaker.encode()).hexdigest(), clip_name(index)),
        *(hashlib.sha256(sentence.encode()).hexdigest(), sentence, "", *votes, *who, "", "en", ""),
    ]


def clip_name(index: int) -> str:
    return f"common_voice_en_{17_000_000 + index}.mp3"


if __name__ == "__main__":
    sys.exit(main())
