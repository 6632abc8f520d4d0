"""The trainer's composition root: `python -m services.trainer` serves, with `run RUN` it trains."""

import sys

from services.trainer.config import TrainerConfig
from services.trainer.gauges import TrainingGauges
from services.trainer.handlers import Reconcile, handlers
from services.trainer.runs import KIND, read_run
from services.trainer.servicer import TrainerServicer
from services.trainer.supervise import TrainJob
from voxloom import runtime
from voxloom.bundle import Export
from voxloom.bus import EventBus, new_event
from voxloom.gauges import look_at_jobs
from voxloom.jobs import Jobs, JobWorker
from voxloom.keys import export_file
from voxloom.runtime import Service, announce, stage_failed
from voxloom.storage import ObjectStore, read_model
from voxloom.v1.events_pb2 import Event, ModelTrained


def build(config: TrainerConfig, store: ObjectStore, bus: EventBus) -> Service:
    jobs = Jobs(store, lease_s=config.job_lease_s)

    def announce_trained(run: str) -> None:
        announce(bus, model_trained(store, run))

    worker = JobWorker(
        jobs, KIND, TrainJob(config, store, announce_trained).run, stage_failed(bus, "trainer")
    )
    reconcile = Reconcile(config, store, jobs)
    servicer = TrainerServicer(config, store, jobs, worker.wake)
    return Service(
        name="trainer",
        address=f"{config.grpc_host}:{config.trainer_port}",
        register=servicer.register,
        handlers=handlers(reconcile),
        reconcile=reconcile,
        workers=[worker],
        looks=[look_at_jobs(jobs, KIND), TrainingGauges(store, jobs)],
        close=servicer.close,
    )


def model_trained(store: ObjectStore, run: str) -> Event:
    record, export = read_run(store, run), read_model(store, export_file(run, "export.json"), Export)
    body = ModelTrained(
        run=run, dataset=record.dataset, export_prefix=f"runs/{run}/export/", val_wer=export.val_wer
    )
    return new_event("trainer", run, body, record.trace)


def main() -> int:
    if sys.argv[1:2] == ["run"] and len(sys.argv) == 3:
        from services.trainer.job import run_job  # torch is loaded in the training process only

        return run_job(sys.argv[2])
    return runtime.main("trainer", build, TrainerConfig)


if __name__ == "__main__":
    sys.exit(main())
