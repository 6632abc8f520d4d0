"""What the optimizer can be told through VOXLOOM_* variables."""

from pydantic import Field

from voxloom.config import Config, Port


class OptimizerConfig(Config):
    optimizer_port: Port = 50054
    # Test clips are decoded in this many threads, one clip each; 0 means one a CPU.
    optimizer_threads: int = Field(default=0, ge=0, le=256)
    # A model with this share of word errors or more is never promoted by itself; above 1 for trials only.
    gate_max_wer: float = Field(default=0.9, gt=0, le=1000)
