"""Backup and restore: a copy that says of which store it is, and what is asked before one is overwritten."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import voxloom
from voxloom import keys
from voxloom.errors import BadInput, NotFound, NotReady
from voxloom.forgotten import JOB_KIND, Clip, ForgetSpec, Forgotten, changed_at, read_forgotten
from voxloom.jobs import Jobs
from voxloom.record import Record
from voxloom.storage import ObjectStore, exists, list_all, read_model, write_model
from voxloom.store_copy import Copier, Entry, Outcome, all_checkpoints, latest_checkpoint, merged, units

MARK = "backup.json"  # at the top, where a store has no object
Progress = Callable[[int, int], None]  # bytes done, bytes in all


class BackupRecord(Record):
    """backup.json at the top of a backup: whose it is, and of when."""

    source: str  # URL of the store
    started_at: str  # of the latest backup, ISO 8601, UTC
    completed_at: str = ""  # of the latest one that ran to its end
    release: str


def back_up(
    source: ObjectStore,
    target: ObjectStore,
    source_name: str,
    progress: Progress,
    *,
    prune: bool = False,
    verify: bool = False,
    yes: bool = False,
) -> Outcome:
    """Copies what is new, then with `prune` deletes at the target what is gone from the source. A tombstone
    that was lifted goes in any case: a restore would refuse what has come back since.

    NotReady when the source is empty, when the target is no backup of it, and when more than half of the
    target would be deleted; `yes` overrules the last two.
    """
    mark = _check_backup(target, source_name, yes)
    if next(_objects(source), None) is None:
        raise NotReady(f"the store {source_name} is empty; is it the right one?")
    if prune:
        _check_gone(source, target, set(), yes)
    begun = _begin(target, source_name, mark)
    copier = Copier(source, target, verify=verify, progress=_metered(progress, source))
    outcome = copier.run()
    _drop_lifted(source, target)
    if prune:
        _check_gone(source, target, copier.uploads, yes)
        outcome.deleted = _prune(source, target, copier.uploads)
    if not (outcome.damaged or outcome.unsettled):
        write_model(target, MARK, begun.model_copy(update={"completed_at": begun.started_at}))
    return outcome


def restore(source: ObjectStore, target: ObjectStore, progress: Progress, *, yes: bool = False) -> Outcome:
    """Copies a backup into a store. NotReady when that holds other things, unless `yes` gives them up.

    What was withdrawn is not brought back. Its copies in datasets are: a job that is left in the store has
    ingest scrub them.
    """
    if next(_objects(source), None) is None:
        raise BadInput("there is no backup: not one object of a store was found; check the path or the URL")
    if not yes:
        _check_empty_or_same(source, target)
    withdrawn = LeftOut(source, target)
    outcome = Copier(source, target, progress=_metered(progress, source), leaves_out=withdrawn.holds).run()
    withdrawn.leave_job()
    outcome.withdrawn = len(withdrawn.clips)
    return outcome


class LeftOut:
    """What a restore does not bring back: recordings under a tombstone, and tombstones that the store has
    lifted since the backup."""

    def __init__(self, source: ObjectStore, target: ObjectStore) -> None:
        self.clips: list[Clip] = []
        self._target = target
        self._target_knows_better = changed_at(target) > changed_at(source)
        here, there = read_forgotten(target), read_forgotten(source)
        if not self._target_knows_better:
            here = Forgotten(here.utterances | there.utterances, here.speakers | there.speakers)
        self._gone = here

    def holds(self, unit: str, entries: list[Entry]) -> bool:
        if unit.startswith(keys.FORGOTTEN):
            return self._target_knows_better
        match unit.split("/"):
            case ["raw", source, speaker, utterance] if self._gone.covers(source, speaker, utterance):
                if any(entry.source for entry in entries) and not any(entry.target for entry in entries):
                    self.clips.append(Clip(source=source, speaker=speaker, utterance=utterance))
                return True
            case ["progress", speaker, _] | ["speakers" | "reviews", speaker]:
                return self._gone.covers("user_recorded", speaker.removesuffix(".json"), "")
        return False

    def leave_job(self) -> None:
        """Not for ever: that is what the tombstones are for."""
        if self.clips:
            name = f"restored-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S%f')}"
            spec = ForgetSpec(clips=self.clips, for_ever=False)
            Jobs(self._target).submit(JOB_KIND, name, spec.model_dump())


def read_mark(target: ObjectStore) -> BackupRecord | None:
    """None for a place that no backup was made to; NewerSchema for one of a newer release."""
    try:
        return read_model(target, MARK, BackupRecord)
    except NotFound:
        return None


def check_apart(one_url: str, other_url: str) -> None:
    """Raises BadInput when one store lies in the other: a backup would copy itself."""
    one, other = _place(one_url), _place(other_url)
    if one[0] == other[0] and (one[1] + "/").startswith(other[1] + "/"):
        raise BadInput(f"{one_url} lies in {other_url}; choose another place")
    if one[0] == other[0] and (other[1] + "/").startswith(one[1] + "/"):
        raise BadInput(f"{other_url} lies in {one_url}; choose another place")


def folder_of(url: str) -> Path | None:
    """The folder of a file:// URL, else None."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _place(url: str) -> tuple[str, str]:
    """(where, path): two stores can only meet when the first is equal."""
    if folder := folder_of(url):
        return "file", str(folder.resolve()).rstrip("/")
    parts = urlsplit(url)
    endpoint = parse_qs(parts.query).get("endpoint", [""])[-1].rstrip("/")
    return f"{endpoint} {parts.netloc}", parts.path.rstrip("/")


