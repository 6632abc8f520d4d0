"""`voxloom import`: sends a corpus and follows the durable job that takes it in."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from voxloom.cli.connect import DataOption, client
from voxloom.cli.corpus import Corpus, format_of_tar
from voxloom.cli.cut import Vad, VadModelOption, VadOption, cutter
from voxloom.cli.feed import upload
from voxloom.cli.opening import LONG_S, FormatName, Reading, open_corpus
from voxloom.cli.output import Meter, say, size, table
from voxloom.cli.packing import CHUNK_BYTES, pack, read_tar, rechunk
from voxloom.corpora.cutting import Limits
from voxloom.errors import BadInput, VoxloomError
from voxloom.v1 import ingest_pb2

UPLOAD_TIMEOUT_S = 24 * 3600.0
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")

_FORMATS = {
    "folder": ingest_pb2.CORPUS_FORMAT_FOLDER,
    "csv": ingest_pb2.CORPUS_FORMAT_CSV,
    "jsonl": ingest_pb2.CORPUS_FORMAT_JSONL,
}


def import_(
    path: Annotated[Path, typer.Argument(help="A folder, a .csv, .tsv or .jsonl manifest, or a .tar.")],
    corpus: Annotated[str, typer.Option(help="Name of the corpus; the name of the folder if left out.")] = "",
    language: Annotated[str, typer.Option(help="BCP 47; a manifest column `language` overrides it.")] = "en",
    keep_split: Annotated[
        bool, typer.Option("--keep-split", help="Keep the corpus' own train/val/test column, for benchmarks.")
    ] = False,
    max_refused: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Fail when more than this share of the clips is refused.")
    ] = 0.1,
    fmt: Annotated[
        FormatName, typer.Option("--format", help="Of the corpus; auto looks at what lies there.")
    ] = FormatName.auto,
    audio_root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where the manifest's audio lies, if not below the manifest's folder."
        ),
    ] = None,
    cut: Annotated[
        bool,
        typer.Option("--cut", help=f"Cut clips longer than {LONG_S:g} s at pauses, as `voxloom cut` does."),
    ] = False,
    vad: VadOption = Vad.energy,
    vad_model: VadModelOption = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the import to its end.")] = True,
    data: DataOption = None,
) -> None:
    """Bring in a corpus: audio and transcripts. Doing it again adds nothing twice.

    A folder holds audio with a .txt of the same name beside each (its parent folder is the speaker), or a
    manifest.csv, .tsv or .jsonl with `path` and `text`, and if you like `speaker`, `split`, `language`.
    LJSpeech, NeMo, Coqui, lhotse and the recording studios of Mimic and Piper are known too: docs/corpora.md.

    \b
    Example:  voxloom import examples/an4 --keep-split
              voxloom import clips.tsv --corpus village --language cy
              voxloom import manifest.json --format nemo --audio-root clips --cut
    """
    spec = ingest_pb2.ImportSpec(
        corpus=corpus or _default_name(path),
        language=language,
        keep_published_split=keep_split,
        max_refused_fraction=max_refused,
    )
    reading = Reading(fmt.value, audio_root, cutter(Limits(), vad, vad_model) if cut else None)
    with client("ingest", data) as ingest:
        job = send(ingest, path, spec, reading)
        if wait:
            report(follow(ingest, job, "importing"))
        else:
            say(f"accepted as job {job.id}; the same command with --wait follows it")


def _default_name(path: Path) -> str:
    real = path.resolve()
    if real.is_dir() or real.stem == "manifest":
        return real.name if real.is_dir() else real.parent.name
    return real.name.removesuffix(".gz").rsplit(".", 1)[0]


def send(
    ingest: Any, path: Path, spec: ingest_pb2.ImportSpec, reading: Reading | None = None
) -> ingest_pb2.Job:
    """Uploads the corpus with a progress bar; returns the accepted job."""
    if path.name.lower().endswith(TAR_SUFFIXES) and path.is_file():
        if reading not in (None, Reading()):
            raise BadInput(f"{path} is sent as it is: unpack it for --format, --audio-root or --cut")
        spec.format = _FORMATS[format_of_tar(path)]
        return _send(ingest, spec, read_tar(path), path.stat().st_size)
    return send_corpus(ingest, open_corpus(path, reading), spec)


def send_corpus(ingest: Any, corpus: Corpus, spec: ingest_pb2.ImportSpec) -> ingest_pb2.Job:
    """The same for a corpus that has been read."""
    spec.format = _FORMATS[corpus.format]
    for note in corpus.notes:
        say(note, "yellow")
    if corpus.missing:
        say(f"{corpus.missing} files that are named are not there; they will be counted as refused", "yellow")
    return _send(ingest, spec, pack(corpus), corpus.total_bytes)


def _send(
    ingest: Any, spec: ingest_pb2.ImportSpec, pieces: Iterator[bytes], total_bytes: int
) -> ingest_pb2.Job:
    with Meter("sending") as meter:
        messages = _messages(spec, pieces, total_bytes, meter)
        job: ingest_pb2.Job = upload(ingest.ImportCorpus, messages, UPLOAD_TIMEOUT_S)
    return job


def _messages(
    spec: ingest_pb2.ImportSpec, pieces: Iterator[bytes], total: int, meter: Meter
) -> Iterator[ingest_pb2.ImportCorpusRequest]:
    yield ingest_pb2.ImportCorpusRequest(spec=spec)
    sent = 0
    for chunk in rechunk(pieces, CHUNK_BYTES):
        yield ingest_pb2.ImportCorpusRequest(tar=chunk)
        sent += len(chunk)
        meter.update(min(sent, total), total, f"{size(sent)} of {size(total)}")


def follow(ingest: Any, job: ingest_pb2.Job, label: str) -> ingest_pb2.Job:
    """Watches a durable job to its end; the job goes on by itself when this is interrupted."""
    try:
        return watch(ingest, job, label)
    except KeyboardInterrupt:
        say(f"no longer watching; job {job.id} goes on by itself")
        raise typer.Exit(130) from None


def watch(ingest: Any, job: ingest_pb2.Job, label: str) -> ingest_pb2.Job:
    """The job as it ended."""
    with Meter(label) as meter:
        for update in ingest.WatchJob(ingest_pb2.WatchJobRequest(id=job.id, kind=job.kind)):
            job = update
            meter.update(job.done, job.total, job.message)
    return job


def report(job: ingest_pb2.Job) -> None:
    """The counts, with every refusal under its reason; VoxloomError if the job has failed."""
    if job.refused_by_reason:
        table(("refused", "reason"), ((n, reason) for reason, n in sorted(job.refused_by_reason.items())))
    if job.state != ingest_pb2.JOB_STATE_DONE:
        raise VoxloomError(f"job {job.id} ended {state_name(job.state)}: {job.error or job.message}")
    say(
        f"{job.accepted_utterances} utterances imported, {job.refused_utterances} refused (job {job.id})",
        "green",
    )


def state_name(state: int) -> str:
    """accepted, running, done, failed."""
    with suppress(ValueError):
        return ingest_pb2.JobState.Name(state).removeprefix("JOB_STATE_").lower()
    return "unknown"
