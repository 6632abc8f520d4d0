"""Which utterances are in a dataset, and in which split: the rules of Law 7, one statement each."""

from collections.abc import Callable

from services.ingest.catalogue import Catalogue
from services.ingest.records import Drop
from services.ingest.reviewed import drop_lesser_takes

_STORED = "created_at, source, utterance, id"  # the order in which they were stored


def apply(catalogue: Catalogue, check: Callable[[], None]) -> None:
    """In this order, because each looks only at what the former ones left; takes that were rejected are out
    before the first, so that none of them keeps out another with the same audio."""
    for rule in (drop_duplicates, drop_lesser_takes, place, drop_held_out_sentences, drop_held_out_speakers):
        check()
        rule(catalogue)


def drop_duplicates(catalogue: Catalogue) -> None:
    """Of equal audio, and of equal ids, the one stored first stays, so that what came later moves nothing.

    Only those that share something are looked at one by one: one that is dropped drops no other.
    """
    db = catalogue.db
    db.execute("CREATE TABLE seen (kind TEXT, value TEXT, PRIMARY KEY (kind, value)) WITHOUT ROWID")
    contested = " OR ".join(
        f"{column} IN (SELECT {column} FROM clips WHERE fate IS NULL GROUP BY {column} HAVING count(*) > 1)"
        for column in ("audio_sha256", "utterance")
    )
    asked = f"SELECT id, audio_sha256, utterance FROM clips WHERE fate IS NULL AND ({contested})"
    for number, audio, utterance in catalogue.each(f"{asked} ORDER BY {_STORED}"):
        if _is_seen(catalogue, "audio", audio):
            _drop(catalogue, number, Drop.DUPLICATE_AUDIO)
        elif _is_seen(catalogue, "utterance", utterance):
            _drop(catalogue, number, Drop.DUPLICATE_UTTERANCE)
        else:
            db.executemany("INSERT INTO seen VALUES (?, ?)", (("audio", audio), ("utterance", utterance)))
    db.execute("DROP TABLE seen")


def place(catalogue: Catalogue) -> None:
    """Every utterance into its split. Val is carved out of published train where none was published."""
    with_val = "SELECT corpus FROM clips WHERE fate IS NULL AND published = 'val'"
    catalogue.db.execute(
        f"UPDATE clips SET split = CASE WHEN corpus IN ({with_val}) THEN split_with_val "
        "ELSE split_without_val END WHERE fate IS NULL"
    )


def drop_held_out_sentences(catalogue: Catalogue) -> None:
    """No sentence of val or test is trained on, whatever its source.

    A corpus whose published split is kept may overlap with itself: it stays whole, to be comparable with
    what others published on it, and `overlapping_test_sentences` counts.
    """
    db = catalogue.db
    db.execute("CREATE TABLE held (text TEXT, corpus TEXT, PRIMARY KEY (text, corpus)) WITHOUT ROWID")
    db.execute(
        "INSERT INTO held SELECT DISTINCT text, corpus FROM clips "
        "WHERE fate IS NULL AND split IN ('val', 'test') ORDER BY text, corpus"
    )
    elsewhere = "clips.published IS NULL OR held.corpus <> clips.corpus"
    held_out = f"EXISTS (SELECT 1 FROM held WHERE held.text = clips.text AND ({elsewhere}))"
    catalogue.leave_out(Drop.SENTENCE_IN_VAL_OR_TEST, f"split = 'train' AND {held_out}")
    db.execute("DROP TABLE held")


def drop_held_out_speakers(catalogue: Catalogue) -> None:
    """Releases of Common Voice share their speakers: who is in val or test of one by its published split is
    trained on from no other."""
    db = catalogue.db
    db.execute("CREATE TABLE held (speaker TEXT, corpus TEXT, PRIMARY KEY (speaker, corpus)) WITHOUT ROWID")
    db.execute(
        "INSERT INTO held SELECT DISTINCT speaker, corpus FROM clips WHERE fate IS NULL AND named "
        "AND source = 'commonvoice' AND published IS NOT NULL AND split IN ('val', 'test')"
    )
    elsewhere = "held.speaker = clips.speaker AND held.corpus <> clips.corpus"
    held_out = f"split = 'train' AND source = 'commonvoice' AND EXISTS (SELECT 1 FROM held WHERE {elsewhere})"
    catalogue.leave_out(Drop.SPEAKER_IN_VAL_OR_TEST, held_out)
    db.execute("DROP TABLE held")


def overlapping_test_sentences(catalogue: Catalogue) -> int:
    """Test utterances whose sentence is also trained on."""
    db = catalogue.db
    db.execute("CREATE TABLE tests (text TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID")
    db.execute(
        "INSERT INTO tests SELECT text, count(*) FROM clips "
        "WHERE fate IS NULL AND split = 'test' GROUP BY text"
    )
    trained = (
        "SELECT DISTINCT tests.text FROM clips CROSS JOIN tests ON tests.text = clips.text "
        "WHERE fate IS NULL AND split = 'train'"
    )
    found = catalogue.number(f"SELECT sum(number) FROM tests WHERE text IN ({trained})")
    db.execute("DROP TABLE tests")
    return found


def _is_seen(catalogue: Catalogue, kind: str, value: str) -> bool:
    return bool(catalogue.number("SELECT count(*) FROM seen WHERE kind = ? AND value = ?", kind, value))


def _drop(catalogue: Catalogue, number: int, reason: Drop) -> None:
    catalogue.db.execute("UPDATE clips SET fate = ? WHERE id = ?", (reason, number))
