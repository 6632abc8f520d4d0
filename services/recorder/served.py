"""What is known of a model from the store: its languages, and what it made of val and test.

Read again only when its report changed, as when somebody is forgotten."""

import io
import logging
import threading
from dataclasses import dataclass
from functools import cached_property

from services.recorder.misheard import Misheard, Scored, Usual, count_misheard, usual_by_voice
from services.recorder.sounds import Sounds
from voxloom import keys
from voxloom.bundle import Bundle, read_pointer
from voxloom.errors import BadInput, NotFound
from voxloom.record import parse_lines
from voxloom.run_report import GREEDY, WITH_LM, HeardUtterance
from voxloom.storage import ObjectStore, read_model
from voxloom.text import primary

_MAX_MODELS = 4  # in memory
_MAX_LINES = 10_000
_MAX_BYTES = 64 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Model:
    name: str
    languages: frozenset[str]  # primary ones
    lines: list[Scored]
    etag: str = ""  # of its report

    def knows(self, language: str) -> bool:
        return primary(language) in self.languages

    def usual(self, speaker: str) -> Usual | None:
        """How it errs on this speaker; where it never heard them, how it errs on new voices."""
        return self._usual.get(speaker) or self._usual.get("")

    @cached_property
    def _usual(self) -> dict[str, Usual]:
        return usual_by_voice(self.lines)


class Models:
    """Can be called from many threads."""

    def __init__(self, store: ObjectStore, sounds: Sounds) -> None:
        self._store = store
        self._sounds = sounds
        self._lock = threading.Lock()
        self._counting = threading.Lock()  # apart: takes do not wait for it
        self._bundles: dict[str, Bundle] = {}
        self._known: dict[str, Model] = {}
        self._misheard: dict[tuple[str, str], Misheard] = {}

    def in_production(self) -> Model | None:
        """None before the first promotion."""
        pointer, _ = read_pointer(self._store)
        return self.get(pointer.model) if pointer else None

    def get(self, name: str) -> Model | None:
        """None when the store has no such model. Without a report, as of models of other places, its lines
        are empty."""
        with self._lock:
            try:
                bundle = self._bundle(keys.check_id(name, "model"))
            except (NotFound, BadInput) as error:
                _log.info("nothing is known of model %s: %s", name, error)
                return None
            etag = self._etag(keys.run_utterances(bundle.run))
            known = self._known.pop(name, None)
            self._known[name] = known if known and known.etag == etag else self._read(bundle, etag)
            while len(self._known) > _MAX_MODELS:
                self._known.pop(next(iter(self._known)))
            return self._known[name]

    def misheard(self, language: str) -> tuple[str, Misheard | None]:
        """What the model in production mishears in a language, under a name that changes with it; ("", None)
        where it tells nothing."""
        model = self.in_production()
        if model is None or not model.lines or not model.knows(language):
            return "", None
        key = (f"{model.name}@{model.etag}", primary(language))
        with self._counting:
            if key not in self._misheard:
                spoken = self._sounds.of([line.reference for line in model.lines], language)
                self._misheard[key] = count_misheard(model.lines, spoken)
                while len(self._misheard) > _MAX_MODELS:
                    self._misheard.pop(next(iter(self._misheard)))
            return key[0], self._misheard[key]

    def _bundle(self, name: str) -> Bundle:
        """Never written again, so read once."""
        if name not in self._bundles:
            if len(self._bundles) >= _MAX_MODELS:
                self._bundles.clear()
            self._bundles[name] = read_model(self._store, keys.model_file(name, "bundle.json"), Bundle)
        return self._bundles[name]

    def _etag(self, key: str) -> str:
        try:
            return self._store.stat(key).etag
        except NotFound:
            return ""

    def _read(self, bundle: Bundle, etag: str) -> Model:
        try:
            lines = self._report(bundle.run)
        except (NotFound, BadInput) as error:
            _log.info("model %s has no report: %s", bundle.model, error)
            lines = []
        return Model(bundle.model, frozenset(map(primary, bundle.languages)), lines, etag)

    def _report(self, run: str) -> list[Scored]:
        """By the decoder that is served where it was measured, else by the greedy one."""
        key = keys.run_utterances(run)
        if (size := self._store.stat(key).size) > _MAX_BYTES:
            raise BadInput(f"{key} has {size} bytes; at most {_MAX_BYTES} are read")
        found = []
        for line in parse_lines(key, io.BytesIO(self._store.get(key)), HeardUtterance):
            heard = line.heard.get(WITH_LM) or line.heard[GREEDY]
            edits = heard.words.edits, heard.characters.edits
            is_test = line.split == "test"
            found.append(Scored(line.reference, heard.text, *edits, is_test, line.source, line.speaker))
            if len(found) == _MAX_LINES:
                break
        return found
