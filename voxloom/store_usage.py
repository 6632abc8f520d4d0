"""What a store holds, by kind of thing, and which of it can go without loss.

Two kinds of folder can: `runs/<run>/checkpoints/` once the run has ended, and `manifests/<dataset>/shards/`
of a dataset that nobody trains on any more. An ended run has its export, and shards are copies of what lies
under `raw/`. Manifests stay, because the gate measures on them, and so does all the rest.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from voxloom import keys
from voxloom.errors import BadInput
from voxloom.jobs import JobRecord, Jobs, JobState
from voxloom.manifest import DatasetRecord
from voxloom.storage import ObjectStore, exists, list_all, read_model

MIN_AGE_S = 3600.0  # what has ended or was made just now is left for people to look at
CHECKPOINTS, SHARDS, OTHER = "runs/checkpoints", "manifests/shards", "other"
_ENDED = (JobState.DONE, JobState.FAILED)


@dataclass
class Amount:
    objects: int = 0
    bytes: int = 0

    def add(self, num_bytes: int, objects: int = 1) -> None:
        self.objects += objects
        self.bytes += num_bytes


@dataclass(frozen=True)
class Inventory:
    """One look at everything."""

    kinds: dict[str, Amount] = field(default_factory=lambda: defaultdict(Amount))
    folders: dict[str, Amount] = field(default_factory=lambda: defaultdict(Amount))  # checkpoints and shards
    datasets: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Deletable:
    """A folder that can go, and why."""

    prefix: str
    why: str
    amount: Amount


def kind_of(key: str) -> str:
    """The line of the report that an object counts for; `other` is what no service makes."""
    match key.split("/"):
        case ["raw", source, _, _] if source in keys.SOURCES:
            return f"raw/{source}"
        case ["manifests", _, "shards", _]:
            return SHARDS
        case ["runs", _, "checkpoints" | "export" as part, _, *_]:
            return f"runs/{part}"
        case [top, _, *_] if f"{top}/" in keys.FOLDERS:
            return top
        case _:
            return OTHER


def take_inventory(store: ObjectStore) -> Inventory:
    """Lists the whole store once and reads nothing."""
    found = Inventory()
    for info in list_all(store, ""):
        kind = kind_of(info.key)
        found.kinds[kind].add(info.size)
        if kind in (CHECKPOINTS, SHARDS):
            found.folders[info.key.rpartition("/")[0] + "/"].add(info.size)
        if kind == "manifests" and info.key.endswith("/dataset.json"):
            found.datasets.append(info.key)
    return found


class Rules:
    """Says why a folder can go. Jobs are looked at each time, for a run may have begun since."""

    def __init__(self, store: ObjectStore, datasets: Iterable[str], now_s: float) -> None:
        """Raises BadInput when a record that decides cannot be read."""
        self._store, self._jobs, self._now_s = store, Jobs(store), now_s
        records = [read_model(store, key, DatasetRecord) for key in datasets]
        self._datasets = {record.dataset: record for record in records}
        in_use = [record for record in records if not record.experiment]
        self._newest = max(in_use, key=lambda record: record.created_at).dataset if in_use else ""

    def why(self, prefix: str) -> str:
        """The reason, or "" while the folder has to stay."""
        top, name, _ = prefix.split("/", 2)
        return self._why_checkpoints(name) if top == "runs" else self._why_shards(name)

    def _why_checkpoints(self, run: str) -> str:
        job = next((job for job in self._all("train") if job.id == run), None)
        if job is None or job.state not in _ENDED or self._is_fresh(job.updated_at):
            return ""
        if job.state is JobState.DONE and not exists(self._store, keys.export_file(run, "export.json")):
            return ""  # against all rules: then the checkpoints are all there is
        return f"the run is {job.state.value} since {job.updated_at[:10]}"

    def _why_shards(self, dataset: str) -> str:
        if any(job.state not in _ENDED and job.spec.get("dataset") == dataset for job in self._all("train")):
            return ""
        record = self._datasets.get(dataset)
        if record is None:
            return self._why_leftover(dataset)
        if dataset == self._newest or self._is_fresh(record.created_at):
            return ""
        return "a newer dataset is there and no open run needs this one"

    def _why_leftover(self, dataset: str) -> str:
        """Shards without a dataset.json: a build that was cut off, unless one is under way."""
        builds = self._all("dataset")
        if any(job.state not in _ENDED or self._is_fresh(job.updated_at) for job in builds):
            return ""
        if exists(self._store, keys.dataset_record(dataset)):
            return ""
        return "left over from a build that did not end"

    def _all(self, kind: str) -> list[JobRecord]:
        """Every job, or BadInput: one that cannot be read may need anything."""
        found = self._jobs.list(kind)
        if unreadable := self._jobs.unreadable(kind):
            raise BadInput(
                f"{unreadable[0]} cannot be read, so nobody knows what it needs; upgrade voxloom if a newer "
                "release wrote it, else repair or delete it"
            )
        return found

    def _is_fresh(self, timestamp: str) -> bool:
        """Also for a time that cannot be read."""
        try:
            return self._now_s - datetime.fromisoformat(timestamp).timestamp() < MIN_AGE_S
        except ValueError:
            return True


def find_deletable(inventory: Inventory, rules: Rules) -> list[Deletable]:
    found = ((prefix, rules.why(prefix), amount) for prefix, amount in sorted(inventory.folders.items()))
    return [Deletable(prefix, why, amount) for prefix, why, amount in found if why]


def prune(
    store: ObjectStore, rules: Rules, found: Iterable[Deletable], progress: Callable[[int], None]
) -> Amount:
    """Deletes the folders, object by object; one that is needed again by now stays. `progress`: bytes."""
    deleted = Amount()
    for item in found:
        for key, num_bytes in _still_deletable(store, rules, item.prefix):
            store.delete(key)
            deleted.add(num_bytes)
            progress(num_bytes)
    return deleted


def _still_deletable(store: ObjectStore, rules: Rules, prefix: str) -> Iterator[tuple[str, int]]:
    for info in list_all(store, prefix):
        if kind_of(info.key) not in (CHECKPOINTS, SHARDS) or not rules.why(prefix):
            return
        yield info.key, info.size
