"""The CLI's plain parts: subtitles, tables, live audio from a pipe, the event file, the data folder."""

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from voxloom import cli, subtitles
from voxloom.audio import encode_wav
from voxloom.bus import new_event
from voxloom.cli import output, streaming
from voxloom.cli.connect import find_addresses
from voxloom.cli.demo.corpus import read_demo_corpus
from voxloom.cli.demo.loop import results
from voxloom.cli.demo.score import Heard, score, show
from voxloom.datadir import DataDir, Running
from voxloom.errors import BadInput, NotReady
from voxloom.eventlog import EventLog, describe, follow
from voxloom.v1.events_pb2 import DatasetReady, ModelPromoted

WORDS = [
    subtitles.TimedWord("go", 0, 300),
    subtitles.TimedWord("<b>", 350, 600),
    subtitles.TimedWord("later", 3_700_000, 3_700_450),
]


def test_srt_breaks_at_silence_and_escapes() -> None:
    assert subtitles.srt(WORDS) == (
        "1\n00:00:00,000 --> 00:00:00,600\ngo &lt;b&gt;\n\n2\n01:01:40,000 --> 01:01:40,450\nlater\n"
    )


def test_vtt_has_a_header() -> None:
    assert subtitles.vtt(WORDS).startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.600\ngo")


def test_no_cue_is_too_long_to_read() -> None:
    words = [subtitles.TimedWord("seventeen", i * 500, i * 500 + 450) for i in range(100)]
    found = list(subtitles.cues(words))
    assert all(cue.end_ms - cue.start_ms <= subtitles.MAX_CUE_MS for cue in found)
    assert all(len(cue.text) <= subtitles.MAX_CUE_CHARACTERS for cue in found)
    assert " ".join(cue.text for cue in found) == " ".join(word.text for word in words)


def test_a_table_shows_everything_and_no_control_codes(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("name", "text"), [("a" * 90, "b\x1b[31m\nc"), (1, "[red]d[/red]")])
    printed = capsys.readouterr().out
    assert "a" * 90 + "  b�[31m c" in printed
    assert "[red]d[/red]" in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize(
    ("seconds", "expected"), [(5, "0:05"), (125.4, "2:05"), (3723, "1:02:03"), (-1, "0:00")]
)
def test_clock(seconds: float, expected: str) -> None:
    assert output.clock(seconds) == expected


def test_figures_for_people() -> None:
    assert output.size(999) == "999 B"
    assert output.size(1_250_000) == "1.2 MB"
    assert output.audio_time(0.05) == "3.0 min"
    assert output.audio_time(12) == "12.0 h"
    assert output.when("long ago") == "long ago"
    assert output.when("2026-11-23T07:38:26+00:00").startswith("2026-11-2")


def test_a_meter_off_a_terminal_says_nothing_for_what_is_quick(capsys: pytest.CaptureFixture[str]) -> None:
    with output.Meter("working") as meter:
        meter.update(1, 2)
        meter.line("kept")
    assert capsys.readouterr().out == "kept\n"


def test_live_wav_and_raw_samples_give_the_same_stream() -> None:
    samples = np.linspace(-0.5, 0.5, 16000, dtype=np.float32)
    wav = encode_wav(samples)
    endless = wav[:40] + struct.pack("<I", 0xFFFFFFFF) + wav[44:]  # a live recorder does not know its length
    of_wav = streaming.of_live(io.BytesIO(endless), 8000)
    of_raw = streaming.of_live(io.BytesIO(wav[44:]), 16000)
    assert (of_wav.sample_rate_hz, of_wav.channels) == (16000, 1)
    assert b"".join(of_wav.chunks) == b"".join(of_raw.chunks) == wav[44:]
    assert b"".join(streaming.of_bytes(wav).chunks) == wav[44:]


@pytest.mark.parametrize("bits", [8, 24])
def test_live_wav_that_is_not_16_bit_is_refused(bits: int) -> None:
    fmt = struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, bits)
    head = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + fmt + b"data\0\0\0\0"
    with pytest.raises(BadInput, match="expected 16-bit PCM"):
        streaming.of_live(io.BytesIO(head), 16000)


def test_live_wav_without_samples_is_refused() -> None:
    with pytest.raises(BadInput, match="no samples"):
        streaming.of_live(io.BytesIO(b"RIFF\0\0\0\0WAVE" + b"junk" + b"\xff" * 40), 16000)


