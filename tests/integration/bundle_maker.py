"""A recogniser that really works, without training: its speech are tones, one pitch a letter.

`say` turns text into audio, `graph` is a linear classifier of log-mel frames that hears it without an error,
and the writers put exports, datasets and production models into a store as trainer, ingest and optimizer do.
"""

import functools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from services.trainer.kneser_ney import estimate
from voxloom import keys, lm
from voxloom.audio import SAMPLE_RATE_HZ, encode_wav
from voxloom.bundle import (
    PROGRAM,
    STREAMING,
    Bundle,
    Export,
    FileHash,
    PointerEntry,
    ProductionPointer,
    Streaming,
    hash_bytes,
    read_pointer,
    write_bundle,
    write_file,
)
from voxloom.features import FEATURE_VERSION, fbank
from voxloom.lm import Decoding, Weights
from voxloom.manifest import Utterance, write_csv
from voxloom.storage import ObjectStore, write_model
from voxloom.text import NORMALIZER_VERSION
from voxloom.tokenizer import CharTokenizer

LETTERS = " abcdefgh"
WORDS = ("bed", "bag", "head", "face", "cafe", "dad", "fade", "had", "bead", "gab")
Samples = npt.NDArray[np.float32]
_TONE_S, _GAP_S, _EDGE_S = 0.12, 0.08, 0.2


def say(text: str, pause_s: float = 0.0) -> Samples:
    """Tones with gaps between, over a faint hiss; `|` in the text is a pause of `pause_s`."""
    gap, edge = np.zeros(_samples(_GAP_S)), np.zeros(_samples(_EDGE_S))
    parts = [edge]
    for character in text:
        parts += [np.zeros(_samples(pause_s))] if character == "|" else [_tone(character), gap]
    clean = np.concatenate([*parts, edge])
    hiss = np.random.default_rng(len(text)).normal(0, 1e-3, len(clean))
    return (clean + hiss).astype(np.float32)


def sentences(count: int, words: int = 5, seed: int = 0) -> list[str]:
    """Different for each seed, the same for the same one."""
    choose = np.random.default_rng(seed)
    return [" ".join(choose.choice(WORDS, words)) for _ in range(count)]


@functools.cache
def graph(deaf_to: str = "", ballast: int = 0, seed: int = 0, poison: float = 0.0) -> bytes:
    """The CTC graph: every fourth frame to the letter with the nearest mean spectrum, or to the blank.

    It never hears the letters in `deaf_to`. `ballast` is the width of matrix products that change nothing but
    the time it takes; `poison` is added to every output.
    """
    constants = _classifier(deaf_to, poison)
    nodes = [_every_fourth("x")]
    hidden = _add_ballast(nodes, constants, ballast, seed)
    nodes += [
        *_classify(hidden),
        helper.make_node("Add", ["x_lens", "three"], ["rounded_up"], "round_up"),
        helper.make_node("Div", ["rounded_up", "four"], ["log_probs_len"], "divide"),
    ]
    return _model(nodes, constants | {"four": np.array(4), "three": np.array(3)})


