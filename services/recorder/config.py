"""Settings of the recorder."""

from pydantic import Field

from voxloom.config import Config, OptionalPort, Port
from voxloom.peers import Peers


class RecorderConfig(Config):
    recorder_port: Port = 50051
    recorder_http_port: OptionalPort = None  # of the studio's pages, on grpc_host
    recorder_min_s: float = Field(default=0.3, ge=0.1, le=5)
    recorder_max_s: float = Field(default=35.0, ge=1, le=300)  # a sentence; training memory grows with it
    recorder_max_upload_bytes: int = Field(default=32 << 20, ge=1 << 16, le=1 << 30)
    recorder_max_uploads: int = Field(default=16, ge=1, le=1000)  # at once; each can hold a whole upload
    recorder_upload_s: float = Field(default=300.0, ge=1, le=3600)  # for all of a take to arrive
    # Where the others are, for what the studio's pages show and for what the served model heard in a take.
    ingest_address: str = "127.0.0.1:50052"
    trainer_address: str = "127.0.0.1:50053"
    optimizer_address: str = "127.0.0.1:50054"
    inference_address: str = "127.0.0.1:50055"

    def peers(self) -> Peers:
        names = ("ingest", "trainer", "optimizer", "inference")
        return Peers(
            {name: getattr(self, f"{name}_address") for name in names}, next(iter(self.api_keys), "")
        )
