"""The loader of training batches against another checkout's: python tests/bench/loading.py --against DIR

Batches of AN4's training clips for `tiny`, masked, two views; in turns, one core, each time in a process of
its own. Prints processor seconds (plan: in all; else for a second of audio) and the ratio to the other one's,
as the median of the pairs: above 1, this one is slower.

  cold    clips are heard for the first time
  warm    those without noise are in memory
  plan    the batches of an epoch are drawn up
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHILD = """
import sys, time
import torch
from pathlib import Path
from an4 import read
from services.trainer.data import training_data
from services.trainer.recipes import RECIPES
from voxloom.tokenizer import CharTokenizer
torch.set_num_threads(1)
clips = read(Path(sys.argv[1]), "train")
letters = "".join(sorted({letter for clip in clips.clips for letter in clip.row.text}))
data, _ = training_data(clips, CharTokenizer.from_alphabet(letters), RECIPES["tiny"], 1)
begin = time.process_time()
plan = data.batches(0, False)
print(time.process_time() - begin)
for _ in range(2):
    begin, audio_s = time.process_time(), 0.0
    for step, items in enumerate(plan[:int(sys.argv[2])]):
        audio_s += data.load(items, step, False).audio_s
    print((time.process_time() - begin) / audio_s)
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, required=True, help="a checkout of voxloom")
    parser.add_argument("--corpus", type=Path, default=ROOT / "examples" / "an4")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--batches", type=int, default=8)
    args = parser.parse_args()
    found = [[one(tree, args) for tree in (ROOT, args.against)] for _ in range(args.pairs)]
    for index, name in enumerate(("plan", "cold", "warm")):
        mine, others = ([pair[side][index] for pair in found] for side in (0, 1))
        ratio = statistics.median(a / b for a, b in zip(mine, others, strict=True))
        print(f"{name:5} {statistics.median(mine):.3g} against {statistics.median(others):.3g}: {ratio:.2f}")
    return 0


def one(tree: Path, args: argparse.Namespace) -> list[float]:
    env = os.environ | {"PYTHONPATH": f"{tree}:{tree / 'tests' / 'bench'}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, str(args.corpus), str(args.batches)]
    said = subprocess.run(command, env=env, cwd=tree, check=True, capture_output=True, text=True).stdout
    return list(map(float, said.split()))


if __name__ == "__main__":
    sys.exit(main())
