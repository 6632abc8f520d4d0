"""Augmentation: speed, noise and rooms on samples, by torchaudio; tempo, vocal tract and masks on features.

Ko et al. 2015 (speed), Ko et al. 2017 (rooms), Jaitly and Hinton 2013 (vocal tract length), Park et al. 2019,
arXiv 1904.08779 (SpecAugment).
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torchaudio.functional as audio
from torch import Tensor

from services.trainer.recipes import Recipe
from voxloom.audio import SAMPLE_RATE_HZ, decode
from voxloom.corpora.listing import AUDIO_SUFFIXES
from voxloom.errors import BadInput

_MAX_NOISE_S, _MAX_NOISES_S = 600.0, 3600.0  # of one recording, and of all: they stay in memory
_TRANSFORM = 4096  # samples: lengths of Fourier transforms are multiples

_log = logging.getLogger(__name__)

Waveform = npt.NDArray[np.float32]
LogMel = npt.NDArray[np.float32]


def change_speed(waveform: Waveform, factor: float) -> Waveform:
    """Faster and higher for a factor above 1; shorter by that factor: (`changed_length`)."""
    if factor == 1.0:
        return waveform
    changed, _ = audio.speed(torch.from_numpy(waveform), SAMPLE_RATE_HZ, factor)
    length = changed_length(len(waveform), factor)  # torchaudio rounds in float32, which may differ by one
    faster: Waveform = torch.nn.functional.pad(changed, (0, length - len(changed))).contiguous().numpy()
    return faster


def changed_length(num_samples: int, factor: float) -> int:
    """Samples of so many at another speed."""
    return -(-num_samples * SAMPLE_RATE_HZ // int(factor * SAMPLE_RATE_HZ))


def add_noise(
    waveform: Waveform, noises: Sequence[Waveform], snr_db: tuple[float, float], random: np.random.Generator
) -> Waveform:
    """A stretch of one of the noises, at a random ratio in dB."""
    noise = excerpt(noises[int(random.integers(len(noises)))], len(waveform), random)
    ratio_db = torch.tensor([random.uniform(*snr_db)], dtype=torch.float32)
    mixed = audio.add_noise(torch.from_numpy(waveform)[None], torch.from_numpy(noise)[None], ratio_db)
    noisy: Waveform = mixed[0].clamp(-1.0, 1.0).numpy()
    return noisy


def recorded_noises(folder: Path) -> list[Waveform]:
    """The audio files below a folder, at deviation 1, in the order of their paths; what cannot be decoded is
    left out and logged."""
    noises: list[Waveform] = []
    for path in sorted(each for each in folder.rglob("*") if each.suffix.lower() in AUDIO_SUFFIXES):
        try:
            samples = decode(path.read_bytes(), max_seconds=_MAX_NOISE_S).samples
        except (BadInput, OSError) as error:
            _log.warning("noise left out: %s: %s", path, error)
            continue
        if deviation := float(samples.std()):
            noises.append(samples / np.float32(deviation))
        if sum(map(len, noises)) > _MAX_NOISES_S * SAMPLE_RATE_HZ:
            _log.warning("the first %d noises of %s last long enough", len(noises), folder)
            break
    if not noises:
        raise BadInput(
            f"the noise folder {folder} holds no audio that can be decoded; see VOXLOOM_TRAIN_NOISE"
        )
    return noises


def coloured_noises(seed: int, count: int = 9, seconds: float = 20.0) -> list[Waveform]:
    """Gaussian noises whose power falls with frequency from not at all (white) to its square (brown)."""
    random = np.random.default_rng(seed)
    num_samples = int(seconds * SAMPLE_RATE_HZ)
    return [coloured_noise(num_samples, exponent, random) for exponent in np.linspace(0.0, 2.0, count)]


def coloured_noise(num_samples: int, exponent: float, random: np.random.Generator) -> Waveform:
    """Gaussian noise with power 1/f**exponent, at deviation 1."""
    spectrum = np.fft.rfft(random.standard_normal(num_samples))
    frequency = np.maximum(np.arange(len(spectrum)), 1)
    noise = np.fft.irfft(spectrum * frequency ** (-exponent / 2), num_samples)
    scaled: Waveform = (noise / (noise.std() + 1e-9)).astype(np.float32)
    return scaled


def excerpt(recorded: Waveform, num_samples: int, random: np.random.Generator) -> Waveform:
    """A random stretch, repeated where the recording is too short."""
    begin = random.integers(max(len(recorded) - num_samples, 0) + 1)
    stretch: Waveform = np.resize(recorded[begin : begin + num_samples], num_samples)
    return stretch


def add_room(waveform: Waveform, random: np.random.Generator) -> Waveform:
    """The direct sound and, 0 to 15 dB below it, noise that dies away by 60 dB within 0.1 to 0.6 s."""
    decay_s, below_db = random.uniform(0.1, 0.6), random.uniform(0.0, 15.0)
    time_s = np.arange(1, int(decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = random.standard_normal(len(time_s)) * 10 ** (-3 * time_s / decay_s)
    tail *= 10 ** (-below_db / 20) / np.sqrt(np.sum(np.square(tail)))
    response = torch.from_numpy(np.concatenate([[1.0], tail]).astype(np.float32))
    # Transforms of prime lengths are slow.
    spare = -(len(waveform) + len(response) - 1) % _TRANSFORM
    padded = torch.nn.functional.pad(torch.from_numpy(waveform), (0, spare))
    heard = audio.fftconvolve(padded, response)[: len(waveform)]
    loudest = float(heard.abs().max())
    reverberant: Waveform = (heard / max(1.0, loudest)).numpy()
    return reverberant


def warp(log_mel_TF: LogMel, tempo: float, tract: float) -> LogMel:
    """Faster at the same pitch by `tempo`, formants higher by `tract`: features read between their frames
    and bins. (T, F) to (T / tempo, F)."""
    frames, bins = log_mel_TF.shape
    at_frame = np.linspace(0, frames - 1, warped_frames(frames, tempo))
    return _between(_between(log_mel_TF, at_frame, 0), np.arange(bins) / tract, 1)


def warped_frames(frames: int, tempo: float) -> int:
    """Frames of so many at another tempo."""
    return max(round(frames / tempo), 1)


def _between(x: LogMel, positions: npt.NDArray[np.float64], axis: int) -> LogMel:
    """Linear interpolation along an axis; beyond the last bin stands the last."""
    positions = np.minimum(positions, x.shape[axis] - 1)
    low = positions.astype(np.int64)
    high = np.minimum(low + 1, x.shape[axis] - 1)
    share = (positions - low).astype(np.float32)
    share = share[:, None] if axis == 0 else share[None, :]
    between: LogMel = x.take(low, axis) * (1 - share) + x.take(high, axis) * share
    return between


def mask(
    log_mel_BTF: Tensor, lengths_B: Tensor, randoms: Sequence[np.random.Generator], recipe: Recipe
) -> Tensor:
    """SpecAugment: bands and stretches of time set to the utterance's mean, anew for each.

    Torchaudio's masks take their numbers from one generator for a whole batch; here a row has its own.
    """
    frames, bins = log_mel_BTF.shape[1:]
    longest = min(recipe.time_mask_frames, int(frames * recipe.time_mask_fraction))
    fill_B = log_mel_BTF.sum((1, 2)) / (lengths_B * bins)  # what is padded is zero
    hidden_BF = _stretches(randoms, recipe.frequency_masks, recipe.frequency_mask_bins, bins)
    hidden_BT = _stretches(randoms, recipe.time_masks, longest, frames)
    return torch.where(hidden_BT[:, :, None] | hidden_BF[:, None, :], fill_B[:, None, None], log_mel_BTF)


def _stretches(randoms: Sequence[np.random.Generator], count: int, longest: int, size: int) -> Tensor:
    """(B, size) bool: `count` stretches in each row, each below `longest` long, anywhere within `size`."""
    draws_B2M = np.array([random.random((2, count)) for random in randoms]).reshape(len(randoms), 2, count)
    length_BM = draws_B2M[:, 0] * longest
    begin_BM = draws_B2M[:, 1] * (size - length_BM)
    begin_BM1, length_BM1 = (x.astype(np.int64)[:, :, None] for x in (begin_BM, length_BM))
    position = np.arange(size)
    inside_BMX = (position >= begin_BM1) & (position < begin_BM1 + length_BM1)
    return torch.from_numpy(inside_BMX.any(axis=1))
