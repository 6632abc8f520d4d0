"""The whole network, top to bottom: log-mel features in, log probabilities of characters out.

A Conformer encoder (Gulati et al. 2020, arXiv 2005.08100) with rotary positions (Su et al. 2021, arXiv
2104.09864) under a CTC head (Graves et al. 2006), and a second CTC head in the middle for training
(Lee and Watanabe 2021, arXiv 2102.03216).

One set of weights serves whole recordings and live streams. Cut into chunks, a frame sees its own chunk and
those before it, in attention (Zhang et al. 2020, arXiv 2012.05481) as in convolution (Li et al. 2023, arXiv
2304.09325); training draws the chunk length at random, whole recordings among them.

Shapes in names: B batch, T feature frames (10 ms), S = ceil(T / 4) encoder frames (40 ms), F mel bins,
D width, H heads, N chunks, C front-end channels, V vocabulary with the blank at 0.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from services.trainer.recipes import ModelConfig

SUBSAMPLING = 4  # feature frames per encoder frame; sherpa-onnx fixes this number for its CTC contract
NEVER = -1e9  # added to a score, it leaves nothing of it


class Recogniser(nn.Module):
    """log_mel_BTF (B, T, 80) float32 and lengths_B (B) int64 -> log_probs_BSV (B, S, V), lengths_B (B).

    Frames beyond an utterance's length change nothing within it, whatever they hold: every layer
    that looks sideways masks them first.
    """

    def __init__(self, config: ModelConfig, vocabulary: int, num_mel: int = 80) -> None:
        super().__init__()
        self.config = config
        self.front = Subsampling(num_mel, config.front_channels, config.width, config.dropout)
        self.blocks = nn.ModuleList(
            ConformerBlock(config, config.skip * number / config.blocks)
            for number in range(1, config.blocks + 1)
        )
        self.head = nn.Linear(config.width, vocabulary)
        self.intermediate_head = nn.Linear(config.width, vocabulary)
        if config.blank_bias:
            with torch.no_grad():
                for head in (self.head, self.intermediate_head):
                    head.bias.zero_()[0] = config.blank_bias

    def forward(
        self, log_mel_BTF: Tensor, lengths_B: Tensor, chunk: int | None = None
    ) -> tuple[Tensor, Tensor]:
        log_probs_BSV, _, lengths_B = self.both_heads(log_mel_BTF, lengths_B, chunk)
        return log_probs_BSV, lengths_B

    def both_heads(
        self, log_mel_BTF: Tensor, lengths_B: Tensor, chunk: int | None = None
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Log probabilities of the last and of the intermediate head (None when it is turned off).

        `chunk`: encoder frames that are heard at once; None: the whole recording.
        """
        x_BSD, lengths_B = self.front(log_mel_BTF, lengths_B)
        view = view_of(lengths_B, x_BSD, chunk, self.config)
        intermediate_BSV = None
        for number, block in enumerate(self.blocks, start=1):
            x_BSD = block(x_BSD, view)
            if number == self.config.intermediate_block:
                intermediate_BSV = self.intermediate_head(x_BSD).log_softmax(-1)
        return self.head(x_BSD).log_softmax(-1), intermediate_BSV, lengths_B


