"""The weights of a beam search, found on validation clips that went through the network once. No torch."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from voxloom.beam import BeamDecoder, make_decoder
from voxloom.confidence import Calibration, Checked, fit
from voxloom.decode import Hypothesis, LogProbs
from voxloom.lm import Decoding, LanguageModel, Weights
from voxloom.tokenizer import Tokenizer
from voxloom.wer import right_words, word_edits

ALPHAS = (0.25, 0.5, 0.9, 1.4, 2.0)
BETAS = (0.0, 1.5, 3.0)
VOCABULARIES: tuple[dict[str, Any], ...] = (
    {"closed": True},
    {"unknown": -10.0},
    {"unknown": -4.0},
)  # the strictest first: it wins a tie
BEAMS = (16, 32, 64, 128)
_SEARCH_BEAM = 32  # while weights are compared
_MAX_FRAMES = 15_000  # that each choice is tried on: ten minutes of audio
_MIN_WORDS = 100  # of validation; with fewer, a choice between weights is chance

Grid = dict[tuple[int, int], Weights]


@dataclass(frozen=True)
class Heard:
    """One validation clip: what was said, and what the model makes of it."""

    reference: str
    log_probs_SV: LogProbs


def tune(
    heard: Sequence[Heard],
    tokenizer: Tokenizer,
    lm: LanguageModel,
    threads: int,
    tell: Callable[[str], None] = lambda message: None,
) -> Weights:
    """Coarse to fine over alpha and beta, of closed and open vocabularies; the usual ones for little data."""
    if sum(len(each.reference.split()) for each in heard) < _MIN_WORDS:
        return Weights()
    trials = _Trials(_some(heard), tokenizer, lm, threads, tell)
    coarse = {name: _grid(ALPHAS, BETAS, **change) for name, change in enumerate(VOCABULARIES)}
    centres = [_centre(grid, trials) for grid in coarse.values()]
    best = min(centres, key=lambda each: each[0])[1]  # the first of equal ones
    fine = _grid(
        [best.alpha * factor for factor in (0.7, 0.85, 1.0, 1.2, 1.4)],
        [best.beta + step for step in (-1.0, -0.5, 0.0, 0.5, 1.0)],
        closed=best.closed,
        unknown=best.unknown,
    )
    found = _centre(fine, trials)[1]
    beams = [found.model_copy(update={"beam": beam}) for beam in BEAMS]
    return min(beams, key=trials.errors)  # the narrowest of equal ones


def count_errors(
    heard: Sequence[Heard], tokenizer: Tokenizer, lm: LanguageModel, weights: Weights, threads: int
) -> int:
    """Word errors of all clips."""
    decoder = BeamDecoder(tokenizer, lm, weights)
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(partial(_errors, decoder), heard))


def calibrate(
    heard: Sequence[Heard], tokenizer: Tokenizer, lm: LanguageModel | None, decoding: Decoding
) -> Calibration | None:
    """Of the words as they are served; None where there are too few to learn from. The model was chosen by
    the same clips, so that it may be a little too sure: what it is on test the optimizer measures."""
    decode = make_decoder(decoding, tokenizer, lm)
    return fit(
        [word for each in _some(heard) for word in _checked(each.reference, decode(each.log_probs_SV))]
    )


def _checked(reference: str, found: Hypothesis) -> list[Checked]:
    right = right_words(reference, found.text)
    return [
        Checked(word.confidence, len(word.text), is_right)
        for word, is_right in zip(found.words, right, strict=True)
    ]


class _Trials:
    """Weights to word errors, each tried once."""

    def __init__(
        self,
        heard: Sequence[Heard],
        tokenizer: Tokenizer,
        lm: LanguageModel,
        threads: int,
        tell: Callable[[str], None],
    ) -> None:
        self._count = partial(count_errors, heard, tokenizer, lm, threads=threads)
        self._tell, self._known = tell, dict[Weights, int]()
        self._total = len(ALPHAS) * len(BETAS) * len(VOCABULARIES) + 25 + len(BEAMS)

    def errors(self, weights: Weights) -> int:
        if weights not in self._known:
            self._known[weights] = self._count(weights=weights)
            self._tell(f"{len(self._known)} of about {self._total}")
        return self._known[weights]


def _grid(alphas: Sequence[float], betas: Sequence[float], **same: Any) -> Grid:
    return {
        (row, column): Weights(alpha=round(alpha, 3), beta=round(beta, 3), beam=_SEARCH_BEAM, **same)
        for row, alpha in enumerate(alphas)
        for column, beta in enumerate(betas)
    }


def _centre(grid: Grid, trials: _Trials) -> tuple[float, Weights]:
    """The weights that are best together with their neighbours, and their mean errors; of equal ones the
    smaller. A single good point among bad ones is luck: the next data will not share it."""

    def smooth(place: tuple[int, int]) -> float:
        row, column = place
        near = [grid[key] for key in grid if abs(key[0] - row) <= 1 and abs(key[1] - column) <= 1]
        return sum(map(trials.errors, near)) / len(near)

    best = min(grid, key=lambda place: (smooth(place), grid[place].alpha, abs(grid[place].beta)))
    return smooth(best), grid[best]


def _some(heard: Sequence[Heard]) -> Sequence[Heard]:
    """Clips from all over the list, as many as are worth the time."""
    frames = sum(len(each.log_probs_SV) for each in heard)
    return heard[:: max(1, round(frames / _MAX_FRAMES))]


def _errors(decoder: BeamDecoder, each: Heard) -> int:
    return word_edits(each.reference, decoder.text(each.log_probs_SV)).errors
