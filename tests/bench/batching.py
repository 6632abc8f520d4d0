"""Segments heard together: does it pay? python tests/bench/batching.py [--recipes tiny small]

Networks with random weights and examples/an4's test clips in the order in which they lie, as if six waited
behind each (8 calls at once, two workers). Prints the processor time for a second of audio of one run a clip,
of runs as `services/inference/batching.py` makes them, and of runs of up to four with no regard to lengths;
one thread, in turn, medians of `--rounds`.
"""

import argparse
import sys
import time
from collections import deque
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import cast

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from babble import babbling
from streaming import TOKENIZER

from services.inference import batching
from services.inference.models import ServedModel
from services.trainer.export import to_onnx
from voxloom.audio import SAMPLE_RATE_HZ, decode
from voxloom.engine import Engine
from voxloom.features import Features, fbank

ROOT = Path(__file__).parents[2]
WAITING = 6
_ANY = cast(ServedModel, SimpleNamespace(engine=None))  # all clips are for the same one
Runs = list[list[Features]]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipes", nargs="+", default=["tiny", "small"])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    clips = [
        decode(path.read_bytes()).samples for path in sorted((ROOT / "examples/an4/test").glob("*.opus"))
    ]
    seconds = sum(map(len, clips)) / SAMPLE_RATE_HZ
    features = [fbank(clip) for clip in clips]
    ways: dict[str, Runs] = {
        "one run a clip": [[each] for each in features],
        f"up to {batching.MOST}, alike": alike(features),
        f"up to {batching.MOST}, any": [
            features[at : at + batching.MOST] for at in range(0, len(features), batching.MOST)
        ],
    }
    for recipe in args.recipes:
        engine = Engine(to_onnx(babbling(TOKENIZER, clips[0], recipe)))
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(args.rounds + 1):
            for name, runs in ways.items():
                began_s = time.process_time()
                for run in runs:
                    engine.log_probs(run)
                if number:
                    taken[name].append(time.process_time() - began_s)
        alone_s = median(next(iter(taken.values())))
        for name, found in taken.items():
            ms = 1000 * median(found) / seconds
            faster = alone_s / median(found)
            print(f"{recipe}, {name}: {len(ways[name])} runs, {ms:.2f} ms a second, {faster:.2f}x")
    return 0


def alike(features: list[Features]) -> Runs:
    """The runs of one worker behind which so many wait."""
    coming, waiting, runs = deque(features), deque[batching.Waiting](), []
    while coming or waiting:
        while coming and len(waiting) < WAITING + 1:
            waiting.append(batching.Waiting(_ANY, coming.popleft()))
        runs.append([each.features_TF for each in batching.take(waiting)])
    return runs


if __name__ == "__main__":
    raise SystemExit(main())