def test_the_event_file_is_followed_and_survives_a_broken_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    event = new_event("ingest", "d-1", DatasetReady(dataset="d-1", train_utterances=9))
    log.append(event)
    with open(path, "a") as file:
        file.write("half a line that a crash cut\n")
    log.append(new_event("optimizer", "m-1", ModelPromoted(model="m-1", reasons=["first"])))
    with open(path, "a") as file:
        file.write('{"kind": "being writ')
    found = list(follow(path, past=True, wait=False))
    assert [each["kind"] for each in found] == ["dataset_ready", "model_promoted"]
    assert found[0]["id"] == event.header.id
    assert found[0]["body"]["dataset"] == "d-1"
    assert list(follow(path, wait=False)) == []


def test_a_large_event_file_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxloom.eventlog.MAX_BYTES", 100)
    log = EventLog(tmp_path / "events.jsonl")
    for _ in range(3):
        log.append(new_event("ingest", "d-1", DatasetReady(dataset="d-1")))
    assert (tmp_path / "events.jsonl.1").exists()
    assert len(list(follow(tmp_path / "events.jsonl", past=True, wait=False))) == 1


def test_every_kind_of_event_has_a_sentence() -> None:
    assert describe(new_event("o", "m-1", ModelPromoted(model="m-1", reasons=["it is the first"]))) == (
        "model m-1 promoted: it is the first"
    )


def test_a_data_folder_is_held_by_one_process_and_freed_by_its_death(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    code = (
        "import sys; from pathlib import Path; from voxloom.datadir import DataDir\n"
        f"with DataDir(Path({str(tmp_path)!r})).lock(): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(NotReady, match=f"process {holder.pid}"), data.lock():
        pass
    assert data.is_locked()
    holder.kill()
    holder.communicate()
    assert not data.is_locked()
    with data.lock():
        pass


def test_what_a_killed_process_left_behind_does_not_count(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    running = Running(pid=os.getpid(), addresses={"ingest": "h:1"}, store="", started_at="", version="")
    with data.announce(running):
        assert data.running() == running
    assert data.running() is None
    with pytest.raises(NotReady, match=f"voxloom up --data {tmp_path}"):
        find_addresses(tmp_path)


def test_addresses_come_from_what_is_said_most_explicitly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOXLOOM_TRAINER_ADDRESS", "gpu:9000")
    assert find_addresses(None)["trainer"] == "gpu:9000"
    assert find_addresses(None)["inference"] == "127.0.0.1:50055"


def test_held_back_takes_are_training_takes_and_always_the_same(tmp_path: Path) -> None:
    rows = [f"{i}.wav\tTEXT {i}\ts{i % 3}\t{'test' if i % 5 == 0 else 'train'}" for i in range(30)]
    (tmp_path / "manifest.tsv").write_text("\n".join(["path\ttext\tspeaker\tsplit", *rows]) + "\n")
    for i in range(30):
        (tmp_path / f"{i}.wav").write_bytes(b"x")
    found = read_demo_corpus(tmp_path, 4)
    assert found == read_demo_corpus(tmp_path, 4)
    assert len(found.test) == 6
    assert len(found.held_back) == 4
    assert not {clip.name for clip in found.held_back} & {clip.name for clip in found.test}


def test_the_score_counts_corpus_errors_and_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    heard = [Heard("a", "go ninety four", "go nineteen", 2.0, 0.1), Heard("b", "yes", "yes", 1.0, 0.05)]
    found = score(heard, wall_s=1.0)
    assert (found.substitutions, found.deletions, found.insertions, found.reference_words) == (1, 1, 0, 4)
    assert found.wer == 0.5
    assert found.wer_low <= found.wer <= found.wer_high
    assert found.real_time_factor == pytest.approx(0.05)
    show(heard[:1])
    assert capsys.readouterr().out == "  said   go NINETY   FOUR\n  heard  go NINETEEN ****\n"


@pytest.mark.parametrize(
    "command", ["up", "demo", "import", "record", "train", "transcribe", "events", "status"]
)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(cli.app, [command, "--help"])
    assert result.exit_code == 0
    assert "Example:  voxloom " + command in result.output


def test_version() -> None:
    assert CliRunner().invoke(cli.app, ["--version"]).output.startswith("voxloom ")


def test_a_typo_is_a_usage_error() -> None:
    assert CliRunner().invoke(cli.app, ["transcribe", "--formt", "x", "a.wav"]).exit_code == 2


def test_the_demo_tells_both_decoders() -> None:
    both = results({"greedy": 0.125, "beam": 0.0625}, "beam")
    assert both == "greedy 12.5 % wrong, with the language model 6.2 % wrong (served)"
    assert results({"greedy": 0.5}, "greedy") == "greedy 50.0 % wrong (served); there is no language model"
