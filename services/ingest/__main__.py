"""The composition root of ingest: `python -m services.ingest`."""

import sys

from services.ingest import chunk, dataset, forget, importer
from services.ingest.chunk import ChunkWorker
from services.ingest.config import IngestConfig
from services.ingest.dataset import DatasetBuilder
from services.ingest.forget import Forgetter
from services.ingest.gauges import DataGauges
from services.ingest.handlers import handlers, reconciler
from services.ingest.importer import Importer
from services.ingest.policy import Thresholds
from services.ingest.retrain import Retrain
from services.ingest.servicer import IngestServicer
from voxloom import runtime
from voxloom.bus import EventBus
from voxloom.events import stage_failed
from voxloom.gauges import look_at_jobs
from voxloom.jobs import Jobs, JobWorker
from voxloom.runtime import Service
from voxloom.storage import ObjectStore

KINDS = (forget.KIND, importer.KIND, chunk.KIND, dataset.KIND)


def build(config: IngestConfig, store: ObjectStore, bus: EventBus) -> Service:
    jobs = Jobs(store, lease_s=config.job_lease_s)
    tell = stage_failed(bus, "ingest")
    chunk_worker = JobWorker(jobs, chunk.KIND, ChunkWorker(config, store).run, tell)
    take_in = Importer(config, store, bus, jobs, chunk_worker.wake)
    import_worker = JobWorker(jobs, importer.KIND, take_in.run, tell)
    dataset_worker = JobWorker(jobs, dataset.KIND, DatasetBuilder(config, store, bus, jobs).run, tell)

    patient = Jobs(store, lease_s=config.job_lease_s, max_failures=forget.MAX_FAILURES)
    forget_worker = JobWorker(patient, forget.KIND, Forgetter(store).run, tell)

    def wake() -> None:
        import_worker.wake()
        forget_worker.wake()
        dataset_worker.wake()

    thresholds = Thresholds(config.retrain_first, config.retrain_new, config.retrain_quiet_s)
    retrain = Retrain(store, jobs, thresholds, wake)
    servicer = IngestServicer(config, store, jobs, retrain, wake)

    def close() -> None:
        retrain.close()
        servicer.close()

    return Service(
        name="ingest",
        address=f"{config.grpc_host}:{config.ingest_port}",
        register=servicer.register,
        handlers=handlers(retrain, wake, chunk_worker.wake),
        reconcile=reconciler(store, jobs, retrain),
        workers=[forget_worker, import_worker, chunk_worker, dataset_worker],
        looks=[look_at_jobs(jobs, *KINDS), DataGauges(store, retrain)],
        close=close,
    )


def main() -> int:
    return runtime.main("ingest", build, IngestConfig)


if __name__ == "__main__":
    sys.exit(main())
