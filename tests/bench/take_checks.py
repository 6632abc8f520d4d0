"""How many real takes the recorder's checks accept, and how many spoiled ones they catch.

    python tests/bench/take_checks.py CORPUS [--noise FOLDER] [--step 2] [--odd] [--served H:P --store URL]

CORPUS has a manifest.tsv of path and text (and speaker), as examples/an4 has. Each take is looked at as the
recorder would: beside the same speaker's earlier takes, once there are twenty. Then it is spoiled
in each of these ways, and a row says what share is caught, and by which check:

- clipped: driven over full scale, its peak 6 or 12 dB above
- noisy: white noise, or a recorded sound of the noise folder, at 5 dB below the take's mean power; the
  background sounds go on all the time (rain, machines), the sudden ones (a dog) do not
- empty: digital silence, and white noise at -60 dBFS
- cut: the last or the first 30 % are missing
- mismatched: the text of another take; without --served only the length of text can tell, with it the model
  that inference serves listens to this row and to the real one (its test errors are read from the store)
- wrong rate: samples of 16 kHz sent as 48 kHz, and the other way round
"""

import argparse
import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import soxr

from services.recorder.checks import Heard, find_faults, refuse_useless
from services.recorder.hearing import Hearing, Listener
from services.recorder.labels import check_labels
from services.recorder.quality import measure_quality
from services.recorder.served import Models
from services.recorder.sounds import Sounds
from services.recorder.usual import Usual, usual_of
from voxloom import audio
from voxloom.audio import Audio, Limits, Samples
from voxloom.errors import BadInput
from voxloom.manifest import TakeQuality
from voxloom.peers import Peers
from voxloom.storage import open_store
from voxloom.text import normalize

SUDDEN = ("baby_cry", "clock_tick", "dog_bark", "person_sneeze", "rooster", "fire_crackling")
Spoil = Callable[[Samples, np.random.Generator], Samples]
Take = tuple[str, str, Audio]  # text, speaker, audio


def read_corpus(folder: Path, step: int, speakers: Sequence[str]) -> Iterator[Take]:
    with (folder / "manifest.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        for row in [row for row in rows if not speakers or row["speaker"] in speakers][::step]:
            yield row["text"], row.get("speaker", ""), audio.decode((folder / row["path"]).read_bytes())


def look(
    text: str, clip: Audio, usual: Usual | None, hearing: Hearing | None = None
) -> tuple[list[str], TakeQuality | None]:
    """Names of the faults of a take; one that is no take at all has the fault `useless`."""
    levels = audio.measure(clip)
    try:
        refuse_useless(clip, levels, Limits())
    except BadInput:
        return ["useless"], None
    quality = measure_quality(clip.samples, text)
    findings = find_faults(Heard(text, levels, quality), usual, hearing)
    return [str(each.check) for each in findings if not each.is_hint], quality


def overdriven(gain_db: float) -> Spoil:
    def spoil(samples: Samples, _: np.random.Generator) -> Samples:
        return np.clip(samples * 10 ** (gain_db / 20) / np.max(np.abs(samples)), -1, 1)

    return spoil


def noisy(sounds: list[Samples], snr_db: float = 5) -> Spoil:
    def spoil(samples: Samples, random: np.random.Generator) -> Samples:
        sound = sounds[random.integers(len(sounds))] if sounds else random.standard_normal(len(samples))
        noise = np.resize(np.roll(sound, random.integers(len(sound))), len(samples))
        ratio = np.mean(np.square(samples)) / max(np.mean(np.square(noise)), 1e-12) / 10 ** (snr_db / 10)
        return np.clip(samples + noise * np.sqrt(ratio), -1, 1).astype(np.float32)

    return spoil


def hiss(samples: Samples, random: np.random.Generator) -> Samples:
    return (10 ** (-60 / 20) * random.standard_normal(len(samples))).astype(np.float32)


def spoilers(noise: Path | None) -> dict[str, Spoil]:
    sounds = defaultdict(list)
    for path in sorted(noise.glob("*/*")) if noise else ():
        kind = "sudden" if path.name.startswith(SUDDEN) else "background"
        sounds[kind].append(audio.decode(path.read_bytes()).samples)
    recorded = {f"noisy: {kind} sounds, 5 dB": noisy(found) for kind, found in sorted(sounds.items())}
    return {
        "clipped: 6 dB over": overdriven(6),
        "clipped: 12 dB over": overdriven(12),
        "noisy: white, 5 dB": noisy([]),
        **recorded,
        "empty: digital silence": lambda samples, _: np.zeros_like(samples),
        "empty: hiss at -60 dBFS": hiss,
        "cut: the last 30 %": lambda samples, _: samples[: int(0.7 * len(samples))],
        "cut: the first 30 %": lambda samples, _: samples[int(0.3 * len(samples)) :],
        "wrong rate: three times as fast": lambda samples, _: soxr.resample(samples, 48000, 16000),
        "wrong rate: three times as slow": lambda samples, _: soxr.resample(samples, 16000, 48000),
    }


def measure(
    takes: list[Take], spoils: dict[str, Spoil], listener: Listener | None, odd: bool
) -> dict[str, list[list[str]]]:
    """Faults by row of the table, a list for each take."""
    random = np.random.default_rng(0)
    earlier: dict[str, list[tuple[str, TakeQuality]]] = defaultdict(list)
    found: dict[str, list[list[str]]] = defaultdict(list)
    others = random.permutation(len(takes))
    for number, ((text, speaker, clip), other) in enumerate(zip(takes, others, strict=True)):
        usual = usual_of(earlier[speaker])
        hearing = listener.hear(clip.samples, check_labels(text, speaker, "en")) if listener else None
        faults, quality = look(text, clip, usual, hearing)
        if quality and not faults:
            earlier[speaker].append((text, quality))
        if odd and number % 2 == 0:
            continue
        found["real"].append(faults)
        if takes[other][0] != text:
            misread = replace(hearing, prompt=normalize(takes[other][0], "en")) if hearing else None
            found["mismatched: text of another take"].append(look(takes[other][0], clip, usual, misread)[0])
        for name, spoil in spoils.items():
            found[name].append(look(text, Audio(spoil(clip.samples, random), 16000, 1), usual)[0])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--noise", type=Path, help="folder of recorded sounds")
    parser.add_argument("--step", type=int, default=1, help="every so many takes")
    parser.add_argument("--speakers", nargs="*", default=[], help="only these: whom the model does not know")
    parser.add_argument(
        "--odd", action="store_true", help="count the second, fourth, ... only: limits were set on the others"
    )
    parser.add_argument("--served", default="", metavar="HOST:PORT", help="inference, to listen to takes")
    parser.add_argument("--store", default="", metavar="URL", help="of the model that it serves")
    options = parser.parse_args()
    if bool(options.served) != bool(options.store):
        parser.error("--served and --store are given both or not at all")
    listener = None
    if options.served:
        models = Models(open_store(options.store), Sounds())
        listener = Listener(Peers({"inference": options.served}), models)
    takes = list(read_corpus(options.corpus, options.step, options.speakers))
    found = measure(takes, spoilers(options.noise), listener, options.odd)
    print(f"| {len(found['real'])} takes of {options.corpus.name} | refused | by |\n|---|---|---|")
    for name, rows in found.items():
        by = Counter(fault for faults in rows for fault in faults)
        told = ", ".join(f"{fault} {count / len(rows):.1%}" for fault, count in by.most_common(4))
        print(f"| {name} | {sum(map(bool, rows)) / len(rows):.1%} | {told} |")


if __name__ == "__main__":
    main()
