"""Which clips of a release are taken: rules in a fixed order, then places in a draw that a seed decides.

Nobody's place depends on the order of rows or on how many are wanted, so a larger wish gives a superset.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from voxloom.corpora.entry import Entry
from voxloom.corpora.refusal import Reason, Refusal
from voxloom.corpora.seen import hash_of
from voxloom.corpora.selection import Selection
from voxloom.errors import BadInput

_GENDERS = {"male_masculine": "male", "female_feminine": "female"}  # as releases before 17.0 said
_AGES = {"forties": "fourties"}  # as all releases spell it
_TENS = ("twent", "thirt", "fourt", "fift", "sixt", "sevent", "eight", "ninet")
_KNOWN = {
    "genders": {"male", "female", "other", "intersex", "transgender", "non-binary", "do_not_wish_to_say"},
    "ages": {"teens", *(f"{ten}ies" for ten in _TENS)},
    "accents": set[str](),
}
_COLUMNS = {"genders": "gender", "ages": "age", "accents": "accents"}
_LEAST_TEST_CLIPS = 100

_RULES = """
INSERT INTO outcomes SELECT clip, coalesce(leak, CASE WHEN split IN ('dev', 'test') THEN NULL
  ELSE rule(up_votes, down_votes, gender, age, accents) END) FROM clips WHERE fault IS NULL
"""
_POOL = """
INSERT INTO pool
SELECT clip, name, split, speaker, speaker_place, place,
       row_number() OVER (PARTITION BY split, speaker ORDER BY place, name), ms
FROM (SELECT clip, name, split, speaker, draw(client_id) AS speaker_place, draw(name) AS place, ms
      FROM outcomes JOIN clips USING (clip) JOIN speakers USING (speaker) LEFT JOIN durations USING (name)
      WHERE rule IS NULL)
"""
_FEW_SPEAKERS = """
UPDATE outcomes SET rule = 'max_speakers'
WHERE clip IN (SELECT clip FROM pool WHERE {training} AND speaker NOT IN (
  SELECT speaker FROM pool JOIN speakers USING (speaker) WHERE {training}
  GROUP BY speaker ORDER BY speaker_place, client_id LIMIT ?))
