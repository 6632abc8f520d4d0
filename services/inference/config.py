"""What inference can be told through VOXLOOM_* variables."""

from pydantic import Field

from voxloom.config import Config, OptionalPort, Port


class InferenceConfig(Config):
    inference_port: Port = 50055
    # OpenAI's protocol, on grpc_host and with the same API keys.
    inference_http_port: OptionalPort = None
    # Wyoming, Home Assistant's protocol. It knows neither keys nor encryption: whoever reaches it can use it.
    inference_wyoming_port: OptionalPort = None
    inference_wyoming_host: str = Field(
        default="127.0.0.1", pattern=r"^[A-Za-z0-9.:_\[\]-]+$", max_length=255
    )
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
    # Models in memory beside the one in production, for calls that ask for a certain one; 0: none may.
    inference_models_beside: int = Field(default=2, ge=0, le=64)
    # The longest recording, and the largest upload, of one BatchRecognize call.
    inference_max_batch_s: float = Field(default=24 * 3600.0, ge=1, le=7 * 24 * 3600)
    inference_max_batch_mib: int = Field(default=2048, ge=1, le=1 << 20)
