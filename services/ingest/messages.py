"""Between the records of ingest and the messages of its gRPC service."""

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from services.ingest.corpus import Format, ImportSpec
from services.ingest.dataset import DEFAULT_MAX_DROPPED, BuildSpec
from services.ingest.policy import Decision
from services.ingest.rows import LANGUAGE
from voxloom.corpora.selection import Selection
from voxloom.errors import BadInput
from voxloom.jobs import JobRecord, JobState
from voxloom.manifest import SPLITS, DatasetRecord, SplitName
from voxloom.mix import mix_of
from voxloom.v1 import ingest_pb2

_MAX_CORPUS = 100
_DEFAULT_REFUSED_FRACTION = 0.1
_FORMATS: dict[int, Format] = {
    ingest_pb2.CORPUS_FORMAT_FOLDER: "folder",
    ingest_pb2.CORPUS_FORMAT_CSV: "csv",
    ingest_pb2.CORPUS_FORMAT_JSONL: "jsonl",
    ingest_pb2.CORPUS_FORMAT_COMMONVOICE: "commonvoice",
}
_SOURCES = {
    ingest_pb2.CORPUS_SOURCE_IMPORTED: "imported",
    ingest_pb2.CORPUS_SOURCE_COMMONVOICE: "commonvoice",
    ingest_pb2.CORPUS_SOURCE_TTS: "tts_generated",
}
_LIMITS = ("max", "max_hours", "fraction")  # of a share; absent means none
_SELECTION_FIELDS = Selection.model_fields.keys() - {"max_down_votes", "balanced"}
_STATES = {
    JobState.ACCEPTED: ingest_pb2.JOB_STATE_ACCEPTED,
    JobState.RUNNING: ingest_pb2.JOB_STATE_RUNNING,
    JobState.DONE: ingest_pb2.JOB_STATE_DONE,
    JobState.FAILED: ingest_pb2.JOB_STATE_FAILED,
}


def import_spec(message: ingest_pb2.ImportSpec) -> ImportSpec:
    """The spec of an import job, or BadInput."""
    _check_corpus(message.corpus)
    if message.format not in _FORMATS:
        raise BadInput(
            f"corpus format {message.format} is unknown; expected FOLDER, CSV, JSONL or COMMONVOICE"
        )
    language = message.language or "en"
    if not LANGUAGE.fullmatch(language):
        raise BadInput(f"language {language[:60]!r} is no BCP 47 tag; expected for example en or pt-BR")
    fraction = message.max_refused_fraction or _DEFAULT_REFUSED_FRACTION
    if math.isnan(fraction) or not 0 < fraction <= 1:
        raise BadInput(f"max_refused_fraction is {fraction}; expected 0 to 1")
    spec = ImportSpec(
        corpus=message.corpus,
        format=_FORMATS[message.format],
        language=language,
        keep_published_split=message.keep_published_split,
        max_refused_fraction=fraction,
        source=_source(message),
        selection=_selection(message.selection),
        origin=message.origin,
    )
    if spec.origin and spec.format != "commonvoice":
        raise BadInput("only a release of Common Voice has an origin; send other corpora as `tar` messages")
    if spec.keep_published_split and spec.format == "folder":
        raise BadInput("a folder has no published split to keep; give it a manifest with a column `split`")
    return spec


def _source(message: ingest_pb2.ImportSpec) -> str:
    if message.source and message.source not in _SOURCES:
        raise BadInput(f"corpus source {message.source} is unknown; expected IMPORTED, COMMONVOICE or TTS")
    by_format = "commonvoice" if message.format == ingest_pb2.CORPUS_FORMAT_COMMONVOICE else "imported"
    return _SOURCES.get(message.source, by_format)


