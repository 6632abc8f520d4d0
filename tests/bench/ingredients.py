"""What each ingredient of the recipe is worth on AN4: python tests/bench/ingredients.py --seeds 1 2 3

Trains the recipe whole, and then without one ingredient after the other: the same data, the same number of
passes over it (without the second view of each batch twice as many epochs, which take the same time), the
same test speakers. Prints a table in Markdown. What --folder holds is not trained again, so the same command
goes on, and processes with other seeds or ingredients may share the folder.

  python tests/bench/ingredients.py --epochs 20 --folder ingredients --seeds 1 &
  python tests/bench/ingredients.py --epochs 20 --folder ingredients --seeds 2
  python tests/bench/ingredients.py --epochs 20 --folder ingredients --seeds 1 2 --table
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from an4 import ROOT, Texts, heard, read, task_of, trained

from services.trainer.checkpoint import Checkpoints
from services.trainer.clips import Clips
from services.trainer.recipes import Recipe, named, override
from voxloom.storage import FolderStore
from voxloom.wer import total, word_edits

Change = Callable[[Recipe], Recipe]
Rates = dict[str, float]  # WER in percent by decoder
WHOLE, BEST_EPOCH = "whole", "mean of the best epochs"


def less(**fields: object) -> Change:
    return lambda recipe: override(recipe, fields)


def of_model(**fields: float) -> Change:
    return lambda recipe: replace(recipe, model=replace(recipe.model, **fields))


WITHOUT: dict[str, Change] = {
    "second view (CR-CTC)": lambda recipe: override(
        recipe, {"consistency_weight": 0.0, "epochs": 2 * recipe.epochs}
    ),
    "intermediate CTC": of_model(intermediate_block=0),
    "dynamic chunks": less(chunk_probability=0.0),
    "stochastic depth": of_model(skip=0.0),
    "dropout": of_model(dropout=0.0),
    "SpecAugment": less(frequency_masks=0, time_masks=0),
    "speed": less(speeds=(1.0,)),
    "tempo and vocal tract": less(tempo=0.0, tract=0.0),
    "noise and rooms": less(noise_probability=0.0, room_probability=0.0),
    "joined neighbours": less(concatenate=0.0),
    "moving average of weights": less(ema_decay=0.0),
    "belief in blank": of_model(blank_bias=0.0),
    "easy beginning": less(easy_above_cer=9.0),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", nargs="?", type=Path, default=ROOT / "examples" / "an4")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=20, help="of two views each")
    parser.add_argument("--recipe", default="tiny")
    parser.add_argument("--without", nargs="*", choices=list(WITHOUT), default=list(WITHOUT))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("ingredients"))
    parser.add_argument("--table", action="store_true", help="of what there is; trains nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    recipe = override(named(args.recipe), {"epochs": args.epochs})
    if not args.table:
        splits = {split: read(args.corpus, split) for split in ("train", "val", "test")}
        for seed in args.seeds:
            one(splits, recipe, WHOLE, seed, args)
            for name in args.without:
                one(splits, WITHOUT[name](recipe), name, seed, args)
    print("\n".join(table(args.folder, args.seeds, args.epochs)))
    return 0


def one(splits: dict[str, Clips], recipe: Recipe, name: str, seed: int, args: argparse.Namespace) -> None:
    """Trains and tests, if nobody has; of the whole recipe also the best epoch alone."""
    if not result(args.folder, name, seed).exists():
        task = task_of(splits, recipe, seed, 0.0, args.threads)
        store = FolderStore(args.folder / "runs" / slug(name))
        state, _ = trained(task, store)
        rates = tested(heard(task, state, splits))
        if name == WHOLE:
            Checkpoints(store, f"r-seed-{seed}").load_best(state)
            note(args.folder, BEST_EPOCH, seed, tested(heard(task, state, splits)))
        note(args.folder, name, seed, rates)


def tested(texts: dict[str, Texts]) -> Rates:
    return {name: 100 * total(word_edits(*each) for each in pairs).rate for name, pairs in texts.items()}


def note(folder: Path, name: str, seed: int, rates: Rates) -> None:
    path = result(folder, name, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rates))
    print(f"without {name}, seed {seed}: {rates}" if name != WHOLE else f"whole, seed {seed}: {rates}")


def result(folder: Path, name: str, seed: int) -> Path:
    return folder / "results" / f"{slug(name)}-{seed}.json"


def slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def table(folder: Path, seeds: Sequence[int], epochs: int) -> Iterator[str]:
    """Means over the seeds that both have; the ingredient that matters most first."""
    whole = rates_of(folder, WHOLE, seeds)
    yield f"| without, {epochs} epochs of two views | greedy, WER | more | with language model | seeds |"
    yield "|---|---|---|---|---|"
    rows = []
    for name in (WHOLE, *WITHOUT, BEST_EPOCH):
        found = {seed: rates for seed, rates in rates_of(folder, name, seeds).items() if seed in whole}
        if found:
            means = {way: statistics.mean(each[way] for each in found.values()) for way in ("greedy", "lm")}
            more = means["greedy"] - statistics.mean(whole[seed]["greedy"] for seed in found)
            cells = (name, f"{means['greedy']:.1f}", f"{more:+.1f}", f"{means['lm']:.1f}", str(len(found)))
            rows.append((name != WHOLE, -more, f"| {' | '.join(cells)} |"))
    yield from (row for *_, row in sorted(rows))


def rates_of(folder: Path, name: str, seeds: Sequence[int]) -> dict[int, Rates]:
    paths = {seed: result(folder, name, seed) for seed in seeds}
    return {seed: json.loads(path.read_text()) for seed, path in paths.items() if path.exists()}


if __name__ == "__main__":
    raise SystemExit(main())
