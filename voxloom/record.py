"""Stored documents: each says its version; an older one is upgraded when it is read, a newer one refused."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from voxloom.errors import BadInput, NewerSchema

R = TypeVar("R", bound="Record")
Document = dict[str, Any]


class Part(BaseModel):
    """A piece of a document, without a version of its own: that of the document speaks for it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Record(Part):
    """Base of every JSON document in the store and of every line of JSONL; fields that it does not know are
    left out. A class whose documents come to mean something else raises its `schema_version` and says in
    `upgrades` how a document of version N becomes one of N + 1 (docs/adr/0013)."""

    upgrades: ClassVar[Mapping[int, Callable[[Document], Document]]] = {}
    schema_version: int = 1


def parse_model(where: str, data: bytes | str, model: type[R]) -> R:
    """The JSON document at `where`, a key or a line of one; BadInput names it when it is not a valid `model`,
    NewerSchema when a newer release wrote it."""
    try:
        document = from_json(data)
    except ValueError as error:
        raise BadInput(f"{where} is not JSON ({error}); restore it from a backup, or delete it") from error
    return to_model(where, document, model)


def to_model(where: str, document: object, model: type[R]) -> R:
    """The same for a document that has been read from JSON."""
    if not isinstance(document, dict):
        raise BadInput(f"{where} is a JSON {type(document).__name__}; expected an object ({model.__name__})")
    try:
        return model.model_validate(_of_today(where, document, model))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}"
            for fault in error.errors()[:5]
        )
        raise BadInput(f"{where} is not a valid {model.__name__}: {faults}") from error


def parse_lines(key: str, lines: Iterable[bytes], model: type[R]) -> Iterator[R]:
    """Each line of a JSONL object as the document that it is."""
    for number, line in enumerate(lines, start=1):
        yield parse_model(f"{key} line {number}", line, model)


def to_line(record: Record) -> bytes:
    """A line of JSONL."""
    return record.model_dump_json().encode() + b"\n"


def to_document(record: Record) -> bytes:
    """JSON that a person can read."""
    return record.model_dump_json(indent=2).encode() + b"\n"


def _of_today(where: str, document: Document, model: type[Record]) -> Document:
    """The document in the version that this release writes; without one it is from before there were any."""
    found, known = document.get("schema_version", 1), model.model_fields["schema_version"].default
    if type(found) is not int or found < 1:
        raise BadInput(f"{where} has schema version {str(found)[:40]!r}; expected a whole number from 1 on")
    if found > known:
        raise NewerSchema(
            f"{where} has schema version {found}, written by a newer voxloom; this release knows "
            f"{model.__name__} up to version {known} and leaves it as it is: upgrade voxloom"
        )
    try:
        for version in range(found, known):
            document = model.upgrades[version](document)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{where} is not a valid {model.__name__} of version {found}: {error!r}") from error
    return {**document, "schema_version": known}
