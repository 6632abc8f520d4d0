"""The model bundle: the trainer's export, the optimizer's measured bundle, the production pointer."""

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

from pydantic import Field

from voxloom import keys, lm
from voxloom.errors import BadInput, NotFound
from voxloom.lm import Decoding, LanguageModel, read_arpa
from voxloom.record import Document, Part, Record
from voxloom.storage import ObjectStore, parse_model, write_model
from voxloom.text import NORMALIZER_VERSION
from voxloom.tokenizer import Tokenizer, read_tokens_txt

TOKENS = "tokens.txt"
STREAMING = "streaming.onnx"
PROGRAM = "model.pt2"  # torch.export's, for those who have PyTorch; nothing here reads it
MAX_FILE_BYTES = 2 << 30  # protobuf's own limit of a graph
_MAX_RECORD_BYTES = 1 << 20
_MAX_TOKENS_BYTES = 4 << 20
_BLOCK_BYTES = 1 << 20


class FileHash(Part):
    sha256: str
    size: int  # bytes


class Export(Record):
    """runs/<run>/export/export.json, written last by the trainer; the optimizer reads it."""

    run: str
    model: str  # the id the bundle will have
    dataset: str
    files: dict[str, FileHash]  # model.onnx, tokens.txt; perhaps streaming.onnx, model.pt2, lm/lm.arpa
    languages: list[str]
    normalizer_version: int
    feature_version: int
    subsampling: int  # input frames per output frame
    parameters: int
    recipe: str
    val_wer: float  # greedy
    val_wer_lm: float | None = None  # of the beam search with the language model, whose weights saw the same
    decoding: Decoding = Decoding()
    created_at: str
    trace: str = ""


class GateVerdict(Part):
    """What was decided of a bundle, for those who have nothing else; decision.json has all figures."""

    outcome: str  # promoted, held or rejected
    reasons: list[str]  # words and figures
    production: str = ""  # the model it was held against
    served_reason: str = ""  # why of all graphs this one is served


class Streaming(Part):
    """How live speech is heard: with the same weights, a chunk at a time."""

    file: str  # streaming.onnx or streaming.int8.onnx
    chunk_ms: int
    wer: float  # on the frozen test set, greedy
    wer_whole: float  # of the graph that hears recordings whole, greedy too


class Bundle(Record):
    """models/<model>/bundle.json, written after the files it names; all hashes in it are checked on load.

    Version 2 says how the graph's output is decoded. Those of version 1 are all greedy.
    """

    upgrades: ClassVar[Mapping[int, Callable[[Document], Document]]] = {1: lambda document: document}
    schema_version: int = 2
    model: str
    run: str
    dataset: str
    created_at: str
    files: dict[str, FileHash]
    served_file: str  # the graph that was measured and is served
    languages: list[str]
    normalizer_version: int
    feature_version: int
    subsampling: int
    parameters: int
    recipe: str
    decoding: Decoding = Decoding()
    verdict: GateVerdict | None = None
    streaming: Streaming | None = None  # without it live speech is heard by the served graph, over and over
    trace: str = ""


class PointerEntry(Part):
    model: str
    at: str  # ISO 8601, UTC
    why: str


class Pin(Part):
    """The model in production stays until a person unpins it."""

    at: str  # ISO 8601, UTC
    why: str = ""


class ProductionPointer(Record):
    """models/production.json, moved by compare-and-swap only. `history` ends with the model in production.

    While `pin` is set it does not move.
    """

    model: str
    history: list[PointerEntry] = Field(default_factory=list)
    pin: Pin | None = None


@dataclass(frozen=True)
class LoadedBundle:
    """All of it was checked against bundle.json and against each other."""

    record: Bundle
    served_graph: bytes
    tokenizer: Tokenizer
    language_model: LanguageModel | None = None
    streaming_graph: bytes | None = None


def hash_bytes(data: bytes) -> FileHash:
    return _hash_stream(io.BytesIO(data))


def hash_file(path: Path) -> FileHash:
    with path.open("rb") as file:
        return _hash_stream(file)


def write_file(store: ObjectStore, model: str, name: str, data: bytes) -> FileHash:
    """Writes models/<model>/<name> and returns what bundle.json has to say of it."""
    store.put(keys.model_file(model, check_file_name(name)), data)
    return hash_bytes(data)


def check_file_name(name: str, where: str = "a bundle") -> str:
    """Returns the name of a file of an export or a bundle: one safe key segment, or one below lm/."""
    keys.check_id(name.removeprefix("lm/"), f"file name in {where}")
    return name


def write_bundle(store: ObjectStore, record: Bundle) -> None:
    """Writes models/<model>/bundle.json: the last step, after every file that it names."""
    write_model(store, keys.model_file(record.model, "bundle.json"), record)


