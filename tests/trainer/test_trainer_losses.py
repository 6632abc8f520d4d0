"""What a step minimises: the divergence of two views, and how often which chunk is drawn."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from services.trainer.data import Batch
from services.trainer.losses import difference, draw_chunk, total_loss
from services.trainer.model import Recogniser
from services.trainer.recipes import RECIPES

CPU = torch.device("cpu")


def log_probs(seed: int, utterances: int = 3) -> torch.Tensor:
    return torch.randn(utterances, 20, 6, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)


def test_views_that_agree_do_not_differ():
    one = log_probs(1)
    lengths, tokens = torch.tensor([20, 15, 4] * 2), torch.tensor([5, 3, 1] * 2)
    assert difference(torch.cat([one, one]), lengths, tokens) == 0


def test_the_difference_is_the_symmetric_divergence_a_token_of_valid_frames():
    one, other = log_probs(1), log_probs(2)
    lengths, tokens = torch.tensor([20, 15, 4]), torch.tensor([5, 3, 1])
    expected = 0.0
    for row in range(3):
        a, b = one[row, : lengths[row]], other[row, : lengths[row]]
        both = F.kl_div(a, b, reduction="sum", log_target=True) + F.kl_div(
            b, a, reduction="sum", log_target=True
        )
        expected += float(both) / 2 / int(tokens[row]) / 3
    found = difference(torch.cat([one, other]), lengths.repeat(2), tokens.repeat(2))
    assert float(found) == pytest.approx(expected, rel=1e-5)
    swapped = difference(torch.cat([other, one]), lengths.repeat(2), tokens.repeat(2))
    assert float(swapped) == pytest.approx(expected, rel=1e-5)


def test_each_view_learns_from_the_other():
    logits = torch.randn(2, 5, 4, requires_grad=True)
    difference(logits.log_softmax(-1), torch.tensor([5, 5]), torch.tensor([2, 2])).backward()
    moved = logits.detach() - 0.5 * logits.grad
    lengths, tokens = torch.tensor([5, 5]), torch.tensor([2, 2])
    assert difference(moved.log_softmax(-1), lengths, tokens) < difference(
        logits.detach().log_softmax(-1), lengths, tokens
    )


@torch.inference_mode()
def test_a_second_view_adds_its_weight_of_the_difference():
    torch.manual_seed(3)
    recipe = RECIPES["smoke"]
    model = Recogniser(recipe.model, vocabulary=6).eval()
    views = torch.randn(2, 2, 60, 80)
    batch = Batch(views, torch.tensor([60, 50]), torch.randint(1, 6, (2, 3)), torch.full((2,), 3), 1.1)
    alone = replace(recipe, consistency_weight=0.0)
    plain, with_it = (float(total_loss(model, batch, each, CPU, None)) for each in (alone, recipe))
    log_probs_BSV, lengths_B = model(views.flatten(0, 1), batch.lengths_B.repeat(2))
    apart = float(difference(log_probs_BSV, lengths_B, batch.target_lengths_B.repeat(2)))
    assert apart > 0
    assert with_it - plain == pytest.approx(recipe.consistency_weight * apart, rel=1e-3)


def test_chunks_are_drawn_as_often_and_as_long_as_the_recipe_says():
    recipe = replace(RECIPES["smoke"], chunk_probability=0.25, chunk_frames=(4, 6))
    drawn = Counter(draw_chunk(recipe, seed) for seed in range(4000))
    assert set(drawn) == {None, 4, 5, 6}
    assert 0.72 < drawn[None] / 4000 < 0.78
    assert min(drawn[4], drawn[5], drawn[6]) > 250
    assert draw_chunk(recipe, 7) == draw_chunk(recipe, 7)
