"""The finished weights on val and test: what every decoder makes of every utterance."""

from collections.abc import Callable, Iterator, Mapping

from services.trainer.clips import Clip
from services.trainer.data import Features
from services.trainer.decode import log_probs
from services.trainer.model import Recogniser
from voxloom.beam import BeamDecoder
from voxloom.decode import LogProbs, greedy
from voxloom.lm import Weights, read_arpa
from voxloom.manifest import SplitName
from voxloom.run_report import GREEDY, WITH_LM, Counted, Heard, HeardUtterance
from voxloom.tokenizer import Tokenizer
from voxloom.wer import char_edits, word_edits

Decoder = Callable[[LogProbs], str]  # log_probs_SV (S, V) to text
Progress = Callable[[int, int], None]  # utterances done, of how many; raises when the work is to stop


def decoders(tokenizer: Tokenizer, arpa: bytes = b"", weights: Weights | None = None) -> dict[str, Decoder]:
    """By their name in the report; `lm` where there is a language model, also if greedy is served."""
    found: dict[str, Decoder] = {GREEDY: lambda log_probs_SV: greedy(log_probs_SV, tokenizer).text}
    if arpa and weights:
        beam = BeamDecoder(tokenizer, read_arpa(arpa), weights)
        found[WITH_LM] = lambda log_probs_SV: beam.decode(log_probs_SV).text
    return found


def evaluate(
    model: Recogniser,
    splits: Mapping[SplitName, Features],
    decoders: Mapping[str, Decoder],
    progress: Progress,
) -> Iterator[HeardUtterance]:
    """One line an utterance, split by split, in bounded memory; the model is left in evaluation mode."""
    whole = sum(len(features.clips.clips) for features in splits.values())
    done = 0
    for split, features in splits.items():
        for clip, log_probs_SV in log_probs(model, features):
            heard = {name: compare(clip.row.text, decode(log_probs_SV)) for name, decode in decoders.items()}
            done += 1
            progress(done, whole)
            yield _line(split, clip, heard)


def compare(reference: str, hypothesis: str) -> Heard:
    words, characters = word_edits(reference, hypothesis), char_edits(reference, hypothesis)
    return Heard(text=hypothesis, words=Counted.of(words), characters=Counted.of(characters))


def _line(split: SplitName, clip: Clip, heard: dict[str, Heard]) -> HeardUtterance:
    row = clip.row
    return HeardUtterance(
        utterance=row.utterance,
        split=split,
        source=row.source,
        corpus=row.corpus,
        speaker=row.speaker,
        duration_s=row.duration_s,
        audio_key=row.audio_key,
        reference=row.text,
        heard=heard,
    )