@functools.cache
def streaming_graph(deaf_to: str = "", poison: float = 0.0, chunk: int = 64) -> bytes:
    """The same for streams. It remembers nothing: each frame is heard alone."""
    constants = _classifier(deaf_to, poison) | {"heard": np.array([chunk // 4])}
    nodes = [
        _every_fourth("x"),
        *_classify("frames"),
        helper.make_node("Identity", ["embed_states"], ["new_embed_states"], "pass_on"),
        helper.make_node("Add", ["processed_lens", "heard"], ["new_processed_lens"], "count"),
    ]
    value, kinds = helper.make_tensor_value_info, TensorProto
    caches = [("embed_states", kinds.FLOAT, ["N", 128, 3, 19]), ("processed_lens", kinds.INT64, ["N"])]
    made = helper.make_graph(
        nodes,
        "tones",
        [value("x", kinds.FLOAT, ["N", chunk, 80]), *(value(*cache) for cache in caches)],
        [
            value("log_probs", kinds.FLOAT, ["N", chunk // 4, 1 + len(LETTERS)]),
            *(value(f"new_{name}", kind, shape) for name, kind, shape in caches),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return _serialised(made, {"T": str(chunk), "decode_chunk_len": str(chunk)})


def knows(*words: str) -> dict[str, object]:
    """A language model of these words, and that it is decoded with, and with no other words."""
    decoding = Decoding(decoder="beam", reason="for a test", weights=Weights(closed=True))
    return {"arpa": estimate(dict.fromkeys(words, 1), 2), "decoding": decoding}


def tokens() -> bytes:
    return CharTokenizer.from_alphabet(LETTERS).to_tokens_txt().encode()


def write_dataset(
    store: ObjectStore,
    dataset: str,
    texts: Sequence[str],
    sources: Sequence[str] = ("imported",),
    val: Sequence[str] = ("bed cafe", "had a bag"),
) -> list[Utterance]:
    """Raw audio and the manifests of test, whose utterances are returned, and val; sources go round."""
    utterances = [
        _write_utterance(store, f"{dataset}-{i:03d}", text, sources[i % len(sources)])
        for i, text in enumerate(texts)
    ]
    store.put_stream(keys.manifest(dataset, "test"), write_csv(utterances))
    of_val = [
        _write_utterance(store, f"{dataset}-val-{i:03d}", text, sources[i % len(sources)], "val")
        for i, text in enumerate(val)
    ]
    store.put_stream(keys.manifest(dataset, "val"), write_csv(of_val))
    return utterances


def write_export(
    store: ObjectStore,
    run: str,
    dataset: str,
    graph_bytes: bytes,
    arpa: bytes = b"",
    streaming: bytes = b"",
    **changes: object,
) -> Export:
    """What the trainer leaves under runs/<run>/export/."""
    files = {"model.onnx": graph_bytes, "tokens.txt": tokens()} | ({lm.FILE: arpa} if arpa else {})
    if streaming:
        files |= {STREAMING: streaming, PROGRAM: b"not read by anything here"}
    for name, data in files.items():
        store.put(keys.export_file(run, name), data)
    export = Export(
        run=run,
        dataset=dataset,
        val_wer=0.0,
        files={name: hash_bytes(data) for name, data in files.items()},
        **_lineage(f"m-{run.removeprefix('r-')}"),
    ).model_copy(update=changes)
    write_model(store, keys.export_file(run, "export.json"), export)
    return export


def write_model_bundle(
    store: ObjectStore,
    model: str,
    graph_bytes: bytes,
    arpa: bytes = b"",
    tokens_txt: bytes = b"",
    live: bytes = b"",
    **changes: object,
) -> Bundle:
    """A bundle as the optimizer leaves it, served as fp32. `tokens_txt`: other names for its letters;
    `live`: its streaming graph."""
    files = {"model.onnx": graph_bytes, "tokens.txt": tokens_txt or tokens()} | (
        {lm.FILE: arpa} if arpa else {}
    )
    if live:
        files |= {STREAMING: live}
        changes = {"streaming": Streaming(file=STREAMING, chunk_ms=640, wer=0.0, wer_whole=0.0)} | changes
    hashes: dict[str, FileHash] = {name: write_file(store, model, name, data) for name, data in files.items()}
    bundle = Bundle(
        run="r", dataset="d", files=hashes, served_file="model.onnx", **_lineage(model)
    ).model_copy(update=changes)
    write_bundle(store, bundle)
    return bundle


def point_to(store: ObjectStore, model: str) -> ProductionPointer:
    """Moves the production pointer."""
    pointer, etag = read_pointer(store)
    entry = PointerEntry(model=model, at=_now(), why="test")
    moved = ProductionPointer(model=model, history=[*(pointer.history if pointer else []), entry])
    if pointer is None:
        write_model(store, keys.PRODUCTION, moved, if_absent=True)
    else:
        write_model(store, keys.PRODUCTION, moved, if_match=etag)
    return moved


def _tone(character: str) -> npt.NDArray[np.float64]:
    pitch_hz = 400 * 1.35 ** LETTERS.index(character)
    time_s = np.arange(_samples(_TONE_S)) / SAMPLE_RATE_HZ
    fade = np.minimum(1, np.minimum(time_s, _TONE_S - time_s) / 0.01)
    return 0.3 * fade * np.sin(2 * np.pi * pitch_hz * time_s)


@functools.cache
def _nearest_mean() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The classifier `argmin |x - mean_v|` as a linear layer: weight (80, V) and bias (V,)."""
    means_VF = np.stack([_mean_frame(character) for character in ("", *LETTERS)])
    scale = 0.02
    bias_V = -scale * np.square(means_VF).sum(axis=1) / 2
    return (scale * means_VF.T).astype(np.float32), bias_V.astype(np.float32)


def _mean_frame(character: str) -> npt.NDArray[np.float64]:
    hiss = np.random.default_rng(0).normal(0, 1e-3, SAMPLE_RATE_HZ)
    if character:
        tone = _tone(character)
        hiss[4000 : 4000 + len(tone)] += tone
    return fbank(hiss.astype(np.float32))[27:31].mean(axis=0, dtype=np.float64)


def _add_ballast(nodes: list[object], constants: dict[str, object], width: int, seed: int) -> str:
    """frames + 0 * (frames @ wide @ wide @ narrow), in a form that no optimiser sees through."""
    if not width:
        return "frames"
    draw = np.random.default_rng(seed)
    shapes = {"in": (80, width), "mid": (width, width), "out": (width, 80)}
    for name, shape in shapes.items():
        constants[f"ballast_{name}"] = draw.normal(0, 1e-4, shape).astype(np.float32)
    inputs = ("frames", "heavy_in", "heavy_mid")
    for source, name in zip(inputs, shapes, strict=True):
        product = helper.make_node("MatMul", [source, f"ballast_{name}"], [f"heavy_{name}"], f"heavy_{name}")
        nodes.append(product)
    nodes.append(helper.make_node("Add", ["frames", "heavy_out"], ["loaded"], "load"))
    return "loaded"


def _classifier(deaf_to: str, poison: float) -> dict[str, object]:
    weight_FV, bias_V = _nearest_mean()
    bias_V = bias_V + np.float32(poison)
    for letter in deaf_to:
        bias_V[1 + LETTERS.index(letter)] = -1e6
    cut = {"from": np.array([0]), "to": np.array([2**62]), "axis": np.array([1]), "step": np.array([4])}
    return {"weight": weight_FV, "bias": bias_V, **cut}


def _every_fourth(source: str) -> object:
    return helper.make_node("Slice", [source, "from", "to", "axis", "step"], ["frames"], "slice")


def _classify(source: str) -> list[object]:
    return [
        helper.make_node("MatMul", [source, "weight"], ["products"], "classify"),
        helper.make_node("Add", ["products", "bias"], ["logits"], "shift"),
        helper.make_node("LogSoftmax", ["logits"], ["log_probs"], "normalise", axis=-1),
    ]


def _model(nodes: list[object], constants: dict[str, object]) -> bytes:
    value = helper.make_tensor_value_info
    tokens_count = 1 + len(LETTERS)
    made = helper.make_graph(
        nodes,
        "tones",
        [value("x", TensorProto.FLOAT, ["N", "T", 80]), value("x_lens", TensorProto.INT64, ["N"])],
        [
            value("log_probs", TensorProto.FLOAT, ["N", "S", tokens_count]),
            value("log_probs_len", TensorProto.INT64, ["N"]),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return _serialised(made, {})


def _serialised(made: object, metadata: dict[str, str]) -> bytes:
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"model_type": "zipformer2_ctc"} | metadata)
    data: bytes = model.SerializeToString()
    return data


def _write_utterance(
    store: ObjectStore, utterance: str, text: str, source: str, split: Literal["test", "val"] = "test"
) -> Utterance:
    samples = say(text)
    wav = encode_wav(samples)
    key = keys.raw_audio(source, "speaker", utterance)
    store.put(key, wav)
    return Utterance(
        utterance=utterance,
        audio_key=key,
        text=text,
        speaker="speaker",
        language="en",
        source=source,
        corpus="tones",
        duration_s=len(samples) / SAMPLE_RATE_HZ,
        audio_sha256=hash_bytes(wav).sha256,
        split=split,
    )


def _lineage(model: str) -> dict[str, object]:
    return {
        "model": model,
        "created_at": _now(),
        "languages": ["en"],
        "normalizer_version": NORMALIZER_VERSION,
        "feature_version": FEATURE_VERSION,
        "subsampling": 4,
        "parameters": 800,
        "recipe": "tones",
        "trace": "trace-1",
    }


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)