def load_bundle(store: ObjectStore, model: str) -> LoadedBundle:
    """The served graph and its tokens. Every file that bundle.json lists must be there with the size and hash
    it says, tokens and graph must fit each other, and all must be of versions that this release knows;
    BadInput names the file, what was expected and what was found. NotFound if there is no such model."""
    from voxloom.engine import vocabulary_of  # here: the records are also read where nothing is computed
    from voxloom.features import FEATURE_VERSION

    key = keys.model_file(keys.check_id(model, "model"), "bundle.json")
    record = _read_record(store, key)
    _check_record(record, model, key)
    _check_versions(record, key, FEATURE_VERSION)
    streaming = record.streaming.file if record.streaming else ""
    for name in sorted(record.files.keys() - {record.served_file, TOKENS, lm.FILE, streaming}):
        _check_stored(store, record, name)
    graph = _read_file(store, record, record.served_file, MAX_FILE_BYTES)
    tokens = _read_file(store, record, TOKENS, _MAX_TOKENS_BYTES)
    tokenizer = _matching_tokenizer(vocabulary_of(graph), tokens, record)
    live = _read_file(store, record, streaming, MAX_FILE_BYTES) if streaming else None
    return LoadedBundle(record, graph, tokenizer, _language_model(store, record), live)


def read_pointer(store: ObjectStore) -> tuple[ProductionPointer | None, str]:
    """The production pointer and its etag for compare-and-swap; (None, "") before the first promotion."""
    try:
        data, etag = store.get_with_etag(keys.PRODUCTION)
    except NotFound:
        return None, ""
    return parse_model(keys.PRODUCTION, data, ProductionPointer), etag


def _language_model(store: ObjectStore, record: Bundle) -> LanguageModel | None:
    if lm.FILE not in record.files:
        return None
    where = keys.model_file(record.model, lm.FILE)
    return read_arpa(_read_file(store, record, lm.FILE, lm.MAX_BYTES), where)


def _read_record(store: ObjectStore, key: str) -> Bundle:
    size = store.stat(key).size
    if size > _MAX_RECORD_BYTES:
        raise BadInput(f"{key} has {size} bytes; expected at most {_MAX_RECORD_BYTES}")
    return parse_model(key, store.get(key), Bundle)


def _check_record(record: Bundle, model: str, key: str) -> None:
    for name in record.files:
        check_file_name(name, key)
    if record.model != model:
        raise BadInput(f"{key} is of model {record.model[:100]!r}; expected {model}")
    language_model = [lm.FILE] if record.decoding.decoder == "beam" else []
    streaming = [record.streaming.file] if record.streaming else []
    for name in (record.served_file, TOKENS, *language_model, *streaming):
        if name not in record.files:
            raise BadInput(f"{key} lists no {name[:100]!r}; found {', '.join(sorted(record.files))}")


def _check_versions(record: Bundle, key: str, feature_version: int) -> None:
    if record.feature_version != feature_version:
        raise BadInput(
            f"{key} was trained on features of version {record.feature_version}; this release has "
            f"{feature_version}: train anew, or serve with the release that trained it"
        )
    if record.normalizer_version > NORMALIZER_VERSION:
        raise BadInput(
            f"{key} was trained on texts of normaliser {record.normalizer_version}; "
            f"this release has {NORMALIZER_VERSION}: upgrade it"
        )


def _read_file(store: ObjectStore, record: Bundle, name: str, limit: int) -> bytes:
    _check_size(store, record, name, limit)
    data = store.get(keys.model_file(record.model, name))
    _check_hash(record, name, hash_bytes(data))
    return data


def _check_stored(store: ObjectStore, record: Bundle, name: str) -> None:
    """As `_read_file`, in bounded memory: the file is not served, but it is part of what was measured."""
    _check_size(store, record, name, MAX_FILE_BYTES)
    with store.open(keys.model_file(record.model, name)) as file:
        _check_hash(record, name, _hash_stream(file))


def _check_size(store: ObjectStore, record: Bundle, name: str, limit: int) -> None:
    """Before the download, so that a wrong file costs nothing."""
    key, expected = keys.model_file(record.model, name), record.files[name].size
    try:
        found = store.stat(key).size
    except NotFound as error:
        raise BadInput(f"{key} is missing; bundle.json lists it with {expected} bytes") from error
    if found != expected or found > limit:
        raise BadInput(f"{key} has {found} bytes; expected {expected} as in bundle.json, and at most {limit}")


def _check_hash(record: Bundle, name: str, found: FileHash) -> None:
    expected = record.files[name]
    if (found.sha256, found.size) != (expected.sha256, expected.size):
        raise BadInput(
            f"{keys.model_file(record.model, name)} has sha256 {found.sha256}; expected {expected.sha256}: "
            "the file was changed after it was measured; restore it, or roll back"
        )


def _matching_tokenizer(vocabulary: int, tokens: bytes, record: Bundle) -> Tokenizer:
    try:
        tokenizer = read_tokens_txt(tokens.decode())
    except UnicodeDecodeError as error:
        raise BadInput(f"{keys.model_file(record.model, TOKENS)} is not UTF-8") from error
    if vocabulary != len(tokenizer):
        raise BadInput(
            f"{record.served_file} of model {record.model} has {vocabulary} outputs; "
            f"expected {len(tokenizer)}, one for each line of {TOKENS}"
        )
    return tokenizer


def _hash_stream(stream: BinaryIO) -> FileHash:
    digest, size = hashlib.sha256(), 0
    while block := stream.read(_BLOCK_BYTES):
        digest.update(block)
        size += len(block)
    return FileHash(sha256=digest.hexdigest(), size=size)
