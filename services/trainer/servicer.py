"""gRPC to function calls: messages in, values out."""

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc.aio
from google.protobuf.message import Message

from services.trainer import texts
from services.trainer.config import TrainerConfig
from services.trainer.curve import Curve, Latest, read_latest
from services.trainer.metrics import Metrics
from services.trainer.recipes import recipe_from_dict
from services.trainer.report import audio_key, read_summary, read_suspects, utterances_key
from services.trainer.runs import KIND, RunRecord, find_dataset, read_run, refuse_lossy, refuse_pruned, submit
from voxloom import keys
from voxloom.bundle import Export
from voxloom.errors import BadInput, NotFound
from voxloom.executor import BoundedExecutor
from voxloom.forgotten import num_withdrawn
from voxloom.jobs import JobRecord, Jobs, JobState
from voxloom.rpc import blocking
from voxloom.storage import ObjectStore, list_all, read_model, usable
from voxloom.v1 import trainer_pb2 as pb
from voxloom.v1 import trainer_pb2_grpc

_POLL_S = 0.5
_PART_BYTES = 64 * 1024
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
        self._text_checks = BoundedExecutor(1, 4, "text")  # minutes of computing for a large one

    def register(self, server: grpc.aio.Server) -> list[str]:
        trainer_pb2_grpc.add_TrainerServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        return [pb.DESCRIPTOR.services_by_name["TrainerService"].full_name]

    def close(self) -> None:
        self._text_checks.shutdown()

    async def StartRun(self, request: pb.StartRunRequest, context: object) -> Message:
        return await blocking(self._start, request)

    async def ListRuns(self, request: pb.ListRunsRequest, context: object) -> Message:
        return pb.ListRunsResponse(runs=await blocking(self._list))

    async def GetRun(self, request: pb.GetRunRequest, context: object) -> Message:
        return await blocking(self._get, request.run)

    async def WatchRun(self, request: pb.WatchRunRequest, context: object) -> AsyncIterator[Message]:
        curve = Curve(self._store, keys.check_id(request.run, "run"))
        while True:
            run, lines = await blocking(self._watch, curve)
            for line in lines:
                yield pb.RunUpdate(run=run, metrics=to_metrics(line))
            if not lines:
                yield pb.RunUpdate(run=run)
            if run.state in _ENDED or request.past_only:
                return
            await asyncio.sleep(_POLL_S)

    async def GetRunReport(self, request: pb.GetRunReportRequest, context: object) -> Message:
        run = (await blocking(read_run, self._store, request.run)).run
        summary = await blocking(read_summary, self._store, run)
        suspects = await blocking(read_suspects, self._store, run)
        return pb.GetRunReportResponse(
            summary_json=summary.model_dump_json(),
            suspects_json=suspects.model_dump_json() if suspects else "",
        )

    async def ReadRunFile(self, request: pb.ReadRunFileRequest, context: object) -> AsyncIterator[Message]:
        run = (await blocking(read_run, self._store, request.run)).run
        for key in await blocking(self._files, run, request.file, request.utterance):
            with await blocking(self._store.open, key) as file:
                while part := await blocking(file.read, _PART_BYTES):
                    yield pb.ReadRunFileResponse(key=key, data=part)

    async def AddText(self, request_iterator: AsyncIterator[pb.AddTextRequest], context: object) -> Message:
        first = await anext(request_iterator, None)
        if first is None or first.WhichOneof("part") != "name":
            raise BadInput("the first message has no name; expected `name`, then `data` messages")
        with texts.Incoming(first.name) as text:
            async for message in request_iterator:
                await blocking(text.write, message.data)
            record = await self._text_checks.run(texts.add, self._store, text.name, text.file)
        return to_text(record)

    async def ListTexts(self, request: pb.ListTextsRequest, context: object) -> Message:
        return pb.ListTextsResponse(texts=map(to_text, await blocking(texts.list_texts, self._store)))

    async def RemoveText(self, request: pb.RemoveTextRequest, context: object) -> Message:
        await blocking(texts.remove, self._store, request.name)
        return pb.RemoveTextResponse()

    def _start(self, request: pb.StartRunRequest) -> pb.Run:
        if request.seed < 0 or request.budget_minutes < 0 or request.pieces < 0:
            raise BadInput(
                f"seed is {request.seed}, budget_minutes is {request.budget_minutes}, pieces is "
                f"{request.pieces}; expected 0 or more"
            )
        dataset = find_dataset(self._store, request.dataset)
        refuse_pruned(self._store, dataset)
        seed = request.seed or self._config.train_seed
        pieces = request.pieces if request.HasField("pieces") else None
        record = submit(
            self._store, self._jobs, dataset, request.recipe, seed, request.budget_minutes, pieces
        )
        refuse_lossy(dataset, recipe_from_dict(record.recipe))
        self._wake()
        return self._get(record.run)

    def _list(self) -> list[pb.Run]:
        return list(usable(self._to_run, reversed(self._jobs.list(KIND))))

    def _get(self, run: str) -> pb.Run:
        record = read_run(self._store, run)
        return self._message(record, self._jobs.get(KIND, record.run))

    def _watch(self, curve: Curve) -> tuple[pb.Run, list[Metrics]]:
        """The state is read before the lines, so that an ended run's last lines are never missed."""
        run = self._get(curve.run)
        return run, curve.news()

    def _to_run(self, job: JobRecord) -> pb.Run:
        return self._message(read_run(self._store, job.id), job)

    def _message(self, record: RunRecord, job: JobRecord) -> pb.Run:
        withdrawn = num_withdrawn(self._store, keys.withdrawn(f"runs/{record.run}"))
        try:
            latest = read_latest(self._store, record.run)
        except NotFound:
            latest = Latest()  # it has not begun
        return to_message(record, job, latest, self._export(record.run), withdrawn)

    def _files(self, run: str, file: pb.RunFile, utterance: str) -> list[str]:
        """Keys of what was asked for; NotFound if there is none."""
        if file == pb.RUN_FILE_UTTERANCES:
            return [utterances_key(self._store, run)]
        if file == pb.RUN_FILE_AUDIO:
            return [audio_key(self._store, run, keys.check_id(utterance, "utterance"))]
        if file != pb.RUN_FILE_TENSORBOARD:
            raise BadInput(f"file {file} of a run is unknown; expected one of {pb.RunFile.keys()[1:]}")
        found = [info.key for info in list_all(self._store, f"runs/{run}/tensorboard/")]
        if not found:
            raise NotFound(f"run {run} has no event files; see VOXLOOM_TRAIN_TENSORBOARD")
        return found

    def _export(self, run: str) -> Export | None:
        try:
            return read_model(self._store, keys.export_file(run, "export.json"), Export)
        except NotFound:
            return None