class Subsampling(nn.Module):
    """Normalises log-mel by the training data's mean and deviation, then halves the frame rate twice.

    The second convolution is depthwise separable (Rekesh et al. 2023, arXiv 2305.05084): with a full
    one the front-end costs more than the encoder of a small model.
    """

    mean_F: Tensor
    deviation_F: Tensor

    def __init__(self, num_mel: int, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean_F", torch.zeros(num_mel))
        self.register_buffer("deviation_F", torch.ones(num_mel))
        self.first = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels)
        self.mix = nn.Conv2d(channels, channels, 1)
        self.project = nn.Linear(channels * (num_mel // SUBSAMPLING), width)
        self.dropout = ChannelDropout(dropout)

    def forward(self, log_mel_BTF: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        x_BTF = (log_mel_BTF - self.mean_F) / self.deviation_F
        x_BCTF = F.silu(self.first(silence_padding(x_BTF, lengths_B)[:, None]))
        lengths_B = halve(lengths_B)
        keep_BT = valid_frames(lengths_B, x_BCTF.shape[2])
        x_BCTF = self.second(x_BCTF * keep_BT[:, None, :, None])
        x_BCSF = F.silu(self.mix(x_BCTF))
        x_BSD = self.project(x_BCSF.transpose(1, 2).flatten(2))
        return self.dropout(x_BSD), halve(lengths_B)


@dataclass(frozen=True)
class View:
    """What the encoder's layers see of each other's frames."""

    valid_BS1: Tensor  # 1 within the utterance, 0 behind it
    unseen_B1SS: Tensor  # added to the scores of query and key; (B, 1, 1, S) when all queries see alike
    cos_SK: Tensor
    sin_SK: Tensor
    chunk: int | None  # encoder frames


def view_of(lengths_B: Tensor, x_BSD: Tensor, chunk: int | None, config: ModelConfig) -> View:
    """Whole recordings without `chunk`; else each frame sees its own chunk and `left_frames` before it."""
    frames = x_BSD.shape[1]
    valid_BS = valid_frames(lengths_B, frames)
    seen_B1SS = valid_BS[:, None, None, :]
    if chunk is not None:
        position_S = torch.arange(frames, device=lengths_B.device)
        begin_S = torch.div(position_S, chunk, rounding_mode="floor") * chunk
        ahead_SS = position_S[None, :] < begin_S[:, None] + chunk
        recent_SS = position_S[None, :] >= begin_S[:, None] - config.left_frames
        seen_B1SS = seen_B1SS & (ahead_SS & recent_SS)
    valid_BS1, unseen_B1SS = valid_BS[:, :, None].to(x_BSD), (~seen_B1SS).to(x_BSD) * NEVER
    tables = rotary_tables(frames, config.width // config.heads, lengths_B.device)
    return View(valid_BS1, unseen_B1SS, *tables, chunk)


class ConformerBlock(nn.Module):
    """Half feed-forward, attention, convolution, half feed-forward, each as a residual; then a norm.

    In training a residual is left out now and then, in later blocks more often (stochastic depth, Huang et
    al. 2016, arXiv 1603.09382).
    """

    def __init__(self, config: ModelConfig, skip: float) -> None:
        super().__init__()
        self.feed_forward_in = FeedForward(config, skip)
        self.attention = Attention(config, skip)
        self.convolution = Convolution(config, skip)
        self.feed_forward_out = FeedForward(config, skip)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, x_BSD: Tensor, view: View) -> Tensor:
        x_BSD = x_BSD + 0.5 * self.feed_forward_in(x_BSD)
        x_BSD = x_BSD + self.attention(x_BSD, view)
        x_BSD = x_BSD + self.convolution(x_BSD, view)
        out_BSD: Tensor = self.norm(x_BSD + 0.5 * self.feed_forward_out(x_BSD))
        return out_BSD


class FeedForward(nn.Sequential):
    """Norm, widen, SiLU, narrow; frame by frame."""

    def __init__(self, config: ModelConfig, skip: float) -> None:
        hidden = config.width * config.feed_forward
        super().__init__(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, hidden),
            nn.SiLU(),
            ChannelDropout(config.dropout),
            nn.Linear(hidden, config.width),
            ChannelDropout(config.dropout, skip),
        )


class Attention(nn.Module):
    """Multi-head self-attention over the valid frames, positions by rotation of queries and keys."""

    def __init__(self, config: ModelConfig, skip: float) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.width)
        self.queries_keys_values = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)
        self.dropout = ChannelDropout(config.dropout, skip)

    def forward(self, x_BSD: Tensor, view: View) -> Tensor:
        projected_BSD = self.queries_keys_values(self.norm(x_BSD))
        all_BHSK = projected_BSD.unflatten(-1, (3 * self.heads, -1)).transpose(1, 2)
        both_BHSK, value_BHSK = all_BHSK.split([2 * self.heads, self.heads], dim=1)
        query_BHSK, key_BHSK = rotate(both_BHSK, view.cos_SK, view.sin_SK).chunk(2, dim=1)
        mixed_BHSK = F.scaled_dot_product_attention(
            query_BHSK, key_BHSK, value_BHSK, attn_mask=view.unseen_B1SS
        )
        out_BSD: Tensor = self.dropout(self.output(mixed_BHSK.transpose(1, 2).flatten(2)))
        return out_BSD


