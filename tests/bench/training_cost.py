"""What a second of audio costs a training: the figures of docs/scale.md. python tests/bench/training_cost.py

parameters        of the network, with a vocabulary of 30
forward           GFLOP of the forward pass for one second, as torch.utils.flop_counter.FlopCounterMode counts
                  ten: products and convolutions, two for a multiplication and an addition
step              the same for a training step: three times the forward pass, and twice that for two views
features          the part of a second that a processor core takes for the features of one second, in batches
                  of AN4's training clips: all in one thread; `again` with those without noise in memory
flac              the same for decoding one second of FLAC, which a streamed clip needs beside
planning          microseconds a clip for the batches of an epoch, and the memory of a clip, of many clips
"""

import argparse
import io
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
from an4 import ROOT, read
from torch.utils.flop_counter import FlopCounterMode

from services.trainer.clips import Clip, Clips
from services.trainer.data import training_data
from services.trainer.model import Recogniser
from services.trainer.recipes import RECIPES, Recipe
from voxloom import audio
from voxloom.manifest import Utterance
from voxloom.tokenizer import CharTokenizer

VOCABULARY = 30
COUNTED_S = 10
LETTERS = list(" abcdefghij")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", nargs="?", type=Path, default=ROOT / "examples" / "an4")
    parser.add_argument("--batches", type=int, default=12, help="of AN4, for the cost of features")
    parser.add_argument("--clips", type=int, default=100_000, help="planned")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| recipe | parameters | forward, GFLOP | training step, two views | epochs |")
    for recipe in (each for each in RECIPES.values() if each.name != "smoke"):
        print(line(recipe))
    clips = read(args.corpus, "train")
    print_features(clips, args.batches)
    print_flac(clips)
    print_planning(args.clips)
    return 0


def line(recipe: Recipe) -> str:
    model = Recogniser(recipe.model, VOCABULARY).eval()
    lengths_B = torch.tensor([100 * COUNTED_S])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 100 * COUNTED_S, 80), lengths_B)
    forward = counter.get_total_flops() / COUNTED_S / 1e9
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    return f"| `{recipe.name}` | {parameters:.1f} M | {forward:.3f} | {6 * forward:.2g} | {recipe.epochs} |"


def tokenizer_of(clips: Clips) -> CharTokenizer:
    return CharTokenizer.from_alphabet("".join(sorted({c for clip in clips.clips for c in clip.row.text})))


def print_features(clips: Clips, count: int) -> None:
    recipe = RECIPES["tiny"]
    data, _ = training_data(clips, tokenizer_of(clips), recipe, seed=1)
    plan = data.batches(0, False)[:count]
    for name in ("features", "features again"):
        began, audio_s = time.process_time(), 0.0
        for step, items in enumerate(plan):
            audio_s += data.load(items, step, False).audio_s
        print_cost(name, time.process_time() - began, audio_s)


def print_flac(clips: Clips, count: int = 100) -> None:
    packed = [audio.encode_flac(clips.waveform(index)) for index in range(min(count, len(clips.clips)))]
    audio_s = sum(clips.clips[index].duration_s for index in range(len(packed)))

    def decode() -> float:
        began = time.process_time()
        for flac in packed:
            soundfile.read(io.BytesIO(flac), dtype="int16")
        return time.process_time() - began

    print_cost("flac", statistics.median(decode() for _ in range(5)), audio_s)
    print(f"{'flac, size':16} {sum(map(len, packed)) / audio_s * 3600 / 1e6:.0f} MB an hour of audio")


def print_cost(name: str, seconds: float, audio_s: float) -> None:
    print(f"{name:16} 1/{audio_s / seconds:,.0f} of a second for a second of audio")


def print_planning(count: int) -> None:
    """Six seconds and sixty letters a clip."""
    before = resident_bytes()
    clips = Clips(list(made(count)), [])
    data, _ = training_data(clips, CharTokenizer.from_alphabet("".join(LETTERS)), RECIPES["large"], seed=1)
    held = resident_bytes() - before
    began = time.process_time()
    plan = data.plan(0, False)
    seconds = time.process_time() - began
    print(f"{'planning':16} {1e6 * seconds / count:.1f} us a clip and epoch; {len(plan.batches)} batches")
    both = resident_bytes() - before
    print(f"{'memory':16} {held / count:,.0f} bytes a clip, {(both - held) / count:,.0f} more for a plan")


def made(count: int) -> Iterator[Clip]:
    random = np.random.default_rng(1)
    for number in range(count):
        name, speaker = f"cv-en-{number:012x}", f"s-{number % 5000:010x}"
        text, duration_s = "".join(random.choice(LETTERS, 60)), float(random.uniform(2, 10))
        yield Clip(row(name, speaker, text, duration_s), 0, round(16_000 * duration_s))


def row(name: str, speaker: str, text: str, duration_s: float) -> Utterance:
    return Utterance(
        utterance=name,
        audio_key=f"raw/commonvoice/{speaker}/{name}.wav",
        text=text,
        speaker=speaker,
        language="en",
        source="commonvoice",
        corpus="common-voice",
        duration_s=duration_s,
        audio_sha256=f"{hash(name) & (2**63 - 1):064x}",
        split="train",
    )


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main())
