"""What a call asks for beside the text: hot words, and other texts to choose from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.inference.models import ServedModel
from services.inference.pool import Pool
from voxloom.errors import BadInput
from voxloom.hot_words import read_hot_words

MAX_ALTERNATIVES = 20


@dataclass(frozen=True)
class Options:
    hot_words: Sequence[tuple[str, float]] = ()  # a phrase, and the boost of a letter of it; 0 is the default
    alternatives: int = 1  # texts, the best included; 0 is 1


async def listener(model: ServedModel, pool: Pool, options: Options) -> ServedModel:
    """`listening`, in a worker if there is anything to do."""
    if not options.hot_words and options.alternatives in (0, 1):
        return model
    return await pool.run(listening, model, options)


def listening(model: ServedModel, options: Options) -> ServedModel:
    """The model, to be asked as always, that hears as the call wants; BadInput for what cannot be wanted.

    The text of a segment is found by beam search where there are hot words, also of a model that is served
    greedy; interim results of a stream stay greedy.
    """
    if not 0 <= options.alternatives <= MAX_ALTERNATIVES:
        raise BadInput(f"max_alternatives is {options.alternatives}; expected 0 to {MAX_ALTERNATIVES}")
    hot = read_hot_words(options.hot_words, next(iter(model.record.languages), ""), model.tokenizer)
    if not hot and options.alternatives <= 1:
        return model
    decode = model.searching.decoder(model.decode, hot, max(options.alternatives, 1))
    return replace(model, decode=decode)
