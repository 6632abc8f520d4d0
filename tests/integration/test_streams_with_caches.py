"""The text of a stream is that of the network computed offline in the same chunks, exactly."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import torch
from babble import babbling

from services.inference.models import ServedModel, load
from services.inference.pool import Pool
from services.inference.recognize import Pcm16
from services.inference.results import Pace, Result
from services.inference.streaming import StreamTranscriber
from services.trainer.export import to_onnx
from services.trainer.model import Recogniser
from services.trainer.streaming_export import CHUNK, streaming_graph
from voxloom import keys
from voxloom.audio import Samples, decode, decode_pcm16
from voxloom.bundle import STREAMING, Bundle, Streaming, hash_bytes, write_bundle
from voxloom.decode import greedy
from voxloom.features import FEATURE_VERSION, fbank
from voxloom.storage import FolderStore
from voxloom.text import NORMALIZER_VERSION
from voxloom.tokenizer import CharTokenizer

CLIPS = sorted((Path(__file__).parents[2] / "examples/an4/test").glob("*.opus"))[:6]
TOKENIZER = CharTokenizer.from_alphabet(" abcdefghijklmnopqrstuvwxyz'é")
NEVER_PAUSE = Pace.of(interim_s=0.3, pause_s=30.0)


@pytest.fixture(scope="module")
def network() -> Recogniser:
    return babbling(TOKENIZER, decode(CLIPS[0].read_bytes()).samples)


@pytest.fixture(scope="module")
def served(network: Recogniser, tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    store = FolderStore(tmp_path_factory.mktemp("store"))
    files = {
        "model.onnx": to_onnx(network),
        STREAMING: streaming_graph(network),
        "tokens.txt": TOKENIZER.to_tokens_txt().encode(),
    }
    for name, data in files.items():
        store.put(keys.model_file("m-babble", name), data)
    bundle = Bundle(
        model="m-babble",
        run="r",
        dataset="d",
        created_at="2026-01-01T00:00:00+00:00",
        files={name: hash_bytes(data) for name, data in files.items()},
        served_file="model.onnx",
        languages=["en"],
        normalizer_version=NORMALIZER_VERSION,
        feature_version=FEATURE_VERSION,
        subsampling=4,
        parameters=1,
        recipe="smoke",
        streaming=Streaming(file=STREAMING, chunk_ms=40 * CHUNK, wer=0.0, wer_whole=0.0),
    )
    write_bundle(store, bundle)
    return load(store, "m-babble")


def pcm16(samples: Samples) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


async def stream(served: ServedModel, pool: Pool, data: bytes, chunk: int) -> list[Result]:
    transcriber = StreamTranscriber(served, pool, Pcm16(16000, 1), True, NEVER_PAUSE)
    results = []
    for at in range(0, len(data), chunk):
        results += [result async for result in transcriber.push(data[at : at + chunk])]
    return results + [result async for result in transcriber.finish()]


@torch.inference_mode()
def offline(network: Recogniser, data: bytes) -> str:
    features_TF = fbank(decode_pcm16(data, 16000, 1).samples)
    log_probs_BSV, _ = network(torch.from_numpy(features_TF)[None], torch.tensor([len(features_TF)]), CHUNK)
    return greedy(log_probs_BSV[0].numpy(), TOKENIZER).text


def test_streams_beside_each_other_say_what_is_computed_offline(
    served: ServedModel, network: Recogniser
) -> None:
    clips = [pcm16(decode(clip.read_bytes()).samples) for clip in CLIPS]
    chunks = [320, 3200, 3201, 12800, 40960, 64000]

    async def work(pool: Pool) -> list[list[Result]]:
        together = (stream(served, pool, data, chunk) for data, chunk in zip(clips, chunks, strict=True))
        return await asyncio.gather(*together)

    pool = Pool(threads=2, max_calls=1, max_streams=len(clips))
    try:
        heard = asyncio.run(work(pool))
    finally:
        pool.close()
    for data, results in zip(clips, heard, strict=True):
        [final] = [each for each in results if each.is_final]
        assert final.hypothesis.text == offline(network, data)
        assert len(final.hypothesis.text) > 10
        assert final.end_ms == 10 * ((len(data) // 2 + 80) // 160)


def test_times_of_words_count_from_the_start_of_the_stream(served: ServedModel, network: Recogniser) -> None:
    """Two minutes, cut into results: their words are those of the whole, at the same times."""
    samples = np.concatenate([decode(clip.read_bytes()).samples for clip in CLIPS])
    data = pcm16(np.resize(samples, 120 * 16000))
    pool = Pool(threads=1, max_calls=1, max_streams=1)
    try:
        results = [each for each in asyncio.run(stream(served, pool, data, 32000)) if each.is_final]
    finally:
        pool.close()
    assert len(results) > 2
    features_TF = fbank(decode_pcm16(data, 16000, 1).samples)
    with torch.inference_mode():
        log_probs_BSV, _ = network(torch.from_numpy(features_TF)[None], torch.tensor([12000]), CHUNK)
    whole = greedy(log_probs_BSV[0].numpy(), TOKENIZER).words
    words = [word for result in results for word in result.hypothesis.words]
    assert " ".join(word.text for word in words) == " ".join(word.text for word in whole)
    assert [word.start_s for word in words] == pytest.approx([word.start_s for word in whole], abs=1e-3)
