"""The step with caches says chunk by chunk what the network says of the whole in chunks; so do the files."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from services.trainer.export import frozen, largest_difference_streaming
from services.trainer.model import Recogniser
from services.trainer.streaming_export import CHUNK, StreamingStep, metadata
from voxloom.features import Features
from voxloom.streaming_engine import StreamingEngine

FRAMES = 4 * CHUNK


@pytest.fixture(scope="module")
def model(model: Recogniser) -> Recogniser:
    model.front.mean_F += 0.3
    model.front.deviation_F *= 1.7
    return model


@pytest.fixture(scope="module")
def probe() -> list[Features]:
    draw = np.random.default_rng(5)
    return [draw.normal(size=(frames, 80)).astype(np.float32) for frames in (1, 127, 128, 129, 777)]


@pytest.fixture(scope="module")
def files(model: Recogniser, probe: list[Features]) -> dict[str, bytes]:
    return frozen(model, probe)


def stepwise(model: Recogniser, log_mel_BTF: torch.Tensor) -> torch.Tensor:
    """Chunk by chunk; what a last chunk lacks is filled with what must not be heard."""
    step, frames = StreamingStep(model).eval(), log_mel_BTF.shape[1]
    states, found = step.begin(len(log_mel_BTF)), []
    for start in range(0, frames, FRAMES):
        x_BTF = log_mel_BTF[:, start : start + FRAMES]
        lacking = FRAMES - x_BTF.shape[1]
        states[-2][:, -1, -1, -1] = lacking
        log_probs_BSV, states = step(torch.nn.functional.pad(x_BTF, (0, 0, 0, lacking), value=99.0), states)
        found.append(log_probs_BSV[:, : -(-x_BTF.shape[1] // 4)])
    return torch.cat(found, 1)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 6, 7, 126, 127, 128, 129, 130, 131, 132, 500, 1300])
@torch.inference_mode()
def test_steps_say_what_the_whole_says_in_chunks(model: Recogniser, frames: int) -> None:
    torch.manual_seed(frames)
    log_mel_BTF = torch.randn(2, frames, 80)
    whole, lengths = model(log_mel_BTF, torch.tensor([frames, frames]), CHUNK)
    found = stepwise(model, log_mel_BTF)
    assert found.shape == whole.shape
    assert found.shape[1] == lengths[0]
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_an_endless_stream_is_heard_as_it_was_at_the_beginning(model: Recogniser) -> None:
    """No position and no count grows into anything: after 2**40 frames a chunk is heard as after 2**12."""
    step = StreamingStep(model).eval()
    torch.manual_seed(1)
    states = [torch.randn_like(each) if each.is_floating_point() else each for each in step.begin()]
    states[-2][:] = 0
    x_BTF = torch.randn(1, FRAMES, 80)
    early, late = (step(x_BTF, [*states[:-1], torch.tensor([heard])])[0] for heard in (2**12, 2**40))
    assert torch.equal(early, late)


def test_the_graph_gives_the_same_to_a_ten_thousandth(
    model: Recogniser, files: dict[str, bytes], probe: list[Features]
) -> None:
    assert largest_difference_streaming(model, files["streaming.onnx"], probe) < 1e-4


def test_the_caches_are_those_that_the_metadata_tell_of(model: Recogniser, files: dict[str, bytes]) -> None:
    """sherpa-onnx makes them by its own rule, of which this is a copy."""
    told = {name: int(size) for name, size in metadata(model).items() if size.isdigit()}
    dim, heads, left = told["encoder_dims"], told["num_heads"], told["left_context_len"]
    value, past = told["value_head_dims"] * heads, told["cnn_module_kernels"] // 2
    layer = [
        (left, 1, told["query_head_dims"] * heads),
        (1, 1, left, 3 * dim // 4),
        *[(left, 1, value)] * 2,
        *[(1, dim, past)] * 2,
    ]
    expected = [*layer * told["num_encoder_layers"], (1, 128, 3, 19), (1,)]
    engine = StreamingEngine(files["streaming.onnx"])
    assert [cache.shape for cache in engine.begin().values()] == expected
    assert engine.chunk_frames == told["T"] == FRAMES


@torch.inference_mode()
def test_the_program_needs_none_of_our_code(model: Recogniser, files: dict[str, bytes]) -> None:
    program = torch.export.load(io.BytesIO(files["model.pt2"])).module()
    for batch, frames in ((1, 9), (3, 333)):
        x_NTF, lengths_N = torch.randn(batch, frames, 80), torch.full((batch,), frames)
        lengths_N[-1] = frames - 4
        found, found_lengths = program(x_NTF, lengths_N)
        expected, expected_lengths = model(x_NTF, lengths_N)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
        assert torch.equal(found_lengths, expected_lengths)


def test_no_file_tells_where_it_was_made(files: dict[str, bytes]) -> None:
    for data in files.values():
        assert not re.search(rb"services/trainer|site-packages", data)
        assert str(Path(__file__).parents[2]).encode() not in data
