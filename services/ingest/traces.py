"""Where a withdrawn utterance is spoken of outside of datasets: what imports refused, what models heard."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from services.ingest import importer
from services.ingest.rewrite import Line, drop_lines, read_lines, rewrite_document, rewrite_lines
from services.ingest.rows import utterance_id
from voxloom import keys
from voxloom.errors import NotFound
from voxloom.forgotten import Voice, Withdrawn, digest
from voxloom.jobs import JobRecord
from voxloom.storage import ObjectStore, list_all, read_model, write_model

_FAULTS = "; the batches lie in "  # of a training that gave up: what follows names utterances
Check = Callable[[], None]


def refused_of(store: ObjectStore, voices: Iterable[Voice], check: Check) -> set[str]:
    """Ids of clips of these speakers that were never stored: reports quote their texts."""
    hashes = {digest(f"{voice.source}/{voice.speaker}") for voice in voices}
    found: set[str] = set()
    for key in _reports(store):
        check()
        found |= {
            str(line.get("utterance")) for line in read_lines(store, key) if line.get("voice") in hashes
        }
    return found


def of_imports(store: ObjectStore, ids: set[str], check: Check) -> None:
    """Lines of import reports, and the examples in the records of their jobs; these first, for the lines say
    where to look."""
    for key in _reports(store):
        check()
        paths = {line["path"] for line in read_lines(store, key) if line.get("utterance") in ids}
        if paths:
            _scrub_job(store, key.removeprefix(keys.IMPORT_REPORTS).removesuffix(".jsonl"), paths)
            drop_lines(store, key, lambda line: line.get("utterance") in ids)


def of_run(store: ObjectStore, run: str, mark: Withdrawn) -> None:
    """The examples in its curve: texts of the validation set, which do not say of which utterance. The
    messages of faulty steps name utterances, and their batches are speech: both go."""
    rewrite_lines(store, keys.run_metrics(run), _without_example)
    _of_report(store, run, {each for split in mark.by_split.values() for each in split})
    for info in list(list_all(store, keys.faults(run))):
        store.delete(info.key)
    with suppress(NotFound):
        job = read_model(store, keys.job("train", run), JobRecord)
        if _FAULTS in job.error:
            error = f"{job.error.partition(_FAULTS)[0]}; the utterances were withdrawn since"
            write_model(store, keys.job("train", run), job.model_copy(update={"error": error}))


def _of_report(store: ObjectStore, run: str, hashes: set[str]) -> None:
    """Its lines; before them the summary, whole: the trainer counts what is left. Then its suspects."""
    heard = keys.run_utterances(run)
    with suppress(NotFound):
        if any(digest(_utterance(line)) in hashes for line in read_lines(store, heard)):
            store.delete(keys.run_summary(run))
    drop_lines(store, heard, lambda line: digest(_utterance(line)) in hashes)
    rewrite_document(store, keys.run_suspects(run), lambda item: digest(_utterance(item)) in hashes)


def of_model(store: ObjectStore, model: str, hashes: set[str]) -> None:
    """What a model heard of withdrawn test utterances, and what was said. By the marks: an earlier run,
    killed since, may have taken the ids out of the manifests."""
    heard = keys.model_file(model, "test_hypotheses.jsonl")
    drop_lines(store, heard, lambda line: digest(str(line.get("key"))) in hashes)
    worst = keys.model_file(model, "decision.json")
    rewrite_document(store, worst, lambda item: digest(_utterance(item)) in hashes)


def speaks_of(item: Any, ids: set[str]) -> bool:
    """An item of a dataset's report: an object with an id, an id with or without words around it, or
    `corpus: path` of a clip."""
    text = _utterance(item) if isinstance(item, dict) else item
    if not isinstance(text, str):
        return False
    return any(word.strip(":,") in ids for word in text.split()) or not ids.isdisjoint(_ids_of_clip(text))


def _reports(store: ObjectStore) -> list[str]:
    """Of imports that have ended; what lies in folders goes when they end."""
    return [info.key for info in list_all(store, keys.IMPORT_REPORTS) if info.key.count("/") == 1]


def _utterance(item: Any) -> str:
    return str(item.get("utterance", "")) if isinstance(item, dict) else ""


def _ids_of_clip(text: str) -> Iterable[str]:
    """Names of corpora and paths may have colons themselves."""
    parts = text.split(": ")
    for number in range(1, len(parts)):
        corpus, path = ": ".join(parts[:number]), ": ".join(parts[number:])
        yield utterance_id(corpus, path)
        yield utterance_id("commonvoice", path)  # whatever the corpus is called


def _without_example(line: Line) -> Line:
    said = ("example", "message")
    texts = {name: [] if name == "examples" else "" for name in line if name.startswith(said)}
    return {**line, **texts}


def _scrub_job(store: ObjectStore, job_id: str, paths: set[str]) -> None:
    """An example is a path with what was found wrong, which quotes the text."""
    key = keys.job(importer.KIND, job_id)
    try:
        job = read_model(store, key, JobRecord)
    except NotFound:
        return
    examples = {
        reason: [each for each in told if not _tells_of(each, paths)]
        for reason, told in job.result.get("refused_examples", {}).items()
    }
    result = {**job.result, "refused_examples": examples} if job.result else {}
    error = job.error
    if any(path in error for path in paths):
        error = error.partition("): ")[0] + "); the examples were withdrawn since"
    scrubbed = job.model_copy(update={"result": result, "error": error})
    if scrubbed != job:
        write_model(store, key, scrubbed)


def _tells_of(example: str, paths: set[str]) -> bool:
    return any(example == path or example.startswith(f"{path}: ") for path in paths)
