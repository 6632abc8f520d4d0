"""A run saved whole, found again bit for bit: safetensors and JSON, so that nothing is ever unpickled."""

import hashlib
import logging
from collections.abc import Callable, Iterator

from pydantic import Field
from safetensors.torch import save as dump_tensors
from torch import Tensor

from services.trainer.counters import Best, Counters
from services.trainer.guard import all_finite
from services.trainer.model import Recogniser
from services.trainer.tensors import check_size, check_state, check_weights, parse, put_tensors, tensors_of
from services.trainer.train import State
from voxloom import keys
from voxloom.errors import BadInput, NotFound, Unavailable
from voxloom.record import Part, Record
from voxloom.storage import ObjectStore, exists, list_all, read_model, write_model

KEEP_BEST = 3
ANCHOR_STEPS = 1000
_LATEST = "latest.json"
_FIRST_BEST = "best.safetensors"  # of the first release, which kept one
_log = logging.getLogger(__name__)


class Kept(Part):
    """A checkpoint and where the run stood."""

    name: str
    counters: Counters
    sha256: str = ""  # empty: written by the first release


class Latest(Record):
    """checkpoints/latest.json, written after the checkpoints that it names; what it does not name may go."""

    name: str
    counters: Counters
    sha256: str = ""
    earlier: list[Kept] = Field(default_factory=list)  # newest first

    @property
    def all(self) -> list[Kept]:
        """Newest first."""
        return [Kept(name=self.name, counters=self.counters, sha256=self.sha256), *self.earlier]


def is_anchor(at: Counters) -> bool:
    """Whether a rollback may go to this point. Counted in steps, not by the clock like other checkpoints: an
    interrupted run goes back to where an undisturbed one does."""
    due = at.step_in_epoch == 0 or at.step % ANCHOR_STEPS == 0
    return due and not at.mishaps.skipped_in_row


