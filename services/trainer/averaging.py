"""Which weights a run hands over: those of its best epoch, or the mean of those of its best few.

The mean of several points of one run often lies nearer to the middle of a wide minimum than any of them
(Izmailov et al. 2018, arXiv 1803.05407); val says whether it does here.
"""

import logging
from collections.abc import Iterator

from torch import Tensor

from services.trainer.checkpoint import Checkpoints
from services.trainer.counters import Best
from services.trainer.data import Features
from services.trainer.decode import score
from services.trainer.train import State
from voxloom.tokenizer import Tokenizer

Weights = dict[str, Tensor]
_log = logging.getLogger(__name__)


def choose_weights(checkpoints: Checkpoints, state: State, val: Features, tokenizer: Tokenizer) -> float:
    """Fills `state.average` with the weights that the export takes, and returns their WER on val.

    They are the mean over as many of the best epochs as make the fewest errors on val; of equals over more.
    BadInput when no best weights can be read.
    """
    chosen, kept, fewest = list[Best](), Weights(), (0.0, 0.0)
    for epochs, weights in _means(checkpoints, state):
        state.average.load_state_dict(weights)
        rates = (epochs[0].wer, epochs[0].cer)
        if len(epochs) > 1:
            scored = score(state.average, val, tokenizer)
            rates = (scored.wer, scored.cer)
        if not chosen or rates <= fewest:
            chosen, kept, fewest = epochs, dict(weights), rates
        if not val.clips.clips:
            break
    state.average.load_state_dict(kept)
    _log.info("weights of epoch %s: val WER %.1f %%", _listed(chosen), 100 * fewest[0])
    return fewest[0]


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