def _selection(message: ingest_pb2.Selection) -> Selection:
    limit = message.max_down_votes if message.HasField("max_down_votes") else None
    fields: dict[str, Any] = {name: getattr(message, name) for name in _SELECTION_FIELDS}
    fields |= {name: list(fields[name]) for name in ("genders", "ages", "accents")}
    fields |= {"max_down_votes": limit, "balanced": not message.unbalanced}
    try:
        return Selection.model_validate(fields)
    except ValidationError as error:
        faults = "; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors()[:3])
        raise BadInput(f"the selection cannot be used: {faults}") from error


def build_spec(message: ingest_pb2.BuildDatasetRequest) -> BuildSpec:
    """What a dataset job is asked for, or BadInput."""
    mix = mix_of(_mix(message.mix)) if message.HasField("mix") else None
    allowed = message.max_dropped if message.HasField("max_dropped") else DEFAULT_MAX_DROPPED
    if not 0 <= allowed <= 1:  # refuses NaN as well
        raise BadInput(
            f"max_dropped is {allowed}; expected 0 to 1, the share of a source that faults may cost"
        )
    return BuildSpec(mix=mix, max_dropped=allowed, experiment=message.experiment)


def _mix(message: ingest_pb2.Mix) -> dict[str, object]:
    sources = {}
    for name, share in message.sources.items():
        limits = {limit: getattr(share, limit) for limit in _LIMITS if share.HasField(limit)}
        lists = {"corpora": tuple(share.corpora), "languages": tuple(share.languages)}
        sources[name] = {"min": share.min, **limits, **lists}
    return {"name": message.name, "sources": sources, "seed": message.seed}


def split(name: str) -> SplitName:
    """The name of a split, or BadInput."""
    for known in SPLITS:
        if name == known:
            return known
    raise BadInput(f"split {name[:60]!r} is unknown; expected {', '.join(SPLITS)}")


def _check_corpus(name: str) -> None:
    if not name.strip() or len(name) > _MAX_CORPUS or not name.isprintable() or name == "own":
        raise BadInput(
            f"corpus name {name[:_MAX_CORPUS]!r} is not allowed; expected 1 to {_MAX_CORPUS} printable "
            "characters, other than `own`, which means live recordings"
        )


def job_message(job: JobRecord, refused: Mapping[str, int]) -> ingest_pb2.Job:
    """`refused`: reasons and counts, also those of an import that failed for them."""
    num_refused = sum(refused.values())
    return ingest_pb2.Job(
        id=job.id,
        kind=job.kind,
        state=_STATES[job.state],
        done=job.done,
        total=job.total,
        message=job.message,
        error=job.error,
        attempts=job.failures + (job.state in (JobState.RUNNING, JobState.DONE)),
        dataset=job.result.get("dataset", ""),
        accepted_utterances=job.result.get("accepted", job.done - num_refused if num_refused else 0),
        refused_utterances=num_refused,
        refused_by_reason=refused,
        not_selected_by_reason=job.result.get("not_selected_by_reason", {}),
        deleted_utterances=job.result.get("deleted", 0),
        marked=[*job.result.get("datasets", ()), *job.result.get("runs", ()), *job.result.get("models", ())],
    )


def dataset_message(record: DatasetRecord, withdrawn: int = 0) -> ingest_pb2.Dataset:
    return ingest_pb2.Dataset(
        id=record.dataset,
        created_at=record.created_at,
        splits={
            split: ingest_pb2.SplitCounts(
                utterances=summary.utterances, speakers=summary.speakers, hours=summary.hours
            )
            for split, summary in record.splits.items()
        },
        utterances_by_source=record.utterances_by_source,
        dropped_by_reason=record.dropped_by_reason,
        overlapping_test_sentences=record.overlapping_test_sentences,
        record_json=record.model_dump_json(),
        withdrawn_utterances=withdrawn,
        experiment=record.experiment,
    )


def policy_message(latest_dataset: str, decision: Decision) -> ingest_pb2.RetrainPolicy:
    return ingest_pb2.RetrainPolicy(
        latest_dataset=latest_dataset,
        new_utterances=decision.new,
        needed_utterances=decision.needed,
        summary=decision.summary,
    )