"""
_ENTRIES = """
SELECT name, sentence, client_id, split, locale, details, reports.reason
FROM outcomes JOIN clips USING (clip) JOIN speakers USING (speaker) LEFT JOIN reports USING (sentence)
WHERE rule IS NULL ORDER BY clip
"""
_TRAINING = "split NOT IN ('dev', 'test')"


@dataclass(frozen=True)
class Part:
    """What was chosen for one split; "" is a release without splits."""

    split: str
    clips: int
    speakers: int
    hours: float | None  # None where the length of a clip is not known


class Chosen:
    """The outcome of each row. It lives as long as its release, until the next selection."""

    def __init__(
        self,
        db: sqlite3.Connection,
        release: str,
        locale: str,
        folder: str,
        counted: Counter[str],
        selection: Selection,
    ) -> None:
        self._db = db
        self._release = release
        self._locale = locale
        self._clips = f"{folder}/clips/" if folder else "clips/"
        self.folder = folder
        _Choice(db, selection).make()
        rules = "SELECT rule, count(*) FROM outcomes WHERE rule IS NOT NULL GROUP BY rule ORDER BY rule"
        self.not_selected: dict[str, int] = {
            **{k: n for k, n in counted.items() if n},
            **dict(db.execute(rules)),
        }

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """(path in the archive, clip), in the order of the tables."""
        for name, sentence, speaker, split, locale, details, reported in self._db.execute(_ENTRIES):
            given = {"release": self._release, **json.loads(details)}
            if reported:
                given["reported"] = reported
            language = locale or self._locale
            yield self._clips + name, Entry(name, sentence, speaker, split, language, given)

    def refusals(self) -> Iterator[Refusal]:
        """Of rows. What is wrong with the files of the archive, whoever reads them finds."""
        for row in self._db.execute("SELECT path, reason, detail FROM refusals ORDER BY id"):
            yield Refusal(*row)
        faulty = "SELECT name, fault FROM clips WHERE fault IS NOT NULL ORDER BY clip"
        for name, fault in self._db.execute(faulty):
            yield Refusal.of(name, Reason.WRONG_LANGUAGE, f"{fault}; the release is in {self._locale}")

    def wants(self, archive_path: str) -> bool:
        """Whether this file of the archive is a chosen clip."""
        if (name := self._name(archive_path)) is None:
            return False
        chosen = "SELECT 1 FROM clips JOIN outcomes USING (clip) WHERE name = ? AND rule IS NULL"
        return self._db.execute(chosen, (name,)).fetchone() is not None

    def _name(self, archive_path: str) -> str | None:
        name = archive_path.removeprefix(self._clips)
        return None if len(name) == len(archive_path) or not name.isprintable() else name

    def parts(self) -> list[Part]:
        """How much was chosen for each split."""
        counts = """SELECT split, count(*), count(DISTINCT speaker), sum(ms), count(ms) FROM outcomes
            JOIN clips USING (clip) LEFT JOIN durations USING (name) WHERE rule IS NULL GROUP BY split"""
        return [
            Part(split, clips, speakers, ms / 3.6e6 if known == clips else None)
            for split, clips, speakers, ms, known in self._db.execute(counts)
        ]


class _Choice:
    """Fills the table `outcomes`: a rule for each clip that is left out, none for those that are taken."""

    def __init__(self, db: sqlite3.Connection, selection: Selection) -> None:
        self._db = db
        self._wish = selection
        self._genders = {_gender(each) for each in selection.genders}
        self._ages = {_age(each) for each in selection.ages}
        self._accents = [each.casefold() for each in selection.accents]

    def make(self) -> None:
        self._check_names()
        self._db.execute("DELETE FROM outcomes")
        self._db.execute("DELETE FROM pool")
        self._db.create_function("rule", 5, self._rule)
        self._db.create_function("draw", 1, self._draw, deterministic=True)
        self._db.execute(_RULES)
        self._db.execute(_POOL)
        if self._wish.max_speakers:
            self._db.execute(_FEW_SPEAKERS.format(training=_TRAINING), (self._wish.max_speakers,))
        trained = self._take(_TRAINING, self._training_bounds())
        most = self._most_held_out(trained)
        for split in ("test", "dev"):
            self._take(f"split = '{split}'", _Bounds({f"max_{split}_clips": most}))

    def _check_names(self) -> None:
        """A name that no release has and this one neither is a slip of the pen."""
        for field, column in _COLUMNS.items():
            for wanted in getattr(self._wish, field):
                if not (_plain(field, wanted) in _KNOWN[field] or self._occurs(field, column, wanted)):
                    raise BadInput(f"no clip has {column} {wanted!r}; {self._most_frequent(column)}")

    def _occurs(self, field: str, column: str, wanted: str) -> bool:
        values = (value for (value,) in self._db.execute(f"SELECT DISTINCT {column} FROM clips"))
        if field == "accents":
            return any(wanted.casefold() in value.casefold() for value in values)
        return any(_plain(field, wanted) == _plain(field, value) for value in values)

    def _most_frequent(self, column: str) -> str:
        counts = (
            f"SELECT {column}, count(*) FROM clips WHERE {column} != '' GROUP BY 1 ORDER BY 2 DESC LIMIT 12"
        )
        found = ", ".join(f"{value[:60]} ({number})" for value, number in self._db.execute(counts))
        return f"most frequent are: {found}" if found else "this release does not say it of any clip"

    def _rule(self, up_votes: int, down_votes: int, gender: str, age: str, accents: str) -> str | None:
        """The first rule that leaves a clip out of training."""
        wish = self._wish
        if up_votes < wish.min_up_votes:
            return "votes"
        if wish.max_down_votes is not None and down_votes > wish.max_down_votes:
            return "votes"
        if self._genders and _gender(gender) not in self._genders:
            return "gender"
        if self._ages and _age(age) not in self._ages:
            return "age"
        if self._accents and not any(each in accents.casefold() for each in self._accents):
            return "accent"
        return None

    def _draw(self, name: str) -> int:
        return hash_of(f"{self._wish.seed}\0{name}")

    def _training_bounds(self) -> "_Bounds":
        wish = self._wish
        return _Bounds({"max_clips": wish.max_clips}, wish.max_clips_per_speaker, wish.max_hours * 3.6e6)

    def _most_held_out(self, trained: int) -> int:
        """Clips of test, and of dev. A small wish is not buried under the test set of a large release."""
        wish = self._wish
        if wish.max_test_clips or not (wish.max_clips or wish.max_hours):
            return wish.max_test_clips
        return max(_LEAST_TEST_CLIPS, (wish.max_clips or trained) // 4)

    def _take(self, where: str, bounds: "_Bounds") -> int:
        """In the order of the draw, until a bound is reached; returns how many were taken."""
        order = "turn, speaker_place, place, name" if self._wish.balanced else "place, name"
        drawn = f"""SELECT clip, turn, ms FROM pool JOIN outcomes USING (clip)
            WHERE rule IS NULL AND {where} ORDER BY {order}"""
        # read first, written after: a row that changes under a running query may be met twice
        self._db.execute("CREATE TEMP TABLE refused (rule TEXT, clip INTEGER)")
        left_out = _left_out(self._db.execute(drawn), bounds)
        self._db.executemany("INSERT INTO refused VALUES (?, ?)", left_out)
        self._db.execute(
            "UPDATE outcomes SET rule = refused.rule FROM refused WHERE refused.clip = outcomes.clip"
        )
        self._db.execute("DROP TABLE refused")
        return bounds.taken


class _Bounds:
    """Counts what is taken; 0 is no bound. One that was reached stays so, whatever smaller comes after."""

    def __init__(self, most_clips: dict[str, int], per_speaker: int = 0, most_ms: float = 0.0) -> None:
        (self._rule, self._most_clips), *_ = most_clips.items()
        self._per_speaker = per_speaker
        self._most_ms = most_ms
        self._ms = 0
        self._full = ""
        self.taken = 0

    def find_rule(self, turn: int, ms: int | None) -> str:
        """The rule that leaves the next clip out, or "": it is taken."""
        if self._per_speaker and turn > self._per_speaker:
            return "max_clips_per_speaker"
        if self._most_ms and ms is None:
            return "no_duration"
        self._full = self._full or self._find_full(ms or 0)
        if not self._full:
            self.taken, self._ms = self.taken + 1, self._ms + (ms or 0)
        return self._full

    def _find_full(self, ms: int) -> str:
        if self._most_clips and self.taken >= self._most_clips:
            return self._rule
        return "max_hours" if self._most_ms and self._ms + ms > self._most_ms else ""


def _left_out(drawn: Iterator[tuple[int, int, int | None]], bounds: _Bounds) -> Iterator[tuple[str, int]]:
    for clip, turn, ms in drawn:
        if rule := bounds.find_rule(turn, ms):
            yield rule, clip


def _gender(value: str) -> str:
    return _GENDERS.get(value.casefold(), value.casefold())


def _age(value: str) -> str:
    return _AGES.get(value.casefold(), value.casefold())


_PLAIN: dict[str, Callable[[str], str]] = {"genders": _gender, "ages": _age, "accents": str.casefold}


def _plain(field: str, value: str) -> str:
    return _PLAIN[field](value)
