"""One voice, open text: does the speech of others pay? python tests/bench/one_voice.py READER ...

Brings the recordings of one reader (a folder with manifest.tsv: path, text) in as takes, releases of Common
Voice and synthetic speech, and lets `voxloom ablate` train on the reader alone and on each mix, and judge all
on the reader's held-out sentences. What is there already is not done again: the same command goes on.

  python tests/bench/one_voice.py reader --commonvoice cv/*-en.tar.gz --minutes 30 --seeds 3 --data one-voice
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from voxloom.cli.connect import client
from voxloom.cli.sending import read_audio, send_take
from voxloom.v1 import recorder_pb2

VOXLOOM = (sys.executable, "-m", "voxloom.cli")
MIXES = ("own+tts", "own+commonvoice", "hybrid", "all")
_UP_S = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reader", type=Path)
    parser.add_argument("--speaker", default="", help="name of the reader; that of the folder if left out")
    parser.add_argument("--commonvoice", nargs="+", type=Path, default=[])
    parser.add_argument("--tts", type=int, default=300, help="synthetic clips")
    parser.add_argument("--mixes", nargs="+", default=list(MIXES), help="besides own-only")
    parser.add_argument("--minutes", type=float, default=30.0, help="of each training")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--recipe", default="")
    parser.add_argument("--data", type=Path, default=Path("one-voice"))
    parser.add_argument("--prepare", action="store_true", help="bring the data in, and train nothing")
    args = parser.parse_args()
    with up(args.data):
        record(args.reader, args.speaker or args.reader.name, args.data)
        for release in args.commonvoice:
            voxloom(args.data, "import", "commonvoice", str(release))
        if args.tts:
            voxloom(args.data, "tts", "--count", str(args.tts))
        if args.prepare:
            return 0
        mixes = [word for mix in args.mixes for word in ("--mix", mix)]
        rule = ["--minutes", str(args.minutes), "--seeds", str(args.seeds), "--html", "one-voice.html"]
        voxloom(args.data, "ablate", *mixes, *rule, *(["--recipe", args.recipe] if args.recipe else []))
    return 0


@contextmanager
def up(data: Path) -> Iterator[None]:
    """The five services on this folder; they train when asked, and by no event."""
    env = {**os.environ, "VOXLOOM_RETRAIN_FIRST": "10000000"}
    process = subprocess.Popen([*VOXLOOM, "up", "--data", str(data), "--port-base", "0"], env=env)
    try:
        deadline = time.monotonic() + _UP_S
        while subprocess.run([*VOXLOOM, "status", "--data", str(data)], capture_output=True).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the services did not come up; what they said stands above")
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait()


def record(reader: Path, speaker: str, data: Path) -> None:
    """Every recording of the folder, as a take of its sentence."""
    with (reader / "manifest.tsv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    done = data / "recorded.json"
    stored = set(json.loads(done.read_text())) if done.exists() else set()
    with client("recorder", data) as recorder:
        for number, row in enumerate(rows, start=1):
            if row["path"] not in stored:
                take = recorder_pb2.Take(prompt=row["text"], speaker=speaker, language="en")
                send_take(recorder, take, read_audio(str(reader / row["path"])))
                stored.add(row["path"])
            print(f"\r{number} of {len(rows)} takes", end="", file=sys.stderr)
    print(file=sys.stderr)
    done.write_text(json.dumps(sorted(stored)))


def voxloom(data: Path, *words: str) -> None:
    sentence: Sequence[str] = (*VOXLOOM, *words, "--data", str(data))
    if code := subprocess.run(sentence).returncode:
        raise SystemExit(f"voxloom {' '.join(words)} failed (exit code {code})")


if __name__ == "__main__":
    raise SystemExit(main())
