"""Configuration of the ingest service: VOXLOOM_* variables, checked once."""

from pydantic import Field

from voxloom.config import Config, Port


class IngestConfig(Config):
    ingest_port: Port = 50052
    # The retrain policy: when is there enough news for a dataset?
    retrain_first: int = Field(default=100, ge=1, le=10_000_000)  # utterances before the first dataset
    retrain_new: int = Field(default=50, ge=1, le=10_000_000)  # utterances since the latest dataset
    retrain_quiet_s: float = Field(default=10.0, ge=0, le=86_400)  # nothing new for so long
    # Bounds of what one import may bring.
    import_max_gib: float = Field(default=200.0, gt=0, le=100_000)
    import_max_members: int = Field(default=500_000, ge=1, le=10_000_000)
    import_max_clip_mib: int = Field(default=64, ge=1, le=1024)  # held in memory, a few at a time
    import_dir: str = ""  # a folder of archives that `voxloom import mounted:...` may name; "" is none
    ingest_threads: int = Field(default=4, ge=1, le=64)  # decode, encode and store clips: half of it waits

    @property
    def import_max_bytes(self) -> int:
        return int(self.import_max_gib * 2**30)
