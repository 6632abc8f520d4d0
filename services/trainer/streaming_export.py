"""The network as a step: one chunk of live speech, and what is remembered of those before it, to log
probabilities.

With the weights of `model.py` it computes chunk by chunk what `Recogniser.forward(..., chunk)` computes of
the whole. Its inputs and outputs are those of sherpa-onnx's contract for streaming CTC, `zipformer2_ctc`,
whose caches are of a Zipformer (Yao et al. 2023, arXiv 2310.11230). Of each block they hold

    cached_key (L, B, D)                    keys of the last L frames, not yet rotated
    cached_val1, cached_val2 (L, B, D / 2)  their values
    cached_conv1, cached_conv2 (B, D / 2, W)  the last frames that the convolution saw
    cached_nonlin_attn (1, B, L, 3 D / 8)   nothing: no Conformer has it, it is passed on

and once `embed_states` (B, 128, 3, 19), in which the last 3 feature frames stand, and `processed_lens` (B),
the encoder frames heard so far. All are zero when a stream begins. The very last number of `embed_states`
says how many feature frames a chunk lacks: 0 but in the last chunk of a stream, whose end it then is, exactly
as in a recording.

Shapes in names: B streams, T = 4 S feature frames (10 ms) and S encoder frames of a chunk, F mel bins, C
front-end channels, D width, H heads, K their width, L frames looked back at, P = L + S, W = half a kernel, V
vocabulary.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from services.trainer.frozen import Contract, to_graph, to_program
from services.trainer.model import (
    NEVER,
    SUBSAMPLING,
    Attention,
    ConformerBlock,
    Convolution,
    Recogniser,
    Subsampling,
    halve,
    rotary_tables,
    rotate,
    silence_padding,
    valid_frames,
)
from voxloom.features import NUM_MEL

CHUNK = 32  # encoder frames that are heard at once, 1.28 s; docs/adr/0031 says why so many
_LOOKBACK = 3  # feature frames before a chunk that its first encoder frame sees
_EMBED = (128, 3, 19)
_NAMES = ("cached_key", "cached_nonlin_attn", "cached_val1", "cached_val2", "cached_conv1", "cached_conv2")
_OF_STREAMS_SECOND = ("cached_key", "cached_nonlin", "cached_val")  # caches whose second axis is B


class Memory(NamedTuple):
    """What one block remembers."""

    keys_LBD: Tensor
    unused: Tensor
    values1_LBD: Tensor
    values2_LBD: Tensor
    gated1_BDW: Tensor
    gated2_BDW: Tensor

    @classmethod
    def empty(cls, model: Recogniser, streams: int) -> "Memory":
        width, left, past = model.config.width, model.config.left_frames, model.config.kernel // 2
        half = width // 2
        return cls(
            torch.zeros(left, streams, width),
            torch.zeros(1, streams, left, 3 * half // 4),
            torch.zeros(left, streams, half),
            torch.zeros(left, streams, half),
            torch.zeros(streams, half, past),
            torch.zeros(streams, half, past),
        )


class Look(NamedTuple):
    """What the layers see of a chunk's frames and of those before it, and where all of them stand."""

    valid_BS: Tensor  # bool: within the stream
    unseen_B11P: Tensor  # added to scores: 0, or so little that nothing is left of them
    cos_PK: Tensor
    sin_PK: Tensor


