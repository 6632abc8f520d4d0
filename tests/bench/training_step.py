"""Audio seconds that a training step takes in a second, beside SpeechBrain's Conformer with CTC.

  pip install speechbrain   # into an environment of its own that has voxloom's, or a folder on PYTHONPATH
  python tests/bench/training_step.py --recipe small

Both train an encoder of the recipe's width, blocks, heads, feed-forward and kernel on the same batches of
random features with lengths and texts like those of sentences: forward, CTC, backward, clipping, AdamW.
SpeechBrain's is its TransformerASR with encoder_module="conformer" and relative positions behind the
front-end of its LibriSpeech recipe. Rounds are interleaved, medians compared; one view of each utterance.

  voxloom            as it trains: products in bfloat16 where the processor has instructions for them, the
                     batch split over the threads, intermediate CTC
  voxloom float32    the same without bfloat16
  speechbrain        float32, its default; threads within each operation, as torch does by itself
  speechbrain bf16   under torch.autocast, its --precision bf16
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from services.trainer.data import Batch
from services.trainer.losses import total_loss
from services.trainer.model import Recogniser
from services.trainer.precision import multiplies_bfloat16
from services.trainer.recipes import RECIPES, ModelConfig, Recipe
from services.trainer.replicas import Replicas

VOCABULARY = 30
Step = Callable[[Batch, int], None]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="small")
    parser.add_argument("--batch-seconds", type=float, default=60.0, help="audio of a batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=6, help="of a round")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    args = parser.parse_args()
    device = torch.device(args.device)
    recipe = replace(RECIPES[args.recipe], consistency_weight=0.0)
    batches = [batch for _, batch in zip(range(args.batches), made(args.batch_seconds), strict=False)]
    steps = dict(steppers(recipe, device, args.threads))
    if "speechbrain" not in steps:
        print("speechbrain is not installed here: pip install speechbrain; nothing to compare with")
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(args.rounds + 1):  # the first warms up
        for name, step in steps.items():
            torch.set_num_threads(1 if name.startswith("voxloom") else args.threads)
            rate = measured(step, batches, device)
            rates[name] += [rate] if number else []
    print_table(rates, recipe, args)
    return 0


def made(batch_s: float) -> Iterator[Batch]:
    """Batches of utterances of about the same length, 2 to 12 s, with 12 to 15 characters a second."""
    random = torch.Generator().manual_seed(1)
    while True:
        longest = int(torch.randint(200, 1200, (1,), generator=random))
        count = max(1, round(batch_s * 100 / longest))
        lengths_B = torch.randint(int(longest * 0.9), longest + 1, (count,), generator=random)
        lengths_B[0] = longest
        target_lengths_B = lengths_B * 13 // 100
        log_mel_BTF = torch.randn(count, longest, 80, generator=random)
        targets_BU = torch.randint(1, VOCABULARY, (count, int(target_lengths_B.max())), generator=random)
        yield Batch(log_mel_BTF[None], lengths_B, targets_BU, target_lengths_B, int(lengths_B.sum()) / 100)


def measured(step: Step, batches: list[Batch], device: torch.device) -> float:
    """Audio seconds a second."""
    began = time.perf_counter()
    for number, batch in enumerate(batches):
        step(batch, number)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return sum(batch.audio_s for batch in batches) / (time.perf_counter() - began)


def steppers(recipe: Recipe, device: torch.device, threads: int) -> Iterator[tuple[str, Step]]:
    yield "voxloom", ours(recipe, device, threads)
    if multiplies_bfloat16(device):
        yield "voxloom float32", ours(replace(recipe, bfloat16=False), device, threads)
    try:
        yield "speechbrain", theirs(recipe.model, device, None)
    except ImportError:
        return
    yield "speechbrain bf16", theirs(recipe.model, device, torch.bfloat16)


def ours(recipe: Recipe, device: torch.device, threads: int) -> Step:
    torch.manual_seed(1)
    model = Recogniser(recipe.model, VOCABULARY).to(device)
    replicas = Replicas(model, threads)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def loss(model: Recogniser, part: Batch) -> Tensor:
        return total_loss(model, part, recipe, device, None)

    def step(batch: Batch, number: int) -> None:
        replicas.backward(batch, loss, seed=number)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


class SpeechBrain(nn.Module):
    """(B, T, 80), lengths_B to log probabilities (B, S, V); the parts of its LibriSpeech conformer_small."""

    def __init__(self, config: ModelConfig) -> None:
        from speechbrain.lobes.models.convolution import ConvolutionFrontEnd
        from speechbrain.lobes.models.transformer.TransformerASR import TransformerASR

        super().__init__()
        two: dict[str, Any] = {"kernel_sizes": (3, 3), "strides": (2, 2), "residuals": (False, False)}
        self.front = ConvolutionFrontEnd(
            (8, 10, 80), num_blocks=2, num_layers_per_block=1, out_channels=(64, 32), **two
        )
        self.encoder = TransformerASR(
            tgt_vocab=VOCABULARY,
            input_size=640,
            d_model=config.width,
            nhead=config.heads,
            num_encoder_layers=config.blocks,
            num_decoder_layers=0,
            d_ffn=config.width * config.feed_forward,
            dropout=config.dropout,
            activation=nn.GELU,
            kernel_size=config.kernel,
            encoder_module="conformer",
            attention_type="RelPosMHAXL",
            normalize_before=True,
            causal=False,
        )
        self.head = nn.Linear(config.width, VOCABULARY)

    def forward(self, log_mel_BTF: Tensor, lengths_B: Tensor) -> Tensor:
        share_B = lengths_B / log_mel_BTF.shape[1]
        encoded_BSD = self.encoder.encode(self.front(log_mel_BTF), share_B)
        log_probs_BSV: Tensor = self.head(encoded_BSD).log_softmax(-1)
        return log_probs_BSV


def theirs(config: ModelConfig, device: torch.device, precision: torch.dtype | None) -> Step:
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SpeechBrain(config).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step(batch: Batch, number: int) -> None:
        log_mel_BTF, lengths_B = batch.log_mel_RBTF[0].to(device), batch.lengths_B.to(device)
        with torch.autocast(device.type, dtype=precision or torch.bfloat16, enabled=precision is not None):
            log_probs_BSV = model(log_mel_BTF, lengths_B)
        frames_B = (lengths_B * log_probs_BSV.shape[1] / log_mel_BTF.shape[1]).round().long()
        targets_BU = batch.targets_BU.to(device)
        loss = F.ctc_loss(
            log_probs_BSV.float().transpose(0, 1), targets_BU, frames_B, batch.target_lengths_B.to(device)
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def print_table(rates: dict[str, list[float]], recipe: Recipe, args: argparse.Namespace) -> None:
    config = recipe.model
    print(
        f"encoder of {recipe.name}: width {config.width}, {config.blocks} blocks, kernel {config.kernel};"
        f" {args.batch_seconds:g} s a batch, {args.threads} thread(s), {args.device}"
    )
    medians = {name: statistics.median(each) for name, each in rates.items()}
    for name, rate in medians.items():
        against = medians["voxloom"] / rate
        print(f"{name:18} {rate:8.0f} audio s/s   voxloom is {against:.2f} times as fast")


if __name__ == "__main__":
    raise SystemExit(main())
