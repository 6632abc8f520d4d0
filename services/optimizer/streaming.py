"""What the streaming graph is worth: word errors on the test set, chunk by chunk, and whether it is
served."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from services.optimizer import measure, quantize, testset
from services.optimizer.exports import Exported
from services.optimizer.measure import Transcripts
from services.optimizer.records import StreamingVerdict
from services.optimizer.testset import Progress
from voxloom import wer
from voxloom.audio import Samples
from voxloom.bundle import PROGRAM, STREAMING, Streaming
from voxloom.decode import greedy
from voxloom.features import fbank
from voxloom.manifest import Utterance
from voxloom.storage import ObjectStore
from voxloom.streaming_engine import StreamingEngine
from voxloom.text import normalize
from voxloom.wer import Edits, unit_of

INT8 = "streaming.int8.onnx"
# A network that hears chunks makes more errors than one that hears the whole. One that was not trained for
# it makes many more, and its streams are better heard whole, over and over, at ten times the cost.
MOST_TIMES, MOST_MORE = 1.25, 0.01  # of the errors of the whole; and of the reference


@dataclass(frozen=True)
class Live:
    """What a bundle holds for streams and for PyTorch, and what was found out about it."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    serves: Streaming | None = None
    verdict: StreamingVerdict | None = None


def measure_streaming(
    store: ObjectStore,
    exported: Exported,
    transcripts: Transcripts,
    served_file: str,
    max_loss: float,
    threads: int,
    progress: Progress,
) -> Live:
    """Against what `served_file` made of the same utterances, both greedy: interim results always are. In 8
    bits too where that graph is. Nothing but the program for PyTorch comes of an export of an older
    release."""
    program = {PROGRAM: exported.program} if exported.program else {}
    if not exported.streaming:
        return Live(program)
    graphs = {STREAMING: exported.streaming}
    if "int8" in served_file:
        graphs[INT8] = quantize.quantise(exported.streaming)
    engines = {name: StreamingEngine(graph) for name, graph in graphs.items()}
    edits = _edits(store, exported, transcripts.utterances, engines, threads, progress)
    served, unit = measure.column(served_file, "greedy"), unit_of(transcripts.references)
    verdict = judge(edits, wer.total(transcripts.edits(served, unit)), max_loss)
    kept = {name: graphs[name] for name in {STREAMING, verdict.served_file} if name}
    return Live({**program, **kept}, _serves(verdict, round(1000 * engines[STREAMING].chunk_s)), verdict)


def _serves(verdict: StreamingVerdict, chunk_ms: int) -> Streaming | None:
    file, wer, wer_whole = verdict.served_file, verdict.wer, verdict.wer_whole
    return Streaming(file=file, chunk_ms=chunk_ms, wer=wer, wer_whole=wer_whole) if file else None


def judge(edits: Mapping[str, Edits], whole: Edits, max_loss: float) -> StreamingVerdict:
    """Which streaming graph is served, if any: 8 bits where they cost no errors, and none where a stream
    would be heard much worse than a recording."""
    fp32, int8 = edits[STREAMING], edits.get(INT8)
    allowed = MOST_TIMES * whole.errors + ceil(MOST_MORE * whole.reference)
    within = int8 and int8.errors <= min(allowed, fp32.errors + ceil(max_loss * fp32.reference))
    file, found = (INT8, int8) if int8 and within else (STREAMING, fp32)
    reason = f"{found.errors} errors in chunks, {whole.errors} whole, of {whole.reference}"
    if not whole.reference:
        file, reason = "", "there was nothing to measure it on"
    elif found.errors > allowed:
        file, reason = "", f"too many: {reason}; streams are heard whole, over and over"
    return StreamingVerdict(served_file=file, reason=reason, wer=found.rate, wer_whole=whole.rate)


def _edits(
    store: ObjectStore,
    exported: Exported,
    utterances: Sequence[Utterance],
    engines: Mapping[str, StreamingEngine],
    threads: int,
    progress: Progress,
) -> dict[str, Edits]:
    tokenizer, unit = exported.tokenizer, unit_of([each.text for each in utterances])

    def hear(samples: Samples) -> dict[str, str]:
        features_TF = fbank(samples)
        return {
            name: greedy(engine.log_probs([features_TF])[0], tokenizer).text
            for name, engine in engines.items()
        }

    heard, _ = testset.for_each(store, utterances, hear, threads, progress)
    count = wer.word_edits if unit == "words" else wer.char_edits
    return {
        name: wer.total(
            count(utterance.text, normalize(texts[name], utterance.language)) for utterance, texts in heard
        )
        for name in engines
    }
