"""Copies that fingerprints find, and what they mistake for copies: python tests/bench/fingerprints.py

Recordings are those of people (examples/an4, or the folders of audio that are named) and 1,500 of espeak-ng:
sentences said by five voices at four pitches and three speeds. Datasets are built of all of them, and of all
of them with copies that were changed in one way, by the builder's own code. Printed are:

  false alarms  pairs of different recordings that are as near as copies, of all pairs, whatever their
                durations; and how many recordings a build drops as copies
  nearest       the two most alike: the share of bits that differ, if the spread is one that copies may have
                (0.12 is the most for copies). A folder that holds a recording twice shows here
  found         the share of copies that a build drops, for each change, with the bit rate where one is coded
  ms            of processor for the fingerprint of five seconds, and its ratio to decoding them from FLAC

libmpg123 complains of some frames of coarse MP3s, and decodes them all the same.
"""

import argparse
import hashlib
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from copies import Coded, changes

from services.ingest.records import Found
from services.ingest.snapshot import take_snapshot
from voxloom import audio
from voxloom.audio import SAMPLE_RATE_HZ as RATE_HZ
from voxloom.audio import Samples
from voxloom.corpora.listing import AUDIO_SUFFIXES
from voxloom.errors import BadInput
from voxloom.fingerprint import (
    MAX_DISTANCE,
    MAX_SPREAD,
    NUM_BITS,
    bits_of,
    distance,
    fingerprint,
    is_fingerprint,
    spread_of,
)
from voxloom.manifest import AudioLevels, RawUtterance
from voxloom.synthesis.engine import Settings, Voice
from voxloom.synthesis.espeak import Espeak
from voxloom.synthesis.sentences import prompts

EXAMPLE = Path(__file__).parents[2] / "examples" / "an4"
PITCHES, SPEEDS, SENTENCES = (0.7, 0.85, 1.0, 1.2), (0.8, 1.0, 1.2), 25
VOICES = ("en-gb", "en-us", "en-us+f2", "en-gb-scotland+m3", "en-us+m7")


@dataclass(frozen=True)
class Heard:
    """What is kept of a recording."""

    name: str
    voice: str  # "" for people
    print_: str
    duration_s: float


