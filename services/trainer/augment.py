"""Augmentation with torchaudio: speed, noise, SpecAugment.

Ko et al. 2015 (speed), Park et al. 2019, arXiv 1904.08779 (SpecAugment).
"""

import numpy as np
import numpy.typing as npt
import torch
import torchaudio.functional as audio
from torch import Tensor

from services.trainer.recipes import Recipe
from voxloom.audio import SAMPLE_RATE_HZ

_FREQUENCY_AXIS, _TIME_AXIS = 2, 3

Waveform = npt.NDArray[np.float32]


def change_speed(waveform: Waveform, factor: float) -> Waveform:
    """Faster and higher for a factor above 1; shorter by that factor."""
    if factor == 1.0:
        return waveform
    changed, _ = audio.speed(torch.from_numpy(waveform), SAMPLE_RATE_HZ, factor)
    faster: Waveform = changed.contiguous().numpy()
    return faster


def add_noise(waveform: Waveform, snr_db: tuple[float, float], random: np.random.Generator) -> Waveform:
    """Noise whose power falls with frequency to a random degree (white to brown), at a random ratio in dB."""
    noise = coloured_noise(len(waveform), random.uniform(0.0, 2.0), random)
    ratio_db = torch.tensor([random.uniform(*snr_db)], dtype=torch.float32)
    mixed = audio.add_noise(torch.from_numpy(waveform)[None], torch.from_numpy(noise)[None], ratio_db)
    noisy: Waveform = mixed[0].clamp(-1.0, 1.0).numpy()
    return noisy


def coloured_noise(num_samples: int, exponent: float, random: np.random.Generator) -> Waveform:
    """Gaussian noise with power 1/f**exponent, at deviation 1."""
    spectrum = np.fft.rfft(random.standard_normal(num_samples))
    frequency = np.maximum(np.arange(len(spectrum)), 1)
    noise = np.fft.irfft(spectrum * frequency ** (-exponent / 2), num_samples)
    scaled: Waveform = (noise / (noise.std() + 1e-9)).astype(np.float32)
    return scaled


def mask(log_mel_BTF: Tensor, recipe: Recipe) -> Tensor:
    """SpecAugment: bands and stretches of time set to the batch's mean, anew for each utterance."""
    x_BCFT = log_mel_BTF.transpose(1, 2)[:, None]
    fill = float(log_mel_BTF.mean())
    for _ in range(recipe.frequency_masks):
        x_BCFT = audio.mask_along_axis_iid(x_BCFT, recipe.frequency_mask_bins, fill, _FREQUENCY_AXIS)
    for _ in range(recipe.time_masks):
        x_BCFT = audio.mask_along_axis_iid(
            x_BCFT, recipe.time_mask_frames, fill, _TIME_AXIS, p=recipe.time_mask_fraction
        )
    return x_BCFT[:, 0].transpose(1, 2)
