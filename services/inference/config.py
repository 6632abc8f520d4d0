"""What inference can be told through VOXLOOM_* variables."""

from pydantic import Field

from voxloom.config import Config, Port


class InferenceConfig(Config):
    inference_port: Port = 50055
    # Worker threads, each computes one piece of audio at a time; 0 means as many as there are CPUs.
    inference_threads: int = Field(default=0, ge=0, le=256)
    # Calls at once; one more is refused with RESOURCE_EXHAUSTED.
    inference_max_calls: int = Field(default=32, ge=1, le=10_000)
    inference_max_streams: int = Field(default=64, ge=1, le=10_000)
    # The longest audio of one Recognize call; a stream may be endless.
    inference_max_audio_s: float = Field(default=600.0, ge=1, le=1800)
    # Silence after text that ends a result of a stream.
    inference_pause_s: float = Field(default=1.2, ge=0.2, le=10)
    # New audio between two interim results of a stream, at least.
    inference_interim_s: float = Field(default=0.3, ge=0.1, le=10)
