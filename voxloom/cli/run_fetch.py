"""What the trainer has of a run: its curve, its report, files; everything that comes is bounded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc

from voxloom import keys
from voxloom.cli.connect import CALL_TIMEOUT_S
from voxloom.errors import BadInput, NotFound
from voxloom.record import parse_lines, parse_model
from voxloom.run_report import HeardUtterance, RunSummary, Suspects
from voxloom.v1 import trainer_pb2

_READ_TIMEOUT_S = 600.0
_MOST_LINE_BYTES = 1 << 20
_MOST_FILE_BYTES = 256 << 20


def get(trainer: Any, run: str = "") -> trainer_pb2.Run:
    """One run, the newest by default; NotFound when there is none."""
    if not run:
        runs = all_runs(trainer)
        if not runs:
            raise NotFound("no run yet; one starts by itself when a dataset is ready, or with: voxloom train")
        return runs[0]
    found: trainer_pb2.Run = trainer.GetRun(trainer_pb2.GetRunRequest(run=run), timeout=CALL_TIMEOUT_S)
    return found


def all_runs(trainer: Any) -> list[trainer_pb2.Run]:
    """Newest first."""
    return list(trainer.ListRuns(trainer_pb2.ListRunsRequest(), timeout=CALL_TIMEOUT_S).runs)


def past_metrics(trainer: Any, run: str) -> Iterator[trainer_pb2.RunMetrics]:
    """The curve so far."""
    request = trainer_pb2.WatchRunRequest(run=run, past_only=True)
    for update in trainer.WatchRun(request, timeout=_READ_TIMEOUT_S):
        if update.HasField("metrics"):
            yield update.metrics


def report(trainer: Any, run: str) -> tuple[RunSummary | None, Suspects | None]:
    """What the finished weights make of val and test, and the transcripts that they doubt; None while the run
    has no report, and None for suspects of a run of a release before there were any."""
    try:
        answer = trainer.GetRunReport(trainer_pb2.GetRunReportRequest(run=run), timeout=_READ_TIMEOUT_S)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return None, None
        raise
    found = parse_model(f"the report of {run}", answer.summary_json, RunSummary)
    if not answer.suspects_json:
        return found, None
    return found, parse_model(f"the suspects of {run}", answer.suspects_json, Suspects)


def heard(trainer: Any, run: str) -> Iterator[HeardUtterance]:
    """The lines of the report."""
    where = f"utterances.jsonl of {run}"
    return parse_lines(where, _lines(where, _parts(trainer, run, "UTTERANCES")), HeardUtterance)


def audio(trainer: Any, run: str, utterance: str) -> bytes:
    """A WAV file."""
    return b"".join(part.data for part in _parts(trainer, run, "AUDIO", utterance))


def write_event_files(trainer: Any, run: str, folder: Path) -> int:
    """Copies them into the folder; returns how many there are."""
    names = set()
    for part in _parts(trainer, run, "TENSORBOARD"):
        name = keys.check_id(part.key.rsplit("/", 1)[-1], "event file")
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / name, "ab" if name in names else "wb") as file:
            file.write(part.data)
        names.add(name)
    return len(names)


def _parts(
    trainer: Any, run: str, file: str, utterance: str = ""
) -> Iterator[trainer_pb2.ReadRunFileResponse]:
    request = trainer_pb2.ReadRunFileRequest(run=run, file=f"RUN_FILE_{file}", utterance=utterance)
    taken = 0
    for part in trainer.ReadRunFile(request, timeout=_READ_TIMEOUT_S):
        taken += len(part.data)
        if taken > _MOST_FILE_BYTES:
            raise BadInput(f"a file of {run} has more than {_MOST_FILE_BYTES} bytes; that is not a run's")
        yield part


def _lines(where: str, parts: Iterator[trainer_pb2.ReadRunFileResponse]) -> Iterator[bytes]:
    rest = b""
    for part in parts:
        *whole, rest = (rest + part.data).split(b"\n")
        yield from whole
        if len(rest) > _MOST_LINE_BYTES:
            raise BadInput(f"{where} has a line of more than {_MOST_LINE_BYTES} bytes")
    if rest:
        yield rest
