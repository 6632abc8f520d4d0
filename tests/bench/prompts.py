"""Are 100 chosen prompts better than 100 in order? python tests/bench/prompts.py READER [--train MINUTES]

READER is a folder with manifest.tsv (path, text): one voice reading sentences. Every fifth sentence, by a
hash of its words, is the fixed test set, every twelfth the validation set; neither is ever chosen.

Coverage: somebody begins at several places of the list, and has read --read prompts from there. Then 100 more
in list order, 100 drawn by chance and 100 chosen (as `--order useful` does without a model) are compared:

  characters, sounds, pairs   different ones of the list that were read, in percent
  test pairs                  pairs of sounds of the test sentences, as often as they come, that were read
  minutes                     of the 100 recordings
  pairs in as long            those of list order or chance in as many minutes as the chosen take

Training: the recipe is trained on the recordings of BASE (a folder as examples/an4 is) and those 100 of the
reader, and hears the test sentences; 100 takes alone train nothing. Differences are paired over sentences;
their 95 % interval holds what the test set leaves to chance, not what another seed does: give several.
Below 0 the chosen ones are better.
"""

import argparse
import csv
import hashlib
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.recorder.choice import CHARACTER, PAIR, SOUND, Offer, choose, count, offer, weigh
from services.recorder.sounds import LETTERS, Sounds, Spoken
from voxloom.corpora.sentences import sentence_key
from voxloom.text import normalize
from voxloom.wer import Edits, bootstrap_interval, char_edits, paired_bootstrap, total, word_edits

ROOT = Path(__file__).parents[2]
MOST = 100
ARMS = ("list order", "by chance", "chosen")


@dataclass(frozen=True)
class Row:
    path: Path
    text: str  # normalised
    seconds: float

    @property
    def split(self) -> str:
        number = int(hashlib.sha256(sentence_key(self.text).encode()).hexdigest(), 16)
        return "test" if number % 5 == 0 else "val" if number % 12 == 1 else "train"


@dataclass(frozen=True)
class Corpus:
    rows: list[Row]  # that may be read, in the order of the list
    test: list[Row]
    val: list[Row]
    offered: Offer
    test_pairs: dict[int, float]  # how often, by number; those that the list does not have are under -1


def read(folder: Path, letters: bool) -> Corpus:
    with (folder / "manifest.tsv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    rows = [
        Row(folder / row["path"], normalize(row["text"], "en"), float(row.get("duration_s") or 0))
        for row in table
    ]
    by_split = {split: [row for row in rows if row.split == split] for split in ("train", "test", "val")}
    texts = [row.text for row in rows]
    spoken = Spoken(LETTERS, {}) if letters else Sounds().of(texts, "en")
    offered = offer([row.text for row in by_split["train"]], spoken)
    tested = offer([row.text for row in by_split["test"]], spoken)
    pairs: dict[int, float] = {}
    for unit, times in zip(tested.names, count(tested, tested.prompts), strict=True):
        if unit[0] == PAIR:
            number = offered.number.get(unit, -1)
            pairs[number] = pairs.get(number, 0) + times
    return Corpus(by_split["train"], by_split["test"], by_split["val"], offered, pairs)


def arms(corpus: Corpus, start: int, read: int) -> tuple[list[int], dict[str, list[int]]]:
    """What somebody has read who began at `start`, and what comes next."""
    everything = np.roll(np.arange(len(corpus.rows)), -start)
    already, rest = everything[:read].tolist(), everything[read:]
    said = count(corpus.offered, [corpus.offered.prompts[each] for each in already])
    chosen = choose(corpus.offered, rest.tolist(), said, weigh(corpus.offered), MOST)
    drawn = np.random.default_rng(start).permutation(rest)
    return already, {
        "list order": rest.tolist(),
        "by chance": drawn.tolist(),
        "chosen": [each.prompt for each in chosen],
    }


