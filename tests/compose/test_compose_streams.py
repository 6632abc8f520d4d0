"""Clients that die or cancel in the middle of a call, seen through the gateway."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stack import ROOT, Stack

from voxloom.audio import decode
from voxloom.v1 import audio_pb2, recorder_pb2

pytestmark = pytest.mark.compose

CLIENT = """
import sys, time
from voxloom import rpc
from voxloom.v1 import audio_pb2, recorder_pb2, recorder_pb2_grpc

address, key, prompt, path = sys.argv[1:]
pcm = open(path, "rb").read()

def messages():
    pcm16 = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_PCM16, sample_rate_hz=16000, channels=1)
    yield recorder_pb2.UploadTakeRequest(take=recorder_pb2.Take(prompt=prompt, speaker="Bea", format=pcm16))
    for start in range(0, len(pcm), 16000):
        yield recorder_pb2.UploadTakeRequest(audio=pcm[start : start + 16000])
    print("sent", flush=True)
    time.sleep(60)

with rpc.channel(address, api_key=key) as channel:
    recorder_pb2_grpc.RecorderServiceStub(channel).UploadTake(messages(), timeout=60)
"""


def raw_speech(corpus: Path, path: Path) -> Path:
    """PCM16 that by itself would make a good take: it does not tell that more was to come."""
    clip = next((corpus / "train").iterdir())
    path.write_bytes((decode(clip.read_bytes()).samples * 32767).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_take_whose_client_dies_is_not_stored(stack: Stack, corpus: Path, tmp_path: Path, end: int) -> None:
    before = set(stack.keys("raw/user_recorded/bea"))
    pcm = raw_speech(corpus, tmp_path / "speech.pcm")
    address = f"127.0.0.1:{stack.ports['recorder']}"
    command = [sys.executable, "-c", CLIENT, address, stack.api_key, "to be continued", str(pcm)]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert client.stdout is not None
    assert client.stdout.readline() == "sent\n"
    time.sleep(1.0)  # all of it has arrived
    client.send_signal(end)
    client.communicate(timeout=20)
    time.sleep(3.0)
    assert set(stack.keys("raw/user_recorded/bea")) == before


def test_the_same_take_told_to_its_end_is_stored(stack: Stack, corpus: Path, tmp_path: Path) -> None:
    pcm = raw_speech(corpus, tmp_path / "speech.pcm").read_bytes()
    pcm16 = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_PCM16, sample_rate_hz=16000, channels=1)
    take = recorder_pb2.Take(prompt="to be continued", speaker="Bea", format=pcm16)
    messages = [recorder_pb2.UploadTakeRequest(take=take), recorder_pb2.UploadTakeRequest(audio=pcm)]
    with stack.client("recorder") as recorder:
        stored = recorder.UploadTake(iter(messages), timeout=30)
    assert stored.record_key in stack.keys("raw/user_recorded/")
