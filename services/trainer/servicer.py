"""gRPC to function calls: messages in, values out."""

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc.aio
from google.protobuf.message import Message

from services.trainer.config import TrainerConfig
from services.trainer.metrics import Metrics, read_metrics
from services.trainer.recipes import recipe_from_dict
from services.trainer.runs import KIND, RunRecord, find_dataset, read_run, refuse_lossy, refuse_pruned, submit
from voxloom import keys
from voxloom.bundle import Export
from voxloom.errors import BadInput, NotFound
from voxloom.forgotten import num_withdrawn
from voxloom.jobs import JobRecord, Jobs, JobState
from voxloom.rpc import blocking
from voxloom.storage import ObjectStore, read_model, usable
from voxloom.v1 import trainer_pb2 as pb
from voxloom.v1 import trainer_pb2_grpc

_POLL_S = 0.5
_STATES = {
    JobState.ACCEPTED: pb.RUN_STATE_ACCEPTED,
    JobState.RUNNING: pb.RUN_STATE_RUNNING,
    JobState.DONE: pb.RUN_STATE_DONE,
    JobState.FAILED: pb.RUN_STATE_FAILED,
}
_ENDED = (pb.RUN_STATE_DONE, pb.RUN_STATE_FAILED)


class TrainerServicer(trainer_pb2_grpc.TrainerServiceServicer):
    def __init__(
        self, config: TrainerConfig, store: ObjectStore, jobs: Jobs, wake: Callable[[], None]
    ) -> None:
        self._config, self._store, self._jobs, self._wake = config, store, jobs, wake

    def register(self, server: grpc.aio.Server) -> list[str]:
        trainer_pb2_grpc.add_TrainerServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        return [pb.DESCRIPTOR.services_by_name["TrainerService"].full_name]

    async def StartRun(self, request: pb.StartRunRequest, context: object) -> Message:
        return await blocking(self._start, request)

    async def ListRuns(self, request: pb.ListRunsRequest, context: object) -> Message:
        return pb.ListRunsResponse(runs=await blocking(self._list))

    async def GetRun(self, request: pb.GetRunRequest, context: object) -> Message:
        return await blocking(self._get, request.run)

    async def WatchRun(self, request: pb.WatchRunRequest, context: object) -> AsyncIterator[Message]:
        sent = 0
        while True:
            run, lines = await blocking(self._watch, request.run)
            for line in lines[sent:]:
                yield pb.RunUpdate(run=run, metrics=to_metrics(line))
            if len(lines) <= sent:
                yield pb.RunUpdate(run=run)
            sent = len(lines)
            if run.state in _ENDED:
                return
            await asyncio.sleep(_POLL_S)

    def _start(self, request: pb.StartRunRequest) -> pb.Run:
        if request.seed < 0 or request.budget_minutes < 0:
            raise BadInput(
                f"seed is {request.seed}, budget_minutes is {request.budget_minutes}; expected 0 or more"
            )
        dataset = find_dataset(self._store, request.dataset)
        refuse_pruned(self._store, dataset)
        seed = request.seed or self._config.train_seed
        record = submit(self._store, self._jobs, dataset, request.recipe, seed, request.budget_minutes)
        refuse_lossy(dataset, recipe_from_dict(record.recipe))
        self._wake()
        return self._get(record.run)

    def _list(self) -> list[pb.Run]:
        return list(usable(self._to_run, reversed(self._jobs.list(KIND))))

    def _get(self, run: str) -> pb.Run:
        return self._watch(run)[0]

    def _watch(self, run: str) -> tuple[pb.Run, list[Metrics]]:
        """The state is read before the lines, so that an ended run's last lines are never missed."""
        record = read_run(self._store, run)
        job = self._jobs.get(KIND, record.run)
        lines = read_metrics(self._store, run)
        return self._message(record, job, lines), lines

    def _to_run(self, job: JobRecord) -> pb.Run:
        return self._message(read_run(self._store, job.id), job, read_metrics(self._store, job.id))

    def _message(self, record: RunRecord, job: JobRecord, lines: list[Metrics]) -> pb.Run:
        withdrawn = num_withdrawn(self._store, keys.withdrawn(f"runs/{record.run}"))
        return to_message(record, job, lines, self._export(record.run), withdrawn)

    def _export(self, run: str) -> Export | None:
        try:
            return read_model(self._store, keys.export_file(run, "export.json"), Export)
        except NotFound:
            return None


def to_message(
    record: RunRecord, job: JobRecord, lines: list[Metrics], export: Export | None, withdrawn: int = 0
) -> pb.Run:
    rates = [line.val_wer for line in lines if line.val_wer is not None]
    return pb.Run(
        id=record.run,
        dataset=record.dataset,
        recipe=record.recipe["name"],
        recipe_reason=record.recipe_reason,
        state=_STATES[job.state],
        created_at=record.created_at,
        error=job.error,
        latest=to_metrics(latest_of(lines)) if lines else None,
        best_val_wer=export.val_wer if export else min(rates, default=0.0),
        record_json=record.model_dump_json(),
        val_wer_lm=export.val_wer_lm if export else None,
        decoding=export.decoding.describe() if export else "",
        withdrawn_utterances=withdrawn,
    )


def latest_of(lines: list[Metrics]) -> Metrics:
    """The last line, with what the trainer said last: a warning outlives the step that it came with."""
    said = next((line.message for line in reversed(lines) if line.message), "")
    return lines[-1].model_copy(update={"message": said})


def to_metrics(line: Metrics) -> pb.RunMetrics:
    return pb.RunMetrics(**line.model_dump(exclude={"schema_version"}, exclude_none=True))
