"""A mix at work: what it leaves out, and what it wants and does not get."""

from services.ingest.catalogue import Catalogue
from services.ingest.records import Drop
from services.ingest.split import point
from voxloom.corpora.sentences import sentence_key
from voxloom.manifest import Shortfall
from voxloom.mix import FOLDERS, Mix, Share

_CHOSEN = """
WITH trained AS (
  SELECT id, lottery, utterance, duration_s, row_number() OVER (
    PARTITION BY CASE WHEN named THEN speaker ELSE utterance END ORDER BY lottery, utterance) AS turn
  FROM clips WHERE fate IS NULL AND split = 'train' AND source = :source),
ranked AS (
  SELECT id, row_number() OVER each_turn AS place, sum(duration_s) OVER each_turn AS seconds
  FROM trained WINDOW each_turn AS (ORDER BY turn, lottery, utterance ROWS UNBOUNDED PRECEDING))
SELECT id FROM ranked WHERE place > :max OR seconds > :max_s
"""
_NO_LIMIT = 2**62


def apply(catalogue: Catalogue, mix: Mix) -> dict[str, Shortfall]:
    """Comes last: a mix never decides what is held out. Returns the sources of which there is too little."""
    _leave_out_sources(catalogue, mix)
    shortfalls: dict[str, Shortfall] = {}
    for name, share in mix.sources.items():
        source = FOLDERS[name]
        found = catalogue.number("SELECT count(*) FROM clips WHERE fate IS NULL AND source = ?", source)
        if found < share.min:
            shortfalls[name] = Shortfall(wanted=share.min, found=found)
        _thin_out(catalogue, source, share.fraction, mix.seed)
        _bound(catalogue, source, share)
    return shortfalls


def _leave_out_sources(catalogue: Catalogue, mix: Mix) -> None:
    """Entirely: whatever else is wrong with an utterance of theirs, that is why it is not there."""
    kinds = "SELECT DISTINCT source, coalesce(corpus, ''), coalesce(language, '') FROM clips"
    for kind in list(catalogue.each(kinds)):
        if not mix.wants(*kind):
            catalogue.db.execute(
                f"UPDATE clips SET fate = '{Drop.NOT_IN_MIX}', example = NULL "
                "WHERE source = ? AND coalesce(corpus, '') = ? AND coalesce(language, '') = ?",
                kind,
            )


def _thin_out(catalogue: Catalogue, source: str, fraction: float | None, seed: int) -> None:
    """Own recordings by sentence, so that half of them is half of the sentences, not half of the takes."""
    if fraction is None or fraction >= 1:
        return

    def place(text: str, utterance: str) -> float:
        if source == FOLDERS["own"]:
            return point(f"fraction\0{seed}\0sentence", sentence_key(text))
        return point(f"fraction\0{seed}\0utterance", utterance)

    catalogue.db.create_function("place", 2, place, deterministic=True)
    beyond = "split = 'train' AND source = ? AND place(text, utterance) >= ?"
    catalogue.leave_out(Drop.NOT_IN_MIX, beyond, (source, fraction))


def _bound(catalogue: Catalogue, source: str, share: Share) -> None:
    """Speakers take turns, each with a clip drawn by lot, until there are enough: few speakers do not crowd
    out the many, and what comes later replaces little of what was chosen."""
    if share.max is None and share.max_hours is None:
        return
    limits = {
        "source": source,
        "max": _NO_LIMIT if share.max is None else share.max,
        "max_s": float(_NO_LIMIT) if share.max_hours is None else share.max_hours * 3600,
    }
    catalogue.db.execute(
        f"UPDATE clips SET fate = '{Drop.NOT_IN_MIX}' WHERE id IN ({_CHOSEN.strip()})", limits
    )
