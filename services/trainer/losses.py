"""What a step minimises: CTC twice, and that two masked views of an utterance say the same.

Shapes: R views, B utterances, T feature frames, S encoder frames, V vocabulary, U tokens.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from services.trainer.data import Batch
from services.trainer.model import Recogniser, valid_frames
from services.trainer.precision import fast_products
from services.trainer.recipes import Recipe


def draw_chunk(recipe: Recipe, seed: int) -> int | None:
    """The encoder frames that this step's utterances are heard in at once; None: whole."""
    random = np.random.default_rng(seed)
    if random.random() >= recipe.chunk_probability:
        return None
    low, high = recipe.chunk_frames
    return int(random.integers(low, high + 1))


def total_loss(
    model: Recogniser, batch: Batch, recipe: Recipe, device: torch.device, chunk: int | None
) -> Tensor:
    """CTC of the last head and, with its weight, of the intermediate one (arXiv 2102.03216); of two views
    also how far they differ (CR-CTC, Yao et al. 2024, arXiv 2410.05101)."""
    views = len(batch.log_mel_RBTF)
    log_mel_BTF, lengths_B = (
        batch.log_mel_RBTF.flatten(0, 1).to(device),
        batch.lengths_B.repeat(views).to(device),
    )
    targets_BU, target_lengths_B = (
        batch.targets_BU.repeat(views, 1).to(device),
        batch.target_lengths_B.repeat(views).to(device),
    )
    with fast_products(device, recipe.bfloat16):
        last_BSV, middle_BSV, lengths_B = model.both_heads(log_mel_BTF, lengths_B, chunk)
    loss = ctc_loss(last_BSV, lengths_B, targets_BU, target_lengths_B)
    if middle_BSV is not None:
        middle = ctc_loss(middle_BSV, lengths_B, targets_BU, target_lengths_B)
        loss = (1 - recipe.intermediate_weight) * loss + recipe.intermediate_weight * middle
    if views == 2:
        loss = loss + recipe.consistency_weight * difference(last_BSV, lengths_B, target_lengths_B)
    return loss


def ctc_loss(
    log_probs_BSV: Tensor, lengths_B: Tensor, targets_BU: Tensor, target_lengths_B: Tensor
) -> Tensor:
    """Mean over utterances of the loss per token; infinite ones (text longer than audio) count zero."""
    return F.ctc_loss(
        log_probs_BSV.transpose(0, 1), targets_BU, lengths_B, target_lengths_B, zero_infinity=True
    )


def difference(log_probs_BSV: Tensor, lengths_B: Tensor, target_lengths_B: Tensor) -> Tensor:
    """Kullback-Leibler divergence between the two views of each utterance, each the other's teacher, per
    token like the CTC loss. The first half of the batch is one view, the second half the other."""
    one_BSV, other_BSV = log_probs_BSV.chunk(2)
    valid_BS = valid_frames(lengths_B, log_probs_BSV.shape[1]).chunk(2)[0]
    towards_other_BSV = other_BSV.detach().exp() * (other_BSV.detach() - one_BSV)
    towards_one_BSV = one_BSV.detach().exp() * (one_BSV.detach() - other_BSV)
    both_BS = (towards_other_BSV + towards_one_BSV).sum(-1) / 2
    return ((both_BS * valid_BS).sum(-1) / target_lengths_B.chunk(2)[0]).mean()