def to_message(
    record: RunRecord, job: JobRecord, latest: Latest, export: Export | None, withdrawn: int = 0
) -> pb.Run:
    return pb.Run(
        id=record.run,
        dataset=record.dataset,
        recipe=record.recipe["name"],
        recipe_reason=record.recipe_reason,
        pieces=record.recipe.get("pieces", 0),
        state=_STATES[job.state],
        created_at=record.created_at,
        error=job.error,
        latest=to_metrics(latest.line) if latest.line else None,
        best_val_wer=export.val_wer if export else latest.best_wer or 0.0,
        record_json=record.model_dump_json(),
        val_wer_lm=export.val_wer_lm if export else None,
        decoding=export.decoding.describe() if export else "",
        withdrawn_utterances=withdrawn,
    )


def to_metrics(line: Metrics) -> pb.RunMetrics:
    plain = line.model_dump(exclude={"schema_version", "val_by_source", "examples"}, exclude_none=True)
    return pb.RunMetrics(
        **plain,
        val_by_source={name: pb.SourceErrors(**vars(each)) for name, each in line.val_by_source.items()},
        examples=[pb.RunExample(**vars(each)) for each in line.examples],
    )


def to_text(record: texts.TextRecord) -> pb.Text:
    return pb.Text(
        name=record.name,
        bytes=record.bytes,
        checked=bool(record.etag),
        added_at=record.added_at,
        sha256=record.sha256,
        sentences=record.sentences,
        words=record.words,
        left_out=record.left_out,
        foreign_characters=record.foreign,
        dataset=record.dataset,
    )
