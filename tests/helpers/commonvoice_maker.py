"""A release-shaped archive of Common Voice, made of the example corpus: MP3 clips, tables, splits."""

import csv
import hashlib
import io
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import soundfile
from mini_corpus import EXAMPLE, pick

COLUMNS = [
    *("client_id", "path", "sentence_id", "sentence", "sentence_domain", "up_votes", "down_votes"),
    *("age", "gender", "accents", "variant", "locale", "segment"),
]
DATE = "2024-03-15"
_AGES = ("", "twenties", "fifties")

Row = dict[str, str]


@dataclass(frozen=True)
class Wish:
    """How many clips each table has; a delta has no train, dev and test tables."""

    version: str = "17.0"
    locale: str = "en"
    delta: bool = False
    train: int = 24
    dev: int = 4
    test: int = 6
    invalidated: int = 2
    other: int = 2
    durations: bool = True

    @property
    def folder(self) -> str:
        return f"cv-corpus-{self.version}-{'delta-' if self.delta else ''}{DATE}"

    @property
    def name(self) -> str:
        """What the corpus of the import is called."""
        return f"{self.folder}-{self.locale}"


@dataclass
class Made:
    """The archive, and the file names of the clips of each table."""

    path: Path
    name: str
    clips: dict[str, list[str]] = field(default_factory=dict)


def make_release(folder: Path, wish: Wish | None = None) -> Made:
    """Writes <folder>/<name>.tar.gz. No sentence and no speaker of dev and test is in train."""
    wish = wish or Wish()
    parts = _parts(wish)
    rows = {part: [_row(wish, number, source) for number, source in parts[part]] for part in parts}
    clips = {
        row["path"]: _mp3(EXAMPLE / source["path"])
        for part in parts
        for row, (_, source) in zip(rows[part], parts[part], strict=True)
    }
    files = _tables(wish, rows, clips) | {f"clips/{name}": audio for name, (audio, _) in clips.items()}
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{wish.name}.tar.gz"
    archive.write_bytes(
        packed({f"{wish.folder}/{wish.locale}/{name}": data for name, data in files.items()}, "w:gz")
    )
    return Made(archive, wish.name, {part: [row["path"] for row in rows[part]] for part in rows})


def _parts(wish: Wish) -> dict[str, list[tuple[int, Row]]]:
    """Numbered rows of the example corpus for each table; its test speakers are shared by dev and test."""
    with open(EXAMPLE / "manifest.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for_test = sorted({row["speaker"] for row in rows if row["split"] == "test"})[: 5 if wish.dev else 10]
    test = pick([row for row in rows if row["speaker"] in for_test], "test", wish.test)
    dev = pick([row for row in rows if row["speaker"] not in for_test], "test", wish.dev)
    held_out = {row["text"] for row in (*test, *dev)}
    pool = [row for row in rows if row["text"] not in held_out]
    rest = pick(pool, "train", wish.train + wish.invalidated + wish.other)
    ends = (wish.train, wish.train + wish.invalidated)
    parts = {"train": rest[: ends[0]], "dev": dev, "test": test}
    parts |= {"invalidated": rest[ends[0] : ends[1]], "other": rest[ends[1] :]}
    number = iter(range(40_000_000, 50_000_000))
    return {part: [(next(number), row) for row in parts[part]] for part in parts}


def _row(wish: Wish, number: int, source: Row) -> Row:
    sentence = source["text"].capitalize() + "."
    return dict.fromkeys(COLUMNS, "") | {
        "client_id": hashlib.sha512(source["speaker"].encode()).hexdigest(),
        "path": f"common_voice_{wish.locale}_{number}.mp3",
        "sentence_id": hashlib.sha256(sentence.encode()).hexdigest(),
        "sentence": sentence,
        "up_votes": str(2 + number % 2),
        "down_votes": str(number % 2),
        "age": _AGES[number % 3],
        "gender": {"female": "female_feminine", "male": "male_masculine"}.get(source["gender"], ""),
        "accents": "United States English",
        "locale": wish.locale,
    }


def _tables(
    wish: Wish, rows: dict[str, list[Row]], clips: dict[str, tuple[bytes, float]]
) -> dict[str, bytes]:
    given = {"validated": [*rows["train"], *rows["dev"], *rows["test"]]}
    given |= {name: rows[name] for name in rows if not wish.delta or name in ("invalidated", "other")}
    tables = {f"{name}.tsv": _table(COLUMNS, [row.values() for row in given[name]]) for name in given}
    if wish.durations:
        times = [(name, str(round(1000 * seconds))) for name, (_, seconds) in clips.items()]
        tables["clip_durations.tsv"] = _table(("clip", "duration[ms]"), times)
    tables["reported.tsv"] = _table(("sentence_id", "sentence", "locale", "reason"), [])
    return tables


def _table(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in (columns, *rows)).encode()


def _mp3(path: Path) -> tuple[bytes, float]:
    samples, rate = soundfile.read(path, dtype="float32")
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format="MP3")
    return out.getvalue(), len(samples) / rate


def packed(files: dict[str, bytes], mode: Literal["w", "w:gz"] = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