def _check_backup(target: ObjectStore, source_name: str, yes: bool) -> BackupRecord | None:
    mark = read_mark(target)
    if yes:
        return mark
    if mark is None and (key := next(_objects(target), "")):
        raise NotReady(
            f"the target holds {key} but no {MARK}: it may be a store in use. Name an empty place, or pass "
            "--yes if it is an earlier copy of this store"
        )
    if mark and mark.source != source_name:
        raise NotReady(
            f"the target is a backup of {mark.source}, not of {source_name}; name another place, or pass "
            "--yes if the store has moved"
        )
    return mark


def _check_empty_or_same(source: ObjectStore, target: ObjectStore) -> None:
    others = 0
    first = ""
    for prefix in keys.FOLDERS:
        for entry in merged(source, target, prefix):
            kept = entry.key.startswith(keys.FORGOTTEN)  # a restore takes none away
            if entry.target and not kept and not _is_equal(source, target, entry):
                others, first = others + 1, first or entry.key
    if others:
        raise NotReady(
            f"the store is not empty: {others} of its objects are not those of the backup, first {first}. "
            "Restore into an empty one, or pass --yes to overwrite what differs; what the backup lacks stays"
        )


def _is_equal(source: ObjectStore, target: ObjectStore, entry: Entry) -> bool:
    """Sizes tell, except of what changes in place."""
    if not (entry.source and entry.target) or entry.source.size != entry.target.size:
        return False
    changes = entry.key.startswith(("jobs/", *keys.REWRITTEN)) or entry.key == keys.PRODUCTION
    return not changes or source.get(entry.key) == target.get(entry.key)


def _begin(target: ObjectStore, source_name: str, mark: BackupRecord | None) -> BackupRecord:
    """Says at the target that a backup is under way; the time of the last whole one stays."""
    begun = BackupRecord(
        source=source_name,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        completed_at=mark.completed_at if mark else "",
        release=voxloom.__version__,
    )
    write_model(target, MARK, begun)
    return begun


def _check_gone(source: ObjectStore, target: ObjectStore, kept: set[str], yes: bool) -> None:
    """Also asked before anything is copied: a wrong source shows here."""
    gone = sum(1 for _ in _gone(source, target, kept))
    there = sum(1 for _ in _objects(target))
    if 2 * gone > there and not yes:
        raise NotReady(
            f"{gone} of {there} objects in the backup are gone from the store; is it the right one? Nothing "
            "was deleted; to delete them, pass --prune --yes"
        )


def _drop_lifted(source: ObjectStore, target: ObjectStore) -> None:
    for info in list(list_all(target, keys.FORGOTTEN)):
        if not exists(source, info.key):
            target.delete(info.key)


def _prune(source: ObjectStore, target: ObjectStore, kept: set[str]) -> int:
    deleted = 0
    for key in _gone(source, target, kept):
        if not exists(source, key):
            target.delete(key)
            deleted += 1
    return deleted


def _gone(source: ObjectStore, target: ObjectStore, kept: set[str]) -> Iterator[str]:
    """Keys that only the target has. The checkpoints that its copy of a run goes on from stay, though the run
    itself has newer ones by now, and so does an upload whose import was copied as one that waits."""
    for prefix in keys.FOLDERS:
        for unit, entries in units(source, target, prefix):
            only_there = [entry.key for entry in entries if entry.source is None]
            needed = _needed_checkpoints(target, unit, entries) if only_there else set()
            yield from (key for key in only_there if key not in needed and key not in kept)


def _needed_checkpoints(target: ObjectStore, unit: str, entries: list[Entry]) -> set[str]:
    latest = f"{unit}/latest.json"
    is_open = any(entry.key == latest and entry.source and entry.target for entry in entries)
    if not is_open:
        return set()
    document = target.get(latest)
    return all_checkpoints(unit, document) | {latest_checkpoint(unit, document)}


def _objects(store: ObjectStore) -> Iterator[str]:
    return (info.key for prefix in keys.FOLDERS for info in list_all(store, prefix))


def _metered(progress: Progress, source: ObjectStore) -> Callable[[int], None]:
    """Adds up what `Copier` tells, one call at a time."""
    total = sum(info.size for prefix in keys.FOLDERS for info in list_all(source, prefix))
    done = 0

    def add(num_bytes: int) -> None:
        nonlocal done
        done = min(done + num_bytes, total)
        progress(done, total)

    return add