class Checkpoints:
    """The checkpoints of one run: the last two, the anchors that they go back to, and the best weights.

    Nothing is removed before what takes its place is durable: a crash or a full disk at any moment leaves the
    run as it was saved before.
    """

    def __init__(self, store: ObjectStore, run: str) -> None:
        self.store, self.run = store, run
        self.damaged: list[str] = []  # what `restore` and `load_best` passed over, and why
        self._latest: Latest | None = None
        self._waiting: dict[str, bytes] = {}  # best weights that go with the next save

    def save(self, state: State) -> None:
        """Best weights, the state, then the record that names them; then what it no longer names goes."""
        if not all_finite(state.model):
            _log.error("step %d is not saved: its weights are not finite", state.at.step)
            return
        self._write_best(state)
        counters = state.at.model_copy(deep=True)
        name = _name("step", counters)
        if is_anchor(counters):
            counters.mishaps.anchor = name
        data = dump_tensors(tensors_of(state))
        self._write(name, data)
        kept = Kept(name=name, counters=counters, sha256=hashlib.sha256(data).hexdigest())
        latest = Latest(**dict(kept), earlier=self._still_needed(kept))
        write_model(self.store, self._key(_LATEST), latest)
        self._latest, state.at.mishaps.anchor = latest, counters.mishaps.anchor
        self._remove_old(latest)

    def restore(self, state: State) -> bool:
        """Fills the state from the newest checkpoint that is sound; false when there is none yet, BadInput
        when all are damaged."""
        self._latest = self._read_latest()
        if self._latest is None:
            return False
        self._restore_first(state, self._latest.all)
        return True

    def restore_anchor(self, state: State, begin: Callable[[], State]) -> None:
        """Fills the state from the anchor that it names; from a fresh one if it names none."""
        kept = {each.name: each for each in (self._latest.all if self._latest else [])}
        if anchor := state.at.mishaps.anchor:
            older = [each for each in kept.values() if each.name != anchor and is_anchor(each.counters)]
            self._restore_first(state, [*([kept[anchor]] if anchor in kept else []), *older])
        else:
            fresh = begin()
            put_tensors(state, tensors_of(fresh))
            state.at = fresh.at

    def save_best(self, state: State, wer: float, cer: float) -> None:
        """Keeps the averaged weights, if they are among the best, until the next save writes them."""
        best = Best(name=_name("best", state.at), wer=wer, cer=cer, epoch=state.at.epoch)
        state.at.best = sorted([*state.at.best, best], key=lambda each: each.rank)[:KEEP_BEST]
        if best in state.at.best:
            self._waiting[best.name] = dump_tensors(weights_of(state.average))

    def best_weights(self, state: State) -> Iterator[tuple[Best, dict[str, Tensor]]]:
        """Of the best epochs, the best one first; damaged ones are left out, and `damaged` says which.
        BadInput when none is left."""
        found = False
        for best in state.at.best:
            try:
                tensors = self._read(best.name, state.average)
                check_weights(tensors, state.average, self._key(best.name))
            except (BadInput, NotFound) as error:
                self._note(error)
                continue
            found = True
            yield best, tensors
        if not found:
            why = "; ".join(self.damaged) or "none was kept"
            raise BadInput(
                f"run {self.run} has no best weights that can be read: {why}; remove {self._key(_LATEST)} to "
                "train it again"
            )

    def load_best(self, state: State) -> Best:
        """Fills the average with the weights of the best epoch; BadInput when there are none."""
        best, tensors = next(self.best_weights(state))
        state.average.load_state_dict(tensors)
        return best

    def _restore_first(self, state: State, candidates: list[Kept]) -> None:
        for each in candidates:
            try:
                tensors = self._read(each.name, state.model, each.sha256)
                check_state(tensors, state, self._key(each.name))
            except (BadInput, NotFound) as error:
                self._note(error)
                continue
            put_tensors(state, tensors)
            state.at = each.counters.model_copy(deep=True)
            self._adopt_first_best(state)
            return
        raise BadInput(
            f"run {self.run} has no checkpoint that it can go on from: {'; '.join(self.damaged)}; remove "
            f"{self._key(_LATEST)} to begin it anew"
        )

    def _adopt_first_best(self, state: State) -> None:
        at = state.at
        if not at.best and at.best_epoch >= 0 and exists(self.store, self._key(_FIRST_BEST)):
            at.best = [Best(name=_FIRST_BEST, wer=at.best_wer, cer=at.best_cer, epoch=at.best_epoch)]

    def _read_latest(self) -> Latest | None:
        try:
            return read_model(self.store, self._key(_LATEST), Latest)
        except NotFound:
            return None

    def _read(self, name: str, model: Recogniser, sha256: str = "") -> dict[str, Tensor]:
        key = self._key(name)
        check_size(self.store.stat(key), model)
        data = self.store.get(key)
        if sha256 and hashlib.sha256(data).hexdigest() != sha256:
            raise BadInput(f"checkpoint {key} is damaged (its content is not what was written)")
        return parse(data, key)

    def _write(self, name: str, data: bytes) -> None:
        self.store.put(self._key(name), data)
        if (found := self.store.stat(self._key(name)).size) != len(data):
            raise Unavailable(f"{self._key(name)} has {found} bytes after {len(data)} were written to it")

    def _write_best(self, state: State) -> None:
        """Until they are written they wait: an outage loses none."""
        wanted = {best.name for best in state.at.best}
        for name in list(self._waiting):
            if name in wanted:
                self._write(name, self._waiting[name])
            del self._waiting[name]

    def _still_needed(self, newest: Kept) -> list[Kept]:
        """The checkpoint before, and the anchors of both."""
        known = [each for each in (self._latest.all if self._latest else []) if each.name != newest.name]
        anchors = {each.counters.mishaps.anchor for each in (newest, *known[:1])}
        return [each for index, each in enumerate(known) if index == 0 or each.name in anchors]

    def _remove_old(self, latest: Latest) -> None:
        """An outage now is none of a save that is done: they go the next time."""
        named = {each.name for each in latest.all}
        named |= {best.name for each in latest.all for best in each.counters.best}
        try:
            for prefix in ("best", "step-"):
                for info in list(list_all(self.store, self._key(prefix))):
                    if info.key.rpartition("/")[2] not in named:
                        self.store.delete(info.key)
        except Unavailable as error:
            _log.warning("older checkpoints of run %s stay for now: %s", self.run, error)

    def _note(self, error: Exception) -> None:
        _log.error("passed over: %s", error)
        self.damaged.append(str(error))

    def _key(self, name: str) -> str:
        return keys.checkpoint(self.run, name)


def weights_of(model: Recogniser) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}


def _name(kind: str, at: Counters) -> str:
    """After a rollback the same step has other weights, and so another name."""
    again = f"-r{at.mishaps.rollbacks}" if at.mishaps.rollbacks else ""
    return f"{kind}-{at.step:09d}{again}.safetensors"
