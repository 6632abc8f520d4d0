"""Swapped transcripts of AN4 found after a training on them: python tests/bench/suspects.py --minutes 20

A share of the training clips gets each other's transcripts, a recipe is trained from scratch on all of them,
and the finished weights say which transcripts they doubt (services/trainer/suspects.py). Prints:

  found      clips over the threshold, and how many of these are swapped ones
  recall     swapped clips among the first so many as there are swapped ones; by chance it would be the share
  ap         average precision of the ranking: 1 where all swapped ones come before all others
  first      the first ones that were not swapped: they may be faults of the corpus
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from an4 import pairs, read, trained

from services.trainer import suspects
from services.trainer.data import Features, training_data
from services.trainer.recipes import named, override
from services.trainer.train import Task
from voxloom.cpus import cpu_count
from voxloom.run_report import Suspect
from voxloom.tokenizer import CharTokenizer

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

from swapped import swap  # noqa: E402

_SHOWN = 10


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", nargs="?", type=Path, default=ROOT / "examples" / "an4")
    parser.add_argument(
        "--minutes", type=float, default=20.0, help="of training; 0: all epochs of the recipe"
    )
    parser.add_argument("--share", type=float, default=0.05, help="of the training clips that are swapped")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recipe", default="tiny")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=NUMBER", help="changes to the recipe")
    parser.add_argument("--threads", type=int, default=cpu_count())
    args = parser.parse_args()
    torch.set_num_threads(1)
    clips, val = read(args.corpus, "train"), read(args.corpus, "val")
    wrong = swap(clips, args.share, args.seed)
    recipe = override(named(args.recipe), {name: float(value) for name, value in pairs(args.set)})
    tokenizer = CharTokenizer.from_alphabet("".join({each for clip in clips.clips for each in clip.row.text}))
    data, left_out = training_data(clips, tokenizer, recipe, args.seed)
    task = Task(
        recipe, args.seed, args.minutes * 60, data, Features(val, recipe), tokenizer, threads=args.threads
    )
    state = trained(task)
    print(f"{state.at.epoch} epochs, val {100 * state.at.best_wer:.1f} % WER; {left_out} clips left out")
    least = suspects.LEAST_DOUBT, suspects.LEAST_SCORE
    suspects.MOST, suspects.LEAST_DOUBT, suspects.LEAST_SCORE = (
        len(clips.clips),
        -1e9,
        -1e9,
    )  # the whole ranking
    found = suspects.find_suspects(
        "r-bench", state.average, {"train": data.features}, tokenizer, lambda *done: None, {}
    )
    tell(found.suspects, wrong, least)
    return 0


def tell(found: Sequence[Suspect], wrong: set[str], least: tuple[float, float]) -> None:
    hits = [each.utterance in wrong for each in found]
    suspect = [
        hit
        for hit, each in zip(hits, found, strict=True)
        if each.doubt >= least[0] and each.score >= least[1]
    ]
    print(f"found    {len(suspect)}, {sum(suspect)} of the {len(wrong)} swapped ones among them")
    print(f"recall   {sum(hits[: len(wrong)]) / len(wrong):.1%} of the swapped ones come first")
    precisions = [sum(hits[: rank + 1]) / (rank + 1) for rank, hit in enumerate(hits) if hit]
    print(f"ap       {sum(precisions) / len(wrong):.3f}")
    for each in [each for each in found if each.utterance not in wrong][:_SHOWN]:
        print(f"first    {each.score:6.1f}  {each.utterance}: {each.reference} | {each.heard}")


if __name__ == "__main__":
    raise SystemExit(main())
