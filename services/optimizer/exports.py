"""What the trainer hands over: runs/<run>/export/, read whole and checked against its hashes."""

from dataclasses import dataclass

from voxloom import keys, lm, storage
from voxloom.bundle import PROGRAM, STREAMING, Export, hash_bytes
from voxloom.errors import BadInput
from voxloom.features import FEATURE_VERSION
from voxloom.lm import LanguageModel, read_arpa
from voxloom.storage import ObjectStore
from voxloom.text import NORMALIZER_VERSION
from voxloom.tokenizer import Tokenizer, read_tokens_txt

GRAPH, TOKENS, RECORD = "model.onnx", "tokens.txt", "export.json"


@dataclass(frozen=True)
class Exported:
    record: Export
    graph: bytes
    tokens: bytes
    language_model: LanguageModel | None = None
    streaming: bytes = b""  # exports of older releases have neither of the two
    program: bytes = b""

    @property
    def tokenizer(self) -> Tokenizer:
        return read_tokens_txt(self.tokens.decode())


def read_export(store: ObjectStore, run: str) -> Exported:
    """BadInput names the file that is not what export.json says."""
    record = storage.read_model(store, keys.export_file(run, RECORD), Export)
    keys.check_id(record.model, "model")
    _check_versions(record)
    graph, tokens = (_read_file(store, record, name) for name in (GRAPH, TOKENS))
    streaming, program = (
        _read_file(store, record, name) if name in record.files else b"" for name in (STREAMING, PROGRAM)
    )
    return Exported(record, graph, tokens, _language_model(store, record), streaming, program)


def _language_model(store: ObjectStore, record: Export) -> LanguageModel | None:
    if lm.FILE not in record.files:
        return None
    key = keys.export_file(record.run, lm.FILE)
    if record.files[lm.FILE].size > lm.MAX_BYTES or store.stat(key).size > lm.MAX_BYTES:
        raise BadInput(f"{key} is larger than {lm.MAX_BYTES} bytes; export the run again")
    return read_arpa(_read_file(store, record, lm.FILE), key)


def _read_file(store: ObjectStore, record: Export, name: str) -> bytes:
    key = keys.export_file(record.run, name)
    if name not in record.files:
        raise BadInput(f"{keys.export_file(record.run, RECORD)} does not list {name}; export the run again")
    data = store.get(key)
    found, expected = hash_bytes(data), record.files[name]
    if found != expected:
        raise BadInput(
            f"{key} is damaged: found {found.size} bytes with sha256 {found.sha256[:12]}, expected "
            f"{expected.size} with {expected.sha256[:12]}; export the run again"
        )
    return data


def _check_versions(record: Export) -> None:
    """Measuring takes long; what could never be served is refused before."""
    found = (record.feature_version, record.normalizer_version)
    if record.feature_version != FEATURE_VERSION or record.normalizer_version > NORMALIZER_VERSION:
        raise BadInput(
            f"run {record.run} was trained with versions {found} of features and normaliser, this release "
            f"has {(FEATURE_VERSION, NORMALIZER_VERSION)}; train it again"
        )
