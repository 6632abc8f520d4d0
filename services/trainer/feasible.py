"""Which clips of a dataset a run cannot learn from, counted by reason: nothing is left out silently."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from services.trainer.recipes import Recipe
from voxloom.tokenizer import Tokenizer, ctc_frames_needed, encoder_frames

if TYPE_CHECKING:
    from services.trainer.clips import Clip

TOO_LONG = "longer_than_recipe_allows"
TOO_FAST = "too_fast_for_ctc"  # fewer frames than its text has tokens, and a blank between equal ones
REASONS = (TOO_FAST, TOO_LONG)


def why_not(clip: "Clip", tokenizer: Tokenizer, recipe: Recipe) -> str:
    """The reason; empty for a clip that is trained on."""
    if clip.duration_s > recipe.max_utterance_s:
        return TOO_LONG
    if encoder_frames(clip.duration_s) < ctc_frames_needed(tokenizer.encode(clip.row.text)):
        return TOO_FAST
    return ""


def left_out(clips: Iterable["Clip"], tokenizer: Tokenizer, recipe: Recipe) -> dict[str, int]:
    """How many of these, by reason."""
    reasons = Counter(why_not(clip, tokenizer, recipe) for clip in clips)
    return {reason: count for reason, count in sorted(reasons.items()) if reason}


def in_words(counts: dict[str, int]) -> str:
    """`3 too fast for ctc, 1 longer than recipe allows`"""
    return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in counts.items())
