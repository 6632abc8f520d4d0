"""kill -9 of the recorder under uploads: no acknowledged take is lost, and no half take is listed."""

import hashlib
import threading
from pathlib import Path

import grpc
import numpy as np
from service_process import ServiceProcess

from voxloom import audio, keys
from voxloom.manifest import RawUtterance
from voxloom.storage import FolderStore, list_all, read_model
from voxloom.v1 import recorder_pb2 as pb
from voxloom.v1 import recorder_pb2_grpc

UPLOADS, SENDERS = 200, 4
KILL_AFTER = (10, 70, 130)  # acknowledged takes


def speech(number: int) -> bytes:
    """Each another; 1 s."""
    time_s = np.arange(16000) / 16000
    buzz = sum(np.sin(2 * np.pi * (100 + number) * k * time_s) / k for k in range(1, 8))
    return audio.encode_wav((0.2 * buzz * np.sin(2 * np.pi * 2 * time_s) ** 2).astype(np.float32))


class Senders:
    """Take uploads in turn from what is left to do; one that failed is put back, as a client would."""

    def __init__(self, left: list[int]) -> None:
        self.left = left
        self.acknowledged: dict[str, int] = {}
        self._lock = threading.Lock()
        self.enough = threading.Event()

    def run(self, process: ServiceProcess, stop_after: int) -> None:
        """Until all is sent, or until so many are acknowledged: then the process is killed under them."""
        threads = [threading.Thread(target=self._send, args=(process, stop_after)) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        if stop_after < UPLOADS:
            assert self.enough.wait(60)
            process.process.kill()
        for thread in threads:
            thread.join()
        self.enough.clear()

    def _send(self, process: ServiceProcess, stop_after: int) -> None:
        stub = recorder_pb2_grpc.RecorderServiceStub(process.channel)  # type: ignore[no-untyped-call]
        while True:
            with self._lock:
                if not self.left:
                    return
                number = self.left.pop()
            take = pb.Take(prompt=f"fish {'x' * (number % 7)} {chr(97 + number % 26)}", speaker="Ada")
            parts = [pb.UploadTakeRequest(take=take), pb.UploadTakeRequest(audio=speech(number))]
            try:
                answer = stub.UploadTake(iter(parts), timeout=30)
            except grpc.RpcError:
                with self._lock:
                    self.left.append(number)
                return
            with self._lock:
                self.acknowledged[answer.utterance] = number
                if len(self.acknowledged) >= stop_after:
                    self.enough.set()


def listed(process: ServiceProcess) -> set[str]:
    stub = recorder_pb2_grpc.RecorderServiceStub(process.channel)  # type: ignore[no-untyped-call]
    page = stub.ListTakes(pb.ListTakesRequest(limit=1000), timeout=60)
    assert page.total == len(page.takes)
    return {take.utterance for take in page.takes}


def check_whole(store: FolderStore, utterances: set[str]) -> None:
    """Each has a record, and the very audio that this tells of."""
    for info in list_all(store, keys.RAW):
        if info.key.endswith(".json"):
            record = read_model(store, info.key, RawUtterance)
            wav = store.get(info.key.removesuffix(".json") + ".wav")
            assert hashlib.sha256(wav).hexdigest() == record.audio_sha256
            utterances = utterances - {record.utterance}
    assert utterances == set()


def test_no_acknowledged_take_is_lost_and_no_half_take_is_listed(tmp_path: Path) -> None:
    senders = Senders(list(range(UPLOADS)))
    for stop_after in (*KILL_AFTER, UPLOADS):
        with ServiceProcess("recorder", tmp_path) as process:
            before = listed(process)
            assert senders.acknowledged.keys() <= before
            check_whole(FolderStore(tmp_path), before)
            senders.run(process, stop_after)
            if stop_after == UPLOADS:
                assert listed(process) == senders.acknowledged.keys()
    assert len(senders.acknowledged) == UPLOADS
    check_whole(FolderStore(tmp_path), set(senders.acknowledged))
