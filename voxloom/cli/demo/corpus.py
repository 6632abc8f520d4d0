"""The demo's corpus: what is imported, what is held back to be recorded later, what is scored."""

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import voxloom
from voxloom.cli.corpus import inside
from voxloom.errors import NotFound

EXAMPLE = Path("examples", "an4")


@dataclass(frozen=True)
class Clip:
    """One row of the demo's manifest, with the file it names."""

    name: str
    path: Path
    text: str
    speaker: str


@dataclass(frozen=True)
class DemoCorpus:
    manifest: Path
    held_back: tuple[Clip, ...]  # of training speakers; not imported
    test: tuple[Clip, ...]


def find_example() -> Path:
    """The example corpus of the checkout that this CLI belongs to, or of the working directory."""
    home = Path(voxloom.__file__).resolve().parent.parent
    for root in (Path.cwd(), home):
        if (root / EXAMPLE / "manifest.tsv").is_file():
            return root / EXAMPLE
    raise NotFound(
        f"the demo needs {EXAMPLE} of voxloom's source tree; run it from a checkout, or name a folder with a "
        "manifest.tsv (path, text, speaker, split) with --corpus DIR"
    )


def read_demo_corpus(root: Path, num_held_back: int) -> DemoCorpus:
    """Splits the manifest; the same takes are held back every time."""
    manifest = root / "manifest.tsv"
    if not manifest.is_file():
        raise NotFound(
            f"{manifest} does not exist; the demo needs a corpus with path, text, speaker and split"
        )
    with open(manifest, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    several_words = [row for row in rows if row["split"] == "train" and len(row["text"].split()) > 1]
    chosen = sorted(several_words, key=lambda row: hashlib.sha256(row["path"].encode()).digest())[
        :num_held_back
    ]
    test = (row for row in rows if row["split"] == "test")
    return DemoCorpus(manifest, _clips(root, chosen), _clips(root, test))


def _clips(root: Path, rows: Iterable[dict[str, str]]) -> tuple[Clip, ...]:
    found = []
    for row in rows:
        path = inside(root.resolve(), row["path"], str(root / "manifest.tsv"))
        if path is None:
            raise NotFound(
                f"{root / row['path']} is in the manifest but not on disk; check out the example anew"
            )
        found.append(Clip(row["path"], path, row["text"], row["speaker"]))
    return tuple(found)
