"""Runs and models made of a dataset that held what was withdrawn: marked, and what they quote of it deleted.

It goes by the marks of datasets, which are hashes: anyone can do it again at any time.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.ingest import traces
from services.ingest.rewrite import read_document
from voxloom import keys
from voxloom.errors import BadInput, NotFound
from voxloom.forgotten import Withdrawn, add_mark, read_mark
from voxloom.storage import ObjectStore, folders

_log = logging.getLogger(__name__)


@dataclass
class Heirs:
    """Who is marked, and what is damaged: it holds up no other."""

    runs: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def scrub(self, scrub: Callable[..., None], *arguments: Any) -> None:
        try:
            scrub(*arguments)
        except BadInput as error:
            self.faults.append(str(error))


def mark_heirs(store: ObjectStore, at: str, check: Callable[[], None] = lambda: None) -> Heirs:
    """Of all marked datasets, also of those that a killed job marked."""
    heirs = Heirs()
    read = (
        (name, read_mark(store, keys.withdrawn(f"manifests/{name}"))) for name in folders(store, "manifests/")
    )
    marks = {name: mark for name, mark in read if mark}
    if marks:
        _mark_runs(store, heirs, marks, at, check)
        _mark_models(store, heirs, marks, at, check)
    return heirs


def _mark_runs(
    store: ObjectStore, heirs: Heirs, marks: Mapping[str, Withdrawn], at: str, check: Callable[[], None]
) -> None:
    for run in folders(store, "runs/"):
        check()
        mark = marks.get(_dataset_of(store, keys.run_record(run)))
        if mark:
            add_mark(store, keys.withdrawn(f"runs/{run}"), mark.by_split, at)
            heirs.runs.append(run)
            heirs.scrub(traces.of_run, store, run, mark)


def _mark_models(
    store: ObjectStore, heirs: Heirs, marks: Mapping[str, Withdrawn], at: str, check: Callable[[], None]
) -> None:
    """What a killed optimizer left has no bundle yet, but may quote."""
    hashes = {each for mark in marks.values() for split in mark.by_split.values() for each in split}
    for model in folders(store, "models/"):
        check()
        dataset = _dataset_of(store, keys.model_file(model, "bundle.json"))
        if mark := marks.get(dataset):
            add_mark(store, keys.withdrawn(f"models/{model}"), mark.by_split, at)
            heirs.models.append(model)
        if mark or not dataset:
            heirs.scrub(traces.of_model, store, model, hashes)


def _dataset_of(store: ObjectStore, key: str) -> str:
    """What a run or a model was made of; "" where that is not known."""
    try:
        return str(read_document(store, key).get("dataset", ""))
    except NotFound:
        return ""
    except BadInput as error:
        _log.error("%s", error)
        return ""
