"""`voxloom import commonvoice`: a release of Common Voice, all of it or the clips that are wanted."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from voxloom.cli import download
from voxloom.cli.connect import DataOption, client
from voxloom.cli.feed import upload
from voxloom.cli.importing import UPLOAD_TIMEOUT_S, follow, report
from voxloom.cli.output import audio_time, say, table
from voxloom.cli.packing import CHUNK_BYTES, rechunk
from voxloom.cli.scanning import opened
from voxloom.corpora.archive import ArchiveLimits
from voxloom.corpora.commonvoice import Release, label_of, read_release, release_limits
from voxloom.corpora.commonvoice_choice import Chosen
from voxloom.corpora.selection import Selection
from voxloom.corpora.thin import thin
from voxloom.errors import BadInput
from voxloom.v1 import ingest_pb2

_LIMITS = release_limits(ArchiveLimits())
_ORIGINS = ("s3://", "mounted:")


def commonvoice(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A release: its .tar.gz as it was downloaded, or unpacked. Or where the ingest service "
            "itself finds it: s3://BUCKET/KEY on its S3 server, mounted:PATH below its folder of imports.",
        ),
    ] = "",
    max_clips: Annotated[int, typer.Option(min=0, help="At most so many clips to train on.")] = 0,
    max_hours: Annotated[
        float, typer.Option(min=0.0, help="At most so many hours to train on; needs a release since 16.1.")
    ] = 0.0,
    max_test_clips: Annotated[
        int,
        typer.Option(
            min=0,
            help="At most so many clips of the release's own test set, and of its dev set. Without it: with "
            "--max-clips N a quarter of N, with --max-hours a quarter of the clips to train on, but at least "
            "100; else all. No other option makes these two sets smaller.",
        ),
    ] = 0,
    min_up_votes: Annotated[int, typer.Option(min=0, help="Listeners who said that it is right.")] = 0,
    max_down_votes: Annotated[
        int | None, typer.Option(min=0, help="Listeners who said that it is wrong.")
    ] = None,
    max_speakers: Annotated[int, typer.Option(min=0, help="At most so many speakers to train on.")] = 0,
    max_per_speaker: Annotated[int, typer.Option(min=0, help="At most so many clips of each.")] = 0,
    gender: Annotated[
        list[str] | None, typer.Option(help="female, male, ... as the table says; may be repeated.")
    ] = None,
    age: Annotated[list[str] | None, typer.Option(help="teens, twenties, ...; may be repeated.")] = None,
    accent: Annotated[
        list[str] | None, typer.Option(help="A part of the accent's name; may be repeated.")
    ] = None,
    unbalanced: Annotated[
        bool, typer.Option("--unbalanced", help="Draw clips, not speakers: who recorded much, gives much.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Another seed draws other clips.")] = 0,
    language: Annotated[
        str, typer.Option(help="BCP 47, for releases before 5.0 that do not tell; else the release's own.")
    ] = "",
    dataset: Annotated[
        str, typer.Option(metavar="ID", help="Download this dataset of the Mozilla Data Collective first.")
    ] = "",
    download_dir: Annotated[
        Path, typer.Option(help="Where downloads are kept; one that broke off goes on there.")
    ] = Path("downloads"),
    max_refused: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Fail when more than this share of the clips is refused.")
    ] = 0.1,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the import to its end.")] = True,
    data: DataOption = None,
) -> None:
    """Bring in Common Voice, all of it or some clips. Doing it again adds nothing twice.

    Its test and dev sets stay what they are. Trained on is every validated clip whose speaker and sentence
    are in neither. Speakers are balanced: each gives one clip before any gives two; more clips, or another
    release, add to what was chosen before. Only what was chosen is sent, so an archive may have 80 GB.

    \b
    Example:  voxloom import commonvoice cv-corpus-17.0-2024-03-15-cy.tar.gz --max-clips 2000
              voxloom import commonvoice --dataset ID --max-hours 10 --max-down-votes 0
              voxloom import commonvoice s3://corpora/cv-corpus-17.0-2024-03-15-en.tar.gz --max-speakers 500
    """
    if bool(source) == bool(dataset):
        raise BadInput("give the path of a release, or --dataset ID to download one")
    wish = _selection(
        max_clips=max_clips,
        max_hours=max_hours,
        max_test_clips=max_test_clips,
        min_up_votes=min_up_votes,
        max_down_votes=max_down_votes,
        max_speakers=max_speakers,
        max_clips_per_speaker=max_per_speaker,
        genders=gender or [],
        ages=age or [],
        accents=accent or [],
        balanced=not unbalanced,
        seed=seed,
    )
    path = str(download.fetch(dataset, download_dir)) if dataset else source
    spec = ingest_pb2.ImportSpec(
        format=ingest_pb2.CORPUS_FORMAT_COMMONVOICE,
        source=ingest_pb2.CORPUS_SOURCE_COMMONVOICE,
        language=language,
        selection=selection_message(wish),
        max_refused_fraction=max_refused,
    )
    with client("ingest", data) as ingest:
        job = (
            send_origin(ingest, path, spec)
            if path.startswith(_ORIGINS)
            else send(ingest, Path(path), wish, spec)
        )
        if not wait:
            say(f"accepted as job {job.id}; the same command with --wait follows it")
            return
        job = follow(ingest, job, "importing")
    not_selected(job.not_selected_by_reason)
    report(job)


def _selection(**fields: Any) -> Selection:
    try:
        return Selection(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}") from error


def selection_message(wish: Selection) -> ingest_pb2.Selection:
    """The wish as it goes to ingest."""
    fields = wish.model_dump(exclude={"schema_version", "balanced"}, exclude_none=True)
    return ingest_pb2.Selection(**fields, unbalanced=not wish.balanced)


def not_selected(counts: Any) -> None:
    """A table of the rules that left clips out."""
    if counts:
        table(("not selected", "rule"), ((number, rule) for rule, number in sorted(counts.items())))


def send_origin(ingest: Any, origin: str, spec: ingest_pb2.ImportSpec) -> ingest_pb2.Job:
    """Only says where the archive is: the service reads it, and chooses."""
    label = label_of(origin.partition(":")[2])
    spec.origin = origin
    spec.corpus = label.name or Path(origin.partition(":")[2]).name.split(".tar")[0]
    spec.language = spec.language or label.locale
    if not spec.language:
        raise BadInput(f"{origin} does not tell its language by its name; add --language, for example cy")
    job: ingest_pb2.Job = upload(
        ingest.ImportCorpus, iter([ingest_pb2.ImportCorpusRequest(spec=spec)]), UPLOAD_TIMEOUT_S
    )
    return job


def send(ingest: Any, path: Path, wish: Selection, spec: ingest_pb2.ImportSpec) -> ingest_pb2.Job:
    """Reads the tables, chooses, and sends the tables with the chosen clips; returns the accepted job."""
    label = label_of(str(path.resolve()))
    with ExitStack() as stack:
        with opened(path, "reading the tables", _LIMITS) as members:
            release = read_release(members, _LIMITS, name=label.name, language=spec.language)
        stack.enter_context(release)
        chosen = release.select(wish)
        _describe(release, chosen)
        spec.corpus = release.name
        spec.language = release.locale or spec.language
        if not spec.language:
            raise BadInput(f"{path} does not tell its language; add --language, for example cy")
        stack.pop_all()  # from here on a thread of gRPC reads it, also for a while after a failure
    job: ingest_pb2.Job = upload(ingest.ImportCorpus, _messages(spec, path, chosen), UPLOAD_TIMEOUT_S)
    release.close()
    return job


def _describe(release: Release, chosen: Chosen) -> None:
    parts = chosen.parts()
    if not parts:
        not_selected(chosen.not_selected)
        raise BadInput(f"no clip of {release.name} fits all that is asked for; loosen the options")
    say(f"{release.name}: {sum(part.clips for part in parts)} of {release.num_rows} clips are wanted")
    names = {"": "to divide by speaker", "train": "to train on"}
    table(
        ("clips", "speakers", "audio", ""),
        (
            (each.clips, each.speakers, _length(each.hours), names.get(each.split, each.split))
            for each in parts
        ),
    )


def _length(hours: float | None) -> str:
    return "?" if hours is None else audio_time(hours)


def _messages(
    spec: ingest_pb2.ImportSpec, path: Path, chosen: Chosen
) -> Iterator[ingest_pb2.ImportCorpusRequest]:
    yield ingest_pb2.ImportCorpusRequest(spec=spec)
    with opened(path, "sending", _LIMITS) as members:
        for chunk in rechunk(thin(members, chosen), CHUNK_BYTES):
            yield ingest_pb2.ImportCorpusRequest(tar=chunk)
