"""Composition root of the recorder: `python -m services.recorder`."""

import sys

from services.recorder.config import RecorderConfig
from services.recorder.coverage import Coverage
from services.recorder.handlers import HANDLERS
from services.recorder.hearing import Listener
from services.recorder.ledger import Ledger
from services.recorder.prompting import Prompting
from services.recorder.served import Models
from services.recorder.servicer import RecorderServicer
from services.recorder.sounds import Sounds
from services.recorder.sweep import Sweep
from services.recorder.takes import Takes
from services.recorder.uploads import Uploads
from voxloom.audio import Limits
from voxloom.bus import EventBus
from voxloom.peers import Peers
from voxloom.runtime import Service, main
from voxloom.storage import ObjectStore

MAX_MESSAGE_BYTES = 1 << 20  # chunks are 64 kB; a client that sends more at once is met half-way


def build(config: RecorderConfig, store: ObjectStore, bus: EventBus, peers: Peers | None = None) -> Service:
    """`peers`: the other services, where the configuration does not say it."""
    peers = peers or config.peers()
    ledger = Ledger(store)
    sounds = Sounds()
    models = Models(store, sounds)
    limits = Limits(min_s=config.recorder_min_s, max_s=config.recorder_max_s)
    takes = Takes(store, bus, limits, ledger, listener=Listener(peers, models))
    prompting = Prompting(store, ledger, coverage=Coverage(models, sounds))
    uploads = Uploads(
        max_bytes=config.recorder_max_upload_bytes,
        max_uploads=config.recorder_max_uploads,
        upload_s=config.recorder_upload_s,
    )
    servicer = RecorderServicer(takes, prompting, uploads)
    return Service(
        name="recorder",
        address=f"{config.grpc_host}:{config.recorder_port}",
        register=servicer.register,
        handlers=HANDLERS,
        reconcile=Sweep(store, takes),
        close=peers.close,
        max_message_bytes=MAX_MESSAGE_BYTES,
    )


if __name__ == "__main__":
    sys.exit(main("recorder", build, RecorderConfig))
