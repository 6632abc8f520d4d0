"""Takes of several speakers in a running recorder, good ones and one that was overruled."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from service_process import ServiceProcess
from voices import encoded, speech

from voxloom.v1 import recorder_pb2 as pb
from voxloom.v1 import recorder_pb2_grpc

_CHUNK = 60_000


class Recorder:
    """Calls a recorder without an API key."""

    def __init__(self, process: ServiceProcess) -> None:
        self.stub: Any = recorder_pb2_grpc.RecorderServiceStub(process.channel)

    def register(self, name: str) -> str:
        request = pb.RegisterSpeakerRequest(name=name, licence="CC0-1.0", consent="Others may hear my takes.")
        return str(self.stub.RegisterSpeaker(request, wait_for_ready=True, timeout=20).id)

    def record(self, speaker: str, text: str, *, seed: int = 0, clipped: bool = False, **labels: Any) -> str:
        """The id of a take that holds two seconds of something like speech, and is taken in anyway."""
        samples = speech(2.0, seed=seed)
        if clipped:
            samples = np.clip(40 * samples, -1, 1).astype(np.float32)
        faults = pb.FAULT_POLICY_ACCEPT_ALL
        take = pb.Take(prompt=text, speaker=speaker, faults=faults, **labels)
        data = encoded(samples, "WAV", "PCM_16")
        answer = self.stub.UploadTake(_requests(take, data), wait_for_ready=True, timeout=20)
        return str(answer.utterance)

    def takes(self, **wanted: Any) -> list[pb.TakeInfo]:
        return list(self.stub.ListTakes(pb.ListTakesRequest(**{"limit": 1000, **wanted}), timeout=20).takes)


def _requests(take: pb.Take, data: bytes) -> Iterator[pb.UploadTakeRequest]:
    yield pb.UploadTakeRequest(take=take)
    for at in range(0, len(data), _CHUNK):
        yield pb.UploadTakeRequest(audio=data[at : at + _CHUNK])
