"""Composition root of the recorder: `python -m services.recorder`."""

import sys

from services.recorder.catalogue import Catalogue
from services.recorder.config import RecorderConfig
from services.recorder.coverage import Coverage
from services.recorder.handlers import HANDLERS
from services.recorder.hearing import Listener
from services.recorder.ledger import Ledger
from services.recorder.prompting import Prompting
from services.recorder.review_servicer import Review
from services.recorder.served import Models
from services.recorder.servicer import RecorderServicer
from services.recorder.sounds import Sounds
from services.recorder.sweep import Sweep
from services.recorder.takes import Takes
from services.recorder.uploads import Uploads
from services.recorder.web.callers import Callers
from services.recorder.web.edge import Studio
from voxloom.audio import Limits
from voxloom.bus import EventBus
from voxloom.peers import Peers, reachable
from voxloom.runtime import Service, main
from voxloom.storage import ObjectStore

MAX_MESSAGE_BYTES = 1 << 20  # chunks are 64 kB; a client that sends more at once is met half-way


def build(config: RecorderConfig, store: ObjectStore, bus: EventBus, peers: Peers | None = None) -> Service:
    """`peers`: the other services, where the configuration does not say it."""
    peers = peers or config.peers()
    ledger, catalogue, sounds = Ledger(store), Catalogue(store), Sounds()
    models = Models(store, sounds)
    limits = Limits(min_s=config.recorder_min_s, max_s=config.recorder_max_s)
    takes = Takes(store, bus, limits, ledger, catalogue, listener=Listener(peers, models))
    prompting = Prompting(store, ledger, coverage=Coverage(models, sounds))
    uploads = Uploads(
        max_bytes=config.recorder_max_upload_bytes,
        max_uploads=config.recorder_max_uploads,
        upload_s=config.recorder_upload_s,
    )
    review = Review(store, catalogue, takes)
    servicer = RecorderServicer(takes, prompting, uploads, review)
    listeners = []
    if config.recorder_http_port is not None:
        studio = Studio(Callers(config.api_keys, review.speakers.of_token, review.speakers.name_of), peers)
        listeners.append(studio.listener(config.grpc_host, config.recorder_http_port))

    def close() -> None:
        catalogue.close()
        peers.close()

    return Service(
        name="recorder",
        address=f"{config.grpc_host}:{config.recorder_port}",
        register=servicer.register,
        handlers=HANDLERS,
        reconcile=Sweep(store, takes),
        listeners=listeners,
        on_port=lambda port: peers.add("recorder", f"{reachable(config.grpc_host)}:{port}"),
        close=close,
        max_message_bytes=MAX_MESSAGE_BYTES,
    )


if __name__ == "__main__":
    sys.exit(main("recorder", build, RecorderConfig))