class Pair(NamedTuple):
    distance: float
    one: str
    other: str


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, default=[EXAMPLE])
    parser.add_argument("--number", type=int, default=100, help="copies for each change")
    args = parser.parse_args()
    people = read(args.folders)
    recordings = [*people, *(synthetic() if shutil.which("espeak-ng") else [])]
    print(f"{len(people)} recordings of people, {len(recordings) - len(people)} of espeak-ng", flush=True)
    alike, nearest = compare(recordings)
    dropped, pairs = near_duplicates(recordings), len(recordings) * (len(recordings) - 1) // 2
    print(f"false alarms: {alike} of {pairs} pairs; a build drops {dropped}")
    for kind, pair in sorted(nearest.items()):
        print(f"nearest of {kind}: {pair.distance:.3f}\n  {pair.one}\n  {pair.other}", flush=True)
    originals = people[:: max(1, len(people) // args.number)][: args.number]
    print(f"found of copies of {len(originals)} recordings of people:")
    report_copies(recordings, originals, dropped)
    report_time()
    return 0


def read(folders: list[Path]) -> list[Heard]:
    """Whoever cannot be decoded, or is digital silence, has nothing to compare."""
    paths = [path for folder in folders for path in sorted(folder.rglob("*"))]
    found = []
    for path in paths:
        if path.suffix.lower() in AUDIO_SUFFIXES:
            try:
                found.append(heard(str(path), decoded(path)))
            except BadInput as error:
                print(f"  left out: {path}: {error}")
    return [each for each in found if is_fingerprint(each.print_)]


def decoded(path: Path) -> Samples:
    return audio.decode(path.read_bytes()).samples


def heard(name: str, samples: Samples, voice: str = "") -> Heard:
    return Heard(name, voice, fingerprint(samples), len(samples) / RATE_HZ)


def synthetic() -> list[Heard]:
    engine, texts = Espeak(), [text for _, text in prompts("en")][:SENTENCES]
    manners = [Settings(speed, pitch) for speed, pitch in product(SPEEDS, PITCHES)]

    def say(what: tuple[int, str, Settings]) -> Heard:
        number, voice, manner = what
        said = engine.speak(texts[number], Voice(voice, voice.split("+")[0]), manner)
        name = f"{voice}: sentence {number}, speed {manner.speed}, pitch {manner.pitch}"
        return heard(name, audio.decode(said).samples, voice)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(say, product(range(SENTENCES), VOICES, manners)))


def compare(recordings: list[Heard]) -> tuple[int, dict[str, Pair]]:
    """Of all pairs: how many are as near as copies are, whatever their durations; and the nearest by kind."""
    bits_NW = np.array([np.frombuffer(bits_of(each.print_), np.uint64) for each in recordings])
    spread_N = np.array([spread_of(each.print_) for each in recordings])
    voice_N = np.unique([each.voice for each in recordings], return_inverse=True)[1]  # 0: people
    alike, nearest = 0, dict[str, Pair]()
    for k in range(1, len(recordings)):
        apart = np.bitwise_count(bits_NW[:k] ^ bits_NW[k]).sum(axis=1) / NUM_BITS
        apart[np.abs(spread_N[:k] - spread_N[k]) > MAX_SPREAD] = 1.0
        alike += int((apart <= MAX_DISTANCE).sum())
        for kind, mask in kinds(voice_N[:k], voice_N[k]):
            other = int(np.where(mask, apart, 1.0).argmin())
            pair = Pair(float(apart[other]), recordings[other].name, recordings[k].name)
            if mask.any() and pair < nearest.get(kind, Pair(1.0, "", "")):
                nearest[kind] = pair
    return alike, nearest


def kinds(others_N: npt.NDArray[np.int64], one: int) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """What pairs one recording makes with each of the others, by the voices of both."""
    if one == 0:
        return [("people", others_N == 0)]
    return [
        ("one synthetic voice", others_N == one),
        ("two synthetic voices", (others_N != one) & (others_N > 0)),
    ]


def near_duplicates(recordings: list[Heard]) -> int:
    """How many recordings the builder of datasets leaves out of these as copies of others."""
    with take_snapshot(map(record, count(), recordings)) as snapshot:
        return snapshot.dropped_by_reason.get("near_duplicate_audio", 0)


def record(number: int, heard: Heard) -> Found:
    """Of a speaker and with a text of its own, so that no other rule leaves it out; a copy has those of its
    original, and comes after it. No clip is so short that its text would be too fast."""
    who = hashlib.sha256(heard.name.encode()).hexdigest()[:12]
    letters = "".join(chr(ord("a") + int(digit, 16)) for digit in who[:6])
    raw = RawUtterance.model_construct(
        utterance=f"u{number}",
        source="imported",
        corpus="bench",
        speaker=who,
        speaker_name=who,
        text=letters,
        language="en",
        published_split=None,
        audio_sha256=f"{number:064x}",
        created_at=f"{number:09d}",
        origin=heard.name,
        details={},
        fingerprint=heard.print_,
        levels=AudioLevels(
            duration_s=max(heard.duration_s, 1.0),
            peak_dbfs=0,
            rms_dbfs=-20,
            clipped_fraction=0,
            source_sample_rate_hz=16000,
            source_channels=1,
        ),
    )
    return Found(raw.utterance, raw.source, raw)


def report_copies(recordings: list[Heard], originals: list[Heard], dropped: int) -> None:
    for name, change in changes().items():
        copies = [heard(each.name, change(decoded(Path(each.name)))) for each in originals]
        found = near_duplicates([*recordings, *copies]) - dropped
        pairs = zip(copies, originals, strict=True)
        apart = sorted(distance(copy.print_, original.print_) for copy, original in pairs)
        coded = f", {change.kbit_s:.0f} kbit/s" if isinstance(change, Coded) else ""
        print(
            f"  {100 * found / len(copies):5.1f} %  {name}{coded}; median distance {median(apart):.3f}",
            flush=True,
        )


def report_time() -> None:
    samples = np.concatenate([decoded(path) for path in sorted(EXAMPLE.rglob("*.opus"))[:3]])[: 5 * RATE_HZ]
    flac = audio.encode_flac(samples)
    ours_s, decode_s = timed(lambda: fingerprint(samples)), timed(lambda: audio.decode(flac))
    print(f"{1000 * ours_s:.2f} ms for five seconds of audio, {ours_s / decode_s:.2f} of decoding them")


def timed(work: Callable[[], object], rounds: int = 300) -> float:
    """Median seconds."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return median(found)


if __name__ == "__main__":
    raise SystemExit(main())
