"""Lists of sentences to be read aloud: the built-in one, and those in the store."""

import threading
from functools import cache

from pydantic import Field

from voxloom import keys
from voxloom.errors import BadInput, NotFound
from voxloom.record import Part, Record
from voxloom.storage import ObjectStore, find_model, list_all, parse_model, usable, write_model
from voxloom.synthesis.sentences import prompts as sentences_of_voxloom

BUILT_IN = "english"
MAX_PROMPTS = 20_000
_HARVARD, _ARCTIC_A = 720, 593  # how the built-in sentences are numbered where they come from
_MAX_LISTS = 8  # in memory
_ORIGIN = "Harvard sentences (IEEE 1969) and prompts of CMU ARCTIC (2003), both in the public domain"


class Prompt(Part):
    id: str  # a key segment, unique in its list
    text: str


class PromptList(Record):
    """prompts/<name>.json. Never changed, only replaced as a whole or removed."""

    name: str
    language: str  # BCP 47
    origin: str = ""  # in words
    created_at: str = ""  # ISO 8601, UTC; empty if built in
    prompts: list[Prompt] = Field(max_length=MAX_PROMPTS)

    @property
    def built_in(self) -> bool:
        return self.name == BUILT_IN


class PromptLists:
    """Those that were used last are kept in memory, by etag. Can be called from many threads."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read: dict[str, tuple[str, PromptList]] = {}

    def all(self) -> list[PromptList]:
        """By name, the built-in one first."""
        names = [
            info.key.removeprefix(keys.PROMPTS).removesuffix(".json")
            for info in list_all(self._store, keys.PROMPTS)
            if info.key.endswith(".json")
        ]
        return [built_in(), *usable(self.get, names)]

    def get(self, name: str) -> PromptList:
        """NotFound when there is no such list."""
        if name == BUILT_IN:
            return built_in()
        key = keys.prompt_list(keys.check_id(name, "name of a prompt list"))
        try:
            etag = self._store.stat(key).etag
            with self._lock:
                known_etag, known = self._read.get(name, ("", None))
            if known is not None and known_etag == etag:
                return known
            data, etag = self._store.get_with_etag(key)
        except NotFound:
            raise NotFound(
                f"there is no prompt list {name}; `voxloom prompts list` shows those there are"
            ) from None
        found = parse_model(key, data, PromptList)
        self._keep(name, etag, found)
        return found

    def put(self, prompts: PromptList) -> PromptList | None:
        """Stores a list in place of one of its name, which is returned."""
        _refuse_built_in(prompts.name, "is the name of the built-in list; choose another: --name")
        key = keys.prompt_list(prompts.name)
        replaced, _ = find_model(self._store, key, PromptList)
        write_model(self._store, key, prompts)
        return replaced

    def remove(self, name: str) -> None:
        """NotFound when there is none. Recordings, and what speakers skipped, stay."""
        _refuse_built_in(name, "comes with voxloom and cannot be removed")
        self.get(name)
        self._store.delete(keys.prompt_list(name))

    def _keep(self, name: str, etag: str, found: PromptList) -> None:
        with self._lock:
            self._read.pop(name, None)
            self._read[name] = (etag, found)
            while len(self._read) > _MAX_LISTS:
                self._read.pop(next(iter(self._read)))


@cache
def built_in() -> PromptList:
    """The English sentences that also synthetic voices say, with the numbers of their sources."""
    texts = [text for _, text in sentences_of_voxloom("en")]
    prompts = [Prompt(id=_number(index), text=text) for index, text in enumerate(texts)]
    return PromptList(name=BUILT_IN, language="en", origin=_ORIGIN, prompts=prompts)


def _number(index: int) -> str:
    """harvard_001 to harvard_720, arctic_a0001 to a0593, arctic_b0001 to b0539."""
    if index < _HARVARD:
        return f"harvard_{index + 1:03d}"
    number = index - _HARVARD
    return f"arctic_a{number + 1:04d}" if number < _ARCTIC_A else f"arctic_b{number - _ARCTIC_A + 1:04d}"


def _refuse_built_in(name: str, why: str) -> None:
    if name == BUILT_IN:
        raise BadInput(f"{BUILT_IN} {why}")
