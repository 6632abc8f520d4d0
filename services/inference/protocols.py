"""Which protocols of others are spoken, by what is installed and configured: façades over one engine."""

import logging
from collections.abc import Sequence

from google.protobuf.runtime_version import VersionError

from services.inference import http
from services.inference.config import InferenceConfig
from services.inference.models import Models
from services.inference.openai import OpenAIProtocol
from services.inference.pool import Pool
from services.inference.wyoming import WyomingListener
from voxloom.rpc import Register
from voxloom.runtime import Listener

RIVA = "nvidia.riva.asr.RivaSpeechRecognition"
_log = logging.getLogger(__name__)


def riva(models: Models, pool: Pool, config: InferenceConfig) -> Sequence[Register]:
    """Riva's service for the gRPC server, or nothing where its messages are not to be had."""
    try:
        from services.inference.riva import RivaServicer
    except ImportError:
        _log.info(
            "Riva's protocol is off: nvidia-riva-client is not installed (pip install nvidia-riva-client)"
        )
        return []
    except (VersionError, RuntimeError) as error:
        _log.warning("Riva's protocol is off: the stubs of nvidia-riva-client do not run here (%s)", error)
        return []
    return [RivaServicer(models, pool, config).register]


def listeners(models: Models, pool: Pool, config: InferenceConfig) -> list[Listener]:
    """OpenAI's protocol and Wyoming, on ports of their own where they have one."""
    found: list[Listener] = []
    if config.inference_http_port is not None:
        routes = OpenAIProtocol(models, pool, config).routes()
        found.append(http.listener(config.grpc_host, config.inference_http_port, routes, config.api_keys))
    if config.inference_wyoming_port is not None:
        found.append(WyomingListener(models, pool, config))
    return found
