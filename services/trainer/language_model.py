"""After the training: a language model from its texts, and whether decoding with it makes fewer errors."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from services.trainer.data import Features
from services.trainer.decode import log_probs
from services.trainer.kneser_ney import estimate
from services.trainer.model import Recogniser
from services.trainer.sentences import Sentences, gather
from services.trainer.tuning import Heard, calibrate, count_errors, tune
from voxloom.decode import greedy
from voxloom.errors import BadInput
from voxloom.lm import MAX_BYTES, Decoding, NgramRecord, Weights, perplexity, read_arpa
from voxloom.manifest import DatasetRecord
from voxloom.storage import ObjectStore
from voxloom.tokenizer import Tokenizer
from voxloom.wer import word_edits

_LARGE = 1_000_000  # running words from which on rare n-grams are more weight than worth
_DEAF = 0.9  # greedy word error rate from which on there is nothing to tune
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What goes into the export beside the graph."""

    decoding: Decoding = field(default_factory=Decoding)
    arpa: bytes = b""  # none without a language model
    val_wer_lm: float | None = None


def add_language_model(
    store: ObjectStore,
    dataset: DatasetRecord,
    model: Recogniser,
    val: Features,
    tokenizer: Tokenizer,
    threads: int,
    tell: Callable[[str], None] = lambda message: None,
) -> Outcome:
    """Greedy stays the decoder, and the reason says why, where the language model does not help on val."""
    if not tokenizer.spells(" "):
        return Outcome(Decoding(reason="the texts have no spaces, so there are no words to count"))
    tell("makes the language model")
    sentences = gather(store, dataset, tokenizer)
    heard = list_heard(model, val)
    references = [each.reference for each in heard]
    arpa, record = build(sentences, references)
    if not any(map(str.split, references)):
        reason = "there is no validation text to find the language model's weights on"
        return Outcome(Decoding(reason=reason, lm=record), arpa)
    lm = read_arpa(arpa)
    words = sum(len(text.split()) for text in references)
    plain = sum(_greedy_errors(each, tokenizer) for each in heard)
    weights = Weights()  # where there is nothing to weigh: the model is deaf
    if plain < _DEAF * words:
        weights = tune(heard, tokenizer, lm, threads, lambda message: tell(f"tunes decoding: {message}"))
    errors = count_errors(heard, tokenizer, lm, weights, threads)
    decoding = decide(plain, errors, words, weights, record)
    tell("calibrates confidence")
    confidence = calibrate(heard, tokenizer, lm, decoding)
    return Outcome(decoding.model_copy(update={"confidence": confidence}), arpa, errors / words)


def decide(plain: int, errors: int, words: int, weights: Weights, record: NgramRecord) -> Decoding:
    """The decoder with fewer errors on val; greedy when they are equal, for it is simpler."""
    figures = f"{errors} word errors with the language model, {plain} greedy, in {words} words of val"
    better = errors < plain
    reason = figures if better else f"the language model does not help: {figures}"
    _log.info("decoding: %s", reason)
    return Decoding(decoder="beam" if better else "greedy", reason=reason, weights=weights, lm=record)


def build(sentences: Sentences, val: list[str]) -> tuple[bytes, NgramRecord]:
    """The ARPA and what it is. Sentences count as often as they were said or once each, whichever foresees
    val better: prompts that many people read were not chosen by any of them."""
    order, least, reason = shape(sentences.num_words)
    ways = {"each sentence counts as often as it was said": sentences.counts}
    if sentences.num_words < _LARGE and any(val):
        ways["each different sentence counts once"] = dict.fromkeys(sentences.counts, 1)
    models = {way: _bounded(counts, order, least) for way, counts in ways.items()}
    measured = {way: perplexity(arpa, val) for way, arpa in models.items() if len(models) > 1}
    way = min(models, key=lambda each: measured.get(each, 0.0))
    lm = read_arpa(models[way])
    record = NgramRecord(
        order=order,
        words=len(lm.words),
        ngrams=list(lm.ngrams),
        sources=sentences.sources,
        reason=f"{reason}; {way}",
        val_perplexity=measured.get(way),
    )
    return models[way], record


def shape(num_words: int) -> tuple[int, list[int], str]:
    """Order, how often an n-gram of each order must have been said to be kept, and why."""
    if num_words < _LARGE:
        return 4, [], f"{num_words} words of text: a 4-gram model of all there is"
    return 4, [1, 1, 2, 2], f"{num_words} words of text: a 4-gram model without longer n-grams said once"


def _bounded(counts: dict[str, int], order: int, least: list[int]) -> bytes:
    """Rarer n-grams go until it is small enough to be served."""
    limits = [*least, *[1] * (order - len(least))]
    while len(arpa := estimate(counts, order, limits)) > MAX_BYTES:
        limits = [1, limits[1] + (limits[2] > 2), *(limit + 1 for limit in limits[2:])]
        if limits[-1] > 50:
            raise BadInput(f"the language model stays over {MAX_BYTES} bytes: give it less text under texts/")
    return arpa


def list_heard(model: Recogniser, val: Features) -> list[Heard]:
    """The log probabilities of every validation clip, computed once."""
    heard = log_probs(model, val)
    return [Heard(clip.row.text, log_probs_SV.copy()) for clip, log_probs_SV in heard]


def _greedy_errors(each: Heard, tokenizer: Tokenizer) -> int:
    return word_edits(each.reference, greedy(each.log_probs_SV, tokenizer).text).errors
