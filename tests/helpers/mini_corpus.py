"""A corpus of some sixty short clips of the example corpus, with its published split."""

import csv
import shutil
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "an4"


def make_mini_corpus(folder: Path, *, train: int, test: int) -> Path:
    """Copies clips of many speakers, in a fixed order; returns the folder with its manifest."""
    with open(EXAMPLE / "manifest.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    chosen = [*pick(rows, "train", train), *pick(rows, "test", test)]
    lines = ["path\ttext\tspeaker\tsplit"]
    for row in chosen:
        target = folder / row["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(EXAMPLE / row["path"], target)
        lines.append("\t".join(row[column] for column in ("path", "text", "speaker", "split")))
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return folder


def pick(rows: list[dict[str, str]], split: str, number: int) -> list[dict[str, str]]:
    """Round and round the speakers, so that some land in val whatever the number."""
    by_speaker: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if row["split"] == split and len(row["text"].split()) > 1:
            by_speaker.setdefault(row["speaker"], []).append(row)
    rounds = max(map(len, by_speaker.values()), default=0)
    in_turn = [takes[turn] for turn in range(rounds) for takes in by_speaker.values() if turn < len(takes)]
    return in_turn[:number]
