"""Transcripts that may be wrong: the finished model's forced alignment of each, against what it hears."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torchaudio.functional import forced_align

from services.trainer.clips import Clip
from services.trainer.data import Features
from services.trainer.decode import log_probs
from services.trainer.feasible import TOO_FAST
from services.trainer.model import Recogniser
from voxloom.decode import LogProbs, greedy
from voxloom.manifest import SplitName
from voxloom.run_report import Suspect, Suspects
from voxloom.tokenizer import Tokenizer, ctc_frames_needed

MOST = 100  # listed
LEAST_DOUBT = 1.0  # natural logarithm a token
LEAST_SCORE = 5.0  # robust deviations
_LEAST_SPREAD = 0.1  # natural logarithm a token: a source that is known by heart has no spread at all
_NO_TOKEN = "a character that the model cannot write"
RULE = (
    f"what is heard is e^{LEAST_DOUBT:g} times as likely a token as the transcript, or more, and that is "
    f"{LEAST_SCORE:g} robust deviations over the median of its source, or more"
)
Progress = Callable[[int, int], None]  # utterances done, of how many; raises when the work is to stop


def find_suspects(
    run: str,
    model: Recogniser,
    splits: Mapping[SplitName, Features],
    tokenizer: Tokenizer,
    progress: Progress,
    left_out: Mapping[str, int],
) -> Suspects:
    """Scores each transcript of these splits, in bounded memory; the model is left in evaluation mode.

    `left_out`: clips that are in no split, by reason. They are counted, and not scored.
    """
    tallies: dict[str, _Tally] = defaultdict(_Tally)
    not_scored = Counter(left_out)
    whole, done = sum(len(features.clips.clips) for features in splits.values()), 0
    for split, features in splits.items():
        for clip, log_probs_SV in log_probs(model, features):
            if reason := _why_not(log_probs_SV, clip, tokenizer):
                not_scored[reason] += 1
            else:
                tallies[clip.row.source].add(_aligned(split, clip, log_probs_SV, tokenizer))
            done += 1
            progress(done, whole)
    return _summary(run, tallies, dict(not_scored))


def doubt(log_probs_SV: LogProbs, tokens: list[int], heard: int) -> float:
    """How much likelier the model finds its own best path than the best one that spells `tokens`: the natural
    logarithm of that, for each token of the longer text. `heard`: how many tokens it hears."""
    aligned_SV = torch.from_numpy(np.ascontiguousarray(log_probs_SV))
    _, scores_BS = forced_align(aligned_SV[None], torch.tensor([tokens]), blank=0)
    best = float(log_probs_SV.max(axis=1).sum())
    return (best - float(scores_BS.sum())) / max(len(tokens), heard, 1)


def _why_not(log_probs_SV: LogProbs, clip: Clip, tokenizer: Tokenizer) -> str:
    text = clip.row.text
    if not text or not tokenizer.spells(text):
        return _NO_TOKEN
    return TOO_FAST if len(log_probs_SV) < ctc_frames_needed(tokenizer.encode(text)) else ""


def _aligned(split: SplitName, clip: Clip, log_probs_SV: LogProbs, tokenizer: Tokenizer) -> Suspect:
    """Its score is told once all of its source are known."""
    row, heard = clip.row, greedy(log_probs_SV, tokenizer).text
    return Suspect(
        utterance=row.utterance,
        split=split,
        source=row.source,
        speaker=row.speaker,
        duration_s=row.duration_s,
        audio_key=row.audio_key,
        reference=row.text,
        heard=heard,
        doubt=doubt(log_probs_SV, tokenizer.encode(row.text), len(tokenizer.encode(heard))),
        score=0.0,
    )


@dataclass
class _Tally:
    """All doubts of a source, and the clips with the largest ones."""

    doubts: list[float] = field(default_factory=list)
    _worst: list[tuple[float, str, Suspect]] = field(default_factory=list)

    def add(self, each: Suspect) -> None:
        self.doubts.append(each.doubt)
        entry = (each.doubt, each.utterance, each)
        (heapq.heappush if len(self._worst) < MOST else heapq.heappushpop)(self._worst, entry)

    def scores(self, doubts: list[float]) -> list[float]:
        """Distances from the median in spreads: the median absolute deviation, scaled to a normal's."""
        median = float(np.median(self.doubts))
        spread = 1.4826 * float(np.median(np.abs(np.array(self.doubts) - median)))
        return [(each - median) / max(spread, _LEAST_SPREAD) for each in doubts]

    def num_suspect(self) -> int:
        scored = zip(self.doubts, self.scores(self.doubts), strict=True)
        return sum(each >= LEAST_DOUBT and score >= LEAST_SCORE for each, score in scored)

    def suspects(self) -> Iterator[Suspect]:
        scores = self.scores([each for each, _, _ in self._worst])
        for (_, _, suspect), score in zip(self._worst, scores, strict=True):
            if suspect.doubt >= LEAST_DOUBT and score >= LEAST_SCORE:
                yield suspect.model_copy(update={"score": score})


def _summary(run: str, tallies: Mapping[str, _Tally], not_scored: dict[str, int]) -> Suspects:
    found = [suspect for tally in tallies.values() for suspect in tally.suspects()]
    worst_first = sorted(found, key=lambda each: (-each.score, each.utterance))
    return Suspects(
        run=run,
        scored=sum(len(tally.doubts) for tally in tallies.values()),
        not_scored=not_scored,
        found=sum(tally.num_suspect() for tally in tallies.values()),
        rule=RULE,
        suspects=worst_first[:MOST],
    )
