"""The optimizer's composition root: `python -m services.optimizer`."""

import sys

from services.optimizer.config import OptimizerConfig
from services.optimizer.gauges import ModelGauges
from services.optimizer.handlers import handlers
from services.optimizer.optimize import KIND, OptimizeJob
from services.optimizer.reconcile import Reconcile
from services.optimizer.servicer import OptimizerServicer
from voxloom.bus import EventBus
from voxloom.cpus import cpu_count
from voxloom.gauges import look_at_jobs
from voxloom.jobs import Jobs, JobWorker
from voxloom.runtime import Service, main, stage_failed
from voxloom.storage import ObjectStore


def build(config: OptimizerConfig, store: ObjectStore, bus: EventBus) -> Service:
    jobs = Jobs(store, lease_s=config.job_lease_s)
    reconcile = Reconcile(store, bus, jobs)
    threads = config.optimizer_threads or cpu_count()
    job = OptimizeJob(store, bus, threads, config.rules)

    return Service(
        name="optimizer",
        address=f"{config.grpc_host}:{config.optimizer_port}",
        register=OptimizerServicer(store, bus).register,
        handlers=handlers(reconcile),
        reconcile=reconcile,
        workers=[JobWorker(jobs, KIND, job.run, stage_failed(bus, "optimizer"))],
        looks=[look_at_jobs(jobs, KIND), ModelGauges(store)],
    )


if __name__ == "__main__":
    sys.exit(main("optimizer", build, OptimizerConfig))
