"""A run's report in the store: utterances.jsonl, summary.json counted from it, and suspects.json. No torch.

Whoever is forgotten leaves all: ingest takes lines and suspects out and deletes the summary, which is counted
anew here.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from voxloom import keys
from voxloom.errors import NotFound
from voxloom.forgotten import digest, read_mark
from voxloom.record import parse_lines, to_line
from voxloom.run_report import HeardUtterance, RunSummary, Suspect, Suspects
from voxloom.run_summary import summarise
from voxloom.storage import ObjectStore, exists, read_model, write_model


def store_report(store: ObjectStore, run: str, dataset: str, lines: Iterable[HeardUtterance]) -> RunSummary:
    """Writes lines and summary, without what is withdrawn by then: the training may have heard it."""
    gone = _withdrawn(store, dataset)
    _write_lines(store, run, lines, gone)
    while True:
        summary = summarise(run, read_lines(store, run))
        write_model(store, keys.run_summary(run), summary)
        now_gone = _withdrawn(store, dataset)
        if now_gone == gone:  # else a forget job may have looked here before there was anything
            return summary
        gone = now_gone
        _write_lines(store, run, list(read_lines(store, run)), gone)


def store_suspects(store: ObjectStore, dataset: str, suspects: Suspects) -> None:
    """Without what is withdrawn by then, as above."""
    gone: set[str] | None = None
    while (now_gone := _withdrawn(store, dataset)) != gone:
        gone = now_gone
        kept = [each for each in suspects.suspects if digest(each.utterance) not in gone]
        write_model(store, keys.run_suspects(suspects.run), suspects.model_copy(update={"suspects": kept}))


def read_suspects(store: ObjectStore, run: str) -> Suspects | None:
    """None for a run without: one that has not ended, or that an earlier release trained."""
    try:
        return read_model(store, keys.run_suspects(run), Suspects)
    except NotFound:
        return None


def read_summary(store: ObjectStore, run: str) -> RunSummary:
    """NotFound, with the reason, while the run has no report."""
    with suppress(NotFound):
        return read_model(store, keys.run_summary(run), RunSummary)
    utterances_key(store, run)
    return summarise(run, read_lines(store, run))


def utterances_key(store: ObjectStore, run: str) -> str:
    """NotFound, with the reason, while the run has no report."""
    key = keys.run_utterances(run)
    if not exists(store, key):
        raise NotFound(f"run {run} has no report; it is written when the training ends")
    return key


def read_lines(store: ObjectStore, run: str) -> Iterator[HeardUtterance]:
    key = keys.run_utterances(run)
    with store.open(key) as file:
        yield from parse_lines(key, file, HeardUtterance)


def audio_key(store: ObjectStore, run: str, utterance: str) -> str:
    """Where an utterance of the report lies; NotFound unless the report speaks of it."""
    for line in _spoken_of(store, run):
        if line.utterance == utterance and line.audio_key.startswith(keys.RAW):
            return line.audio_key
    raise NotFound(
        f"the report of run {run} has no utterance {utterance}; `voxloom runs show {run}` names the worst"
    )


def _spoken_of(store: ObjectStore, run: str) -> Iterator[HeardUtterance | Suspect]:
    with suppress(NotFound):
        yield from read_lines(store, run)
    if suspects := read_suspects(store, run):
        yield from suspects.suspects


def _write_lines(store: ObjectStore, run: str, lines: Iterable[HeardUtterance], gone: set[str]) -> None:
    kept = (to_line(line) for line in lines if digest(line.utterance) not in gone)
    store.put_stream(keys.run_utterances(run), kept)


def _withdrawn(store: ObjectStore, dataset: str) -> set[str]:
    """Hashes of utterance ids."""
    mark = read_mark(store, keys.withdrawn(f"manifests/{dataset}"))
    return {each for split in mark.by_split.values() for each in split} if mark else set()
