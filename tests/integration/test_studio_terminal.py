"""`voxloom record --prompts` in a pseudo terminal, with a real recorder and a file as its microphone."""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from integration import bundle_maker
from service_process import ServiceProcess
from typer.testing import CliRunner

from voxloom.audio import encode_wav
from voxloom.cli import app
from voxloom.manifest import RawUtterance
from voxloom.storage import FolderStore, list_all, read_model

# A microphone that hears a file whenever a take begins, faster than in real time, and hiss before and after.
SCRIPT = """
import sys, threading, time
from contextlib import contextmanager
from pathlib import Path
import numpy as np
from voxloom import audio
from voxloom.cli.prompts import Order
from voxloom.cli.studio import command, session

class Microphone:
    rate_hz = 16000

    def __init__(self, file):
        self.samples = audio.to_pcm16(audio.decode(Path(file).read_bytes()).samples)
        self.at = None

    @contextmanager
    def opened(self, put):
        over = threading.Event()
        hiss = np.random.default_rng(0)
        def hear():
            while not over.is_set():
                time.sleep(0.01)
                recording = made[-1].phase is session.Phase.RECORDING if made else False
                self.at = (0 if self.at is None else self.at + 640) if recording else None
                block = self.samples[self.at : self.at + 640] if recording else ()
                quiet = hiss.normal(0, 3, 640).astype(np.int16)
                quiet[: len(block)] += np.asarray(block, np.int16)
                put(quiet)
        thread = threading.Thread(target=hear)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def play(self, pcm):
        Path(sys.argv[2]).write_bytes(pcm)

made = []
class Watched(session.Session):
    def start(self):
        made.append(self)
        return super().start()

command.Session = Watched
reading = command.Reading(sys.argv[3], "Ada", Order.LIST, "CC0-1.0")
command.at_the_microphone(reading, None, auto_stop=True, open_sound=lambda: Microphone(sys.argv[1]))
"""
PROMPTS = ["bed cafe had a bag", "face dad fade", "gab had bead head", "a cage of bees"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio") / "store"


@pytest.fixture(scope="module")
def recorder(root: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess("recorder", root) as process:
        yield process


@pytest.fixture(autouse=True)
def address(recorder: ServiceProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    port = recorder.find(lambda line: "port" in line)["port"]
    monkeypatch.setenv("VOXLOOM_RECORDER_ADDRESS", f"127.0.0.1:{port}")


def takes(root: Path, speaker: str) -> list[RawUtterance]:
    store = FolderStore(root)
    found = (info.key for info in list_all(store, "raw/user_recorded/") if info.key.endswith(".json"))
    records = [read_model(store, key, RawUtterance) for key in found]
    return [record for record in records if record.speaker_name == speaker]


def add_prompts(tmp_path: Path, name: str) -> list[str]:
    """Their ids."""
    file = tmp_path / f"{name}.txt"
    file.write_text("".join(f"{name}{n}\t{text}\n" for n, text in enumerate(PROMPTS)))
    assert CliRunner().invoke(app, ["prompts", "add", str(file)]).exit_code == 0
    return [f"{name}{n}" for n in range(len(PROMPTS))]


class Terminal:
    def __init__(self, process: subprocess.Popen[bytes], fd: int) -> None:
        self.process, self.fd = process, fd
        self.seen = ""

    def wait(self, *texts: str, timeout_s: float = 60) -> None:
        """Until one of the texts stood on the screen since the last key."""
        deadline = time.monotonic() + timeout_s
        while not any(text in self.seen for text in texts):
            assert time.monotonic() < deadline, f"no {texts} in {self.seen[-3000:]!r}"
            if select.select([self.fd], [], [], 0.2)[0]:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
            assert self.process.poll() is None, self.seen

    def press(self, keys: str) -> None:
        self.seen = ""
        os.write(self.fd, keys.encode())

    def end(self) -> int:
        """The exit code."""
        while self.process.poll() is None:  # somebody has to read what it still says
            if select.select([self.fd], [], [], 0.1)[0]:
                os.read(self.fd, 65536)
        return self.process.wait()


@contextmanager
def terminal(tmp_path: Path, microphone: Path, prompts: str) -> Iterator[Terminal]:
    script = tmp_path / "studio.py"
    script.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, str(script), str(microphone), str(tmp_path / "played"), prompts]
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "30", "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def test_a_session_from_consent_to_the_last_key_and_on_another_day(tmp_path: Path, root: Path) -> None:
    ids = add_prompts(tmp_path, "tones")
    microphone = tmp_path / "microphone.wav"
    silence = np.zeros(8000, np.float32)
    samples = np.concatenate([silence, 0.5 * bundle_maker.say(PROMPTS[0]), np.zeros(24000, np.float32)])
    microphone.write_bytes(encode_wav(samples))
    with terminal(tmp_path, microphone, "tones") as screen:
        screen.wait("do you agree?")
        screen.press("y\n")
        screen.wait("a quiet room")
        screen.press(" ")
        screen.wait("stored:", "accept anyway")  # the silence behind the words ends it
        if "accept anyway" in screen.seen:
            screen.press("a")
            screen.wait("stored:")
        screen.wait(PROMPTS[1])
        screen.press("p")
        screen.press("s")
        screen.wait("why skip this prompt?")
        screen.press("too many f\x7fs\n")
        screen.wait(PROMPTS[2])
        screen.press("f")
        screen.wait("is wrong with")
        screen.press("no such word\n")
        screen.wait("flagged")
        screen.press("q")
        assert screen.end() == 0
    (take,) = takes(root, "Ada")
    assert (take.text, take.prompt_list, take.prompt_id) == (PROMPTS[0], "tones", ids[0])
    stored = FolderStore(root).get(f"raw/user_recorded/{take.speaker}/{take.utterance}.wav")
    assert correlation(samples, np.frombuffer(stored[44:], "<i2").astype(np.float32)) > 0.99
    assert (tmp_path / "played").stat().st_size == len(stored) - 44
    marks = json.loads((root / "progress" / take.speaker / "tones.json").read_bytes())
    assert marks["skipped"] == {ids[1]: "too many s"}
    assert marks["flagged"] == {ids[2]: "no such word"}
    with terminal(tmp_path, microphone, "tones") as screen:
        screen.wait("do you agree?", "be quiet")
        if "do you agree?" in screen.seen:  # a recorder without a register of speakers asks again
            screen.press("y\n")
        screen.wait("prompt 3 of 4")
        screen.wait(PROMPTS[2])
        screen.press("\x03")
        assert screen.end() == 0


def correlation(left: np.ndarray, right: np.ndarray) -> float:
    """Of the best offset."""
    found = np.fft.irfft(np.fft.rfft(left, 1 << 19) * np.conj(np.fft.rfft(right, 1 << 19)))
    return float(found.max() / np.sqrt(np.sum(left**2) * np.sum(right**2)))


def test_without_a_terminal_it_says_what_to_do() -> None:
    result = CliRunner().invoke(app, ["record", "--prompts", "english", "--speaker", "Ada"])
    assert "--from-dir FOLDER" in str(result.exception)


def speech(path: Path, text: str, level: float = 0.5) -> None:
    path.write_bytes(encode_wav((level * bundle_maker.say(text)).astype(np.float32)))


def from_dir(folder: Path, name: str, speaker: str, *more: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        app, ["record", "--prompts", name, "--speaker", speaker, "--from-dir", str(folder), *more]
    )
    return result.exit_code, result.output + str(result.exception or "")


def test_takes_of_a_folder_come_in_with_reasons_and_only_once(tmp_path: Path, root: Path) -> None:
    ids = add_prompts(tmp_path, "filed")
    folder = tmp_path / "takes"
    folder.mkdir()
    for name, text in zip(ids[:2], PROMPTS, strict=False):
        speech(folder / f"{name}.wav", text)
    speech(folder / f"{ids[2]}.wav", "", level=0.0)  # nobody is heard
    speech(folder / "holiday.wav", "bed")
    code, told = from_dir(folder, "filed", "Bob")
    assert code == 3
    assert "2 stored, 0 were there, 1 refused" in told
    assert f"{ids[2]}.wav" in told
    assert "nobody is heard" in told
    assert "belongs to no prompt" in told
    assert sorted(take.prompt_id for take in takes(root, "Bob")) == ids[:2]
    speech(folder / f"{ids[2]}.wav", PROMPTS[2])
    (folder / "holiday.wav").unlink()
    code, told = from_dir(folder, "filed", "Bob")
    assert (code, "1 stored, 2 were there, 0 refused" in told) == (0, True)


def test_takes_in_order_and_takes_with_metadata(tmp_path: Path, root: Path) -> None:
    ids = add_prompts(tmp_path, "mapped")
    folder = tmp_path / "takes"
    folder.mkdir()
    for number in (1, 2):
        speech(folder / f"{number}.wav", PROMPTS[number - 1])
    code, told = from_dir(folder, "mapped", "Cy")
    assert code != 0
    assert f"such as {ids[0]}.wav" in told
    assert from_dir(folder, "mapped", "Cy", "--in-order")[0] == 0
    assert {take.prompt_id: take.text for take in takes(root, "Cy")} == dict(
        zip(ids[:2], PROMPTS, strict=False)
    )

    (folder / "wavs").mkdir()
    shutil.move(folder / "1.wav", folder / "wavs" / f"{ids[0]}.wav")
    (folder / "metadata.csv").write_text(
        f"{ids[0]}|bed cafe had a big bag\n2|Face, dad; fade.|face dad fade\n"
        f"../{ids[0]}|bed\nx|no such file\n"
    )
    code, told = from_dir(folder, "mapped", "Di")
    assert (code, "2 stored" in told, "x (no such recording)" in told) == (3, True, True)
    assert {take.prompt_id: take.text for take in takes(root, "Di")} == {
        ids[0]: "bed cafe had a big bag",
        "": "Face, dad; fade.",
    }
