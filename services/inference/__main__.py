"""Inference's composition root: `python -m services.inference`."""

import sys

import grpc.aio

from services.inference import protocols
from services.inference.config import InferenceConfig
from services.inference.gauges import look_at_serving
from services.inference.handlers import HANDLERS
from services.inference.models import Models
from services.inference.pool import Pool
from services.inference.servicer import NAME, InferenceServicer
from voxloom.bus import EventBus
from voxloom.cpus import cpu_count
from voxloom.runtime import Service, main
from voxloom.storage import ObjectStore


def build(config: InferenceConfig, store: ObjectStore, bus: EventBus) -> Service:
    models = Models(store, bus, most_beside=config.inference_models_beside)
    threads = config.inference_threads or cpu_count()
    pool = Pool(threads, config.inference_max_calls, config.inference_max_streams)
    registers = [
        InferenceServicer(models, pool, config).register,
        *protocols.riva(models, pool, config),
    ]

    def register(server: grpc.aio.Server) -> list[str]:
        return [name for each in registers for name in each(server)]

    return Service(
        name="inference",
        address=f"{config.grpc_host}:{config.inference_port}",
        register=register,
        handlers=HANDLERS,
        reconcile=models.reconcile,
        listeners=protocols.listeners(models, pool, config),
        looks=[look_at_serving(models, pool)],
        ready={NAME: models.is_ready, protocols.RIVA: models.is_ready},
        close=pool.close,
    )


if __name__ == "__main__":
    sys.exit(main("inference", build, InferenceConfig))
