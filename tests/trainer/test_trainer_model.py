"""Properties of the network: padding and company in a batch change nothing, lengths are the contract's."""

from dataclasses import replace

import pytest
import torch

from services.trainer.model import ChannelDropout, Convolution, Recogniser, rotary_tables, rotate
from services.trainer.recipes import RECIPES, ModelConfig

FRAMES = (9, 57, 200, 131)


@pytest.fixture(scope="module")
def utterances() -> list[torch.Tensor]:
    torch.manual_seed(4)
    return [torch.randn(frames, 80) for frames in FRAMES]


def padded(utterances: list[torch.Tensor], frames: int, fill: float) -> torch.Tensor:
    batch = torch.full((len(utterances), frames, 80), fill)
    for row, log_mel_TF in enumerate(utterances):
        batch[row, : len(log_mel_TF)] = log_mel_TF
    return batch


@pytest.mark.parametrize("fill", [0.0, 1e4, float("nan")])
@pytest.mark.parametrize("extra", [0, 1, 61])
@torch.inference_mode()
def test_padding_and_batch_change_nothing(model, utterances, fill, extra):
    together, lengths = model(padded(utterances, max(FRAMES) + extra, fill), torch.tensor(FRAMES))
    for row, log_mel_TF in enumerate(utterances):
        alone, alone_lengths = model(log_mel_TF[None], torch.tensor([len(log_mel_TF)]))
        assert alone_lengths.item() == lengths[row].item()
        torch.testing.assert_close(together[row, : lengths[row]], alone[0], atol=1e-4, rtol=0)


@torch.inference_mode()
def test_a_chunk_hears_nothing_behind_its_end(model):
    chunk, frames = 6, 200
    torch.manual_seed(6)
    one = torch.randn(2, frames, 80)
    lengths = torch.tensor([frames, frames - 30])
    whole, _ = model(one, lengths, chunk)
    for end in range(chunk, frames // 4, chunk):
        other = one.clone()
        other[:, 4 * end :] = torch.randn(2, frames - 4 * end, 80)
        changed, _ = model(other, lengths, chunk)
        torch.testing.assert_close(changed[:, :end], whole[:, :end], atol=1e-5, rtol=0)
        assert not torch.allclose(changed[:, end:], whole[:, end:], atol=1e-3)


@torch.inference_mode()
def test_one_chunk_as_long_as_the_recording_is_the_whole(model, utterances):
    lengths = torch.tensor([FRAMES[2]])
    whole, _ = model(utterances[2][None], lengths)
    as_chunk, _ = model(utterances[2][None], lengths, 50)
    torch.testing.assert_close(whole, as_chunk, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_frame_in_a_chunk_hears_no_further_back_than_it_may(model):
    """Attention reaches `left_frames` back in each of two blocks, the convolution half a kernel in each."""
    torch.manual_seed(7)
    one = torch.randn(1, 1200, 80)
    other = one.clone()
    other[:, :100] = torch.randn(1, 100, 80)
    config = model.config
    reach = 25 + config.blocks * (config.left_frames + config.kernel // 2 + 8)
    lengths = torch.tensor([1200])
    difference = (model(one, lengths, 8)[0] - model(other, lengths, 8)[0]).abs().amax(-1)[0]
    assert reach < 300
    assert difference[reach:].max() < 1e-5 < difference[:reach].max()


def test_left_out_residuals_are_left_out_whole():
    drop = ChannelDropout(0.0, skip=0.5)
    drop.random = torch.Generator().manual_seed(1)
    rows = drop(torch.ones(400, 3, 5)).flatten(1)
    assert (rows == rows[:, :1]).all()
    assert set(rows[:, 0].tolist()) == {0.0, 2.0}
    assert 0.4 < (rows[:, 0] == 0).float().mean() < 0.6
    assert torch.equal(drop.eval()(torch.ones(2, 3, 5)), torch.ones(2, 3, 5))


@torch.inference_mode()
def test_lengths_are_a_quarter_rounded_up(model):
    for frames in range(1, 20):
        log_probs, lengths = model(torch.zeros(1, frames, 80), torch.tensor([frames]))
        assert lengths.item() == log_probs.shape[1] == -(-frames // 4)


@torch.inference_mode()
def test_outputs_are_log_probabilities(model, utterances):
    log_probs, _ = model(utterances[2][None], torch.tensor([FRAMES[2]]))
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(1, 50))


def test_rotary_products_depend_on_distance_only():
    torch.manual_seed(5)
    cos, sin = rotary_tables(40, 16, torch.device("cpu"))
    query, key = torch.randn(16), torch.randn(16)
    rotated_query, rotated_key = (rotate(x.expand(1, 1, 40, 16), cos, sin)[0, 0] for x in (query, key))
    products = rotated_query @ rotated_key.T
    torch.testing.assert_close(products[3, 10], products[23, 30])
    assert not torch.isclose(products[3, 10], products[3, 11])


@torch.inference_mode()
def test_a_fresh_network_believes_in_blank(utterances):
    fresh = Recogniser(replace(RECIPES["smoke"].model, blank_bias=3.0), vocabulary=30).eval()
    last, middle, _ = fresh.both_heads(utterances[2][None], torch.tensor([FRAMES[2]]))
    for log_probs in (last, middle):
        assert (log_probs.argmax(-1) == 0).float().mean() > 0.9


def test_intermediate_head_can_be_turned_off():
    model = Recogniser(replace(RECIPES["smoke"].model, intermediate_block=0), vocabulary=5)
    _, intermediate, _ = model.both_heads(torch.zeros(1, 20, 80), torch.tensor([20]))
    assert intermediate is None


@pytest.mark.parametrize("chunk", [None, 5])
def test_the_convolution_is_the_same_in_training(chunk):
    torch.manual_seed(2)
    convolution = Convolution(ModelConfig(width=16, heads=2, kernel=7), skip=0.0)
    x_BDS = torch.randn(3, 16, 23)
    found = []
    for training in (True, False):
        convolution.train(training)
        mixed = convolution.along_time(x_BDS, 3) if chunk is None else convolution.within_chunks(x_BDS, chunk)
        found.append(mixed)
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)