class Convolution(nn.Module):
    """Gated pointwise, depthwise over time, batch norm, SiLU, pointwise.

    Batch norm, not layer norm: on an hour of data layer norm stays on the blank plateau for many epochs.
    """

    def __init__(self, config: ModelConfig, skip: float) -> None:
        super().__init__()
        width, kernel = config.width, config.kernel
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.batch_norm = nn.BatchNorm1d(width)
        self.output = nn.Linear(width, width)
        self.dropout = ChannelDropout(config.dropout, skip)

    def forward(self, x_BSD: Tensor, view: View) -> Tensor:
        gated_BSD = F.glu(self.gate(self.norm(x_BSD)), dim=-1) * view.valid_BS1
        gated_BDS = gated_BSD.transpose(1, 2)
        over_time_BDS = (
            self.along_time(gated_BDS, self.depthwise.kernel_size[0] // 2)
            if view.chunk is None
            else self.within_chunks(gated_BDS, view.chunk)
        )
        mixed_BSD = F.silu(self.batch_norm(over_time_BDS)).transpose(1, 2)
        out_BSD: Tensor = self.dropout(self.output(mixed_BSD))
        return out_BSD

    def within_chunks(self, x_BDS: Tensor, chunk: int) -> Tensor:
        """The same convolution, for which nothing lies behind a chunk's end: it sees zeros there."""
        half, frames = self.depthwise.kernel_size[0] // 2, x_BDS.shape[2]
        count = -(-frames // chunk)
        padded_BDS = F.pad(x_BDS, (half, count * chunk - frames))
        chunks_BDNS = padded_BDS.unfold(2, half + chunk, chunk)
        chunks_XDS = F.pad(chunks_BDNS.transpose(1, 2).flatten(0, 1), (0, half))  # X = B N
        mixed_XDS = self.along_time(chunks_XDS, 0)
        mixed_BNDS = mixed_XDS.reshape(-1, count, *mixed_XDS.shape[1:])
        return mixed_BNDS.transpose(1, 2).flatten(2)[:, :, :frames]

    def along_time(self, x_XDS: Tensor, padding: int) -> Tensor:
        """The depthwise convolution. In training as an image one pixel high: a CPU's kernels for images read
        the frames where they lie, and take half the time."""
        weight_D1K, bias_D, width = self.depthwise.weight, self.depthwise.bias, self.depthwise.groups
        if not self.training:
            return F.conv1d(x_XDS, weight_D1K, bias_D, padding=padding, groups=width)
        mixed_XD1S = F.conv2d(
            x_XDS[:, :, None], weight_D1K[:, :, None], bias_D, padding=(0, padding), groups=width
        )
        return mixed_XD1S.squeeze(2)


class ChannelDropout(nn.Module):
    """Drops whole channels of an utterance, in all frames alike (Gal and Ghahramani, arXiv 1512.05287), and
    with probability `skip` all of them.

    A mask for each frame costs a fifth of a training step on a CPU, whose random numbers come one by one.
    """

    def __init__(self, probability: float, skip: float = 0.0) -> None:
        super().__init__()
        self.probability, self.skip = probability, skip
        self.random: torch.Generator | None = None  # the default one

    def forward(self, x_BSD: Tensor) -> Tensor:
        if not self.training or not (self.probability or self.skip):
            return x_BSD
        return x_BSD * self._mask(x_BSD, self.probability, x_BSD.shape[2]) * self._mask(x_BSD, self.skip, 1)

    def _mask(self, x_BSD: Tensor, probability: float, width: int) -> Tensor:
        keep = 1 - probability
        mask_B1D = x_BSD.new_empty(x_BSD.shape[0], 1, width)
        return mask_B1D.bernoulli_(keep, generator=self.random) / keep


def halve(lengths_B: Tensor) -> Tensor:
    """Frames that a stride-2 convolution with padding 1 leaves: ceil(n / 2)."""
    return torch.div(lengths_B + 1, 2, rounding_mode="floor")


def valid_frames(lengths_B: Tensor, frames: int) -> Tensor:
    """(B, frames) bool: true within each utterance."""
    return torch.arange(frames, device=lengths_B.device)[None, :] < lengths_B[:, None]


def silence_padding(x_BTF: Tensor, lengths_B: Tensor) -> Tensor:
    """Zeros beyond each utterance's end, whatever stood there (NaN included)."""
    return torch.where(valid_frames(lengths_B, x_BTF.shape[1])[:, :, None], x_BTF, torch.zeros_like(x_BTF))


def rotary_tables(frames: int, head_width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """cos and sin (S, K) of position times frequency, for `rotate`. Each frequency serves two channels, K/2
    apart, and turns them into each other: sin is negative for the first."""
    exponents = torch.arange(0, head_width, 2, device=device, dtype=torch.float32) / head_width
    angles_SK = (
        torch.arange(frames, device=device, dtype=torch.float32)[:, None] * (10000.0**-exponents)[None, :]
    )
    cos_SK, sin_SK = angles_SK.cos(), angles_SK.sin()
    return torch.cat([cos_SK, cos_SK], dim=-1), torch.cat([-sin_SK, sin_SK], dim=-1)


def rotate(x_BHSK: Tensor, cos_SK: Tensor, sin_SK: Tensor) -> Tensor:
    """Turns each pair of channels by its angle, so that products depend on the distance of two frames."""
    first, second = x_BHSK.chunk(2, dim=-1)
    return x_BHSK * cos_SK + torch.cat([second, first], dim=-1) * sin_SK


def count_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
