"""Scores a model on a split while it trains, with the decoder that inference uses."""

from dataclasses import dataclass

import torch

from services.trainer.clips import Clip
from services.trainer.data import Features, evaluation_batches
from services.trainer.model import Recogniser
from voxloom.decode import greedy
from voxloom.tokenizer import CharTokenizer
from voxloom.wer import Edits, char_edits, total, word_edits


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


@torch.inference_mode()
def score(model: Recogniser, features: Features, tokenizer: CharTokenizer) -> Score:
    """Greedy decoding of every clip; the model is left in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    scored: list[Scored] = []
    for clips, log_mel_BTF, lengths_B in evaluation_batches(features):
        log_probs_BSV, lengths_B = model(log_mel_BTF.to(device), lengths_B.to(device))
        for clip, log_probs_SV, length in zip(clips, log_probs_BSV.cpu(), lengths_B.tolist(), strict=True):
            scored.append(_compare(clip, greedy(log_probs_SV[:length].numpy(), tokenizer).text))
    return Score(scored)


def _compare(clip: Clip, hypothesis: str) -> Scored:
    reference = clip.row.text
    words, characters = word_edits(reference, hypothesis), char_edits(reference, hypothesis)
    return Scored(clip.row.utterance, clip.row.source, reference, hypothesis, words, characters)