def figures(corpus: Corpus, already: list[int], prompts: list[int], as_long_s: float) -> dict[str, float]:
    offered, first = corpus.offered, prompts[:MOST]
    counts = count(offered, [offered.prompts[each] for each in already + first])

    def share(kind: str, counts: np.ndarray) -> float:
        numbers = [index for index, unit in enumerate(offered.names) if unit[0] == kind]
        return 100 * float(np.mean(counts[numbers] > 0)) if numbers else float("nan")

    tested = sum(corpus.test_pairs.values())
    heard = sum(times for pair, times in corpus.test_pairs.items() if pair >= 0 and counts[pair] > 0)
    ends = np.cumsum([corpus.rows[each].seconds for each in prompts])
    as_long = already + prompts[: int(np.searchsorted(ends, as_long_s, side="right"))]
    return {
        "characters": share(CHARACTER, counts),
        "sounds": share(SOUND, counts),
        "pairs": share(PAIR, counts),
        "test pairs": 100 * heard / tested,
        "minutes": sum(corpus.rows[each].seconds for each in first) / 60,
        "pairs in as long": share(PAIR, count(offered, [offered.prompts[each] for each in as_long])),
    }


def coverage(corpus: Corpus, starts: int, read: int) -> None:
    places = [round(index * len(corpus.rows) / starts) for index in range(starts)]
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for start in places:
        already, prompts = arms(corpus, start, read)
        as_long_s = sum(corpus.rows[each].seconds for each in prompts["chosen"])
        for arm in ARMS:
            found[arm].append(figures(corpus, already, prompts[arm], as_long_s))
    names = list(found["chosen"][0])
    told_read = f" after {read}" if read else ""
    by = corpus.offered.spoken.by
    print(f"| {MOST} of {len(corpus.rows)} prompts{told_read}, {starts} starts, {by} | ", end="")
    print(" | ".join(names) + " |\n|" + "---|" * (len(names) + 1))
    for arm, rows in found.items():
        cells = (told([row[name] for row in rows]) for name in names)
        print(f"| {arm} | {' | '.join(cells)} |")


def told(values: Sequence[float]) -> str:
    """Mean, and from the least to the most."""
    if any(map(np.isnan, values)):
        return "-"
    low, high = min(values), max(values)
    spread = f" ({low:.1f}-{high:.1f})" if f"{low:.1f}" != f"{high:.1f}" else ""
    return f"{statistics.mean(values):.1f}{spread}"


def training(corpus: Corpus, options: argparse.Namespace) -> None:
    from prompt_training import train  # here: the coverage needs no torch

    prompts = {arm: each[:MOST] for arm, each in arms(corpus, 0, 0)[1].items() if arm != "by chance"}
    words: dict[str, list[Edits]] = {arm: [] for arm in prompts}
    characters: dict[str, list[Edits]] = {arm: [] for arm in prompts}
    for seed in options.seeds:
        for arm, numbers in prompts.items():
            read_aloud = [corpus.rows[each] for each in numbers]
            texts = train(read_aloud, corpus.val, corpus.test, seed, options)
            words[arm] += [word_edits(*each) for each in texts]
            characters[arm] += [char_edits(*each) for each in texts]
            print(
                f"seed {seed}, {arm}: {100 * total(words[arm][-len(texts) :]).rate:.1f} % WER",
                file=sys.stderr,
            )
    print(f"\n| trained {options.train:g} min on {options.base.name} and {MOST} takes | WER % | CER % |")
    print("|---|---|---|")
    for arm in prompts:
        print(f"| {arm} | {_rate(words[arm])} | {_rate(characters[arm])} |")
    cells = (_difference(edits["list order"], edits["chosen"]) for edits in (words, characters))
    print(f"| chosen less list order | {' | '.join(cells)} |")


def _rate(edits: list[Edits]) -> str:
    low, high = bootstrap_interval(edits)
    return f"{100 * total(edits).rate:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _difference(of_list: list[Edits], of_chosen: list[Edits]) -> str:
    found = paired_bootstrap(of_list, of_chosen)
    return f"{100 * found.delta:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reader", type=Path)
    parser.add_argument("--starts", type=int, default=8, help="places of the list to begin at")
    parser.add_argument("--read", nargs="+", type=int, default=[0, 200], help="prompts read before")
    parser.add_argument("--letters", action="store_true", help="as where espeak-ng is not installed")
    parser.add_argument("--train", type=float, default=0.0, metavar="MINUTES", help="of each training")
    parser.add_argument("--base", type=Path, default=ROOT / "examples" / "an4")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--recipe", default="tiny")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    corpus = read(options.reader, options.letters)
    for read_before in options.read:
        coverage(corpus, options.starts, read_before)
    if options.train:
        training(corpus, options)


if __name__ == "__main__":
    main()
