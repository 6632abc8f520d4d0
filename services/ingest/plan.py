"""An import cut into chunks: what lies where in the archive, so that any worker can take any chunk."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from types import MappingProxyType

from pydantic import Field

from services.ingest.corpus import Found
from voxloom import keys
from voxloom.corpora.entry import Entry
from voxloom.corpora.refusal import Reason, Refusal
from voxloom.record import Record, parse_lines, to_line
from voxloom.storage import ObjectStore, write_model

_SHARE = 32  # chunks of an import, so that many workers end at the same time ...
MIN_CLIPS, MAX_CLIPS = (
    50,
    500,
)  # ... but no chunk takes less than its bookkeeping, or costs much when its worker dies
MAX_BYTES = 64 * 2**20


class Plan(Record):
    """imports/<job>/plan.json: written last, so a plan that can be read is whole."""

    chunks: int
    items: int  # clips and refusals
    not_selected_by_reason: dict[str, int] = Field(default_factory=dict)


class Item(Record):
    """A line of a chunk: a clip, or with a `reason` a refusal that was found while listing."""

    path: str
    text: str = ""
    speaker: str = ""
    split: str = ""
    language: str = ""
    details: dict[str, str] = Field(default_factory=dict)
    offset: int = 0  # in the plain tar
    size: int = 0  # bytes
    reason: str = ""
    detail: str = ""


def write_plan(
    store: ObjectStore,
    job: str,
    found: Iterable[Found | Refusal],
    expected: int,
    not_selected: Mapping[str, int] = MappingProxyType({}),
) -> Plan:
    """Lists the chunks, then says how many. `expected`: about how many items will be found. Doing it
    again writes the same."""
    chunks = items = 0
    for chunk in _cut(map(_item, found), max(MIN_CLIPS, min(expected // _SHARE, MAX_CLIPS))):
        store.put(keys.import_chunk(job, chunks), b"".join(map(to_line, chunk)))
        chunks, items = chunks + 1, items + len(chunk)
    plan = Plan(chunks=chunks, items=items, not_selected_by_reason=dict(not_selected))
    write_model(store, keys.import_plan(job), plan)
    return plan


def read_chunk(store: ObjectStore, job: str, index: int) -> list[Found | Refusal]:
    """The items of one chunk, in the order of the archive."""
    key = keys.import_chunk(job, index)
    with store.open(key) as file:
        return [_found(item) for item in parse_lines(key, file, Item)]


def _cut(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    num_bytes = 0
    for item in items:
        if chunk and (len(chunk) >= most or num_bytes + item.size > MAX_BYTES):
            yield chunk
            chunk, num_bytes = [], 0
        chunk.append(item)
        num_bytes += item.size
    if chunk:
        yield chunk


def _item(found: Found | Refusal) -> Item:
    if isinstance(found, Refusal):
        return Item(**vars(found))
    if not _is_text(found.entry):
        return _item(Refusal.of(found.entry.path, Reason.BAD_TEXT, "half a surrogate pair"))
    return Item(**asdict(found.entry), offset=found.offset, size=found.size)


def _found(item: Item) -> Found | Refusal:
    if item.reason:
        return Refusal(item.path, item.reason, item.detail)
    fields = {name: getattr(item, name) for name in Entry.__dataclass_fields__}
    return Found(Entry(**fields), item.offset, item.size)


def _is_text(entry: Entry) -> bool:
    """JSON escapes can spell what UTF-8 cannot."""
    try:
        f"{entry.path}{entry.text}{entry.speaker}{entry.split}{entry.language}".encode()
    except UnicodeEncodeError:
        return False
    return True
