"""What the optimizer can be told through VOXLOOM_* variables."""

from pydantic import Field

from voxloom.config import Config, Port


class OptimizerConfig(Config):
    optimizer_port: Port = 50054
    # Test clips are decoded in this many threads, one clip each; 0 means one a CPU.
    optimizer_threads: int = Field(default=0, ge=0, le=256)
