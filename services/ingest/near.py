"""Copies of one recording that differ in their bytes: coded again, louder, trimmed."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from services.ingest.catalogue import Catalogue
from services.ingest.records import Drop
from voxloom.fingerprint import MAX_DISTANCE, MAX_SPREAD, NUM_BITS, bit_distance

_BAND_BYTES = 3  # 24 bits: by chance two of a million share them once, copies nearly always in some band
_NUM_BANDS = NUM_BITS // 8 // _BAND_BYTES
_NEIGHBOURS = 32  # compared at most with each in a group, however many share a band
_MAX_GROUP = 10_000  # in memory at once
_MAX_SECONDS = 0.4  # copies are trimmed or padded by less
_SCHEMA = """
CREATE TABLE ranked (place INTEGER PRIMARY KEY, clip INTEGER, spread INTEGER, duration_s REAL, bits BLOB);
CREATE TABLE pairs (later INTEGER, earlier INTEGER, PRIMARY KEY (later, earlier)) WITHOUT ROWID;
INSERT INTO ranked (clip, spread, duration_s, bits)
  SELECT clips.id, spread, prints.duration_s, bits FROM prints JOIN clips ON clips.id = prints.id
  WHERE fate IS NULL ORDER BY split = 'train', created_at, source, utterance, clips.id;
"""


class _Print(NamedTuple):
    spread: int
    place: int
    duration_s: float
    bits: bytes


def drop_near_duplicates(catalogue: Catalogue, check: Callable[[], None]) -> None:
    """Of copies one in val or test stays, else the one stored first. What is dropped drops no other."""
    for statement in _SCHEMA.split(";"):
        catalogue.db.execute(statement)
    for band in range(_NUM_BANDS):
        check()
        for group in _groups(catalogue, band):
            for a, b in _close(group):
                if _is_copy(a, b, band):
                    pair = (max(a.place, b.place), min(a.place, b.place))
                    catalogue.db.execute("INSERT OR IGNORE INTO pairs VALUES (?, ?)", pair)
    _drop_later(catalogue)
    for table in ("ranked", "pairs", "prints"):
        catalogue.db.execute(f"DROP TABLE {table}")


def _groups(catalogue: Catalogue, band: int) -> Iterator[list[_Print]]:
    """Those whose bits are the same in this band, by spread."""
    part = f"substr(bits, {band * _BAND_BYTES + 1}, {_BAND_BYTES})"
    same = f"SELECT group_concat(place) FROM ranked GROUP BY {part} HAVING count(*) > 1"
    for (places,) in catalogue.each(same):
        members = places.split(",")
        for start in range(0, len(members), _MAX_GROUP):
            some = ",".join(members[start : start + _MAX_GROUP])
            asked = f"SELECT spread, place, duration_s, bits FROM ranked WHERE place IN ({some})"
            yield sorted(_Print(*values) for values in catalogue.each(asked))


def _close(group: list[_Print]) -> Iterator[tuple[_Print, _Print]]:
    for index, each in enumerate(group):
        for other in group[index + 1 : index + 1 + _NEIGHBOURS]:
            if other.spread - each.spread > MAX_SPREAD:
                break
            yield each, other


def _is_copy(a: _Print, b: _Print, band: int) -> bool:
    """Looked at once only, in the first band that two share."""
    before = range(0, band * _BAND_BYTES, _BAND_BYTES)
    if any(a.bits[at : at + _BAND_BYTES] == b.bits[at : at + _BAND_BYTES] for at in before):
        return False
    near = abs(a.duration_s - b.duration_s) <= _MAX_SECONDS
    return near and bit_distance(a.bits, b.bits) <= MAX_DISTANCE


def _drop_later(catalogue: Catalogue) -> None:
    asked = (
        "SELECT later.clip, earlier.clip FROM pairs JOIN ranked AS later ON later.place = pairs.later "
        "JOIN ranked AS earlier ON earlier.place = pairs.earlier ORDER BY pairs.later, pairs.earlier"
    )
    still_in = "SELECT utterance FROM clips WHERE id = ? AND fate IS NULL"
    for pair in catalogue.each(asked):
        later, earlier = (catalogue.db.execute(still_in, (each,)).fetchone() for each in pair)
        if later and earlier:
            catalogue.db.execute(
                "UPDATE clips SET fate = ?, example = ? WHERE id = ?",
                (Drop.NEAR_DUPLICATE_AUDIO, f"{later[0]} sounds like {earlier[0]}", pair[0]),
            )
