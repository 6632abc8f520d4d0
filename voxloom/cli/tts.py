"""`voxloom tts`: sentences said by many synthetic voices become a corpus to train on."""

import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from voxloom import manifest
from voxloom.cli.connect import CALL_TIMEOUT_S, DataOption, client
from voxloom.cli.corpus import read_corpus
from voxloom.cli.importing import follow, report, send_corpus
from voxloom.cli.output import Meter, say, table
from voxloom.errors import BadInput
from voxloom.synthesis.engine import Engine, Voice, choose
from voxloom.synthesis.espeak import Espeak
from voxloom.synthesis.flite import Flite
from voxloom.synthesis.make import make
from voxloom.synthesis.piper import Piper
from voxloom.synthesis.plan import Clip, plan
from voxloom.synthesis.sentences import Line, Refused, Sentences, gather, prompts, read_file
from voxloom.v1 import ingest_pb2


class EngineName(StrEnum):
    ESPEAK = "espeak-ng"
    PIPER = "piper"
    FLITE = "flite"


class SentenceSource(StrEnum):
    PROMPTS = "prompts"
    DATASET = "dataset"


def tts(
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many clips.")] = 300,
    engine: Annotated[EngineName, typer.Option(help="What speaks.")] = EngineName.ESPEAK,
    language: Annotated[str, typer.Option(help="BCP 47: en is every accent, en-GB one of them.")] = "en",
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sentences, one a line or id<TAB>sentence, UTF-8.")
    ] = None,
    from_: Annotated[
        SentenceSource,
        typer.Option("--from", help="Without --text: English prompts, or what the newest dataset trains on."),
    ] = SentenceSource.PROMPTS,
    voices: Annotated[
        str, typer.Option(metavar="A,B", help="Only these voices; all of the language if left out.")
    ] = "",
    model: Annotated[
        list[Path] | None, typer.Option(metavar="VOICE.onnx", help="A voice for piper; can be repeated.")
    ] = None,
    corpus: Annotated[str, typer.Option(help="Name of the corpus; tts-ENGINE-LANGUAGE if left out.")] = "",
    seed: Annotated[int, typer.Option(help="Another seed, other pairs of sentence and voice.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the clips here; the same command goes on from them."),
    ] = None,
    max_refused: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Fail when more than this share of sentences or clips is refused."
        ),
    ] = 0.1,
    data: DataOption = None,
) -> None:
    """Make synthetic speech and bring it in: it is trained on, and never in val or test.

    Voices take turns, and so do sentences. The same command adds nothing twice; a larger --count adds what is
    new in it.

    \b
    Example:  voxloom tts --count 1000
              voxloom tts --language cy --text sentences.txt --out speech-cy
              voxloom tts --engine piper --model en_US-joe-medium.onnx --from dataset
    """
    speaker = open_engine(engine, tuple(model or ()))
    chosen = choose(speaker.voices(language), _names(voices), speaker.name)
    with client("ingest", data) as ingest:
        sentences = gather(_lines(ingest, text, from_, language), language)
        _check(sentences, max_refused, language)
        clips = list(plan(sentences.texts, chosen, speaker.manners, count, seed))
        _check_reachable(ingest)
        with _folder(out) as folder:
            refused = _make_or_stop(speaker, clips, language, folder, max_refused, kept=out is not None)
            _tell(clips, chosen, refused, sentences)
            spec = ingest_pb2.ImportSpec(
                corpus=corpus or f"tts-{engine}-{language}",
                language=language,
                source=ingest_pb2.CORPUS_SOURCE_TTS,
                max_refused_fraction=max_refused,
            )
            job = send_corpus(ingest, read_corpus(folder), spec)
        report(follow(ingest, job, "importing"))


def open_engine(name: EngineName, models: tuple[Path, ...]) -> Engine:
    """The engine by its name; BadInput says what it lacks."""
    if name is EngineName.PIPER:
        return Piper(models)
    if models:
        raise BadInput(f"--model is for --engine piper; {name} brings its own voices")
    return Espeak() if name is EngineName.ESPEAK else Flite()


def _names(voices: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in voices.split(",") if name.strip())


def _lines(ingest: Any, text: Path | None, source: SentenceSource, language: str) -> Iterator[Any]:
    if source is SentenceSource.DATASET:
        if text is not None:
            raise BadInput("--text and --from dataset both name the sentences; give one of them")
        return _dataset_lines(ingest, language)
    return prompts(language) if text is None else read_file(text)


def _dataset_lines(ingest: Any, language: str) -> Iterator[Line]:
    """What people said in the train split: of val and test nothing is said to the trainer."""
    asked = ingest_pb2.ReadManifestRequest(split="train")
    blocks = b"".join(part.csv for part in ingest.ReadManifest(asked, timeout=CALL_TIMEOUT_S))
    for row in manifest.read_csv(blocks.splitlines(keepends=True)):
        if row.source != "tts_generated" and _primary(row.language) == _primary(language):
            yield row.utterance, row.text


def _primary(language: str) -> str:
    return language.replace("_", "-").split("-")[0].lower()


def _check(sentences: Sentences, max_refused: float, language: str) -> None:
    sentences.refused.check(sentences.read, max_refused, "sentences")
    if not sentences.texts:
        raise BadInput(
            f"there is no sentence in {language!r} to say; give some, one a line: --text sentences.txt"
        )


def _check_reachable(ingest: Any) -> None:
    """Before the work, and not after it, is the time to say that nobody takes it."""
    ingest.GetRetrainPolicy(ingest_pb2.GetRetrainPolicyRequest(), timeout=CALL_TIMEOUT_S)


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="voxloom-tts-") as folder:
        yield Path(folder)


def _make_or_stop(
    engine: Engine, clips: list[Clip], language: str, folder: Path, max_refused: float, *, kept: bool
) -> Refused:
    try:
        return _make(engine, clips, language, folder, max_refused)
    except KeyboardInterrupt:
        say(
            f"stopped; the same command goes on from {folder}"
            if kept
            else "stopped; nothing was sent or kept"
        )
        raise typer.Exit(130) from None


def _make(engine: Engine, clips: list[Clip], language: str, folder: Path, max_refused: float) -> Refused:
    with Meter("speaking") as meter, _interruptible() as interrupted:

        def tell(done: int, total: int) -> None:
            meter.update(done, total, f"{done} of {total}")
            if interrupted.is_set():
                raise KeyboardInterrupt

        return make(engine, clips, language, folder, max_refused, tell)


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Ctrl-C is seen between two clips: inside a lock of the thread pool it would leave a thread waiting for
    ever. The second Ctrl-C is as always."""
    interrupted = threading.Event()

    def note(*_: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _tell(clips: list[Clip], voices: list[Voice], refused: Refused, sentences: Sentences) -> None:
    used = len({clip.voice for clip in clips})
    said = len({clip.text for clip in clips})
    say(f"{len(clips) - refused.counts.total()} clips: {said} sentences, {used} of {len(voices)} voices")
    rows = [
        (count, reason, each.examples[reason].detail or each.examples[reason].path)
        for each in (sentences.refused, refused)
        for reason, count in sorted(each.counts.items())
    ]
    if rows:
        table(("refused", "reason", "for example"), rows)
