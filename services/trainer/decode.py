"""Scores a model on a split while it trains, with the decoder that inference uses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import torch

from services.trainer.clips import Clip
from services.trainer.data import Features, evaluation_batches
from services.trainer.metrics import Example, SourceErrors
from services.trainer.model import Recogniser
from voxloom.decode import LogProbs, greedy
from voxloom.forgotten import digest
from voxloom.tokenizer import Tokenizer
from voxloom.wer import Edits, char_edits, total, word_edits

_FOLLOWED = 4  # utterances whose transcripts are told after every epoch
_SHORT = 3  # words; fewer show little of how a model gets better


@dataclass(frozen=True)
class Scored:
    utterance: str
    source: str
    reference: str
    hypothesis: str
    words: Edits
    characters: Edits


@dataclass(frozen=True)
class Score:
    utterances: list[Scored]

    @property
    def wer(self) -> float:
        return total(each.words for each in self.utterances).rate

    @property
    def cer(self) -> float:
        return total(each.characters for each in self.utterances).rate

    @property
    def says_nothing(self) -> bool:
        """The blank plateau: CTC's first local optimum, where every frame is blank."""
        return not any(each.hypothesis for each in self.utterances)

    @property
    def by_source(self) -> dict[str, SourceErrors]:
        sources = sorted({each.source for each in self.utterances})
        return {source: _of_source(source, self.utterances) for source in sources}

    @property
    def examples(self) -> list[Example]:
        """The same utterances each time, of the sources in turn, whatever their order."""
        return [Example(reference=each.reference, hypothesis=each.hypothesis) for each in self._followed()]

    def _followed(self) -> list[Scored]:
        order = sorted(self.utterances, key=lambda each: (_is_short(each), digest(each.utterance)))
        of_sources = [[each for each in order if each.source == source] for source in self.by_source]
        in_turn = [each for turn in zip_longest(*of_sources) for each in turn if each]
        return in_turn[:_FOLLOWED]


@torch.inference_mode()
def log_probs(model: Recogniser, features: Features) -> Iterator[tuple[Clip, LogProbs]]:
    """Every clip with its log_probs_SV (S, V), by length; the model is left in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    for clips, log_mel_BTF, lengths_B in evaluation_batches(features):
        log_probs_BSV, lengths_B = model(log_mel_BTF.to(device), lengths_B.to(device))
        on_cpu_BSV, lengths = log_probs_BSV.float().cpu().numpy(), lengths_B.tolist()
        for clip, log_probs_SV, length in zip(clips, on_cpu_BSV, lengths, strict=True):
            yield clip, log_probs_SV[:length]


def score(model: Recogniser, features: Features, tokenizer: Tokenizer) -> Score:
    """Greedy decoding of every clip; the model is left in evaluation mode."""
    heard = log_probs(model, features)
    return Score([_compare(clip, greedy(log_probs_SV, tokenizer).text) for clip, log_probs_SV in heard])


def _compare(clip: Clip, hypothesis: str) -> Scored:
    reference = clip.row.text
    words, characters = word_edits(reference, hypothesis), char_edits(reference, hypothesis)
    return Scored(clip.row.utterance, clip.row.source, reference, hypothesis, words, characters)


def _of_source(source: str, scored: Sequence[Scored]) -> SourceErrors:
    score = Score([each for each in scored if each.source == source])
    return SourceErrors(wer=score.wer, cer=score.cer, utterances=len(score.utterances))


def _is_short(scored: Scored) -> bool:
    return len(scored.reference.split()) < _SHORT
