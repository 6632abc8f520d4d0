"""What a graph is worth: word errors on the test set, speed at one thread, parity with the export."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import numpy as np

from services.optimizer import testset
from services.optimizer.records import FP32, ErrorCounts, Latency, Parity, ScoredUtterance, Speed
from services.optimizer.testset import Progress
from voxloom import wer
from voxloom.audio import SAMPLE_RATE_HZ, Samples
from voxloom.beam import Decode, make_decoder
from voxloom.confidence import Checked, Reliability, reliability
from voxloom.decode import Hypothesis, Word
from voxloom.engine import Engine
from voxloom.errors import BadInput
from voxloom.features import Features, fbank
from voxloom.lm import DecoderName, Decoding, LanguageModel
from voxloom.manifest import Utterance
from voxloom.storage import ObjectStore
from voxloom.text import normalize
from voxloom.tokenizer import Tokenizer
from voxloom.wer import Edits, Unit

MAX_PARITY_DIFFERENCE = 1e-3
LENGTHS_S = (1.0, 5.0, 15.0)
_ROUNDS = 5
_WORST = 20


@dataclass(frozen=True)
class Decoders:
    """Greedy always, and the beam search where there is a language model, whichever is served."""

    all: Mapping[str, Decode]  # by name
    serves: DecoderName = "greedy"

    @classmethod
    def of(cls, decoding: Decoding, tokenizer: Tokenizer, lm: LanguageModel | None) -> "Decoders":
        kinds: list[DecoderName] = ["greedy", "beam"] if lm and decoding.weights else ["greedy"]
        kinds = sorted({*kinds, decoding.decoder})  # one that is served and cannot be made is a fault
        made = {kind: decoding.model_copy(update={"decoder": kind}) for kind in kinds}
        return cls({kind: make_decoder(each, tokenizer, lm) for kind, each in made.items()}, decoding.decoder)

    @property
    def served(self) -> Decode:
        return self.all[self.serves]


class Recogniser:
    """One graph and its decoders: features to text, by the very functions that inference serves with."""

    def __init__(self, graph: bytes, decoders: Decoders) -> None:
        self.engine = Engine(graph, threads=1)
        self.decoders = decoders

    def hear(self, features_TF: Features) -> str:
        """As it is served."""
        return self.decoders.served(self.engine.log_probs([features_TF])[0]).text

    def hear_with_all(self, features_TF: Features) -> dict[str, Hypothesis]:
        """By decoder; each says what it would say if it were served."""
        log_probs_TV = self.engine.log_probs([features_TF])[0]
        return {name: decode(log_probs_TV) for name, decode in self.decoders.all.items()}


def column(recogniser: str, decoder: str) -> str:
    """The name of what a recogniser heard with one decoder; its own name alone is of what is served."""
    return f"{recogniser} {decoder}"


@dataclass(frozen=True)
class Transcripts:
    """The usable test utterances and what each recogniser, by name, heard in them, in the same order; what it
    heard with each of its decoders is under the name that `column` gives.

    All texts are in the form of this release's normaliser, whichever the dataset and the models are of: what
    an old model writes in digits is held against words as words (docs/adr/0019).
    """

    utterances: list[Utterance]
    hypotheses: dict[str, list[str]]
    excluded: Counter[str]
    words: dict[str, list[list[Word]]] = field(default_factory=dict)  # as each recogniser is served

    @property
    def references(self) -> list[str]:
        return [each.text for each in self.utterances]

    def edits(self, name: str, unit: Unit) -> list[Edits]:
        edits = wer.word_edits if unit == "words" else wer.char_edits
        return [edits(ref, hyp) for ref, hyp in zip(self.references, self.hypotheses[name], strict=True)]


def transcribe_all(
    store: ObjectStore,
    utterances: Sequence[Utterance],
    recognisers: Mapping[str, Recogniser],
    threads: int,
    progress: Progress,
) -> Transcripts:
    """Every recogniser hears every usable clip; a clip is loaded once and only a few are in memory."""

    def hear(samples: Samples) -> dict[str, Hypothesis]:
        features_TF = fbank(samples)
        found: dict[str, Hypothesis] = {}
        for name, each in recognisers.items():
            by_decoder = each.hear_with_all(features_TF)
            found |= {column(name, decoder): heard for decoder, heard in by_decoder.items()}
            found[name] = by_decoder[each.decoders.serves]
        return found

    heard, excluded = testset.for_each(store, utterances, hear, threads, progress)
    names = [
        *recognisers,
        *(column(name, kind) for name, each in recognisers.items() for kind in each.decoders.all),
    ]
    columns = {
        name: [normalize(found[name].text, utterance.language) for utterance, found in heard]
        for name in names
    }
    words = {name: [found[name].words for _, found in heard] for name in recognisers}
    return Transcripts([_in_form(utterance) for utterance, _ in heard], columns, excluded, words)


def _in_form(utterance: Utterance) -> Utterance:
    return utterance.model_copy(update={"text": normalize(utterance.text, utterance.language)})


def summarise(edits: Sequence[Edits]) -> ErrorCounts:
    """The sum, with its bootstrap interval."""
    counts = wer.total(edits)
    if not counts.reference:
        return ErrorCounts(utterances=len(edits))
    low, high = wer.bootstrap_interval(edits)
    return ErrorCounts(
        substitutions=counts.substitutions,
        deletions=counts.deletions,
        insertions=counts.insertions,
        reference=counts.reference,
        utterances=len(edits),
        rate=counts.rate,
        low=low,
        high=high,
    )


def confidence(transcripts: Transcripts, name: str) -> Reliability:
    """Whether the words of a recogniser are right as often as it says."""
    return reliability(
        [
            Checked(word.confidence, len(word.text), right)
            for reference, words in zip(transcripts.references, transcripts.words[name], strict=True)
            for word, right in zip(
                words, wer.right_words(reference, " ".join(word.text for word in words)), strict=True
            )
        ]
    )


def check_parity(export: Engine, folded: Engine, clips: Sequence[Samples]) -> Parity:
    """Raises BadInput when folding changed what the graph computes."""
    worst = 0.0
    for samples in clips:
        features = fbank(samples)
        expected, found = export.log_probs([features])[0], folded.log_probs([features])[0]
        if expected.shape != found.shape:
            raise BadInput(f"the optimised graph gives shape {found.shape}, the export {expected.shape}")
        worst = max(worst, float(np.abs(expected - found).max(initial=0.0)))
    if not worst <= MAX_PARITY_DIFFERENCE:  # NaN fails too
        raise BadInput(
            f"the optimised graph differs from the export by {worst:g} in log probability "
            f"(at most {MAX_PARITY_DIFFERENCE:g} allowed) on {len(clips)} clips; export the model again"
        )
    return Parity(clips=len(clips), max_abs_difference=worst, limit=MAX_PARITY_DIFFERENCE)


def measure_speed(recognisers: Mapping[str, Recogniser], clips: Sequence[Samples]) -> Speed:
    """Each clip runs on all graphs in turn, in processor time of one thread: beside a training, wall time
    would say more of the machine's load than of the graphs."""
    if not clips:
        return Speed()
    seconds = [_timings(recognisers, fbank(samples)) for samples in clips]
    return Speed(
        clips=len(clips),
        audio_s=sum(len(samples) for samples in clips) / SAMPLE_RATE_HZ,
        seconds={name: sum(median(each[name]) for each in seconds) for name in recognisers},
        speedups={name: median(_ratio(each, name) for each in seconds) for name in recognisers},
    )


