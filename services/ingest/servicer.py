"""The gRPC edge of ingest: messages in, one call to the domain, messages out."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc.aio

from services.ingest import dataset, forget, importer, messages, sidecars, uploads
from services.ingest.config import IngestConfig
from services.ingest.forgetting import Forgetting
from services.ingest.refusals import read_report
from services.ingest.retrain import Retrain
from services.ingest.wire import ChunkBridge, in_parts
from voxloom import keys
from voxloom.errors import BadInput, NotFound
from voxloom.executor import BoundedExecutor
from voxloom.forgotten import num_withdrawn
from voxloom.jobs import JobRecord, Jobs, JobState
from voxloom.manifest import DatasetRecord
from voxloom.rpc import blocking
from voxloom.storage import ObjectStore, read_model
from voxloom.v1 import ingest_pb2, ingest_pb2_grpc

_KINDS = (importer.KIND, dataset.KIND, forget.KIND)
_POLL_S = 0.3
_UPLOADS_AT_ONCE = 4


class IngestServicer(ingest_pb2_grpc.IngestServiceServicer):
    """Reads and submits job records; the workers do the work."""

    def __init__(
        self, config: IngestConfig, store: ObjectStore, jobs: Jobs, retrain: Retrain, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._retrain = retrain
        self._wake = wake
        self._forgetting = Forgetting(store, jobs)
        self._max_bytes = config.import_max_bytes
        self._uploads = BoundedExecutor(
            _UPLOADS_AT_ONCE, 0, "upload"
        )  # each holds a thread for its whole length

    async def ImportCorpus(
        self, request_iterator: AsyncIterator[ingest_pb2.ImportCorpusRequest], context: Any
    ) -> ingest_pb2.Job:
        first = await anext(request_iterator, None)
        if first is None or first.WhichOneof("part") != "spec":
            raise BadInput("the first message has no spec; expected `spec`, then `tar` messages")
        spec = messages.import_spec(first.spec)
        if spec.origin:
            job = await blocking(uploads.await_fetch, self._jobs, spec)
            self._wake()
            return await blocking(self._message, job)
        with ChunkBridge(request_iterator) as chunks:
            key, digest = await self._uploads.run(uploads.receive, self._store, chunks, self._max_bytes)
        job = await blocking(uploads.accept, self._store, self._jobs, spec, key, digest)
        self._wake()
        return await blocking(self._message, job)

    async def BuildDataset(self, request: ingest_pb2.BuildDatasetRequest, context: Any) -> ingest_pb2.Job:
        spec = messages.build_spec(request).model_dump(mode="json")
        asked, trace = f"asked-{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
        job = await blocking(self._jobs.submit, dataset.KIND, asked, spec, trace)
        self._wake()
        return await blocking(self._message, job)

    async def WatchJob(
        self, request: ingest_pb2.WatchJobRequest, context: Any
    ) -> AsyncIterator[ingest_pb2.Job]:
        if request.kind not in _KINDS:
            raise BadInput(f"job kind {request.kind[:60]!r} is unknown; expected {' or '.join(_KINDS)}")
        told = None
        while True:
            job = await blocking(self._jobs.get, request.kind, request.id)
            message = await blocking(self._message, job)
            if message != told:
                yield message
                told = message
            if job.state in (JobState.DONE, JobState.FAILED):
                return
            await asyncio.sleep(_POLL_S)

    async def ListDatasets(
        self, request: ingest_pb2.ListDatasetsRequest, context: Any
    ) -> ingest_pb2.ListDatasetsResponse:
        records = await blocking(dataset.list_datasets, self._store)
        datasets = await blocking(lambda: [self._dataset_message(record) for record in records])
        return ingest_pb2.ListDatasetsResponse(datasets=datasets)

    async def GetDataset(self, request: ingest_pb2.GetDatasetRequest, context: Any) -> ingest_pb2.Dataset:
        record = await blocking(self._dataset, request.dataset)
        return await blocking(self._dataset_message, record)

    async def Forget(self, request: ingest_pb2.ForgetRequest, context: Any) -> ingest_pb2.ForgetResponse:
        response, job = await blocking(self._forgetting.ask, request)
        if job:
            self._wake()
            response.job.CopyFrom(await blocking(self._message, job))
        return response

    async def GetDatasetReport(
        self, request: ingest_pb2.GetDatasetReportRequest, context: Any
    ) -> ingest_pb2.GetDatasetReportResponse:
        record = await blocking(self._dataset, request.dataset)
        report = await blocking(sidecars.read_report_of, self._store, record)
        message = await blocking(self._dataset_message, record)
        return ingest_pb2.GetDatasetReportResponse(dataset=message, report_json=report.model_dump_json())

    async def ReadManifest(
        self, request: ingest_pb2.ReadManifestRequest, context: Any
    ) -> AsyncIterator[ingest_pb2.ReadManifestResponse]:
        record = await blocking(self._dataset, request.dataset)
        async for part in in_parts(self._store, keys.manifest(record.dataset, messages.split(request.split))):
            yield ingest_pb2.ReadManifestResponse(csv=part)

    async def ReadShards(
        self, request: ingest_pb2.ReadShardsRequest, context: Any
    ) -> AsyncIterator[ingest_pb2.ReadShardsResponse]:
        record = await blocking(self._dataset, request.dataset)
        for shard in record.splits[messages.split(request.split)].shards:
            async for part in in_parts(self._store, shard):
                yield ingest_pb2.ReadShardsResponse(shard=shard, tar=part)

    async def GetRetrainPolicy(
        self, request: ingest_pb2.GetRetrainPolicyRequest, context: Any
    ) -> ingest_pb2.RetrainPolicy:
        return messages.policy_message(*await blocking(self._retrain.look))

    def register(self, server: grpc.aio.Server) -> list[str]:
        ingest_pb2_grpc.add_IngestServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        return [ingest_pb2.DESCRIPTOR.services_by_name["IngestService"].full_name]

    def close(self) -> None:
        self._uploads.shutdown()

    def _message(self, job: JobRecord) -> ingest_pb2.Job:
        return messages.job_message(job, self._refused(job))

    def _refused(self, job: JobRecord) -> dict[str, int]:
        """A failed job has no result, but the report of its refusals lies in the store."""
        if job.kind != importer.KIND or job.state is not JobState.FAILED:
            return dict(job.result.get("refused_by_reason", {}))
        try:
            return dict(Counter(line.reason for line in read_report(self._store, job.id)))
        except NotFound:
            return {}

    def _dataset_message(self, record: DatasetRecord) -> ingest_pb2.Dataset:
        mark = keys.withdrawn(f"manifests/{record.dataset}")
        return messages.dataset_message(record, num_withdrawn(self._store, mark))

    def _dataset(self, dataset_id: str) -> DatasetRecord:
        if dataset_id:
            return read_model(
                self._store, keys.dataset_record(keys.check_id(dataset_id, "dataset")), DatasetRecord
            )
        if newest := dataset.newest_dataset(self._store):
            return newest
        raise NotFound("there is no dataset yet; import a corpus or record, then build one")
