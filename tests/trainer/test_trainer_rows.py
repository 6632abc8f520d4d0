"""A rank computes its own rows of a batch and no others: those of the whole batch, bit for bit."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from test_trainer_data import TOKENIZER, clips_of

from services.trainer import data as data_module
from services.trainer.augment import change_speed, changed_length, mask, warp, warped_frames
from services.trainer.counters import Counters
from services.trainer.data import Batch, TrainingData, training_data
from services.trainer.loading import loaded_ahead
from services.trainer.ranks import ALONE, Ranks
from services.trainer.recipes import RECIPES
from services.trainer.replicas import split
from voxloom.features import fbank

RECIPE = replace(RECIPES["smoke"], noise_probability=0.5, room_probability=0.3, batch_s=12.0)
SECONDS = [0.6, 1.0, 1.3, 0.9, 1.1, 0.7, 1.6, 0.8, 1.2, 0.65, 1.45]


def training() -> TrainingData:
    return training_data(clips_of(SECONDS), TOKENIZER, RECIPE, seed=3)[0]


def tensors(batch: Batch) -> list[torch.Tensor]:
    values = [getattr(batch, field.name) for field in fields(batch)]
    return [value for value in values if isinstance(value, torch.Tensor)]


@pytest.mark.parametrize("size", [2, 3, 16])  # more ranks than rows, too
@pytest.mark.parametrize("easy", [False, True])
def test_the_rows_of_all_ranks_are_the_whole_batch(size: int, easy: bool) -> None:
    data = training()
    items = max(data.batches(1, easy), key=len)
    whole = data.load(items, 7, easy)
    for rank in range(size):
        mine = training().load(items, 7, easy, rows=Ranks(rank, size).rows)  # without a past
        assert (mine.utterances, mine.audio_s) == (len(items), whole.audio_s)
        rows = [whole.log_mel_RBTF[:, rank::size], *(each[rank::size] for each in tensors(whole)[1:])]
        for found, wanted in zip(tensors(mine), rows, strict=True):
            assert torch.equal(found, wanted)


@pytest.mark.parametrize("parts", [1, 2, 4])
@pytest.mark.parametrize(("size", "threads"), [(2, 1), (2, 2), (3, 1)])
def test_ranks_split_their_rows_as_one_process_of_as_many_copies_does(
    size: int, threads: int, parts: int
) -> None:
    data = training()
    items = max(data.batches(1, True), key=len)
    one = split(data.load(items, 7, True), size * threads * parts)
    for rank in range(size):
        mine = split(data.load(items, 7, True, rows=Ranks(rank, size).rows), threads * parts)
        for thread in range(threads):
            expected = one[thread * size + rank :: size * threads]
            for found, wanted in zip(mine[thread::threads], expected, strict=True):
                assert torch.equal(found.log_mel_RBTF, wanted.log_mel_RBTF)


def test_what_a_loader_thread_computes_first_has_the_bits_of_any_other_thread() -> None:
    """The first batch after a resume: MKL's Fourier transform, in rooms, knows no limit in a new thread."""
    data, _ = training_data(clips_of(SECONDS), TOKENIZER, replace(RECIPE, room_probability=1.0), seed=3)
    plan = data.plan(0, True)
    for number, batch in enumerate(loaded_ahead(data, plan, Counters(), True, ALONE)):
        expected = data.load(plan.batches[number], number, True)
        assert torch.equal(batch.log_mel_RBTF, expected.log_mel_RBTF)


def test_a_rank_computes_no_other_ranks_features(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []

    def counted(samples: np.ndarray) -> np.ndarray:
        heard.append(len(samples))
        return fbank(samples)

    monkeypatch.setattr(data_module, "fbank", counted)
    data = training()
    items = max(data.batches(0, True), key=len)
    counts = []
    for rank in range(2):
        heard.clear()
        data = training()
        data.load(items, 0, True, rows=Ranks(rank, 2).rows)
        counts.append(len(heard))
    assert counts == [math.ceil(len(items) / 2), len(items) // 2]
    heard.clear()
    data.blank(items, 0, False)
    assert not heard


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.1, 1.25, 2.0])
def test_lengths_are_foretold_to_the_sample(factor: float) -> None:
    for num_samples in (1, 7, 1601, 16_000, 99_991, 123_456, 400_000):
        assert len(change_speed(np.zeros(num_samples, np.float32), factor)) == changed_length(
            num_samples, factor
        )


@pytest.mark.parametrize("tempo", [0.9, 0.953, 1.0, 1.07])
def test_frames_are_foretold(tempo: float) -> None:
    for frames in (1, 2, 99, 1000):
        assert len(warp(np.zeros((frames, 80), np.float32), tempo, 1.0)) == warped_frames(frames, tempo)


def test_masks_are_of_the_utterance_and_spare_what_they_should() -> None:
    """Over many rows: as many bands and stretches of as many frames, filled with the row's mean."""
    count, frames = 4000, 200
    log_mel = torch.randn(1, frames, 80).expand(count, -1, -1) - 5.0
    randoms = [np.random.default_rng([1, row]) for row in range(count)]
    one_band = replace(RECIPE, frequency_masks=1, time_masks=0, frequency_mask_bins=20)
    hidden_BTF = mask(log_mel, torch.full((count,), frames), randoms, one_band) != log_mel
    assert torch.equal(hidden_BTF[:, 0], hidden_BTF[:, -1])
    widths_B = hidden_BTF[:, 0].sum(1)
    assert int(widths_B.max()) == 19
    assert float(widths_B.float().mean()) == pytest.approx(9.5, abs=0.3)
    one_stretch = replace(RECIPE, frequency_masks=0, time_masks=1, time_mask_frames=25)
    masked_BTF = mask(log_mel, torch.full((count,), frames), randoms, one_stretch)
    hidden_BTF = masked_BTF != log_mel
    assert int(hidden_BTF[:, :, 0].sum(1).max()) == 19  # a tenth of the length
    filled = masked_BTF[hidden_BTF]
    assert torch.allclose(filled, log_mel[0].mean(), atol=1e-4)
    none = replace(RECIPE, frequency_masks=0, time_masks=0)
    assert torch.equal(mask(log_mel, torch.full((count,), frames), randoms, none), log_mel)
