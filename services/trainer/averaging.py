"""Which weights a run hands over: those it ended with, or those of its best epochs.

A run ends on a falling learning rate, which is worth more than a lucky epoch: of a hundred epochs measured on
a few hundred words some look better than they are. So the end is taken unless the best is better by more than
the standard error of its figure (the rule of one standard error: Breiman et al. 1984, Classification and
Regression Trees, 3.4.3), as it is after a run that learned its data by heart or went astray.

The best is an epoch or the mean of several, which often lies nearer to the middle of a wide minimum than any
of them (Izmailov et al. 2018, arXiv 1803.05407).
"""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from services.trainer.checkpoint import Checkpoints
from services.trainer.counters import Best
from services.trainer.data import Features
from services.trainer.decode import score
from services.trainer.train import State
from voxloom.tokenizer import Tokenizer

Weights = dict[str, Tensor]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    epochs: str
    weights: Weights
    wer: float
    cer: float


def choose_weights(checkpoints: Checkpoints, state: State, val: Features, tokenizer: Tokenizer) -> float:
    """Fills `state.average`, which holds what the run ended with, with the weights that the export takes, and
    returns their WER on val. BadInput when no best weights can be read; `state.average` is then as it was."""
    last = {name: value.clone() for name, value in state.average.state_dict().items()}
    chosen = last
    try:
        scored = score(state.average, val, tokenizer)
        end = Candidate(f"{state.at.epoch}, the last", last, scored.wer, scored.cer)
        best = best_of(checkpoints, state, val, tokenizer)
        words = sum(each.words.reference for each in scored.utterances)
        found = end if end.wer <= best.wer + standard_error(best.wer, words) else best
        chosen = found.weights
    finally:
        state.average.load_state_dict(chosen)
    _log.info("weights of epoch %s: val WER %.1f %%", found.epochs, 100 * found.wer)
    return found.wer


def standard_error(wer: float, words: int) -> float:
    """Of a word error rate that was measured on so many words, each of them an error or not; with one more
    of either kind, so that no error among few words is no certainty."""
    share = (min(max(wer, 0.0), 1.0) * words + 1) / (words + 2)
    return math.sqrt(share * (1 - share) / (words + 2))


def best_of(checkpoints: Checkpoints, state: State, val: Features, tokenizer: Tokenizer) -> Candidate:
    """The mean over as many of the best epochs as make the fewest errors on val; of equals over more.
    `state.average` is used for it."""
    found: Candidate | None = None
    for epochs, weights in _means(checkpoints, state):
        rates = (epochs[0].wer, epochs[0].cer)
        if len(epochs) > 1:
            state.average.load_state_dict(weights)
            scored = score(state.average, val, tokenizer)
            rates = (scored.wer, scored.cer)
        if found is None or rates <= (found.wer, found.cer):
            found = Candidate(_listed(epochs), dict(weights), *rates)
        if not val.clips.clips:
            break
    assert found, "best_weights yields at least one"
    return found


def _means(checkpoints: Checkpoints, state: State) -> Iterator[tuple[list[Best], Weights]]:
    """Of the best epoch, the best two and so on; whole numbers (counts of batches) are of the best one."""
    epochs: list[Best] = []
    mean: Weights = {}
    for best, weights in checkpoints.best_weights(state):
        epochs = [*epochs, best]
        mean = mean or weights
        for name, value in weights.items():
            if value.is_floating_point():
                mean[name] = mean[name] + (value - mean[name]) / len(epochs)
        yield epochs, mean


def _listed(chosen: list[Best]) -> str:
    return " and ".join(str(each.epoch) for each in chosen)