class StreamingStep(nn.Module):
    """x (B, T, 80) float32 and the caches -> log_probs (B, S, V) and the caches after it."""

    cos_PK: Tensor
    sin_PK: Tensor

    def __init__(self, model: Recogniser) -> None:
        super().__init__()
        self.model, self.left = model, model.config.left_frames
        head_width = model.config.width // model.config.heads
        cos_PK, sin_PK = rotary_tables(self.left + CHUNK, head_width, torch.device("cpu"))
        self.register_buffer("cos_PK", cos_PK, persistent=False)
        self.register_buffer("sin_PK", sin_PK, persistent=False)

    def forward(self, x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        embed, heard_B = states[-2:]
        lengths_B = SUBSAMPLING * CHUNK - embed[:, -1, -1, -1].to(torch.int64)
        x_BSD, embed, lengths_B = front_step(self.model.front, x, embed, lengths_B, heard_B)
        look = self._look(lengths_B, heard_B)
        kept: list[Tensor] = []
        for number, block in enumerate(self.model.blocks):
            assert isinstance(block, ConformerBlock)
            x_BSD, memory = block_step(block, x_BSD, Memory(*states[6 * number : 6 * number + 6]), look)
            kept += memory
        log_probs_BSV = self.model.head(x_BSD).log_softmax(-1)
        return log_probs_BSV, [*kept, embed, heard_B + lengths_B]

    def _look(self, lengths_B: Tensor, heard_B: Tensor) -> Look:
        place_P = torch.arange(self.left + CHUNK)
        seen_BP = (place_P >= self.left - heard_B[:, None]) & (place_P < self.left + lengths_B[:, None])
        unseen_BP = (~seen_BP) * NEVER
        return Look(valid_frames(lengths_B, CHUNK), unseen_BP[:, None, None, :], self.cos_PK, self.sin_PK)

    def begin(self, streams: int = 1) -> list[Tensor]:
        """The caches before the first chunk."""
        memories = [cache for _ in self.model.blocks for cache in Memory.empty(self.model, streams)]
        return [*memories, torch.zeros(streams, *_EMBED), torch.zeros(streams, dtype=torch.int64)]

    def cache_names(self) -> list[str]:
        """In the order of `begin`."""
        of_blocks = [f"{name}_{number}" for number in range(len(self.model.blocks)) for name in _NAMES]
        return [*of_blocks, "embed_states", "processed_lens"]


def front_step(
    front: Subsampling, x_BTF: Tensor, embed: Tensor, lengths_B: Tensor, heard_B: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """`Subsampling.forward` of a chunk, beginning 3 feature frames before it. What lies before the stream and
    behind its end is zero at each of the two convolutions."""
    x_BTF = silence_padding((x_BTF - front.mean_F) / front.deviation_F, lengths_B)
    before_BLF = embed[:, :NUM_MEL, :, 0].transpose(1, 2)
    window_BTF = torch.cat([before_BLF, x_BTF], 1)
    x_BCTF = F.silu(_along_frequency(front.first, window_BTF[:, None]))
    lengths_B = halve(lengths_B)
    there_BT = torch.cat([(heard_B > 0)[:, None], valid_frames(lengths_B, x_BCTF.shape[2] - 1)], 1)
    x_BCTF = _along_frequency(front.second, x_BCTF * there_BT[:, None, :, None])
    x_BCSF = F.silu(front.mix(x_BCTF))
    last_BFL1 = window_BTF[:, -_LOOKBACK:].transpose(1, 2)[..., None]
    embed = F.pad(last_BFL1, (0, _EMBED[2] - 1, 0, 0, 0, _EMBED[0] - NUM_MEL))
    return front.project(x_BCSF.transpose(1, 2).flatten(2)), embed, halve(lengths_B)


def _along_frequency(convolution: nn.Conv2d, x_BCTF: Tensor) -> Tensor:
    """The convolution without padding in time, where the frame before is there and none behind is needed."""
    weight, bias, groups = convolution.weight, convolution.bias, convolution.groups
    return F.conv2d(x_BCTF, weight, bias, stride=2, padding=(0, 1), groups=groups)


def block_step(block: ConformerBlock, x_BSD: Tensor, memory: Memory, look: Look) -> tuple[Tensor, Memory]:
    """`ConformerBlock.forward` of a chunk."""
    x_BSD = x_BSD + 0.5 * block.feed_forward_in(x_BSD)
    mixed_BSD, memory = attention_step(block.attention, x_BSD, memory, look)
    x_BSD = x_BSD + mixed_BSD
    mixed_BSD, memory = convolution_step(block.convolution, x_BSD, memory, look)
    x_BSD = x_BSD + mixed_BSD
    return block.norm(x_BSD + 0.5 * block.feed_forward_out(x_BSD)), memory


def attention_step(attention: Attention, x_BSD: Tensor, memory: Memory, look: Look) -> tuple[Tensor, Memory]:
    """Keys are remembered as they are and rotated by their place in the window: only distances count, and
    no position grows with the stream."""
    left = memory.keys_LBD.shape[0]
    query_BSD, key_BSD, value_BSD = attention.queries_keys_values(attention.norm(x_BSD)).chunk(3, dim=-1)
    values_LBD = torch.cat([memory.values1_LBD, memory.values2_LBD], -1)
    keys_BPD = torch.cat([memory.keys_LBD.transpose(0, 1), key_BSD], 1)
    values_BPD = torch.cat([values_LBD.transpose(0, 1), value_BSD], 1)
    query_BHSK, keys_BHPK, values_BHPK = (
        each.unflatten(-1, (attention.heads, -1)).transpose(1, 2)
        for each in (query_BSD, keys_BPD, values_BPD)
    )
    query_BHSK = rotate(query_BHSK, look.cos_PK[left:], look.sin_PK[left:])
    keys_BHPK = rotate(keys_BHPK, look.cos_PK, look.sin_PK)
    mixed_BHSK = F.scaled_dot_product_attention(
        query_BHSK, keys_BHPK, values_BHPK, attn_mask=look.unseen_B11P
    )
    keys_LBD, values_LBD = (each[:, -left:].transpose(0, 1) for each in (keys_BPD, values_BPD))
    values1_LBD, values2_LBD = values_LBD.chunk(2, dim=-1)
    memory = memory._replace(keys_LBD=keys_LBD, values1_LBD=values1_LBD, values2_LBD=values2_LBD)
    return attention.output(mixed_BHSK.transpose(1, 2).flatten(2)), memory


def convolution_step(
    convolution: Convolution, x_BSD: Tensor, memory: Memory, look: Look
) -> tuple[Tensor, Memory]:
    """`Convolution.forward` of a chunk: half a kernel of frames before it, zeros behind it."""
    past = memory.gated1_BDW.shape[2]
    gated_BSD = F.glu(convolution.gate(convolution.norm(x_BSD)), dim=-1) * look.valid_BS[:, :, None]
    before_BDW = torch.cat([memory.gated1_BDW, memory.gated2_BDW], 1)
    window_BDS = torch.cat([before_BDW, gated_BSD.transpose(1, 2)], 2)
    over_time_BDS = convolution.along_time(F.pad(window_BDS, (0, past)), 0)
    mixed_BSD = F.silu(convolution.batch_norm(over_time_BDS)).transpose(1, 2)
    gated1_BDW, gated2_BDW = window_BDS[:, :, -past:].chunk(2, dim=1)
    return convolution.output(mixed_BSD), memory._replace(gated1_BDW=gated1_BDW, gated2_BDW=gated2_BDW)


def streaming_graph(model: Recogniser) -> bytes:
    """The ONNX graph of `StreamingStep`, for any number of streams at once."""
    step = StreamingStep(model).eval()
    names = step.cache_names()
    streams = torch.export.Dim("N", min=1)
    shapes = [{1 if name.startswith(_OF_STREAMS_SECOND) else 0: streams} for name in names]
    contract = Contract(
        inputs=("x", *names),
        outputs=("log_probs", *(f"new_{name}" for name in names)),
        dynamic_shapes={"x": {0: streams}, "states": shapes},
    )
    example = (torch.zeros(2, SUBSAMPLING * CHUNK, NUM_MEL), step.begin(streams=2))
    return to_graph(to_program(step, example, contract), contract, metadata(model))


def metadata(model: Recogniser) -> dict[str, str]:
    """What sherpa-onnx makes the first caches by: sizes, which say nothing else of the network."""
    config = model.config
    sizes = {
        "encoder_dims": config.width // 2,
        "query_head_dims": config.width // config.heads,
        "value_head_dims": config.width // (2 * config.heads),
        "num_heads": config.heads,
        "num_encoder_layers": config.blocks,
        "cnn_module_kernels": config.kernel,
        "left_context_len": config.left_frames,
        "T": SUBSAMPLING * CHUNK,
        "decode_chunk_len": SUBSAMPLING * CHUNK,
    }
    about = {"model_type": "zipformer2_ctc", "version": "1", "model_author": "voxloom"}
    return {**about, "comment": "streaming conformer", **{name: str(size) for name, size in sizes.items()}}