def measure_latencies(
    graphs: Mapping[str, bytes], threads: Sequence[int], lengths_s: Sequence[float] = LENGTHS_S
) -> dict[str, list[Latency]]:
    """Graphs alone, in turn, on noise of fixed lengths: figures of different models can be compared."""
    found: dict[str, list[Latency]] = {name: [] for name in graphs}
    for count in threads:
        engines = {name: Engine(graph, threads=count) for name, graph in graphs.items()}
        for length_s in lengths_s:
            features_TF = _noise(length_s)
            calls = {name: partial(each.log_probs, [features_TF]) for name, each in engines.items()}
            for name, times in in_turn(calls).items():
                found[name].append(Latency(threads=count, audio_s=length_s, median_s=median(times)))
    return found


def worst(transcripts: Transcripts, name: str, unit: Unit) -> list[ScoredUtterance]:
    """The utterances with the most errors, worst first."""
    rows = zip(
        transcripts.utterances, transcripts.hypotheses[name], transcripts.edits(name, unit), strict=True
    )
    wrong = sorted((row for row in rows if row[2].errors), key=lambda row: (-row[2].errors, row[0].utterance))
    return [
        ScoredUtterance(
            utterance=utterance.utterance,
            source=utterance.source,
            errors=edits.errors,
            reference=utterance.text,
            hypothesis=hypothesis,
        )
        for utterance, hypothesis, edits in wrong[:_WORST]
    ]


def in_turn(
    calls: Mapping[str, Callable[[], object]],
    rounds: int = _ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each call, round by round; one round before, which is not counted, warms up."""
    timed = [{name: _time(call, clock) for name, call in calls.items()} for _ in range(1 + rounds)]
    return {name: [one[name] for one in timed[1:]] for name in calls}


def _timings(recognisers: Mapping[str, Recogniser], features_TF: Features) -> dict[str, list[float]]:
    """Graph and decoder run in the thread that calls them."""
    calls = {name: partial(each.hear, features_TF) for name, each in recognisers.items()}
    return in_turn(calls, clock=time.thread_time)


def _ratio(seconds: Mapping[str, Sequence[float]], name: str) -> float:
    return median(fp32 / own for fp32, own in zip(seconds[FP32], seconds[name], strict=True))


def _time(call: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    call()
    return clock() - start


def _noise(length_s: float) -> Features:
    """Log-mel frames (T, 80) of white noise, the same each time."""
    samples = np.random.default_rng(0).normal(0, 0.1, round(length_s * SAMPLE_RATE_HZ))
    return fbank(samples.astype(np.float32))
