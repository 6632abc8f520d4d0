"""The user's texts for language models: checked as a training would read them, stored, listed. No torch."""

import codecs
import tempfile
from datetime import UTC, datetime
from typing import BinaryIO, Self

from pydantic import Field

from services.trainer.runs import newest_dataset
from services.trainer.sentences import MAX_WORDS, NOT_UTF8, TextReader, text_reader
from voxloom import keys
from voxloom.errors import BadInput, Exhausted, NotFound
from voxloom.record import Record
from voxloom.storage import ObjectInfo, ObjectStore, exists, list_all, read_model, write_model
from voxloom.tokenizer import CharTokenizer

MAX_BYTES = 256 << 20  # of one text; more than twice what a training takes words from
_MOST_FOREIGN = 20  # characters that are told
_PART_BYTES = 1 << 20


class TextRecord(Record):
    """texts/<name>.json: what of a text a training would learn, as far as was known when it was added."""

    name: str
    bytes: int
    etag: str = ""  # of the text that it speaks of; empty for one that was never checked
    added_at: str = ""
    sha256: str = ""
    sentences: int = 0
    words: int = 0
    left_out: dict[str, int] = Field(default_factory=dict)  # lines by reason
    foreign: dict[str, int] = Field(default_factory=dict)  # characters outside of the dataset's alphabet
    dataset: str = ""  # whose language, alphabet and held-out sentences; empty if there was none yet


class Incoming:
    """A text on its way in, on local disk and of bounded size."""

    def __init__(self, name: str) -> None:
        self.name = keys.check_id(name, "name of a text")
        self.file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise Exhausted(
                f"text {self.name} has more than {MAX_BYTES >> 20} MiB; a training takes {MAX_WORDS} words, "
                "so choose the lines that are most like what will be said"
            )
        self.file.write(data)


def add(store: ObjectStore, name: str, file: BinaryIO) -> TextRecord:
    """Stores the text; BadInput, and nothing is stored, for what a language model cannot be made of."""
    _check_encoding(name, file)
    reader, dataset = _reader(store)
    reader.room -= sum(each.words for each in list_texts(store) if each.name != name)
    file.seek(0)
    _, found = reader.read(file, keys.text(name))
    if not found.sentences:
        reasons = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items())
        why = reasons or "it is empty"
        raise BadInput(f"text {name} has no line that can be used ({why}); nothing is stored")
    num_bytes = file.tell()
    file.seek(0)
    etag = store.put_stream(keys.text(name), iter(lambda: file.read(_PART_BYTES), b""))
    record = TextRecord(
        name=name,
        bytes=num_bytes,
        etag=etag,
        added_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        sha256=found.sha256,
        sentences=found.sentences,
        words=found.words,
        left_out=found.left_out,
        foreign=dict(reader.foreign.most_common(_MOST_FOREIGN)),
        dataset=dataset,
    )
    write_model(store, keys.text_record(name), record)
    return record


def list_texts(store: ObjectStore) -> list[TextRecord]:
    """By name, also those that other hands laid into the store."""
    return [_record(store, info) for info in list_all(store, keys.TEXTS) if info.key.endswith(".txt")]


def remove(store: ObjectStore, name: str) -> None:
    """The text first: what a training finds is never one that is not listed."""
    if not exists(store, keys.text(name)):
        raise NotFound(f"there is no text {name[:100]!r}; `voxloom texts list` shows those there are")
    store.delete(keys.text(name))
    store.delete(keys.text_record(name))


def _record(store: ObjectStore, info: ObjectInfo) -> TextRecord:
    name = info.key.removeprefix(keys.TEXTS).removesuffix(".txt")
    bare = TextRecord(name=name, bytes=info.size)
    try:
        found = read_model(store, keys.text_record(name), TextRecord)
    except NotFound:
        return bare
    return found if found.etag == info.etag else bare


def _reader(store: ObjectStore) -> tuple[TextReader, str]:
    """As the next training has it, with the dataset's id; without a dataset no letter is foreign."""
    dataset = newest_dataset(store)
    if dataset is None:
        return TextReader("", None, set()), ""
    return text_reader(store, dataset, CharTokenizer.from_alphabet(dataset.alphabet)), dataset.dataset


def _check_encoding(name: str, file: BinaryIO) -> None:
    file.seek(0)
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    try:
        while part := file.read(_PART_BYTES):
            decoder.decode(part)
            line += part.count(b"\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += error.object[: error.start].count(b"\n")
        raise BadInput(
            f"text {name} is {NOT_UTF8} in line {line}; convert it, for example with "
            "iconv -f LATIN1 -t UTF-8. Nothing is stored"
        ) from error
