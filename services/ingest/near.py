"""Copies of one recording that differ in their bytes: coded again, louder, trimmed."""

from collections.abc import Callable, Iterator

from services.ingest.catalogue import Catalogue
from services.ingest.records import Drop
from voxloom.fingerprint import MAX_DISTANCE, MAX_SPREAD, NUM_BITS, bit_distance

_BAND_BYTES = 3  # 24 bits: by chance two of a million share them once, copies nearly always in some band
_NUM_BANDS = NUM_BITS // 8 // _BAND_BYTES
_NEIGHBOURS = 32  # compared at most with each in a group, however many share a band
_MAX_SECONDS = 0.4  # copies are trimmed or padded by less
_RANK = "{0}.split = 'train', {0}.created_at, {0}.source, {0}.utterance, {0}.id"
_Print = tuple[int, int]  # id and spread


def drop_near_duplicates(catalogue: Catalogue, check: Callable[[], None]) -> None:
    """Of copies one in val or test stays, else the one stored first. What is dropped drops no other."""
    db = catalogue.db
    db.execute(
        "CREATE TABLE pairs (later INTEGER, earlier INTEGER, PRIMARY KEY (later, earlier)) WITHOUT ROWID"
    )
    db.execute("DELETE FROM prints WHERE id IN (SELECT id FROM clips WHERE fate IS NOT NULL)")
    for band in range(_NUM_BANDS):
        check()
        for group in _groups(catalogue, band):
            for pair in _close(group):
                if _is_copy(catalogue, *pair):
                    db.execute("INSERT OR IGNORE INTO pairs VALUES (?, ?)", _ranked(catalogue, *pair))
    _drop_later(catalogue)
    db.execute("DROP TABLE pairs")


def _groups(catalogue: Catalogue, band: int) -> Iterator[list[_Print]]:
    """Those whose bits are the same in this band, by spread."""
    part = f"substr(bits, {band * _BAND_BYTES + 1}, {_BAND_BYTES})"
    members = "group_concat(id || ':' || spread, ' ')"
    for (text,) in catalogue.each(f"SELECT {members} FROM prints GROUP BY {part} HAVING count(*) > 1"):
        found = (member.partition(":") for member in text.split())
        yield sorted(((int(number), int(spread)) for number, _, spread in found), key=lambda each: each[::-1])


def _close(group: list[_Print]) -> Iterator[tuple[int, int]]:
    for index, (number, spread) in enumerate(group):
        for other, other_spread in group[index + 1 : index + 1 + _NEIGHBOURS]:
            if other_spread - spread > MAX_SPREAD:
                break
            yield number, other


def _is_copy(catalogue: Catalogue, a: int, b: int) -> bool:
    asked = "SELECT duration_s, bits FROM prints WHERE id IN (?, ?)"
    (a_s, a_bits), (b_s, b_bits) = catalogue.db.execute(asked, (a, b)).fetchall()
    return abs(a_s - b_s) <= _MAX_SECONDS and bit_distance(a_bits, b_bits) <= MAX_DISTANCE


def _ranked(catalogue: Catalogue, a: int, b: int) -> tuple[int, int]:
    """The one that goes, then the one that stays."""
    asked = f"SELECT id FROM clips WHERE id IN (?, ?) ORDER BY {_RANK.format('clips')}"
    (earlier,), (later,) = catalogue.db.execute(asked, (a, b)).fetchall()
    return later, earlier


def _drop_later(catalogue: Catalogue) -> None:
    asked = (
        "SELECT later.id, later.utterance, earlier.id, earlier.utterance FROM pairs "
        "JOIN clips AS later ON later.id = pairs.later JOIN clips AS earlier ON earlier.id = pairs.earlier "
        f"ORDER BY {_RANK.format('later')}, {_RANK.format('earlier')}"
    )
    for later, utterance, earlier, original in catalogue.each(asked):
        if (
            catalogue.number("SELECT count(*) FROM clips WHERE id IN (?, ?) AND fate IS NULL", later, earlier)
            == 2
        ):
            catalogue.db.execute(
                "UPDATE clips SET fate = ?, example = ? WHERE id = ?",
                (Drop.NEAR_DUPLICATE_AUDIO, f"{utterance} sounds like {original}", later),
            )
