"""Objects of the store rewritten in part: lines of JSONL, items of JSON documents; all else stays."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from voxloom.errors import BadInput, Conflict, NotFound
from voxloom.storage import ObjectStore

Line = dict[str, Any]


def read_document(store: ObjectStore, key: str) -> dict[str, Any]:
    """A JSON object of whatever schema."""
    return _object(key, store.get(key))


def rewrite_document(store: ObjectStore, key: str, drops: Callable[[Any], bool]) -> None:
    """Takes items out of its lists, wherever these are; NotFound is no fault. What another writes
    meanwhile is rewritten, not replaced."""
    while True:
        try:
            data, etag = store.get_with_etag(key)
        except NotFound:
            return
        document = _object(key, data)
        scrubbed = without(document, drops)
        if scrubbed == document:
            return
        with suppress(Conflict):
            store.put(key, json.dumps(scrubbed, indent=2, ensure_ascii=False).encode() + b"\n", if_match=etag)
            return


def without(value: Any, drops: Callable[[Any], bool]) -> Any:
    if isinstance(value, dict):
        return {name: without(each, drops) for name, each in value.items()}
    if isinstance(value, list):
        return [without(each, drops) for each in value if not drops(each)]
    return value


def rewrite_lines(store: ObjectStore, key: str, change: Callable[[Line], Line | None]) -> None:
    """None leaves a line out; one that is not changed stays byte for byte. NotFound is no fault."""
    try:
        if any(_changed(key, line, change) != line for line in _lines(store, key)):
            store.put_stream(key, (_changed(key, line, change) for line in _lines(store, key)))
    except NotFound:
        return


def drop_lines(store: ObjectStore, key: str, drops: Callable[[Line], bool]) -> None:
    rewrite_lines(store, key, lambda line: None if drops(line) else line)


def _changed(key: str, line: bytes, change: Callable[[Line], Line | None]) -> bytes:
    old = _object(f"a line of {key}", line)
    new = change(old)
    if new is None:
        return b""
    return line if new == old else json.dumps(new, ensure_ascii=False).encode() + b"\n"


def read_lines(store: ObjectStore, key: str) -> Iterator[Line]:
    return (_object(f"a line of {key}", line) for line in _lines(store, key))


def _lines(store: ObjectStore, key: str) -> Iterator[bytes]:
    with store.open(key) as file:
        yield from file


def _object(where: str, data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise BadInput(f"{where} is not JSON ({error}); restore it from a backup, or delete it") from error
    if not isinstance(found, dict):
        raise BadInput(f"{where} is no JSON object; restore it from a backup, or delete it")
    return found
