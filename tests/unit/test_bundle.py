import json
from pathlib import Path

import pytest
from ctc_graph import ctc_graph

from voxloom import keys
from voxloom.bundle import (
    Bundle,
    PointerEntry,
    ProductionPointer,
    hash_bytes,
    hash_file,
    load_bundle,
    read_pointer,
    write_bundle,
    write_file,
)
from voxloom.errors import BadInput, Conflict, NotFound
from voxloom.storage import FolderStore, ObjectStore, write_model
from voxloom.tokenizer import CharTokenizer

MODEL = "m-1"
TOKENIZER = CharTokenizer.from_alphabet(" ab")
FILES = {
    "model.onnx": ctc_graph(4, seed=1),
    "model.int8.onnx": ctc_graph(4),
    "tokens.txt": TOKENIZER.to_tokens_txt().encode(),
}


def put_bundle(
    store: ObjectStore, written: dict[str, bytes] = FILES, changes: dict[str, object] | None = None
) -> Bundle:
    record = Bundle(
        model=MODEL,
        run="r-1",
        dataset="d-1",
        created_at="2026-11-23T00:00:00Z",
        files={name: write_file(store, MODEL, name, data) for name, data in written.items()},
        served_file="model.int8.onnx",
        languages=["en"],
        normalizer_version=1,
        feature_version=1,
        subsampling=4,
        parameters=400,
        recipe="tiny",
    ).model_copy(update=changes)
    store.put(keys.model_file(MODEL, "bundle.json"), record.model_dump_json().encode())
    return record


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return FolderStore(tmp_path / "store")


def test_what_was_written_is_loaded(store: ObjectStore) -> None:
    record = put_bundle(store)
    write_bundle(store, record)
    loaded = load_bundle(store, MODEL)
    assert loaded.record == record
    assert loaded.served_graph == FILES["model.int8.onnx"]
    assert loaded.tokenizer.symbols == TOKENIZER.symbols


def test_there_is_no_such_model(store: ObjectStore) -> None:
    with pytest.raises(NotFound):
        load_bundle(store, "m-none")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(store: ObjectStore, name: str) -> None:
    put_bundle(store)
    store.delete(keys.model_file(MODEL, name))
    with pytest.raises(BadInput, match=f"{name} is missing"):
        load_bundle(store, MODEL)


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_is_refused(store: ObjectStore, name: str) -> None:
    put_bundle(store)
    data = bytearray(FILES[name])
    data[len(data) // 2] ^= 1
    store.put(keys.model_file(MODEL, name), bytes(data))
    with pytest.raises(BadInput, match=rf"{name} has sha256 {hash_bytes(bytes(data)).sha256}; expected"):
        load_bundle(store, MODEL)


@pytest.mark.parametrize("change", [b"\0", b"x" * 1000])
def test_another_size_is_refused_before_the_download(store: ObjectStore, change: bytes) -> None:
    put_bundle(store)
    grown = FILES["model.int8.onnx"] + change
    store.put(keys.model_file(MODEL, "model.int8.onnx"), grown)
    with pytest.raises(BadInput, match=f"{len(grown)} bytes; expected {len(grown) - len(change)}"):
        load_bundle(store, MODEL)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": 3}, "schema version 3, .* knows Bundle up to version 2 .* upgrade"),
        ({"feature_version": 2}, "features of version 2"),
        ({"normalizer_version": 9}, "normaliser 9"),
        ({"model": "m-2"}, "is of model 'm-2'; expected m-1"),
        ({"served_file": "model.fp16.onnx"}, "lists no 'model.fp16.onnx'"),
        ({"served_file": "../m-2/model.onnx"}, "lists no"),
        ({"files": {"model.int8.onnx": hash_bytes(FILES["model.int8.onnx"])}}, "lists no 'tokens.txt'"),
        ({"files": {"../../raw/x": hash_bytes(b"")}}, "not allowed"),
        ({"files": {"a/b": hash_bytes(b"")}}, "not allowed"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(
    store: ObjectStore, changes: dict[str, object], said: str
) -> None:
    put_bundle(store, changes=changes)
    with pytest.raises(BadInput, match=said):
        load_bundle(store, MODEL)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"not json", "is not JSON"),
        (b"[1]", "is a JSON list; expected an object"),
        (b"[" * 100_000, "is not JSON"),
        (b"{}", "not a valid Bundle"),
        (b" " * 2_000_000, "2000000 bytes"),
    ],
)
def test_a_record_that_is_none_is_refused(store: ObjectStore, document: bytes, said: str) -> None:
    store.put(keys.model_file(MODEL, "bundle.json"), document)
    with pytest.raises(BadInput, match=said):
        load_bundle(store, MODEL)


def test_a_field_of_the_future_is_read_past(store: ObjectStore) -> None:
    record = put_bundle(store)
    document = json.loads(record.model_dump_json()) | {"colour": "blue"}
    store.put(keys.model_file(MODEL, "bundle.json"), json.dumps(document).encode())
    assert load_bundle(store, MODEL).record == record


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"tokens.txt": CharTokenizer.from_alphabet("abcd").to_tokens_txt().encode()},
            "4 outputs; expected 5",
        ),
        ({"tokens.txt": b"a 0\n"}, "first token"),
        ({"tokens.txt": b"\xff 0\n"}, "not UTF-8"),
        ({"model.int8.onnx": ctc_graph(4, static=False)}, "vocabulary"),
        ({"model.int8.onnx": ctc_graph(4, output="y")}, "outputs"),
        ({"model.int8.onnx": b"junk"}, "cannot be loaded"),
    ],
)
def test_tokens_and_graph_must_fit_each_other(store: ObjectStore, files: dict[str, bytes], said: str) -> None:
    put_bundle(store, FILES | files)
    with pytest.raises(BadInput, match=said):
        load_bundle(store, MODEL)


@pytest.mark.parametrize("model", ["", "..", "a/b", "../x", "m-1\n", ".hidden"])
def test_a_model_name_with_parts_of_a_path_is_refused(store: ObjectStore, model: str) -> None:
    with pytest.raises(BadInput, match="not allowed"):
        load_bundle(store, model)
    with pytest.raises(BadInput, match="not allowed"):
        write_file(store, MODEL, f"{model}/x", b"")


def test_hashes_agree(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000
    (tmp_path / "file").write_bytes(data)
    assert hash_file(tmp_path / "file") == hash_bytes(data)
    assert hash_bytes(b"").sha256.startswith("e3b0c44298fc1c14")


def test_the_pointer_and_its_compare_and_swap(store: ObjectStore) -> None:
    assert read_pointer(store) == (None, "")
    first = ProductionPointer(model=MODEL, history=[PointerEntry(model=MODEL, at="now", why="first")])
    write_model(store, keys.PRODUCTION, first, if_absent=True)
    pointer, etag = read_pointer(store)
    assert pointer == first
    write_model(store, keys.PRODUCTION, first.model_copy(update={"model": "m-2"}), if_match=etag)
    with pytest.raises(Conflict):
        write_model(store, keys.PRODUCTION, first, if_match=etag)
    store.put(keys.PRODUCTION, b"{")
    with pytest.raises(BadInput, match=r"production\.json"):
        read_pointer(store)
